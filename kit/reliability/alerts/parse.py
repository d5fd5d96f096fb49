"""Parses triggers and filters from a rule's short text; an error says what is allowed."""

import re
from collections.abc import Callable
from typing import Literal, NoReturn

from kit.actionable import ActionableError
from kit.reliability.alerts.attributes import ATTRIBUTES, Match
from kit.reliability.alerts.conditions import (
    INTERVALS,
    LEVEL_NUMBERS,
    TIME_UNITS,
    TODAY,
    TRIGGERS,
    AgeComparison,
    AlertCondition,
    Counted,
    EmptyBaseline,
    EventAttribute,
    EventLevel,
    FrequencyCount,
    FrequencyPercent,
    IssueOccurrences,
    LatestRelease,
    TaggedEvent,
    TextMatch,
    TriggerName,
)

# Other names by which you may know a trigger.
_SYNONYMS: dict[str, TriggerName] = {
    "issue escalates": "reappeared_event",
    "escalates": "reappeared_event",
    "issue regresses": "regression_event",
    "regresses": "regression_event",
    "resolved": "issue_resolved_trigger",
    "event captured": "every_event",
}
# Documented, but no event here has them.
_NOT_SIMULATED = (
    "error.main_thread",
    "unreal.crash_type",
    "app.in_foreground",
    "os.distribution_name",
    "os.distribution_version",
)
_EXAMPLES = (
    "level >= error",
    "events > 100 in 1h",
    "users > 3 in 5m",
    "events > 300% in 1h vs 1d ago",
    "events > 5 in 5m where tag.flow = checkout and level = error",
    "seen >= 10",
    "age < 30m",
    "latest release",
    "tag.flow = checkout",
    "exception.type = TimeoutError",
)
_INTERVAL = rf"(?P<interval>{'|'.join(INTERVALS)})"
_FREQUENCY = re.compile(
    rf"(?P<what>events|users)\s*>\s*(?P<value>\d+)\s*(?P<percent>%)?\s+in\s+{_INTERVAL}"
    rf"(?:\s+vs\s+(?P<ago>{'|'.join(INTERVALS)})\s+ago)?(?:\s+where\s+(?P<where>.+))?"
)
_OCCURRENCES = re.compile(r"seen\s*(?P<sign>>=|>)\s*(?P<value>\d+)")
_AGE = re.compile(rf"age\s*(?P<sign>[<>])\s*(?P<value>\d+)\s*(?P<unit>[{''.join(TIME_UNITS)}])")
_LEVEL = re.compile(r"level\s*(?P<sign>>=|<=|==?)\s*(?P<level>\w+)")
_SIGNS: dict[str, Match] = {
    "==": "eq",
    "!=": "ne",
    "=": "eq",
    "does not contain": "nc",
    "contains": "co",
    "starts with": "sw",
    "ends with": "ew",
    "is not set": "ns",
    "is set": "is",
    "is not": "ne",
    "is": "eq",
}
_WORDS = "|".join(each for each in _SIGNS if each[0].isalpha())
_TEXT = re.compile(rf"(?P<field>[\w.\-]+)\s*(?P<sign>\s(?:{_WORDS})(?!\S)|==|!=|=)\s*(?P<value>.*)")
_NAME_OF_TAG = "tag."


class AlertRuleError(ActionableError, ValueError):
    """A rule that is not valid: the message says what is wrong with it, and what is allowed."""


def parse_trigger(text: str) -> TriggerName:
    """Return the trigger that a text names. Raises AlertRuleError."""
    wanted = " ".join(text.lower().split())
    for name, words in TRIGGERS.items():
        if wanted in (name, words):
            return name
    if wanted in _SYNONYMS:
        return _SYNONYMS[wanted]
    raise AlertRuleError(f"{text!r} is not a trigger. Allowed: {', '.join(TRIGGERS.values())}.")


def parse_condition(text: str, empty_baseline: EmptyBaseline = TODAY) -> AlertCondition:
    """Return the filter that a text describes. Raises AlertRuleError."""
    wanted = " ".join(text.split())
    if wanted.lower() == "latest release":
        return LatestRelease()
    for pattern, make in _FORMS:
        if found := pattern.fullmatch(wanted):
            return make(found, empty_baseline)
    return _text_condition(wanted)


def _frequency(found: re.Match[str], empty_baseline: EmptyBaseline) -> AlertCondition:
    where = tuple(
        parse_text_match(each) for each in re.split(r"\s+and\s+", found["where"] or "") if each
    )
    what: Literal["events", "users"] = "users" if found["what"] == "users" else "events"
    counted = Counted(what, found["interval"], where)
    value = int(found["value"])
    if bool(found["percent"]) is not bool(found["ago"]):
        _refuse(found[0], "A percentage needs a time to compare with, as in 'vs 1d ago'.")
    if found["ago"]:
        return FrequencyPercent(counted, value, found["ago"], empty_baseline)
    return FrequencyCount(counted, value)


def _occurrences(found: re.Match[str], _: EmptyBaseline) -> AlertCondition:
    return IssueOccurrences(int(found["value"]) + (found["sign"] == ">"))


def _age(found: re.Match[str], _: EmptyBaseline) -> AlertCondition:
    return AgeComparison(found["sign"] == ">", int(found["value"]), found["unit"])


def _level(found: re.Match[str], _: EmptyBaseline) -> AlertCondition:
    level = found["level"].lower()
    if level not in LEVEL_NUMBERS:
        _refuse(found[0], f"A level must be one of {', '.join(LEVEL_NUMBERS)}.")
    if found["sign"] == ">=":
        return EventLevel("gte", level)
    return EventLevel("lte" if found["sign"] == "<=" else "eq", level)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], EmptyBaseline], AlertCondition]], ...]
_FORMS = (
    (_FREQUENCY, _frequency),
    (_OCCURRENCES, _occurrences),
    (_AGE, _age),
    (_LEVEL, _level),
)


def _text_condition(text: str) -> AlertCondition:
    matched = parse_text_match(text)
    return TaggedEvent(matched) if matched.is_tag else EventAttribute(matched)


def parse_text_match(text: str) -> TextMatch:
    """Return a tag or an attribute with the text it has to match. Raises AlertRuleError."""
    found = _TEXT.fullmatch(text)
    if found is None:
        _refuse(text, f"Allowed: {'; '.join(_EXAMPLES)}.")
    name, match, value = found["field"], _SIGNS[found["sign"].strip()], found["value"].strip()
    if bool(value) is (match in ("is", "ns")):
        _refuse(text, "Give a value, except after 'is set' and 'is not set'.")
    if name.startswith(_NAME_OF_TAG):
        return TextMatch(name.removeprefix(_NAME_OF_TAG), match, value)
    # A level is also a tag: sub-filters name it without the prefix.
    if name == "level":
        return TextMatch(name, match, value)
    if name in _NOT_SIMULATED:
        _refuse(text, f"Sentry has {name}, but no event of this system has it.")
    if name not in ATTRIBUTES:
        allowed = ", ".join([f"{_NAME_OF_TAG}<name>", *ATTRIBUTES])
        _refuse(text, f"{name} is not an attribute of events. Allowed: {allowed}.")
    return TextMatch(name, match, value, is_tag=False)


def parse_throttle(text: str | None) -> float:
    """Return for how many seconds a rule stays quiet about an issue. Raises AlertRuleError."""
    if text is None or text in THROTTLES:
        return THROTTLES[text] if text else 0.0
    allowed = ", ".join(THROTTLES)
    raise AlertRuleError(f"{text!r} is not a throttle. Allowed: {allowed}, or None for none.")


# As on the page, in its order.
THROTTLES: dict[str, float] = {
    "5m": 300.0,
    "10m": 600.0,
    "30m": 1800.0,
    "1h": 3600.0,
    "3h": 10_800.0,
    "12h": 43_200.0,
    "24h": 86_400.0,
    "1w": 604_800.0,
    "30d": 2_592_000.0,
}


def _refuse(text: str, why: str) -> NoReturn:
    raise AlertRuleError(f"{text!r} is not a filter. {why}")
