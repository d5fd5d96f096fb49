"""The guide: what to do so that errors can be found, read and fixed, and what proves it.

Each practice names a declaration, of a crash type, a fault or a blind spot, that is asserted
against real events. ``proof.py`` looks it up.
"""

from dataclasses import dataclass

from kit.crashes.common import NO_ADDRESS
from kit.crashes.pages import ALERTS, SIGNALS
from kit.reading.server.references import GROUPING, TAGS, USERS, Reference
from kit.reliability.patterns.references import CRONS, FEATURE_FLAGS

_TAG_OF_ROUTE = 'tags."http.route"'
_LAST = "exception.values[-1].stacktrace.frames"


@dataclass(frozen=True)
class Proof:
    """Points to an asserted declaration that shows why a practice matters.

    ``subject`` is the full id of a crash type, the name of a fault, or the id of a blind spot. One
    of four fields selects a part of it: ``path``, a JMESPath declared as captured or not captured;
    ``absent``, the name of an asserted absence; ``field``, of the first error or of a fault; or
    ``line``, the code that makes Sentry capture a blind spot. ``shown`` is a JMESPath to a value
    in a recorded event.
    """

    subject: str
    path: str = ""
    absent: str = ""
    field: str = ""
    line: str = ""
    shown: str = ""


@dataclass(frozen=True)
class Practice:
    """Something to do, the reason in a sentence, and what proves it.

    ``servers`` is the documentation page for what it says about Sentry's servers.
    """

    name: str
    title: str
    why: str
    proofs: tuple[Proof, ...]
    servers: Reference | None = None


PRACTICES = (
    Practice(
        "release",
        "Set the release in every client",
        "An event may come without machine name, request and local variables; the release still "
        "says which code ran.",
        (
            Proof("payment/event-loop-block", "server_name", shown="release"),
            Proof("bad-release", "release"),
        ),
    ),
    Practice(
        "user",
        "Set the user's id where the request begins",
        "The SDK passes the scope on to threads, so an error there names its user too, and an "
        "alert can count users instead of events.",
        (Proof("game-engine/threading-error", "user.username", shown="user.id"),),
        USERS,
    ),
    Practice(
        "tags",
        "Tag what you will search for",
        "A tag is a name with a value, and you can search and count events by it. Choose a tag "
        "with few values, such as the route without its parameters.",
        (
            Proof("gateway/panic", _TAG_OF_ROUTE),
            Proof("analytics/database-error?type=duplicate-key", 'tags."mongodb.code"'),
        ),
        TAGS,
    ),
    Practice(
        "context",
        "Put the input into a context before you work on it",
        "The stack shows only the frames that were running at the failure. What was in frames "
        "waiting for an await, or inside an object, is gone by then.",
        (
            Proof("game-engine/crash", "contexts.spin.reels"),
            Proof("game-engine/crash", f"{_LAST}[].vars.[ODDS, self.machine][] | [0]"),
            Proof(
                "payment/async-error",
                f"{_LAST}[?function=='asyncError'] | [0].vars",
                shown="contexts.payment.stage",
            ),
        ),
    ),
    Practice(
        "breadcrumbs",
        "Leave breadcrumbs for decisions, not for noise",
        "A few that record decisions lead to the cause when the stack ends too early.",
        (
            Proof("payment/stack-overflow", "breadcrumbs[?category=='refund'] | [0].data"),
            Proof("payment/async-error", "breadcrumbs[?category=='screening'] | [0].message"),
            Proof("game-engine/memory-leak", "breadcrumbs.values[?category=='memory'] | [0]"),
        ),
    ),
    Practice(
        "handled",
        "Report what you catch, at the level it deserves",
        "A caught exception is reported only if the code reports it. The caller gets a 200, so the "
        "event is the only sign of it.",
        (
            Proof("game-engine/error?type=key", field="handled"),
            Proof("payment/error?type=validation", field="level"),
            Proof("python/caught", line="sentry_sdk.capture_exception()"),
        ),
    ),
    Practice(
        "once",
        "Report one failure once",
        "Two integrations that see the same error report it twice, and no event says so.",
        (Proof("game-engine/async-error", "fingerprint"),),
    ),
    Practice(
        "fingerprint",
        "Group by the cause, not by the words",
        "An error code stays the same when messages are reworded. A fingerprint made from it "
        "keeps one problem in one issue.",
        (
            Proof("analytics/database-error?type=duplicate-key", "contexts.database_error.code"),
            Proof("analytics/database-error?type=duplicate-key", field="fingerprint"),
        ),
        GROUPING,
    ),
    Practice(
        "cause",
        "Keep the cause when you raise your own error",
        "With “raise … from”, or { cause } in JavaScript, both exceptions are in the event: what "
        "it means for the caller, and what went wrong.",
        (
            Proof("game-engine/error?type=custom", field="chain"),
            Proof("payment/error?type=custom", field="chain"),
        ),
    ),
    Practice(
        "secrets",
        "Send no secrets, and no more about a person than you need",
        "What is not in an event cannot leak. Addresses are switched off here, and query results "
        "are never captured.",
        (
            Proof("gateway/panic", NO_ADDRESS.path or ""),
            Proof("analytics/crash", "contexts.aggregation.result"),
        ),
    ),
    Practice(
        "flush",
        "Flush before the process ends",
        "Events and spans wait in memory for a moment. A process that ends at once loses them.",
        (
            Proof("python/too-fast", line="sentry_sdk.flush()"),
            Proof(
                "payment/heap-exhaustion",
                absent="The span of the request, and all else that was not sent yet",
            ),
        ),
    ),
    Practice(
        "outside",
        "Watch each process from outside, too",
        "An aborted or killed process runs no more code. Another process has to report how it "
        "ended.",
        (
            Proof("payment/heap-exhaustion", absent="An error event from inside the process"),
            Proof("payment/crash", "contexts.process.exit_code"),
            Proof("payment/heap-exhaustion", "contexts.stderr.last_lines"),
        ),
        SIGNALS,
    ),
    Practice(
        "traces",
        "Trace a sample of the requests",
        "Slow code raises nothing, so there is no error event. Only spans show where the time "
        "went.",
        (
            Proof("analytics/performance-issue", absent="An error"),
            Proof("payment-slow", absent="An error event"),
            Proof("game-engine/infinite-loop", absent="A loop that nothing stops"),
        ),
    ),
    Practice(
        "client-reports",
        "Look at what the SDK dropped",
        "A before_send that fails loses the event. The SDK counts that in a client report, which "
        "workshop.sent_and_dropped() shows.",
        (Proof("python/before-send", line='event.get("request", {}).pop("cookies", None)'),),
    ),
    Practice(
        "alerts",
        "Give each alert a floor, and do not alert on level info",
        "One refused card is routine, while a database that is down causes many events. Count "
        "users or events before you wake anyone.",
        (
            Proof("payment/error?type=declined", field="level"),
            Proof("analytics/database-error?type=unreachable", "contexts.stderr.last_lines"),
        ),
        ALERTS,
    ),
    Practice(
        "check-ins",
        "Let jobs check in",
        "A dead job reports nothing, and its callers just wait. Sentry notices when a check-in is "
        "missing.",
        (Proof("analytics/timeout", absent="The process that died with the lease"),),
        CRONS,
    ),
    Practice(
        "flags",
        "Record feature flags on events",
        "When a share of the requests fails, the flag is what the failing requests have in common.",
        (
            Proof("payment-fails", "contexts.flags.values[?flag=='payment-fails'].result | [0]"),
            Proof("mongo-down", "contexts.flags.values[?flag=='mongo-down'].result | [0]"),
        ),
        FEATURE_FLAGS,
    ),
    Practice(
        "leases",
        "Give every injected fault an end",
        "The service ends the fault by itself, even if the experiment dies first.",
        (Proof("payment-down", field="seconds"),),
    ),
    Practice(
        "idempotency",
        "Give each retry the key of the first try",
        "A caller whose answer got lost has to retry. With the same key, the bet is booked once.",
        (
            Proof("payment-resets", absent="An error event"),
            Proof(
                "analytics/database-error?type=duplicate-key",
                f"{_LAST}[?in_app] | [-1].vars.delivered",
            ),
        ),
    ),
    Practice(
        "deadlines",
        "Give each wait a deadline below the caller's",
        "Otherwise the caller has hung up by the time the answer is ready. With both times in the "
        "event, you see which one was shorter.",
        (
            Proof("analytics/timeout", "contexts.deadline.caller_ms"),
            Proof("analytics/timeout", "contexts.deadline.waited_ms"),
        ),
    ),
)
