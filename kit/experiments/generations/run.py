"""Runs a program with one generation of the SDK, in a child process, and keeps what it sends.

What the program sends goes over HTTP to an ingest that serves these runs alone, so that nothing of
other programs is among it. The ingest answers when an envelope is stored: once a program has ended,
nothing more can come.
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
    """What to run: the source of a program, the SDK, and what is added to its environment."""

    source: str
    sdk: InstalledSdk
    variables: Mapping[str, str]


@dataclass(frozen=True)
class SdkRun:
    """A program that was run, and what its SDK sent.

    ``exit_code`` is negative for a signal. ``stdout`` and ``stderr`` are what it wrote there.
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
        """The spans that arrived, the earliest first; shown in a notebook as a waterfall."""
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
        """What ended it, the line after its traceback; empty when it raised nothing."""
        lines = [line for line in self.stderr.splitlines() if _RAISED.match(line)]
        return lines[-1] if lines and self.exit_code else ""

    def leaked_in(self, text: str) -> list[str]:
        """Return the types of the items in which ``text`` arrived."""
        return sorted({item.type for item in self.items if text in str(item.payload)})

    def __repr__(self) -> str:
        arrived = ", ".join(f"{count} {name}" for name, count in self.types.items())
        return f"<sentry-sdk {self.sdk.version}: {arrived or 'nothing arrived'}>"


def run_programs(programs: Sequence[ProgramRun]) -> list[SdkRun]:
    """Run programs, a few at a time, and return what each sent, in their order."""
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
    """Yield items under the name of the SDK that sent them, without spans of the uploads.

    The SDK knows its own uploads by the host of the DSN. One with a port it takes for a request of
    the program.
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
    """Serve an ingest with so many projects; give its store, and a DSN for each of them."""
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
    """Run one program in a folder of its own; return exit code, standard output and error."""
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
    """Return this process's environment, with the SDK first and none of the SDK's own options."""
    own = experiment_environment(os.environ)
    if program.sdk.folder is not None:
        folders = [str(program.sdk.folder), own.get("PYTHONPATH")]
        own["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return {**own, "SENTRY_DSN": dsn, "PYTHONIOENCODING": "utf-8", **program.variables}
