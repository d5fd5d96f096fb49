"""The triggers and filters of alert rules, under Sentry's own names.

Each filter knows whether it holds for an event, its words in a rule, and its form in the API.
Their meaning: https://docs.sentry.io/product/monitors-and-alerts/alerts/create-alerts/
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
# An increase from nothing to N is N times 100 % since July 2026, 0 % before.
EmptyBaseline = Literal["N x 100 %", "0 %"]
TODAY: EmptyBaseline = "N x 100 %"

TRIGGERS: dict[TriggerName, str] = {
    "first_seen_event": "new issue",
    "regression_event": "regression",
    "reappeared_event": "escalating",
    "issue_resolved_trigger": "issue resolved",
    "every_event": "every event",
}
# With the other triggers, filters on events or their number do not work.
TRIGGERS_WITH_EVENT: frozenset[TriggerName] = frozenset({"first_seen_event", "every_event"})

# As in the API. Its page lists 1min, 5min, 15min and 1hr, and uses 1h in its examples.
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
    """What is known about an issue when one of its events arrives."""

    @property
    def event(self) -> Raw:
        """The event."""

    @property
    def age_s(self) -> float:
        """How long ago the first event of the issue arrived."""

    @property
    def occurrences(self) -> int:
        """How many events the issue has, including this one."""

    @property
    def is_latest_release(self) -> bool:
        """Whether the event's release is the one that was first seen most recently."""

    def has_more(self, counted: "Counted", value: int) -> bool:
        """Return whether more than ``value`` events or users were in the interval that ends now."""

    def count(self, counted: "Counted", shift_s: float = 0) -> int:
        """Return how many events or users were in the interval that ended ``shift_s`` ago."""


@dataclass(frozen=True)
class AlertCondition(ABC):
    """A filter of a rule."""

    _type: ClassVar[str] = ""
    # Whether it looks at an event, or at the number of events.
    needs_event: ClassVar[bool] = True
    # Slower filters are evaluated later.
    cost: ClassVar[int] = 0

    @property
    def type(self) -> str:
        """Sentry's name for it."""
        return self._type

    @abstractmethod
    def holds(self, moment: Moment) -> bool:
        """Return whether it holds when an event arrives."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The condition as written in a rule."""

    @property
    @abstractmethod
    def comparison(self) -> Any:
        """The condition's comparison in the API."""


@dataclass(frozen=True)
class TextMatch:
    """A tag or an attribute, and the text that it has to match: a filter or a sub-filter."""

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
        """The match as written in a rule."""
        name = f"tag.{self.field}" if self.is_tag else self.field
        return f"{name} {MATCH_WORDS[self.match]} {self.value}".rstrip()

    @property
    def comparison(self) -> dict[str, str]:
        """The match in the API."""
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
        """The sub-filters as written in a rule, with a leading space; empty without any."""
        return f" where {' and '.join(each.words for each in self.where)}" if self.where else ""

    def fields(self) -> dict[str, Any]:
        """Return its fields in the API."""
        filters = {"filters": [each.comparison for each in self.where]} if self.where else {}
        return {"interval": self.interval, **filters}


@dataclass(frozen=True)
class FrequencyCount(AlertCondition):
    """More than ``value`` events or users in an interval; exactly ``value`` are not enough."""

    counted: Counted
    value: int
    cost = 1

    @property
    def type(self) -> str:
        """Sentry's name for it."""
        return (
            "event_frequency_count"
            if self.counted.what == "events"
            else "event_unique_user_frequency_count"
        )

    def holds(self, moment: Moment) -> bool:
        """Return whether there were more than ``value``."""
        return moment.has_more(self.counted, self.value)

    @property
    def words(self) -> str:
        """The condition as written in a rule."""
        counted = self.counted
        return f"{counted.what} > {self.value} in {counted.interval}{counted.sub_filter}"

    @property
    def comparison(self) -> dict[str, Any]:
        """The comparison in the API."""
        return {"value": self.value, **self.counted.fields()}


@dataclass(frozen=True)
class FrequencyPercent(AlertCondition):
    """More than ``value`` percent above an equally long interval some time ago."""

    counted: Counted
    value: int
    ago: str
    empty_baseline: EmptyBaseline = TODAY
    cost = 3

    @property
    def type(self) -> str:
        """Sentry's name for it."""
        return (
            "event_frequency_percent"
            if self.counted.what == "events"
            else "event_unique_user_frequency_percent"
        )

    def holds(self, moment: Moment) -> bool:
        """Return whether the increase is more than ``value``, in whole percent."""
        now, before = moment.count(self.counted), moment.count(self.counted, INTERVALS[self.ago])
        return self.increase(now, before) > self.value

    def increase(self, now: int, before: int) -> int:
        """Return the increase in whole percent; 0 for a decrease."""
        if before:
            return max(100 * (now - before) // before, 0)
        return 100 * now if self.empty_baseline == TODAY else 0

    @property
    def words(self) -> str:
        """The condition as written in a rule."""
        counted = self.counted
        shift = f"{counted.interval} vs {self.ago} ago"
        return f"{counted.what} > {self.value}% in {shift}{counted.sub_filter}"

    @property
    def comparison(self) -> dict[str, Any]:
        """The comparison in the API."""
        return {"value": self.value, **self.counted.fields(), "comparisonInterval": self.ago}


@dataclass(frozen=True)
class IssueOccurrences(AlertCondition):
    """At least ``value`` events since the issue began."""

    value: int
    _type = "issue_occurrences"
    needs_event = False

    def holds(self, moment: Moment) -> bool:
        """Return whether there are that many."""
        return moment.occurrences >= self.value

    @property
    def words(self) -> str:
        """The condition as written in a rule."""
        return f"seen >= {self.value}"

    @property
    def comparison(self) -> dict[str, int]:
        """The comparison in the API."""
        return {"value": self.value}


@dataclass(frozen=True)
class AgeComparison(AlertCondition):
    """The issue is older or newer than a given time."""

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
        """The condition as written in a rule."""
        return f"age {'>' if self.older else '<'} {self.value}{self.unit}"

    @property
    def comparison(self) -> dict[str, Any]:
        """The comparison in the API."""
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
        """The condition as written in a rule."""
        sign = {"eq": "=", "gte": ">=", "lte": "<="}[self.match]
        return f"level {sign} {self.level}"

    @property
    def comparison(self) -> dict[str, Any]:
        """The comparison in the API."""
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
        """The condition as written in a rule."""
        return self.matched.words

    @property
    def comparison(self) -> dict[str, str]:
        """The comparison in the API."""
        return self.matched.comparison


@dataclass(frozen=True)
class EventAttribute(TaggedEvent):
    """An attribute of the event matches."""

    _type = "event_attribute"


@dataclass(frozen=True)
class LatestRelease(AlertCondition):
    """The event is from the latest release."""

    _type = "latest_release"

    def holds(self, moment: Moment) -> bool:
        """Return whether it is."""
        return moment.is_latest_release

    @property
    def words(self) -> str:
        """The condition as written in a rule."""
        return "latest release"

    @property
    def comparison(self) -> bool:
        """The comparison in the API."""
        return True
