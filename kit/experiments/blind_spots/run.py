"""Fires failures with the real SDKs in child processes, and reads what arrived from the ingest."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sentry_sdk.client import BaseClient
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from demo_services import payment
from kit.experiments.blind_spots.blind_spot import PRELUDES, Miss
from kit.hosting import child, node
from kit.hosting.child import Command, Leash
from kit.hosting.server import HOST, ServerError
from kit.ingest.store import Store, Subscription
from kit.outcome import Event
from kit.reading.grouping import title
from kit.system.clients import untraced

PROCESSES = 3
PROCESS_DEADLINE_S = 180.0
ARRIVAL_DEADLINE_S = 60.0
FIRE_PY, FIRE_JS = (str(Path(__file__).with_name(name)) for name in ("fire.py", "fire.js"))

# What reports stands in fire.js, once for all.
SHARED_NODE = PRELUDES["node"].replace("Sentry.init();\n", "")
Report = Callable[[int, int], object]


class FiringError(RuntimeError):
    """Failures could not be fired; the message says which, and what their process said."""


@dataclass(frozen=True)
class Shot:
    """One run of a failure: without its line, or with it.

    Everything that it reports carries its ``release``. ``ended`` is the HTTP status of the answer
    of code behind a request, or the exit code of code that ended its process; else empty.
    """

    miss: Miss
    release: str
    code: str
    ended: str = ""
    events: tuple[Event, ...] = ()

    @property
    def captured(self) -> bool:
        """Whether an error event arrived."""
        return bool(self.events)

    @property
    def event(self) -> Event | None:
        """The first event that tells of the failure, or else the first; None when none arrived."""
        telling = (event for event in self.events if self.miss.error in title(event))
        return next(telling, next(iter(self.events), None))


@dataclass(frozen=True)
class Finding:
    """What became of a failure: ``before`` without its line, ``after`` with it.

    ``after`` is None when there is no line. ``unavailable`` says why it cannot be fired here; both
    are None then.
    """

    miss: Miss
    before: Shot | None = None
    after: Shot | None = None
    unavailable: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it went as declared; None when it could not be fired."""
        if self.before is None:
            return None
        shots = [shot for shot in (self.before, self.after) if shot is not None]
        expected = [self.miss.captured, not self.miss.captured][: len(shots)]
        return [shot.captured for shot in shots] == expected and all(
            self.miss.error in title(shot.event) for shot in shots if shot.event is not None
        )


def fire(
    misses: Sequence[Miss],
    client: BaseClient,
    store: Store,
    report: Report = lambda done, total: None,
) -> list[Finding]:
    """Fire each failure without its line and with it, and return what arrived.

    The children report to the DSN of ``client``, whose ingest writes to ``store`` in this process.
    ``report`` is told how many runs of how many are over. Raises FiringError.
    """
    commands, lacking = _commands(misses, str(client.dsn))
    shots = [shot for miss in misses if miss.runtime not in lacking for shot in _shots(miss)]
    with (
        tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as folder,
        untraced(),
        store.subscribe() as arrivals,
    ):
        programs = list(_programs(shots, commands, Path(folder)))
        ended = _run_all(programs, _counted(report, len(shots)))
        # What runs alone cannot say that all of it is sent: it is over, so nothing more can come.
        for shot in shots:
            if shot.miss.alone:
                _mark(client, shot.release)
        events = _read(arrivals, {shot.release for shot in shots})
    fired = [
        replace(shot, ended=ended[shot.release], events=tuple(events[shot.release]))
        for shot in shots
    ]
    return [_finding(miss, fired, lacking.get(miss.runtime)) for miss in misses]


def _shots(miss: Miss) -> Iterator[Shot]:
    token = uuid.uuid4().hex[:8]
    codes = {"without": miss.before, **({} if miss.line is None else {"with": miss.after})}
    for which, code in codes.items():
        yield Shot(miss, f"{miss.runtime}-{miss.name}@{token}-{which}", code)


def _finding(miss: Miss, fired: Iterable[Shot], unavailable: str | None) -> Finding:
    before, after, *_ = *(shot for shot in fired if shot.miss is miss), None, None
    return Finding(miss, before, after, unavailable)


# Processes


class Program(NamedTuple):
    """A process: what to run, which shots it fires, and whether it tells of each."""

    command: Command
    shots: tuple[Shot, ...]
    is_shared: bool


def _commands(misses: Iterable[Miss], dsn: str) -> tuple[dict[str, Command], dict[str, str]]:
    """Return how each kind of file is run, and by runtime why it cannot be."""
    commands = {"py": Command([sys.executable, "-P"], env=_environment(dsn))}
    try:
        if any(miss.runtime == "node" for miss in misses):
            given = node.node_command(payment.HOME, {"SENTRY_DSN": dsn}, lambda line: None)
            commands["js"] = Command(given.arguments[:1], env=given.env)
    except ServerError as error:
        return commands, {"node": str(error)}
    return commands, {}


def _environment(dsn: str) -> dict[str, str]:
    """Return this process's environment without options of the SDK: the default ones are wanted."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
    # A proxy cannot reach this machine's loopback.
    return {**own, "SENTRY_DSN": dsn, "NO_PROXY": HOST, "no_proxy": HOST}


def _programs(
    shots: Sequence[Shot], commands: Mapping[str, Command], folder: Path
) -> Iterator[Program]:
    # What is shared takes longest, so it starts first.
    for kind, fire_all in (("py", FIRE_PY), ("js", FIRE_JS)):
        shared = tuple(s for s in shots if _kind(s.miss) == kind and not s.miss.alone)
        if shared:
            jobs = folder / f"{kind}.json"
            listed = [
                {
                    "runtime": shot.miss.runtime,
                    "path": str(_write(shot, folder)),
                    "release": shot.release,
                }
                for shot in shared
            ]
            jobs.write_text(json.dumps(listed), "utf-8")
            yield _program(commands[kind], [fire_all, str(jobs)], shared, folder)
    for shot in shots:
        if shot.miss.alone:
            path = _write(shot, folder)
            yield _program(commands[_kind(shot.miss)], [str(path)], (shot,), folder)


def _program(
    command: Command, arguments: list[str], shots: tuple[Shot, ...], folder: Path
) -> Program:
    env = {
        **(command.env or {}),
        "SENTRY_RELEASE": shots[0].release,
        # The history of the learner's own notebooks is not for what is typed here.
        "IPYTHONDIR": str(folder),
    }
    whole = Command([*command.arguments, *arguments], folder, env)
    return Program(whole, shots, is_shared=not shots[0].miss.alone)


def _kind(miss: Miss) -> str:
    return "js" if miss.runtime == "node" else "py"


def _write(shot: Shot, folder: Path) -> Path:
    """Write the code with all that stands above it; the name is what its frames show."""
    path = folder / f"{shot.release}.{_kind(shot.miss)}"
    text = PRELUDES[shot.miss.runtime] + shot.code
    if shot.miss.runtime == "node" and not shot.miss.alone:
        text = f"{SHARED_NODE}exports.app = app;\nexports.run = async () => {{\n{shot.code}}};\n"
    path.write_text(text, "utf-8")
    return path


def _counted(report: Report, total: int) -> Callable[[], None]:
    """Return what to call whenever a shot is over, from any thread."""
    lock, done = threading.Lock(), 0

    def count() -> None:
        nonlocal done
        with lock:
            done += 1
            report(done, total)

    return count


def _run_all(programs: Sequence[Program], count: Callable[[], None]) -> dict[str, str]:
    """Run the programs, a few at a time; return how each shot ended, by its release."""
    leashes: list[Leash] = []
    ended: dict[str, str] = {}
    with ThreadPoolExecutor(PROCESSES) as pool:
        running = [pool.submit(_run, program, leashes, count) for program in programs]
        try:
            for each in running:
                ended |= each.result()
        except BaseException:
            for each in running:
                each.cancel()
            for leash in leashes:
                child.end(leash)
            raise
    return ended


def _run(program: Program, leashes: list[Leash], count: Callable[[], None]) -> dict[str, str]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        leash = child.start(program.command, stdout=subprocess.PIPE, stderr=said)
        leashes.append(leash)
        deadline = threading.Timer(PROCESS_DEADLINE_S, child.end, [leash])
        deadline.start()
        try:
            ended = dict(_follow(leash, program, count))
        finally:
            deadline.cancel()
            child.end(leash)
        if missing := [shot.miss.id for shot in program.shots if shot.release not in ended]:
            said.seek(0)
            words = said.read().strip().splitlines()[-1:]
            raise FiringError(f"{missing[0]} could not be fired. {''.join(words)}".strip())
    return ended


def _follow(leash: Leash, program: Program, count: Callable[[], None]) -> Iterator[tuple[str, str]]:
    assert leash.stdout is not None
    with leash.stdout:
        for line in leash.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)
                status = message["status"]
                yield message["release"], f"HTTP {status}" if status else ""
                count()
    code = child.wait(leash)
    if not program.is_shared:
        yield program.shots[0].release, f"exit code {code}"
        count()


# What arrived


def _mark(client: BaseClient, release: str) -> None:
    report = {"discarded_events": [], "release": release}
    item = Item(type="client_report", payload=PayloadRef(json=report))
    assert client.transport is not None
    client.transport.capture_envelope(Envelope(items=[item]))


def _read(arrivals: Subscription, releases: set[str]) -> dict[str, list[Event]]:
    """Return the error events by release, all that were sent before its last report.

    Each process sends that report when all else was sent. Raises FiringError when one is not there
    in time.
    """
    events: dict[str, list[Event]] = {release: [] for release in releases}
    open_, deadline = set(releases), time.monotonic() + ARRIVAL_DEADLINE_S
    while open_:
        try:
            item = arrivals.get(deadline - time.monotonic())
        except TimeoutError as error:
            names = ", ".join(sorted(open_))
            raise FiringError(f"What {names} reported did not arrive in time.") from error
        release = item.payload.get("release") if isinstance(item.payload, dict) else None
        if release not in releases:
            continue
        if item.type == "client_report":
            open_.discard(release)
        elif item.type == "event":
            events[release].append(Event(item.payload))
    return events
