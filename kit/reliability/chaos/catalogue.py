"""The eight experiments: hypothesis, fault, declared outcome, and its explanation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from kit.actionable import WorkshopError
from kit.reliability.chaos.document import Bound, ExperimentTerms, Outcome, make_document

SUCCESS = Bound("success_rate", 99)


class UnknownExperiment(WorkshopError, LookupError):
    """There is no experiment of that name; the message suggests names."""


@dataclass(frozen=True)
class DeclaredExperiment:
    """An experiment that comes with the workshop.

    ``expected`` is its outcome, ``cause`` the reason: if it holds, what hid the fault.
    ``question`` is asked before it runs.
    """

    name: str
    title: str
    question: str
    bounds: tuple[Bound, ...]
    terms: ExperimentTerms
    expected: Outcome
    cause: str

    def document(self, **changed: Any) -> dict[str, Any]:
        """Return it as a document; ``changed`` replaces some of its terms."""
        wanted = {name: value for name, value in changed.items() if value is not None}
        return make_document(self.title, self.question, self.bounds, replace(self.terms, **wanted))


EXPERIMENTS: tuple[DeclaredExperiment, ...] = (
    DeclaredExperiment(
        name="payment-dies",
        title="The payment process is killed once",
        question="Payment dies by SIGKILL in the middle of a charge. Does a player notice?",
        bounds=(SUCCESS, Bound("p95_seconds", 5)),
        terms=ExperimentTerms("payment-dies", share=1.0, seconds=6),
        expected="holds",
        cause=(
            "The game engine retries a call without an answer for 3 seconds, with the same key, "
            "and the supervisor has restarted payment by then. No probe checks the money: the "
            "balances are in payment's memory, and died with it."
        ),
    ),
    DeclaredExperiment(
        name="payment-down",
        title="Payment cannot be reached for 10 seconds",
        question="Half of the spins cannot reach payment for 10 seconds. Do retries hide it?",
        bounds=(SUCCESS,),
        terms=ExperimentTerms("payment-down", share=0.5, seconds=10),
        expected="deviates",
        cause="The game engine retries its call for only 3 seconds, then refuses the spin.",
    ),
    DeclaredExperiment(
        name="payment-slow",
        title="Payment answers 2.5 seconds late",
        question="Payment is slow, but every call succeeds. Is that good enough for a player?",
        bounds=(SUCCESS, Bound("p95_seconds", 2)),
        terms=ExperimentTerms("payment-slow", share=0.5, seconds=8),
        expected="deviates",
        cause=(
            "All spins succeed, as 2.5 seconds are within the deadline of 6. The p95 deviates: the "
            "player waits for the charge."
        ),
    ),
    DeclaredExperiment(
        name="payment-hangs",
        title="Payment answers 7 seconds late",
        question="Payment takes 7 seconds, but does its work. Does a spin succeed?",
        bounds=(SUCCESS,),
        terms=ExperimentTerms("payment-hangs", share=0.5, seconds=10),
        expected="deviates",
        cause=(
            "The game engine's deadline is 6 seconds, so it refuses the spin. Payment charges the "
            "bet a second later: the player has paid for a spin that was refused."
        ),
    ),
    DeclaredExperiment(
        name="ledger-down",
        title="Analytics cannot be reached",
        question="No spin can be stored. Does the game go on?",
        bounds=(SUCCESS,),
        terms=ExperimentTerms("ledger-down", share=1.0, seconds=6),
        expected="holds",
        cause=(
            "The game engine catches the error and goes on. It holds for the wrong reason: the "
            "hypothesis does not ask whether the statistics have the spins."
        ),
    ),
    DeclaredExperiment(
        name="mongo-slow",
        title="The database answers 1.5 seconds late",
        question="A database that no player sees is slow. Does a player wait for it?",
        bounds=(SUCCESS, Bound("median_seconds", 0.8)),
        terms=ExperimentTerms("mongo-slow", share=1.0, seconds=6),
        expected="deviates",
        cause=(
            "The game engine waits until the spin is stored, up to the ledger's deadline of one "
            "second, before it answers the player."
        ),
    ),
    DeclaredExperiment(
        name="engine-blocks",
        title="Some spins block the event loop for 2 seconds",
        question="One spin in seven computes for 2 seconds. Do the other six wait?",
        bounds=(SUCCESS, Bound("p95_seconds", 1.5)),
        terms=ExperimentTerms("engine-blocks", share=0.15, seconds=8),
        expected="deviates",
        cause=(
            "The game engine has one event loop. While it computes for one spin, all others wait, "
            "whether they are hit or not."
        ),
    ),
    DeclaredExperiment(
        name="payment-resets",
        title="The answers of payment are lost on the wire",
        question="Payment books the bet, but its answer is lost. Is a bet charged twice?",
        bounds=(SUCCESS, Bound("unaccounted_coins", 0)),
        terms=ExperimentTerms("payment-resets", share=0.5, seconds=6),
        expected="holds",
        cause=(
            "The call is retried with the same idempotency key, and payment returns the charge "
            "that it has already booked. Balances match bets and wins to the coin."
        ),
    ),
)
_BY_NAME: Mapping[str, DeclaredExperiment] = {each.name: each for each in EXPERIMENTS}


def find_experiment(name: str) -> DeclaredExperiment:
    """Return the experiment of that name. Raises UnknownExperiment, which suggests names."""
    if found := _BY_NAME.get(name):
        return found
    close = get_close_matches(name, _BY_NAME, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Choose from {', '.join(_BY_NAME)}."
    raise UnknownExperiment(f"There is no experiment {name!r}. {hint}")
