"""Runs a program as a child process, watches it, and restarts it when it ends.

The program reports on standard output, with one JSON object per line, that it is ready and which
requests it gets: ``{"type": "ready", "port", "pid", "node"}``, then for each request
``{"type": "request", "method", "path", "trace_id", "span_id"}`` and, after the response,
``{"type": "answer", "trace_id", "span_id", "status"}``. Everything else it prints is its log.
"""

import json
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import IO, Any

import psutil

from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.process_exit import InFlightRequest, ProcessExit
from kit.hosting.server import BackgroundServer, Context, ServerError
from kit.threads import report_thread_failure

READY_DEADLINE_S = 30.0
MAX_FAILED_STARTS = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
# Up to this many exits a minute are a class at work; more mean that the program cannot run.
EXITS_A_MINUTE, MINUTE_S = 15, 60.0
KEPT_EXITS = 50

SAMPLE_S = 0.25
MAX_LINE_CHARS = 16_384
STDERR_LINES, MAX_STDERR_LINE_CHARS = 60, 500
MAX_OPEN_REQUESTS = 1000

Prepare = Callable[[int, threading.Event], Command]


class Supervisor(BackgroundServer):
    """A program in a child process that is watched and restarted when it ends.

    ``prepare`` gets the port and an event that is set when the program is no longer needed, and
    returns the command. It runs in the background, in ``context``, and may take long. Each start
    chooses a port. ``on_exit`` is called in the background before a restart, ``on_line`` with each
    line of the log. ``says_ready`` gets each line on stderr and returns whether the program is
    ready, for programs that do not report that on standard output.
    """

    max_failed_starts = MAX_FAILED_STARTS

    def __init__(
        self,
        name: str,
        prepare: Prepare,
        *,
        port: int = 0,
        on_exit: Callable[[ProcessExit], object] = lambda process_exit: None,
        on_line: Callable[[str], object] = lambda line: None,
        says_ready: Callable[[str], bool] = lambda line: False,
        context: Context = nullcontext,
    ) -> None:
        super().__init__(name, port=port, context=context)
        self._prepare = prepare
        self._on_exit = on_exit
        self._on_line = on_line
        self._says_ready = says_ready
        self._run: _Run | None = None
        self._exits: deque[ProcessExit] = deque(maxlen=KEPT_EXITS)
        self._restarts = 0

    @property
    def pid(self) -> int | None:
        """The id of the process, or None while it does not run."""
        run = self._run
        return run.pid if run is not None and self._is_ready else None

    @property
    def exits(self) -> tuple[ProcessExit, ...]:
        """The latest unrequested exits of its processes, newest last."""
        with self._changed:
            return tuple(self._exits)

    def stop(self, timeout: float = 5.0) -> None:
        """Ask the program to end, and kill it after ``timeout`` seconds."""
        try:
            super().stop(timeout)
        finally:
            if self._run is not None and self._thread is not None:
                child.end(self._run.process, timeout=1.0)
                self._thread.join(timeout)

    def _take_port(self) -> None:
        self._port = child.free_port(self._port or self.wanted_port)
        self._run = None
        self._exits.clear()
        self._restarts = 0

    def _ask_to_end(self) -> None:
        if self._run is not None:
            child.ask_to_end(self._run.process)

    def _run_until_end(self) -> None:
        """Restart the program until it is no longer needed or keeps failing."""
        failed_starts = 0
        while (run := self._start(self._prepare(self.port, self._end))) is not None:
            code = run.follow(self.name)
            # Without the lock, so that readers see it at once.
            self._is_ready = False
            if self._end.is_set():
                return
            process_exit = run.describe_exit(self.name, code, self._restarts)
            failed_starts = 0 if process_exit.was_ready else failed_starts + 1
            self._record(process_exit)
            if failed_starts == self.max_failed_starts:
                words = f"it {process_exit.how} before it was ready. {process_exit.error_line}"
                raise ServerError(words.strip())
            self._end.wait(self._pause(failed_starts))
            self._restarts += 1
            # Another program may have taken the port meanwhile.
            self._port = child.free_port(self.port)

    def _start(self, command: Command) -> "_Run | None":
        """Start a process, unless ``stop`` was called: it would miss this one."""
        with self._changed:
            if self._end.is_set():
                return None
            self._run = _Run(command, self._become_ready, self._on_line, self._says_ready)
            return self._run

    def _become_ready(self) -> None:
        # Atomic for waiting threads: they see the start together with its duration.
        with self._changed:
            super()._become_ready()
            if self._exits and self._exits[-1].back_after_s is None:
                self._exits[-1] = replace(self._exits[-1], back_after_s=self._ready_after)

    def _record(self, process_exit: ProcessExit) -> None:
        with self._changed:
            self._exits.append(process_exit)
            self._since = time.monotonic()
        try:
            self._on_exit(process_exit)
        except Exception as error:
            self._on_line(f"the exit could not be reported: {type(error).__name__}: {error}")

    def _pause(self, failed_starts: int) -> float:
        """Return how many seconds to wait before the next start."""
        minute_ago = time.time() - MINUTE_S
        recent = sum(1 for process_exit in self._exits if process_exit.at > minute_ago)
        step = max(failed_starts, recent - EXITS_A_MINUTE)
        return min(FIRST_PAUSE_S * 2 ** (step - 1), LONGEST_PAUSE_S) if step > 0 else 0.0


class _Run:
    """One process of a supervised program, from its start to its end."""

    def __init__(
        self,
        command: Command,
        on_ready: Callable[[], None],
        on_line: Callable[[str], object],
        says_ready: Callable[[str], bool],
    ) -> None:
        self._began = time.monotonic()
        self._options = tuple(part for part in command.arguments if part.startswith("-"))
        self._on_ready = on_ready
        self._on_line = on_line
        self._says_ready = says_ready
        self._ready: dict[str, Any] | None = None
        self._memory_mb: float | None = None
        self._stderr_tail: deque[str] = deque(maxlen=STDERR_LINES)
        self._open: dict[tuple[str | None, str | None], InFlightRequest] = {}
        self.process = child.start(command, stdout=subprocess.PIPE)

    @property
    def pid(self) -> int | None:
        """The id of the program itself, not of its wrapper, once the program has reported it."""
        pid = (self._ready or {}).get("pid")
        return pid if isinstance(pid, int) else None

    def follow(self, name: str) -> int:
        """Read the output until the process ends; return its exit code, or minus its signal."""
        readers = [
            threading.Thread(target=_read_lines, args=each[1:], name=each[0], daemon=True)
            for each in (
                (f"{name}-stdout", self.process.stdout, self._use_stdout),
                (f"{name}-stderr", self.process.stderr, self._use_stderr),
            )
        ]
        for reader in readers:
            reader.start()
        # At end of output instead of by polling: no delay.
        while readers[0].is_alive() and self.process.poll() is None:
            readers[0].join(SAMPLE_S)
            self._sample()
        code = child.wait(self.process)
        # All lines: the last one may be the ready message.
        for reader in readers:
            reader.join()
        child.end(self.process)
        return code

    def describe_exit(self, name: str, code: int, restarts: int) -> ProcessExit:
        """Return how this process ended."""
        return ProcessExit(
            name=name,
            at=time.time(),
            exit_code=code if code >= 0 else None,
            signal=_signal_name(-code) if code < 0 else None,
            uptime_s=time.monotonic() - self._began,
            restarts=restarts,
            stderr_tail=tuple(self._stderr_tail),
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
                # A process that has just ended has no memory; keep the previous sample.
                rss = psutil.Process(self.pid).memory_info().rss
                self._memory_mb = rss / 2**20 if rss else self._memory_mb
        elif self._ready is None and time.monotonic() - self._began > READY_DEADLINE_S:
            self._stderr_tail.append(f"It was not ready within {READY_DEADLINE_S:g} s.")
            child.end(self.process)

    def _become_ready(self, message: dict[str, Any]) -> None:
        self._ready = message
        self._sample()
        self._on_ready()

    def _use_stdout(self, line: str) -> None:
        message = _json_object(line)
        match message.get("type"):
            case "ready":
                self._become_ready(message)
            case "request":
                fields: list[Any] = [message.get(field) for field in InFlightRequest._fields]
                request = InFlightRequest(*fields)
                self._open[request.trace_id, request.span_id] = request
                if len(self._open) > MAX_OPEN_REQUESTS:
                    del self._open[next(iter(self._open))]
            case "answer":
                self._open.pop((message.get("trace_id"), message.get("span_id")), None)
            case _:
                self._on_line(line)

    def _use_stderr(self, line: str) -> None:
        self._stderr_tail.append(line[:MAX_STDERR_LINE_CHARS])
        self._on_line(line)
        if self._ready is None and self._says_ready(line):
            self._become_ready({})


def _read_lines(stream: IO[str], use: Callable[[str], None]) -> None:
    """Call ``use`` with each line, in pieces when it is long, until the stream ends."""
    with stream:
        for line in iter(partial(stream.readline, MAX_LINE_CHARS), ""):
            try:
                use(line.rstrip())
            except Exception:
                # Continue: a program whose output is not read hangs once the pipe is full.
                report_thread_failure()


def _json_object(line: str) -> dict[str, Any]:
    """Return the JSON object in a line, or an empty one."""
    with suppress(ValueError, RecursionError):
        if line.startswith("{") and isinstance(message := json.loads(line), dict):
            return message
    return {}


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
