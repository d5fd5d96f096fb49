"""How fast spins may follow each other while a fault hits some: those others must not be late."""

from kit.reliability.faults.fault import Fault

# Seconds that a spin occupies the game engine, and what a hit adds: a blocked loop, or retries.
SPIN_S = 0.05
ADDED_S = {"engine-blocks": 2.0, "payment-down": 0.15}
# That much of the time the engine may be occupied: a spin that queues for several others meets a
# deadline, and on a busy machine others want the CPU, too.
OCCUPIED = 0.27


def pace(fault: Fault, share: float) -> float:
    """Return the seconds from one spin to the next while a fault hits a share of them."""
    return (SPIN_S + share * ADDED_S.get(fault.name, 0.0)) / OCCUPIED
