"""Error events grouped as issues, as Sentry's issue list shows them. The grouping is simulated."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import overload

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event, make_event
from kit.reading.event import event_level, headline
from kit.reading.grouping import Raw, Rule, ask, culprit, reason, simulated_issue
from kit.reading.payload import escape_bidi, truncate
from kit.reading.server.references import NOT_IMITATED, STATS, USERS
from kit.reading.server.users import has_user, user_key
from kit.views.card.highlights import Sightings
from kit.words import count_noun

# Parsing takes most of the time: about a third of a second for 500 events.
LAST = 500
# On screen only; the data has all issues.
MAX_SHOWN = 15
MAX_CARD_CHARACTERS = 2_500_000
MAX_CHANGES = 6
BARS = 24

Key = tuple[str, ...]
# Given the id of an event and its project.
Load = Callable[[str, str], Event | None]


@dataclass(frozen=True)
class Seen:
    """An event and its issue: ``sent`` as the SDK sent it, ``key`` as shown."""

    item: StoredItem
    event: Raw
    sent: Key
    key: Key


@dataclass(frozen=True, repr=False)
class Issue:
    """Events that are one problem.

    ``title``, ``culprit`` and ``level`` are those of the latest event. ``reason`` says why these
    events are one issue. ``times`` are when they were received, in seconds since the epoch, latest
    first. ``users`` counts the distinct users, ``uncounted_users`` the events whose user has no
    field that Sentry counts users by. ``regrouped`` is true if a rule gave the latest event its
    fingerprint.
    """

    key: Key
    title: str
    culprit: str
    service: str
    level: str
    reason: str
    regrouped: bool
    users: int
    uncounted_users: int
    times: tuple[float, ...]
    event_ids: tuple[str, ...] = field(repr=False)
    load: Load = field(repr=False)

    @property
    def count(self) -> int:
        """How many events it has."""
        return len(self.times)

    @property
    def first_seen(self) -> float:
        """When its first event was received, in seconds since the epoch."""
        return min(self.times)

    @property
    def last_seen(self) -> float:
        """When its latest event was received, in seconds since the epoch."""
        return max(self.times)

    @property
    def events(self) -> list[Event]:
        """Its events, the latest first, read from the store again. Raises StoreError."""
        return list(filter(None, map(self._load, self.event_ids)))

    @property
    def latest(self) -> Event | None:
        """Its latest event; None if the store no longer has it. Raises StoreError."""
        return next(filter(None, map(self._load, self.event_ids[:1])), None)

    def _load(self, event_id: str) -> Event | None:
        event = self.load(event_id, self.service)
        if event is not None:
            event.seen = Sightings(self.count, self.first_seen, self.last_seen)
        return event

    def __repr__(self) -> str:
        return f"<Issue {self.title} ({count_noun(self.count, 'event')})>"


class Issues(Sequence[Issue]):
    """Issues, the one with the newest event first; shown in a notebook as a table.

    Issues that a rule regrouped come first. ``events`` is the number of their events, ``complete``
    is true if those are all stored events, ``duplicates`` is how many arrived again and are not
    counted, ``as_sent`` is the number of issues without a rule. ``changes`` says what a rule merged
    and split, a sentence each; it is None without a rule.
    """

    def __init__(
        self,
        issues: Sequence[Issue],
        *,
        complete: bool,
        as_sent: int,
        changes: list[str] | None,
        duplicates: int = 0,
    ) -> None:
        self._issues = tuple(sorted(issues, key=lambda issue: not issue.regrouped))
        self.complete = complete
        self.as_sent = as_sent
        self.changes = changes
        self.duplicates = duplicates
        self.events = sum(issue.count for issue in issues)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | Sequence[Issue]:
        return self._issues[index]

    def __len__(self) -> int:
        return len(self._issues)

    def __repr__(self) -> str:
        return f"<Issues {count_noun(len(self), 'issue')} of {count_noun(self.events, 'event')}>"

    def _repr_html_(self) -> Markup:
        return issue_list(self)


def read_issues(store: Store, rule: Rule | None = None, *, last: int = LAST) -> Issues:
    """Group the ``last`` stored error events; ``rule`` may give them fingerprints.

    An event that arrived again, with the same id in the same project, counts once, as in Sentry.
    ``rule`` takes an event and returns its fingerprint, or None to leave it as it was sent.
    Raises FingerprintError if it fails, ValueError if ``last`` is not positive, and StoreError.
    """
    if last < 1:
        raise ValueError(f"last must be a number of events, at least 1, not {last}.")

    def load(event_id: str, project: str) -> Event | None:
        items = store.items(event_id=event_id, project=project, type="event")
        # The first of several duplicates counts, as in Sentry.
        return make_event(items[-1]) if items else None

    stored = store.items(type="event", limit=last)
    items = without_duplicates(stored)
    seen = [_look(item, rule) for item in items]
    return Issues(
        group(seen, load, by="your function" if rule else ""),
        complete=len(stored) < last,
        as_sent=len({each.sent for each in seen}),
        changes=changes(seen) if rule else None,
        duplicates=len(stored) - len(items),
    )


def without_duplicates(items: Sequence[StoredItem]) -> list[StoredItem]:
    """Return events, latest first, without those that arrived again with the same id.

    Ids are unique within a project: two projects may have events with the same id.
    """
    firsts = {(item.project, item.event_id): item.id for item in items}
    return [
        item
        for item in items
        if not item.event_id or firsts[item.project, item.event_id] == item.id
    ]


def _look(item: StoredItem, rule: Rule | None) -> Seen:
    sent = simulated_issue(item.payload, item.project)
    # A copy: a rule may change its event, which must not pass for what was sent.
    given = ask(rule, make_event(item)) if rule else None
    if given is None:
        return Seen(item, item.payload, sent, sent)
    event = {**item.payload, "fingerprint": given}
    return Seen(item, event, sent, simulated_issue(event, item.project))


def group(seen: Iterable[Seen], load: Load, *, by: str = "") -> list[Issue]:
    """Return the issues of events, given latest first; ``load`` reads one again by its id.

    ``by`` names what changed the fingerprints.
    """
    found: dict[Key, list[Seen]] = {}
    for each in seen:
        found.setdefault(each.key, []).append(each)
    return [_issue(members, load, by) for members in found.values()]


def _issue(members: list[Seen], load: Load, by: str) -> Issue:
    latest = members[0]
    event, item = latest.event, latest.item
    regrouped = event is not item.payload
    return Issue(
        key=latest.key,
        title=escape_bidi(headline(event).title),
        culprit=escape_bidi(culprit(event)),
        service=item.project,
        level=event_level(event),
        reason=escape_bidi(reason(event, len(members), by=by if regrouped else "")),
        regrouped=regrouped,
        users=len({user for each in members if (user := user_key(each.event))}),
        uncounted_users=len(
            [each for each in members if has_user(each.event) and not user_key(each.event)]
        ),
        times=tuple(each.item.received_at for each in members),
        event_ids=tuple(each.item.event_id for each in members if each.item.event_id),
        load=load,
    )


def changes(seen: Sequence[Seen]) -> list[str]:
    """Return a sentence for each merge and each split of the issues as they were sent."""
    titles = {each.sent: headline(each.item.payload).title for each in reversed(seen)}
    into: dict[Key, dict[Key, None]] = {}
    out_of: dict[Key, dict[Key, None]] = {}
    for each in seen:
        into.setdefault(each.key, {})[each.sent] = None
        out_of.setdefault(each.sent, {})[each.key] = None
    merged = [
        f"{len(sent)} issues became 1: {_titles([titles[key] for key in sent])}"
        for sent in into.values()
        if len(sent) > 1
    ]
    split = [
        f"1 issue became {len(keys)}: {_titles([titles[sent]])}"
        for sent, keys in out_of.items()
        if len(keys) > 1
    ]
    return merged + split


def _titles(titles: Sequence[str]) -> str:
    different = list(dict.fromkeys(truncate(each, 60) for each in titles))
    return "; ".join([*different[:3], *["…"] * (len(different) > 3)])


# On screen


@dataclass(frozen=True)
class IssueRow:
    """The row of an issue; without a card if there is no room for it."""

    issue: Issue
    bars: str
    bars_say: str
    first_seen: datetime
    last_seen: datetime
    card: Markup | None


def issue_list(issues: Issues) -> Markup:
    """Return issues as a table, each with its latest event's card folded below it."""
    times = [moment for issue in issues for moment in issue.times]
    span = (min(times, default=0.0), max(times, default=0.0))
    made = issues.changes or []
    return render(
        "issues.html",
        issues=issues,
        rows=list(_rows(issues[:MAX_SHOWN], span)),
        changes=made[:MAX_CHANGES],
        more_changes=max(len(made) - MAX_CHANGES, 0),
        span=[_utc(moment) for moment in span],
        bar_count=BARS,
        not_imitated=NOT_IMITATED,
        stats=STATS,
        users=USERS,
    )


def _rows(issues: Iterable[Issue], span: tuple[float, float]) -> Iterator[IssueRow]:
    room = MAX_CARD_CHARACTERS
    for issue in issues:
        heights = _over_time(issue.times, span)
        card = _card(issue) if room else None
        if card is not None and len(card) > room:
            card = None
        room -= len(card or "")
        first, last = _utc(issue.first_seen), _utc(issue.last_seen)
        yield IssueRow(issue, _path(heights), _in_words(issue, heights, span), first, last, card)


def _card(issue: Issue) -> Markup | None:
    event = issue.latest
    return None if event is None else event._repr_html_()


def _over_time(times: Iterable[float], span: tuple[float, float]) -> list[int]:
    """Return how many events fall into each of the equal parts of a span of time."""
    start, length = span[0], span[1] - span[0]
    parts = Counter(min(int((at - start) / (length or 1) * BARS), BARS - 1) for at in times)
    return [parts[number] for number in range(BARS)]


def _path(counts: Sequence[int]) -> str:
    """Return bars as the path of an SVG, 4 wide and at most 20 high each."""
    highest = max(counts)
    heights = [max(round(20 * count / highest), 2) if count else 0 for count in counts]
    return "".join(f"M{4 * n} 22v-{high}h3v{high}z" for n, high in enumerate(heights) if high)


def _in_words(issue: Issue, counts: Sequence[int], span: tuple[float, float]) -> str:
    if issue.count == 1:
        return f"1 event, at {_utc(issue.last_seen):%H:%M:%S} UTC"
    most = max(counts)
    began = span[0] + counts.index(most) * (span[1] - span[0]) / BARS
    return f"{issue.count} events over time, most of them, {most}, from {_utc(began):%H:%M:%S} UTC"


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
