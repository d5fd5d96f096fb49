"""The result of an experiment, read from the engine's journal: verdict, timeline, blast radius."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from markupsafe import Markup

from kit.html import render
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str
from kit.reliability.chaos.catalogue import DeclaredExperiment
from kit.reliability.chaos.document import (
    Outcome,
    hypothesis_probes,
    injected_terms,
    say_hypothesis,
    say_probe,
)
from kit.words import count_noun

ChaosVerdict = Literal[
    "running",
    "holds",
    "deviates",
    "not begun",
    "aborted",
    "interrupted",
    "not recovered",
    "hit nothing",
]
Phase = Literal["before", "during", "after"]
# How many of the last checks after the rollback are shown.
SHOWN_AFTER = 3
# The value of a probe that had too few answers to measure.
UNKNOWN = "–"
_COUNTS = ("spins", "hit", "failed", "late", "players")


@dataclass(frozen=True)
class SteadyCheck:
    """A check of the steady state; ``at`` is in seconds since the epoch.

    ``values`` has the value of each probe and whether it is within its tolerance, up to the first
    that is not.
    """

    phase: Phase
    at: float
    is_met: bool
    values: tuple[tuple[str, bool], ...]

    @property
    def mark(self) -> str:
        """A symbol for it; after the rollback, a check without enough answers does not fail yet."""
        return "…" if self.is_too_early else "✓" if self.is_met else "✗"

    @property
    def is_too_early(self) -> bool:
        """Whether there were too few answers since the rollback to measure."""
        return self.phase == "after" and self.values[-1:] == ((UNKNOWN, False),)


@dataclass(frozen=True)
class BlastRadius:
    """How far the fault reached; None for what is unknown.

    ``hit`` of ``spins`` were hit, ``failed`` and ``late`` are spins of ``players``. ``missing``
    are spins missing from the statistics, ``coins`` the difference of the balances.
    """

    spins: int
    hit: int
    failed: int
    late: int
    players: int
    services: tuple[str, ...]
    events: int | None
    issues: int | None
    retries: int | None
    missing: int | None
    coins: int | None

    def __str__(self) -> str:
        harmed = f"{self.failed + self.late} of {count_noun(self.spins, 'spin')} failed or late"
        said = [harmed, count_noun(self.players, "player"), f"{self.hit} hit"]
        if self.events is not None and self.issues is not None:
            names = f" ({', '.join(self.services)})" if self.services else ""
            said.append(count_noun(self.events, "error event") + names)
            said.append(count_noun(self.issues, "issue"))
        return ", ".join(said)

    @property
    def unasked(self) -> Iterator[str]:
        """What no hypothesis about success and latency asks for, one line each."""
        if self.missing:
            yield f"{count_noun(self.missing, 'spin')} missing from the statistics"
        if self.coins:
            yield f"{count_noun(self.coins, 'coin')} unaccounted for"


class ChaosResult:
    """The result of an experiment; shown in a notebook as a timeline with a verdict.

    ``predicted`` is the prediction, ``declared`` the experiment as it comes with the workshop, if
    it does.
    """

    def __init__(
        self,
        journal: Mapping[str, Any],
        predicted: Outcome | None = None,
        declared: DeclaredExperiment | None = None,
    ) -> None:
        self.journal, self.predicted, self._declared = journal, predicted, declared
        self._added = as_mapping(journal.get("workshop"))

    @property
    def document(self) -> Mapping[str, Any]:
        """The document that ran."""
        return as_mapping(self.journal.get("experiment"))

    @property
    def checks(self) -> list[SteadyCheck]:
        """All checks of the steady state, earliest first."""
        states = as_mapping(self.journal.get("steady_states"))
        found = [_read_check("before", states.get("before"))]
        found += [_read_check("during", state) for state in as_list(states.get("during"))]
        # The engine makes its last check while the fault is still on.
        found.append(_read_check("during", states.get("after")))
        recovery = as_mapping(self._added.get("recovery"))
        found += [
            _read_check("after", each.get("state"))
            for each in as_mappings(as_list(recovery.get("checks")))
        ]
        return [check for check in found if check is not None]

    @property
    def verdict(self) -> ChaosVerdict:
        """The outcome in a word or two."""
        checks = self.checks
        before = [check for check in checks if check.phase == "before"]
        if not self.is_over:
            return "running"
        if before and not before[0].is_met:
            return "not begun"
        recovery = as_mapping(self._added.get("recovery"))
        if recovery and not recovery.get("is_recovered"):
            return "not recovered"
        if any(not check.is_met for check in checks if check.phase == "during"):
            return "deviates"
        if self.aborted:
            return "aborted"
        if self.journal.get("status") != "completed":
            return "interrupted"
        return "holds" if self.blast.hit else "hit nothing"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return "end" in self.journal

    @property
    def aborted(self) -> str:
        """Which limit ended it early; empty if none did."""
        return as_str(self._added.get("aborted"))

    @property
    def is_as_predicted(self) -> bool:
        """Whether the prediction was right."""
        return self.predicted == self.verdict

    @property
    def recovered_after_s(self) -> float | None:
        """How many seconds after the rollback the steady state held again; None if it did not."""
        recovery = as_mapping(self._added.get("recovery"))
        return float(recovery["after_s"]) if recovery.get("is_recovered") else None

    @property
    def blast(self) -> BlastRadius:
        """How far the fault reached."""
        added = self._added
        count = {name: int(added.get(name) or 0) for name in _COUNTS}
        return BlastRadius(
            **count,
            services=tuple(map(as_str, as_list(added.get("services")))),
            events=added.get("events"),
            issues=added.get("issues"),
            retries=added.get("retries"),
            missing=added.get("missing"),
            coins=added.get("coins"),
        )

    @property
    def cause(self) -> str:
        """The explanation, if the outcome is the declared one; else empty."""
        declared = self._declared
        if declared is None or self.verdict != declared.expected:
            return ""
        terms = injected_terms(self.document)
        return declared.cause if terms.get("fault") == declared.terms.fault else ""

    @property
    def headline(self) -> str:
        """The verdict as a sentence, with the prediction."""
        predicted = f" You predicted “{self.predicted}”." if self.predicted else ""
        return f"{_SAYS[self.verdict]}{predicted}"

    @property
    def timeline(self) -> str:
        """What happened when, in one line."""
        parts, checks = [], self.checks
        marks = {
            phase: "".join(check.mark for check in checks if check.phase == phase)
            for phase in ("before", "during", "after")
        }
        terms = injected_terms(self.document)
        if marks["before"]:
            parts.append(f"before {marks['before']}")
        if self.fault_began_at is not None:
            parts.append(f"{terms.get('fault')} on")
            parts.append(f"during {marks['during'] or '–'}")
        if self.fault_ended_at is not None:
            parts.append("rollback")
        if marks["after"]:
            took = self.recovered_after_s
            parts.append(f"after {marks['after']}" + (f" in {took:.1f} s" if took else ""))
        return " · ".join(parts)

    @property
    def fault_began_at(self) -> float | None:
        """When the fault was switched on, in seconds since the epoch; None if it was not."""
        for run in as_mappings(as_list(self.journal.get("run"))):
            provider = as_mapping(as_mapping(run.get("activity")).get("provider"))
            if provider.get("func") == "inject_fault" and run.get("status") == "succeeded":
                return _seconds(run.get("end"))
        return None

    @property
    def fault_ended_at(self) -> float | None:
        """When the rollback ended, in seconds since the epoch; None without a fault."""
        ends = [_seconds(run.get("end")) for run in as_mappings(self.journal.get("rollbacks"))]
        known = [end for end in ends if end is not None]
        return max(known) if known and self.fault_began_at is not None else None

    def __str__(self) -> str:
        lines = [as_str(self.document.get("title")), self.timeline, self.headline]
        if self.is_over:
            lines += [f"Blast radius: {self.blast}."]
            lines += [f"Not asked for: {line}." for line in self.blast.unasked]
        return "\n".join([*lines, *filter(None, [self.aborted, self.cause])])

    def __repr__(self) -> str:
        return f"<ChaosResult {self.verdict}: {self.timeline}>"

    def _repr_html_(self) -> Markup:
        checks = self.checks
        after = [check for check in checks if check.phase == "after"]
        hidden = set(map(id, after[:-SHOWN_AFTER]))
        shown = [check for check in checks if id(check) not in hidden]
        return render(
            "chaos_result.html",
            result=self,
            title=as_str(self.document.get("title")),
            hypothesis=say_hypothesis(self.document),
            rows=list(_rows(self.document, shown)),
            checks=[(check, self._label(check)) for check in shown],
            counts={
                phase: sum(check.phase == phase for check in shown)
                for phase in ("before", "during", "after")
            },
            fault=injected_terms(self.document),
            lasted=self._lasted(),
        )

    def _lasted(self) -> str:
        began, ended = self.fault_began_at, self.fault_ended_at
        return "" if began is None or ended is None else f"{ended - began:.0f} s"

    def _label(self, check: SteadyCheck) -> str:
        """Return the time of a check, since the fault began or since the rollback."""
        origin = {"during": self.fault_began_at, "after": self.fault_ended_at}.get(check.phase)
        return "" if origin is None else f"{max(check.at - origin, 0):.0f} s"


_SAYS: Mapping[ChaosVerdict, str] = {
    "running": "Running.",
    "holds": "The hypothesis holds.",
    "deviates": "The steady state deviates.",
    "not begun": "Not begun: the steady state did not hold before any fault.",
    "aborted": "Aborted: a limit was crossed. The fault is off.",
    "interrupted": "Interrupted. The fault is off.",
    "not recovered": "Not recovered: the steady state did not return within 30 seconds.",
    "hit nothing": "The fault hit no spin, so this proves nothing. Raise the share or the time.",
}


def _rows(
    document: Mapping[str, Any], checks: list[SteadyCheck]
) -> Iterator[tuple[str, list[tuple[str, bool] | None]]]:
    """Yield each probe in words with its value at each check; None if it returned nothing."""
    said = [() if check.is_too_early else check.values for check in checks]
    for place, probe in enumerate(hypothesis_probes(document)):
        yield say_probe(probe), [each[place] if place < len(each) else None for each in said]


def _read_check(phase: Phase, state: Any) -> SteadyCheck | None:
    found = as_mapping(state)
    probes = as_mappings(as_list(found.get("probes")))
    if not probes or not isinstance(found.get("steady_state_met"), bool):
        return None
    values = tuple((_value(probe), bool(probe.get("tolerance_met"))) for probe in probes)
    at = _seconds(probes[-1].get("end")) or 0.0
    return SteadyCheck(phase, at, bool(found["steady_state_met"]), values)


def _value(probe: Mapping[str, Any]) -> str:
    output = probe.get("output")
    return f"{output:.3g}" if isinstance(output, int | float) else UNKNOWN


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(as_str(text)).timestamp()
    except ValueError:
        return None
