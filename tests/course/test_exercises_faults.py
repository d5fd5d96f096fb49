"""Who is hit, and which fault it was."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from demo_services.faults.split import is_hit
from demo_services.game_engine.ledger import DEADLINE_S as LEDGER_DEADLINE_S
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.faults import (
    CANDIDATES,
    HIDDEN,
    HiddenRollout,
    play_rollouts,
    which_fault,
    who_is_hit,
)
from kit.outcome import make_event
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.traffic.outcomes import Answer
from kit.views.card import event_card
from kit.workshop import Workshop
from tests.notebooks.kernels import read, sources

NOTEBOOK = "21_faults_on_purpose.ipynb"


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


# Who is hit


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def little(seed: int, flag: str, key: str, share: float) -> bool:
    return int.from_bytes(digest(f"{seed}:{flag}:{key}")[:8], "little") / 2**64 < share


def without_flag(seed: int, flag: str, key: str, share: float) -> bool:
    return is_hit(seed, "payment-fails", key, share)


def without_seed(seed: int, flag: str, key: str, share: float) -> bool:
    return is_hit(7, flag, key, share)


def without_share(seed: int, flag: str, key: str, share: float) -> bool:
    return is_hit(seed, flag, key, 0.25)


def inverted(seed: int, flag: str, key: str, share: float) -> bool:
    return not is_hit(seed, flag, key, share)


def number(seed: int, flag: str, key: str, share: float) -> float:
    return int.from_bytes(digest(f"{seed}:{flag}:{key}")[:8], "big") / 2**64


def test_the_split_of_the_solution_is_that_of_the_services() -> None:
    result = who_is_hit().check(solved(who_is_hit()))
    assert result.verdict is Verdict.PASS, result.message
    assert who_is_hit().check(is_hit).verdict is Verdict.PASS


@pytest.mark.parametrize("untouched", [..., lambda *given: ...])
def test_an_untouched_split_is_not_tried(untouched: Any) -> None:
    assert who_is_hit().check(untouched).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("wrong", [little, without_flag, without_seed, without_share, inverted])
def test_a_wrong_split_is_told_a_request_that_proves_it(wrong: Callable[..., bool]) -> None:
    result = who_is_hit().check(wrong)
    assert result.verdict is Verdict.FAIL
    call, _, said = result.message.partition("For example, ")[2].partition(" is ")
    seed, flag, key, share = eval(call.removeprefix("hits"))
    assert said.startswith(f"{wrong(seed, flag, key, share)}, but that request is ")
    assert is_hit(seed, flag, key, share) is ("is hit" in said.splitlines()[0])


def test_a_split_that_is_wrong_at_its_bounds_is_told_so() -> None:
    message = who_is_hit().check(inverted).message
    assert "A share of 0 hits no request." in message
    assert "A share of 1 hits every request." in message
    assert "A share of" not in who_is_hit().check(without_seed).message


def test_a_split_says_true_or_false_and_what_it_raises_is_told() -> None:
    result = who_is_hit().check(number)
    assert (result.verdict, "True or False" in result.message) == (Verdict.FAIL, True)
    assert who_is_hit().check(lambda seed: True).verdict is Verdict.EXCEPTION
    assert who_is_hit().check("hits").verdict is Verdict.FAIL


# Which fault


@pytest.fixture
def which() -> Exercise:
    return which_fault(())


def test_the_faults_of_the_solution_are_those_that_were_injected(which: Exercise) -> None:
    assert solved(which) == HIDDEN
    assert which.check(solved(which)).verdict is Verdict.PASS
    assert set(HIDDEN.values()) < set(CANDIDATES)


def test_an_untouched_dict_is_not_tried(which: Exercise) -> None:
    assert which.check(dict.fromkeys(HIDDEN, ...)).verdict is Verdict.UNATTEMPTED
    assert which.check(...).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("flag", "given", "told"),
    [
        ("rollout-1", "no-op", "every hit spin left an answer that cannot be read."),
        ("rollout-1", "payment-fails", "would leave an error event with the flag, and no hit spin"),
        ("rollout-2", "payment-resets", "it would leave a repeated call, and no hit spin"),
        ("rollout-2", "no-op", "every hit spin left a spin that was not stored."),
        ("rollout-2", "ledger-down", "but they name another reason"),
        ("rollout-3", "clock-skew", "it would leave a spin that was not stored, and no hit spin"),
        ("rollout-4", "no-op", "every hit spin left an error event with the flag."),
        ("rollout-4", "payment-down", "but they name another reason"),
        ("rollout-4", "payment-dead", "must be one of 'payment-fails', 'payment-down'"),
    ],
)
def test_a_wrong_fault_is_told_what_speaks_against_it(
    which: Exercise, flag: str, given: str, told: str
) -> None:
    result = which.check({**HIDDEN, flag: given})
    assert result.verdict is Verdict.FAIL
    assert told in result.message
    assert HIDDEN[flag] not in result.message.partition("must be one of")[0]


def test_a_flag_that_is_left_out_is_named(which: Exercise) -> None:
    given = {flag: fault for flag, fault in HIDDEN.items() if flag != "rollout-3"}
    assert "'rollout-3' is still missing" in which.check(given).message


def test_the_notebook_asks_for_those_flags_and_names_the_candidates() -> None:
    text = "\n".join(cell.source for cell in read(NOTEBOOK).cells)
    (stub,) = (code for code in sources(read(NOTEBOOK)) if '"which-fault"' in code)
    assert all(f'"{flag}": ...' in stub for flag in HIDDEN)
    assert all(f"`{fault}`" in text for fault in CANDIDATES)


def test_a_rollout_knows_which_spins_were_hit() -> None:
    keys = [f"{n:032x}" for n in range(40)]
    answers = [Answer(0.0, key, "spin", "ada", 200, 0.1, "good") for key in keys]
    rollout = HiddenRollout("rollout-1", 7, 0.5, answers)
    assert [each.trace_id for each in rollout.hit] == [
        key for key in keys if is_hit(7, "rollout-1", key, 0.5)
    ]
    assert len(rollout.hit) + len(rollout.others) == 40
    assert all(fault not in repr(rollout) for fault in CANDIDATES)


@pytest.fixture(scope="module")
def rollouts(own_workshop: Workshop) -> dict[str, HiddenRollout]:
    told: list[str] = []
    found = {each.flag: each for each in play_rollouts(own_workshop, told.append)}
    assert len(told) == len(HIDDEN)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("flag", HIDDEN)
def test_spins_that_are_hit_leave_the_signs_of_the_fault_and_others_none(
    own_workshop: Workshop, rollouts: dict[str, HiddenRollout], flag: str
) -> None:
    rollout, fault = rollouts[flag], find_fault(HIDDEN[flag])
    assert rollout.hit
    assert rollout.others
    for answers, signs in ((rollout.hit, fault.shows), (rollout.others, ())):
        for answer in answers:
            items = own_workshop.store.items(trace_id=answer.trace_id, type="event")
            logs = own_workshop.trace_logs(answer.trace_id)
            unstored = [each.message for each in logs if "spin was not stored" in each.message]
            # On a busy machine analytics may be too late for one: the spin waited for it then.
            late = [message for message in unstored if "Timeout" in message]
            holes = [message for message in unstored if message not in late]
            assert not late or answer.took_s >= LEDGER_DEADLINE_S
            assert bool(items) is ("event" in signs)
            assert bool(holes) is ("hole" in signs and not late)
            assert (answer.status is None) is ("broken" in signs)
            assert not any("did not answer" in each.message for each in logs)
            assert all("422" in message for message in holes)


@pytest.mark.slow
def test_no_card_names_the_hidden_fault(
    own_workshop: Workshop, rollouts: dict[str, HiddenRollout]
) -> None:
    trace_id = rollouts["rollout-4"].hit[0].trace_id
    (item,) = own_workshop.store.items(trace_id=trace_id, type="event")
    assert make_event(item).title.startswith("KeyError")
    card = str(event_card(item.payload))
    assert "The flag rollout-4 was on when this happened." in card
    assert "injected by bad-release" not in card
