"""The crash types of the payment service."""

from demo_services.payment import BLOCK_MS, LEAK_MB
from demo_services.services import GATEWAY, PAYMENT
from kit.crashes.common import local
from kit.crashes.crash_type import (
    Assertion,
    Captured,
    CrashType,
    ExpectedError,
    NotCaptured,
    Parameter,
)
from kit.crashes.pages import ALERTS, HEAP_SNAPSHOTS

_NO_ANSWER = NotCaptured(
    "The HTTP response",
    "The SDK captures the error as it leaves the handler; the response is written after that.",
    "Look at the service's own span in the same trace: it has the status.",
    "contexts.response",
)
_NO_ADDRESS = NotCaptured(
    "The player's IP address",
    "The SDK would send it by default; here dataCollection.userInfo is off.",
    "Leave it on, if you may keep addresses.",
    "user.ip_address",
)
_NO_INSIDES = NotCaptured(
    "The fields of an object of your own class",
    "Plain objects are shown with their values, all others only as their class: <Payment>.",
    "Put what matters into a context, as our code does with the payment.",
    "exception.values[-1].stacktrace.frames[?in_app] | [0].vars.payment.amount",
)
_NO_LOCALS_OF_BUILTINS = NotCaptured(
    "Local variables, where a built-in function throws",
    "The debugger that reads them does not see built-in frames, but the stack has them: the two "
    "are one frame apart, and the SDK attaches nothing rather than something wrong.",
    "Put the value into a breadcrumb before you pass it to the built-in.",
    "exception.values[-1].stacktrace.frames[?in_app] | [-1].vars",
)
_CONTEXTS = ("process", "express", "payment", "trace", "runtime")
_STAGE = Captured("contexts.payment.stage", "How far the payment got before it failed.")
_EXPRESS = "auto.http.express"
_NO_REPLY = ExpectedError(
    ("RemoteProtocolError", "RemoteProtocolError"),
    "generic",
    handled=True,
    fingerprint=("gateway", "upstream-unreachable", "payment"),
    service=GATEWAY,
)


def _death(kind: str) -> ExpectedError:
    """Return what the supervisor reports about the end of the process."""
    fingerprint = (PAYMENT.name, "process-death", kind)
    return ExpectedError(
        (kind,), "supervisor", level="fatal", fingerprint=fingerprint, service=PAYMENT
    )


def _error_type(
    variant: str,
    title: str,
    happens: str,
    chain: tuple[str, ...],
    level: str,
    group: str,
    evidence: Captured,
    not_captured: NotCaptured,
    fix: str,
    *,
    handled: bool = False,
) -> CrashType:
    """Return a variant of payment/error; they differ in little else than their error."""
    return CrashType(
        id="payment/error",
        variant=variant,
        title=title,
        severity=level,
        route=f"/debug/error/{variant}",
        happens=happens,
        status=200 if handled else 500,
        errors=(
            ExpectedError(
                chain,
                "generic" if handled else _EXPRESS,
                handled=handled,
                level=level,
                fingerprint=("payment", group),
            ),
        ),
        captured=(evidence, _STAGE),
        not_captured=(not_captured, _NO_ANSWER, _NO_ADDRESS),
        contexts=_CONTEXTS,
        spans=("payment.charge",),
        fix=fix,
    )


PAYMENT_CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="payment/crash",
        title="One exception ends the process",
        severity="fatal",
        route="/debug/crash",
        happens=(
            "The bank's answer arrives in two pieces, and the first is parsed as if it were the "
            "whole. That throws inside an event listener, long after Express has returned: no "
            "handler is above it. Node.js alone would end the process. With Sentry's listener "
            "installed the SDK does: it sends its event, for which it has up to ten seconds here, "
            "and exits, taking every other request with it."
        ),
        status=502,
        errors=(
            ExpectedError(("TypeError",), "auto.node.onuncaughtexception", level="fatal"),
            _death("ProcessExited"),
            _NO_REPLY,
        ),
        deadly=True,
        captured=(
            local("chunk", "The first piece. The verdict would have come with the second."),
            local("verdict", "What destructuring makes of a missing piece."),
            Captured("breadcrumbs[-1].message", "The last thing that worked."),
            _STAGE,
        ),
        not_captured=(
            NotCaptured(
                "That the process died",
                "The event is written before that. It says fatal, not how the process ended.",
                "Watch the process from outside: the supervisor reports the exit code.",
                "contexts.process.exit_code",
            ),
            NotCaptured(
                "The span of the request",
                "A span is sent when it ends, and this one never does. The charge inside it "
                "arrived, but its parent is missing in the trace.",
                "Look at the caller's span: it has the failed call.",
                asserted=Assertion.NO_SERVICE_SPAN,
            ),
            _NO_ADDRESS,
        ),
        contexts=_CONTEXTS,
        spans=("payment.charge",),
        fix="Collect chunks until the message is whole; catch errors inside every listener.",
    ),
    _error_type(
        "declined",
        "CardDeclined: the bank says no",
        "The card is over its limit. The service reports that, charges the player's balance "
        "instead, and answers 200. Declined cards are routine: the level is info.",
        ("CardDeclined",),
        "info",
        "card-declined",
        local("missing", "By how much the card was over its limit."),
        _NO_INSIDES,
        "Count declined cards as a metric; report only when there are more than usual.",
        handled=True,
    ),
    _error_type(
        "validation",
        "ValidationError: a notice that breaks the agreed format",
        "The bank's notice has the amount as text. The service reports it, sets the notice aside, "
        "and answers 200.",
        ("ValidationError",),
        "warning",
        "bad-notice",
        local("notice", "The notice, with quotes around its amount."),
        _NO_INSIDES,
        "Keep what was set aside, and tell the sender: it is their bug.",
        handled=True,
    ),
    _error_type(
        "insufficient-funds",
        "InsufficientFunds: the house cannot pay",
        "A jackpot is due, and the account that pays it is short. A player who cannot pay is "
        "refused with 402 and not reported; a house that cannot pay is fatal.",
        ("InsufficientFunds",),
        "fatal",
        "house-out-of-funds",
        local("account", "The account, and what was left in it."),
        _NO_INSIDES,
        "Watch the balance of the account, and top it up before it runs dry.",
    ),
    _error_type(
        "type",
        "TypeError: a number that arrives as text, found a line too late",
        "A fee comes out of JSON as a string. Python would refuse to add it to a number; "
        "JavaScript concatenates them, 10 and 2.5 make 102.5, and only the next line fails.",
        ("TypeError",),
        "error",
        "fee-type",
        local("total", "In quotes: by then it is text, and worth ten times as much."),
        _NO_INSIDES,
        "Validate external input with a schema; run a type checker on your code.",
    ),
    _error_type(
        "range",
        "RangeError: a currency that does not exist",
        "The receipt should show CREDITS, which is not an ISO 4217 currency. Intl.NumberFormat, a "
        "built-in of the language, throws.",
        ("RangeError",),
        "error",
        "unknown-currency",
        Captured("exception.values[-1].value", "The built-in names the value it rejected."),
        _NO_LOCALS_OF_BUILTINS,
        "Check configured currencies at start-up, with Intl.supportedValuesOf('currency').",
    ),
    _error_type(
        "custom",
        "SettlementError: one error, caused by another",
        "The bank confirms a payment with an HTML page. Parsing it fails, and the service throws "
        "its own error with that one as its cause. Both are captured, as a chain.",
        ("SettlementError", "SyntaxError"),
        "error",
        "settlement",
        local("receipt", "What the bank really sent."),
        _NO_INSIDES,
        "Check status and content type before parsing; pass { cause } to keep the cause.",
    ),
    CrashType(
        id="payment/promise-rejection",
        title="A promise that nothing awaits",
        severity="error",
        route="/debug/promise-rejection",
        happens=(
            "The receipt is mailed without await, and the response, 202, does not depend on it. "
            "Then mailing fails. The caller was told that all is well. Node.js alone would end "
            "the process; with Sentry's handler installed it keeps running."
        ),
        status=202,
        errors=(ExpectedError(("TypeError",), "auto.node.onunhandledrejection"),),
        captured=(
            local("recipient", "An address, where a name was expected."),
            Captured("contexts.response.status_code", "What the caller had already been told."),
            Captured("extra.unhandledPromiseRejection", "Marks a rejection that nothing caught."),
            _STAGE,
        ),
        not_captured=(
            NotCaptured(
                "Who forgot the await",
                "The stack begins where the promise last resumed; the call that started it has "
                "long returned.",
                "Read the breadcrumbs, or let the linter find it: no-floating-promises.",
                "exception.values[-1].stacktrace.frames[?function=='promiseRejection'] | [0]",
            ),
            NotCaptured(
                "That the request failed",
                "It did not: its span ended long before.",
                "Alert on the error, not on the status.",
                "[contexts.response] | [?status_code >= `400`] | [0]",
                servers=ALERTS,
            ),
            _NO_ADDRESS,
        ),
        contexts=(*_CONTEXTS, "response"),
        spans=("payment.charge",),
        fix="Await it, or .catch() it where it is started. Hand mail to a queue that retries.",
    ),
    CrashType(
        id="payment/async-error",
        title="An error after an await",
        severity="error",
        route="/debug/async-error",
        happens=(
            "Two offices are asked concurrently how risky the payment is. One of them fails. "
            "Promise.allSettled() hides that: it never rejects, and the code reads the score of a "
            "missing answer. Express 5 passes on what an async handler throws, so there is a "
            "response: 500."
        ),
        status=500,
        errors=(ExpectedError(("TypeError",), _EXPRESS),),
        captured=(
            Captured(
                "breadcrumbs[?category=='screening'] | [0].message",
                "How the offices answered: the second did not.",
            ),
            local("risk", "The score of the first office had already been read."),
            Captured(
                "exception.values[-1].stacktrace.frames[?function=='asyncError'] | [0]",
                "The handler, on the other side of the await.",
            ),
            _STAGE,
        ),
        not_captured=(
            NotCaptured(
                "Why the office failed",
                "Its error stays in the result, as the reason, and no code reads it.",
                "Use Promise.all(), or throw AggregateError with the reasons.",
                "exception.values[1]",
            ),
            NotCaptured(
                "Local variables from before the await",
                "The debugger sees only running frames, and a waiting handler has none.",
                "Put what matters into a context before the await.",
                "exception.values[-1].stacktrace.frames[?function=='asyncError'] | [0].vars",
            ),
            _NO_ANSWER,
        ),
        contexts=_CONTEXTS,
        spans=("payment.charge", "payment.screening"),
        fix="Use Promise.all() if every answer is needed; else check each status first.",
    ),
    CrashType(
        id="payment/memory-leak",
        title="The heap grows until there is no room",
        slow=True,
        severity="fatal",
        route="/debug/memory-leak",
        charted=True,
        parameters=(Parameter("mb", LEAK_MB, "MB"),),
        happens=(
            "An archive keeps the picture of every receipt and never drops one. The heap really "
            "grows, in steps of 4 MB, while other requests are served. At its cap the archive "
            "throws ArchiveFull, and all of it is released."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("ArchiveFull",),
                _EXPRESS,
                level="fatal",
                fingerprint=("payment", "out-of-memory"),
            ),
        ),
        captured=(
            Captured("contexts.memory.peak_heap_mb", "The heap at its peak."),
            Captured("contexts.memory.start_heap_mb", "The heap before: the difference leaked."),
            Captured("contexts.process.heap_limit_mb", "Where V8 would have ended the process."),
            Captured("breadcrumbs[?category=='memory'] | [0]", "Each step, with its time."),
        ),
        not_captured=(
            NotCaptured(
                "Which objects take the memory",
                "The SDK does not walk the heap: that can stop the process for more than a minute, "
                "and double its memory.",
                "Take two heap snapshots (node --inspect) and compare them.",
                documented=HEAP_SNAPSHOTS,
            ),
            NotCaptured(
                "The pictures themselves",
                "They are in a private field, which local variables do not show.",
                "Keep large data where an event does not expand it; report sizes instead.",
                "exception.values[-1].stacktrace.frames[?in_app] | [-1].vars.archive",
            ),
            _NO_ANSWER,
        ),
        contexts=(*_CONTEXTS, "memory"),
        spans=("payment.charge", "payment.archive"),
        profiled="keep",
        fix="Bound every cache (lru-cache), or give its entries a time to live.",
    ),
    CrashType(
        id="payment/heap-exhaustion",
        title="The heap limit is hit, and no code can report it",
        severity="fatal",
        route="/debug/heap-exhaustion",
        charted=True,
        happens=(
            "A statement is printed page by page, and the page never advances. The pages fill the "
            "heap until V8 finds no room and aborts the process (SIGABRT). No more JavaScript "
            "runs: there is no exception, and no event from inside."
        ),
        status=502,
        errors=(_death("HeapExhausted"), _NO_REPLY),
        deadly=True,
        captured=(
            Captured(
                "contexts.node.heap_exhausted", "V8 said so, and aborted on purpose: SIGABRT."
            ),
            Captured("contexts.process.memory_mb", "The memory of the process shortly before."),
            Captured("contexts.node.heap_limit_mb", "The limit that was hit."),
            Captured("contexts.stderr.last_lines", "What V8 wrote last."),
        ),
        not_captured=(
            NotCaptured(
                "An error event from inside the process",
                "Running out of heap is not an exception: V8 aborts without running any handler.",
                "Watch the process from outside: the supervisor sees the signal, and reports it "
                "with the last lines that V8 wrote.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
            NotCaptured(
                "The span of the request, and all else that was not sent yet",
                "Spans and events wait in memory for a moment. That memory is gone.",
                "Alert on the heap (heap_used_mb of heap_limit_mb) before it is full.",
                asserted=Assertion.NO_SERVICE_SPAN,
                servers=ALERTS,
            ),
        ),
        fix="Let the cursor advance; stream what is large; set --max-old-space-size on purpose.",
    ),
    CrashType(
        id="payment/event-loop-block",
        title="The event loop is blocked",
        severity="error",
        route="/debug/event-loop-block",
        charted=True,
        parameters=(Parameter("ms", BLOCK_MS, "ms"),),
        happens=(
            "The books are compared with the bank's, each entry with all others, on the only "
            "thread. Until that is done the service answers no other request. Nothing fails, and "
            "the response is 200: a watchdog in a separate thread reports the block, with the "
            "stack that it found."
        ),
        status=200,
        errors=(
            # The watchdog does not say whether it was handled: nothing was thrown.
            ExpectedError(("ApplicationNotResponding",), "ANR", handled=None),
        ),
        captured=(
            Captured(
                "exception.values[-1].stacktrace.frames[?in_app] | [-1].function",
                "The function that held the thread when the watchdog looked.",
            ),
            Captured('tags."http.route"', "The route that blocks all others."),
            _STAGE,
        ),
        not_captured=(
            NotCaptured(
                "How long it was blocked",
                "The watchdog reports after 0.7 s, while the block goes on. It can only say: for "
                "at least 700 ms.",
                "Look at the span: it has the whole duration.",
                "exception.values[?!contains(value, 'at least 700 ms')] | [0]",
            ),
            NotCaptured(
                "The request",
                "The event is made in another thread, from the user, tags, contexts and "
                "breadcrumbs of the scope. URL and headers are not among them.",
                "Tag what you need.",
                "request",
            ),
            NotCaptured(
                "Local variables",
                "The watchdog reads only the stack.",
                "Put what matters into a context.",
                "exception.values[-1].stacktrace.frames[?in_app] | [-1].vars",
            ),
            NotCaptured(
                "A name for the machine",
                "The other thread does not know serverName. The release says who it was.",
                "Set a tag, as our code does with service.",
                "server_name",
            ),
        ),
        contexts=("process", "express", "payment", "trace"),
        spans=("payment.charge", "payment.reconcile"),
        profiled="countUnmatched",
        fix="Look entries up in a Set; move CPU-bound work into a worker thread.",
    ),
    CrashType(
        id="payment/stack-overflow",
        title="A function that calls itself forever",
        severity="error",
        route="/debug/stack-overflow",
        happens=(
            "The code looks for the payment of a refund, from refund to refund. The last one "
            "refunds the first: the recursion does not end, but the stack does. JavaScript throws "
            "RangeError, which is caught like any other error: 500, and the service keeps running."
        ),
        status=500,
        errors=(ExpectedError(("RangeError",), _EXPRESS),),
        captured=(
            Captured(
                "exception.values[-1].stacktrace.frames[?function=='followRefunds'] | [1]",
                "The function that is on the stack twice, and more.",
            ),
            Captured(
                "breadcrumbs[?category=='refund'] | [0].data",
                "Which refund refunds which. Follow them: they form a circle.",
            ),
            _STAGE,
        ),
        not_captured=(
            NotCaptured(
                "Where the recursion began",
                "V8 keeps the ten innermost frames (Error.stackTraceLimit): all the same function.",
                "Read the breadcrumbs, or raise the limit while you look for it.",
                "exception.values[-1].stacktrace.frames[?function=='firstPayment'] | [0]",
            ),
            NotCaptured(
                "Local variables",
                "There is no stack left for the debugger to run on.",
                "Put the start of the recursion into a breadcrumb.",
                "exception.values[-1].stacktrace.frames[?in_app] | [-1].vars",
            ),
            _NO_ANSWER,
        ),
        contexts=_CONTEXTS,
        spans=("payment.charge", "payment.refund"),
        fix="Follow chains with a loop, and keep a Set of what you have seen.",
    ),
)
