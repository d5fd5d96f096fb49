"""Looks up in the declarations what a practice names; an undeclared proof is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import Captured, CrashType, ExpectedError, NotCaptured
from kit.reliability.faults.fault import Fault
from kit.reliability.patterns.evidence import read_value
from kit.reliability.patterns.practices import Proof
from kit.reliability.patterns.recordings import Recordings

# Where the fields of a declared error are in its event.
_FIELDS = {
    "chain": "exception.values[].type",
    "fingerprint": "fingerprint",
    "handled": "exception.values[-1].mechanism.handled",
    "level": "level",
}


class UndeclaredProof(LookupError):
    """A practice names something that no declaration has; the message says what."""


@dataclass(frozen=True)
class DeclaredProof:
    """What a declaration says about a proof, in its own words: ``says``.

    ``kind`` is the kind of the subject. ``path`` is where a recorded event has ``value``, or
    nothing if ``is_absent`` declares that; ``value`` is None without such an event.
    """

    subject: str
    kind: str
    title: str
    says: str
    path: str = ""
    is_absent: bool = False
    value: str | None = None
    shown: str = ""
    shown_value: str | None = None


def look_up(proof: Proof, faults: Sequence[Fault], recordings: Recordings) -> DeclaredProof:
    """Return what is declared for a proof, with a recorded value. Raises UndeclaredProof.

    For a blind spot, only the id and the line are known here: ``Workshop.blind_spots`` fires it.
    """
    if proof.line:
        says = "Captured with this line, but not without it."
        return DeclaredProof(proof.subject, "blind spot", "", says, shown=proof.line)
    crash = next((each for each in CRASHES if each.full_id == proof.subject), None)
    if crash is not None:
        return _of_crash(proof, crash, recordings)
    fault = next((each for each in faults if each.name == proof.subject), None)
    if fault is not None:
        return _of_fault(proof, fault, recordings)
    raise UndeclaredProof(f"There is no crash type or fault {proof.subject!r}.")


def _of_crash(proof: Proof, crash: CrashType, recordings: Recordings) -> DeclaredProof:
    if proof.field:
        says, path, is_absent, error = *_of_error(proof, crash.errors[0]), False, 0
    else:
        says, path, is_absent, error = _of_claims(proof, crash.captured, crash.not_captured)
    events = recordings.events_of(crash)
    event = events[error] if error < len(events) else None
    return DeclaredProof(
        proof.subject,
        "crash type",
        crash.title,
        says,
        path,
        is_absent,
        read_value(event, path) if path else None,
        proof.shown,
        read_value(event, proof.shown) if proof.shown else None,
    )


def _of_fault(proof: Proof, fault: Fault, recordings: Recordings) -> DeclaredProof:
    if proof.field == "seconds":
        says = f"Its lease is {fault.seconds:g} s, unless you say otherwise."
        return DeclaredProof(proof.subject, "fault", fault.title, says)
    says, path, is_absent, error = _of_claims(proof, fault.captured, fault.not_captured)
    events = recordings.events_of_fault(fault)
    event = events[error] if error < len(events) else None
    value = read_value(event, path) if path else None
    return DeclaredProof(proof.subject, "fault", fault.title, says, path, is_absent, value)


def _of_error(proof: Proof, error: ExpectedError) -> tuple[str, str]:
    declared = getattr(error, proof.field, None) if proof.field in _FIELDS else None
    if declared is None:
        raise UndeclaredProof(f"The first error of {proof.subject} declares no {proof.field!r}.")
    words = {True: "yes", False: "no"}
    value = " / ".join(declared) if isinstance(declared, tuple) else words.get(declared, declared)
    return f"Declared for its error event: {proof.field} is {value}.", _FIELDS[proof.field]


def _of_claims(
    proof: Proof, captured: Sequence[Captured], not_captured: Sequence[NotCaptured]
) -> tuple[str, str, bool, int]:
    """Return a claim's text, its path, whether it is an absence, and its error."""
    for claim in captured:
        if proof.path and claim.path == proof.path:
            return claim.why, claim.path, False, 0
    for absence in not_captured:
        is_named = proof.absent == absence.what and absence.documented is None
        if (proof.path and absence.path == proof.path) or is_named:
            says = f"Not captured: {absence.what}. {absence.why} {absence.instead}"
            return says, absence.path or "", True, absence.error
    raise UndeclaredProof(f"{proof.subject} declares nothing at {proof.path or proof.absent!r}.")
