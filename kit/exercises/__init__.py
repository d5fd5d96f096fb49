"""The exercises of the course, by name; a module for each subject."""

from collections.abc import Callable

from kit.exercise import Exercise
from kit.exercises import events

# Each is given the workshop's trigger, and what the notebook passes on.
EXERCISES: dict[str, Callable[..., Exercise]] = {
    "read-the-event": events.read_the_event,
    "triage": events.triage,
}
