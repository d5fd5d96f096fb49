import hmac
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request

from kit.course.exercise import Exercise, Verdict
from kit.workshop import Workshop

Guard = Callable[[Request], None]


def shop(guard: Guard) -> FastAPI:
    """The app of the notebook."""
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "up"}

    @app.get("/debug/cards", dependencies=[Depends(guard)])
    def cards() -> dict[str, str]:
        return {"ada": "4111 1111 1111 1111"}

    return app


@pytest.fixture
def exercise(workshop: Workshop) -> Exercise:
    return workshop.exercise("guard-a-route", shop)


class Careless:
    """A guard that is right but for what a subclass gets wrong."""

    off, fast = 404, 429
    headers: ClassVar = {"Retry-After": "60"}

    def __init__(self, token: str | None, per_minute: int) -> None:
        self.token, self.left = token, per_minute
        self.seen: dict[str, int] = {}

    def __call__(self, request: Request) -> None:
        if self.token is None:
            raise HTTPException(self.off)
        self.count(request)
        if not self.is_right(request.headers.get("X-Debug-Token", "")):
            raise HTTPException(401)

    def count(self, request: Request) -> None:
        caller = self.caller(request)
        self.seen[caller] = self.seen.get(caller, 0) + 1
        if self.seen[caller] > self.left:
            raise HTTPException(self.fast, headers=self.headers)

    def caller(self, request: Request) -> str:
        assert request.client
        return request.client.host

    def is_right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), str(self.token).encode())


class Open(Careless):
    def is_right(self, given: str) -> bool:
        return True


class Closed(Careless):
    def is_right(self, given: str) -> bool:
        return False


class Prefix(Careless):
    def is_right(self, given: str) -> bool:
        return bool(given) and str(self.token).startswith(given)


class EmptyIsEnough(Careless):
    def is_right(self, given: str) -> bool:
        return not given or super().is_right(given)


class NoCase(Careless):
    def is_right(self, given: str) -> bool:
        return given.lower() == str(self.token).lower()


class AsciiOnly(Careless):
    def is_right(self, given: str) -> bool:
        return hmac.compare_digest(given, str(self.token))


class Equals(Careless):
    def is_right(self, given: str) -> bool:
        return given == self.token


class EqualsNot(Careless):
    def is_right(self, given: str) -> bool:
        differs = given != self.token
        return not differs


class SaysItIsThere(Careless):
    off = 401


class Endless(Careless):
    def count(self, request: Request) -> None:
        pass


class CountsTheRightOnly(Careless):
    def count(self, request: Request) -> None:
        if self.is_right(request.headers.get("X-Debug-Token", "")):
            super().count(request)


class BelievesTheHeader(Careless):
    def caller(self, request: Request) -> str:
        return request.headers.get("X-Forwarded-For", "")


class SaysNotWhen(Careless):
    headers: ClassVar = {}


class SaysNow(Careless):
    headers: ClassVar = {"Retry-After": "0"}


class ShopIsFull(Careless):
    fast = 503


def test_a_careful_guard_passes(exercise: Exercise) -> None:
    result = exercise.check(Careless)
    assert result.verdict is Verdict.PASS, result.message


def test_the_solution_passes_again_and_again(exercise: Exercise) -> None:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    for _ in range(2):
        result = exercise.check(names[exercise.answer_name])
        assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        (Open, "without a token got 200, not 401"),
        (Closed, "with the token got 401, not 200"),
        (Prefix, "with the beginning of the token got 200"),
        (EmptyIsEnough, "without a token got 200"),
        (NoCase, "in another case got 200"),
        (AsciiOnly, "that is not ASCII got 500"),
        (Equals, "compared with =="),
        (EqualsNot, "compared with =="),
        (
            SaysItIsThere,
            "Without a configured token, a call with None got 401, not 404",
        ),
        (Endless, "a call with the right token after 3 guesses got 200, not 429"),
        (CountsTheRightOnly, "after 3 guesses got 200, not 429"),
        (BelievesTheHeader, "after 3 guesses got 200, not 429"),
        (SaysNotWhen, "Retry-After"),
        (SaysNow, "Retry-After"),
        (ShopIsFull, "got 503, not 429"),
        (lambda token, per_minute: None, "is a return statement missing?"),
        (lambda token, per_minute: 42, "must return a function"),
        ("guard", "the function itself"),
    ],
)
def test_what_strangers_get_in_by(exercise: Exercise, guard: Any, words: str) -> None:
    result = exercise.check(guard)
    assert result.verdict is Verdict.FAIL, result.message
    assert words in result.message


def test_limiting_all_of_the_app_is_wrong(workshop: Workshop) -> None:
    def all_of_it(guard: Guard) -> FastAPI:
        app = FastAPI(dependencies=[Depends(guard)])
        app.include_router(shop(lambda: None).router)  # type: ignore[arg-type,misc]
        return app

    result = workshop.exercise("guard-a-route", all_of_it).check(Careless)
    assert (result.verdict, "Work that needs no token" in result.message) == (Verdict.FAIL, True)


def test_dots_are_no_attempt(exercise: Exercise) -> None:
    for answer in (..., lambda token, per_minute: ...):
        assert exercise.check(answer).verdict is Verdict.UNATTEMPTED


def test_what_the_code_raises_is_shown(exercise: Exercise) -> None:
    def fails(token: str, per_minute: int) -> object:
        raise LookupError("limiter")

    result = exercise.check(fails)
    assert result.verdict is Verdict.EXCEPTION
    assert result.message.startswith("LookupError: limiter, raised in fails, line ")
