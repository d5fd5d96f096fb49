"""The migration of a small service to SDK 3, judged by what arrives when it runs."""

import secrets

from kit.course.exercise import Exercise, NotTried, Wrong
from kit.experiments.generations.run import SdkRun
from kit.experiments.generations.side_by_side import SideBySide
from kit.outcome import Event
from kit.reading.spans import Span

NEW, OLD = 3, 2

OLD_SERVICE = """\
import logging, os
import sentry_sdk
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.scrubber import EventScrubber

def shorten(transaction, hint):
    for span in transaction["spans"]:
        span["description"] = span["description"].partition(" where ")[0]
    return transaction

sentry_sdk.init(traces_sample_rate=1.0, event_scrubber=EventScrubber(),
                before_send_transaction=shorten)
ignore_logger("heartbeat")
logging.getLogger("heartbeat").error("late")

def settle(order, password):
    with sentry_sdk.start_span(op="db", name=f"read price where id={order}") as span:
        span.set_data("rows", 0)
    logging.warning("no price for %s", order)
    try:
        price = {}[order]
    except KeyError:
        logging.exception("order not settled")

with sentry_sdk.start_transaction(op="task", name="settle") as transaction:
    transaction.set_tag("tier", "vip")
    settle(4711, os.environ["SHOP_PASSWORD"])
"""
"""A program for SDK 2, which does not start with SDK 3."""

SOLUTION = """\
import logging, os
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger_for_events

def shorten(span, hint):
    span["name"] = span["name"].partition(" where ")[0]
    return span

sentry_sdk.init(
    traces_sample_rate=1.0,
    integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
    data_collection={"stack_frame_variables": {"mode": "denylist"}},
    before_send_span=shorten,
)
ignore_logger_for_events("heartbeat")
logging.getLogger("heartbeat").error("late")

def settle(order, password):
    with sentry_sdk.start_span(
        name=f"read price where id={order}", attributes={"sentry.op": "db"}
    ) as span:
        span.set_attribute("rows", 0)
    logging.warning("no price for %s", order)
    try:
        price = {}[order]
    except KeyError:
        logging.exception("order not settled")

with sentry_sdk.start_span(name="settle", attributes={"sentry.op": "task"}) as span:
    span.set_attribute("tier", "vip")
    settle(4711, os.environ["SHOP_PASSWORD"])
"""

# If 3 cannot be installed: what a migrated program needs, under the names of 3.
STAND_IN = """\
import sentry_sdk, sys
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.integrations import logging as integrations

class LoggingIntegration(integrations.LoggingIntegration):
    def __init__(self, level=20, event_level=None, breadcrumb_level=20):
        super().__init__(breadcrumb_level, event_level, level or 100, level is not None)

DEFAULT_OPTIONS["trace_lifecycle"] = "stream"
DEFAULT_OPTIONS["data_collection"] = {}
sentry_sdk.start_span = sentry_sdk.traces.start_span
integrations.ignore_logger_for_events = integrations.ignore_logger
integrations.LoggingIntegration = LoggingIntegration
sys.modules["sentry_sdk.scrubber"] = None
del sentry_sdk.start_transaction
"""
_INSTEAD = (
    "SDK 3 could not be installed, so this ran with SDK 2, trace_lifecycle='stream' and the names "
    "of SDK 3. "
)


def migrate_a_service(sdks: SideBySide) -> Exercise:
    """Rewrite a program for SDK 3 so that everything SDK 2 sent still arrives."""

    def verify(answer: str) -> str:
        if not isinstance(answer, str):
            raise Wrong("check() needs the source of the service as a string.")
        if answer.strip() in ("", "...", OLD_SERVICE.strip()):
            raise NotTried
        secret = secrets.token_hex(12)
        run, said = _run(sdks, answer, secret)
        try:
            _check_start(run)
            _check_events(run, secret)
            _check_spans(run)
        except Wrong as wrong:
            raise Wrong(f"{said}{wrong}") from None
        return (
            f"{said}It ran with sentry-sdk {run.sdk.version}: the error with its breadcrumb, no "
            f"password, and {len(run.trace)} spans, as before."
        )

    return Exercise(
        "migrate-a-service",
        verify,
        "Start with what prevents it from starting: the scrubber and the options. Then run it with "
        "sdks.run(shop=answer), and compare: which log records arrive, what the local variable "
        "password looks like, which spans have a sentry.op. In 3, set LoggingIntegration and "
        "data_collection explicitly; a hook for spans receives one span at a time.",
        f'answer = """\\\n{SOLUTION}"""',
    )


def _run(sdks: SideBySide, source: str, secret: str) -> tuple[SdkRun, str]:
    """Run an answer with SDK 3, or with its stand-in; return the run and a preliminary remark."""
    variables = {"SHOP_PASSWORD": secret}
    if NEW in sdks.sdks:
        return sdks.run_one(source, NEW, variables), ""
    return sdks.run_one(STAND_IN + source, OLD, variables), _INSTEAD


def _check_start(run: SdkRun) -> None:
    if run.exit_code:
        reason = run.error_line or f"exit code {run.exit_code}"
        raise Wrong(f"The program ended with {reason}")


def _check_events(run: SdkRun, secret: str) -> None:
    if _find_event(run, "late"):
        raise Wrong(
            "The record from the logger heartbeat arrived as an event. Which function ignores a "
            "logger for events?"
        )
    event = _find_event(run, "order not settled")
    if event is None:
        arrived = ", ".join(each.title for each in run.events) or "none"
        raise Wrong(
            f"No event says 'order not settled'. Events that arrived: {arrived}. In SDK 3 a log "
            "record only becomes an event if you configure an integration to do that."
        )
    if event.find("exception.values[-1].type") != "KeyError":
        raise Wrong("The event 'order not settled' has no KeyError: logging.exception adds it.")
    if "no price for 4711" not in str(event.find("breadcrumbs.values[].message")):
        raise Wrong("The event has no breadcrumb 'no price for 4711'.")
    if leaked := run.leaked_in(secret):
        raise Wrong(
            f"The password is in clear in: {', '.join(leaked)}. data_collection sets which local "
            "variables are filtered."
        )
    if str(event.find("exception.values[-1].stacktrace.frames[-1].vars.order")) != "4711":
        raise Wrong("The local variable order is gone. Only remove the password.")
    if logs := run.types.get("log"):
        raise Wrong(
            f"Structured logs arrived ({logs} item{'s' if logs > 1 else ''}); SDK 2 sent none. "
            "Which level of LoggingIntegration controls them?"
        )


def _check_spans(run: SdkRun) -> None:
    root = next((span for span in run.trace.segments if span.name == "settle"), None)
    if root is None:
        arrived = ", ".join(span.name for span in run.trace) or "none"
        raise Wrong(f"No service span called 'settle' arrived. Spans that arrived: {arrived}.")
    below = (span for span in run.trace if span.parent_id == root.id)
    read = next((span for span in below if span.name.startswith("read price")), None)
    if read is None:
        raise Wrong("There is no span 'read price' below 'settle'.")
    if read.name != "read price":
        raise Wrong(
            f"The span is called {read.name!r}, but the old service shortened its name before "
            "sending. Which hook receives spans?"
        )
    _check_attribute(root, "sentry.op", "task")
    _check_attribute(read, "sentry.op", "db")
    _check_attribute(read, "rows", 0)
    _check_attribute(root, "tier", "vip")


def _check_attribute(span: Span, name: str, value: object) -> None:
    if span.attributes.get(name) != value:
        found = span.attributes.get(name)
        raise Wrong(
            f"The span {span.name!r} has "
            + (f"{found!r}" if name in span.attributes else "nothing")
            + f" as attribute {name!r}, not {value!r}."
        )


def _find_event(run: SdkRun, message: str) -> Event | None:
    """Return the event of a log record with this message, if it arrived."""
    paths = "[message, logentry.message, logentry.formatted]"
    return next((each for each in run.events if message in (each.find(paths) or [])), None)
