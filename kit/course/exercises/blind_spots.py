"""Exercises about what Sentry does not capture. Each answer is judged by firing the failures."""

from collections.abc import Callable, Mapping
from typing import Any

from kit.course.answer_error import AnswerError
from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, NotTried, Wrong
from kit.experiments.blind_spots.blind_spot import OTHER_GENERATION, BlindSpot, SdkVerdict
from kit.experiments.blind_spots.finding import BlindSpotFinding
from kit.experiments.blind_spots.run import FiringError
from kit.experiments.blind_spots.table import Findings
from kit.reading.event import headline

Fire = Callable[..., Findings]

# Only their code is given out: what becomes of them is found out when an answer is checked.
SIX_BLIND_SPOTS = (
    BlindSpot(
        "python/suppressed",
        "An exception that is suppressed",
        """
          from contextlib import suppress
          with suppress(ValueError):
              int("ten")
        """,
        "Suppressed is caught.",
    ),
    BlindSpot.per_generation(
        "python/logged-exception",
        "An exception that is caught and logged",
        """
          try:
              int("ten")
          except ValueError:
              logging.exception("no number")
        """,
        in_2=SdkVerdict(
            captured=True,
            why="It logs at the level ERROR, with the exception. The logging integration makes an "
            "event of it.",
        ),
        in_3=SdkVerdict(
            captured=False,
            why="It logs at the level ERROR, with the exception. The logging integration is off "
            "by default.",
        ),
    ),
    BlindSpot(
        "tornado/http-503",
        "A handler of Tornado that raises HTTPError(503)",
        """
          class Handler(RequestHandler):
              def get(self):
                  raise HTTPError(503)
        """,
        "To the integration every HTTPError is an answer.",
    ),
    BlindSpot(
        "fastapi/http-503",
        "A route of FastAPI that raises HTTPException(503)",
        """
          @app.get("/")
          def route():
              raise HTTPException(503)
        """,
        "Of HTTPExceptions those from 500 on are captured.",
        error="HTTPException",
        captured=True,
    ),
    BlindSpot(
        "node/parsed",
        "An error that JavaScript catches",
        """
          try {
            JSON.parse('{');
          } catch {
            console.error('no JSON');
          }
        """,
        "What is caught is not captured, and what is printed leaves a breadcrumb.",
    ),
    BlindSpot(
        "node/async-route",
        "A route of Express that throws after an await",
        """
          app.get('/', async () => {
            await null;
            throw new Error('no such payment');
          });
        """,
        "Express 5 awaits what a route returns.",
        error="no such payment",
        captured=True,
    ),
)

TICKETS_BLIND_SPOT = BlindSpot(
    "python/tickets",
    "Tickets that are passed over",
    """
      for ticket in ["10", "ten", "20", "eleven"]:
          try:
              int(ticket)
          except ValueError:
    -         continue
    +         ...
    """,
    "Who catches an exception decides about it.",
)
BAD_TICKETS = ("ten", "eleven")


def predict_captured(fire: Fire) -> Exercise:
    """Predict of each of six failures whether Sentry captures it by default."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, [spot.id for spot in SIX_BLIND_SPOTS], (True, False))
        findings = fire(*SIX_BLIND_SPOTS)
        raise_all(filter(None, (_judge(each, answer[each.blind_spot.id]) for each in findings)))
        unfired = [
            f"{each.blind_spot.id}: {each.unavailable}" for each in findings if not each.before
        ]
        fired = f"{len(findings) - len(unfired)} of {len(findings)} were fired"
        said = f"{fired} with {' and '.join(findings.sdks)}, and went as you said."
        if unfired:
            said += f" Not fired here: {'; '.join(unfired)}."
        return f"{said}{_in_other_generation(findings)}"

    right = "".join(f'    "{spot.id}": {spot.captured},\n' for spot in SIX_BLIND_SPOTS)
    return Exercise(
        "predict-captured",
        verify,
        "Who catches it last? An except, a log record, an integration, or nobody. Which "
        "integrations are on by default depends on the version of the SDK. And what does a "
        "framework take for an answer?",
        f"answer = {{\n{right}}}",
    )


def _in_other_generation(findings: Findings) -> str:
    if not (flips := [finding.blind_spot.id for finding in findings.flips]):
        return ""
    ids = " and ".join(flips)
    return f" Declared the other way for sentry-sdk {OTHER_GENERATION}, and not fired here: {ids}."


def _judge(finding: BlindSpotFinding, predicted: bool) -> str:
    """Say what is wrong with a prediction; empty when it is right, or cannot be tried here."""
    fired = finding.before
    if fired is None or fired.captured == predicted:
        return ""
    became = f"{headline(fired.event).title} arrived" if fired.event else "no event arrived"
    return f"{finding.blind_spot.id} was fired, and {became}."


def the_one_line(fire: Fire) -> Exercise:
    """Write the one line by which every bad ticket is captured."""

    def verify(answer: str) -> str:
        if not isinstance(answer, str):
            raise Wrong("check() wants the line of code as a string.")
        if not answer.strip() or answer.strip() == "...":
            raise NotTried
        if "\n" in answer.strip():
            raise Wrong("These are several lines; one is enough.")
        tried = TICKETS_BLIND_SPOT.with_line(answer.strip())
        try:
            compile(tried.after, "answer", "exec")
        except SyntaxError as error:
            raise Wrong(f"It is no line of Python: {error.msg}.") from error
        try:
            after = fire(tried)[0].after
        except FiringError as error:
            raise AnswerError(str(error)) from error
        assert after is not None, "it has a line"
        titles = [headline(event).title for event in after.events]
        raise_all(
            f"Nothing tells of the ticket {ticket!r}. Arrived: {'; '.join(titles) or 'nothing'}."
            for ticket in BAD_TICKETS
            if not any(f"'{ticket}'" in each for each in titles)
        )
        if len(titles) > len(BAD_TICKETS):
            raise Wrong(f"{len(titles)} events arrived for {len(BAD_TICKETS)} bad tickets.")
        return "It was fired: both bad tickets arrived, and the good ones were not held up."

    return Exercise(
        "the-one-line",
        verify,
        "The exception is at hand where it is caught. To raise it again would hold up the "
        "tickets after it. A log record is an event only where the logging integration is on.",
        'answer = "sentry_sdk.capture_exception()"',
    )
