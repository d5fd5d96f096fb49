"""Histories of events, and when a rule fires for each, computed by hand.

Times are seconds since the beginning. The window of a frequency filter at t ends with t, and an
event exactly one interval before t is outside of it.
"""

from dataclasses import dataclass, field
from typing import Any

from kit.reliability.alerts.occurrences import IssueChange, Occurrence

PROJECT = "payment"


def issue(name: str) -> tuple[str, ...]:
    return (PROJECT, name)


@dataclass(frozen=True)
class E:
    """An event: when, of which issue, whose; anything else is in the payload."""

    at: float
    issue: str = "a"
    user: str = ""
    level: str = "error"
    id: str = ""
    sent: dict[str, Any] = field(default_factory=dict)

    def occurrence(self) -> Occurrence:
        event = {"level": self.level, "message": self.issue, **self.sent}
        return Occurrence(self.at, issue(self.issue), event, self.id, PROJECT, self.user)


@dataclass(frozen=True)
class History:
    """What happens, the rule that looks at it, and when that fires for which issue."""

    name: str
    rule: dict[str, Any]
    events: tuple[E, ...]
    fires: tuple[tuple[float, str], ...]
    held_back: int = 0
    changes: tuple[IssueChange, ...] = ()


def every(*filters: str, **more: Any) -> dict[str, Any]:
    return {"when": "every event", "if_": list(filters), **more}


def at(*times: float, name: str = "a") -> tuple[E, ...]:
    return tuple(E(time, name) for time in times)


def of_users(*pairs: tuple[float, str]) -> tuple[E, ...]:
    return tuple(E(time, user=user) for time, user in pairs)


def fires(*times: float) -> tuple[tuple[float, str], ...]:
    return tuple((time, "a") for time in times)


HISTORIES = (
    History(
        "a new issue fires with its first event only",
        {"when": "new issue"},
        (E(0), E(10), E(20, "b"), E(30)),
        ((0, "a"), (20, "b")),
    ),
    History(
        "a filter that fails for the first event is not tried again for the second",
        {"when": "new issue", "if_": "level >= error"},
        (E(0, level="warning"), E(10), E(20, "b")),
        ((20, "b"),),
    ),
    History("more than 2 are 3", every("events > 2 in 5m"), at(0, 10, 20, 30), fires(20, 30)),
    History("exactly as many are not more", every("events > 3 in 5m"), at(0, 1, 2), ()),
    History("the window slides", every("events > 2 in 1m"), at(0, 30, 60, 90, 100), fires(100)),
    History("an interval ago is outside", every("events > 1 in 1m"), at(0, 60, 61), fires(61)),
    History(
        "counts are those of an issue",
        every("events > 2 in 5m"),
        (E(0), E(1, "b"), E(2), E(3, "b"), E(4)),
        fires(4),
    ),
    History(
        "throttling is per issue, and ends when its time has passed",
        every(throttle="5m"),
        (E(0), E(10), E(20, "b"), E(299), E(300), E(310, "b"), E(320, "b")),
        ((0, "a"), (20, "b"), (300, "a"), (320, "b")),
        held_back=3,
    ),
    History(
        "what is held back does not prolong the throttle",
        every(throttle="5m"),
        at(0, 200, 400),
        fires(0, 400),
        held_back=1,
    ),
    History(
        "a filter that fails is not held back",
        every("level = fatal", throttle="5m"),
        (E(0, level="fatal"), E(1), E(2, level="fatal")),
        fires(0),
        held_back=1,
    ),
    History(
        "a user counts once",
        every("users > 2 in 5m"),
        of_users((0, "1"), (1, "1"), (2, "2"), (3, "1"), (4, "3")),
        fires(4),
    ),
    History(
        "a user leaves the window with the last event",
        every("users > 1 in 1m"),
        of_users((0, "1"), (70, "2"), (80, "2"), (120, "1"), (141, "2")),
        fires(120, 141),
    ),
    History(
        "a user of an interval ago is outside",
        every("users > 1 in 1m"),
        of_users((0, "1"), (60, "2"), (60, "2"), (61, "1")),
        fires(61),
    ),
    History(
        "an event without a user affects none",
        every("users > 1 in 5m"),
        of_users((0, "1"), (1, ""), (2, "2")),
        fires(2),
    ),
    History(
        "a sub-filter scopes the count, not what triggers",
        every("events > 1 in 5m where level = fatal"),
        (E(0), E(1, level="fatal"), E(2), E(3, level="fatal"), E(4)),
        fires(3, 4),
    ),
    History(
        "two sub-filters both have to hold",
        every("events > 0 in 5m where level = fatal and tag.flow = pay"),
        (
            E(0, level="fatal"),
            E(1, sent={"tags": {"flow": "pay"}}),
            E(2, level="fatal", sent={"tags": {"flow": "pay"}}),
        ),
        fires(2),
    ),
    # At 10: 2 now, 0 an hour ago. From 3605 on: 2, 3, 4, 5 now; 1, 2, 2, 2 an hour ago.
    History(
        "an increase from 0 to N is N times 100 %",
        every("events > 100% in 5m vs 1h ago"),
        at(0, 10, 3600, 3605, 3610, 3620, 3630),
        fires(10, 3630),
    ),
    History(
        "an increase from 0 was 0 % before July 2026",
        every("events > 100% in 5m vs 1h ago", empty_baseline="0 %"),
        at(0, 10, 3600, 3605, 3610, 3620, 3630),
        fires(3630),
    ),
    # 4 for 3 is 33.3 %: in whole percent not more than 33. 5 for 3 is 66 %.
    History(
        "an increase is in whole percent",
        every("events > 33% in 5m vs 1h ago", empty_baseline="0 %"),
        at(0, 1, 2, 3601, 3602, 3603, 3604, 3605),
        fires(3605),
    ),
    History(
        "users are compared with those of an hour ago",
        every("users > 100% in 5m vs 1h ago"),
        of_users((0, "1"), (3610, "1"), (3611, "2"), (3612, "3")),
        fires(3612),
    ),
    History(
        "seen is at least so many",
        every("seen >= 3"),
        at(0, 9000, 18000, 27000),
        fires(18000, 27000),
    ),
    History("newer than a minute", every("age < 1m", "seen >= 2"), at(0, 30, 60, 90), fires(30)),
    History("older than an hour", every("age > 1h"), at(0, 3600, 3601), fires(3601)),
    History(
        "any filter is enough",
        every() | {"if_": {"any": ["level = fatal", "users > 1 in 5m"]}},
        (E(0, user="1"), E(1, user="1", level="fatal"), E(2, user="2")),
        fires(1, 2),
    ),
    History(
        "none of the filters may hold",
        every() | {"if_": {"none": ["tag.test is set", "level <= info"]}},
        (E(0), E(1, sent={"tags": {"test": "yes"}}), E(2, level="info")),
        fires(0),
    ),
    History(
        "each block decides by itself",
        every() | {"if_": [{"all": ["level = fatal"]}, {"all": ["seen >= 2"], "then": "ticket"}]},
        (E(0), E(1), E(2, level="fatal")),
        fires(1, 2),
    ),
    History(
        "a resolved issue regresses with its next event",
        {"when": ["regression", "issue resolved"]},
        at(0, 10, 20),
        fires(5, 10),
        changes=(IssueChange(5, issue("a"), "resolved"),),
    ),
    History(
        "an archived issue escalates with the second event after",
        {"when": "escalating"},
        at(0, 10, 20, 30),
        fires(20),
        changes=(IssueChange(5, issue("a"), "archived", until=2),),
    ),
    History(
        "filters on events do not work with a regression",
        {"when": "regression", "if_": "level >= error"},
        at(0, 10),
        (),
        changes=(IssueChange(5, issue("a"), "resolved"),),
    ),
    History(
        "the latest release is the one that was seen last for the first time",
        every("latest release"),
        tuple(E(n, sent={"release": name}) for n, name in enumerate("1212")),
        fires(0, 1, 3),
    ),
    History(
        "a rule of an environment knows no other",
        {"when": "new issue", "environment": "production"},
        tuple(
            E(n, sent={"environment": name})
            for n, name in enumerate(["staging", "production", "production"])
        ),
        fires(1),
    ),
    History(
        "an event that arrives again does not count",
        every("events > 1 in 5m"),
        (E(0, id="1"), E(1, id="1"), E(2, id="2")),
        fires(2),
    ),
)
