"""The crash types of the game engine."""

from demo_services.game_engine.debug import LEAK_MB, LOOP_SECONDS
from kit.crashes.common import NO_ADDRESS, local, no_globals
from kit.crashes.crash_type import (
    Assertion,
    Captured,
    CrashType,
    ExpectedError,
    NotCaptured,
    Parameter,
)
from kit.crashes.pages import ALERTS, FUTURES, SIGNALS

_NO_ANSWER = NotCaptured(
    "The HTTP response",
    "Tornado's integration captures the error before the response is written.",
    "Look at the gateway's service span in the same trace: it has the status.",
    "contexts.response",
)
_NO_CALLER = NotCaptured(
    "Who called the function that caught it",
    "By default a stack trace begins where the exception is caught. The SDK leaves out the frames "
    "above that.",
    "Set the option add_full_stack, which adds them. Without it read the event's transaction, the "
    "name of the request's span, and the breadcrumbs.",
    "exception.values[-1].stacktrace.frames[?function=='get'] | [0]",
)
_ENGINE_CONTEXTS = ("process", "tornado", "spin", "trace", "runtime")
_SPIN = Captured("contexts.spin.stage", "How far the spin got before it failed.")
_REELS = Captured("contexts.spin.reels", "The input: it may be what the code failed on, or not.")


def _error_type(
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
        not_captured=(_NO_CALLER if handled else _NO_ANSWER, NO_ADDRESS),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin",),
        fix=fix,
    )


GAME_ENGINE_CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="game-engine/crash",
        title="A spin crashes, and nothing catches it",
        severity="error",
        route="/debug/crash",
        happens=(
            "A real spin is played. While it pays the side bets, the code removes paid ones from "
            "the dictionary that it iterates over, and Python raises RuntimeError. Our code does "
            "not catch it: Tornado does, and answers 500."
        ),
        status=500,
        errors=(ExpectedError(("RuntimeError",), "tornado"),),
        captured=(
            local("open_bets", "The dictionary at the crash: one bet is already gone."),
            local("name", "The side bet that was being paid."),
            _SPIN,
            _REELS,
        ),
        not_captured=(_NO_ANSWER, NO_ADDRESS, no_globals("ODDS", "self.machine")),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.reels"),
        fix="Iterate over a copy, list(open_bets.items()), or collect the paid ones first.",
    ),
    _error_type(
        "value",
        "ValueError: a coupon with a letter for a digit",
        "A player redeems LUCKY-1O, with the letter O. int() rejects it; the service reports that, "
        "ignores the coupon and answers 200. The player never notices.",
        ("ValueError",),
        "info",
        "bad-coupon",
        local("digits", "What int() was given. Read it twice."),
        "Check the coupon where it is typed in; keep reporting those that get through.",
        handled=True,
    ),
    _error_type(
        "type",
        "TypeError: a number that arrives as text",
        "A promotion's bonus comes out of JSON as a string, and is added to a number.",
        ("TypeError",),
        "error",
        "promotion-type",
        local("promotion", "The quotes around 25 are the bug."),
        "Validate external input with a schema, where it enters.",
    ),
    _error_type(
        "key",
        "KeyError: a symbol that is not in the paytable",
        "A seasonal symbol is on the reels but not in the paytable. The service reports it, pays "
        "nothing for that symbol, and answers 200.",
        ("KeyError",),
        "warning",
        "symbol-without-pay",
        local("symbol", "The key that was missing."),
        "Generate the strip and the paytable from one declaration.",
        handled=True,
    ),
    _error_type(
        "index",
        "IndexError: the window runs past the strip",
        "The display shows three rows, starting at the next-to-last symbol. Only two are left.",
        ("IndexError",),
        "error",
        "reel-window",
        local("window", "What had been read when the strip ended."),
        "A reel is a circle: take the index modulo the length of the strip.",
    ),
    _error_type(
        "attribute",
        "AttributeError: None where a player was expected",
        "A loyalty card is looked up, not found, and used anyway.",
        ("AttributeError",),
        "error",
        "loyalty-card",
        local("cards", "The cards that exist."),
        "Run a type checker: it flags the None on this line.",
    ),
    _error_type(
        "zero-division",
        "ZeroDivisionError: statistics of nothing",
        "The hit rate is requested for a machine that has not been played today. The service "
        "reports it, shows 0 %, and answers 200.",
        ("ZeroDivisionError",),
        "warning",
        "hit-rate",
        local("spins", "The zero."),
        "Define the rate of zero spins in the function that computes it.",
        handled=True,
    ),
    _error_type(
        "assertion",
        "AssertionError: money appeared from nowhere",
        "The entries of a spin must add up to zero. They do not, so the service stops before it "
        "books them. A broken invariant is worth waking someone up: our code says fatal.",
        ("AssertionError",),
        "fatal",
        "ledger-off-balance",
        local("entries", "The three entries. Which one has no counterpart?"),
        "Book both sides of every entry in one place. Do not run the service with python -O.",
    ),
    _error_type(
        "os",
        "OSError: the jackpot's file is gone",
        "The file that holds the jackpot is missing: the system returns ENOENT. The service "
        "reports it, starts a new jackpot, and answers 200.",
        ("FileNotFoundError",),
        "warning",
        "jackpot-file",
        Captured(
            "exception.values[-1].mechanism.meta.errno.number", "2 is ENOENT on every system."
        ),
        "Keep state in a database; report a missing file as a separate event at start-up.",
        handled=True,
    ),
    _error_type(
        "custom",
        "SettlementError: one error, caused by another",
        "The bank answers a payout with an HTML page. Parsing it fails, and the service raises its "
        "own exception from that one. Both are captured, as a chain.",
        ("SettlementError", "JSONDecodeError"),
        "error",
        "settlement",
        local("receipt", "What the bank really sent."),
        "Check status and content type before parsing; use raise … from to keep the cause.",
    ),
    CrashType(
        id="game-engine/memory-leak",
        title="Memory grows until none is left",
        slow=True,
        severity="fatal",
        route="/debug/memory-leak",
        charted=True,
        parameters=(Parameter("mb", LEAK_MB, "MB"),),
        happens=(
            "A cache keeps a recording of every spin and never evicts one. It really takes memory, "
            "in steps of 8 MB, while other requests are served. At its cap it raises MemoryError, "
            "and all of it is released."
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
            Captured("contexts.memory.peak_rss_mb", "The memory of the process at its peak."),
            Captured("contexts.memory.start_rss_mb", "The memory before: the difference leaked."),
            Captured("breadcrumbs.values[?category=='memory'] | [0]", "Each step, with its time."),
        ),
        not_captured=(
            NotCaptured(
                "Which objects take the memory",
                "The event has the cache as its repr. The SDK does not follow its contents.",
                "Reproduce it under tracemalloc or memray, with the steps from the breadcrumbs.",
                "exception.values[-1].stacktrace.frames[].vars.cache._replays | [0]",
            ),
            NotCaptured(
                "A kill by the operating system",
                "The out-of-memory killer sends SIGKILL, which no process can catch: no more code "
                "runs, so there is no event.",
                "Watch the process from outside, and its memory before the limit.",
                documented=SIGNALS,
            ),
            _NO_ANSWER,
        ),
        profiled="record",
        contexts=(*_ENGINE_CONTEXTS, "memory"),
        spans=("game.spin", "game.replay"),
        fix="Bound every cache: functools.lru_cache(maxsize=…), or a time to live.",
    ),
    CrashType(
        id="game-engine/infinite-loop",
        title="A loop that never ends",
        slow=True,
        severity="error",
        route="/debug/infinite-loop",
        charted=True,
        parameters=(Parameter("seconds", LOOP_SECONDS, "s"),),
        happens=(
            "The reels spin until a diamond comes up. There is no diamond. The loop takes a whole "
            "CPU on the event loop's thread, so the game engine serves no other request until a "
            "watchdog raises WatchdogTimeout in the middle of it."
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
            local("respins", "How often the loop had run."),
            Captured('tags."http.route"', "The route that blocks all others."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "A loop that nothing stops",
                "An endless loop raises nothing: there is no event until something ends it.",
                "Set a deadline on every request, and look at the profiles of slow service spans.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
            NotCaptured(
                "The requests that waited",
                "They are only slow, and even their service spans begin when the wait is over: the "
                "gap is visible only against the caller's span.",
                "Alert on how long callers wait, not only on errors.",
                "contexts.*.keys(@)[] | [?contains(@, 'wait') || contains(@, 'queue')] | [0]",
                servers=ALERTS,
            ),
        ),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.respin"),
        profiled="respin_until_jackpot",
        fix="Bound the loop, and move CPU-bound work off the event loop's thread.",
    ),
    CrashType(
        id="game-engine/async-error",
        title="Three ways to fail in asyncio",
        severity="error",
        route="/debug/async-error",
        happens=(
            "After a spin, a task is started and never awaited; it fails. A bonus is awaited, "
            "comes too late, and is skipped. Then three tasks of a group settle the round and two "
            "of them fail: an ExceptionGroup, which nothing catches."
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
                "Marks the group; its members are below it.",
            ),
            Captured("breadcrumbs.values[?category=='task'] | [0]", "What ran concurrently."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "That it is one failure",
                "The asyncio integration reports every task that fails, Tornado's reports the "
                "group: its members arrive twice.",
                "Give members and group one fingerprint, or drop the group in before_send.",
                "fingerprint",
            ),
            NotCaptured(
                "The task that was cancelled",
                "A TaskGroup cancels the remaining tasks. Cancellation is not an error.",
                "Leave a breadcrumb where a task is cancelled.",
                "exception.values[?type=='CancelledError'] | [0]",
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
            "An audit fails in its own thread: the request does not notice. Then a job in a thread "
            "pool fails: its error is raised again where the job is awaited, and becomes the "
            "request's 500."
        ),
        status=500,
        errors=(
            ExpectedError(("StatisticsError",), "tornado"),
            ExpectedError(("ValueError",), "threading"),
        ),
        captured=(
            local("wins_on_record", "Players with recorded wins; this player is not among them."),
            Captured("user.username", "Known in the thread too: the SDK passes the scope on."),
            _SPIN,
        ),
        not_captured=(
            NotCaptured(
                "A future whose result is never read",
                "An error in a pool stays in the future until its result is read.",
                "Read the result, or add a done callback that reports the exception.",
                documented=FUTURES,
            ),
            NotCaptured(
                "Who started the thread",
                "A thread's stack begins with the thread, without the line that started it.",
                "Name your threads, and leave a breadcrumb where you start one.",
                "exception.values[-1].stacktrace.frames[?function=='report_round'] | [0]",
                error=1,
            ),
            _NO_ANSWER,
        ),
        contexts=_ENGINE_CONTEXTS,
        spans=("game.spin", "game.statistics"),
        fix="Wait for the thread, or run the job in a pool and read its result.",
    ),
)
