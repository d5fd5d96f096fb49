"""A simulated evening of error events with known incidents, for judging alert rules.

Nothing was sent: the events are drawn from a seed, and the same seed gives the same evening.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kit.reliability.alerts.evaluate import replay
from kit.reliability.alerts.firings import Firings
from kit.reliability.alerts.judge import AlertJudgement
from kit.reliability.alerts.occurrences import Occurrence
from kit.reliability.alerts.rule import AlertRule
from kit.reliability.drill.chance import Chance
from kit.reliability.faults.incident import Incident

BEGINS_AT = datetime(2026, 11, 27, 18, tzinfo=UTC).timestamp()
PLAYERS = 500
RELEASE = "1.0.0"
MINUTE_S = 60.0
# Each incident gets a part of the evening, including the quiet before and after it.
PART_S = 25 * MINUTE_S
# What happens, in random order; the no-ops are not incidents.
INCIDENTS = ("payment-fails", "payment-fails", "payment-down", "bad-release", "payment-dies")
NO_OPS = ("deployment", "campaign")


@dataclass(frozen=True)
class Failure:
    """An issue: the service that reports it, and the content of its events."""

    service: str
    type: str
    value: str
    level: str = "error"
    is_handled: bool = True
    release: str = RELEASE
    # Events of one issue may have different exceptions, as with a custom fingerprint.
    issue: str = ""

    def at(self, second: float, user: str, number: int) -> Occurrence:
        """Return an event of it, ``second`` seconds into the evening."""
        error = {
            "type": self.type,
            "value": self.value,
            "mechanism": {"type": "generic", "handled": self.is_handled},
        }
        event: dict[str, Any] = {
            "level": self.level,
            "release": self.release,
            "environment": "production",
            "exception": {"values": [error]},
        }
        if user:
            event["user"] = {"id": user}
        return Occurrence(
            at=BEGINS_AT + second,
            issue=(self.service, self.issue or self.type),
            event=event,
            event_id=f"{number:032x}",
            project=self.service,
            user=f"id:{user}" if user else "",
        )


_NOT_CHARGED = Failure("game-engine", "HTTPStatusError", "payment answered 500", issue="charge")
_NOT_REACHED = Failure("game-engine", "ConnectError", "connection refused", issue="charge")
_NO_APPROVAL = Failure(
    "payment", "TypeError", "Cannot read properties of undefined", is_handled=False
)
_NO_STREAK = Failure("game-engine", "KeyError", "'p17'", is_handled=False, release="1.1.0")
_KILLED = Failure("payment", "ProcessKilled", "payment was killed by SIGKILL", level="fatal")
_COUPON = Failure("game-engine", "ValueError", "coupon LUCKY-1O has no number", level="info")
_SCRIPT = Failure("gateway", "RateLimited", "too many requests")

# What each affected request reports, by incident.
_SHOWS: dict[str, tuple[Failure, ...]] = {
    "payment-fails": (_NO_APPROVAL, _NOT_CHARGED),
    "payment-down": (_NOT_REACHED,),
    "bad-release": (_NO_STREAK,),
}


@dataclass(frozen=True)
class SimulatedEvening:
    """A three-hour evening: error events, and the incidents that really happened.

    Five incidents and two no-ops: a deployment and a campaign that hurt no player. Simulated.
    """

    seed: int
    occurrences: tuple[Occurrence, ...]
    incidents: tuple[Incident, ...]

    @property
    def span(self) -> tuple[float, float]:
        """Its start and end, in seconds since the epoch."""
        return BEGINS_AT, BEGINS_AT + PART_S * len(self.incidents)

    def would_have_fired(self, *rules: AlertRule) -> Firings:
        """Return when the rules would have fired on this evening."""
        return replay(rules, self.occurrences)

    def judge(self, *rules: AlertRule) -> AlertJudgement:
        """Judge the rules' pages against the incidents."""
        return self.would_have_fired(*rules).judge(self.incidents, span=self.span)

    def __str__(self) -> str:
        issues: dict[tuple[str, ...], list[Occurrence]] = defaultdict(list)
        for each in self.occurrences:
            issues[each.issue].append(each)
        once = sum(len(each) == 1 for each in issues.values())
        lines = [
            f"{len(each):5,} {len({one.user for one in each if one.user}):5} "
            f"{each[0].event['level']:7} {each[0].project:12} {each[0].title}"
            for each in sorted(issues.values(), key=len, reverse=True)
            if len(each) > 1
        ]
        head = f"{'events':>6}{'users':>6} {'level':7} {'project':12} issue (simulated)"
        return "\n".join([head, *lines, f"{once:5} more issues with one event each"])

    def __repr__(self) -> str:
        return f"<SimulatedEvening of seed {self.seed}: {len(self.occurrences):,} events>"


def simulated_evening(seed: int) -> SimulatedEvening:
    """Return an evening of error events with known incidents; the seed decides which."""
    chance = Chance(f"evening {seed}")
    what = chance.sample([*INCIDENTS, *NO_OPS], len(INCIDENTS) + len(NO_OPS))
    incidents, drawn = [], list(_background(chance, len(what) * PART_S))
    for number, name in enumerate(what):
        start = number * PART_S + chance.between(4, 9) * MINUTE_S
        end = start + chance.between(5, 7) * MINUTE_S
        fault = None if name in NO_OPS else name
        incidents.append(Incident(fault, BEGINS_AT + start, BEGINS_AT + end))
        drawn += _during(chance, name, start, end)
    drawn.sort(key=lambda each: each[0])
    occurrences = (
        failure.at(second, user, number) for number, (second, failure, user) in enumerate(drawn)
    )
    return SimulatedEvening(seed, tuple(occurrences), tuple(incidents))


_Drawn = Iterator[tuple[float, Failure, str]]


def _background(chance: Chance, until: float) -> _Drawn:
    """Yield what happens every evening and is not worth a page."""
    for second in _every(chance, 4 * MINUTE_S, 0, until):
        yield second, _COUPON, _player(chance)
    for second in _every(chance, 6 * MINUTE_S, 0, until):
        yield second, _NOT_CHARGED, _player(chance)
    for number, second in enumerate(_every(chance, 12 * MINUTE_S, 0, until)):
        once = Failure("gateway", chance.pick(_ODDITIES), f"theme {number}", issue=f"{number}")
        yield second, once, _player(chance)
    for begins in _every(chance, 25 * MINUTE_S, 0, until):
        # One script that retries in a loop.
        for second in _every(chance, 3, begins, min(begins + 2 * MINUTE_S, until)):
            yield second, _SCRIPT, "script-7"


_ODDITIES = ("LookupError", "UnicodeDecodeError", "OverflowError", "RecursionError")


def _during(chance: Chance, name: str, start: float, end: float) -> _Drawn:
    """Yield the events that an incident or a no-op adds."""
    if name == "payment-dies":
        yield start + chance.between(5, 20), _KILLED, ""
    elif name == "campaign":
        for second in _every(chance, 4, start, end):
            yield second, _COUPON, _player(chance)
    elif name == "deployment":
        for number in range(3):
            issue = f"template {number}"
            new = Failure("game-engine", "TemplateError", issue, release="1.0.1", issue=issue)
            for _ in range(3):
                yield chance.between(start, end), new, _player(chance)
    else:
        for second in _every(chance, 5, start, end):
            user = _player(chance)
            for failure in _SHOWS[name]:
                yield second, failure, user


def _every(chance: Chance, about_s: float, start: float, end: float) -> Iterator[float]:
    """Yield times from ``start`` to ``end``, ``about_s`` seconds apart on average."""
    second = start + chance.between(0, 2 * about_s)
    while second < end:
        yield second
        second += chance.between(0, 2 * about_s)


def _player(chance: Chance) -> str:
    return f"p{chance.whole(PLAYERS)}"
