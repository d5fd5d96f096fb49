"""Evaluates rules over error events in order of arrival: one at a time, or all stored ones.

Replay and live evaluation share this code, so both give the same result. Simulated.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from kit.ingest.store import Store
from kit.outcome import Event, make_event
from kit.reading.payload import as_str
from kit.reliability.alerts.conditions import (
    TRIGGERS_WITH_EVENT,
    AlertCondition,
    Counted,
    FrequencyCount,
    FrequencyPercent,
    LatestRelease,
    Moment,
    TextMatch,
    TriggerName,
)
from kit.reliability.alerts.firings import AlertFiring, Firings, Load
from kit.reliability.alerts.occurrences import (
    LAST_EVENTS,
    IssueChange,
    IssueKey,
    Occurrence,
    Raw,
    in_order,
    stored_occurrences,
)
from kit.reliability.alerts.rule import AlertRule, IfThen

Where = tuple[TextMatch, ...]
_NO_EVENT: Raw = {}


class _EventSeries:
    """The times and users of an issue's events that pass some sub-filters."""

    __slots__ = ("times", "users")

    def __init__(self) -> None:
        self.times = array("d")
        self.users: list[str] = []


class _UserWindow:
    """Counts the different users in an interval that moves along a series."""

    __slots__ = ("_first", "_next", "_users")

    def __init__(self) -> None:
        self._first = self._next = 0
        self._users: dict[str, int] = {}

    def count(self, series: _EventSeries, start: float, end: float) -> int:
        """Return the users from after ``start`` up to ``end``; neither may ever go back."""
        times, users, counted = series.times, series.users, self._users
        while self._next < len(times) and times[self._next] <= end:
            user = users[self._next]
            counted[user] = counted.get(user, 0) + 1
            self._next += 1
        while self._first < self._next and times[self._first] <= start:
            user = users[self._first]
            if counted[user] == 1:
                del counted[user]
            else:
                counted[user] -= 1
            self._first += 1
        # An event without a user affects none.
        return len(counted) - ("" in counted)


class _IssueLog:
    """What rules need to know about an issue, as of its last event."""

    __slots__ = (
        "event",
        "first_seen",
        "is_latest_release",
        "left",
        "now",
        "occurrences",
        "series",
        "state",
        "windows",
    )

    def __init__(self, at: float) -> None:
        self.now = self.first_seen = at
        self.event: Raw = _NO_EVENT
        self.is_latest_release = False
        self.occurrences = 0
        self.state = ""
        self.left = 0
        self.series: dict[Where, _EventSeries] = {}
        self.windows: dict[tuple[int, float], _UserWindow] = {}

    @property
    def age_s(self) -> float:
        return self.now - self.first_seen

    def has_more(self, counted: Counted, value: int) -> bool:
        series = self.series.get(counted.where)
        if series is None:
            return False
        # No need to count: only check whether the event ``value`` events ago is in the interval.
        times = series.times
        if len(times) <= value or times[-1 - value] <= self.now - counted.interval_s:
            return False
        return counted.what == "events" or self.count(counted) > value

    def count(self, counted: Counted, shift_s: float = 0) -> int:
        series = self.series.get(counted.where)
        if series is None:
            return 0
        end = self.now - shift_s
        start = end - counted.interval_s
        if counted.what == "events":
            return bisect_right(series.times, end) - bisect_right(series.times, start)
        # Keyed by id: ``counted`` belongs to a rule, and hashing it takes longer than counting.
        key = (id(counted), shift_s)
        window = self.windows.get(key)
        if window is None:
            window = self.windows[key] = _UserWindow()
        return window.count(series, start, end)

    def note(self, where: Where, at: float, user: str) -> None:
        """Note an event that passes some sub-filters."""
        series = self.series.get(where)
        if series is None:
            series = self.series[where] = _EventSeries()
        series.times.append(at)
        series.users.append(user)

    def reopen(self) -> TriggerName | None:
        """Note an event; return what it triggers if the issue was resolved or archived."""
        if self.state == "resolved":
            self.state = ""
            return "regression_event"
        if self.state == "archived":
            self.left -= 1
            if self.left <= 0:
                self.state = ""
                return "reappeared_event"
        return None


class _Block:
    """A block of a rule, its fastest filters first."""

    __slots__ = ("action", "blind", "logic", "tests")

    def __init__(self, block: IfThen) -> None:
        self.action = block.action
        self.logic = block.logic
        ordered = sorted(block.conditions, key=lambda condition: condition.cost)
        self.tests = [each.holds for each in ordered]
        # For a trigger without an event: filters that need one do not hold.
        self.blind = [_never if each.needs_event else each.holds for each in ordered]

    def passes(self, moment: _IssueLog, sees_event: bool) -> bool:
        tests = self.tests if sees_event else self.blind
        if self.logic == "all":
            # A generator would take twice as long, and most time is spent here.
            for holds in tests:  # noqa: SIM110
                if not holds(moment):
                    return False
            return True
        for holds in tests:
            if holds(moment):
                return self.logic == "any"
        return self.logic == "none" or not tests


def _never(moment: Moment) -> bool:
    return False


class _RuleState:
    """A rule, when it last fired for each issue, and how often throttling held it back."""

    __slots__ = ("blocks", "fired_at", "held_back", "rule", "when")

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self.when = frozenset(rule.when)
        self.blocks = [_Block(each) for each in rule.blocks]
        self.fired_at: dict[IssueKey, float] = {}
        self.held_back = 0

    def is_throttled(self, issue: IssueKey, now: float) -> bool:
        """Return whether the rule fired a short time ago; if not, note that it fires now."""
        last = self.fired_at.get(issue)
        if last is not None and now < last + self.rule.throttle_s:
            self.held_back += 1
            return True
        if self.rule.throttle_s:
            self.fired_at[issue] = now
        return False


class _Scope:
    """The events that some rules see: those of their environment and project."""

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.states = [_RuleState(rule) for rule in rules]
        self._of_every = [each for each in self.states if "every_event" in each.when]
        self.environment, self.project = rules[0].environment, rules[0].project
        self._logs: dict[IssueKey, _IssueLog] = {}
        self._latest: dict[str, str] = {}
        self._releases: dict[str, set[str]] = {}
        self._wheres = {counted.where for counted in _counted(rules)}
        self._has_releases = any(isinstance(each, LatestRelease) for each in _conditions(rules))

    def knows(self, occurrence: Occurrence) -> bool:
        """Return whether an event is one of them."""
        if self.project is not None and occurrence.project != self.project:
            return False
        if self.environment is None:
            return True
        return as_str(occurrence.event.get("environment")) == self.environment

    def note(self, occurrence: Occurrence, now: float) -> tuple[frozenset[TriggerName], _IssueLog]:
        """Note an event; return what it triggers, and the log of its issue."""
        triggers = _EVERY
        log = self._logs.get(occurrence.issue)
        if log is None:
            log = self._logs[occurrence.issue] = _IssueLog(now)
            triggers = _FIRST
        elif log.state and (reopened := log.reopen()):
            triggers = _EVERY | {reopened}
        log.occurrences += 1
        for where in self._wheres:
            if not where or all(each.holds_for(occurrence.event) for each in where):
                log.note(where, now, occurrence.user)
        if self._has_releases:
            log.is_latest_release = self._is_latest(occurrence)
        log.now, log.event = now, occurrence.event
        return triggers, log

    def apply(self, change: IssueChange, now: float) -> _IssueLog | None:
        """Note a change to an issue; return the issue's log if it is resolved now."""
        log = self._logs.get(change.issue)
        if log is None:
            return None
        log.state, log.left = change.to, change.until
        log.now, log.event, log.is_latest_release = now, _NO_EVENT, False
        return log if change.to == "resolved" else None

    def triggered(self, triggers: frozenset[TriggerName]) -> list[_RuleState]:
        """Return the rules that have one of the triggers."""
        if triggers is _EVERY:
            return self._of_every
        return [each for each in self.states if not each.when.isdisjoint(triggers)]

    def _is_latest(self, occurrence: Occurrence) -> bool:
        release, project = as_str(occurrence.event.get("release")), occurrence.project
        known = self._releases.setdefault(project, set())
        if release and release not in known:
            known.add(release)
            self._latest[project] = release
        return bool(release) and self._latest[project] == release


_EVERY: frozenset[TriggerName] = frozenset({"every_event"})
_FIRST: frozenset[TriggerName] = frozenset({"every_event", "first_seen_event"})
_RESOLVED: frozenset[TriggerName] = frozenset({"issue_resolved_trigger"})


class Evaluator:
    """Evaluates rules as events arrive, and keeps what they need to know about earlier ones.

    ``duplicates`` counts the events that arrived twice, which Sentry does not count again.
    """

    def __init__(self, rules: Iterable[AlertRule], load: Load | None = None) -> None:
        self._load = load
        self.rules = tuple(dict.fromkeys(rules))
        self.events = self.duplicates = 0
        self._scopes = list(_scopes(self.rules))
        self._ids: dict[str, set[str]] = {}
        self._now = 0.0

    @property
    def held_back(self) -> dict[AlertRule, int]:
        """How often throttling kept each rule from firing."""
        return {each.rule: each.held_back for scope in self._scopes for each in scope.states}

    def learn(self, step: Occurrence | IssueChange) -> None:
        """Note what happened before the rules existed: none fires."""
        if isinstance(step, IssueChange):
            for scope in self._scopes:
                scope.apply(step, step.at)
        elif self._is_new(step):
            for scope in self._scopes:
                if scope.knows(step):
                    scope.note(step, self._now)

    def add(self, occurrence: Occurrence) -> list[AlertFiring]:
        """Note an event; return which rules fire."""
        self.events += 1
        fired: list[AlertFiring] = []
        if self._is_new(occurrence):
            for scope in self._scopes:
                if scope.knows(occurrence):
                    triggers, moment = scope.note(occurrence, self._now)
                    fired += self._evaluate(scope, triggers, moment, occurrence)
        return fired

    def change(self, change: IssueChange) -> list[AlertFiring]:
        """Note a change to an issue; return which rules fire."""
        self._now = max(self._now, change.at)
        nothing = Occurrence(self._now, change.issue, {}, project=change.issue[0])
        fired: list[AlertFiring] = []
        for scope in self._scopes:
            if moment := scope.apply(change, self._now):
                fired += self._evaluate(scope, _RESOLVED, moment, nothing)
        return fired

    def _is_new(self, occurrence: Occurrence) -> bool:
        """Note an event's id and time; return whether it arrives for the first time."""
        if occurrence.event_id:
            known = self._ids.setdefault(occurrence.project, set())
            if occurrence.event_id in known:
                self.duplicates += 1
                return False
            known.add(occurrence.event_id)
        # Two threads may store events in another order than they received them.
        self._now = max(self._now, occurrence.at)
        return True

    def _evaluate(
        self,
        scope: _Scope,
        triggers: frozenset[TriggerName],
        moment: _IssueLog,
        occurrence: Occurrence,
    ) -> Iterator[AlertFiring]:
        for state in scope.triggered(triggers):
            by = state.when & triggers
            sees_event = triggers is _EVERY or not TRIGGERS_WITH_EVENT.isdisjoint(by)
            actions = [block.action for block in state.blocks if block.passes(moment, sees_event)]
            if actions and not state.is_throttled(occurrence.issue, moment.now):
                yield AlertFiring(
                    at=moment.now,
                    rule=state.rule,
                    issue=occurrence.issue,
                    event_id=occurrence.event_id,
                    project=occurrence.project,
                    title=occurrence.title if occurrence.event else "",
                    triggers=tuple(each for each in state.rule.when if each in by),
                    actions=tuple(dict.fromkeys(actions)),
                    load=self._load,
                )


def _scopes(rules: Sequence[AlertRule]) -> Iterator[_Scope]:
    by_scope: dict[tuple[str | None, str | None], list[AlertRule]] = {}
    for rule in rules:
        by_scope.setdefault((rule.environment, rule.project), []).append(rule)
    yield from map(_Scope, by_scope.values())


def _conditions(rules: Iterable[AlertRule]) -> Iterator[AlertCondition]:
    for rule in rules:
        for block in rule.blocks:
            yield from block.conditions


def _counted(rules: Iterable[AlertRule]) -> Iterator[Counted]:
    for condition in _conditions(rules):
        if isinstance(condition, FrequencyCount | FrequencyPercent):
            yield condition.counted


def replay(
    rules: Iterable[AlertRule],
    source: Store | Iterable[Occurrence],
    *,
    since: float = 0.0,
    until: float | None = None,
    last: int | None = None,
    changes: Iterable[IssueChange] = (),
) -> Firings:
    """Return when rules would have fired for stored events, or for given ones in their order.

    Events before ``since`` are history; ``last`` is how many stored events are read. Raises
    StoreError.
    """
    if isinstance(source, Store):
        is_stored, load = True, partial(load_event, source)
        occurrences: Iterable[Occurrence] = stored_occurrences(source, last)
    else:
        is_stored, load, occurrences = False, None, source
    evaluator = Evaluator(rules, load)
    fired: list[AlertFiring] = []
    seen: list[float] = []
    read = 0
    for step in in_order(occurrences, changes):
        if until is not None and step.at > until:
            break
        read += isinstance(step, Occurrence)
        if step.at < since:
            evaluator.learn(step)
            continue
        seen = [*seen[:1], step.at]
        fired += evaluator.add(step) if isinstance(step, Occurrence) else evaluator.change(step)
    return Firings(
        fired,
        evaluator.rules,
        span=(seen[0], seen[-1]) if seen else (since, since),
        events=evaluator.events,
        held_back=evaluator.held_back,
        complete=not is_stored or read < (last or LAST_EVENTS),
    )


def load_event(store: Store, event_id: str, project: str) -> Event | None:
    """Return a stored event; None if it is no longer there. Raises StoreError."""
    items = store.items(event_id=event_id, project=project, type="event") if event_id else []
    return make_event(items[-1]) if items else None
