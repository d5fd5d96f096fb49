"""Exercises about what Sentry does not capture. Firing the failures judges each answer."""

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

# The learner only sees their code; checking an answer fires them.
SIX_BLIND_SPOTS = (
    BlindSpot(
        "python/suppressed",
        "An exception that is suppressed",
        """
          from contextlib import suppress
          with suppress(ValueError):
              int("ten")
        """,
        "A suppressed exception is a caught one.",
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
            why="It logs at level ERROR, with the exception. The logging integration makes an "
            "event of it.",
        ),
        in_3=SdkVerdict(
            captured=False,
            why="It logs at level ERROR, with the exception. The logging integration is off "
            "by default.",
        ),
    ),
    BlindSpot(
        "tornado/http-503",
        "A Tornado handler that raises HTTPError(503)",
        """
          class Handler(RequestHandler):
              def get(self):
                  raise HTTPError(503)
        """,
        "The integration treats every HTTPError as a response.",
    ),
    BlindSpot(
        "fastapi/http-503",
        "A FastAPI route that raises HTTPException(503)",
        """
          @app.get("/")
          def route():
              raise HTTPException(503)
        """,
        "An HTTPException is captured from 500 on.",
        error="HTTPException",
        captured=True,
    ),
    BlindSpot(
        "node/parsed",
        "An error that JavaScript code catches",
        """
          try {
            JSON.parse('{');
          } catch {
            console.error('no JSON');
          }
        """,
        "A caught error is not captured, and console output leaves a breadcrumb.",
    ),
    BlindSpot(
        "node/async-route",
        "An Express route that throws after an await",
        """
          app.get('/', async () => {
            await null;
            throw new Error('no such payment');
          });
        """,
        "Express 5 awaits a route's result.",
        error="no such payment",
        captured=True,
    ),
)

TICKETS_BLIND_SPOT = BlindSpot(
    "python/tickets",
    "Tickets that are skipped",
    """
      for ticket in ["10", "ten", "20", "eleven"]:
          try:
              int(ticket)
          except ValueError:
    -         continue
    +         ...
    """,
    "The code that catches an exception decides about it.",
)
BAD_TICKETS = ("ten", "eleven")


def predict_captured(fire: Fire) -> Exercise:
    """Predict for each of six failures whether Sentry captures it by default."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, [spot.id for spot in SIX_BLIND_SPOTS], (True, False))
        findings = fire(*SIX_BLIND_SPOTS)
        raise_all(filter(None, (_judge(each, answer[each.blind_spot.id]) for each in findings)))
        unfired = [
            f"{each.blind_spot.id}: {each.unavailable}" for each in findings if not each.before
        ]
        fired = f"{len(findings) - len(unfired)} of {len(findings)} were fired"
        said = f"{fired} with {' and '.join(findings.sdks)}, with the results you predicted."
        if unfired:
            said += f" Not fired here: {'; '.join(unfired)}."
        return f"{said}{_in_other_generation(findings)}"

    right = "".join(f'    "{spot.id}": {spot.captured},\n' for spot in SIX_BLIND_SPOTS)
    return Exercise(
        "predict-captured",
        verify,
        "What catches it last: an except block, a log call, an integration, or nothing? Which "
        "integrations are on by default depends on the version of the SDK. And which exceptions "
        "does a framework treat as a response?",
        f"answer = {{\n{right}}}",
    )


def _in_other_generation(findings: Findings) -> str:
    if not (flips := [finding.blind_spot.id for finding in findings.flips]):
        return ""
    ids = " and ".join(flips)
    return f" Declared as the opposite for sentry-sdk {OTHER_GENERATION}, not fired here: {ids}."


def _judge(finding: BlindSpotFinding, predicted: bool) -> str:
    """Return what is wrong with a prediction; empty when it is right or cannot be fired here."""
    fired = finding.before
    if fired is None or fired.captured == predicted:
        return ""
    became = f"{headline(fired.event).title} arrived" if fired.event else "no event arrived"
    return f"{finding.blind_spot.id} was fired, and {became}."


def the_one_line(fire: Fire) -> Exercise:
    """Write the one line that captures every bad ticket."""

    def verify(answer: str) -> str:
        if not isinstance(answer, str):
            raise Wrong("check() needs the line of code as a string.")
        if not answer.strip() or answer.strip() == "...":
            raise NotTried
        if "\n" in answer.strip():
            raise Wrong("That is more than one line; one is enough.")
        tried = TICKETS_BLIND_SPOT.with_line(answer.strip())
        try:
            compile(tried.after, "answer", "exec")
        except SyntaxError as error:
            raise Wrong(f"It is not a valid line of Python: {error.msg}.") from error
        try:
            after = fire(tried)[0].after
        except FiringError as error:
            raise AnswerError(str(error)) from error
        assert after is not None, "it has a line"
        titles = [headline(event).title for event in after.events]
        raise_all(
            f"No event is about the ticket {ticket!r}. Arrived: {'; '.join(titles) or 'nothing'}."
            for ticket in BAD_TICKETS
            if not any(f"'{ticket}'" in each for each in titles)
        )
        if len(titles) > len(BAD_TICKETS):
            raise Wrong(f"{len(titles)} events arrived for {len(BAD_TICKETS)} bad tickets.")
        return "It was fired: both bad tickets arrived, and the good ones still went through."

    return Exercise(
        "the-one-line",
        verify,
        "Where the exception is caught, you can capture it. Raising it again would stop the "
        "tickets after it. A log record is only an event where the logging integration is on.",
        'answer = "sentry_sdk.capture_exception()"',
    )
