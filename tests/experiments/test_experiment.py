"""The three planted bugs, and what comes of the times that it took to find them."""

from collections.abc import Callable
from typing import Any

import pytest

from demo_services.game_engine.welcome import MEMBERS
from kit.experiments.time_to_fix.experiment import CARD, LOGS, Experiment, ExperimentResult, Trial
from kit.experiments.time_to_fix.puzzles import PUZZLES, Case
from kit.experiments.time_to_fix.stopwatch import GIVEN_UP, NOT_TRIED, RUNNING, SOLVED, TimedAttempt
from kit.workshop import Workshop

CAUSES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "cashback": lambda request: request["staked"] == 0,
    "welcome": lambda request: request["invited_by"] not in (None, *MEMBERS),
    "voucher": lambda request: "," in request["value"],
}


@pytest.fixture(scope="module")
def experiment(workshop: Workshop) -> Experiment:
    return workshop.time_to_fix(seed=13)


@pytest.fixture(params=[puzzle.promotion for puzzle in PUZZLES])
def case(request: pytest.FixtureRequest, experiment: Experiment) -> Case:
    return next(each for each in experiment.cases if each.puzzle.promotion == request.param)


def test_it_fails_for_the_cause_and_for_nothing_else(case: Case) -> None:
    has_cause = CAUSES[case.puzzle.promotion]
    hit = [request["player"] for request in case.puzzle.requests if has_cause(request)]
    assert [event["user"]["username"] for event in case.events] == hit
    assert 2 < len(hit) < len(case.puzzle.requests) - 2


def test_the_log_has_a_line_for_each_failure_and_not_its_value(case: Case) -> None:
    failures = [line for line in case.lines if " ERROR " in line]
    assert len(failures) == len(case.events)
    for event in case.events:
        (line,) = [each for each in failures if event["contexts"]["trace"]["trace_id"][:6] in each]
        error = event["exception"]["values"][-1]
        assert f"{error['type']}: {error['value']} in coins, line" in line
        assert event["user"]["username"] not in line
    assert sum("coins given" in line for line in case.lines) + len(failures) == len(
        case.puzzle.requests
    )


def test_the_event_has_its_own_log_lines_and_no_others(case: Case) -> None:
    for event in case.events:
        number = event["contexts"]["trace"]["trace_id"][:6]
        crumbs = [crumb["message"] for crumb in event["breadcrumbs"]["values"]]
        own = [line for line in case.lines if f"[{number}]" in line and " INFO " in line]
        assert [line.partition(": ")[2] for line in own] == crumbs


def test_each_bug_is_captured_once_at_one_line(case: Case, workshop: Workshop) -> None:
    for event in case.events:
        trace_id = event["contexts"]["trace"]["trace_id"]
        assert len(workshop.store.items(type="event", trace_id=trace_id)) == 1
    path = "exception.values[-1].stacktrace.frames[-1].[function, lineno]"
    assert len({tuple(event.find(path)) for event in case.events}) == 1
    assert {event.find("exception.values[-1].mechanism.handled") for event in case.events} == {
        False
    }
    assert case.events[0].find("exception.values[-1].stacktrace.frames[-1].function") == "coins"


def test_the_code_shows_the_line_that_the_log_names(case: Case) -> None:
    frame = case.events[0]["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    shown = f"{frame['lineno']}  {frame['context_line'][4:]}"
    assert shown in case.puzzle.code.splitlines()
    assert any(f"line {frame['lineno']}" in line for line in case.lines)


def test_every_value_on_its_card_has_an_origin(case: Case) -> None:
    assert "Neither our source nor" not in case.events[0]._repr_html_()


def test_the_right_answer_is_among_the_choices(case: Case) -> None:
    assert case.puzzle.cause in case.puzzle.choices
    assert len(set(case.puzzle.choices)) == len(case.puzzle.choices)


def test_the_seed_draws_order_and_evidence(experiment: Experiment) -> None:
    draws = {
        (each.evidence, tuple(each.case(n).puzzle.promotion for n in (1, 2, 3)))
        for each in (Experiment(experiment.cases, seed) for seed in range(50))
    }
    assert {evidence for evidence, _ in draws} == {(LOGS, CARD, LOGS), (CARD, LOGS, CARD)}
    assert len({order for _, order in draws}) == 6
    again = Experiment(experiment.cases, experiment.seed)
    assert again.evidence == experiment.evidence
    assert [again.case(n) for n in (1, 2, 3)] == [experiment.case(n) for n in (1, 2, 3)]


def test_a_round_shows_its_evidence_first_and_the_other_one_at_the_end(
    experiment: Experiment,
) -> None:
    for number, evidence in enumerate(experiment.evidence, start=1):
        stopwatch = experiment.round(number)
        stopwatch.start_button.click()
        shown = "".join(str(child.value) for child in stopwatch.view.children[2:3])
        marks = {LOGS: "demo_services.promotions: [", CARD: "cw-card"}
        assert marks.pop(evidence) in shown
        (other,) = marks.values()
        assert experiment.case(number).puzzle.cause not in shown
        if evidence == LOGS:
            assert other not in shown
        assert stopwatch.answer(experiment.case(number).puzzle.cause)
        assert other in stopwatch.view.children[-1].value


def test_it_is_played_to_a_result(experiment: Experiment) -> None:
    for number in (1, 2, 3):
        stopwatch = experiment.round(number)
        stopwatch.start_button.click()
        puzzle = experiment.case(number).puzzle
        wrong = next(choice for choice in puzzle.choices if choice != puzzle.cause)
        assert not stopwatch.answer(wrong)
        assert stopwatch.answer(puzzle.cause)
    result = experiment.result
    assert [trial.attempt.state for trial in result.trials] == [SOLVED] * 3
    assert [trial.attempt.wrong for trial in result.trials] == [1] * 3
    assert result.ratio is not None
    assert result.trials[0].promotion in result._repr_html_()


def test_a_new_stopwatch_forgets_the_old_one(experiment: Experiment) -> None:
    old = experiment.round(1)
    old.start_button.click()
    new = experiment.round(1)
    assert old.ended.is_set()
    assert new.attempt.state == NOT_TRIED
    assert experiment.result.trials[0].attempt == TimedAttempt()
    assert experiment.result.trials[0].promotion == "?"


def test_there_are_three_rounds(experiment: Experiment) -> None:
    for number in (0, 4, -1):
        with pytest.raises(IndexError, match="1 to 3"):
            experiment.round(number)


def comparison(*attempts: TimedAttempt) -> ExperimentResult:
    evidence = (LOGS, CARD, LOGS)
    trials = zip((1, 2, 3), evidence, attempts, strict=True)
    return ExperimentResult(
        tuple(Trial(n, "cashback", kind, attempt) for n, kind, attempt in trials)
    )


def solved(seconds: float, wrong: int = 0) -> TimedAttempt:
    return TimedAttempt(SOLVED, seconds, wrong)


def test_the_ratio_compares_means() -> None:
    result = comparison(solved(90), solved(30), solved(150))
    assert result.ratio == 4
    assert result.sentences == (
        "With log lines you took 2:00, with an event card 0:30 (mean per round): the log lines "
        "took 4.0 times as long. Hours to minutes would be a factor of about 60.",
    )


@pytest.mark.parametrize(
    ("card", "words"),
    [(60, "about the same"), (120, "the event card took 2.0 times as long")],
)
def test_a_ratio_in_words(card: float, words: str) -> None:
    assert words in repr(comparison(solved(60), solved(card), solved(60)))


def test_what_was_not_tried_is_no_zero() -> None:
    result = comparison(solved(60), TimedAttempt(), solved(60))
    assert result.ratio is None
    assert "round 2" in result.sentences[0]
    assert "For a ratio, solve a round with each evidence." in result.sentences
    assert "<td>not tried yet</td>" in result._repr_html_()
    assert comparison(solved(60), TimedAttempt(RUNNING), solved(60)).ratio is None
    assert comparison(solved(60), solved(20), TimedAttempt()).ratio == 3
    assert comparison(TimedAttempt(), solved(20), TimedAttempt()).ratio is None


def test_what_was_given_up_is_no_time() -> None:
    result = comparison(solved(60), solved(30), TimedAttempt(GIVEN_UP, 500))
    assert result.ratio is None
    assert "Given up: round 3" in repr(result)
    assert "times as long" not in repr(result)


def test_a_guess_is_called_one() -> None:
    assert "may be a guess: round 2." in repr(comparison(solved(60), solved(30, 2), solved(60, 1)))
