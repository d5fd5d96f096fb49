"""What a responder does about an alert: the ladder, the guards, proofs, tickets."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kit.reliability.remediation.guards import HOUR_S
from kit.reliability.remediation.journal import Decision
from kit.reliability.remediation.ladder import Ladder, LadderError, LadderEvidence
from kit.reliability.remediation.rehearsal.world import FOREVER_S
from kit.reliability.remediation.responder import RemediationError, Responder
from kit.reliability.remediation.runbook import Action, RepairProof, RunbookError, make_runbook
from tests.reliability.responders import EARNED, Bench, MadeAlert


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def made() -> Iterator[list[Responder]]:
    responders: list[Responder] = []
    yield responders
    for each in responders:
        each.stop()


def test_a_known_alert_is_repaired_and_proved(bench: Bench) -> None:
    responder = bench.responder()
    assert bench.alert(responder) == (
        "alert · matched payment · precondition ✓ · did restart payment in 1.0 s · "
        "proved after 20 s"
    )
    assert (bench.done, bench.undone, responder.journal[0].state) == (["payment"], [], "proved")


def test_an_unknown_alert_goes_to_a_person(bench: Bench) -> None:
    responder = bench.responder()
    told = bench.alert(responder, MadeAlert(title="KeyError: 'x'"))
    assert told == "alert · no runbook knows it · escalated: unknown"
    assert bench.done == []


def test_a_look_alike_is_left_alone(bench: Bench) -> None:
    bench.ill = False
    told = bench.alert(responder := bench.responder())
    assert "precondition ✗" in told
    assert told.endswith("escalated: known by its name only")
    assert (bench.done, responder.journal[0].state) == ([], "escalated")


def test_of_two_runbooks_the_one_whose_precondition_holds_acts(bench: Bench) -> None:
    wrong = bench.runbook("release", when=lambda: False)
    told = bench.alert(bench.responder(wrong, bench.runbook()))
    assert "matched release · precondition ✗" in told
    assert "matched payment · precondition ✓ · did restart payment" in told


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_probe_that_answers_anything_but_true_does_not_hold(bench: Bench, value: Any) -> None:
    assert "precondition ✗" in bench.alert(bench.responder(bench.runbook(when=lambda: value)))


def test_a_probe_that_fails_or_hangs_does_not_hold(bench: Bench) -> None:
    def fails() -> bool:
        raise OSError("no answer")

    def hangs() -> bool:
        bench.clock.sleep(FOREVER_S)
        return True

    first, second = bench.runbook("a", when=fails), bench.runbook("b", when=hangs)
    told = bench.alert(bench.responder(first, second))
    assert "the probe failed: OSError: no answer" in told
    assert "the probe did not answer within 5 s" in told
    assert bench.done == []


def test_what_is_not_proved_is_undone_and_handed_over(bench: Bench) -> None:
    bench.good = lambda start, end: 0.5
    responder = bench.responder()
    told = bench.alert(responder)
    assert "not proved within 60 s: good 50 % before, 50 % after · undone · escalated" in told
    assert bench.undone == ["payment"]
    assert responder.levels["payment"].level == "auto"


def test_harm_makes_a_runbook_fall_one_level(bench: Bench) -> None:
    bench.good = lambda start, end: 0.2 if bench.done else 0.8
    responder = bench.responder()
    told = bench.alert(responder)
    assert "harmed within 60 s: good 80 % before, 20 % after · undone" in told
    assert "payment falls to ask" in told
    bench.ill = True
    assert bench.alert(responder).endswith("asked: restart payment?")


def test_without_traffic_nothing_is_proved(bench: Bench) -> None:
    bench.good = lambda start, end: None
    assert "not proved within 60 s: good – before, – after" in bench.alert(bench.responder())


def test_an_action_that_raises_is_undone(bench: Bench) -> None:
    def do() -> None:
        raise OSError("<refused>")

    action = replace(bench.runbook().action, do=do)
    told = bench.alert(responder := bench.responder(bench.runbook(action=action)))
    assert "failed: OSError: <refused> · undone · escalated" in told
    assert "&lt;refused&gt;" in responder.journal._repr_html_()
    assert "<refused>" not in responder.journal._repr_html_()


# The ladder


def test_watch_and_suggest_only_say_so(bench: Bench) -> None:
    for level, said in {"watch": "would restart", "suggest": "suggested: restart"}.items():
        told = bench.alert(bench.responder(bench.runbook(level=level)))
        assert f"{said} payment · escalated: level {level}" in told
    assert bench.done == []


def test_a_question_waits_for_its_answer(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"))
    assert bench.alert(responder).endswith("precondition ✓ · asked: restart payment?")
    assert (bench.done, responder.journal[0].state) == ([], "waiting")
    bench.clock.sleep(12)
    responder.approve()
    responder.work()
    assert "asked: restart payment? · approved after 12 s · precondition ✓ · did" in str(
        responder.journal
    )
    assert bench.done == ["payment"]
    with pytest.raises(RemediationError, match="Nothing waits"):
        responder.approve()


def test_a_late_answer_is_checked_against_the_system_of_then(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"))
    bench.alert(responder)
    bench.ill = False
    responder.approve()
    responder.work()
    assert responder.journal[0].sentence.endswith("escalated: it changed before the answer")
    assert bench.done == []


def test_no_is_no_and_counts_as_wrong(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask", evidence=LadderEvidence()))
    bench.alert(responder)
    responder.deny(responder.waiting[0])
    responder.work()
    assert responder.journal[0].sentence.endswith("denied after 0 s · escalated: a person said no")
    assert (bench.done, responder.levels["payment"].evidence) == ([], LadderEvidence(0, 1))


def test_a_question_lapses(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"))
    bench.alert(responder)
    bench.clock.sleep(300)
    responder.work()
    assert responder.journal[0].sentence.endswith(
        "no answer within 300 s · escalated: the question lapsed"
    )
    assert responder.waiting == ()


@pytest.mark.parametrize(
    ("evidence", "is_enough"),
    [((9, 0), False), ((9, 1), True), ((8, 2), False), ((10, 0), True), ((17, 3), False)],
)
def test_it_climbs_with_evidence_only(evidence: tuple[int, int], is_enough: bool) -> None:
    ladder = Ladder("suggest", LadderEvidence(*evidence))
    assert ladder.may_climb is is_enough
    if is_enough:
        assert ladder.climb() == "ask"
        assert not ladder.may_climb
    else:
        with pytest.raises(LadderError, match="stays at suggest"):
            ladder.climb()


def test_suggestions_are_judged_once_and_make_it_climb(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="suggest", evidence=LadderEvidence()))
    for number in range(10):
        bench.alert(responder, MadeAlert(issue_id=str(number)))
        responder.judge(number + 1, is_right=number != 0)
    with pytest.raises(RemediationError, match="no suggestion to judge"):
        responder.judge(1, is_right=True)
    assert responder.climb("payment") == "ask"
    with pytest.raises(LadderError, match="stays at ask"):
        responder.climb("payment")
    with pytest.raises(LadderError, match="Choose one of: payment"):
        responder.climb("engine")


def test_auto_is_earned(bench: Bench) -> None:
    with pytest.raises(RunbookError, match="may not start at auto: 0 of 0"):
        bench.runbook(evidence=LadderEvidence())


# Guards


@pytest.mark.parametrize("target", ["", " ", "*", "payment,gateway", "Payment", "database"])
def test_an_empty_or_unknown_target_is_refused(bench: Bench, target: str) -> None:
    told = bench.alert(bench.responder(bench.runbook(target=target)))
    assert "refused: target" in told
    assert told.endswith("escalated: stopped by a guard: target")
    assert bench.done == []


def test_an_empty_target_is_refused_even_if_it_is_allowed(bench: Bench) -> None:
    told = bench.alert(bench.responder(bench.runbook(target=""), targets=("", "payment")))
    assert "that does not mean all" in told
    assert bench.done == []


@pytest.mark.parametrize("knows", ["", "*", ("payment", "?*"), ()])
def test_a_runbook_may_not_know_everything(bench: Bench, knows: Any) -> None:
    with pytest.raises(RunbookError, match="would match every alert"):
        make_runbook(knows, lambda: True, bench.runbook().action, lambda: True)


def test_the_fourth_run_within_an_hour_is_handed_over(bench: Bench) -> None:
    responder = bench.responder()
    for number in range(4):
        bench.ill = True
        told = bench.alert(responder, MadeAlert(issue_id=str(number)))
    assert "refused: rate: 3 runs within an hour, of 3 allowed · escalated" in told
    assert len(bench.done) == 3
    bench.clock.sleep(HOUR_S)
    assert "proved" in bench.alert(responder, MadeAlert(issue_id="5"))


def test_after_the_kill_switch_nothing_is_done(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"), bench.runbook("second"))
    bench.alert(responder)
    responder.kill()
    assert responder.is_killed
    responder.approve()
    responder.work()
    assert "refused: kill switch: the flag remediation-enabled is off" in str(responder.journal)
    assert bench.done == []
    responder.revive()
    bench.alert(responder)
    responder.approve()
    responder.work()
    assert bench.done == ["payment"]


def test_a_kill_after_the_last_look_still_stops_the_action(bench: Bench) -> None:
    responder = bench.responder()

    def good(start: float, end: float) -> float:
        responder.kill()
        return 0.5

    bench.good = good
    assert "refused: kill switch" in bench.alert(responder)
    assert bench.done == []


def test_answers_do_not_lift_the_limit_of_an_hour(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"))
    bench.alert(responder, *[MadeAlert(issue_id=str(number)) for number in range(4)])
    for _ in range(4):
        bench.ill = True
        responder.approve()
        responder.work()
    assert len(bench.done) == 3
    assert "refused: rate" in responder.journal[3].sentence


def test_a_kill_during_the_proof_leaves_the_undo_to_people(bench: Bench) -> None:
    responder = bench.responder()

    def good(start: float, end: float) -> float:
        if bench.done:
            responder.kill()
        return 0.5

    bench.good = good
    told = bench.alert(responder)
    assert "not undone: the flag remediation-enabled is off" in told
    assert bench.undone == []


def test_a_frozen_budget_holds_back_releases_but_no_repair(bench: Bench) -> None:
    class Policy:
        sentence = "Frozen: 3 % of the error budget is left."

        def allows(self, change: str) -> bool:
            return change != "bad-release"

    release = replace(bench.runbook().action, change="bad-release")
    frozen = bench.responder(bench.runbook(action=release), policy=Policy())
    assert "refused: budget: bad-release must wait. Frozen: 3 %" in bench.alert(frozen)
    assert "proved" in bench.alert(bench.responder(policy=Policy()))


def test_alerts_of_an_issue_join_its_case(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(level="ask"))
    bench.alert(responder, *[MadeAlert() for _ in range(3)], MadeAlert(issue_id="8"))
    assert [(case.issue, case.joined) for case in responder.journal] == [("7", 2), ("8", 0)]


def test_an_action_that_hangs_is_abandoned_fenced_and_undone_again(bench: Bench) -> None:
    responder = bench.responder(
        bench.runbook(takes_s=FOREVER_S, deadline_s=30),
        bench.runbook("other", "gateway", knows=("Gateway*",)),
    )
    began = bench.clock.now()
    told = bench.alert(responder)
    assert "hung: abandoned after 30 s · undone · payment falls to ask · escalated" in told
    assert bench.clock.now() - began < 40
    # Others go on; what may still change is left alone.
    assert "proved" in bench.alert(responder, MadeAlert("8", title="GatewayError"))
    bench.ill = True
    assert "refused: held: an action that hung" in bench.alert(responder)
    bench.hands.end_late()
    responder.work()
    assert bench.undone == ["payment", "payment"]
    assert "restart payment ended late · undone" in responder.journal[0].sentence
    assert bench.alert(responder).endswith("asked: restart payment?")


# Tickets


def test_a_repair_that_hides_a_bug_becomes_a_ticket(bench: Bench) -> None:
    responder = bench.responder(bench.runbook(at_most=9))
    for number in range(5):
        bench.ill = True
        told = bench.alert(responder, MadeAlert(event={"event_id": f"{number:032x}"}))
        bench.clock.sleep(600)
    assert told.endswith("ticket: back after 3 repairs within an hour")
    assert len(bench.done) == 3
    (ticket,) = responder.tickets
    assert ticket.event_ids == tuple(f"{number:032x}" for number in range(5))
    assert "Came back 3 times within an hour, each time after “restart payment”" in str(ticket)
    assert "PaymentError" in ticket._repr_html_()


def test_repairs_of_more_than_an_hour_ago_do_not_count(bench: Bench) -> None:
    responder = bench.responder()
    for _ in range(5):
        bench.ill = True
        told = bench.alert(responder)
        bench.clock.sleep(HOUR_S)
    assert "proved" in told
    assert responder.tickets == []


# What a runbook knows, and what is told of it


@pytest.mark.parametrize(
    ("knows", "is_known"),
    [
        ("No coins", True),
        ("7", True),
        ("PaymentError: no answer", True),
        ("Payment?rror*", True),
        ("payment-failed", True),
        ("spin", True),
        ("paymenterror*", False),
        ("7*8", False),
        (lambda alert: alert.issue_id == "7", True),
    ],
)
def test_what_a_runbook_knows(bench: Bench, knows: Any, is_known: bool) -> None:
    event = {"fingerprint": ["payment-failed", "EUR"], "transaction": "spin"}
    made = make_runbook(knows, lambda: True, bench.runbook().action, lambda: True)
    assert made.matches(MadeAlert(event=event)) is is_known


def test_brackets_of_a_title_are_no_wildcards(bench: Bench) -> None:
    made = make_runbook("KeyError [a]", lambda: True, bench.runbook().action, lambda: True)
    assert made.matches(MadeAlert(title="KeyError [a]"))
    assert not made.matches(MadeAlert(title="KeyError a"))


def test_each_decision_is_told_and_a_teller_that_fails_stops_nothing(bench: Bench) -> None:
    told: list[Decision] = []
    bench.alert(bench.responder(on_decision=told.append))
    assert [each.step for each in told] == ["alert", "matched", "precondition", "did", "proved"]
    assert (told[3].runbook, told[3].action, told[3].target) == (
        "payment",
        "restart payment",
        "payment",
    )
    bench.ill = True
    failed: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.excepthook", failed.append)
        assert "proved" in bench.alert(bench.responder(on_decision=lambda made: 1 / 0))
    assert len(failed) == 5


def test_a_proof_by_a_probe_needs_five_seconds_in_a_row(bench: Bench) -> None:
    answers = iter([True, False, *[True] * 60])
    made = make_runbook(
        "PaymentError*",
        lambda: bench.ill,
        Action("restart payment", "payment", lambda: None),
        lambda: bool(bench.done) or next(answers),
        level="auto",
        evidence=EARNED,
    )
    told = bench.alert(bench.responder(made))
    assert "proved after" in told


@pytest.mark.parametrize("terms", [{"at_least": 0}, {"for_s": 90}, {"at_least": 1.1}])
def test_a_proof_that_cannot_hold_is_refused(bench: Bench, terms: dict[str, float]) -> None:
    with pytest.raises(RunbookError, match="A proof needs"):
        RepairProof(bench.sli, **terms)


def test_two_runbooks_of_a_name_are_refused(bench: Bench) -> None:
    with pytest.raises(RunbookError, match="same name"):
        bench.responder(bench.runbook(), bench.runbook())
