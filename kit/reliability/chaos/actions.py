"""Actions for Chaos Toolkit documents: faults in the running workshop, always with a lease.

Each takes at most a second, so that an experiment can be ended between two of them.
"""

import time

from kit.actionable import WorkshopError
from kit.reliability.chaos.session import current_session

LONGEST_S = 1.0


def inject_fault(fault: str, share: float, seconds: float, seed: int = 7) -> str:
    """Switch a fault on for a share of the spins; the service ends it after ``seconds``.

    Raises UnknownFault, and WorkshopError if the service refuses it.
    """
    leased = current_session().inject(fault, share=share, seconds=seconds, seed=seed)
    return f"{leased.fault.name} in {leased.fault.service.name}, for {seconds:g} s"


def end_fault(fault: str) -> str:
    """Switch a fault off; no effect if it is already off. Raises WorkshopError."""
    current_session().end_fault(fault)
    return f"{fault} is off"


def keep_watching(seconds: float = LONGEST_S) -> None:
    """Let time pass, at most a second, while the steady state is checked. Raises WorkshopError."""
    if not 0 <= seconds <= LONGEST_S:
        raise WorkshopError(
            f"An activity takes at most {LONGEST_S:g} s, not {seconds:g} s, so that the experiment "
            "can be ended in between. Use several."
        )
    time.sleep(seconds)
