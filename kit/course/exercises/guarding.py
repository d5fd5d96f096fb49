"""Guarding a debug route, and the attacks that strangers try on it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from secrets import token_urlsafe
from typing import Any

import httpx
from fastapi import FastAPI

from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.hosting.server import Server, serve_asgi
from kit.system.clients import sentry_off

TOKEN_HEADER = "X-Debug-Token"  # noqa: S105 - the header's name
DEBUG, WORK = "/debug/cards", "/health"
PLENTY, FEW = 1000, 3
ANSWER_DEADLINE_S = 30.0

Guard = Callable[..., object]
MakeGuard = Callable[[str | None, int], object]
MakeApp = Callable[[Guard], FastAPI]


class Secret(str):
    """A token that records when it is compared with == or !=."""

    __slots__ = ("is_compared",)
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        self.is_compared = True
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def guard_a_route(make_app: MakeApp) -> Exercise:
    """Write a guard for an app's debug route; ``make_app`` makes the app with a guard."""

    def verify(answer: MakeGuard) -> str:
        attacks = (_try_tokens, _try_without_token, _guess_fast)
        raise_all(problem for attack in attacks for problem in attack(make_app, answer))
        return "No token, wrong tokens, too many calls: strangers stay out, and the owner gets in."

    return FunctionExercise(
        "guard-a-route",
        verify,
        "Three checks, in this order: is a token configured at all (404), is the caller too fast "
        "(429), is the token right (401)? MovingWindowRateLimiter from the limits package counts: "
        "hit(rate, address) returns whether one more call is allowed. Give hmac.compare_digest "
        "bytes, because it refuses text that is not ASCII.",
        SOLUTION,
        answer_name="make_guard",
    )


SOLUTION = """\
import hmac
import math
import time

from fastapi import HTTPException, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


def make_guard(token, per_minute):
    rate = RateLimitItemPerMinute(per_minute)
    limiter = MovingWindowRateLimiter(MemoryStorage())

    def guard(request: Request):
        if token is None:
            raise HTTPException(404)
        caller = request.client.host
        if not limiter.hit(rate, caller):
            reset = limiter.get_window_stats(rate, caller).reset_time
            wait = max(1, math.ceil(reset - time.time()))
            raise HTTPException(429, headers={"Retry-After": str(wait)})
        given = request.headers.get("X-Debug-Token", "")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401)

    return guard
"""

Call = Callable[..., httpx.Response]


@contextmanager
def serve_guarded(
    make_app: MakeApp, make_guard: MakeGuard, token: str | None, per_minute: int
) -> Iterator[Call]:
    """Run the app with a new guard; yield a function that calls it with a token."""
    guard = make_guard(token, per_minute)
    if not callable(guard):
        raise Wrong("make_guard() must return a function, the guard.")
    server = Server("shop", serve_asgi(lambda: make_app(guard)), context=sentry_off)
    server.launch().wait()

    def call(given: str | bytes | None, path: str = DEBUG, **headers: str) -> httpx.Response:
        sent: Mapping[str, Any] = {} if given is None else {TOKEN_HEADER: given}
        return client.get(path, headers={**sent, **headers})

    # A proxy cannot reach this machine's loopback, and a failing guard closes its connection.
    limits = httpx.Limits(max_keepalive_connections=0)
    try:
        with httpx.Client(
            base_url=server.url, timeout=ANSWER_DEADLINE_S, trust_env=False, limits=limits
        ) as client:
            yield call
    finally:
        server.stop()


def _try_tokens(make_app: MakeApp, make_guard: MakeGuard) -> Iterator[str]:
    token = Secret(token_urlsafe(16))
    token.is_compared = False
    strangers: dict[str, str | bytes | None] = {
        "without a token": None,
        "with a wrong token": "wrong",
        "with an empty token": "",
        "with the beginning of the token": str(token)[:-1],
        "with the token and one more letter": f"{token}x",
        "with the token's letters in another case": str(token).swapcase(),
        "with a token that is not ASCII": "wröng".encode(),
    }
    with serve_guarded(make_app, make_guard, token, PLENTY) as call:
        for how, given in strangers.items():
            yield from _expect(call(given), 401, f"A call {how}")
        yield from _expect(call(str(token)), 200, "A call with the token")
    if token.is_compared:
        yield (
            "The token was compared with == or !=, which stops at the first different character. "
            "The time that takes reveals how much of a guess is right."
        )


def _try_without_token(make_app: MakeApp, make_guard: MakeGuard) -> Iterator[str]:
    with serve_guarded(make_app, make_guard, None, PLENTY) as call:
        for given in (None, "", "None", "wrong"):
            yield from _expect(
                call(given), 404, f"Without a configured token, a call with {given!r}"
            )


def _guess_fast(make_app: MakeApp, make_guard: MakeGuard) -> Iterator[str]:
    token = token_urlsafe(16)
    with serve_guarded(make_app, make_guard, token, FEW) as call:
        for number in range(FEW):
            guess = call("guess", **_claim(number))
            yield from _expect(guess, 401, f"Guess {number + 1} of {FEW} a minute")
        refused = call(token, **_claim(FEW))
        too_fast = f"At {FEW} a minute, a call with the right token after {FEW} guesses"
        yield from _expect(refused, 429, too_fast)
        if refused.status_code == 429 and not _is_whole_number(
            refused.headers.get("Retry-After", "")
        ):
            yield "A 429 needs the header Retry-After: a whole number of seconds, 1 or more."
        work = "Work that needs no token must continue meanwhile. Its call"
        yield from _expect(call(None, WORK), 200, work)


def _claim(number: int) -> dict[str, str]:
    """Return a header in which a caller claims an address."""
    return {"X-Forwarded-For": f"10.0.0.{number}"}


def _is_whole_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) >= 1


def _expect(answer: httpx.Response, status: int, who: str) -> Iterator[str]:
    if answer.status_code != status:
        yield f"{who} got {answer.status_code}, not {status}."
