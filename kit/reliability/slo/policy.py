"""What a team agreed to do when the error budget runs out."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.html import render
from kit.reliability.slo.budget import ErrorBudget

# Changes that wait while the budget is frozen. Repairs never wait.
FROZEN = ("bad-release",)


class BudgetFrozen(WorkshopError):
    """A change that the policy does not allow now; the message says why, and until when."""


@dataclass(frozen=True)
class FreezePolicy:
    """No releases while less than ``freeze_below`` of the budget is left, from 0 to 1.

    ``measure`` returns the current budget. Raises ValueError for a share out of bounds.
    """

    measure: Callable[[], ErrorBudget]
    freeze_below: float = 0.25
    frozen: Collection[str] = FROZEN

    def __post_init__(self) -> None:
        if not 0 <= self.freeze_below <= 1:
            raise ValueError("freeze_below must be a share of the budget, from 0 to 1.")

    @property
    def is_frozen(self) -> bool:
        """Whether too little of the budget is left for a release."""
        return self._freezes(self.measure())

    def allows(self, change: str) -> bool:
        """Return whether a change may be made now; the policy restricts only those it names."""
        return change not in self.frozen or not self.is_frozen

    def check(self, change: str) -> None:
        """Raise BudgetFrozen for a change that must wait, with the reason."""
        if change not in self.frozen:
            return
        budget = self.measure()
        if self._freezes(budget):
            raise BudgetFrozen(
                f"{change} must wait: {self._state(budget)} "
                "Repairs are allowed. Next: repair, or wait until failures leave the window."
            )

    @property
    def sentence(self) -> str:
        """Whether it is frozen, and why."""
        return self._state(self.measure())

    def _freezes(self, budget: ErrorBudget) -> bool:
        return budget.is_gone or budget.share_left < self.freeze_below

    def _state(self, budget: ErrorBudget) -> str:
        left = f"{100 * budget.share_left:.0f} % of the error budget is left"
        agreed = f"the policy freezes releases below {100 * self.freeze_below:g} %"
        return f"{'Frozen' if self._freezes(budget) else 'Open'}: {left}, and {agreed}."

    def __repr__(self) -> str:
        return f"<FreezePolicy {self.sentence}>"

    def _repr_html_(self) -> Markup:
        budget = self.measure()
        is_frozen, sentence = self._freezes(budget), self._state(budget)
        return render("slo_policy.html", policy=self, is_frozen=is_frozen, sentence=sentence)
