"""What is captured for invalid data, and how to report it without the data."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError, field_validator

from demo_services.analytics.spin import Spin
from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.outcome import Outcome
from kit.widgets.crash_widget import TriggerFunction

Errors = Sequence[Mapping[str, Any]]

NOTHING, BARE, OURS = "nothing", "an event", "an event with our frame"
MISTAKES = {
    "bad body": "analytics/validation-error?type=body",
    "bad coupon": "game-engine/error?type=value",
    "bad response": "analytics/validation-error?type=response",
    "bad document": "analytics/validation-error?type=document",
    "slow report": "analytics/performance-issue",
}


def captured_or_not(trigger: TriggerFunction) -> Exercise:
    """Predict what Sentry captures for five mistakes; the check triggers each of them again."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, MISTAKES, (NOTHING, BARE, OURS))
        outcomes = {mistake: trigger(crash_id) for mistake, crash_id in MISTAKES.items()}
        wrong = [
            f"The {mistake} was triggered again and answered {outcome.response.status_code}. "
            f"It did not leave {answer[mistake]!r}."
            for mistake, outcome in outcomes.items()
            if answer[mistake] != what_arrived(outcome)
        ]
        if wrong:
            wrong.append(
                "Does anything reach a hook of the SDK, or one of our capture calls? Which "
                "functions are on the stack at that point?"
            )
        raise_all(wrong)
        return f"All {len(MISTAKES)} were triggered again, and left what you predicted."

    return Exercise(
        "captured-or-not",
        verify,
        "No integration captures a response below 500; only our own code does. Nothing raised, "
        "nothing captured. And a handler that has returned is on no stack.",
        "answer = {\n"
        '    "bad body": "nothing",\n'
        '    "bad coupon": "an event with our frame",\n'
        '    "bad response": "an event",\n'
        '    "bad document": "an event with our frame",\n'
        '    "slow report": "nothing",\n'
        "}",
    )


def what_arrived(outcome: Outcome) -> str:
    """Return which of the three results it was."""
    if outcome.event is None:
        return NOTHING
    frames = outcome.event.find("exception.values[-1].stacktrace.frames")
    return OURS if any(frame.get("in_app") for frame in frames) else BARE


def context_without_values() -> Exercise:
    """Write a function that makes a context from ``errors()`` without any submitted values."""

    def verify(answer: Callable[[Errors], object]) -> str:
        secret = uuid4().hex
        tried = list(_refusals(secret))
        for errors in tried:
            _check_context(answer(errors), errors, secret)
        return f"Tried on {sum(map(len, tried))} new errors: where and what, but no value."

    return FunctionExercise(
        "without-values",
        verify,
        "Each error is a dict. loc says where and type says what: both are names. input is the "
        "value itself, and a validator may also have put it into msg and ctx.",
        "def without_values(errors):\n"
        "    fields = {\n"
        '        ".".join(map(str, error["loc"])): error["type"] for error in errors\n'
        "    }\n"
        '    return {"count": len(errors), "fields": fields}',
        answer_name="without_values",
    )


def _check_context(context: object, errors: Errors, secret: str) -> None:
    if not isinstance(context, dict):
        raise Wrong(f"set_context() takes a dict, not a {type(context).__name__}.")
    text = _as_json(context)
    if secret in text:
        places = dict.fromkeys(key for each in errors for key in each if secret in str(each[key]))
        raise Wrong(f"A submitted value got through. It is in {', '.join(places)}.")
    raise_all(
        f"For {error['type']} at {error['loc']}, {name!r} is missing from the context."
        for error in errors
        for name in (*error["loc"], error["type"])
        if str(name) not in text
    )


def _as_json(context: Mapping[Any, Any]) -> str:
    try:
        return json.dumps(context)
    except TypeError as error:
        raise Wrong(f"Sentry only accepts JSON values: {error}.") from error


class Coupon(BaseModel):
    """A coupon whose validator repeats its input, as many do."""

    code: str

    @field_validator("code")
    @classmethod
    def known(cls, code: str) -> str:
        """Refuse every coupon."""
        raise ValueError(f"{code} is no coupon")


def _refusals(secret: str) -> Iterator[Errors]:
    """Yield the errors of a spin and of a coupon whose values contain ``secret``."""
    spin = {"spin_id": f"{secret}!", "bet": secret, "reels": ["bell", 7, secret], "win": 0}
    for model, data in ((Spin, spin), (Coupon, {"code": secret})):
        try:
            model.model_validate(data)
        except ValidationError as error:
            yield error.errors()
