"""A drill: each phase, what is wrong is counted, and nothing is left on."""

import pytest

from kit.reliability.drill.impact import Impact
from kit.reliability.drill.phases import PHASES, DrillError
from kit.reliability.drill.scenario import Scenario
from tests.reliability.drills import BEGAN, Stage, make_stage


@pytest.fixture
def stage() -> Stage:
    return make_stage()


@pytest.fixture
def truth(stage: Stage) -> Scenario:
    return stage.drill.truth_for_judges()


@pytest.fixture
def begun(stage: Stage, truth: Scenario) -> Stage:
    """Half a minute into the incident, which was detected after 20 seconds."""
    stage.drill.start()
    stage.wait(truth.starts_at + 20)
    assert stage.drill.detected()
    stage.wait(truth.starts_at + 30)
    return stage


def seconds(stage: Stage) -> list[float | None]:
    return [stage.drill.verdict.seconds(name) for name in PHASES]


def test_nothing_runs_before_the_start(stage: Stage) -> None:
    assert (stage.drill.state, stage.drill.elapsed_s) == ("not started", 0)
    for refused in (stage.drill.detected, stage.drill.give_up, lambda: stage.drill.update("x")):
        with pytest.raises(DrillError, match="has not started"):
            refused()
    assert not stage.traffic.is_running
    assert not stage.leases
    assert stage.drill.impact == Impact()
    assert stage.drill.budget.spent == 0


def test_the_incident_begins_when_the_seed_says(stage: Stage, truth: Scenario) -> None:
    stage.drill.start()
    assert stage.traffic.is_running
    assert stage.on() == sorted(decoy.flag for decoy in truth.decoys)
    stage.wait(truth.starts_at - 0.5)
    assert not stage.is_incident_on
    stage.wait(truth.starts_at + 0.5)
    assert stage.on() == list(truth.flags)
    [lease] = [each for each in stage.leases if each.fault == truth.fault]
    assert (lease.share, lease.seed) == (truth.share, truth.fault_seed)
    # Should this process die, the service ends it when the drill would be over.
    assert lease.seconds == pytest.approx(truth.ends_at - truth.starts_at, abs=1)


def test_four_right_answers_end_it(begun: Stage, truth: Scenario) -> None:
    drill = begun.drill
    assert drill.localised(truth.services[0])
    begun.wait(truth.starts_at + 40)
    assert drill.diagnosed(truth.cause)
    begun.wait(truth.starts_at + 50)
    done = drill.mitigate(turn_off=truth.flag)
    assert (done.is_steady, done.good) == (True, 5)
    assert drill.state == "over"
    assert seconds(begun) == [20, 30, 40, 50]
    assert drill.verdict.headline == "Mitigated after 0:50, and understood."
    assert begun.on() == []
    assert not begun.traffic.is_running
    assert not begun.traffic.callbacks
    [result] = begun.remembered
    assert (result.seed, result.fault, result.wrong) == (truth.seed, "payment-fails", 0)
    assert result.diagnosis_s == 20


def test_late_spins_of_a_queue_do_not_spoil_a_mitigation(begun: Stage, truth: Scenario) -> None:
    begun.late = (1, 3)
    done = begun.drill.mitigate(turn_off=truth.flag)
    assert (done.is_steady, done.good, done.probes) == (True, 6, 8)


def test_a_system_that_does_not_recover_is_not_mitigated(begun: Stage, truth: Scenario) -> None:
    begun.late = range(0, 100, 4)
    done = begun.drill.mitigate(turn_off=truth.flag)
    assert (done.is_over, done.is_steady, done.probes) == (True, False, 20)
    assert "Not steady yet." in done.sentence
    begun.late = ()
    # Once more looks again.
    assert begun.drill.mitigate(turn_off=truth.flag).is_steady


def test_it_may_be_mitigated_before_it_is_understood(begun: Stage, truth: Scenario) -> None:
    begun.drill.mitigate(turn_off=truth.flag)
    assert begun.drill.state == "running"
    begun.drill.give_up()
    assert seconds(begun) == [20, None, None, 30]
    assert begun.drill.verdict.headline == "Mitigated after 0:30. Not localised, not diagnosed."


def test_wrong_answers_are_counted_and_the_clock_goes_on(begun: Stage, truth: Scenario) -> None:
    drill = begun.drill
    wrong = [cause for cause in drill.causes if cause != truth.cause]
    assert not drill.localised("gateway")
    assert not drill.localised("analytics")
    assert not drill.diagnosed(wrong[0])
    assert drill.state == "running"
    assert [phase.wrong for phase in drill.phases] == [0, 2, 1, 0]
    begun.wait(truth.starts_at + 60)
    assert drill.localised("payment")
    # What comes after the right answer is not an answer.
    assert not drill.localised("gateway")
    drill.give_up()
    assert seconds(begun) == [20, 60, None, None]
    assert begun.remembered[0].wrong == 3


def test_a_false_alarm_is_counted(stage: Stage, truth: Scenario) -> None:
    stage.drill.start()
    assert not stage.drill.detected()
    with pytest.raises(DrillError, match=r"drill\.detected\(\)"):
        stage.drill.localised("payment")
    stage.wait(truth.starts_at + 1)
    assert stage.drill.detected()
    assert (stage.drill.phases[0].wrong, stage.drill.phases[0].by) == (1, "you")


def test_the_first_page_of_a_rule_is_a_detection(stage: Stage, truth: Scenario) -> None:
    stage.pages = [BEGAN - 60]  # of what was before
    stage.drill.start()
    stage.wait(5)
    stage.pages.append(BEGAN + 5)
    stage.wait(8)
    assert stage.drill.phases[0].wrong == 1
    stage.wait(truth.starts_at + 12)
    stage.pages.append(BEGAN + truth.starts_at - 1)  # of an event that arrived late
    stage.pages.append(stage.clock.seconds)
    stage.wait(truth.starts_at + 15)
    assert (stage.drill.phases[0].by, stage.drill.phases[0].wrong) == ("your alert rule", 2)
    stage.drill.give_up()
    # The rule fired when it did, however late it was evaluated.
    assert seconds(stage)[0] == 12


def test_a_wrong_mitigation_changes_nothing_and_costs_time(begun: Stage, truth: Scenario) -> None:
    drill = begun.drill
    before = drill.elapsed_s
    done = drill.mitigate(restart="payment")
    assert begun.restarted == ["payment"]
    assert (done.is_steady, done.is_over, done.good) == (False, False, 0)
    assert drill.elapsed_s > before
    # The restart drops what the service was leased. A provider of flags would know them still.
    assert begun.on() == list(truth.flags)
    decoy = truth.decoys[0].flag
    assert not drill.mitigate(turn_off=decoy).is_over
    assert decoy not in begun.on()
    assert not drill.mitigate(roll_back="game-engine").is_over
    assert drill.phases[-1].tries == (
        "restart payment",
        f"turn off {decoy}",
        "roll back game-engine",
    )
    assert begun.is_incident_on


@pytest.mark.parametrize(
    ("fault", "cure", "no_cure"),
    [
        ("bad-release", {"roll_back": "game-engine"}, {"restart": "game-engine"}),
        ("engine-leaks", {"restart": "game-engine"}, {"roll_back": "game-engine"}),
        ("payment-fails", {}, {"restart": "payment"}),
    ],
)
def test_the_cure_depends_on_the_fault(
    fault: str, cure: dict[str, str], no_cure: dict[str, str]
) -> None:
    stage = make_stage(fault)
    truth = stage.drill.truth_for_judges()
    stage.drill.start()
    stage.wait(truth.starts_at + 10)
    stage.drill.detected()
    assert not stage.drill.mitigate(**no_cure).is_over
    assert stage.is_incident_on
    assert stage.drill.mitigate(**(cure or {"turn_off": truth.flag})).is_steady
    assert not stage.is_incident_on


@pytest.mark.parametrize("given", [{}, {"restart": "payment", "roll_back": "payment"}])
def test_one_thing_is_done_at_a_time(begun: Stage, given: dict[str, str]) -> None:
    with pytest.raises(DrillError, match="one thing at a time"):
        begun.drill.mitigate(**given)
    assert begun.drill.phases[-1].wrong == 0


def test_what_does_not_exist_is_no_answer(begun: Stage) -> None:
    drill = begun.drill
    with pytest.raises(DrillError, match="Choose one of: gateway, game-engine, payment, analytics"):
        drill.localised("casino")
    with pytest.raises(DrillError, match="no service casino"):
        drill.mitigate(restart="casino")
    with pytest.raises(DrillError, match="no flag red-lamp"):
        drill.mitigate(turn_off="red-lamp")
    with pytest.raises(DrillError, match="Choose one of these causes"):
        drill.diagnosed("bad luck")
    assert sum(phase.wrong for phase in drill.phases) == 0
    assert begun.is_incident_on


def test_it_ends_when_its_time_is_over(stage: Stage, truth: Scenario) -> None:
    stage.drill.start()
    stage.wait(truth.ends_at + 60)
    assert stage.drill.elapsed_s == truth.ends_at
    assert stage.on() == []
    assert seconds(stage) == [None] * 4
    assert "Not mitigated" in stage.drill.verdict.headline
    with pytest.raises(DrillError, match="is over"):
        stage.drill.detected()


def test_a_drill_that_is_stopped_leaves_nothing_on_and_is_not_remembered(begun: Stage) -> None:
    begun.drill.stop()
    assert begun.on() == []
    assert not begun.traffic.is_running
    assert not begun.remembered


def test_traffic_that_ran_before_runs_on(stage: Stage) -> None:
    stage.traffic.start()
    stage.drill.start()
    stage.drill.give_up()
    assert stage.traffic.is_running


def test_the_impact_is_that_of_the_incident(begun: Stage, truth: Scenario) -> None:
    at = BEGAN + truth.starts_at
    begun.traffic.answer(at - 5, "bad", "p1")  # natural, before
    for number in range(8):
        begun.traffic.answer(at + number, "bad", f"p{number % 3}")
        begun.traffic.answer(at + number, "good", "p9")
        begun.traffic.answer(at + number, "not valid", "p8")
    begun.drill.mitigate(turn_off=truth.flag)
    begun.traffic.answer(at + 60, "bad", "p7")
    begun.wait(truth.starts_at + 90)
    begun.drill.give_up()
    assert begun.drill.impact == Impact(failed=8, players=3)
    # 1 % of 4 a second in eight minutes; the budget counts what is outside of the incident, too.
    assert begun.drill.budget.allowed == pytest.approx(19.2)
    assert begun.drill.budget.spent == 10
    assert begun.remembered[0].budget_spent == pytest.approx(0.521)


def test_the_truth_is_hidden_until_the_end(begun: Stage, truth: Scenario) -> None:
    drill = begun.drill
    assert truth.cause not in str(list(drill.timeline))
    assert begun.drill.timeline.of("noise")
    for secret in (lambda: drill.verdict, lambda: drill.result, drill.postmortem):
        with pytest.raises(DrillError, match="when the drill is over"):
            secret()
    assert truth.fault not in repr(drill)
    drill.give_up()
    assert truth.cause in str(list(drill.timeline))


def test_people_write_and_a_status_is_an_answer(stage: Stage, truth: Scenario) -> None:
    stage.drill.start()
    [asked] = [message for message in truth.messages if message.wants_status]
    stage.wait(asked.at - 1)
    assert not any(message.wants_status for message in stage.drill.inbox)
    stage.wait(asked.at + 40)
    assert any(message.wants_status for message in stage.drill.inbox)
    stage.drill.update("  Spins fail for a quarter of\nthe players. Next news at 5:00. ")
    stage.wait(truth.ends_at)
    assert len(stage.drill.inbox) == len(truth.messages)
    assert stage.drill.verdict.status == pytest.approx(40, abs=1)
    [update] = stage.drill.timeline.of("update")
    assert update.text == "Spins fail for a quarter of the players. Next news at 5:00."


def test_natural_errors_happen_and_do_not_stop_the_clock(stage: Stage, truth: Scenario) -> None:
    stage.drill.start()
    stage.wait(truth.ends_at)
    assert len(stage.drill.timeline.of("noise")) == len(truth.decoys) + len(truth.natural_errors)


def test_what_cannot_be_remembered_is_said(begun: Stage) -> None:
    begun.cannot_remember = "Could not save progress: no space."
    begun.drill.give_up()
    assert begun.drill.remark in begun.drill.verdict._repr_html_()


def test_the_cards_name_the_fault_only_afterwards() -> None:
    stage = make_stage()
    stage.drill.start()
    stage.wait(stage.scenario.starts_at + 1)
    assert stage.revealed == 0
    stage.drill.give_up()
    assert stage.revealed == 1
