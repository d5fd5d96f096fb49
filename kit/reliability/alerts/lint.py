"""Finds rules that can never fire or fire far too often, without needing any event."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeVar

from kit.reading.server.references import Reference
from kit.reliability.alerts.conditions import (
    INTERVALS,
    LEVEL_NUMBERS,
    TODAY,
    TRIGGERS_WITH_EVENT,
    AgeComparison,
    AlertCondition,
    EventLevel,
    FrequencyCount,
    FrequencyPercent,
    IssueOccurrences,
    TaggedEvent,
    TextMatch,
)
from kit.reliability.alerts.pages import (
    CREATE_ALERTS,
    EMPTY_BASELINE,
    EVERY_EVENT,
    NEW_AND_FREQUENT,
    PERCENT_FLOOR,
)
from kit.reliability.alerts.rule import AlertRule, IfThen

Kind = TypeVar("Kind", bound=AlertCondition)
Says = Literal["never fires", "fires too often"]


@dataclass(frozen=True)
class AlertFinding:
    """What is wrong with a rule, why, and where that is documented."""

    id: str
    says: Says
    why: str
    reference: Reference

    def __str__(self) -> str:
        return f"{self.says}: {self.why} ({self.reference.url})"


def lint_rule(rule: AlertRule) -> list[AlertFinding]:
    """Return what is wrong with a rule; an empty list if no problem is found."""
    found = [
        finding for block in rule.blocks for check in _CHECKS for finding in check(rule, block)
    ]
    return list({(each.id, each.why): each for each in found}.values())


def _is_only_new(rule: AlertRule) -> bool:
    return set(rule.when) == {"first_seen_event"}


def _of(block: IfThen, kind: type[Kind]) -> list[Kind]:
    """Return the filters of a kind that must all hold."""
    if block.logic != "all" and len(block.conditions) != 1:
        return []
    return [] if block.logic == "none" else [c for c in block.conditions if isinstance(c, kind)]


def _new_and_frequent(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    if not _is_only_new(rule):
        return
    counts = [each for each in _of(block, FrequencyCount) if each.value >= 1]
    for each in (*counts, *(each for each in _of(block, IssueOccurrences) if each.value > 1)):
        why = f"a new issue has one event, from at most one user: never {each.words!r}"
        yield AlertFinding("new-and-frequent", "never fires", why, NEW_AND_FREQUENT)


def _every_event(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    if "every_event" in rule.when and not rule.throttle_s:
        why = "it sends one notification per matching event: give it a throttle"
        yield AlertFinding("every-event", "fires too often", why, EVERY_EVENT)


def _percent_without_floor(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    if _of(block, FrequencyCount) or block.logic == "none":
        return
    for each in block.conditions:
        if isinstance(each, FrequencyPercent):
            enough = 2 + each.value // 100
            why = (
                f"going from 1 event to {enough} is more than {each.value} %: "
                f"add a floor, such as 'events > 50 in {each.counted.interval}'"
            )
            yield AlertFinding("percent-without-floor", "fires too often", why, PERCENT_FLOOR)


def _contradiction(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    levels = _of(block, EventLevel)
    if levels and not frozenset[str].intersection(*(each.allowed for each in levels)):
        yield _cannot_both(" and ".join(each.words for each in levels))
    for one, other in combinations([each.matched for each in _of(block, TaggedEvent)], 2):
        if (one.field, one.is_tag) == (other.field, other.is_tag) and _excludes(one, other):
            yield _cannot_both(f"{one.words} and {other.words}")


def _cannot_both(words: str) -> AlertFinding:
    why = f"{words} never hold together"
    return AlertFinding("contradiction", "never fires", why, CREATE_ALERTS)


def _excludes(one: TextMatch, other: TextMatch) -> bool:
    matches = {one.match, other.match}
    texts = (one.value.lower(), other.value.lower())
    if one.field.startswith("stacktrace.") or one.field.startswith("exception."):
        return "ns" in matches and bool(matches & {"is", "eq", "co", "sw", "ew"})
    if matches == {"eq"}:
        return texts[0] != texts[1]
    if matches in ({"eq", "ne"}, {"co", "nc"}):
        return texts[0] == texts[1]
    return "ns" in matches and bool(matches & {"is", "eq", "co", "sw", "ew"})


def _ages(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    ages = _of(block, AgeComparison)
    older = max((each.limit_s for each in ages if each.older), default=None)
    newer = min((each.limit_s for each in ages if not each.older), default=None)
    if older is None:
        return
    if newer is not None and newer <= older:
        why = f"{' and '.join(each.words for each in ages)} never hold together"
    elif _is_only_new(rule):
        why = "a new issue is 0 seconds old"
    else:
        return
    yield AlertFinding("age", "never fires", why, CREATE_ALERTS)


def _no_event(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    if not TRIGGERS_WITH_EVENT.isdisjoint(rule.when) or block.logic == "none":
        return
    blind = [each for each in block.conditions if each.needs_event]
    if blind and (block.logic == "all" or len(blind) == len(block.conditions)):
        why = (
            f"{blind[0].words!r} only works with the triggers 'new issue' and 'every event', "
            f"not with {rule.when_words!r}"
        )
        yield AlertFinding("no-event", "never fires", why, CREATE_ALERTS)


def _empty_baseline(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    newer = [each.limit_s for each in _of(block, AgeComparison) if not each.older]
    for each in _of(block, FrequencyPercent):
        is_young = any(limit <= INTERVALS[each.ago] for limit in newer)
        if not (is_young or _is_only_new(rule)):
            continue
        why = f"{each.ago} ago such an issue had no event: an increase from 0"
        if each.empty_baseline == TODAY:
            says: Says = "fires too often" if _is_reached(each, block) else "never fires"
            why = f"{why} to N is N × 100 %, so {each.words!r} only counts events"
        else:
            says, why = "never fires", f"{why} was 0 % until July 2026"
        yield AlertFinding("empty-baseline", says, why, EMPTY_BASELINE)


def _is_reached(percent: FrequencyPercent, block: IfThen) -> bool:
    return percent.value < 100 or bool(_of(block, AgeComparison))


def _always(rule: AlertRule, block: IfThen) -> Iterator[AlertFinding]:
    if block.logic != "any":
        return
    for each in block.conditions:
        if isinstance(each, EventLevel) and each.allowed == LEVEL_NUMBERS.keys():
            why = f"{each.words!r} always holds, so the other filters have no effect"
            yield AlertFinding("always", "fires too often", why, CREATE_ALERTS)


_CHECKS: Sequence[Callable[[AlertRule, IfThen], Iterator[AlertFinding]]] = (
    _new_and_frequent,
    _every_event,
    _percent_without_floor,
    _contradiction,
    _ages,
    _no_event,
    _empty_baseline,
    _always,
)
