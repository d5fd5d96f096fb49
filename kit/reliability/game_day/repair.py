"""Repair in a game day: a responder that turns off the flag which failing requests have."""

from collections.abc import Callable, Mapping, Sequence

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT
from kit.provenance.injections import flags_on
from kit.reading.payload import as_str
from kit.reliability.game_day.environment import AskState, RepairAsk, RepairNote
from kit.reliability.remediation.journal import CaseState, DecisionStep, RepairCase
from kit.reliability.remediation.ladder import LadderEvidence, RepairLevel
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action, KnownAlert, RepairProof, Runbook, sli_of
from kit.reliability.traffic.outcomes import Outcomes

FLAGS = "rollout-"
SERVICES = (GATEWAY, GAME_ENGINE, PAYMENT, ANALYTICS)
# As many requests as that are good again after a repair that worked.
GOOD_AGAIN = 0.95
_PROOF_S, _PROOF_PART, _PROOF_WITHIN = 20.0, 0.1, 3.0
# Of whoever chooses repair by itself: that it is right was seen before.
DECLARED = LadderEvidence(right=10)
# What failed or hung may have changed something all the same.
ACTED: frozenset[DecisionStep] = frozenset({"did", "failed", "hung"})
_TONES: Mapping[CaseState, AskState] = {
    "open": "",
    "waiting": "now",
    "running": "now",
    "proved": "good",
    "ticket": "bad",
    "escalated": "bad",
}


class RolloutFlag:
    """The flag behind which one service fails, as the latest alert of it says.

    ``make_action`` returns what turns a flag off, ``is_on`` whether a service evaluates one.
    """

    def __init__(
        self, service: str, make_action: Callable[[str], Action], is_on: Callable[[str, str], bool]
    ) -> None:
        self.service = service
        self._make_action, self._is_on = make_action, is_on
        self._flag = ""
        self._done: Action | None = None

    def knows(self, alert: KnownAlert) -> bool:
        """Whether the alert is of an event of this service with a flag on; remembers the flag."""
        event = alert.event
        found = [flag for flag in flags_on(event) if flag.startswith(FLAGS)]
        if as_str(event.get("project")) != self.service or not found:
            return False
        self._flag = found[0]
        return True

    def is_still_on(self) -> bool:
        """Whether the service still evaluates the flag."""
        return bool(self._flag) and self._is_on(self._flag, self.service)

    def turn_off(self) -> None:
        """Turn the flag off. Raises WorkshopError when it is off already, or cannot be."""
        self._done = self._make_action(self._flag)
        self._done.do()

    def turn_on(self) -> None:
        """Undo it: turn the flag on again for what was left of its time."""
        if self._done is not None and self._done.undo is not None:
            self._done.undo()


def flag_runbooks(
    make_action: Callable[[str], Action],
    is_on: Callable[[str, str], bool],
    find_outcomes: Callable[[], Outcomes | None],
    level: RepairLevel,
    seconds: float,
) -> Sequence[Runbook]:
    """Return a runbook for each service, for a game day of so many ``seconds``.

    Faults without an error event are known to none: only the error budget sees them.
    """
    for_s = min(_PROOF_S, _PROOF_PART * seconds)
    proof = RepairProof(sli_of(find_outcomes), GOOD_AGAIN, for_s, _PROOF_WITHIN * for_s)
    evidence = DECLARED if level == "auto" else LadderEvidence()
    flags = [RolloutFlag(service.name, make_action, is_on) for service in SERVICES]
    return [
        Runbook(
            name=f"flag of {flag.service}",
            knows=flag.knows,
            when=flag.is_still_on,
            action=Action("turn the flag off", flag.service, flag.turn_off, flag.turn_on),
            proof=proof,
            level=level,
            evidence=evidence,
        )
        for flag in flags
    ]


class ResponderDesk:
    """A responder as the screen of a game day has it."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def start(self) -> None:
        """Take alerts from now on."""
        self._responder.start()

    def stop(self) -> None:
        """Take no more."""
        self._responder.stop()

    def notes(self) -> Sequence[RepairNote]:
        """Return its journal, a line for each case, the earliest first.

        What no runbook knows is one line for each issue, however often it comes.
        """
        shown: dict[object, RepairCase] = {}
        for case in self._responder.journal:
            shown.setdefault(case.issue if "unknown" in case.steps else case.number, case)
        notes = [_note(case) for case in shown.values() if case.decisions]
        return sorted(notes, key=lambda note: note.at)

    def asks(self) -> Sequence[RepairAsk]:
        """Return what waits for an answer, the one that was asked first at the beginning."""
        return [
            RepairAsk(str(case.number), f"{case.action} in {case.target}, for {case.title}")
            for case in self._responder.waiting
        ]

    def approve(self, ask: str) -> None:
        """Let it be done. Raises RemediationError when nothing waits any more."""
        self._responder.approve(int(ask))

    def deny(self, ask: str) -> None:
        """Let it be. Raises RemediationError when nothing waits any more."""
        self._responder.deny(int(ask))

    def kill(self) -> None:
        """Let nothing be done any more."""
        self._responder.kill()


def _note(case: RepairCase) -> RepairNote:
    """Return a case as a line; one in which something was done has the time of that."""
    done = next((each.at for each in case.decisions if each.step in ACTED), None)
    at = case.decisions[0].at if done is None else done
    told = " · ".join(str(each) for each in case.decisions if each.step != "alert") or "alert"
    tone: AskState = "" if "unknown" in case.steps else _TONES[case.state]
    return RepairNote(at, f"{case.title}: {told}", tone, is_action=done is not None)
