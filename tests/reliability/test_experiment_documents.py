"""Documents of experiments: as the engine takes them, saved, read and said."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.actionable import WorkshopError
from kit.reliability.chaos.actions import keep_watching
from kit.reliability.chaos.catalogue import EXPERIMENTS, DeclaredExperiment, UnknownExperiment
from kit.reliability.chaos.document import (
    HYPOTHESIS,
    DocumentError,
    hypothesis_probes,
    injected_terms,
    load_arguments,
)
from kit.reliability.chaos.engine import check_document
from kit.reliability.chaos.experiment import (
    ChaosExperiment,
    PredictionMissing,
    make_experiment,
)
from kit.reliability.chaos.target import ExperimentTarget, find_target
from kit.reliability.faults.catalogue import find_fault

ids = {"ids": lambda each: each.name}


def no_target() -> ExperimentTarget:
    raise AssertionError("nothing is to run")


def experiment_of(name: str = "payment-dies", **terms: Any) -> ChaosExperiment:
    return make_experiment(name, no_target, **terms)


def test_there_are_eight() -> None:
    assert len({each.name for each in EXPERIMENTS}) == len(EXPERIMENTS) == 8
    assert {each.expected for each in EXPERIMENTS} == {"holds", "deviates"}


@pytest.mark.parametrize("declared", EXPERIMENTS, **ids)
def test_the_engine_takes_each(declared: DeclaredExperiment) -> None:
    check_document(declared.document())


@pytest.mark.parametrize("declared", EXPERIMENTS, **ids)
def test_a_fault_is_leased_for_no_longer_than_the_method_and_rolled_back(
    declared: DeclaredExperiment,
) -> None:
    document = declared.document()
    steps = [each["provider"]["arguments"]["seconds"] for each in document["method"][1:]]
    assert all(0 < step <= 1 for step in steps)
    terms = injected_terms(document)
    assert terms["seconds"] == sum(steps)
    assert find_fault(terms["fault"])
    (rollback,) = document["rollbacks"]
    assert rollback["provider"]["arguments"] == {"fault": terms["fault"]}
    assert load_arguments(document)["abort"]


def test_terms_of_a_named_one_can_be_changed() -> None:
    document = experiment_of("payment-down", share=0.1, seconds=3, window=2.0).document
    assert (injected_terms(document)["share"], len(document["method"])) == (0.1, 4)
    assert load_arguments(document)["window"] == 2.0


def test_the_hypothesis_is_said_in_numbers_and_follows_the_document() -> None:
    experiment = experiment_of()
    assert experiment.hypothesis == "spins succeed ≥ 99 % and p95 ≤ 5 s, over 5 s at 4/s"
    experiment.document[HYPOTHESIS]["probes"][1]["tolerance"]["range"] = [0, 2]
    assert "p95 ≤ 2 s" in experiment.hypothesis


def test_a_saved_document_is_read_again(tmp_path: Path) -> None:
    experiment = experiment_of("payment-resets")
    file = experiment.save(tmp_path / "x.json")
    assert json.loads(file.read_text("utf-8")) == experiment.document
    again = make_experiment(file, no_target)
    assert again.document == experiment.document
    assert [each["provider"]["func"] for each in hypothesis_probes(again.document)] == [
        "success_rate",
        "unaccounted_coins",
    ]


@pytest.mark.parametrize("text", ["", "[1]", "{", '"x"'])
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(DocumentError, match="JSON"):
        make_experiment(file, no_target)


@pytest.mark.parametrize("document", [{}, {"title": "x"}, {"title": "x", "method": 3}])
def test_what_the_engine_does_not_take_is_said(document: dict[str, Any]) -> None:
    with pytest.raises(DocumentError, match="rejects this document"):
        check_document(document)


def test_an_unknown_name_is_answered_with_known_ones() -> None:
    with pytest.raises(UnknownExperiment, match="payment-dies"):
        experiment_of("payment-die")


def test_without_a_prediction_nothing_runs() -> None:
    experiment = experiment_of()
    with pytest.raises(PredictionMissing, match="Predict first"):
        experiment.run()
    with pytest.raises(PredictionMissing, match="Predict first"):
        experiment.start()
    with pytest.raises(PredictionMissing, match="holds"):
        experiment.predict = "explodes"
    experiment.predict = "deviates"
    assert experiment.predict == "deviates"


def test_an_activity_takes_a_second_at_most() -> None:
    with pytest.raises(WorkshopError, match="at most 1 s"):
        keep_watching(2)


def test_without_a_workshop_the_next_step_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    with pytest.raises(WorkshopError, match="No workshop runs"):
        find_target()


def test_an_experiment_shows_what_it_will_do_escaped() -> None:
    experiment = experiment_of()
    experiment.document["title"] = "<script>x</script>"
    html = experiment._repr_html_()
    assert "<script>" not in html
    assert "none yet" in html
    assert "predict first" in repr(experiment)


@pytest.mark.slow
def test_the_engine_is_not_imported_with_the_kit() -> None:
    program = (
        "import sys, kit; kit.Workshop; "
        "from kit.reliability.chaos.experiment import make_experiment; "
        "make_experiment('payment-dies', None); sys.exit('chaoslib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
