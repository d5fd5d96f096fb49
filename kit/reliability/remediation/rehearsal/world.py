"""A virtual system: its clock, its requests, and what actions and people do to it."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kit.reliability.remediation.hands import CallHung, T
from kit.reliability.remediation.rehearsal.incidents import VirtualIncident

RATE = 4  # requests a second
NATURAL = 0.001  # the share that fails when all is well
CHECKS, CHECKS_FAILED, CHECK_S = 10, 7, 0.2
FOREVER_S = 1e9


class VirtualClock:
    """A clock that jumps."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._limit = float("inf")

    def now(self) -> float:
        """Return the seconds since it began."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move on. Raises CallHung at the deadline of the call it is part of."""
        self._seconds += seconds
        if self._seconds >= self._limit:
            self._seconds = self._limit
            raise CallHung("The deadline of a virtual call.")

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give a block a deadline."""
        before, self._limit = self._limit, min(self._limit, self._seconds + seconds)
        try:
            yield
        finally:
            self._limit = before


class VirtualHands:
    """Calls functions at once; a call that hangs ends when the clock reaches its deadline."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._late: list[Callable[[], object]] = []

    def call(
        self, function: Callable[[], T], seconds: float, on_late: Callable[[], object] | None = None
    ) -> T:
        """Return the function's result. Raises CallHung if it is late, or the function's error."""
        try:
            with self._clock.within(seconds):
                return function()
        except CallHung:
            if on_late is not None:
                self._late.append(on_late)
            raise

    def end_late(self) -> None:
        """Let the abandoned calls end."""
        while self._late:
            self._late.pop()()


class World:
    """One virtual system and its incidents; a seed decides how its requests and probes go.

    ``bad`` counts requests that failed in incidents, ``down_s`` the seconds of incidents,
    ``actions`` the actions on it, ``wrong`` those that the incident did not need.
    """

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock()
        self.bad = self.down_s = 0.0
        self.actions = self.wrong = 0
        self._chance = random.Random(f"world {seed}")  # noqa: S311 - no secret
        self._incident: VirtualIncident | None = None
        self._relapses = 0
        self._failing = NATURAL
        self._since = self._since_ill = 0.0
        self._buckets: dict[int, int] = {}

    @property
    def is_ill(self) -> bool:
        """Whether the incident is on."""
        return self._incident is not None

    @property
    def comes_back(self) -> bool:
        """Whether the incident would come back after an action."""
        return self._relapses > 0

    def begin(self, incident: VirtualIncident) -> None:
        """Begin an incident."""
        self._incident, self._relapses = incident, incident.relapses
        self._set_failing(incident.failing or NATURAL)

    def relapse(self, incident: VirtualIncident) -> None:
        """Begin it again."""
        self._incident = incident
        self._relapses -= 1
        self._set_failing(incident.failing)

    def cure(self) -> None:
        """End the incident."""
        if self._incident is not None and self._incident.failing:
            self.down_s += self.clock.now() - self._since_ill
        self._incident = None
        self._set_failing(NATURAL)

    def heal(self) -> None:
        """End it for good, as a person who finds the cause does."""
        self.cure()
        self._relapses = 0

    def check_health(self, incident: VirtualIncident) -> bool:
        """Return whether most of several health checks fail, as a runbook expects."""
        failed = 0
        for _ in range(CHECKS):
            self.clock.sleep(CHECK_S)
            failed += self._chance.random() < incident.health
        return failed >= CHECKS_FAILED

    def act(self, incident: VirtualIncident) -> None:
        """Restart the service: an outage that usually cures a known incident."""
        is_needed = incident.kind == "known" and self.is_ill
        self.actions += 1
        self.wrong += not is_needed
        before = self._failing
        self._set_failing(1.0)
        try:
            self.clock.sleep(FOREVER_S if incident.hangs else incident.action_s)
        finally:
            self._set_failing(before)
        if is_needed and incident.cures:
            self.cure()

    def measure(self, start: float, end: float) -> float | None:
        """Return the share of good requests between two times."""
        self._spread()
        seconds = range(int(start), int(end))
        bad = sum(self._buckets.get(second, 0) for second in seconds)
        return 1 - bad / (RATE * len(seconds)) if seconds else None

    def _set_failing(self, share: float) -> None:
        self._spread()
        if share > NATURAL >= self._failing:
            self._since_ill = self.clock.now()
        self._failing = share

    def _spread(self) -> None:
        """Draw which requests failed since the last call; count how many to expect."""
        now = self.clock.now()
        self.bad += RATE * (self._failing - NATURAL) * (now - self._since)
        first = max(int(self._since), int(now) - 120)
        for second in range(first, int(now)):
            failed = sum(self._chance.random() < self._failing for _ in range(RATE))
            self._buckets[second] = failed
        self._since = now
