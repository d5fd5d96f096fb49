"""What really happened: the truth by which detection is judged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Incident:
    """A fault that is on for a while; without a ``fault`` it is a no-op: nothing happens.

    ``starts_at`` and ``ends_at`` are in seconds: since the epoch for an injected incident, since
    the start of the schedule for a planned one. ``share`` is the share of requests that are hit,
    from 0 to 1; ``seed`` decides which.
    """

    fault: str | None
    starts_at: float
    ends_at: float
    share: float = 1.0
    seed: int = 0

    @property
    def is_no_op(self) -> bool:
        """Whether it only looks like an incident."""
        return self.fault is None
