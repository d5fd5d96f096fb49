"""Fires blind spots with the real SDKs in child processes, and collects what arrives."""

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
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sentry_sdk.client import BaseClient
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from demo_services import payment
from kit.experiments.blind_spots.blind_spot import PRELUDES, BlindSpot
from kit.experiments.blind_spots.finding import BlindSpotFinding, Firing
from kit.hosting import child, node
from kit.hosting.child import ChildProcess, Command
from kit.hosting.environment import experiment_environment
from kit.hosting.server import ServerError
from kit.ingest.store import Store, Subscription
from kit.outcome import Event, make_event
from kit.system.clients import sentry_off

PROCESSES = 3
PROCESS_DEADLINE_S = 180.0
ARRIVAL_DEADLINE_S = 60.0
FIRE_PY, FIRE_JS = (str(Path(__file__).with_name(name)) for name in ("fire.py", "fire.js"))

# The setup of the SDK is in fire.js, once for all.
SHARED_NODE = PRELUDES["node"].replace("Sentry.init();\n", "")
OnFiring = Callable[[int, int], object]


class FiringError(RuntimeError):
    """Failures could not be fired; the message names them and has their process's output."""


def run_blind_spots(
    blind_spots: Sequence[BlindSpot],
    client: BaseClient,
    store: Store,
    on_firing: OnFiring = lambda done, total: None,
) -> list[BlindSpotFinding]:
    """Fire each failure without its line and with it, and return what arrived.

    The child processes report to the DSN of ``client``, whose ingest writes to ``store`` in this
    process. ``on_firing`` receives the number of finished runs and the total. Raises FiringError.
    """
    commands, unavailable = _commands(blind_spots, str(client.dsn))
    available = [spot for spot in blind_spots if spot.runtime not in unavailable]
    firings = [firing for spot in available for firing in _firings(spot)]
    with (
        tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as folder,
        sentry_off(),
        store.subscribe() as arrivals,
    ):
        programs = list(_programs(firings, commands, Path(folder)))
        ended = _run_all(programs, _count_up(on_firing, len(firings)))
        # Code that runs alone cannot report that everything is sent; but its process has ended, so
        # nothing more can arrive.
        for firing in firings:
            if firing.blind_spot.alone:
                _send_last_report(client, firing.release)
        events = _collect_events(arrivals, {firing.release for firing in firings})
    fired = [
        replace(firing, ended=ended[firing.release], events=tuple(events[firing.release]))
        for firing in firings
    ]
    return [_finding(spot, fired, unavailable.get(spot.runtime)) for spot in blind_spots]


def _firings(spot: BlindSpot) -> Iterator[Firing]:
    token = uuid.uuid4().hex[:8]
    codes = {"without": spot.before, **({} if spot.line is None else {"with": spot.after})}
    for which, code in codes.items():
        yield Firing(spot, f"{spot.runtime}-{spot.name}@{token}-{which}", code)


def _finding(spot: BlindSpot, fired: Iterable[Firing], unavailable: str | None) -> BlindSpotFinding:
    before, after, *_ = *(firing for firing in fired if firing.blind_spot is spot), None, None
    return BlindSpotFinding(spot, before, after, unavailable)


# Processes


class Program(NamedTuple):
    """A process: its command, its firings, and whether it reports each one."""

    command: Command
    firings: tuple[Firing, ...]
    is_shared: bool


def _commands(
    blind_spots: Iterable[BlindSpot], dsn: str
) -> tuple[dict[str, Command], dict[str, str]]:
    """Return the command for each kind of file, and by runtime why it cannot run."""
    commands = {
        "py": Command(
            [sys.executable, "-P"], env={**experiment_environment(os.environ), "SENTRY_DSN": dsn}
        )
    }
    try:
        if any(spot.runtime == "node" for spot in blind_spots):
            given = node.node_command(payment.HOME, {"SENTRY_DSN": dsn}, lambda line: None)
            commands["js"] = Command(given.arguments[:1], env=given.env)
    except ServerError as error:
        return commands, {"node": str(error)}
    return commands, {}


def _programs(
    firings: Sequence[Firing], commands: Mapping[str, Command], folder: Path
) -> Iterator[Program]:
    # Shared processes take longest, so they start first.
    for kind, runner in (("py", FIRE_PY), ("js", FIRE_JS)):
        shared = tuple(s for s in firings if _kind(s.blind_spot) == kind and not s.blind_spot.alone)
        if shared:
            jobs = folder / f"{kind}.json"
            listed = [
                {
                    "runtime": firing.blind_spot.runtime,
                    "path": str(_write_code(firing, folder)),
                    "release": firing.release,
                }
                for firing in shared
            ]
            jobs.write_text(json.dumps(listed), "utf-8")
            yield _program(commands[kind], [runner, str(jobs)], shared, folder)
    for firing in firings:
        if firing.blind_spot.alone:
            path = _write_code(firing, folder)
            yield _program(commands[_kind(firing.blind_spot)], [str(path)], (firing,), folder)


def _program(
    command: Command, arguments: list[str], firings: tuple[Firing, ...], folder: Path
) -> Program:
    env = {
        **(command.env or {}),
        "SENTRY_RELEASE": firings[0].release,
        # These cells must not enter the history of the learner's own notebooks.
        "IPYTHONDIR": str(folder),
    }
    whole = Command([*command.arguments, *arguments], folder, env)
    return Program(whole, firings, is_shared=not firings[0].blind_spot.alone)


def _kind(spot: BlindSpot) -> str:
    return "js" if spot.runtime == "node" else "py"


def _write_code(firing: Firing, folder: Path) -> Path:
    """Write the code below its header; its frames show the name of the file."""
    path = folder / f"{firing.release}.{_kind(firing.blind_spot)}"
    text = PRELUDES[firing.blind_spot.runtime] + firing.code
    if firing.blind_spot.runtime == "node" and not firing.blind_spot.alone:
        text = f"{SHARED_NODE}exports.app = app;\nexports.run = async () => {{\n{firing.code}}};\n"
    path.write_text(text, "utf-8")
    return path


def _count_up(on_firing: OnFiring, total: int) -> Callable[[], None]:
    """Return a thread-safe callback for finished firings."""
    lock, done = threading.Lock(), 0

    def count() -> None:
        nonlocal done
        with lock:
            done += 1
            on_firing(done, total)

    return count


def _run_all(programs: Sequence[Program], count: Callable[[], None]) -> dict[str, str]:
    """Run the programs, a few at a time; return how each firing ended, by release."""
    processes: list[ChildProcess] = []
    ended: dict[str, str] = {}
    with ThreadPoolExecutor(PROCESSES) as pool:
        running = [pool.submit(_run_program, program, processes, count) for program in programs]
        try:
            for each in running:
                ended |= each.result()
        except BaseException:
            for each in running:
                each.cancel()
            for process in processes:
                child.end(process)
            raise
    return ended


def _run_program(
    program: Program, processes: list[ChildProcess], count: Callable[[], None]
) -> dict[str, str]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = child.start(program.command, stdout=subprocess.PIPE, stderr=said)
        processes.append(process)
        deadline = threading.Timer(PROCESS_DEADLINE_S, child.end, [process])
        deadline.start()
        try:
            ended = dict(_follow(process, program, count))
        finally:
            deadline.cancel()
            child.end(process)
        if missing := [
            firing.blind_spot.id for firing in program.firings if firing.release not in ended
        ]:
            said.seek(0)
            words = said.read().strip().splitlines()[-1:]
            raise FiringError(f"{missing[0]} could not be fired. {''.join(words)}".strip())
    return ended


def _follow(
    process: ChildProcess, program: Program, count: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)
                status = message["status"]
                yield message["release"], f"HTTP {status}" if status else ""
                count()
    code = child.wait(process)
    if not program.is_shared:
        yield program.firings[0].release, f"exit code {code}"
        count()


# What arrived


def _send_last_report(client: BaseClient, release: str) -> None:
    report = {"discarded_events": [], "release": release}
    item = Item(type="client_report", payload=PayloadRef(json=report))
    assert client.transport is not None
    client.transport.capture_envelope(Envelope(items=[item]))


def _collect_events(arrivals: Subscription, releases: set[str]) -> dict[str, list[Event]]:
    """Return all error events of each release that were sent before its last report.

    Each process sends that report after everything else. Raises FiringError when one does not
    arrive in time.
    """
    events: dict[str, list[Event]] = {release: [] for release in releases}
    open_, deadline = set(releases), time.monotonic() + ARRIVAL_DEADLINE_S
    while open_:
        try:
            item = arrivals.get(deadline - time.monotonic())
        except TimeoutError as error:
            names = ", ".join(sorted(open_))
            raise FiringError(f"The reports of {names} did not arrive in time.") from error
        release = item.payload.get("release") if isinstance(item.payload, dict) else None
        if release not in releases:
            continue
        if item.type == "client_report":
            open_.discard(release)
        elif item.type == "event":
            events[release].append(make_event(item))
    return events
