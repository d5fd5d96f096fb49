"""All faults, in the order in which a spin may meet them."""

from difflib import get_close_matches

from demo_services.faults.names import NO_OP
from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT
from kit.actionable import WorkshopError
from kit.crashes.common import local
from kit.crashes.crash_type import Assertion, Captured, ExpectedError, NotCaptured
from kit.reliability.faults.fault import Fault


class UnknownFault(WorkshopError, LookupError):
    """There is no fault of that name; the message suggests similar ones."""


def _flag(name: str) -> Captured:
    return Captured(
        f"contexts.flags.values[?flag=='{name}'].result | [0]",
        "The flag that was on for this request: it is what the failing requests have in common.",
    )


def _unpaid(*chain: str) -> ExpectedError:
    """What the game engine reports when payment does not charge a bet."""
    return ExpectedError(
        chain,
        "generic",
        handled=True,
        fingerprint=("game-engine", "payment-failed", "charge"),
        service=GAME_ENGINE,
    )


def _no_event(why: str, instead: str) -> NotCaptured:
    return NotCaptured("An error event", why, instead, asserted=Assertion.NO_EVENT)


_NO_SHARE = NotCaptured(
    "The share of requests that are hit, and its seed",
    "Sentry's OpenFeature hook records only boolean flag values, and nothing else about the "
    "evaluation.",
    "Keep the numbers in the rollout's journal, or set a tag with them.",
    "contexts.flags.values[?flag!=''].share | [0]",
)

FAULTS: tuple[Fault, ...] = (
    Fault(
        name="payment-fails",
        title="Payment raises an error in the charge",
        service=PAYMENT,
        place="code",
        happens=(
            "The acquirer's answer is still pending, and the charge reads an approval that is not "
            "there. Payment answers 500, and the game engine refuses the spin with 503."
        ),
        shows=("event", "refused"),
        errors=(
            ExpectedError(("TypeError",), "auto.http.express"),
            _unpaid("HTTPStatusError"),
        ),
        captured=(
            _flag("payment-fails"),
            Captured(
                "breadcrumbs[?category=='payment'].message | [-1]",
                "The acquirer's answer: pending, so there is no approval yet.",
            ),
        ),
        not_captured=(_NO_SHARE,),
        find=(
            "Open payment's event, not the game engine's: it has the stack trace. Both are in the "
            "same trace."
        ),
        fix="Check the acquirer's answer against a schema where it arrives.",
        mitigate="Turn the flag off.",
        alert=(
            "Alert on the share of failed spins. An alert on new issues fires once, then stays "
            "silent while the share grows."
        ),
    ),
    Fault(
        name="payment-slow",
        title="Payment waits before it charges",
        service=PAYMENT,
        place="code",
        happens="Payment waits 2.5 seconds before it charges the bet. After that, all is well.",
        shows=("slow",),
        slow_s=2.5,
        not_captured=(
            _no_event(
                "Nothing fails: the answer comes within the game engine's deadline of 6 seconds.",
                "Look at the spans: the time is in payment's span, before the span of the charge.",
            ),
        ),
        find="Compare the trace of a slow spin with that of a fast one: one span is longer.",
        fix="Give each call a deadline, and do slow work after the answer.",
        mitigate="Turn the flag off.",
        alert="Alert on a percentile of the duration, such as p95. The error rate does not move.",
    ),
    Fault(
        name="payment-dies",
        title="The payment process is killed",
        service=PAYMENT,
        place="code",
        happens=(
            "The first request that is hit ends the process with SIGKILL. The supervisor restarts "
            "it, and the game engine retries its call until then. The lease died with the process."
        ),
        shows=("retried", "exit"),
        errors=(
            ExpectedError(
                ("ProcessKilled",),
                "supervisor",
                level="fatal",
                fingerprint=("payment", "process-death", "ProcessKilled"),
            ),
        ),
        most_hits=1,
        not_captured=(
            NotCaptured(
                "The flag",
                "The process that evaluated it is dead, and its scope with it. The supervisor "
                "writes the event from outside.",
                "Look for what changed just before: the lease in the journal, a deployment.",
                "contexts.flags",
            ),
        ),
        find="Look for the supervisor's event: it names the signal and the request in flight.",
        fix="SIGKILL comes from outside: find the sender. Suspect the out-of-memory killer first.",
        mitigate="Wait: the supervisor restarts it. If it keeps dying, roll back the release.",
        alert=(
            "Alert on the supervisor's event. The error rate does not move when callers retry "
            "their calls."
        ),
    ),
    Fault(
        name="payment-resets",
        title="The answer of payment is lost on the wire",
        service=GAME_ENGINE,
        place="wire",
        happens=(
            "Payment books the bet, and a TCP reset loses its answer. The game engine retries the "
            "call with the same idempotency key, so the bet is booked once."
        ),
        shows=("retried",),
        not_captured=(
            _no_event(
                "The second attempt succeeds. A retried call leaves a breadcrumb, a log and a "
                "metric, but no event.",
                "Search the logs for “payment did not answer”, or chart game.payment_retries.",
            ),
        ),
        find="Search the logs of a trace for “payment did not answer”.",
        fix="Nothing in this code: the idempotency key is the fix. Find what cuts the connection.",
        mitigate="Nothing to do while the retry succeeds. Watch whether it still does.",
        alert="Alert on game.payment_retries, with a low priority: no player is affected yet.",
    ),
    Fault(
        name="payment-down",
        title="Payment cannot be reached",
        service=GAME_ENGINE,
        place="wire",
        happens=(
            "Every connection to payment is refused. The game engine tries for 3 seconds, then "
            "refuses the spin with 503."
        ),
        shows=("event", "refused", "slow"),
        errors=(_unpaid("ConnectError", "ConnectError"),),
        slow_s=2.5,
        captured=(
            _flag("payment-down"),
            Captured("breadcrumbs.values[?category=='payment'] | [0]", "The first attempt failed."),
        ),
        not_captured=(_NO_SHARE,),
        find="The event is from the game engine, which is fine. Its breadcrumbs name each attempt.",
        fix="Run more than one instance of payment behind a load balancer.",
        mitigate="Turn the flag off. In production: bring payment back, or send it no traffic.",
        alert="Alert on the share of failed spins, with two windows: this burns the budget fast.",
    ),
    Fault(
        name="ledger-slow",
        title="Analytics is slow to store a spin",
        service=GAME_ENGINE,
        place="wire",
        happens=(
            "Analytics answers 0.8 seconds later. That is within the ledger's deadline of one "
            "second, and the player waits for it."
        ),
        shows=("slow",),
        slow_s=0.8,
        not_captured=(
            _no_event(
                "Nothing fails: the spin is stored in time.",
                "Look at the span game.ledger of a slow spin.",
            ),
        ),
        find="In the trace of a slow spin, game.ledger is longer than the spin itself.",
        fix="Answer the player first, and store the spin afterwards.",
        mitigate="Turn the flag off.",
        alert="Alert on p95 of the duration. A threshold above a second misses this.",
    ),
    Fault(
        name="ledger-down",
        title="Analytics cannot be reached, and the game goes on",
        service=GAME_ENGINE,
        place="wire",
        happens=(
            "The connection to analytics is refused. The spin succeeds but is missing from the "
            "statistics."
        ),
        shows=("hole",),
        not_captured=(
            _no_event(
                "The game engine catches the error, which leaves only a breadcrumb, a log and a "
                "metric.",
                "Search the logs for “spin was not stored”, or chart game.spins_not_stored.",
            ),
        ),
        find="Search the logs for “spin was not stored”; its reason names the error.",
        fix="Queue spins that cannot be stored, and store them later.",
        mitigate="Turn the flag off. Missing spins can be restored from payment's books.",
        alert="Alert on the metric game.spins_not_stored. Success rate and latency do not change.",
    ),
    Fault(
        name="mongo-slow",
        title="The database answers late",
        service=ANALYTICS,
        place="wire",
        happens=(
            "The database answers 1.5 seconds later. The ledger gives up after one second: the "
            "spin is late, and the game engine does not know whether it was stored."
        ),
        shows=("hole", "slow"),
        slow_s=0.9,
        not_captured=(
            _no_event(
                "The game engine catches the time-out, and analytics only answers late.",
                "Search the logs for “spin was not stored”.",
            ),
        ),
        find="In the trace of a slow spin, the database span is the longest.",
        fix="Give the call to the database a deadline below the caller's.",
        mitigate="Turn the flag off.",
        alert="Alert on p95 of the duration and game.spins_not_stored: together they show where.",
    ),
    Fault(
        name="mongo-down",
        title="The database cannot be reached",
        service=ANALYTICS,
        place="wire",
        happens=(
            "The driver finds no server and raises ServerSelectionTimeoutError. Analytics reports "
            "it, and the spin is missing from the statistics."
        ),
        shows=("event", "hole"),
        errors=(
            ExpectedError(
                ("ServerSelectionTimeoutError",),
                "generic",
                handled=True,
                fingerprint=("analytics", "database-unreachable"),
            ),
        ),
        captured=(_flag("mongo-down"),),
        not_captured=(_NO_SHARE,),
        find="The event is from analytics: the driver's message names the address that it tried.",
        fix="Run a replica set, and let the driver choose another server.",
        mitigate="Turn the flag off. In production: bring the database back.",
        alert="Alert on the issue of analytics. Players notice nothing, so it need not wake you.",
    ),
    Fault(
        name="engine-blocks",
        title="A computation blocks the event loop",
        service=GAME_ENGINE,
        place="code",
        happens=(
            "The game engine computes for 2 seconds in its event loop. Every other request waits "
            "for it, whether it is hit or not."
        ),
        shows=("slow",),
        slow_s=2.0,
        share=0.05,
        not_captured=(
            _no_event(
                "Nothing fails, and a blocked loop cannot report itself.",
                "Look at the profile of a slow trace: the function is the widest bar.",
            ),
        ),
        find="Many spins are slow at once, and the spans of most of them show no reason.",
        fix="Compute in a thread or process, with asyncio.to_thread or a pool.",
        mitigate="Turn the flag off.",
        alert="Alert on p99 of the duration. The mean hides it while few requests are hit.",
    ),
    Fault(
        name="engine-leaks",
        title="The game engine leaks memory",
        service=GAME_ENGINE,
        place="code",
        happens=(
            "Each spin that is hit leaks 2 MB. Beyond 128 MB the game engine raises MemoryError. "
            "The end of the lease frees the memory."
        ),
        shows=("kept",),
        kept_mb=2.0,
        most_mb=128.0,
        not_captured=(
            _no_event(
                "A request that leaks succeeds. The leak shows only in the process.",
                "Chart the metric game.replay_cache, or compare process.memory_mb of events.",
            ),
        ),
        find="Chart the metric game.replay_cache next to the memory of the process.",
        fix="Bound the cache: it needs a maximum size.",
        mitigate="Turn the flag off, or restart the process before its memory is full.",
        alert="Alert on the trend of memory use. At a threshold of 80 %, little time is left.",
    ),
    Fault(
        name="bad-release",
        title="A new release pays out with a bug",
        service=GAME_ENGINE,
        place="code",
        happens=(
            "Spins that are hit run the payout of release 1.1.0. It stores streaks by player name, "
            "looks them up by id, and fails with a KeyError."
        ),
        shows=("event", "refused"),
        errors=(ExpectedError(("KeyError",), "tornado"),),
        captured=(
            _flag("bad-release"),
            local("streaks", "The keys are player names, but the lookup uses an id."),
            Captured("release", "The release that ran: all events of the issue have this one."),
        ),
        not_captured=(_NO_SHARE,),
        find="All events of the issue have one release, and it is the newest.",
        fix="Look up streaks by name, and add a release test that plays a spin.",
        mitigate="Roll back to release 1.0.0. Here: turn the flag off.",
        alert="Alert on issues first seen in the newest release.",
    ),
    Fault(
        name="clock-skew",
        title="The clock of the game engine is an hour ahead",
        service=GAME_ENGINE,
        place="code",
        happens=(
            "The game engine timestamps the spin an hour ahead. Analytics refuses a spin from the "
            "future with 422, so it is missing from the statistics."
        ),
        shows=("hole",),
        not_captured=(
            _no_event(
                "Analytics refuses bad input without an event, and the game engine catches the "
                "error.",
                "Search the logs for “spin was not stored”: the reason says 422.",
            ),
        ),
        find="Search the logs for “spin was not stored”; the reason names the status 422.",
        fix="Let the service that stores a spin timestamp it, or synchronise the clocks.",
        mitigate="Turn the flag off.",
        alert="Alert on game.spins_not_stored, and on the share of answers with 422.",
    ),
    Fault(
        name="gateway-truncates",
        title="The gateway sends half an answer",
        service=GATEWAY,
        place="code",
        happens=(
            "The gateway answers 200 with half of the JSON. The services behind it did all their "
            "work: the bet is charged."
        ),
        shows=("broken",),
        not_captured=(
            _no_event(
                "For every service the request succeeded. Only the caller cannot read the answer.",
                "Report it in the caller: an answer it cannot parse is an error there.",
            ),
        ),
        find="Only the caller knows. Compare its errors with the gateway's, which has none.",
        fix="Send the body's length, and check it in the caller.",
        mitigate="Turn the flag off.",
        alert="Alert on the caller's errors. Every service's own dashboard is green.",
    ),
)

# It looks like a fault because its flag is evaluated. Every service has it.
NO_OP_FAULT = Fault(
    name=NO_OP,
    title="Nothing happens",
    service=GAME_ENGINE,
    place="code",
    happens="A flag is evaluated for each request, and nothing else is done.",
    shows=(),
    find="Compare requests with the flag on and off: they do not differ.",
    fix="There is nothing to fix.",
    mitigate="There is nothing to mitigate.",
    alert="An alert that fires on it is a false alarm.",
)

# Longer than any deadline. Only chaos experiments use it: drills and schedules draw from FAULTS.
HANGS_FAULT = Fault(
    name="payment-hangs",
    title="Payment hangs before it charges",
    service=PAYMENT,
    place="code",
    happens=(
        "Payment waits 7 seconds before it charges the bet. The game engine gives up after 6 and "
        "refuses the spin with 503. The bet is charged anyway."
    ),
    shows=("refused", "slow"),
    errors=(_unpaid("ReadTimeout", "ReadTimeout"),),
    slow_s=6.0,
    not_captured=(
        _no_event(
            "Payment itself reports nothing: from its side the charge succeeded, just late.",
            "Look at the event of the game engine, whose deadline ended the call.",
        ),
    ),
    find="The game engine reports ReadTimeout after its deadline, and payment reports nothing.",
    fix="Refund charges of refused spins, or let payment drop calls that the caller gave up.",
    mitigate="Turn the flag off.",
    alert="Alert on the share of failed spins.",
)

_BY_NAME = {fault.name: fault for fault in (*FAULTS, NO_OP_FAULT, HANGS_FAULT)}


def find_fault(name: str) -> Fault:
    """Return the fault of that name. Raises UnknownFault, which suggests similar names."""
    if fault := _BY_NAME.get(name):
        return fault
    close = get_close_matches(name, _BY_NAME, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Choose from {', '.join(_BY_NAME)}."
    raise UnknownFault(f"There is no fault {name!r}. {hint}")
