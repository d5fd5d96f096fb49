"""Whom the guard admits, without a network; test_routes.py knocks at real services."""

import pytest

from demo_services.guard import Guard
from demo_services.refused import Refused
from demo_services.settings import Settings

TOKEN = "guard-51f0-secret"
PATH = "/debug/crash"


def guard(rate: str = "100/second", token: str | None = TOKEN) -> Guard:
    return Guard(Settings(debug_token=token, debug_rate=rate))


def status(guard: Guard, token: str | None, address: str = "10.0.0.1") -> int:
    """What the caller is answered with; 200 for one that may go on."""
    try:
        guard.admit(PATH, address, token)
    except Refused as refused:
        return refused.status
    return 200


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "wörng", "\0"])
def test_only_the_token_is_the_token(token: str | None) -> None:
    assert status(guard(), token) == 401
    assert status(guard(), TOKEN) == 200


@pytest.mark.parametrize("token", [None, "", "None", TOKEN])
def test_without_a_token_configured_nobody_is_admitted_nor_counted(token: str | None) -> None:
    off = guard("1/hour", token=None)
    assert [status(off, token) for _ in range(3)] == [404] * 3


def test_guesses_and_admitted_calls_count_alike() -> None:
    slow = guard("2/hour")
    assert [status(slow, token) for token in ("guess", TOKEN, TOKEN)] == [401, 200, 429]


def test_each_client_has_an_allowance_of_its_own() -> None:
    slow = guard("1/hour")
    assert [status(slow, TOKEN, "10.0.0.1") for _ in range(2)] == [200, 429]
    assert [status(slow, TOKEN, "10.0.0.2") for _ in range(2)] == [200, 429]


def test_this_machine_is_one_client_under_all_its_addresses() -> None:
    slow = guard("1/hour")
    assert status(slow, TOKEN, "127.0.0.1") == 200
    for address in ("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1"):
        assert status(slow, TOKEN, address) == 429


def test_a_caller_without_an_address_is_counted_too() -> None:
    slow = guard("1/hour")
    assert [status(slow, TOKEN, "") for _ in range(2)] == [200, 429]


def test_who_is_too_fast_is_told_how_long_to_wait() -> None:
    slow = guard("1/hour")
    slow.admit(PATH, "10.0.0.1", TOKEN)
    with pytest.raises(Refused, match=r"1 per 1 hour; try again in \d+ s") as refused:
        slow.admit(PATH, "10.0.0.1", TOKEN)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 3600
