"""Repair in a game day: a responder that turns off the flag of failing requests."""

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
# The share of requests that are good again after a repair that worked.
GOOD_AGAIN = 0.95
_PROOF_S, _PROOF_PART, _PROOF_WITHIN = 20.0, 0.1, 3.0
# Choosing repair by itself declares that its suggestions have been right before.
DECLARED = LadderEvidence(right=10)
# An action that failed or hung may still have changed something.
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
    """The flag behind which one service fails, according to its latest alert.

    ``make_action`` returns the action that turns a flag off, ``is_on`` whether a service evaluates
    a flag.
    """

    def __init__(
        self, service: str, make_action: Callable[[str], Action], is_on: Callable[[str, str], bool]
    ) -> None:
        self.service = service
        self._make_action, self._is_on = make_action, is_on
        self._flag = ""
        self._done: Action | None = None

    def knows(self, alert: KnownAlert) -> bool:
        """Whether the alert is for an event of this service with a flag on; remembers the flag."""
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
        """Turn the flag off. Raises WorkshopError if it is already off, or cannot be."""
        self._done = self._make_action(self._flag)
        self._done.do()

    def turn_on(self) -> None:
        """Undo it: turn the flag on again for the rest of its time."""
        if self._done is not None and self._done.undo is not None:
            self._done.undo()


def flag_runbooks(
    make_action: Callable[[str], Action],
    is_on: Callable[[str, str], bool],
    find_outcomes: Callable[[], Outcomes | None],
    level: RepairLevel,
    seconds: float,
) -> Sequence[Runbook]:
    """Return a runbook for each service, for a game day of that many ``seconds``.

    No runbook knows faults without an error event: only the error budget sees them.
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
    """A responder for the screen of a game day."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def start(self) -> None:
        """Start taking alerts."""
        self._responder.start()

    def stop(self) -> None:
        """Stop taking alerts."""
        self._responder.stop()

    def notes(self) -> Sequence[RepairNote]:
        """Return its journal, one line per case, earliest first.

        An issue that no runbook knows gets one line, however often it comes.
        """
        shown: dict[object, RepairCase] = {}
        for case in self._responder.journal:
            shown.setdefault(case.issue if "unknown" in case.steps else case.number, case)
        notes = [_note(case) for case in shown.values() if case.decisions]
        return sorted(notes, key=lambda note: note.at)

    def asks(self) -> Sequence[RepairAsk]:
        """Return the repairs that wait for an answer, oldest question first."""
        return [
            RepairAsk(str(case.number), f"{case.action} in {case.target}, for {case.title}")
            for case in self._responder.waiting
        ]

    def approve(self, ask: str) -> None:
        """Approve a repair. Raises RemediationError if nothing waits any more."""
        self._responder.approve(int(ask))

    def deny(self, ask: str) -> None:
        """Deny a repair. Raises RemediationError if nothing waits any more."""
        self._responder.deny(int(ask))

    def kill(self) -> None:
        """Stop all further repairs."""
        self._responder.kill()


def _note(case: RepairCase) -> RepairNote:
    """Return a case as a line, with the time of its action if there was one."""
    done = next((each.at for each in case.decisions if each.step in ACTED), None)
    at = case.decisions[0].at if done is None else done
    told = " · ".join(str(each) for each in case.decisions if each.step != "alert") or "alert"
    tone: AskState = "" if "unknown" in case.steps else _TONES[case.state]
    return RepairNote(at, f"{case.title}: {told}", tone, is_action=done is not None)
