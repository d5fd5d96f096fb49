"""Runs an experiment in a child process, because the engine needs a main thread.

The child ends with the kernel. However the child ends, the kernel then ends its faults.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.actionable import ActionableError
from kit.frontend.gateway import GatewayClient
from kit.hosting import child
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str
from kit.reliability.chaos.engine import ExperimentJournal, OnStep
from kit.reliability.chaos.target import ExperimentTarget
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.leases import LeaseClient
from kit.threads import report_thread_failure

MODULE = "kit.reliability.chaos.engine"
# A rollback takes a moment; a child that does not end is killed, and its faults are ended here.
END_S = 8.0

OnEnd = Callable[[ExperimentJournal], object]


class BackgroundExperiment:
    """A document that runs in a child process as soon as this is created. Raises OSError.

    ``on_step`` is called with the journal after each step, ``on_end`` with the last journal, both
    in a thread.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        target: ExperimentTarget,
        on_step: OnStep = lambda journal: None,
        on_end: OnEnd = lambda journal: None,
    ) -> None:
        self.journal: ExperimentJournal = {}
        self._document, self._target = document, target
        self._on_step, self._on_end = on_step, on_end
        self._over = threading.Event()
        self._file = _write_document(document)
        env = {**os.environ, "WORKSHOP_HOME": str(target.home)}
        arguments = [sys.executable, "-m", MODULE, str(self._file), str(target.pid)]
        # Nothing reads its stderr, and a full pipe would block it.
        self.process = child.start(
            child.Command(arguments, env=env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._follow, name="chaos-child", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most ``seconds``; return whether it has ended."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """End its faults now, and it with its rollback within a few seconds."""
        if not self._over.is_set():
            child.ask_to_end(self.process)
            # Its own rollback comes when it has the processor, which on a busy machine takes long.
            release_faults(self._document, self._target)
            if not self._over.wait(END_S):
                child.end(self.process)
                self._over.wait(END_S)

    def _follow(self) -> None:
        # If only the wrapper was killed, the program still holds the pipe open: this ends it.
        waiter = threading.Thread(target=child.wait, args=(self.process,), daemon=True)
        waiter.start()
        try:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                self._take(line)
            waiter.join()
        except Exception:
            report_thread_failure()
        finally:
            self._end()

    def _take(self, line: str) -> None:
        with suppress(ValueError):
            self.journal = json.loads(line)
            self._on_step(self.journal)

    def _end(self) -> None:
        """End its faults: a killed child had no time to do so."""
        try:
            release_faults(self._document, self._target)
            child.end(self.process)
            self._file.unlink(missing_ok=True)
            self.journal.setdefault("end", "")
            self._on_end(self.journal)
        except Exception:
            report_thread_failure()
        finally:
            self._over.set()


def release_faults(document: Mapping[str, Any], target: ExperimentTarget) -> None:
    """End every fault that a document injects; faults that are off stay off."""
    gateway = GatewayClient(target.url, target.token)
    try:
        for name in injected_faults(document):
            with suppress(ActionableError):
                LeaseClient(gateway).end(find_fault(name).service, name)
    finally:
        gateway.close()


def injected_faults(document: Mapping[str, Any]) -> list[str]:
    """Return the names of all faults that the method of a document injects."""
    providers = [
        as_mapping(each.get("provider")) for each in as_mappings(as_list(document.get("method")))
    ]
    return [
        as_str(as_mapping(each.get("arguments")).get("fault"))
        for each in providers
        if each.get("func") == "inject_fault"
    ]


def _write_document(document: Mapping[str, Any]) -> Path:
    handle, name = tempfile.mkstemp(prefix="experiment-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return Path(name)
