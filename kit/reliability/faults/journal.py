"""The journal of an injection: when it was on, what it hit, and whether all of it was seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, overload

from markupsafe import Markup

from kit.html import render
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.reconciliation import NOT_HIT, SIGN_NOUNS, Reconciliation
from kit.words import count_noun

SHOWN_TRACES = 3

Tone = Literal["", "well", "ill"]
# How the journal describes each end; "lost": the process that had the lease ended.
ENDS = {
    "lease": "off by itself",
    "cleared": "off by hand",
    "replaced": "replaced: the same fault was injected again",
    "lost": "gone: the process that had the lease ended",
}


@dataclass(frozen=True)
class JournalLine:
    """One line of the journal; ``at`` is in seconds since the epoch, None for a result."""

    text: str
    at: float | None = None
    tone: Tone = ""

    @property
    def time(self) -> str:
        """The local time of day."""
        return "" if self.at is None else f"{datetime.fromtimestamp(self.at):%H:%M:%S}"

    @property
    def mark(self) -> str:
        """A symbol with the same meaning as the colour."""
        return {"": "", "well": "✓", "ill": "✗"}[self.tone]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.time, self.mark, self.text]))


class FaultJournal(Sequence[JournalLine]):
    """What is known about an injection, line by line; shown in a notebook as a table.

    ``reconciliation`` compares what was injected with what was seen.
    """

    def __init__(
        self,
        fault: Fault,
        flag: str,
        incident: Incident,
        ended_by: str | None,
        reconciliation: Reconciliation,
    ) -> None:
        self.fault, self.flag, self.incident = fault, flag, incident
        self.ended_by, self.reconciliation = ended_by, reconciliation
        self._lines = tuple(self._history()) + tuple(self._results())

    @overload
    def __getitem__(self, index: int) -> JournalLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JournalLine]: ...
    def __getitem__(self, index: int | slice) -> JournalLine | Sequence[JournalLine]:
        return self._lines[index]

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def holds(self) -> bool:
        """Whether the injection hit something, and all of it was seen."""
        return self.reconciliation.holds

    def __str__(self) -> str:
        return "\n".join([f"{self.fault.name}: {self.fault.title}", *map(str, self)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Markup:
        return render("faults_journal.html", journal=self)

    def _history(self) -> Iterator[JournalLine]:
        incident = self.incident
        share, seconds = f"{100 * incident.share:g} %", incident.ends_at - incident.starts_at
        flag = "" if self.flag == self.fault.name else f", as the flag {self.flag}"
        terms = f"{share} of the requests, seed {incident.seed}{flag}"
        if self.ended_by is None:
            yield JournalLine(f"on: {terms}, for {seconds:.0f} s", incident.starts_at)
            return
        yield JournalLine(f"on: {terms}", incident.starts_at)
        ended = f"{ENDS[self.ended_by]}, after {seconds:.0f} s"
        yield JournalLine(ended, incident.ends_at)

    def _results(self) -> Iterator[JournalLine]:
        found = self.reconciliation
        asked = f"asked for {100 * found.asked:g} %"
        if found.hits:
            total = max(found.spins, found.hits)
            share = f"{100 * found.hits / total:.1f} %, {asked}"
            yield JournalLine(f"hit {found.hits:,} of {count_noun(total, found.noun)} ({share})")
            yield self._seen()
            if found.masked:
                masked = count_noun(found.masked, "hit")
                yield JournalLine(f"{masked} masked: another fault got to the same request first")
        else:
            yield self._nothing(asked)
        yield from self._unexplained()
        others = [(found.slow_others, "slow"), (found.refused_others, "failed")]
        if told := [f"{count:,} {what}" for count, what in others if count]:
            yield JournalLine(f"not hit, but {', '.join(told)}: collateral, or another cause")

    def _nothing(self, asked: str) -> JournalLine:
        found = self.reconciliation
        spins = count_noun(found.spins, found.noun)
        if self.ended_by is None:
            return JournalLine(f"hit nothing yet: 0 of {spins} ({asked})")
        step = (
            "Raise the share or the time."
            if found.spins
            else "No requests were made while it was on. Start traffic, or play."
        )
        return JournalLine(f"HIT NOTHING: 0 of {spins} ({asked}). {step}", tone="ill")

    def _seen(self) -> JournalLine:
        found = self.reconciliation
        counted = [
            f"{count:,} {SIGN_NOUNS[sign][count != 1]}" for sign, count in found.seen.items()
        ]
        errors = f"{count_noun(found.without, 'error event')} without a hit"
        signs = "; ".join([*counted, *filter(None, [found.remark]), errors])
        count = found.hits - found.missed - found.masked
        seen = f"{count:,} of {count_noun(found.hits, 'hit')} seen: {signs}"
        if not self.fault.shows and not found.remark:
            seen = f"a hit leaves no sign; {errors}"
        return JournalLine(seen, tone="ill" if found.missed else "well")

    def _unexplained(self) -> Iterator[JournalLine]:
        reasons: dict[str, list[str]] = {}
        for each in self.reconciliation.unexplained:
            reasons.setdefault(each.why, []).append(each.trace_id)
        for why, traces in reasons.items():
            rest = len(traces) - SHOWN_TRACES
            shown = ", ".join(filter(None, traces[:SHOWN_TRACES]))
            text = f"{len(traces):,} unexplained: {why}. {shown}"
            more = f" and {rest} more" if rest > 0 else ""
            is_wrong = self.ended_by is not None or why == NOT_HIT
            yield JournalLine(f"{text}{more}", tone="ill" if is_wrong else "")
