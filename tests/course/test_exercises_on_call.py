"""The exercises of 24 · On call, on a drill whose clock stands still."""

from dataclasses import dataclass
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.on_call import (
    CLUE_SOLUTION,
    IMPACT_SOLUTION,
    first_clue,
    write_the_impact,
)
from kit.outcome import Event
from kit.reliability.drill.drill import Drill
from tests.reliability.drills import BEGAN, Stage, make_stage

DETECTED_S, MITIGATED_S = 20, 65


def play(stage: Stage) -> Drill:
    """Play a drill as the notebook's colleague does: five spins of three players fail."""
    drill, begins = stage.drill.start(), stage.scenario.starts_at
    # Before the incident, and so none of its impact.
    stage.traffic.answer(BEGAN + 1, "bad", "early")
    drill.detected(by="somebody in a hurry")
    for number, player in enumerate(["ada", "alan", "ada", "grace", "ada"]):
        stage.traffic.answer(BEGAN + begins + 2 + number, "bad", player)
    stage.wait(begins + DETECTED_S)
    drill.detected(by="a colleague")
    stage.wait(begins + MITIGATED_S - 10)
    for decoy in stage.scenario.decoys:
        drill.mitigate(turn_off=decoy.flag)
    stage.wait(begins + MITIGATED_S)
    drill.mitigate(turn_off=stage.scenario.flag)
    drill.stop()
    return drill


@pytest.fixture(scope="module")
def stage() -> Stage:
    stage = make_stage()
    play(stage)
    return stage


@pytest.fixture
def clue(stage: Stage) -> Exercise:
    return first_clue(stage.drill)


@pytest.fixture
def impact(stage: Stage) -> Exercise:
    return write_the_impact(stage.drill)


RIGHT = {
    "failed_spins": 5,
    "players": 3,
    "detected_s": DETECTED_S,
    "mitigated_s": MITIGATED_S,
}


# first-clue


def test_service_and_flag_of_the_incident_are_right(clue: Exercise, stage: Stage) -> None:
    result = clue.check({"service": "payment", "flag": stage.scenario.flag})
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("service", ["payment", "game-engine"])
def test_a_fault_between_two_services_is_in_either(service: str) -> None:
    stage = make_stage("payment-down")
    drill = play(stage)
    result = first_clue(drill).check({"service": service, "flag": stage.scenario.flag})
    assert result.verdict is Verdict.PASS, result.message


def test_the_service_that_only_calls_is_not_it(clue: Exercise, stage: Stage) -> None:
    result = clue.check({"service": "game-engine", "flag": stage.scenario.flag})
    assert result.verdict is Verdict.FAIL
    assert "earliest error event" in result.message
    assert "payment" not in result.message


def test_a_flag_that_does_nothing_is_not_it(clue: Exercise, stage: Stage) -> None:
    for decoy in stage.scenario.decoys:
        result = clue.check({"service": "payment", "flag": decoy.flag})
        assert result.verdict is Verdict.FAIL
        assert "is harmless" in result.message
        assert stage.scenario.flag not in result.message


def test_names_that_there_are_not_are_told(clue: Exercise, stage: Stage) -> None:
    result = clue.check({"service": "bank", "flag": "payment-fails"})
    assert result.verdict is Verdict.FAIL
    for name in ("game-engine", *stage.scenario.flags):
        assert name in result.message


@pytest.mark.parametrize("answer", [..., {"service": ..., "flag": ...}])
def test_a_clue_that_was_not_tried_is_no_mistake(clue: Exercise, answer: Any) -> None:
    assert clue.check(answer).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("wrong", [3, None, ["a"], {}])
def test_what_is_no_name_is_wrong_and_breaks_nothing(clue: Exercise, wrong: Any) -> None:
    assert clue.check({"service": wrong, "flag": wrong}).verdict is Verdict.FAIL
    assert clue.check(wrong).verdict is Verdict.FAIL


def test_the_solution_of_the_clue_takes_the_first_error(clue: Exercise, stage: Stage) -> None:
    flag = stage.scenario.flag
    names: dict[str, Any] = {
        "shift_spins": {"failed": "1", "good": "2"},
        "errors": {"1": [Event({"server_name": "payment"}), Event({})]}.__getitem__,
        "suspects": lambda spins, service: {flag} if service == "payment" else set(),
    }
    exec(CLUE_SOLUTION, names)
    assert clue.check(names[clue.answer_name]).verdict is Verdict.PASS


# write-the-impact


def test_the_numbers_of_the_journal_are_right(impact: Exercise) -> None:
    result = impact.check(RIGHT)
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("off", [-1, 1])
def test_a_second_more_or_less_is_right(impact: Exercise, off: int) -> None:
    near = RIGHT | {"detected_s": DETECTED_S + off, "mitigated_s": MITIGATED_S + off}
    assert impact.check(near).verdict is Verdict.PASS


@dataclass(frozen=True)
class Slip:
    name: str
    value: float
    says: str


SLIPS = [
    Slip("failed_spins", 6, "'failed_spins' is not 6"),
    Slip("players", 5, "each player once"),
    Slip("detected_s", DETECTED_S + 2, "'detected_s' is not 22"),
    Slip("mitigated_s", MITIGATED_S - 10, "'mitigated_s' is not 55"),
    Slip("players", True, "'players' must be a number"),
]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.name}={slip.value}")
def test_each_wrong_number_is_named(impact: Exercise, slip: Slip) -> None:
    result = impact.check(RIGHT | {slip.name: slip.value})
    assert result.verdict is Verdict.FAIL
    assert slip.says in result.message
    assert len(result.message.splitlines()) == 1


def test_times_since_the_start_of_the_drill_are_recognised(impact: Exercise, stage: Stage) -> None:
    begins = stage.scenario.starts_at
    result = impact.check(
        RIGHT | {"detected_s": DETECTED_S + begins, "mitigated_s": MITIGATED_S + begins}
    )
    assert result.verdict is Verdict.FAIL
    assert result.message.count("from the start of the drill") == 2


def test_an_incident_that_was_not_stopped_has_no_such_number() -> None:
    stage = make_stage()
    drill = stage.drill.start()
    stage.wait(stage.scenario.starts_at + 1)
    drill.detected()
    drill.stop()
    result = write_the_impact(drill).check(RIGHT | {"failed_spins": 0, "players": 0})
    assert result.verdict is Verdict.FAIL
    assert "not mitigated" in result.message


def test_an_impact_that_was_not_tried_is_no_mistake(impact: Exercise) -> None:
    assert impact.check(dict.fromkeys(RIGHT, ...)).verdict is Verdict.UNATTEMPTED


def test_the_solution_of_the_impact_reads_the_timeline(impact: Exercise, stage: Stage) -> None:
    names: dict[str, Any] = {"shift": stage.drill}
    exec(IMPACT_SOLUTION, names)
    assert impact.check(names[impact.answer_name]).verdict is Verdict.PASS
