import re
import threading

import pytest

from demo_services.game_engine.reels import TABLE_LIMIT
from kit import Workshop
from kit.crashes.expectation import passed_through
from kit.frontend.slot_machine import SpinRefused, describe_spin, next_name
from tests.frontend.slots import DEADLINE_S, autoplay_ended, empty_purse, errors, last_trace, shown


def test_a_spin_is_played_by_all_services(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="grace", bet=5)
    result = slots.spin()
    assert (result["player"], result["bet"], len(result["reels"])) == ("grace", 5, 3)
    workshop.flush()
    trace_id = last_trace(slots)
    for service in ("frontend", "gateway", "game-engine", "payment", "analytics"):
        workshop.store.wait_for(
            trace_id,
            lambda item, service=service: passed_through(item) == service,
            DEADLINE_S,
            what=service,
        )
    assert describe_spin(result) in shown(slots)
    assert f"Balance {result['balance']}" in shown(slots)
    assert re.search(rf"Spins 1 Failed 0 Response after \d+ ms Trace {trace_id[:8]}", shown(slots))
    assert (
        f'role="img" aria-label="{", ".join(result["reels"])}"' in slots.cabinet.children[0].value
    )


def test_the_button_plays_in_a_thread(workshop: Workshop) -> None:
    slots = workshop.slot_machine()
    slots.button.click()
    assert autoplay_ended(slots)
    assert "Spins 1 Failed 0" in shown(slots)


def test_a_bet_is_bounded_by_the_table(workshop: Workshop) -> None:
    slots = workshop.slot_machine()
    slots.bet.value = TABLE_LIMIT + 1
    assert slots.bet.value == TABLE_LIMIT
    slots.bet.value = 0
    assert slots.bet.value == 1


def test_a_refusal_is_said_and_raised_and_no_error(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="<b>")
    with pytest.raises(SpinRefused, match="player must be 1 to 32 letters"):
        slots.spin()
    assert "The house refused. player must be" in shown(slots)
    assert errors(workshop, trace_id=last_trace(slots)) == []


def test_who_is_out_of_money_is_told_what_to_do(workshop: Workshop) -> None:
    empty_purse(workshop, "poor")
    slots = workshop.slot_machine(player="poor")
    with pytest.raises(SpinRefused):
        slots.spin()
    assert "poor is out of money." in shown(slots)
    assert "press New player" in shown(slots)
    slots.next_button.click()
    assert slots.player.value == "poor-2"
    assert slots.spin()["player"] == "poor-2"


def test_it_plays_while_all_else_crashes(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="calm", bet=1)
    for crash_id in ("gateway/panic", "game-engine/crash", "frontend/error", "payment/crash"):
        assert workshop.trigger(crash_id).missing == []
        assert slots.spin()["player"] == "calm"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.frontend.slot_machine.AUTOPLAY_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_autoplay_plays_until_it_is_stopped(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="auto", bet=1)
    enough = threading.Event()
    slots.cabinet.children[0].observe(
        lambda change: enough.set() if "Spins <b>5</b>" in change["new"] else None, "value"
    )
    slots.autoplay.value = True
    assert enough.wait(DEADLINE_S)
    slots.stop()
    assert autoplay_ended(slots)
    assert slots.tally.spins >= 5


@pytest.mark.usefixtures("quick")
def test_autoplay_ends_by_itself(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="auto", bet=1, minutes=0.005)
    slots.autoplay.value = True
    assert autoplay_ended(slots)
    assert slots.tally.spins >= 1
    assert "Autoplay ended after 0.005 minutes." in shown(slots)


@pytest.mark.usefixtures("quick")
def test_autoplay_ends_when_another_machine_is_made(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="auto", bet=1)
    slots.autoplay.value = True
    workshop.slot_machine()
    assert autoplay_ended(slots)


@pytest.mark.usefixtures("quick")
def test_autoplay_goes_on_with_the_next_player(workshop: Workshop) -> None:
    empty_purse(workshop, "spent")
    slots = workshop.slot_machine(player="spent", bet=1)
    seated = threading.Event()
    slots.player.observe(lambda change: seated.set(), "value")
    slots.autoplay.value = True
    assert seated.wait(DEADLINE_S)
    slots.stop()
    assert autoplay_ended(slots)
    assert slots.player.value == "spent-2"


@pytest.mark.usefixtures("quick")
def test_autoplay_ends_when_the_house_takes_no_bet(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="no name")
    slots.autoplay.value = True
    assert autoplay_ended(slots)
    assert slots.tally.spins == 1


@pytest.mark.parametrize(
    ("reels", "win", "words"),
    [
        ("bell cherry lemon", 0, "No two alike: the bet of 10 is lost."),
        ("cherry lemon cherry", 10, "Two cherries return the bet of 10."),
        ("seven seven seven", 770, "Three sevens pay 77 times the bet: 770 won!"),
    ],
)
def test_a_result_in_words(reels: str, win: int, words: str) -> None:
    assert describe_spin({"bet": 10, "win": win, "reels": reels.split()}) == words


@pytest.mark.parametrize(
    ("name", "following"),
    [
        ("ada", "ada-2"),
        ("ada-2", "ada-3"),
        ("ada-99999", "ada-99999-2"),
        ("a" * 32, "a" * 27 + "-2"),
    ],
)
def test_the_next_player_has_a_name_of_their_own(name: str, following: str) -> None:
    assert next_name(name) == following
    assert len(following) <= 32
