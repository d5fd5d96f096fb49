"""The results for blind spots: a table with the captured event below each row."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import overload

from IPython.core.getipython import get_ipython
from markupsafe import Markup
from sentry_sdk.client import BaseClient

from kit.experiments.blind_spots.blind_spot import (
    OTHER_GENERATION,
    PRELUDES,
    RUNTIMES,
    BlindSpot,
)
from kit.experiments.blind_spots.catalogue import BLIND_SPOTS
from kit.experiments.blind_spots.finding import BlindSpotFinding, Firing
from kit.experiments.blind_spots.run import run_blind_spots
from kit.html import render
from kit.ingest.store import Store
from kit.reading.payload import as_str
from kit.widgets.static import Static, Step

# Only on screen; the data has all events.
MAX_CARD_CHARACTERS = 2_500_000
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


class Findings(Sequence[BlindSpotFinding]):
    """Findings by position or id; shown in a notebook as a table."""

    def __init__(self, findings: Sequence[BlindSpotFinding]) -> None:
        self._findings = tuple(findings)

    @overload
    def __getitem__(self, which: int | str) -> BlindSpotFinding: ...
    @overload
    def __getitem__(self, which: slice) -> "Findings": ...
    def __getitem__(self, which: int | str | slice) -> "BlindSpotFinding | Findings":
        if isinstance(which, slice):
            return Findings(self._findings[which])
        if isinstance(which, int):
            return self._findings[which]
        return {finding.blind_spot.id: finding for finding in self._findings}[which]

    def __len__(self) -> int:
        return len(self._findings)

    def of(self, *runtimes: str) -> "Findings":
        """Return the findings of some runtimes, for example ``"tornado"``. Raises KeyError."""
        _ = [RUNTIMES[runtime] for runtime in runtimes]
        return Findings([each for each in self._findings if each.blind_spot.runtime in runtimes])

    @property
    def captured(self) -> "Findings":
        """The failures that are captured without an added line."""
        return Findings([each for each in self._findings if each.before and each.before.captured])

    @property
    def missed(self) -> "Findings":
        """The failures that are not captured without an added line."""
        fired = (each for each in self._findings if each.before is not None)
        return Findings([each for each in fired if each.before and not each.before.captured])

    @property
    def surprising(self) -> "Findings":
        """The failures whose result differs from the declared one: the SDK has changed."""
        return Findings([each for each in self._findings if each.holds is False])

    @property
    def flips(self) -> "Findings":
        """The failures for which the other generation of the Python SDK does the opposite.

        That is declared in ``blind_spot.in_other_generation``, not fired.
        """
        return Findings([each for each in self._findings if each.blind_spot.flips])

    @property
    def sdks(self) -> list[str]:
        """The SDKs that sent the events, with their versions: ``sentry-sdk 2.75.0``."""
        packages = {
            (as_str(event.find("sdk.packages[0].name")), as_str(event.find("sdk.version")))
            for finding in self._findings
            for firing in (finding.before, finding.after)
            for event in (firing.events if firing else ())
        }
        # The package name includes its registry: pypi:sentry-sdk.
        return sorted(f"{name.partition(':')[2]} {version}" for name, version in packages if name)

    def __repr__(self) -> str:
        return f"<Findings: {len(self.captured)} captured by default, {len(self.missed)} not>"

    def _repr_html_(self) -> str:
        return findings_table(self)


def select(wanted: Sequence[str | BlindSpot]) -> list[BlindSpot]:
    """Return the failures with these ids and runtimes; all of them when none is given.

    Your own BlindSpot is used as it is. Raises KeyError for an unknown name.
    """
    if not wanted:
        return list(BLIND_SPOTS)
    named = ([each] if isinstance(each, BlindSpot) else _find_named(each) for each in wanted)
    return list(chain.from_iterable(named))


def _find_named(name: str) -> list[BlindSpot]:
    found = [spot for spot in BLIND_SPOTS if name in (spot.id, spot.runtime)]
    if not found:
        raise KeyError(f"There is no failure {name!r}; runtimes: {', '.join(RUNTIMES)}.")
    return found


def fire_all(blind_spots: Sequence[BlindSpot], client: BaseClient, store: Store) -> Findings:
    """Fire failures, with a progress line in the notebook. Raises FiringError."""
    progress, began = _ProgressLine(), time.monotonic()
    progress.show("now", f"Firing {len(blind_spots)} failures")
    try:
        findings = run_blind_spots(blind_spots, client, store, progress.count)
    except BaseException:
        progress.show("lack", "Some could not be fired")
        raise
    twice = sum(1 for finding in findings if finding.after is not None)
    took = time.monotonic() - began
    progress.show("done", f"{len(findings)} fired, {twice} of them again, in {took:.1f} s")
    return Findings(findings)


class _ProgressLine:
    """A line in the output of the running cell; nothing outside a notebook."""

    def __init__(self) -> None:
        self._line = Static() if get_ipython() else None
        if self._line:
            self._line.display()

    def show(self, state: str, text: str) -> None:
        if self._line:
            self._line.show(render("state.html", steps=[Step(state, text)]))

    def count(self, done: int, total: int) -> None:
        self.show("now", f"Fired {done} of {total}")


# On screen


@dataclass(frozen=True)
class FindingRow:
    """A finding for its row, with as many cards as there is room for."""

    finding: BlindSpotFinding
    cards: list[tuple[str, Firing, Markup | None]]


@dataclass(frozen=True)
class RuntimeGroup:
    """The rows of a runtime."""

    runtime: str
    prelude: str
    rows: list[FindingRow]
    findings: Findings


def findings_table(findings: Findings) -> Markup:
    """Return a table for each runtime, all but the first collapsed."""
    return render(
        "blind_spots.html",
        findings=findings,
        groups=list(_runtime_groups(findings)),
        other_sdk=f"sentry-sdk {OTHER_GENERATION}",
    )


def _runtime_groups(findings: Findings) -> Iterator[RuntimeGroup]:
    room, styled = MAX_CARD_CHARACTERS, False
    for runtime, members in groupby(findings, lambda finding: finding.blind_spot.runtime):
        kept, rows = list(members), []
        for finding in kept:
            cards: list[tuple[str, Firing, Markup | None]] = []
            for which, firing in (("by default", finding.before), ("with the line", finding.after)):
                if firing is None or firing.event is None:
                    continue
                html: str = firing.event._repr_html_()
                # One style sheet is enough for all cards of a page.
                html = STYLE.sub("", html) if styled else html
                card = Markup(html) if len(html) <= room else None  # noqa: S704 - all is escaped
                styled, room = styled or card is not None, room - len(card or "")
                cards.append((which, firing, card))
            rows.append(FindingRow(finding, cards))
        yield RuntimeGroup(RUNTIMES[runtime], PRELUDES[runtime], rows, Findings(kept))
