"""Reading database errors: which stage was refused, and the cause behind a code."""

from collections.abc import Callable
from typing import Any

from kit.course.answer_parts import compare, near_miss
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.outcome import Event
from kit.widgets.crash_widget import TriggerFunction

FAILURES = (
    "analytics/database-error?type=duplicate-key",
    "analytics/database-error?type=unreachable",
    "analytics/database-error?type=timeout",
    "analytics/aggregation-error",
)
REWORDED = "reworded in the next release"


def misspelt_stage(event: Event) -> Exercise:
    """Find the stage that does not exist, and the function that wrote it."""
    stages = event.find("contexts.aggregation.stages")
    refused = event.find("contexts.database_error.message")
    stage = next(stage for stage in stages if f"'{stage}'" in refused)
    expected = {
        "stage": stage,
        "position": stages.index(stage) + 1,
        "written in": event.find(
            "exception.values[-1].stacktrace.frames[?in_app && vars.pipeline] | [0].function"
        ),
    }

    def verify(answer: dict[str, Any]) -> str:
        compare(answer, expected)
        return "Found: the stage from the context, its author from the stack."

    return Exercise(
        "misspelt-stage",
        verify,
        "The context aggregation lists the stages; database_error has the database's own message. "
        "Two functions have a local variable pipeline: the outer one wrote it, the inner one only "
        "ran it.",
        "answer = {\n"
        '    "stage": "$grooup",\n'
        '    "position": event["contexts"]["aggregation"]["stages"].index("$grooup") + 1,\n'
        '    "written in": "group_by_symbol",\n'
        "}",
    )


def cause_by_code(trigger: TriggerFunction) -> Exercise:
    """Write a function that names the cause of a database error from its code alone."""

    def verify(answer: Callable[[Event], object]) -> str:
        for crash_id in FAILURES:
            event = trigger(crash_id).event
            assert event is not None
            _check_cause(answer(reword(event)), event)
        return f"{len(FAILURES)} new errors, all messages reworded: the codes still name the cause."

    return FunctionExercise(
        "cause-by-code",
        verify,
        "The code is in the tag mongodb.code and in the context database_error. A server that did "
        "not answer sent no code: use .get(), or event.find(), which then returns None.",
        "CAUSES = {\n"
        '    11000: "duplicate-key",\n'
        '    50: "max-time-expired",\n'
        '    40324: "unknown-stage",\n'
        "}\n\n\n"
        "def cause(event):\n"
        '    code = event.find("contexts.database_error.code")\n'
        '    return CAUSES.get(code, "database-unreachable")',
        answer_name="cause",
    )


def reword(event: Event) -> Event:
    """Return the event as another server would cause it: a different text, the same codes."""
    code = event.find("contexts.database_error.code")
    contexts = {"database_error": {"code": code, "message": REWORDED}} if code else {}
    tags = {name: value for name, value in event["tags"].items() if name == "mongodb.code"}
    error = {"type": "PyMongoError", "value": REWORDED}
    return Event(exception={"values": [error]}, tags=tags, contexts=contexts)


def _check_cause(given: object, event: Event) -> None:
    # The last part of our fingerprints is the cause.
    if given != event["fingerprint"][-1]:
        code = event.find("contexts.database_error.code")
        near = near_miss(given, event["fingerprint"][-1])
        raise Wrong(
            f"{f'Code {code}' if code else 'An error without a code'} is not {given!r}"
            f"{f': {near}' if near else ''}."
        )
