"""What alerts are worth: their pages, compared with the incidents that really happened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from markupsafe import Markup

from kit.html import render
from kit.reliability.alerts.timeline import Fired, draw_timeline
from kit.reliability.faults.incident import Incident
from kit.words import count_noun

# Errors of an incident may still arrive just after its end.
GRACE_S = 10.0


class Paged(Fired, Protocol):
    """What is judged of a firing."""

    @property
    def is_page(self) -> bool:
        """Whether it wakes somebody."""


@dataclass(frozen=True)
class IncidentVerdict:
    """An incident and the pages during it; the first page detected it."""

    incident: Incident
    firings: tuple[Paged, ...]

    @property
    def delay_s(self) -> float | None:
        """How long after its start the first page came; None if none did."""
        return self.firings[0].at - self.incident.starts_at if self.firings else None


@dataclass(frozen=True)
class JudgedRow:
    """An incident, with its number in the drawing."""

    number: int
    verdict: IncidentVerdict

    @property
    def name(self) -> str:
        """The name of the fault, or that it is a no-op."""
        return self.verdict.incident.fault or "no-op"

    @property
    def is_good(self) -> bool:
        """Whether the result is right: an incident is paged, a no-op is not."""
        return bool(self.verdict.firings) is not self.verdict.incident.is_no_op

    @property
    def words(self) -> str:
        """How late it was paged."""
        delay = self.verdict.delay_s
        if delay is None:
            return "not paged"
        return "paged: noise" if self.verdict.incident.is_no_op else f"paged after {delay:.1f} s"


@dataclass(frozen=True, repr=False)
class AlertJudgement:
    """Pages compared with incidents. Several firings during one incident are one page.

    ``precision`` is the share of pages that belong to an incident, ``recall`` the share of
    incidents that were paged, ``delay`` the median of seconds from an incident's start to its
    page, each None if there is nothing to divide by. ``noise`` are the firings outside of any
    incident, including those during a no-op; ``noise_per_hour`` is their number per hour. Firings
    without a page, such as tickets, are not judged: ``unjudged`` counts them.
    """

    verdicts: tuple[IncidentVerdict, ...]
    noise: tuple[Paged, ...]
    no_ops: tuple[Incident, ...]
    span: tuple[float, float]
    unjudged: int = 0

    @property
    def detected(self) -> list[IncidentVerdict]:
        """The incidents that were paged."""
        return [each for each in self.verdicts if each.firings]

    @property
    def pages(self) -> int:
        """How often the pages wake somebody."""
        return len(self.detected) + len(self.noise)

    @property
    def firings(self) -> int:
        """How many notifications there are, including repeated ones."""
        return sum(len(each.firings) for each in self.verdicts) + len(self.noise)

    @property
    def precision(self) -> float | None:
        """The share of pages that belong to an incident."""
        return len(self.detected) / self.pages if self.pages else None

    @property
    def recall(self) -> float | None:
        """The share of incidents that were paged."""
        return len(self.detected) / len(self.verdicts) if self.verdicts else None

    @property
    def delay(self) -> float | None:
        """The median of seconds from an incident's start to its page."""
        delays = [each.delay_s for each in self.detected if each.delay_s is not None]
        return median(delays) if delays else None

    @property
    def noise_per_hour(self) -> float:
        """Pages without an incident, per hour of the observed time."""
        hours = (self.span[1] - self.span[0]) / 3600
        return len(self.noise) / hours if hours > 0 else 0.0

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        found = f"{len(self.detected)} of {count_noun(len(self.verdicts), 'incident')} paged"
        late = f", after a median of {self.delay:.0f} s" if self.delay is not None else ""
        noise = f"{count_noun(len(self.noise), 'page')} without an incident"
        return f"{found}{late}; {noise}. {count_noun(self.pages, 'page')} in all."

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.sentence} (simulated)",
                f"precision {share_words(self.precision)}, recall {share_words(self.recall)}, "
                f"noise {self.noise_per_hour:.1f} an hour",
                *(f"{each.number} {each.name}: {each.words}" for each in self.rows),
            ]
        )

    def __repr__(self) -> str:
        return f"<AlertJudgement: {self.sentence}>"

    @property
    def rows(self) -> list["JudgedRow"]:
        """All incidents in order, each with its outcome."""
        no_ops = [IncidentVerdict(each, tuple(self._during(each))) for each in self.no_ops]
        ordered = sorted([*self.verdicts, *no_ops], key=lambda each: each.incident.starts_at)
        return [JudgedRow(number, each) for number, each in enumerate(ordered, start=1)]

    def _during(self, no_op: Incident) -> list[Paged]:
        return [each for each in self.noise if no_op.starts_at <= each.at <= no_op.ends_at]

    def _repr_html_(self) -> Markup:
        paged = [firing for each in self.verdicts for firing in each.firings]
        incidents = [*(each.incident for each in self.verdicts), *self.no_ops]
        return render(
            "alerts_judgement.html",
            judgement=self,
            shares=(share_words(self.precision), share_words(self.recall)),
            timeline=draw_timeline([*paged, *self.noise], incidents, self.span),
        )


def judge(
    firings: Iterable[Paged],
    incidents: Sequence[Incident],
    *,
    span: tuple[float, float] | None = None,
    grace_s: float = GRACE_S,
) -> AlertJudgement:
    """Return what pages are worth, judged by what really happened.

    ``span`` is the observed time: by default from the first to the last of all. A page counts for
    an incident up to ``grace_s`` seconds after its end; if several overlap, for the one that began
    last and is not paged yet.
    """
    fired = sorted(firings, key=lambda firing: firing.at)
    real = sorted((each for each in incidents if not each.is_no_op), key=_start)
    found: list[list[Paged]] = [[] for _ in real]
    noise: list[Paged] = []
    for firing in fired:
        if firing.is_page:
            during = [
                number
                for number, each in enumerate(real)
                if each.starts_at <= firing.at <= each.ends_at + grace_s
            ]
            fresh = [number for number in during if not found[number]]
            (found[(fresh or during)[-1]] if during else noise).append(firing)
    times = [
        *(firing.at for firing in fired),
        *(at for each in incidents for at in (each.starts_at, each.ends_at)),
    ]
    return AlertJudgement(
        tuple(IncidentVerdict(each, tuple(of)) for each, of in zip(real, found, strict=True)),
        tuple(noise),
        tuple(each for each in incidents if each.is_no_op),
        _widen(span, times),
        sum(not firing.is_page for firing in fired),
    )


def _widen(span: tuple[float, float] | None, times: Sequence[float]) -> tuple[float, float]:
    """Return a span of time that contains all of the times."""
    first = min([*times, *(span or ())[:1]], default=0.0)
    last = max([*times, *(span or ())[1:]], default=0.0)
    return first, last


def _start(incident: Incident) -> float:
    return incident.starts_at


def share_words(value: float | None) -> str:
    """Return a share as a percentage; a dash for None."""
    return "–" if value is None else f"{100 * value:.0f} %"
