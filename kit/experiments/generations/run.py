"""Runs a program with one generation of the SDK in a child process, and stores what it sends.

The program sends over HTTP to an ingest that serves only these runs, so nothing from other programs
gets in. The ingest responds once an envelope is stored: after a program has ended, nothing more can
arrive.
"""

import os
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from kit.experiments.generations.installation import InstalledSdk
from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.environment import experiment_environment
from kit.hosting.server import HOST
from kit.ingest.app import make_app
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event, Trace, make_event
from kit.reading.payload import as_mappings, as_str
from kit.reading.spans import spans
from kit.system.ingest_server import ingest_server

PROCESSES = 3
PROCESS_DEADLINE_S = 60.0
PROGRAM = "program.py"
_KEY = "generations"
_UPLOAD = re.compile(rf"^POST http://{re.escape(HOST)}:\d+/api/\d+/envelope/$")
_RAISED = re.compile(r"[\w.]*(Error|Exception|Warning|Interrupt|Exit)\b")


class ProgramRun(NamedTuple):
    """What to run: the source of a program, the SDK, and additional environment variables."""

    source: str
    sdk: InstalledSdk
    variables: Mapping[str, str]


@dataclass(frozen=True)
class SdkRun:
    """The run of a program, and what its SDK sent.

    ``exit_code`` is negative for a signal. ``stdout`` and ``stderr`` are its output.
    """

    sdk: InstalledSdk
    items: tuple[StoredItem, ...]
    exit_code: int
    stdout: str
    stderr: str

    @cached_property
    def events(self) -> list[Event]:
        """The error events, in the order in which they arrived."""
        return [make_event(item) for item in self.items if item.type == "event"]

    @property
    def event(self) -> Event | None:
        """The first error event, or None when none arrived."""
        return self.events[0] if self.events else None

    @cached_property
    def trace(self) -> Trace:
        """The spans that arrived, earliest first; shown in a notebook as a waterfall."""
        trace = Trace(spans(self.items))
        trace.items = self.items
        trace.trace_id = next((each for item in self.items for each in item.trace_ids), "")
        return trace

    @property
    def types(self) -> dict[str, int]:
        """How many items of each type arrived."""
        return dict(Counter(item.type for item in self.items if item.type != "client_report"))

    @property
    def error_line(self) -> str:
        """The error that ended it, the line after its traceback; empty when it raised nothing."""
        lines = [line for line in self.stderr.splitlines() if _RAISED.match(line)]
        return lines[-1] if lines and self.exit_code else ""

    def leaked_in(self, text: str) -> list[str]:
        """Return the types of the items that contain ``text``."""
        return sorted({item.type for item in self.items if text in str(item.payload)})

    def __repr__(self) -> str:
        arrived = ", ".join(f"{count} {name}" for name, count in self.types.items())
        return f"<sentry-sdk {self.sdk.version}: {arrived or 'nothing arrived'}>"


def run_programs(programs: Sequence[ProgramRun]) -> list[SdkRun]:
    """Run programs, a few at a time, and return what each sent, in the same order."""
    with (
        tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as folder,
        _open_ingest(Path(folder), len(programs)) as (store, dsns),
    ):
        ended = _run_all(programs, dsns, Path(folder))
        sent = [_read_items(store, str(number)) for number in range(len(programs))]
    return [
        SdkRun(program.sdk, tuple(_as_sent(items, program.sdk)), *end)
        for program, items, end in zip(programs, sent, ended, strict=True)
    ]


def _read_items(store: Store, project: str) -> list[StoredItem]:
    """Return the items of a project in the order in which they arrived."""
    return store.items(project=project)[::-1]


def _as_sent(items: Iterable[StoredItem], sdk: InstalledSdk) -> Iterator[StoredItem]:
    """Yield items with the name of the SDK that sent them, without spans of its uploads.

    The SDK recognizes its own uploads by the host of the DSN. If that has a port, it mistakes them
    for requests of the program.
    """
    for item in items:
        payload, batch = item.payload, {"span": "items", "transaction": "spans"}.get(item.type)
        if batch and batch in payload:
            kept = [each for each in as_mappings(payload[batch]) if not _is_upload(each)]
            payload = {**payload, batch: kept}
            if item.type == "span" and not kept:
                continue
        yield replace(item, project=f"sdk-{sdk.generation}", payload=payload)


def _is_upload(span: Mapping[str, Any]) -> bool:
    name = as_str(span.get("name")) or as_str(span.get("description"))
    return _UPLOAD.search(name) is not None


@contextmanager
def _open_ingest(folder: Path, count: int) -> Iterator[tuple[Store, list[str]]]:
    """Serve an ingest with ``count`` projects; yield its store, and a DSN for each project."""
    names = [str(number) for number in range(count)]
    store = Store(folder / "captured.sqlite3")
    try:
        server = ingest_server(partial(make_app, store, {name: (name, _KEY) for name in names}))
        server.launch().wait()
        try:
            yield store, [f"http://{_KEY}@{HOST}:{server.port}/{name}" for name in names]
        finally:
            server.stop()
    finally:
        store.close()


def _run_all(
    programs: Sequence[ProgramRun], dsns: Sequence[str], folder: Path
) -> list[tuple[int, str, str]]:
    processes: list[child.ChildProcess] = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        running = [
            pool.submit(_run_one, program, dsn, folder / str(number), processes)
            for number, (program, dsn) in enumerate(zip(programs, dsns, strict=True))
        ]
        try:
            return [each.result() for each in running]
        except BaseException:
            for each in running:
                each.cancel()
            for process in processes:
                child.end(process)
            raise


def _run_one(
    program: ProgramRun, dsn: str, folder: Path, processes: list[child.ChildProcess]
) -> tuple[int, str, str]:
    """Run one program in its own folder; return exit code, standard output and error."""
    folder.mkdir()
    (folder / PROGRAM).write_text(program.source, "utf-8")
    command = Command([sys.executable, "-P", PROGRAM], folder, _environment(program, dsn))
    with (
        (folder / "stdout.txt").open("w+", encoding="utf-8", errors="replace") as stdout,
        (folder / "stderr.txt").open("w+", encoding="utf-8", errors="replace") as stderr,
    ):
        process = child.start(command, stdout=stdout, stderr=stderr)
        processes.append(process)
        deadline = threading.Timer(PROCESS_DEADLINE_S, child.end, [process])
        deadline.start()
        try:
            code = child.wait(process)
        finally:
            deadline.cancel()
            child.end(process)
        stdout.seek(0)
        stderr.seek(0)
        return code, stdout.read(), stderr.read()


def _environment(program: ProgramRun, dsn: str) -> dict[str, str]:
    """Return this process's environment with the SDK first and without the SDK's own options."""
    own = experiment_environment(os.environ)
    if program.sdk.folder is not None:
        folders = [str(program.sdk.folder), own.get("PYTHONPATH")]
        own["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return {**own, "SENTRY_DSN": dsn, "PYTHONIOENCODING": "utf-8", **program.variables}
