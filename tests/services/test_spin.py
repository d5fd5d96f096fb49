"""The game engine's real work."""

import itertools
import json

import httpx
import pytest

from demo_services.game_engine.reels import MAX_PLAYERS, PAYTABLE, STRIP, Reels, multiplier
from demo_services.players import START_BALANCE

from .conftest import Running


def spin(engine: Running, **body: object) -> httpx.Response:
    return engine.call("/api/v1/spin", "POST", json=body)


def test_a_spin_charges_the_bet_and_pays_the_win(engine: Running) -> None:
    first = spin(engine, player="grace", bet=10).json()
    second = spin(engine, player="grace", bet=20).json()
    assert set(first) == {"spin_id", "player", "bet", "reels", "win", "balance"}
    assert first["win"] == 10 * multiplier(first["reels"])
    assert first["balance"] == START_BALANCE - 10 + first["win"]
    assert second["balance"] == first["balance"] - 20 + second["win"]
    assert second["spin_id"] != first["spin_id"]


def test_a_spin_reports_its_steps_as_spans_and_its_body(engine: Running) -> None:
    telemetry = engine.telemetry(spin(engine, player="alan", bet=5))
    steps = ["game.spin", "game.charge", "game.reels", "game.payout"]
    assert telemetry.spans == [*steps, "game.ledger", "http.client"]
    assert json.loads(telemetry.attribute("http.request.body.data")) == {"player": "alan", "bet": 5}
    assert telemetry.events == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{", 400, "bad-json"),
        ("[]", 400, "bad-json"),
        (b"\xff", 400, "bad-json"),
        ("[" * 50_000, 400, "bad-json"),
        ('{"player": "ada", "bet": ' + "9" * 5000 + "}", 400, "bad-json"),
        ('{"player": "ada"}', 422, "bad-bet"),
        ('{"player": "ada", "bet": "10"}', 422, "bad-bet"),
        ('{"player": "ada", "bet": 1.5}', 422, "bad-bet"),
        ('{"player": "ada", "bet": true}', 422, "bad-bet"),
        ('{"player": "ada", "bet": null}', 422, "bad-bet"),
        ('{"player": "ada", "bet": 0}', 422, "bet-too-low"),
        ('{"player": "ada", "bet": -1}', 422, "bet-too-low"),
        ('{"player": "ada", "bet": 501}', 422, "bet-too-high"),
        ('{"bet": 10}', 422, "bad-player"),
        ('{"player": "", "bet": 10}', 422, "bad-player"),
        ('{"player": "<b>", "bet": 10}', 422, "bad-player"),
        ('{"player": ["ada"], "bet": 10}', 422, "bad-player"),
        (json.dumps({"player": "a" * 33, "bet": 10}), 422, "bad-player"),
    ],
)
def test_a_bad_bet_is_refused_and_not_reported(
    engine: Running, body: str | bytes, status: int, error: str
) -> None:
    response = engine.call("/api/v1/spin", "POST", content=body)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["detail"]
    assert engine.telemetry(response).events == []


def test_nobody_bets_more_than_the_balance(engine: Running) -> None:
    player = ruined(engine)
    refused = spin(engine, player=player, bet=1)
    assert (refused.status_code, refused.json()["error"]) == (409, "balance-too-low")
    assert engine.telemetry(refused).events == []


def test_who_is_ruined_can_still_crash(engine: Running) -> None:
    assert engine.call(f"/debug/crash?player={ruined(engine)}").status_code == 500


def ruined(engine: Running) -> str:
    """A player who has lost everything: one in five does in two spins."""
    for number in range(200):
        player = f"gambler{number}"
        if [spin(engine, player=player, bet=500) for _ in range(2)][1].json().get("balance") == 0:
            return player
    raise AssertionError("the machine is too kind")


def test_the_house_wins_a_little() -> None:
    outcomes = [multiplier(list(reels)) for reels in itertools.product(STRIP, repeat=3)]
    assert 0.9 < sum(outcomes) / len(outcomes) < 1


def test_every_symbol_on_the_strip_pays() -> None:
    assert set(PAYTABLE) == set(STRIP)
    assert multiplier(["seven"] * 3) == PAYTABLE["seven"]
    assert multiplier(["seven", "bell", "seven"]) == 1
    assert multiplier(["seven", "bell", "lemon"]) == 0


def test_the_machine_remembers_a_bounded_number_of_players() -> None:
    machine = Reels()
    machine.seat("first").balance = 7
    machine.seat("second").balance = 8
    for number in range(MAX_PLAYERS - 1):
        machine.seat(f"player{number}")
    assert machine.seat("second").balance == 8
    assert machine.seat("first").balance == START_BALANCE


def test_health_and_unknown_paths_answer_json(engine: Running) -> None:
    assert engine.call("/health").json() == {
        "status": "up",
        "service": "game-engine",
        "release": "game-engine@1.0.0",
    }
    unknown = engine.call("/nowhere", "POST")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not-found")
    wrong = engine.call("/api/v1/spin")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method-not-allowed")
