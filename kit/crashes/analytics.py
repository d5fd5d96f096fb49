"""The crash types of the analytics service."""

from demo_services.analytics.report import PLAYERS
from demo_services.services import GATEWAY
from kit.crashes.common import NO_ADDRESS, NO_LOAD, local
from kit.crashes.crash_type import (
    Assertion,
    Captured,
    CrashType,
    ExpectedError,
    NotCaptured,
    Parameter,
)
from kit.crashes.pages import ALERTS, N_PLUS_ONE

_ANALYTICS_CONTEXTS = ("process", "fastapi", "mongodb", "trace", "runtime")

ANALYTICS_CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="analytics/crash",
        title="A report divides by nothing",
        severity="error",
        route="/api/debug/crash",
        needs_database=True,
        happens=(
            "Six spins are stored and summed up by symbol in the database. Two of them were free: "
            "nothing was wagered, so computing the share that was paid back divides by zero. "
            "Nothing catches the ZeroDivisionError."
        ),
        status=500,
        errors=(ExpectedError(("ZeroDivisionError",), "starlette"),),
        captured=(
            local("row", "The row of the result that broke the report: wagered is 0."),
            Captured("contexts.aggregation.stages", "The query to the database, stage by stage."),
            Captured("contexts.mongodb.server_version", "Which server answered."),
            Captured(
                "breadcrumbs.values[?category=='query'] | [0]",
                "The query, recorded by the integration.",
            ),
        ),
        not_captured=(
            NotCaptured(
                "The rows that the query returned",
                "Queries are captured, their results are not: they are your users' data.",
                "Keep what you need in a local variable or a context.",
                "contexts.aggregation.result",
            ),
            NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "aggregation"),
        spans=("analytics.payback", "db"),
        fix="Define the return of a free spin, and test a free spin.",
    ),
    CrashType(
        id="analytics/validation-error",
        variant="body",
        title="A bad request body: refused, and not captured",
        severity="info",
        route="/api/debug/validation-error",
        method="POST",
        query={"kind": "body"},
        body={"spin_id": "spin-1", "bet": "ten"},
        happens=(
            "Four fields of the body are missing, and a number is text. Pydantic rejects it before "
            "the handler runs, and FastAPI answers 422 with the reasons. The SDK captures nothing: "
            "FastAPI has caught the error."
        ),
        status=422,
        errors=(),
        not_captured=(
            NotCaptured(
                "The error",
                "FastAPI has a handler for it, which answers. The integration captures errors that "
                "no handler catches, and HTTPExceptions with a status of 500 or above.",
                "Report it in the handler of RequestValidationError, if the callers are your own.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
            NotCaptured(
                "That it happens a hundred times an hour",
                "Without an event there is no issue, so no issue alert fires.",
                "Look at the service spans: http.response.status_code is 422.",
                asserted=Assertion.NO_OTHER_EVENT,
                servers=ALERTS,
            ),
        ),
        fix="Nothing, if callers are strangers. Else fix the caller, or publish a schema.",
    ),
    CrashType(
        id="analytics/validation-error",
        variant="response",
        title="A bad response: our own mistake, captured",
        severity="error",
        route="/api/debug/validation-error",
        method="POST",
        query={"kind": "response"},
        needs_database=True,
        happens=(
            "An old document has no balance. The handler returns it unchanged, the response model "
            "requires the field, and FastAPI raises ResponseValidationError: a 500."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("ResponseValidationError",),
                "starlette",
                fingerprint=("analytics", "invalid-response"),
            ),
        ),
        captured=(
            Captured("contexts.validation.missing", "The fields missing in the document."),
            Captured("contexts.validation.model", "The model that it was validated against."),
        ),
        not_captured=(
            NotCaptured(
                "The line of our code that returned it",
                "The handler has returned when FastAPI validates: no in-app frame is on the stack.",
                "Validate inside the handler, while it is on the stack.",
                "exception.values[-1].stacktrace.frames[?in_app] | [0]",
            ),
            NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "validation"),
        spans=("db",),
        fix="Give old documents the field, or the model a default.",
    ),
    CrashType(
        id="analytics/validation-error",
        variant="document",
        title="A bad document: found inside the handler",
        severity="error",
        route="/api/debug/validation-error",
        method="POST",
        query={"kind": "document"},
        needs_database=True,
        happens=(
            "A spin that was imported by hand has two reels, and its win is text. The handler "
            "validates it with the model, and Pydantic raises ValidationError."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("ValidationError",),
                "starlette",
                fingerprint=("analytics", "invalid-document"),
            ),
        ),
        captured=(
            local("document", "The document, as the database has it."),
            Captured("contexts.validation.declared", "The fields that the model requires."),
        ),
        not_captured=(
            NotCaptured(
                "Which field of the document was wrong, as data",
                "It is only in the exception's message, as several lines of text.",
                "Put error.errors() into a context, without the values.",
                "contexts.validation.errors",
            ),
            NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "validation"),
        spans=("analytics.validate", "db"),
        fix="Validate documents when they are imported.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="duplicate-key",
        title="The database already has that spin",
        severity="error",
        route="/api/debug/database-error",
        query={"kind": "duplicate-key"},
        needs_database=True,
        happens=(
            "A spin is delivered twice. Its id is unique in the database, which answers with code "
            "11000: DuplicateKeyError."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("DuplicateKeyError",),
                "starlette",
                fingerprint=("analytics", "mongodb", "duplicate-key"),
            ),
        ),
        captured=(
            Captured("contexts.database_error.code", "The code stays when messages are reworded."),
            Captured(
                'tags."mongodb.code"', "The code as a tag: a name and a value, to count events by."
            ),
            local("delivered", "The spin that was delivered again."),
        ),
        not_captured=(
            NotCaptured(
                "Which request delivered the spin first",
                "The event names one trace: that of the request that failed.",
                "Search logs and traces for the id in the event.",
                "contexts.*.trace_id | [1]",
            ),
            NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "database_error"),
        spans=("analytics.store", "db"),
        fix="Make delivery idempotent: answer a repeated delivery like the first one.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="unreachable",
        title="The database does not answer",
        slow=True,
        severity="error",
        route="/api/debug/database-error",
        query={"kind": "unreachable"},
        needs_database=True,
        happens=(
            "The query goes to a replica that is down. The driver tries to reach it for at least "
            "300 ms, then gives up: ServerSelectionTimeoutError. The service reports it and "
            "answers 503."
        ),
        status=503,
        errors=(
            ExpectedError(
                ("ServerSelectionTimeoutError",),
                "generic",
                handled=True,
                fingerprint=("analytics", "database-unreachable"),
            ),
        ),
        captured=(
            Captured("contexts.mongodb.server_selection_timeout_ms", "How long the driver tried."),
            Captured("contexts.mongodb.port", "Which server the driver tried to reach."),
        ),
        not_captured=(
            NotCaptured(
                "The query",
                "It was never sent: there is no breadcrumb and no db span for it.",
                "Look at the span around it, or the function that was called.",
                "breadcrumbs.values[?category=='query'] | [0]",
            ),
            NotCaptured(
                "Why the server is down",
                "The service sees only its own side, not the server's process or its log.",
                "Look at the server, at the time of the first event. Alert on the issue, not on "
                "each event.",
                "contexts.stderr.last_lines",
                servers=ALERTS,
            ),
        ),
        contexts=_ANALYTICS_CONTEXTS,
        spans=("analytics.report",),
        fix="Answer 503 with Retry-After, and let the caller retry.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="timeout",
        title="A query takes too long",
        slow=True,
        severity="error",
        route="/api/debug/database-error",
        query={"kind": "timeout"},
        needs_database=True,
        happens=(
            "Sixty spins are joined with themselves three times over. The query may take 100 ms; "
            "then the database aborts it with code 50: ExecutionTimeout."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("ExecutionTimeout",),
                "starlette",
                fingerprint=("analytics", "mongodb", "max-time-expired"),
            ),
        ),
        captured=(
            Captured("contexts.aggregation.max_time_ms", "How long it was allowed to take."),
            Captured("contexts.database_error.name", "The database's own name for the error."),
            local("pipeline", "The query itself: three joins without a condition."),
        ),
        not_captured=(
            NotCaptured(
                "How the database ran the query",
                "The plan stays in the database.",
                "Run the pipeline from the event with explain().",
                "contexts.database_error.plan",
            ),
            NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "aggregation", "database_error"),
        spans=("analytics.aggregate", "db"),
        fix="Join on a condition, and keep the limit: it protects everyone else.",
    ),
    CrashType(
        id="analytics/aggregation-error",
        title="A pipeline with a stage that does not exist",
        severity="error",
        route="/api/debug/aggregation-error",
        needs_database=True,
        happens=(
            "A pipeline says $grooup instead of $group. No type checker sees that; the database "
            "does, and answers with code 40324: OperationFailure."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("OperationFailure",),
                "starlette",
                fingerprint=("analytics", "mongodb", "unknown-stage"),
            ),
        ),
        captured=(
            Captured("contexts.aggregation.stages", "The stages, by name. Read the third."),
            Captured("contexts.database_error.code", "40324, whatever the message says."),
            local("pipeline", "The pipeline, as it was sent."),
        ),
        not_captured=(NO_ADDRESS, NO_LOAD),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "aggregation", "database_error"),
        spans=("analytics.aggregate", "db"),
        fix="Run each pipeline in a test, against a real server.",
    ),
    CrashType(
        id="analytics/timeout",
        title="The caller hangs up",
        severity="warning",
        route="/api/debug/timeout",
        deadline_ms=400,
        needs_database=True,
        happens=(
            "A report waits for a lease whose holder died. The caller waits 400 ms. Then the "
            "gateway answers 504 and closes the connection. The analytics service notices, and "
            "cancels the report that no caller waits for any more. Both report it, in one trace."
        ),
        status=504,
        errors=(
            ExpectedError(
                ("TimeoutError", "CancelledError"),
                "generic",
                handled=True,
                level="warning",
                fingerprint=("analytics", "report-deadline"),
            ),
            ExpectedError(
                ("TimeoutError", "CancelledError"),
                "generic",
                handled=True,
                level="warning",
                fingerprint=("gateway", "upstream-late", "analytics"),
                service=GATEWAY,
            ),
        ),
        captured=(
            Captured("contexts.deadline.caller_ms", "How long the caller said it would wait."),
            Captured("contexts.deadline.waited_ms", "How long the report really waited."),
            Captured("contexts.deadline.held_by", "Who holds the lease."),
        ),
        not_captured=(
            NotCaptured(
                "The caller's side of it",
                "Each service reports only what it saw: the gateway, which hung up, has its own "
                "event.",
                "Read the gateway's event, in the same trace.",
                "contexts.gateway",
            ),
            NotCaptured(
                "The process that died with the lease",
                "It could not report anything: it was killed.",
                "Let leases expire, and report when one does.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
        ),
        contexts=("process", "fastapi", "mongodb", "deadline", "trace", "runtime"),
        spans=("analytics.lease", "db"),
        fix="Let leases expire, and give every wait a deadline that is shorter than the caller's.",
    ),
    CrashType(
        id="analytics/performance-issue",
        title="Slow, and nothing is raised",
        slow=True,
        severity="info",
        route="/api/debug/performance-issue",
        parameters=(Parameter("n", PLAYERS, "players"),),
        needs_database=True,
        happens=(
            "A report on n players is made twice: with one query per player and one more to find "
            "them, then with one query for all. The results are the same. No error is raised: "
            "only the trace shows the difference."
        ),
        status=200,
        errors=(),
        not_captured=(
            NotCaptured(
                "An error",
                "Nothing fails. A slow response is a response.",
                "Trace, and alert on the duration of service spans.",
                asserted=Assertion.NO_OTHER_EVENT,
                servers=ALERTS,
            ),
            NotCaptured(
                "The words N+1",
                "Sentry's servers detect the pattern in the spans; no SDK does.",
                "Count the similar db spans of a service span.",
                documented=N_PLUS_ONE,
            ),
        ),
        spans=("analytics.n_plus_one", "db"),
        profiled="query_per_player",
        fix="Query once: group in the database, or fetch all with $in.",
    ),
)
