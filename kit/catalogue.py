"""The crash types, declared once for widgets, cards, ``workshop check``, tests and notebooks.

What a crash type claims is asserted against a real event: ``captured`` must be found in it,
``not_captured`` must not, and ``errors`` says exactly which error events arrive.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from demo_services.analytics.report import PLAYERS
from demo_services.bounds import Bounds
from demo_services.game_engine.debug import LEAK_MB, LOOP_SECONDS
from demo_services.services import FRONTEND, GATEWAY, SERVICES, Service


@dataclass(frozen=True)
class Parameter:
    """A number that the learner may set; the service itself declares its bounds."""

    name: str
    bounds: Bounds
    unit: str

    def checked(self, value: Any) -> int:
        """Return ``value`` when it is within bounds. Raises ValueError that names them."""
        low, high = self.bounds.minimum, self.bounds.maximum
        if isinstance(value, int) and low <= value <= high:
            return value
        raise ValueError(
            f"{self.name} must be a whole number from {low} to {high} ({self.unit}), not {value!r}."
        )


@dataclass(frozen=True)
class ExpectedError:
    """One error event that a trigger must produce.

    ``chain`` names the exception types from the one that was raised last to its root cause.
    ``mechanism`` and ``handled`` are those of the exception raised last. Without a
    ``fingerprint`` Sentry groups by stack trace. ``service`` is who reports it, when that is not
    the service that crashes.
    """

    chain: tuple[str, ...]
    mechanism: str
    handled: bool = False
    level: str = "error"
    fingerprint: tuple[str, ...] | None = None
    service: Service | None = None

    @property
    def type(self) -> str:
        """The type of the exception raised last."""
        return self.chain[0]


@dataclass(frozen=True)
class Captured:
    """A value that the event carries: its JMESPath in the event, and what it is good for."""

    path: str
    why: str


@dataclass(frozen=True)
class NotCaptured:
    """Something that one might look for in vain.

    ``path`` is a JMESPath that finds nothing in the event; None where absence has no path.
    ``instead`` says what to do when one needs it.
    """

    what: str
    why: str
    instead: str
    path: str | None = None


@dataclass(frozen=True)
class CrashType:
    """One way to crash one service, and the telemetry that one trigger of it must produce.

    ``route`` is the path on the service itself. ``contexts`` are names under ``contexts`` that
    every error event has. ``spans`` are span operations that the trace has. ``profiled`` names
    the function that the profile must show. Types that come in variants have one declaration
    each, told apart by ``variant``. ``query`` and ``body`` are sent along, ``deadline_ms`` is how
    long the caller waits, in milliseconds. What is ``charted`` is about memory or CPU.
    """

    id: str
    title: str
    severity: str
    route: str
    happens: str
    status: int
    errors: tuple[ExpectedError, ...]
    fix: str
    captured: tuple[Captured, ...] = ()
    not_captured: tuple[NotCaptured, ...] = ()
    contexts: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()
    profiled: str | None = None
    parameters: tuple[Parameter, ...] = ()
    variant: str | None = None
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    deadline_ms: int | None = None
    needs_database: bool = False
    charted: bool = False

    @property
    def row_id(self) -> str:
        """The id that is unique among variants too, ``service/name?type=variant``."""
        return f"{self.id}?type={self.variant}" if self.variant else self.id

    @property
    def service(self) -> Service:
        """The service that crashes."""
        return SERVICES[self.id.partition("/")[0]]

    def reporter(self, error: ExpectedError) -> str:
        """Return the name of the service that reports an error."""
        return (error.service or self.service).name

    @property
    def transactions(self) -> tuple[str, ...]:
        """The services that the trace passes through, in order."""
        path = (FRONTEND, GATEWAY, self.service)
        return tuple(dict.fromkeys(service.name for service in path))


_NO_ADDRESS = NotCaptured(
    "The player's IP address",
    "The SDK sends no personal data unasked. REMOTE_ADDR, where there is one, is the caller's: "
    "to the game engine that is the gateway.",
    "Set user.ip_address with set_user, when you may keep it.",
    "user.ip_address",
)
_NO_ANSWER = NotCaptured(
    "The HTTP answer",
    "Tornado's integration captures the error before the answer is written.",
    "Look at the gateway's transaction in the same trace: it has the status.",
    "contexts.response",
)
_NO_GLOBALS = NotCaptured(
    "Globals and the attributes of objects",
    "Only local variables are sent, as repr() gives them: an object shows what its repr shows.",
    "Give your classes a repr worth reading, or put the value into a context.",
)
_NO_CALLER = NotCaptured(
    "Who called the function that caught it",
    "A traceback begins where the exception is caught; a handled one has no frames above that.",
    "Read the transaction and the breadcrumbs, which say where the request came from.",
)
_NO_LOAD = NotCaptured(
    "How many other requests were in flight",
    "An event describes one request. The load around it is in no event.",
    "Put a counter into a context, or look at the traces of the same minute.",
)
_NO_FIRST = NotCaptured(
    "Who caused it first",
    "The event is of the request that failed, not of the one that made it fail.",
    "Search for the id that the event names, in logs and traces.",
)
_ANALYTICS_CONTEXTS = ("process", "fastapi", "mongodb", "trace", "runtime")
_ENGINE_CONTEXTS = ("process", "tornado", "spin", "trace", "runtime")
_SPIN = Captured("contexts.spin.stage", "How far the spin had come when it broke.")
_REELS = Captured("contexts.spin.reels", "The input that the code choked on, or did not.")


def _local(name: str, why: str) -> Captured:
    """Return a local variable of the line of ours that failed."""
    return Captured(f"exception.values[-1].stacktrace.frames[?in_app] | [-1].vars.{name}", why)


def _typed(
    variant: str,
    title: str,
    happens: str,
    chain: tuple[str, ...],
    level: str,
    group: str,
    evidence: Captured,
    fix: str,
    *,
    handled: bool = False,
) -> CrashType:
    """Return a variant of game-engine/error; they differ in little else than their error."""
    return CrashType(
        id="game-engine/error",
        variant=variant,
        title=title,
        severity=level,
        route=f"/debug/error/{variant}",
        happens=happens,
        status=200 if handled else 500,
        errors=(
            ExpectedError(
                chain,
                "generic" if handled else "tornado",
                handled=handled,
                level=level,
                fingerprint=("game-engine", group),
            ),
        ),
        captured=(evidence, _SPIN),
        not_captured=(_NO_CALLER if handled else _NO_ANSWER, _NO_ADDRESS),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin",),
        fix=fix,
    )


CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="gateway/panic",
        title="The gateway panics",
        severity="fatal",
        route="/debug/panic",
        happens=(
            "The gateway picks an instance by the player's name, modulo the number of healthy "
            "ones, and all of them are out for an upgrade. Nothing catches the "
            "ZeroDivisionError but the outermost handler: it answers 500, and the gateway goes on."
        ),
        status=500,
        errors=(ExpectedError(("ZeroDivisionError",), "starlette", level="fatal"),),
        captured=(
            _local("available", "An empty list: the reason, without a line of logging."),
            Captured("contexts.gateway.upstreams", "What the gateway believed to be out there."),
            Captured('tags."http.route"', "The route as a tag: Sentry can count and filter by it."),
        ),
        not_captured=(
            _NO_ADDRESS,
            _NO_LOAD,
        ),
        contexts=("process", "fastapi", "gateway", "trace", "runtime"),
        spans=("gateway.routing",),
        fix="Decide what happens when nothing is healthy: answer 503 with Retry-After.",
    ),
    CrashType(
        id="game-engine/crash",
        title="A spin crashes, and nobody catches it",
        severity="error",
        route="/debug/crash",
        happens=(
            "A real spin is played. While its side bets are paid, paid ones are removed from the "
            "dictionary that is being walked, and Python raises RuntimeError. No code of ours "
            "catches it: Tornado does, and answers 500."
        ),
        status=500,
        errors=(ExpectedError(("RuntimeError",), "tornado"),),
        captured=(
            _local("open_bets", "The dictionary as it was left: one bet is gone already."),
            _local("name", "The side bet that was being paid."),
            _SPIN,
            _REELS,
        ),
        not_captured=(_NO_ANSWER, _NO_ADDRESS, _NO_GLOBALS),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.reels"),
        fix="Walk over a copy, list(open_bets.items()), or collect the paid ones first.",
    ),
    _typed(
        "value",
        "ValueError: a coupon with a letter for a digit",
        "A player redeems LUCKY-1O, with the letter O. int() refuses it; the service reports that, "
        "ignores the coupon and answers 200. The player never notices.",
        ("ValueError",),
        "info",
        "bad-coupon",
        _local("digits", "What int() was given. Read it twice."),
        "Check the coupon where it is typed in; keep reporting those that get through.",
        handled=True,
    ),
    _typed(
        "type",
        "TypeError: a number that arrives as text",
        "A promotion's bonus comes out of JSON as a string, and is added to a number.",
        ("TypeError",),
        "error",
        "promotion-type",
        _local("promotion", "The quotes around 25 are the bug."),
        "Validate what comes from outside with a schema, at the border.",
    ),
    _typed(
        "key",
        "KeyError: a symbol that is not in the paytable",
        "A seasonal symbol is on the reels and not in the paytable. The service reports it, pays "
        "nothing for that symbol, and answers 200.",
        ("KeyError",),
        "warning",
        "symbol-without-pay",
        _local("symbol", "The key that was missing."),
        "Let the strip and the paytable come from one declaration.",
        handled=True,
    ),
    _typed(
        "index",
        "IndexError: the window runs past the strip",
        "The display shows three rows from the next to last symbol on. There are only two.",
        ("IndexError",),
        "error",
        "reel-window",
        _local("window", "What had been read when the strip ended."),
        "A reel is a circle: take the index modulo the length of the strip.",
    ),
    _typed(
        "attribute",
        "AttributeError: None where a player was expected",
        "A loyalty card is looked up, not found, and used all the same.",
        ("AttributeError",),
        "error",
        "loyalty-card",
        _local("cards", "The cards that there were."),
        "Let a type checker see the None: it marks this line.",
    ),
    _typed(
        "zero-division",
        "ZeroDivisionError: statistics of nothing",
        "The hit rate of a machine that has not been played today is asked for. The service "
        "reports it, shows 0 %, and answers 200.",
        ("ZeroDivisionError",),
        "warning",
        "hit-rate",
        _local("spins", "The zero."),
        "Say what the rate of nothing is, in the function that computes it.",
        handled=True,
    ),
    _typed(
        "assertion",
        "AssertionError: money appeared from nowhere",
        "The entries of a spin must add up to nothing. They do not, so the service stops "
        "before it books them. A broken invariant is worth waking someone up: it is fatal.",
        ("AssertionError",),
        "fatal",
        "ledger-off-balance",
        _local("entries", "The three entries. Which one has no counterpart?"),
        "Book both sides of every entry in one place. Do not run it with python -O.",
    ),
    _typed(
        "os",
        "OSError: the jackpot's file is gone",
        "The file that holds the jackpot is not there: the system answers ENOENT. The service "
        "reports it, starts the jackpot anew, and answers 200.",
        ("FileNotFoundError",),
        "warning",
        "jackpot-file",
        Captured(
            "exception.values[-1].mechanism.meta.errno.number", "2 is ENOENT on every system."
        ),
        "Keep state in a database; make a missing file an event of its own at start-up.",
        handled=True,
    ),
    _typed(
        "custom",
        "SettlementError: one error, caused by another",
        "The bank answers a payout with an HTML page. Parsing it fails, and the service raises an "
        "exception of its own from that one. Both are captured, as a chain.",
        ("SettlementError", "JSONDecodeError"),
        "error",
        "settlement",
        _local("receipt", "What the bank really sent."),
        "Check status and content type before parsing; raise … from, so that the cause stays.",
    ),
    CrashType(
        id="game-engine/memory-leak",
        title="Memory grows until there is none",
        severity="fatal",
        route="/debug/memory-leak",
        charted=True,
        parameters=(Parameter("mb", LEAK_MB, "MB"),),
        happens=(
            "A cache keeps a recording of every spin and forgets none. It really takes memory, in "
            "steps of 8 MB, and other requests are served meanwhile. At its cap it raises "
            "MemoryError, and all of it is released."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("MemoryError",),
                "tornado",
                level="fatal",
                fingerprint=("game-engine", "out-of-memory"),
            ),
        ),
        captured=(
            Captured("contexts.memory.peak_rss_mb", "What the process held at its worst."),
            Captured("contexts.memory.start_rss_mb", "What it held before: the difference leaked."),
            Captured("breadcrumbs.values[?category=='memory'] | [0]", "Each step, with its time."),
        ),
        not_captured=(
            NotCaptured(
                "Which objects take the memory",
                "No SDK walks the heap: it would take longer than the process has.",
                "Reproduce it under tracemalloc or memray, with the steps from the breadcrumbs.",
            ),
            NotCaptured(
                "The end by the system's own hand",
                "The out-of-memory killer sends SIGKILL: no code runs any more, so no event.",
                "Watch the process from outside, and alert on memory before the limit.",
            ),
            _NO_ANSWER,
        ),
        contexts=(*_ENGINE_CONTEXTS, "memory"),
        spans=("game.spin", "game.replay"),
        fix="Bound every cache: functools.lru_cache(maxsize=…), or a time to live.",
    ),
    CrashType(
        id="game-engine/infinite-loop",
        title="A loop that never ends",
        severity="error",
        route="/debug/infinite-loop",
        charted=True,
        parameters=(Parameter("seconds", LOOP_SECONDS, "s"),),
        happens=(
            "Reels are spun until a diamond comes up. There is no diamond. The loop takes a whole "
            "CPU on the event loop's thread, so the game engine serves nobody, until a watchdog "
            "raises WatchdogTimeout in the middle of it."
        ),
        status=500,
        errors=(
            ExpectedError(
                ("WatchdogTimeout",),
                "tornado",
                fingerprint=("game-engine", "watchdog", "respin_until_jackpot"),
            ),
        ),
        captured=(
            _local("respins", "How often it had gone round."),
            Captured('tags."http.route"', "The route that holds all others up."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "A loop that nobody cuts",
                "An endless loop raises nothing: there is no event until something ends it.",
                "Set a deadline on every request, and look at the profiles of slow transactions.",
            ),
            NotCaptured(
                "The requests that waited",
                "They are only slow, and even their transactions begin when the wait is over: the "
                "gap shows only against the caller's span.",
                "Alert on what callers wait for, not on errors alone.",
            ),
        ),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.respin"),
        profiled="respin_until_jackpot",
        fix="Bound the loop, and take work that computes off the event loop's thread.",
    ),
    CrashType(
        id="game-engine/async-error",
        title="Three ways to fail in asyncio",
        severity="error",
        route="/debug/async-error",
        happens=(
            "After a spin a task is started that nobody awaits, and it fails. A bonus is awaited, "
            "comes too late, and is done without. Then three tasks of a group settle the round "
            "and two of them fail: an ExceptionGroup, which nobody catches."
        ),
        status=500,
        errors=(
            ExpectedError(("ExceptionGroup", "KeyError", "ZeroDivisionError"), "tornado"),
            ExpectedError(("ValueError",), "asyncio"),
            ExpectedError(
                ("TimeoutError", "CancelledError"),
                "generic",
                handled=True,
                level="warning",
                fingerprint=("game-engine", "bonus-timeout"),
            ),
            ExpectedError(("KeyError",), "asyncio"),
            ExpectedError(("ZeroDivisionError",), "asyncio"),
        ),
        captured=(
            Captured(
                "exception.values[-1].mechanism.is_exception_group",
                "Marks the group; its members hang below it.",
            ),
            Captured("breadcrumbs.values[?category=='task'] | [0]", "What ran side by side."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "That it is one failure",
                "asyncio's integration reports every task that fails, and Tornado's the group: "
                "its members arrive twice.",
                "Give members and group one fingerprint, or drop the group in before_send.",
            ),
            NotCaptured(
                "The task that was cancelled",
                "A TaskGroup cancels the tasks that are left. CancelledError is no error.",
                "Leave a breadcrumb where a task is cancelled.",
            ),
            _NO_ANSWER,
        ),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.bonus", "game.settle"),
        fix="Keep a reference to every task, and await it or handle its error in a callback.",
    ),
    CrashType(
        id="game-engine/threading-error",
        title="Errors in a thread and in a pool",
        severity="error",
        route="/debug/threading-error",
        happens=(
            "An audit runs in a thread of its own and fails: the request knows nothing of it. Then "
            "a job in a thread pool fails: its error comes back to whoever awaits it, and becomes "
            "the request's 500."
        ),
        status=500,
        errors=(
            ExpectedError(("StatisticsError",), "tornado"),
            ExpectedError(("ValueError",), "threading"),
        ),
        captured=(
            _local("wins_on_record", "Whom there are wins of; the player is not among them."),
            Captured("user.username", "Known in the thread too: the SDK hands the scope over."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "A future whose result nobody reads",
                "An error in a pool is kept in the future until someone asks for the result.",
                "Ask for it, or add a done callback that reports the exception.",
            ),
            NotCaptured(
                "Who started the thread",
                "A thread's stack begins with the thread. The line that started it is not on it.",
                "Name your threads, and leave a breadcrumb where you start one.",
            ),
            _NO_ANSWER,
        ),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.statistics"),
        fix="Wait for the thread, or run the job in a pool and read its result.",
    ),
    CrashType(
        id="analytics/crash",
        title="A report divides by nothing",
        severity="error",
        route="/api/debug/crash",
        needs_database=True,
        happens=(
            "Six spins are stored and added up in the database, by symbol. Two of them were free: "
            "nothing was wagered, and the share that was paid back is something divided by zero. "
            "Nobody catches the ZeroDivisionError."
        ),
        status=500,
        errors=(ExpectedError(("ZeroDivisionError",), "starlette"),),
        captured=(
            _local("row", "The row of the result that broke the report: wagered is 0."),
            Captured("contexts.aggregation.stages", "What the database was asked, stage by stage."),
            Captured("contexts.mongodb.server_version", "Which server answered."),
            Captured("breadcrumbs.values[?category=='query'] | [0]", "The query, by integration."),
        ),
        not_captured=(
            NotCaptured(
                "The rows that the query returned",
                "Queries are captured, their results are not: they are your users' data.",
                "Keep what you need of them in a local variable or a context.",
                "contexts.aggregation.result",
            ),
            _NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "aggregation"),
        spans=("analytics.payback", "db"),
        fix="Say what the return of a free spin is, and let a test spin for free.",
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
            "The body lacks four fields and has text for a number. Pydantic refuses it before the "
            "handler runs, and FastAPI answers 422 with the reasons. Sentry captures nothing: it "
            "is the caller's mistake."
        ),
        status=422,
        errors=(),
        not_captured=(
            NotCaptured(
                "The error",
                "FastAPI's integration captures what becomes a 5xx. A 422 is an answer.",
                "Report it in the handler of RequestValidationError, when callers are your own.",
            ),
            NotCaptured(
                "That it happens a hundred times an hour",
                "Without an event there is no issue, no count and no alert.",
                "Look at the transactions: their status is invalid_argument.",
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
            "An old document has no balance. The handler returns it as it is, the response model "
            "wants the field, and FastAPI raises ResponseValidationError: a 500."
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
            Captured("contexts.validation.missing", "The fields that the document lacks."),
            Captured("contexts.validation.model", "The model that it was held against."),
        ),
        not_captured=(
            NotCaptured(
                "The line of ours that returned it",
                "The handler has ended when FastAPI validates: no frame of ours is on the stack.",
                "Validate inside the handler, where the stack still tells.",
                "exception.values[-1].stacktrace.frames[?in_app] | [0]",
            ),
            _NO_LOAD,
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
            "A spin that was imported by hand has two reels, and text for the win. The handler "
            "reads it through the model, and Pydantic raises ValidationError."
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
            _local("document", "The document, as the database has it."),
            Captured("contexts.validation.declared", "The fields that the model wants."),
        ),
        not_captured=(
            NotCaptured(
                "Which field of the document was wrong, as data",
                "It is in the exception's message only: several lines of text.",
                "Put error.errors() into a context, without the values.",
                "contexts.validation.errors",
            ),
            _NO_LOAD,
        ),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "validation"),
        spans=("analytics.validate", "db"),
        fix="Validate what is imported, on its way in.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="duplicate-key",
        title="The database has that spin already",
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
            Captured('tags."mongodb.code"', "The same as a tag, to search and alert by."),
            _local("delivered", "The spin that came again."),
        ),
        not_captured=(_NO_FIRST, _NO_LOAD),
        contexts=(*_ANALYTICS_CONTEXTS, "rehearsal", "database_error"),
        spans=("analytics.store", "db"),
        fix="Make delivery idempotent: answer a repetition like the first time.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="unreachable",
        title="The database does not answer",
        severity="error",
        route="/api/debug/database-error",
        query={"kind": "unreachable"},
        needs_database=True,
        happens=(
            "A replica is asked that is down. The driver looks for it for 300 ms at least, and "
            "gives up: ServerSelectionTimeoutError. The service reports it and answers 503."
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
            Captured("contexts.mongodb.server_selection_timeout_ms", "How long it was tried."),
            Captured("contexts.mongodb.port", "Which server was asked."),
        ),
        not_captured=(
            NotCaptured(
                "The query",
                "It was never sent: there is no breadcrumb and no db span of it.",
                "Look at the span around it, or the function that was called.",
                "breadcrumbs.values[?category=='query'] | [0]",
            ),
            NotCaptured(
                "Why the server is down",
                "The service sees its own side only.",
                "Look at the server, at the time of the first event of the issue.",
            ),
        ),
        contexts=_ANALYTICS_CONTEXTS,
        spans=("analytics.report",),
        fix="Answer 503 with Retry-After, and alert on the issue, not on each event.",
    ),
    CrashType(
        id="analytics/database-error",
        variant="timeout",
        title="A query takes too long",
        severity="error",
        route="/api/debug/database-error",
        query={"kind": "timeout"},
        needs_database=True,
        happens=(
            "Sixty spins are joined with themselves three times over. The query may take 100 ms, "
            "the database cuts it with code 50: ExecutionTimeout."
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
            Captured("contexts.aggregation.max_time_ms", "What it was allowed to take."),
            Captured("contexts.database_error.name", "The database's own name for it."),
            _local("pipeline", "The query itself: three joins without a condition."),
        ),
        not_captured=(
            NotCaptured(
                "How the database went about it",
                "The plan stays in the database.",
                "Run the pipeline from the event with explain().",
                "contexts.database_error.plan",
            ),
            _NO_LOAD,
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
            "A pipeline says $grooup for $group. No type checker sees it; the database does, and "
            "answers with code 40324: OperationFailure."
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
            _local("pipeline", "The pipeline, as it was sent."),
        ),
        not_captured=(_NO_FIRST, _NO_LOAD),
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
            "gateway answers 504 and closes the connection, and the analytics service notices, "
            "and cancels what nobody waits for any more. Both report it, in one trace."
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
            Captured("contexts.deadline.waited_ms", "How long it really was."),
            Captured("contexts.deadline.held_by", "Who holds what it was waiting for."),
        ),
        not_captured=(
            NotCaptured(
                "Anything, when the work is not cancelled",
                "A service that works on for a caller that is gone raises nothing.",
                "Pass the deadline on, and cancel at it; or look for gaps in the trace.",
            ),
            NotCaptured(
                "The process that died with the lease",
                "It could not say anything: it was killed.",
                "Let a lease expire, and report that it did.",
            ),
        ),
        contexts=("process", "fastapi", "mongodb", "deadline", "trace", "runtime"),
        spans=("analytics.lease", "db"),
        fix="Let leases expire, and give every wait a deadline that is shorter than the caller's.",
    ),
    CrashType(
        id="analytics/performance-issue",
        title="Slow, and nothing is raised",
        severity="info",
        route="/api/debug/performance-issue",
        parameters=(Parameter("n", PLAYERS, "players"),),
        needs_database=True,
        happens=(
            "A report on n players is written twice: with one query for each player and one more "
            "to find them, then with one query for all. The answers are the same. No error is "
            "raised: only the trace shows the difference."
        ),
        status=200,
        errors=(),
        not_captured=(
            NotCaptured(
                "An error",
                "Nothing fails. A slow answer is an answer.",
                "Trace, and alert on the duration of transactions.",
            ),
            NotCaptured(
                "The words N+1",
                "Sentry's servers find the pattern in the spans; no SDK does.",
                "Count the db spans of a transaction that look alike.",
            ),
        ),
        spans=("analytics.n_plus_one", "db"),
        fix="Ask once: group in the database, or fetch all with $in.",
    ),
)


class UnknownCrashType(LookupError):
    """There is no crash type of that id; the message names the closest ones."""


def variants(crash_id: str) -> tuple[CrashType, ...]:
    """Return the crash types of that id: one, or one for each variant.

    ``crash_id`` may also name a single variant, ``service/name?type=variant``. Raises
    UnknownCrashType.
    """
    found = tuple(crash for crash in CRASHES if crash_id in (crash.id, crash.row_id))
    if not found:
        known = list(dict.fromkeys(name for crash in CRASHES for name in (crash.id, crash.row_id)))
        close = difflib.get_close_matches(crash_id, known) or list(
            dict.fromkeys(c.id for c in CRASHES)
        )
        raise UnknownCrashType(f"There is no crash type {crash_id!r}. Try {', '.join(close)}.")
    return found


def find(crash_id: str, parameters: Mapping[str, Any]) -> tuple[CrashType, dict[str, int]]:
    """Return the crash type and its query parameters, defaults filled in.

    ``type`` among the parameters picks a variant. Raises UnknownCrashType, or ValueError for a
    parameter that it does not have or that is out of bounds.
    """
    given = dict(parameters)
    variant = given.pop("type", None)
    candidates = variants(f"{crash_id}?type={variant}" if variant else crash_id)
    if len(candidates) > 1:
        names = ", ".join(str(crash.variant) for crash in candidates)
        raise ValueError(f"{crash_id} comes in variants: pass type= one of {names}.")
    crash = candidates[0]
    query = {p.name: p.checked(given.pop(p.name, p.bounds.default)) for p in crash.parameters}
    if given:
        known = ", ".join(query) or "none"
        raise ValueError(f"{crash.row_id} has no parameter {', '.join(given)}; it has {known}.")
    return crash, query
