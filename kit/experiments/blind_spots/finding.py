"""The result for a blind spot: the events that arrived without its line and with it."""

from dataclasses import dataclass

from kit.experiments.blind_spots.blind_spot import BlindSpot
from kit.outcome import Event
from kit.reading.event import headline


@dataclass(frozen=True)
class Firing:
    """One run of a failure: without its line, or with it.

    Everything that it reports has its ``release``. ``ended`` is the HTTP status of the response for
    code behind a request, the exit code for code that ended its process, or empty.
    """

    blind_spot: BlindSpot
    release: str
    code: str
    ended: str = ""
    events: tuple[Event, ...] = ()

    @property
    def captured(self) -> bool:
        """Whether an error event arrived."""
        return bool(self.events)

    @property
    def event(self) -> Event | None:
        """The first event about the failure, else the first of all; None when none arrived."""
        telling = (event for event in self.events if self.blind_spot.error in headline(event).title)
        return next(telling, next(iter(self.events), None))


@dataclass(frozen=True)
class BlindSpotFinding:
    """The result for a failure: ``before`` without its line, ``after`` with it.

    ``after`` is None when there is no line. ``unavailable`` says why it cannot be fired here; then
    both are None.
    """

    blind_spot: BlindSpot
    before: Firing | None = None
    after: Firing | None = None
    unavailable: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the result is as declared; None when it could not be fired."""
        if self.before is None:
            return None
        firings = [firing for firing in (self.before, self.after) if firing is not None]
        expected = [self.blind_spot.captured, not self.blind_spot.captured][: len(firings)]
        return [firing.captured for firing in firings] == expected and all(
            self.blind_spot.error in headline(firing.event).title
            for firing in firings
            if firing.event is not None
        )
