"""The triggers and filters of alert rules, under Sentry's own names.

Each filter says whether it holds at an event, in the words of a rule, and how the API has it. What
they mean is documented: https://docs.sentry.io/product/monitors-and-alerts/alerts/create-alerts/
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

from kit.reading.event import event_level
from kit.reliability.alerts.attributes import Match, attribute_values, event_tag, is_match

Raw = Mapping[str, Any]
TriggerName = Literal[
    "first_seen_event",
    "regression_event",
    "reappeared_event",
    "issue_resolved_trigger",
    "every_event",
]
# What an increase from nothing to N is: N times 100 % since July 2026, 0 % before.
EmptyBaseline = Literal["N x 100 %", "0 %"]
TODAY: EmptyBaseline = "N x 100 %"

TRIGGERS: dict[TriggerName, str] = {
    "first_seen_event": "new issue",
    "regression_event": "regression",
    "reappeared_event": "escalating",
    "issue_resolved_trigger": "issue resolved",
    "every_event": "every event",
}
# With the other triggers, filters that look at events or their number do not work.
TRIGGERS_WITH_EVENT: frozenset[TriggerName] = frozenset({"first_seen_event", "every_event"})

# As the API has them. The page lists 1min, 5min, 15min and 1hr, and uses 1h in its examples.
INTERVALS: dict[str, float] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3600,
    "1d": 86_400,
    "1w": 604_800,
    "30d": 2_592_000,
}
TIME_UNITS: dict[str, tuple[str, float]] = {
    "m": ("minute", 60),
    "h": ("hour", 3600),
    "d": ("day", 86_400),
    "w": ("week", 604_800),
}
LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}
MATCH_WORDS: dict[Match, str] = {
    "co": "contains",
    "nc": "does not contain",
    "eq": "=",
    "ne": "!=",
    "sw": "starts with",
    "ew": "ends with",
    "is": "is set",
    "ns": "is not set",
}


class Moment(Protocol):
    """What is known of an issue when an event of it arrives."""

    @property
    def event(self) -> Raw:
        """The event."""

    @property
    def age_s(self) -> float:
        """How long ago the first event of the issue arrived."""

    @property
    def occurrences(self) -> int:
        """How many events the issue has, with this one."""

    @property
    def is_latest_release(self) -> bool:
        """Whether the event is of the release that was seen last for the first time."""

    def has_more(self, counted: "Counted", value: int) -> bool:
        """Return whether there were more events, or users, in the interval that ends now."""

    def count(self, counted: "Counted", shift_s: float = 0) -> int:
        """Return how many events, or users, were in the interval that ended ``shift_s`` ago."""


@dataclass(frozen=True)
class AlertCondition(ABC):
    """A filter of a rule."""

    _type: ClassVar[str] = ""
    # Whether it looks at an event, or at how many there were.
    needs_event: ClassVar[bool] = True
    # What takes longer is looked at later.
    cost: ClassVar[int] = 0

    @property
    def type(self) -> str:
        """Sentry's name of it."""
        return self._type

    @abstractmethod
    def holds(self, moment: Moment) -> bool:
        """Return whether it holds when an event arrives."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The condition as a rule has it."""

    @property
    @abstractmethod
    def comparison(self) -> Any:
        """What the API has as the condition's comparison."""


@dataclass(frozen=True)
class TextMatch:
    """A tag or an attribute, and the text that it has to match: a filter, or a sub-filter."""

    field: str
    match: Match
    value: str = ""
    is_tag: bool = True

    def holds_for(self, event: Raw) -> bool:
        """Return whether an event matches."""
        if self.is_tag:
            found = event_tag(event, self.field)
            values = [found] if found else []
        else:
            values = attribute_values(event, self.field)
        return is_match(values, self.match, self.value)

    @property
    def words(self) -> str:
        """The match as a rule has it."""
        name = f"tag.{self.field}" if self.is_tag else self.field
        return f"{name} {MATCH_WORDS[self.match]} {self.value}".rstrip()

    @property
    def comparison(self) -> dict[str, str]:
        """How the API has it."""
        found = {"key" if self.is_tag else "attribute": self.field, "match": self.match}
        return found if self.match in ("is", "ns") else {**found, "value": self.value}


@dataclass(frozen=True)
class Counted:
    """What a frequency filter counts: events or users of an issue, in an interval."""

    what: Literal["events", "users"]
    interval: str
    where: tuple[TextMatch, ...] = ()

    @cached_property
    def interval_s(self) -> float:
        """How long the interval is."""
        return INTERVALS[self.interval]

    @property
    def sub_filter(self) -> str:
        """The sub-filters as a rule has them, with a space before; empty without any."""
        return f" where {' and '.join(each.words for each in self.where)}" if self.where else ""

    def fields(self) -> dict[str, Any]:
        """Return what the API has of it."""
        filters = {"filters": [each.comparison for each in self.where]} if self.where else {}
        return {"interval": self.interval, **filters}


@dataclass(frozen=True)
class FrequencyCount(AlertCondition):
    """More than ``value`` events, or users, in an interval: exactly so many are not enough."""

    counted: Counted
    value: int
    cost = 1

    @property
    def type(self) -> str:
        """Sentry's name of it."""
        return (
            "event_frequency_count"
            if self.counted.what == "events"
            else "event_unique_user_frequency_count"
        )

    def holds(self, moment: Moment) -> bool:
        """Return whether there were more."""
        return moment.has_more(self.counted, self.value)

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        counted = self.counted
        return f"{counted.what} > {self.value} in {counted.interval}{counted.sub_filter}"

    @property
    def comparison(self) -> dict[str, Any]:
        """What the API has."""
        return {"value": self.value, **self.counted.fields()}


@dataclass(frozen=True)
class FrequencyPercent(AlertCondition):
    """More than ``value`` percent above the interval of the same length some time ago."""

    counted: Counted
    value: int
    ago: str
    empty_baseline: EmptyBaseline = TODAY
    cost = 3

    @property
    def type(self) -> str:
        """Sentry's name of it."""
        return (
            "event_frequency_percent"
            if self.counted.what == "events"
            else "event_unique_user_frequency_percent"
        )

    def holds(self, moment: Moment) -> bool:
        """Return whether the increase is more, in whole percent."""
        now, before = moment.count(self.counted), moment.count(self.counted, INTERVALS[self.ago])
        return self.increase(now, before) > self.value

    def increase(self, now: int, before: int) -> int:
        """Return the increase in whole percent; a decrease is none."""
        if before:
            return max(100 * (now - before) // before, 0)
        return 100 * now if self.empty_baseline == TODAY else 0

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        counted = self.counted
        shift = f"{counted.interval} vs {self.ago} ago"
        return f"{counted.what} > {self.value}% in {shift}{counted.sub_filter}"

    @property
    def comparison(self) -> dict[str, Any]:
        """What the API has."""
        return {"value": self.value, **self.counted.fields(), "comparisonInterval": self.ago}


@dataclass(frozen=True)
class IssueOccurrences(AlertCondition):
    """At least ``value`` events since the issue began."""

    value: int
    _type = "issue_occurrences"
    needs_event = False

    def holds(self, moment: Moment) -> bool:
        """Return whether there are so many."""
        return moment.occurrences >= self.value

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        return f"seen >= {self.value}"

    @property
    def comparison(self) -> dict[str, int]:
        """What the API has."""
        return {"value": self.value}


@dataclass(frozen=True)
class AgeComparison(AlertCondition):
    """The issue is older, or newer, than a time."""

    older: bool
    value: int
    unit: str
    _type = "age_comparison"
    needs_event = False

    @property
    def limit_s(self) -> float:
        """The time in seconds."""
        return self.value * TIME_UNITS[self.unit][1]

    def holds(self, moment: Moment) -> bool:
        """Return whether it is."""
        return moment.age_s > self.limit_s if self.older else moment.age_s < self.limit_s

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        return f"age {'>' if self.older else '<'} {self.value}{self.unit}"

    @property
    def comparison(self) -> dict[str, Any]:
        """What the API has."""
        kind = "older" if self.older else "newer"
        return {"time": TIME_UNITS[self.unit][0], "value": self.value, "comparisonType": kind}


@dataclass(frozen=True)
class EventLevel(AlertCondition):
    """The level of the event."""

    cost = 1
    match: Literal["eq", "gte", "lte"]
    level: str
    _type = "level"

    @cached_property
    def allowed(self) -> frozenset[str]:
        """The levels for which it holds."""
        compare = {"eq": operator.eq, "gte": operator.ge, "lte": operator.le}[self.match]
        limit = LEVEL_NUMBERS[self.level]
        return frozenset(name for name, number in LEVEL_NUMBERS.items() if compare(number, limit))

    def holds(self, moment: Moment) -> bool:
        """Return whether the event has such a level."""
        return event_level(moment.event) in self.allowed

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        sign = {"eq": "=", "gte": ">=", "lte": "<="}[self.match]
        return f"level {sign} {self.level}"

    @property
    def comparison(self) -> dict[str, Any]:
        """What the API has."""
        return {"level": LEVEL_NUMBERS[self.level], "match": self.match}


@dataclass(frozen=True)
class TaggedEvent(AlertCondition):
    """A tag of the event matches."""

    matched: TextMatch
    _type = "tagged_event"
    cost = 2

    def holds(self, moment: Moment) -> bool:
        """Return whether it does."""
        return self.matched.holds_for(moment.event)

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        return self.matched.words

    @property
    def comparison(self) -> dict[str, str]:
        """What the API has."""
        return self.matched.comparison


@dataclass(frozen=True)
class EventAttribute(TaggedEvent):
    """An attribute of the event matches."""

    _type = "event_attribute"


@dataclass(frozen=True)
class LatestRelease(AlertCondition):
    """The event is of the latest release."""

    _type = "latest_release"

    def holds(self, moment: Moment) -> bool:
        """Return whether it is."""
        return moment.is_latest_release

    @property
    def words(self) -> str:
        """The condition as a rule has it."""
        return "latest release"

    @property
    def comparison(self) -> bool:
        """What the API has."""
        return True
