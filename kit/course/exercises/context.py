"""Which setting adds a field to an event, and your own context that leaks no secret."""

import json
import random
from collections.abc import Mapping
from typing import Any

from kit.course.answer_error import is_in_answer
from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, NotTried, Wrong
from kit.experiments.context.laboratory import Laboratory, Shot
from kit.experiments.context.switches import SWITCHES
from kit.outcome import Event
from kit.reading.payload import format_bytes
from kit.views.difference import fields, jmespath_of

VARS = "exception.values[-1].stacktrace.frames[-1].vars"
QUESTIONS = (
    f"{VARS}.paid",
    "exception.values[-1].stacktrace.frames[-1].context_line",
    "breadcrumbs.values[-4].message",
    "request.data.bet",
    "request.cookies.theme",
    "request.query_string",
    "request.env.REMOTE_ADDR",
    "contexts.trace.op",
)
OWN_FIELDS = 12
# Contexts that the SDK sets, and the workshop's tag.
NOT_OWN = {("contexts", "trace"), ("contexts", "runtime"), ("tags", "learner")}


def which_switch(lab: Laboratory) -> Exercise:
    """Predict which switch controls whether a field is there; the check tries it."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, QUESTIONS, SWITCHES)
        plain = lab.fire()
        raise_all(filter(None, (_try_switch(lab, plain, answer[path], path) for path in QUESTIONS)))
        return f"All {len(QUESTIONS)} were fired with your switch changed: each answer is right."

    return Exercise(
        "which-switch",
        verify,
        "All fields but one are in a plain event, and a switch removes each: every kind of data "
        "has its own. One field is not, and a switch adds it: an op belongs to a span.",
        "answer = {\n"
        f'    "{VARS}.paid": "stack_frame_variables",\n'
        f'    "{QUESTIONS[1]}": "frame_context_lines",\n'
        f'    "{QUESTIONS[2]}": "max_breadcrumbs",\n'
        f'    "{QUESTIONS[3]}": "http_bodies",\n'
        f'    "{QUESTIONS[4]}": "cookies",\n'
        f'    "{QUESTIONS[5]}": "url_query_params",\n'
        f'    "{QUESTIONS[6]}": "user_info",\n'
        f'    "{QUESTIONS[7]}": "traces_sample_rate",\n'
        "}",
    )


def _try_switch(lab: Laboratory, plain: Shot, name: str, path: str) -> str:
    """Fire with every other value of the switch until one adds or removes the field.

    Returns what is wrong with the switch, or an empty string.
    """
    for value in SWITCHES[name].choices[1:]:
        event = lab.fire({name: value}).event
        if event is not None and _has(event, path) != _has(plain.event or {}, path):
            return ""
    state = "there" if _has(plain.event or {}, path) else "missing"
    return (
        f"For every value of {name}, {path} is {state}, or the whole event is lost. "
        "Which switch controls this one field?"
    )


def _has(event: Mapping[str, Any], path: str) -> bool:
    return Event(event).find(path) is not None


def own_context(lab: Laboratory) -> Exercise:
    """Write settings that add much about an order, but not its card, in no more bytes."""

    def verify(answer: Mapping[str, Any]) -> str:
        if not isinstance(answer, Mapping):
            raise Wrong("check() needs a dict of settings, as for lab.fire().")
        if not answer or any(value is ... for value in answer.values()):
            raise NotTried
        plain, orders = lab.fire(), [_order(), _order()]
        try:
            shots = [lab.fire(answer, **order) for order in orders]
        except ValueError as error:
            if is_in_answer(error, answer):
                raise
            # From the laboratory itself, about an unknown switch or value.
            raise Wrong(str(error)) from error
        if answer.keys() == {"contexts"} and not any(_own(shot) for shot in shots):
            raise NotTried
        for shot, order in zip(shots, orders, strict=True):
            _check_fields(shot)
            _check_secret(shot, order["card_number"])
            _check_weight(shot, plain)
        if _own(shots[0]) == _own(shots[1]):
            raise Wrong("Two different orders have the same context: take its values from order.")
        mine = shots[0].sizes["event"]
        return (
            f"{len(_own(shots[0]))} fields of your own, no card, and {format_bytes(mine)} "
            f"instead of {format_bytes(plain.sizes['event'])}."
        )

    return Exercise(
        "own-context",
        verify,
        "Take plain values from the order, each with its own name, and leave out the card. The "
        "card is also in the body, and the local variables contain the whole order: one switch "
        "drops the body, and before_send or terms can filter the variables. What you drop makes "
        "room for what you add.",
        "import sentry_sdk\n\n"
        "from kit import redact_card\n\n\n"
        "def describe(order):\n"
        '    sentry_sdk.set_user({"id": f"player-{order.player}", "username": order.player})\n'
        '    sentry_sdk.set_tag("player.tier", order.tier)\n'
        '    sentry_sdk.set_tag("table", str(order.table))\n'
        '    about = {"id": order.order_id, "bet": order.bet, "reels": order.reels}\n'
        '    about["kinds"] = len(set(order.reels))\n'
        '    about["at_stake"] = sum(order.side_bets.values())\n'
        '    sentry_sdk.set_context("order", about)\n'
        '    sentry_sdk.set_context("side_bets", order.side_bets)\n\n\n'
        'answer = {"contexts": describe, "http_bodies": []}\n'
        'answer["before_send"] = redact_card',
    )


def _order() -> dict[str, Any]:
    """Return an order from another player, with a random card."""
    digits = "".join(random.choices("0123456789", k=16))  # noqa: S311 - not a secret
    return {
        "player": f"player{random.randrange(1000, 10_000)}",  # noqa: S311 - no secret
        "bet": random.randrange(1, 500),  # noqa: S311 - no secret
        "card_number": " ".join(digits[start : start + 4] for start in range(0, 16, 4)),
    }


def _own(shot: Shot) -> dict[Any, Any]:
    """Return the fields of an event that the learner's code set."""
    return {
        path: value
        for path, value in fields(shot.event).items()
        if path[0] in ("user", "tags", "contexts") and path[:2] not in NOT_OWN
    }


def _check_fields(shot: Shot) -> None:
    if shot.event is None:
        raise Wrong("With these settings no event is sent.")
    if not _has(shot.event, VARS):
        raise Wrong(
            "The local variables of the failing line are gone, and you need them for a fix."
        )
    if (count := len(_own(shot))) < OWN_FIELDS:
        raise Wrong(f"Your own fields in user, tags and contexts: {count}. Needed: {OWN_FIELDS}.")


def _check_secret(shot: Shot, card: str) -> None:
    # The learner's own fields first: they are the more obvious finding.
    for path, value in {**_own(shot), **fields(shot.event)}.items():
        text = json.dumps(value, default=str)
        if card in text or card.replace(" ", "") in text:
            raise Wrong(f"The card number is in {jmespath_of(path)}.")


def _check_weight(shot: Shot, plain: Shot) -> None:
    mine, allowed = shot.sizes["event"], plain.sizes["event"]
    if mine > allowed:
        raise Wrong(
            f"The event has {mine} bytes, a plain one {allowed}: "
            "leave out something that you do not need."
        )
