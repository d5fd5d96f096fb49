"""Runs a document with chaostoolkit-lib, which is only imported here.

``python -m kit.reliability.chaos.engine FILE`` runs one for another process: it writes the journal
to standard output as a line of JSON, again after each step. SIGTERM rolls back and ends it.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from kit.reliability.chaos.document import DocumentError, read_document
from kit.reliability.chaos.target import ExperimentTarget, find_target, use_target

CHECK_S = 1.0
# A single deviating check may be a blip; the engine counts all checks since the beginning.
FAIL_FAST_PERCENT = 60
SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}

ExperimentJournal = dict[str, Any]
OnStep = Callable[[ExperimentJournal], object]


def check_document(document: Mapping[str, Any]) -> None:
    """Raise DocumentError if the engine rejects a document."""
    from chaoslib.exceptions import ChaosException
    from chaoslib.experiment import ensure_experiment_is_valid

    try:
        with _quiet_engine():
            ensure_experiment_is_valid(deepcopy(dict(document)))
    except (ChaosException, AttributeError, TypeError, KeyError) as error:
        raise DocumentError(
            f"The Chaos Toolkit rejects this document: {error}. "
            "workshop.experiment(name).document is one that it accepts."
        ) from error


def run_document(
    document: Mapping[str, Any], target: ExperimentTarget, on_step: OnStep | None = None
) -> ExperimentJournal:
    """Run an experiment in the main thread and return its journal.

    ``on_step`` is called with the journal after each step. An interrupt rolls back, and is in the
    journal. Raises DocumentError, and RuntimeError in another thread, which gets no signals.
    """
    from chaoslib.experiment import run_experiment
    from chaoslib.types import Schedule, Strategy

    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("An experiment must run in the main thread, because it needs signals.")
    check_document(document)
    schedule = Schedule(
        continuous_hypothesis_frequency=CHECK_S,
        fail_fast=True,
        fail_fast_ratio=FAIL_FAST_PERCENT,
    )
    with use_target(target), _quiet_engine():
        journal: ExperimentJournal = run_experiment(
            deepcopy(dict(document)),
            settings=deepcopy(SETTINGS),
            strategy=Strategy.CONTINUOUS,
            schedule=schedule,
            event_handlers=[_make_handler(on_step)] if on_step else [],
        )
    return journal


def _make_handler(on_step: OnStep) -> object:
    """Return the handler that the engine calls at each step."""
    from chaoslib.run import RunEventHandler

    class StepHandler(RunEventHandler):  # type: ignore[misc]
        def __init__(self) -> None:
            self._journal: ExperimentJournal = {}

        def started(self, experiment: Any, journal: ExperimentJournal) -> None:
            self._journal = journal
            on_step(journal)

        def hypothesis_before_completed(self, experiment: Any, state: Any, journal: Any) -> None:
            on_step(journal)

        def continuous_hypothesis_iteration(self, iteration_index: int, state: Any) -> None:
            on_step(self._journal)

        def start_method(self, experiment: Any) -> None:
            on_step(self._journal)

        def rollbacks_completed(self, experiment: Any, journal: ExperimentJournal) -> None:
            on_step(journal)

    return StepHandler()


@contextmanager
def _quiet_engine() -> Iterator[None]:
    """Silence the engine's log: its journal has everything, and errors would become events."""
    logger = logging.getLogger("chaostoolkit")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def main(file: str, pid: str = "") -> None:
    """Run the document in a file, and write its journal to standard output after each step.

    It works on the workshop of process ``pid``, by default on the latest one of this folder. Raises
    WorkshopError if there is none.
    """

    def write(journal: ExperimentJournal) -> None:
        with suppress(BrokenPipeError):
            print(json.dumps(journal, default=str), flush=True)

    write(run_document(read_document(Path(file)), find_target(int(pid) if pid else None), write))


if __name__ == "__main__":
    main(*sys.argv[1:3])
