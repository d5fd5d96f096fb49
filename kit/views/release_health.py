"""Release health: how many sessions of each release crashed, from those that arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from markupsafe import Markup

from demo_services.services import SERVICES
from kit.html import render
from kit.ingest.store import MOST, Store
from kit.reading.sessions import SessionCounts, SessionGroup, count_sessions
from kit.words import count_noun

MAX_SHOWN = 30


@dataclass(frozen=True)
class HealthRow:
    """The sessions of one release of a service."""

    group: SessionGroup
    counts: SessionCounts

    @property
    def rate(self) -> str:
        """The crash-free rate as a percentage, never rounded up to 100 %."""
        return as_percent(self.counts.crash_free)


class ReleaseHealth(Sequence[HealthRow]):
    """Releases with their sessions; shown in a notebook as a table.

    ``silent`` are the services that sent other items but no session.
    """

    def __init__(
        self, counts: dict[SessionGroup, SessionCounts], silent: Sequence[str] = ()
    ) -> None:
        ordered = sorted(counts, key=lambda group: (group.service, group.release))
        self._rows = tuple(HealthRow(group, counts[group]) for group in ordered)
        self.silent = tuple(silent)

    @overload
    def __getitem__(self, index: int) -> HealthRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[HealthRow]: ...
    def __getitem__(self, index: int | slice) -> HealthRow | Sequence[HealthRow]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, service: str, release: str | None = None) -> SessionCounts:
        """Return the sessions of a service, of one release or of all; none for an unknown one."""
        return sum(
            (
                row.counts
                for row in self
                if row.group.service == service and release in (None, row.group.release)
            ),
            SessionCounts(),
        )

    @property
    def sentence(self) -> str:
        """What the table shows."""
        counts = sum((row.counts for row in self), SessionCounts())
        if not counts.total:
            return "No session has arrived."
        crashed = f"{count_noun(counts.total, 'session')}, {counts.crashed:,} crashed"
        return f"{crashed}: {as_percent(counts.crash_free)} crash-free."

    def __repr__(self) -> str:
        return f"<ReleaseHealth: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        return render(
            "release_health.html",
            health=self,
            rows=self[:MAX_SHOWN],
            hidden=max(len(self) - MAX_SHOWN, 0),
        )


def read_release_health(
    store: Store, since: float = 0.0, *, project: str | None = None
) -> ReleaseHealth:
    """Return the release health of what arrived ``since`` a time, in seconds since the epoch.

    With ``project`` it is that of one project, and no other is named as silent. Only the last
    ``MOST`` items of each type are read. Raises StoreError.
    """
    found = [
        item
        for kind in ("session", "sessions")
        for item in store.items(type=kind, project=project, limit=MOST)
        if item.received_at >= since
    ]
    counts = count_sessions(sorted(found, key=lambda item: item.id))
    known = {group.service for group in counts}
    asked = SERVICES if project is None else ()
    silent = [name for name in asked if name not in known and _sent_since(store, name, since)]
    return ReleaseHealth(counts, silent)


def _sent_since(store: Store, service: str, since: float) -> bool:
    return any(item.received_at >= since for item in store.items(project=service, limit=1))


def as_percent(share: float | None) -> str:
    """Return a share as a percentage; less than all of it is never rounded up to 100."""
    if share is None:
        return "–"
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{min(100 * share, 99.9):.1f} %"
