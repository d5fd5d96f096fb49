from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.relaying import ANSWERS, LOSSES, REPORTED, SILENT, fake_sentry
from kit.workshop import Workshop

RIGHT = {
    "200": "delivered",
    "401": "dropped",
    "413": "dropped",
    "429": "sent again",
    "503": "sent again",
}


@pytest.fixture
def again_or_dropped(workshop: Workshop) -> Exercise:
    return workshop.exercise("again-or-dropped")


@pytest.fixture
def take_a_dsn_apart(workshop: Workshop) -> Exercise:
    return workshop.exercise("take-a-dsn-apart")


def answer_of(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def test_what_the_relay_does_is_found_by_letting_it(again_or_dropped: Exercise) -> None:
    assert answer_of(again_or_dropped) == RIGHT
    assert again_or_dropped.check(RIGHT).verdict is Verdict.PASS


@pytest.mark.parametrize("status", ANSWERS)
def test_each_prediction_counts(again_or_dropped: Exercise, status: str) -> None:
    wrong = "sent again" if RIGHT[status] == "dropped" else "dropped"
    result = again_or_dropped.check({**RIGHT, status: wrong})
    assert result.verdict is Verdict.FAIL
    assert f"answered {status}, and the envelope was not {wrong}" in result.message


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "needs a dict"),
        ({}, "'200' is still missing"),
        ({**RIGHT, "503": ...}, "'503' is still missing"),
        ({**RIGHT, "401": "lost"}, "not 'lost'"),
    ],
)
def test_a_wrong_prediction_is_told_why(
    again_or_dropped: Exercise, wrong: object, told: str
) -> None:
    result = again_or_dropped.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_its_own_solution_takes_any_dsn_apart(take_a_dsn_apart: Exercise) -> None:
    assert take_a_dsn_apart.check(answer_of(take_a_dsn_apart)).verdict is Verdict.PASS
    assert "Hint" in take_a_dsn_apart.hint()._repr_html_()


def careless(dsn: str) -> tuple[str, str | None]:
    """Forget the port, and what stands before the project."""
    parts = urlsplit(dsn)
    project = parts.path.rpartition("/")[2]
    return f"{parts.scheme}://{parts.hostname}/api/{project}/envelope/", parts.username


def with_secret(dsn: str) -> tuple[str, str]:
    """Take the secret for a part of the key."""
    url, key = solved(dsn)
    return url, urlsplit(dsn).netloc.rpartition("@")[0] or key


def solved(dsn: str) -> tuple[str, str]:
    parts = urlsplit(dsn)
    prefix, _, project = parts.path.rpartition("/")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{prefix}/api/{project}/envelope/", str(parts.username)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("url", "key"), "the function itself"),
        (lambda dsn: None, "is a return statement missing?"),
        (lambda dsn: {}, "it must return a URL and a key"),
        (lambda dsn: solved(dsn)[0], "it must return a URL and a key"),
        (lambda dsn: (dsn, solved(dsn)[1]), "The URL of https://"),
        (lambda dsn: (solved(dsn)[0], "public"), "is not 'public'"),
        (careless, "The URL of http://"),
        (with_secret, "@sentry.example.com/7 is not"),
    ],
)
def test_a_wrong_destination_is_told_why(
    take_a_dsn_apart: Exercise, wrong: object, told: str
) -> None:
    result = take_a_dsn_apart.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_untouched_answers_are_not_called_wrong(
    again_or_dropped: Exercise, take_a_dsn_apart: Exercise
) -> None:
    assert again_or_dropped.check().verdict is Verdict.UNATTEMPTED
    assert again_or_dropped.check(dict.fromkeys(ANSWERS, ...)).verdict is Verdict.UNATTEMPTED
    assert take_a_dsn_apart.check().verdict is Verdict.UNATTEMPTED
    assert take_a_dsn_apart.check(lambda dsn: ...).verdict is Verdict.UNATTEMPTED
    assert take_a_dsn_apart.check(lambda dsn: (..., ...)).verdict is Verdict.UNATTEMPTED


def test_code_that_raises_is_told_its_error(take_a_dsn_apart: Exercise) -> None:
    result = take_a_dsn_apart.check(lambda dsn: (dsn.url, dsn.key))
    assert result.verdict is Verdict.EXCEPTION
    assert result.message.startswith("AttributeError: ")
    assert "It was called with 'https://" in result.message


# What the SDK loses


@pytest.fixture
def reported_or_silent(workshop: Workshop) -> Exercise:
    return workshop.exercise("reported-or-silent")


def test_what_is_reported_is_found_by_losing_it(reported_or_silent: Exercise) -> None:
    right = answer_of(reported_or_silent)
    assert reported_or_silent.check(right).verdict is Verdict.PASS
    assert reported_or_silent.check(dict.fromkeys(LOSSES, ...)).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_counts(reported_or_silent: Exercise, name: str) -> None:
    right = answer_of(reported_or_silent)
    wrong = SILENT if right[name] == REPORTED else REPORTED
    result = reported_or_silent.check({**right, name: wrong})
    assert result.verdict is Verdict.FAIL
    assert repr(name) in result.message
    assert reported_or_silent.check({**right, name: "lost"}).verdict is Verdict.FAIL


def test_a_limit_is_sent_with_a_429_only() -> None:
    with fake_sentry(429, 503, limits="60:error:key") as (dsn, bodies):
        url = f"{dsn.replace('key@', '').removesuffix('1')}api/1/envelope/"
        answers = [httpx.post(url, content=b"{}\n", trust_env=False) for _ in range(3)]
    limits = [answer.headers.get("X-Sentry-Rate-Limits") for answer in answers]
    assert [answer.status_code for answer in answers] == [429, 503, 200]
    assert limits == ["60:error:key", None, None]
    assert bodies == [b"{}\n"] * 3
