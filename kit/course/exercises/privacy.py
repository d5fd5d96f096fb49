"""Keeping secrets in: a hook that removes them from an event, and nothing else."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.course.exercises import leaking_shop as shop
from kit.outcome import Event

BeforeSend = Callable[[dict[str, Any], dict[str, Any]], Any]

CHECKOUTS = 2
# These must not change: you need them to find the bug.
KEPT = {
    "the exception's type": "exception.values[-1].type",
    "the functions on the stack": "exception.values[-1].stacktrace.frames[].function",
    "the line numbers": "exception.values[-1].stacktrace.frames[].lineno",
    "the local amount": "exception.values[-1].stacktrace.frames[-1].vars.amount",
    "the local config's host": "exception.values[-1].stacktrace.frames[-1].vars.config.db.host",
    "the method of the request": "request.method",
    "the item in the body": "request.data.item",
    "the user": "user.[id, username]",
    "the context order": "contexts.order",
    "the breadcrumb's category": "breadcrumbs.values[-1].category",
    "the release": "release",
    "the name of the route": "transaction",
    "the level": "level",
}
# Only the secret is removed from these texts.
REST = {
    "the exception's message": ("exception.values[-1].value", "was refused for 12"),
    "the breadcrumb's message": ("breadcrumbs.values[-1].message", "version 2"),
    "the URL": ("request.url", "/checkout/"),
    "the query string": ("request.query_string", "page=2"),
    "the local line": ("exception.values[-1].stacktrace.frames[-1].vars.line", "12/29"),
    "the local account": ("exception.values[-1].stacktrace.frames[-1].vars.account", "ada"),
}

SOLUTION = """
import re

NAMES = re.compile(r"password|token|cvv|api-key|shop-pin", re.IGNORECASE)
SHAPES = re.compile(r"\\b(?:sk_live|tkt)_\\w+|\\b4\\d{15}\\b")
NAMED = re.compile(r"((?:password|token)=)['\\"]?[^&,)'\\"]+['\\"]?")


def clean(value):
    if isinstance(value, dict):
        return {
            key: "[Filtered]" if NAMES.search(key) else clean(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    if isinstance(value, str):
        return SHAPES.sub("[Filtered]", NAMED.sub(r"\\1[Filtered]", value))
    return value


def before_send(event, hint):
    return clean(event)
""".strip()


def keep_it_in() -> Exercise:
    """Write ``before_send``; it receives events from checkouts with new secrets."""

    def verify(answer: BeforeSend) -> str:
        for _ in range(CHECKOUTS):
            planted, event = shop.rehearse()
            before = Event(copy.deepcopy(event))
            _check(answer(event, {}), before, planted)
        return f"{CHECKOUTS} new checkouts failed: no secret was sent, and everything else was."

    return FunctionExercise(
        "keep-it-in",
        verify,
        "Walk through the event: dicts, lists, texts. Some keys give a secret away (password, "
        "token, cvv, x-shop-pin), at any depth. Where the key does not, the value does: API keys "
        "begin with sk_live_, tickets with tkt_, a card is 16 digits that begin with 4, and texts "
        "contain password=… or token=….",
        SOLUTION,
        answer_name="before_send",
        may_return_none=True,
    )


def _check(after: object, before: Event, planted: shop.Planted) -> None:
    if after is None:
        raise Wrong(
            "before_send returned None, which drops the event, and the error would be lost. Return "
            "the event."
        )
    if not isinstance(after, dict):
        raise Wrong(f"before_send must return the event, a dict, not a {type(after).__name__}.")
    _check_kept(Event(after), before)
    _check_secrets(after, planted.values)


def _check_kept(after: Event, before: Event) -> None:
    changed = [
        f"Too much is gone: {what} changed, but is not a secret."
        for what, path in KEPT.items()
        if after.find(path) != before.find(path)
    ]
    lost = [
        f"Too much is gone: {what} has lost {rest!r}. Replace the secret, not the text."
        for what, (path, rest) in REST.items()
        if rest not in str(after.find(path))
    ]
    raise_all([*changed, *lost])


def _check_secrets(after: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    text = json.dumps(after, default=str)
    through = {place: secret for place, secret in secrets.items() if secret in text}
    if not through:
        return
    found = (
        f"{place}: {next(shop.paths(after, secret), 'the event')}"
        for place, secret in through.items()
    )
    raise_all([f"{len(through)} of {len(secrets)} secrets got through.", *found])
