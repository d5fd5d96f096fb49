"""Automatic repair: leave look-alikes alone, and read from a journal what was done and why."""

from collections.abc import Iterator
from typing import Any

from kit.course.answer_parts import raise_all, require_parts
from kit.course.exercise import Exercise, NotTried, Wrong
from kit.reliability.remediation.journal import RemediationJournal, RepairCase

# A smaller share of failing spins is not an incident.
LIMIT = 0.05
# The share of failing spins, payment's answer to a charge sent to it directly (None when there is
# no answer), whether restarting payment is right, and the explanation.
SITUATIONS: tuple[tuple[float, int | None, bool, str], ...] = (
    (0.5, 500, True, "Half of the spins fail, and payment answers 500: that is the known error."),
    (1.0, 503, True, "All spins fail, and payment answers 503: from 500 on, payment has failed."),
    (0.5, None, True, "Payment does not answer: a restart is right, and None is not a number."),
    (
        0.5,
        200,
        False,
        "Payment itself charges correctly, but spins still fail: the path to it is broken. A "
        "restart would end the charges that still work.",
    ),
    (
        0.5,
        402,
        False,
        "402 means that a player has too few coins: payment works, so a restart does not help.",
    ),
    (0.0, 500, False, "No spin fails: it ended before the action began, or one probe was wrong."),
    (0.01, None, False, "1 % of the spins fail, and the limit is 5 %."),
)
LOOK_ALIKE_SOLUTION = f"""
def may_restart(bad_share, payment_status):
    is_incident = bad_share >= {LIMIT}
    is_payment = payment_status is None or payment_status >= 500
    return is_incident and is_payment
"""
NIGHT_SOLUTION = """
told = {case.number: case.sentence for case in night.journal}
night_report = {
    "repaired": sum(case.state == "proved" for case in night.journal),
    "rate": next(number for number, text in told.items() if "refused: rate" in text),
    "kill_switch": next(number for number, text in told.items() if "refused: kill switch" in text),
    "ticket": next(case.number for case in night.journal if case.state == "ticket"),
}
"""
GUARDS = {"rate": "refused: rate", "kill_switch": "refused: kill switch"}


def tell_look_alikes_apart() -> Exercise:
    """Write the precondition of a runbook so that it leaves look-alikes alone."""

    def verify(answer: Any) -> str:
        if answer is ...:
            raise NotTried
        if not callable(answer):
            raise Wrong("check() needs the function may_restart(bad_share, payment_status).")
        found = [
            (answer(bad_share, status), expected, why)
            for bad_share, status, expected, why in SITUATIONS
        ]
        if all(given is ... or given is None for given, _, _ in found):
            raise NotTried
        raise_all(why for given, expected, why in found if bool(given) is not expected)
        return (
            f"Right in all {len(SITUATIONS)} situations. A fingerprint says that the error is "
            "known; only the precondition says that the cause is."
        )

    return Exercise(
        "tell-look-alikes-apart",
        verify,
        "Two things must be true: enough spins fail to be an incident (5 % or more), and payment "
        "itself is broken. It is broken when it answers 500 or above, or not at all. Compare with "
        "None before you compare numbers.",
        LOOK_ALIKE_SOLUTION.strip(),
        answer_name="may_restart",
    )


def read_the_night(journal: RemediationJournal) -> Exercise:
    """Read from a responder's journal what it repaired, and which guard stopped the rest."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("repaired", "rate", "kill_switch", "ticket"))
        raise_all(
            f"{name!r} must be a whole number, not {value!r}."
            for name, value in given.items()
            if type(value) is not int
        )
        raise_all([*_wrong_count(given["repaired"], journal), *_wrong_cases(given, journal)])
        return (
            f"{given['repaired']} repairs, and it stopped three times: at its rate limit, at the "
            "kill switch, and because the repairs hid a bug. Each time a person got the case."
        )

    return Exercise(
        "read-the-night",
        verify,
        "Each case has a line of decisions. A repair ends with “proved”. A guard writes “refused:” "
        "and its name. A ticket replaces an action when an issue came back after three repairs. "
        "The number of a case follows the #.",
        NIGHT_SOLUTION.strip(),
        answer_name="night_report",
    )


def _wrong_count(given: int, journal: RemediationJournal) -> Iterator[str]:
    acted = sum(case.has_acted for case in journal)
    proved = sum(case.state == "proved" for case in journal)
    if given == proved:
        return
    if given == len(journal):
        yield f"'repaired' is not {given}: that is all cases. Count those that were proved."
    elif given == acted:
        yield f"'repaired' is not {given}: that is all actions, but not every one was proved."
    else:
        yield f"'repaired' is not {given}: count the cases that end with “proved”."


def _wrong_cases(given: dict[str, Any], journal: RemediationJournal) -> Iterator[str]:
    right = {name: _stopped_by(words, journal) for name, words in GUARDS.items()}
    right["ticket"] = {case.number for case in journal if case.state == "ticket"}
    for name, numbers in right.items():
        if given[name] in numbers:
            continue
        case = next((each for each in journal if each.number == given[name]), None)
        yield f"{name!r} is not case {given[name]}: {_say_case(case, journal)}"


def _stopped_by(words: str, journal: RemediationJournal) -> set[int]:
    return {case.number for case in journal if words in case.sentence}


def _say_case(case: RepairCase | None, journal: RemediationJournal) -> str:
    if case is None:
        return f"the cases are numbered 1 to {len(journal)}."
    return f"that one ended as {case.state}, after “{case.decisions[-2:][0]}”."
