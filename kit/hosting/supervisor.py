"""A program that runs as a child process, is watched, and starts again when it dies.

The program says on standard output, in a JSON object a line, that it is ready and what it is
asked: ``{"type": "ready", "port", "pid", "node"}``, then for each request
``{"type": "request", "method", "path", "trace_id", "span_id"}`` and, once that is answered,
``{"type": "answer", "trace_id", "span_id", "status"}``. All else that it prints is its log.
"""

import json
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any, NamedTuple, Self

import psutil

from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.server import HOST, START_DEADLINE_S, Context, ServerError

READY_DEADLINE_S = 30.0
MAX_FAILED_STARTS = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
# So many deaths within a minute are a class at work; more are a program that cannot live.
DEATHS_A_MINUTE, MINUTE_S = 15, 60.0
KEPT_DEATHS = 50

SAMPLE_S = 0.25
MAX_LINE_CHARS = 16_384
LAST_WORDS, MAX_WORD_CHARS = 60, 500
MAX_OPEN_REQUESTS = 1000

Prepare = Callable[[int, threading.Event], Command]

HEAP_EXHAUSTED = re.compile(r"FATAL ERROR: .*JavaScript heap out of memory")
# What Node.js says of its inspector, which Sentry's SDK uses to read local variables.
NOISE = re.compile(r"Debugger |For help, see|Waiting for the debugger")
VERDICT = re.compile(r"FATAL ERROR: |(Uncaught )?\w*Error\b")


class Request(NamedTuple):
    """A request that the program had received; the ids are those of its root span."""

    method: str
    path: str
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True)
class Death:
    """The end of a supervised process that nobody had asked for.

    ``at`` is in seconds since the epoch. ``exit_code`` is None when a signal ended the process,
    ``signal`` is its name. ``last_words`` are the last lines on stderr. ``in_flight`` is the last
    request without an answer. ``memory_mb`` is the last sample of its resident memory, in MiB, at
    most a quarter of a second old. ``back_after_s`` is how long until the program was ready again.
    """

    name: str
    at: float
    exit_code: int | None
    signal: str | None
    uptime_s: float
    restarts: int
    last_words: tuple[str, ...]
    in_flight: Request | None
    was_ready: bool
    pid: int | None
    version: str | None
    options: tuple[str, ...]
    memory_mb: float | None
    back_after_s: float | None = None

    @property
    def heap_exhausted(self) -> bool:
        """Whether V8 ended the process because its heap was full."""
        return any(map(HEAP_EXHAUSTED.search, self.last_words))

    @property
    def kind(self) -> str:
        """What an event about it is called: HeapExhausted, ProcessKilled or ProcessExited."""
        if self.heap_exhausted:
            return "HeapExhausted"
        return "ProcessKilled" if self.signal else "ProcessExited"

    @property
    def how(self) -> str:
        """How it ended, in words."""
        return f"killed by {self.signal}" if self.signal else f"exited with code {self.exit_code}"

    @property
    def verdict(self) -> str:
        """The line of its last words that says most; empty when it said nothing of its end.

        Who is killed has no time to: what stands on stderr then is of something earlier.
        """
        # From the end: what is further up was said of errors that it survived.
        spoken = [line for line in reversed(self.last_words) if line and not NOISE.match(line)]
        if self.heap_exhausted:
            return next(filter(HEAP_EXHAUSTED.match, spoken))
        if self.signal and self.was_ready:
            return ""
        return next(filter(VERDICT.match, spoken), spoken[0] if spoken else "")


class Supervisor:
    """A supervised program, behind the surface of ``kit.hosting.server.Server``.

    ``prepare`` gets the port and an event that is set when the program is no longer wanted, and
    returns what to run. It runs in the background, in ``context``, and may take long. The wanted
    ``port`` is taken when it is free, else any free one, at each start. ``on_death`` is called from
    the background, before the program starts again; ``on_line`` with each line of its log.
    """

    def __init__(
        self,
        name: str,
        prepare: Prepare,
        *,
        port: int = 0,
        on_death: Callable[[Death], object] = lambda death: None,
        on_line: Callable[[str], object] = lambda line: None,
        context: Context = nullcontext,
    ) -> None:
        self.name = name
        self.wanted_port = port
        self._prepare = prepare
        self._on_death = on_death
        self._on_line = on_line
        self._context = context
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._changed = threading.Condition()
        self._life: _Life | None = None
        self._lives = 0
        self._reason: str | None = None
        self._since = self._ready_after = 0.0
        self._deaths: deque[Death] = deque(maxlen=KEPT_DEATHS)
        self._restarts = 0

    @property
    def is_running(self) -> bool:
        """Whether the program accepts requests."""
        life = self._life
        return life is not None and life.is_ready

    @property
    def port(self) -> int:
        """The port that the program is told to take. Raises ServerError before the launch."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port: it was not launched")
        return self._port

    @property
    def url(self) -> str:
        """Its base URL. Raises ServerError before the launch."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The id of the running process, or None while it does not run."""
        life = self._life
        return life.pid if life is not None and life.is_ready else None

    @property
    def lives(self) -> int:
        """How often the program became ready."""
        return self._lives

    @property
    def deaths(self) -> tuple[Death, ...]:
        """The last deaths that nobody had asked for, the latest last."""
        with self._changed:
            return tuple(self._deaths)

    @property
    def reason(self) -> str | None:
        """Why the program is down for good, in one line; None while it runs or starts."""
        return self._reason

    def launch(self) -> Self:
        """Choose the port and start in the background. Does nothing when that was done."""
        if self._thread is not None and self._thread.is_alive():
            return self
        self._port = child.free_port(self._port or self.wanted_port)
        self._end = threading.Event()
        self._reason = None
        self._deaths.clear()
        self._restarts = 0
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        return self

    def wait(self, deadline: float = START_DEADLINE_S, *, after: int = 0) -> float:
        """Wait until it accepts requests; return the seconds that took since launch or death.

        Whoever knows that it will die asks for ``lives`` before, and waits for one ``after``
        those. Raises ServerError with the reason when it is down for good, or was not ready in
        time; it goes on starting then.
        """
        with self._changed:
            settled = self._changed.wait_for(
                lambda: self._reason or (self.is_running and self._lives > after), deadline
            )
        if self._reason:
            raise ServerError(f"{self.name} is down: {self._reason}")
        if not settled:
            raise ServerError(f"{self.name} was not ready within {deadline:g} s")
        return self._ready_after

    def stop(self, timeout: float = 5.0) -> None:
        """Ask the program to end, and after ``timeout`` seconds end it. Never leaves it behind."""
        thread = self._thread
        if thread is None:
            return
        with self._changed:
            self._end.set()
            life = self._life
        try:
            if life is not None:
                child.ask_to_end(life.leash)
            thread.join(timeout)
        finally:
            if life is not None:
                child.end(life.leash, timeout=1.0)
            thread.join(timeout)

    def _run(self) -> None:
        try:
            with self._context():
                self._supervise()
            self._go_down("it was stopped")
        except Exception as error:
            # Whatever it is: had this thread died in silence, others would wait for it.
            expected = isinstance(error, ServerError)
            self._go_down(str(error) if expected else f"{type(error).__name__}: {error}")

    def _go_down(self, reason: str) -> None:
        with self._changed:
            self._reason = reason
            self._changed.notify_all()

    def _supervise(self) -> None:
        """Start the program again and again, until that is no longer wanted or of use."""
        failed_starts = 0
        while (life := self._begin(self._prepare(self.port, self._end))) is not None:
            code = life.follow()
            if self._end.is_set():
                return
            death = life.death(self.name, code, self._restarts)
            failed_starts = 0 if death.was_ready else failed_starts + 1
            self._record(death)
            if failed_starts == MAX_FAILED_STARTS:
                raise ServerError(f"it {death.how} before it was ready. {death.verdict}".strip())
            self._end.wait(self._pause(failed_starts))
            self._restarts += 1
            # Somebody else may have taken the port meanwhile.
            self._port = child.free_port(self.port)

    def _begin(self, command: Command) -> "_Life | None":
        """Start a process, unless ``stop`` was called: it would not know of it."""
        with self._changed:
            if self._end.is_set():
                return None
            self._life = _Life(command, self._has_become_ready, self._on_line)
            return self._life

    def _has_become_ready(self) -> None:
        with self._changed:
            self._ready_after = time.monotonic() - self._since
            self._lives += 1
            if self._deaths and self._deaths[-1].back_after_s is None:
                self._deaths[-1] = replace(self._deaths[-1], back_after_s=self._ready_after)
            self._changed.notify_all()

    def _record(self, death: Death) -> None:
        with self._changed:
            self._deaths.append(death)
            self._since = time.monotonic()
        try:
            self._on_death(death)
        except Exception as error:
            self._on_line(f"the death could not be reported: {type(error).__name__}: {error}")

    def _pause(self, failed_starts: int) -> float:
        """Return how many seconds to leave before the next start."""
        minute_ago = time.time() - MINUTE_S
        recent = sum(1 for death in self._deaths if death.at > minute_ago)
        step = max(failed_starts, recent - DEATHS_A_MINUTE)
        return min(FIRST_PAUSE_S * 2 ** (step - 1), LONGEST_PAUSE_S) if step > 0 else 0.0


class _Life:
    """One process of a supervised program, from its start to its end."""

    def __init__(
        self, command: Command, on_ready: Callable[[], None], on_line: Callable[[str], object]
    ) -> None:
        self._began = time.monotonic()
        self._options = tuple(part for part in command.arguments if part.startswith("-"))
        self._on_ready = on_ready
        self._on_line = on_line
        self._ready: dict[str, Any] | None = None
        self._memory_mb: float | None = None
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._open: dict[tuple[str | None, str | None], Request] = {}
        self.is_ready = False
        self.leash = child.start(command, stdout=subprocess.PIPE)

    @property
    def pid(self) -> int | None:
        """The id of the process itself, not of the leash, once that was said."""
        pid = (self._ready or {}).get("pid")
        return pid if isinstance(pid, int) else None

    def follow(self) -> int:
        """Read what the process says until its end; return its exit code, or minus its signal."""
        readers = [
            threading.Thread(target=_read, args=each, daemon=True)
            for each in ((self.leash.stdout, self._hear), (self.leash.stderr, self._keep))
        ]
        for reader in readers:
            reader.start()
        # At the end of output instead of at intervals: it is known at once then.
        while readers[0].is_alive() and self.leash.poll() is None:
            readers[0].join(SAMPLE_S)
            self._sample()
        code = child.wait(self.leash)
        for reader in readers:
            reader.join()
        # Only now: that it was ready may have been among its last words.
        self.is_ready = False
        child.end(self.leash)
        return code

    def death(self, name: str, code: int, restarts: int) -> Death:
        """Describe the end of this process."""
        return Death(
            name=name,
            at=time.time(),
            exit_code=code if code >= 0 else None,
            signal=_signal_name(-code) if code < 0 else None,
            uptime_s=time.monotonic() - self._began,
            restarts=restarts,
            last_words=tuple(self._last_words),
            in_flight=next(reversed(self._open.values()), None),
            was_ready=self._ready is not None,
            pid=self.pid,
            version=(self._ready or {}).get("node"),
            options=self._options,
            memory_mb=self._memory_mb,
        )

    def _sample(self) -> None:
        if self.pid is not None:
            with suppress(psutil.Error):
                # What has just ended has no memory any more; the sample before is of interest.
                rss = psutil.Process(self.pid).memory_info().rss
                self._memory_mb = rss / 2**20 if rss else self._memory_mb
        elif time.monotonic() - self._began > READY_DEADLINE_S:
            self._last_words.append(f"It was not ready within {READY_DEADLINE_S:g} s.")
            child.end(self.leash)

    def _hear(self, line: str) -> None:
        message = _message(line)
        match message.get("type"):
            case "ready":
                self._ready = message
                self._sample()
                self.is_ready = True
                self._on_ready()
            case "request":
                fields: list[Any] = [message.get(field) for field in Request._fields]
                request = Request(*fields)
                self._open[request.trace_id, request.span_id] = request
                if len(self._open) > MAX_OPEN_REQUESTS:
                    del self._open[next(iter(self._open))]
            case "answer":
                self._open.pop((message.get("trace_id"), message.get("span_id")), None)
            case _:
                self._on_line(line)

    def _keep(self, line: str) -> None:
        self._last_words.append(line[:MAX_WORD_CHARS])
        self._on_line(line)


def _read(stream: IO[str], use: Callable[[str], None]) -> None:
    """Call ``use`` with each line, in pieces when it is long, until the stream ends."""
    with stream:
        for line in iter(partial(stream.readline, MAX_LINE_CHARS), ""):
            use(line.rstrip())


def _message(line: str) -> dict[str, Any]:
    """Return the JSON object in a line, an empty one when it holds none."""
    with suppress(ValueError, RecursionError):
        if line.startswith("{") and isinstance(message := json.loads(line), dict):
            return message
    return {}


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
