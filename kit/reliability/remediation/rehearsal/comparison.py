"""Virtual months with and without a responder, on the same seeds: what repairs are worth."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from kit.html import render
from kit.reliability.remediation.journal import RepairCase
from kit.reliability.remediation.ladder import LadderEvidence
from kit.reliability.remediation.rehearsal.incidents import (
    MIX,
    PERSON_S,
    RELAPSE_AFTER_S,
    VirtualAlert,
    VirtualIncident,
    VirtualKind,
    draw_incidents,
)
from kit.reliability.remediation.rehearsal.world import RATE, VirtualHands, World
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action, KnownAlert, RepairProof, Runbook
from kit.words import count_noun

SERVICES = ("payment", "game-engine")
# The virtual system's requests in a month, of which 1 % may fail.
BUDGET = RATE * 30 * 24 * 3600 * 0.01


@dataclass(frozen=True)
class RehearsedIncident:
    """The result of an incident: failed requests, seconds, actions, and whether a person came.

    ``wrong`` counts unneeded actions.
    """

    kind: VirtualKind
    bad: float
    down_s: float
    actions: int
    wrong: int
    is_escalated: bool


@dataclass(frozen=True)
class RemediationMonth:
    """The incidents of a seed, played one way."""

    seed: int
    incidents: tuple[RehearsedIncident, ...]

    @property
    def budget(self) -> float:
        """The share of the month's error budget that the incidents spent."""
        return sum(each.bad for each in self.incidents) / BUDGET


@dataclass(frozen=True)
class RemediationTotals:
    """The totals of all months played one way; ``mttr_s`` is the median of real incidents."""

    budget: float
    mttr_s: float
    actions: int
    wrong: int
    escalated: int


@dataclass(frozen=True)
class RemediationComparison:
    """The same virtual incidents without and with repairs. Simulated: nothing here was measured."""

    without: tuple[RemediationMonth, ...]
    repaired: tuple[RemediationMonth, ...]

    @property
    def totals(self) -> tuple[RemediationTotals, RemediationTotals]:
        """The totals without and with repairs."""
        return _total(self.without), _total(self.repaired)

    @property
    def budget_ratio(self) -> float:
        """The budget spent with repairs, as a share of that spent without, from 0."""
        without, repaired = self.totals
        return repaired.budget / without.budget if without.budget else 1.0

    @property
    def bound(self) -> float:
        """The least that ``budget_ratio`` can be: what incidents without a runbook spend."""
        played = _played(self.without)
        total = sum(each.bad for each in played)
        others = sum(each.bad for each in played if each.kind != "known")
        return others / total if total else 1.0

    @property
    def wrong_share(self) -> float:
        """The share of actions that were wrong or unneeded, from 0 to 1."""
        repaired = self.totals[1]
        return repaired.wrong / repaired.actions if repaired.actions else 0.0

    @property
    def unknown_escalated(self) -> tuple[int, int]:
        """How many unknown incidents reached a person, and how many there were."""
        unknown = [each for each in _played(self.repaired) if each.kind == "unknown"]
        return sum(each.is_escalated for each in unknown), len(unknown)

    @property
    def kinds(self) -> dict[VirtualKind, tuple[int, float, float]]:
        """By kind: how many, and the mean seconds to the end, without and with repairs."""
        found: dict[VirtualKind, tuple[int, float, float]] = {}
        for kind in MIX:
            ways = [
                [each.down_s for each in _played(months) if each.kind == kind]
                for months in (self.without, self.repaired)
            ]
            if ways[0]:
                found[kind] = (len(ways[0]), statistics.mean(ways[0]), statistics.mean(ways[1]))
        return found

    @property
    def sentence(self) -> str:
        """The result in words."""
        incidents = count_noun(sum(self._counts), "simulated incident")
        if not self.totals[1].actions:
            return f"No effect shown: no action was taken in {incidents}. Check the levels."
        return (
            f"In {incidents}, repairs spend {100 * self.budget_ratio:.0f} % of the budget that is "
            f"spent without them (at best {100 * self.bound:.0f} %, for incidents that are unknown "
            f"or only look known); {self.totals[1].wrong} of {self.totals[1].actions} actions were "
            "wrong or needless."
        )

    @property
    def assumptions(self) -> str:
        """The assumptions behind the figures."""
        mix = ", ".join(f"{100 * share:.0f} % {kind}" for kind, share in MIX.items())
        low, high = (seconds / 60 for seconds in PERSON_S)
        return (
            f"Assumed: {mix}; a person takes {low:.0f} to {high:.0f} minutes; 1 action in 20 does "
            "not help, 1 in 50 hangs; 1 known incident in 20 comes back until a person finds the "
            "cause. The responder is the real one, on a virtual clock."
        )

    @property
    def _counts(self) -> list[int]:
        return [len(month.incidents) for month in self.without]

    def rows(self) -> list[tuple[str, str, str]]:
        """Return the comparison: each name, with its values without and with repairs."""
        one, other = self.totals
        reached, unknown = self.unknown_escalated
        return [
            ("Error budget spent", f"{100 * one.budget:.0f} %", f"{100 * other.budget:.0f} %"),
            ("Median time to recovery", _clock(one.mttr_s), _clock(other.mttr_s)),
            ("Actions", "–", f"{other.actions}"),
            ("Wrong or needless", "–", f"{other.wrong} ({100 * self.wrong_share:.1f} %)"),
            ("Cases for a person", f"{one.escalated}", f"{other.escalated}"),
            (
                "Unknown incidents escalated",
                f"{unknown} of {unknown}",
                f"{reached} of {unknown}",
            ),
        ]

    def __str__(self) -> str:
        lines = [f"{name:36} {one:>12} {other:>14}" for name, one, other in self.rows()]
        head = f"{'':36} {'without':>12} {'with repairs':>14}"
        return "\n".join([f"{self.sentence} (simulated)", head, *lines, self.assumptions])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Markup:
        return render("remediation_comparison.html", comparison=self, clock=_clock)


def compare_remediation(
    seeds: Iterable[int] = range(20), runbooks: Sequence[Runbook] = ()
) -> RemediationComparison:
    """Play virtual months with and without repairs, one per seed, and return both.

    The virtual runbooks have the limits, deadlines and levels of ``runbooks``; without any, there
    are two that have earned auto. Simulated.
    """
    given = tuple(seeds)
    terms = tuple(runbooks) or _default_runbooks()
    return RemediationComparison(
        tuple(_play_alone(seed, len(terms)) for seed in given),
        tuple(_play_repaired(seed, terms) for seed in given),
    )


def _play_alone(seed: int, runbooks: int) -> RemediationMonth:
    """Play a month in which each alert goes to a person."""
    world, played = World(seed), []
    for incident in draw_incidents(seed, runbooks):
        before = _stand(world)
        world.clock.sleep(incident.wait_s)
        world.begin(incident)
        world.clock.sleep(incident.alert_after_s + incident.person_s)
        world.heal()
        played.append(_what_it_cost(incident, world, before, is_escalated=True))
    return RemediationMonth(seed, tuple(played))


class _RepairedMonth:
    """A month in which the responder gets the alerts, and a person gets what it escalates."""

    def __init__(self, seed: int, terms: Sequence[Runbook]) -> None:
        self.world = World(seed)
        self.hands = VirtualHands(self.world.clock)
        self.incident: VirtualIncident | None = None
        twins = [self._twin(number, each) for number, each in enumerate(terms)]
        self.responder = Responder(
            twins, targets=SERVICES, clock=self.world.clock, hands=self.hands
        )
        self._names = [twin.name for twin in twins]

    def play(self, number: int, incident: VirtualIncident) -> RehearsedIncident:
        """Play one incident until it is over for good."""
        world, before = self.world, _stand(self.world)
        world.clock.sleep(incident.wait_s)
        self.hands.end_late()
        self.responder.work()
        self.incident = incident
        world.begin(incident)
        while True:
            world.clock.sleep(incident.alert_after_s)
            case = self._alert(number, incident)
            if case.state != "proved":
                world.clock.sleep(incident.person_s)
                world.heal()
                return _what_it_cost(incident, world, before, is_escalated=True)
            if world.comes_back and not world.is_ill:
                world.clock.sleep(RELAPSE_AFTER_S)
                world.relapse(incident)
            elif not world.is_ill or not incident.failing:
                world.heal()
                return _what_it_cost(incident, world, before, is_escalated=False)

    def _alert(self, number: int, incident: VirtualIncident) -> RepairCase:
        name = self._names[incident.runbook]
        title = "an unknown error" if incident.kind == "unknown" else name
        self.responder.on_alert(VirtualAlert(f"{number}", "virtual", title))
        self.responder.work()
        while self.responder.waiting:
            self.world.clock.sleep(incident.answer_s)
            self.responder.approve()
            self.responder.work()
        return self.responder.journal[-1]

    def _twin(self, number: int, terms: Runbook) -> Runbook:
        """Return a runbook with the same terms for the virtual system."""
        world = self.world

        def expects() -> bool:
            return self.incident is not None and world.check_health(self.incident)

        def act() -> None:
            if self.incident is not None:
                world.act(self.incident)

        name = f"virtual {number}: {terms.name}"
        target = SERVICES[number % len(SERVICES)]
        proof = replace(terms.proof, sli=world.measure)
        action = Action(f"restart {target}", target, act)

        def knows(alert: KnownAlert) -> bool:
            return alert.title == name

        return replace(terms, name=name, knows=knows, when=expects, action=action, proof=proof)


def _play_repaired(seed: int, terms: Sequence[Runbook]) -> RemediationMonth:
    month = _RepairedMonth(seed, terms)
    drawn = draw_incidents(seed, len(terms))
    played = tuple(month.play(number, each) for number, each in enumerate(drawn))
    month.responder.stop()
    return RemediationMonth(seed, played)


def _default_runbooks() -> tuple[Runbook, ...]:
    return tuple(
        Runbook(
            f"{service} fails",
            (f"{service} fails",),
            when=lambda: True,
            action=Action(f"restart {service}", service, lambda: None),
            proof=RepairProof(lambda start, end: None),
            level="auto",
            evidence=LadderEvidence(right=10),
        )
        for service in SERVICES
    )


def _stand(world: World) -> tuple[float, float, int, int]:
    return world.bad, world.down_s, world.actions, world.wrong


def _what_it_cost(
    incident: VirtualIncident,
    world: World,
    before: tuple[float, float, int, int],
    *,
    is_escalated: bool,
) -> RehearsedIncident:
    bad, down_s, actions, wrong = _stand(world)
    return RehearsedIncident(
        incident.kind,
        bad - before[0],
        down_s - before[1],
        actions - before[2],
        wrong - before[3],
        is_escalated,
    )


def _played(months: Iterable[RemediationMonth]) -> list[RehearsedIncident]:
    return [each for month in months for each in month.incidents]


def _total(months: Iterable[RemediationMonth]) -> RemediationTotals:
    given = tuple(months)
    played = _played(given)
    real = [each.down_s for each in played if each.kind != "no-op"]
    return RemediationTotals(
        budget=statistics.mean(month.budget for month in given) if given else 0.0,
        mttr_s=statistics.median(real) if real else 0.0,
        actions=sum(each.actions for each in played),
        wrong=sum(each.wrong for each in played),
        escalated=sum(each.is_escalated for each in played),
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
