"""Experiments on the real system: outcomes, interrupts, and documents outside of the notebook."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kit.actionable import WorkshopError
from kit.reliability.chaos.document import Bound
from kit.reliability.chaos.engine import run_document
from kit.reliability.chaos.experiment import ChaosExperiment
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.leases import LeaseClient
from kit.workshop import Workshop
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.slow]
SHORT: dict[str, Any] = {"window": 3.0, "seconds": 5}
WAIT_S = 20.0


def without_measuring(workshop: Workshop, **terms: Any) -> ChaosExperiment:
    """Return an experiment whose hypothesis always holds: a busy machine does not matter to it."""
    experiment = workshop.experiment("ledger-down", predict="holds", window=1.0, **terms)
    hypothesis = experiment.document["steady-state-hypothesis"]
    hypothesis["probes"] = [Bound("memory_mb", 100_000).as_probe(1)]
    return experiment


def is_on(workshop: Workshop, fault: str) -> bool:
    """Return whether a service has a lease of the fault."""
    states = LeaseClient(workshop._gateway).read(find_fault(fault).service)
    return any(each.fault == fault and each.ended_at is None for each in states)


def test_a_hole_in_the_statistics_holds_for_a_wrong_reason(workshop: Workshop) -> None:
    result = workshop.experiment("ledger-down", predict="deviates", **SHORT).run()
    assert result.verdict == "holds", result
    assert not result.is_as_predicted
    assert result.recovered_after_s is not None
    assert result.blast.missing is not None
    assert result.blast.missing > 5
    assert result.blast.coins == 0
    assert not is_on(workshop, "ledger-down")


def test_the_probe_that_asks_sees_the_hole(workshop: Workshop) -> None:
    experiment = workshop.experiment("ledger-down", predict="deviates", **SHORT)
    probes = experiment.document["steady-state-hypothesis"]["probes"]
    probes.append(Bound("missing_spins", 0).as_probe(3))
    result = experiment.run()
    # The hole stays after the rollback: what was not stored is not stored later.
    assert result.verdict == "not recovered", result
    assert any(not check.is_met for check in result.checks if check.phase == "during")


def test_lost_answers_charge_nobody_twice(workshop: Workshop) -> None:
    result = workshop.experiment("payment-resets", predict="holds", **SHORT).run()
    # Whether each spin succeeds in time is up to the machine, and asked by workshop check.
    assert result.blast.hit > 0
    assert result.blast.coins == 0
    assert result.blast.retries


def test_it_never_begins_without_a_steady_state(workshop: Workshop) -> None:
    experiment = workshop.experiment("payment-resets", predict="holds", **SHORT)
    with workshop.inject("payment-fails", share=1, seconds=30):
        result = experiment.run()
    assert result.verdict == "not begun"
    assert result.fault_began_at is None
    assert not result.blast.hit


def test_beyond_a_limit_it_is_aborted(workshop: Workshop) -> None:
    experiment = without_measuring(workshop, seconds=10)
    experiment.document["controls"][0]["provider"]["arguments"]["abort"] = {"memory_mb": 1}
    result = experiment.run()
    assert result.verdict == "aborted", result
    assert "MiB is the memory" in result.aborted
    assert result.fault_began_at is not None
    assert result.fault_ended_at is not None
    assert result.fault_ended_at - result.fault_began_at < 8
    assert not is_on(workshop, "ledger-down")


def test_an_interrupt_rolls_back(workshop: Workshop) -> None:
    experiment = without_measuring(workshop, seconds=20)

    def interrupt() -> None:
        wait_until(lambda: is_on(workshop, "ledger-down"), WAIT_S)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        experiment.run()
    thread.join()
    assert not is_on(workshop, "ledger-down")
    assert experiment.result is not None
    assert experiment.result.verdict == "interrupted"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_whatever_ends_the_child_the_fault_ends(workshop: Workshop, end: str) -> None:
    experiment = without_measuring(workshop, seconds=30)
    experiment.start()
    wait_until(lambda: is_on(workshop, "ledger-down"), WAIT_S)
    with pytest.raises(WorkshopError, match="already running"):
        experiment.run()
    if end == "stop":
        experiment.stop()
    else:
        assert experiment._running is not None
        experiment._running.process.kill()
    wait_until(lambda: not is_on(workshop, "ledger-down"), WAIT_S)
    assert experiment.wait(10)
    assert experiment.result is not None
    assert experiment.result.verdict == "interrupted"


def test_a_saved_document_runs_in_a_process_of_its_own(workshop: Workshop, tmp_path: Path) -> None:
    """With the engine's defaults, as ``chaos run`` has them."""
    # It measures once more when the method is over: a call that is repeated fails after 3 seconds.
    experiment = workshop.experiment("payment-down", window=5.0, seconds=10)
    file, journal = experiment.save(tmp_path / "x.json"), tmp_path / "journal.json"
    program = (
        "import json, sys; from chaoslib.experiment import run_experiment; "
        "found = run_experiment(json.load(open(sys.argv[1])), settings={}); "
        "json.dump(found, open(sys.argv[2], 'w'), default=str)"
    )
    env = {**os.environ, "WORKSHOP_HOME": str(workshop._system.home)}
    command = [sys.executable, "-c", program, str(file), str(journal)]
    subprocess.run(command, env=env, timeout=90, check=True, capture_output=True)
    found = json.loads(journal.read_text("utf-8"))
    assert found["deviated"] is True, (found["status"], found["steady_states"])
    assert found["workshop"]["recovery"]["is_recovered"]
    assert not is_on(workshop, "payment-down")


def test_another_thread_gets_no_signals_so_nothing_runs_there(workshop: Workshop) -> None:
    caught: list[BaseException] = []
    experiment = workshop.experiment("payment-dies", predict="holds")

    def run() -> None:
        try:
            run_document(experiment.document, experiment._target())
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert "main thread" in str(caught[0])
