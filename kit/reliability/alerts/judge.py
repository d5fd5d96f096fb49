"""What alerts are worth: the pages, against the incidents that there really were."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from markupsafe import Markup

from kit.html import render
from kit.reliability.alerts.timeline import Fired, draw_timeline
from kit.reliability.faults.incident import Incident
from kit.words import count_noun

# Errors of an incident still arrive when it has just ended.
GRACE_S = 10.0


class Paged(Fired, Protocol):
    """A firing, as far as it is judged."""

    @property
    def is_page(self) -> bool:
        """Whether somebody is woken."""


@dataclass(frozen=True)
class IncidentVerdict:
    """An incident, and the pages during it, the first of which found it."""

    incident: Incident
    firings: tuple[Paged, ...]

    @property
    def delay_s(self) -> float | None:
        """How long after its start the first page came; None when none did."""
        return self.firings[0].at - self.incident.starts_at if self.firings else None


@dataclass(frozen=True)
class JudgedRow:
    """An incident, with the number that it has in the drawing."""

    number: int
    verdict: IncidentVerdict

    @property
    def name(self) -> str:
        """The fault, or that it is a no-op."""
        return self.verdict.incident.fault or "no-op"

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be: an incident is paged, a no-op is not."""
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
    """Pages against incidents. Several firings during one incident are one page.

    ``precision`` is the share of pages that are of an incident, ``recall`` the share of incidents
    that were paged, ``delay`` the median of seconds from an incident's start to its page, each
    None where there is nothing to divide by. ``noise`` are the firings outside of any incident,
    those during a no-op among them; ``noise_per_hour`` is how many that is in an hour. Firings
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
        """How often somebody is woken."""
        return len(self.detected) + len(self.noise)

    @property
    def firings(self) -> int:
        """How many notifications that are, with the repeated ones."""
        return sum(len(each.firings) for each in self.verdicts) + len(self.noise)

    @property
    def precision(self) -> float | None:
        """The share of pages that are of an incident."""
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
        """Pages of no incident, in an hour of the time that was looked at."""
        hours = (self.span[1] - self.span[0]) / 3600
        return len(self.noise) / hours if hours > 0 else 0.0

    @property
    def sentence(self) -> str:
        """All of it in a sentence."""
        found = f"{len(self.detected)} of {count_noun(len(self.verdicts), 'incident')} paged"
        late = f", after {self.delay:.0f} s in the median" if self.delay is not None else ""
        noise = f"{count_noun(len(self.noise), 'page')} of no incident"
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
        """All incidents in their order, each with what came of it."""
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
    """Return what pages are worth, against what really happened.

    ``span`` is from when to when was looked: by default from the first to the last of all. A page
    counts for an incident up to ``grace_s`` seconds after its end; of several that overlap, for the
    one that began last and is not paged yet.
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
    """Return a span of time that holds all of the times."""
    first = min([*times, *(span or ())[:1]], default=0.0)
    last = max([*times, *(span or ())[1:]], default=0.0)
    return first, last


def _start(incident: Incident) -> float:
    return incident.starts_at


def share_words(value: float | None) -> str:
    """Return a share as a percentage; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.0f} %"
