"""The first screen of a card."""

from typing import Any

import pytest

from kit.views.card import event_card
from kit.views.card.highlights import Sightings
from tests.card.page import Page
from tests.card.test_card import CRASH, EVENT, FRAME, event, raised


def top(sent: dict[str, Any], **options: Any) -> dict[str, str]:
    """Return what the first screen of an event says, by its labels."""
    page = Page(event_card(sent, **options))
    pairs = zip(page.all("dt"), page.all("dd"), strict=True)
    return {label.text: " ".join(said.text.split()) for label, said in pairs}


def test_it_answers_what_the_on_call_asks_first() -> None:
    told = top(
        event(release="game-engine@1.0.0", environment="workshop"),
        crash=CRASH,
        seen=Sightings(3, 1_700_000_000.0, 1_700_000_245.0),
    )
    assert told["Where"].startswith(
        "spin in demo_services/game_engine/reels.py:7 return bet / 0 # <b> ← bet = 10"
    )
    assert told["Who"] == "c2aa3ecac1f3 GET http://127.0.0.1:8082/debug/crash"
    assert told["Release"] == "game-engine@1.0.0 · workshop"
    assert told["How often"] == (
        "3 events of this issue here within 4 min 5 s, the first at 22:13:20 UTC "
        "(simulated grouping)"
    )
    assert told["Before it"] == "−500 ms spin reels stopped"
    assert told["Not captured"] == "The answer"


def test_it_says_nothing_of_what_is_not_known() -> None:
    assert list(top({"message": "out of paper"})) == []
    assert top(event(user=None))["Who"].startswith("no user")


def test_the_first_event_of_an_issue_is_called_that() -> None:
    told = top(EVENT, seen=Sightings(1, 1.0, 1.0))
    assert told["How often"].startswith("1 event of this issue here: this is the first")


def test_only_the_last_breadcrumbs_are_on_it() -> None:
    crumbs = [{"category": "spin", "message": f"step {number}"} for number in range(9)]
    told = top(event(breadcrumbs={"values": crumbs}))["Before it"]
    assert [f"step {number}" in told for number in (5, 6, 7, 8)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return stake / odds", ["stake = 5", "odds = 0"]),
        ("odds = odds + stakes", ["odds = 0"]),
        ("return reels", ["reels = "]),
        ("return 1", []),
    ],
)
def test_the_values_stand_beside_the_line_that_names_them(line: str, expected: list[str]) -> None:
    values = {"stake": "5", "odds": "0", "reels": "x" * 100}
    frame = {**FRAME, "context_line": line, "vars": values}
    page = Page(event_card(raised({"type": "E", "stacktrace": {"frames": [frame]}})))
    said = [" ".join(each.text.split()) for each in page.all("span", "cw-values")]
    assert len(said) == (2 if expected else 0)
    for each in said:
        assert all(part in each for part in expected)
        assert each.count(" = ") == len(expected)
        assert len(each) < 80
