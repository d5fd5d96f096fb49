"""What a journal comes to: verdict, timeline, blast radius, and how it is shown."""

from dataclasses import replace
from typing import Any

import pytest

from kit.reliability.chaos.catalogue import find_experiment
from kit.reliability.chaos.result import UNKNOWN, ChaosResult, SteadyCheck
from tests.reliability.chaos_journals import make_journal


def result_of(predicted: Any = "holds", name: str = "payment-dies", **changed: Any) -> ChaosResult:
    return ChaosResult(make_journal(name, **changed), predicted, find_experiment(name))


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "holds"),
        ({"during": "✓✗✓"}, "deviates"),
        ({"before": False}, "not begun"),
        ({"after": "✗✗"}, "not recovered"),
        ({"aborted": "2100 MiB"}, "aborted"),
        ({"hit": 0}, "hit nothing"),
        ({"during": "✓✗", "aborted": "95 % failed"}, "deviates"),
    ],
)
def test_the_journal_decides_the_verdict(changed: dict[str, Any], verdict: str) -> None:
    assert result_of(**changed).verdict == verdict


def test_the_last_check_of_the_engine_is_still_with_the_fault() -> None:
    journal = make_journal(during="✓✓")
    journal["steady_states"]["after"] = make_journal(before=False)["steady_states"]["before"]
    assert ChaosResult(journal).verdict == "deviates"


def test_an_interrupt_and_a_run_under_way_are_no_verdict() -> None:
    journal = make_journal() | {"status": "interrupted"}
    journal["workshop"]["recovery"] = None
    assert ChaosResult(journal).verdict == "interrupted"
    del journal["end"]
    assert ChaosResult(journal).verdict == "running"


def test_a_journal_that_has_just_begun_can_be_shown() -> None:
    for journal in ({}, {"experiment": find_experiment("payment-dies").document()}):
        result = ChaosResult(journal)
        assert result.verdict == "running"
        assert "Running." in result._repr_html_()
        assert repr(result)


def test_the_timeline_is_a_line() -> None:
    result = result_of(during="✓✗✓")
    assert result.timeline == (
        "before ✓ · payment-dies on · during ✓✗✓ · rollback · after ✓ in 3.1 s"
    )
    assert result.recovered_after_s == 3.1


def test_the_prediction_is_compared() -> None:
    assert result_of("holds").is_as_predicted
    assert not result_of("deviates").is_as_predicted
    assert "You predicted “deviates”: wrong." in result_of("deviates")._repr_html_()


def test_a_cause_is_given_for_the_declared_outcome_only() -> None:
    assert "3 seconds" in result_of().cause
    assert result_of(during="✗").cause == ""
    other = ChaosResult(make_journal("ledger-down"), "holds", find_experiment("payment-dies"))
    assert other.cause == ""


def test_what_was_not_asked_for_is_told() -> None:
    result = result_of(name="ledger-down", missing=23, coins=0)
    assert list(result.blast.unasked) == ["23 spins missing from the statistics"]
    assert "23 spins missing" in result._repr_html_()
    assert "23 spins missing" in str(result)


def test_each_probe_has_a_row_with_a_value_for_each_check() -> None:
    html = result_of(during="✓✗")._repr_html_()
    assert html.count('class="cw-met"') == 2 * 3  # both probes of three good checks
    assert html.count('class="cw-broken"') == 1
    assert "spins succeed ≥ 99 %" in html


def test_what_a_document_says_is_escaped() -> None:
    journal = make_journal()
    journal["experiment"]["title"] = "<script>alert(1)</script>"
    journal["experiment"]["steady-state-hypothesis"]["probes"][0] = {"name": "<i>x</i>"}
    html = ChaosResult(journal)._repr_html_()
    assert "<script>" not in html
    assert "<i>x" not in html


def test_a_check_without_enough_answers_yet_is_no_failure_of_the_recovery() -> None:
    waiting = SteadyCheck("after", 0.0, False, ((UNKNOWN, False),))
    marks = [waiting.mark, replace(waiting, phase="during").mark]
    failed = replace(waiting, values=((UNKNOWN, True), ("80", False)))
    assert [*marks, failed.mark] == ["…", "✗", "✗"]
