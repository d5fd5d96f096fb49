"""What really happened, for those who judge what was noticed of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Incident:
    """A fault that is on for a while; one without a ``fault`` is a no-op: nothing happens in it.

    ``starts_at`` and ``ends_at`` are seconds: since the epoch of one that was injected, since the
    start of the schedule of one that is planned. ``share`` is that of the requests which are hit,
    from 0 to 1; ``seed`` decides which.
    """

    fault: str | None
    starts_at: float
    ends_at: float
    share: float = 1.0
    seed: int = 0

    @property
    def is_no_op(self) -> bool:
        """Whether it only looks like one."""
        return self.fault is None
