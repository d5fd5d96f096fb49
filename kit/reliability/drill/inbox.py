"""The people in a drill: scripted messages, at times that its seed draws."""

from dataclasses import dataclass

from kit.reliability.drill.chance import Chance

SUPPORT, BOSS = "support", "head of games"
# In a drill of eight minutes; in a shorter one, earlier.
STATUS_AT = 3 / 8

_FIRST = (
    "Players report that something is wrong with their spins. Not all players, it seems.",
    "Three tickets in a row about spins. Is anything going on?",
    "A player says that the game “does not work”. Two more say the same.",
)
_SECOND = (
    "Nine tickets now. What can I tell the players?",
    "The chat is filling up. Some say that it works when they try again.",
    "One of our big players is on the phone. Do we know anything yet?",
)
_STATUS = (
    "I hear that there is trouble. Status, please: what is affected, since when, what do we do?",
    "Two sentences on the incident, please: how bad is it, and when is the next update?",
)
_UNRELATED = (
    "By the way: can somebody look at the font in the lobby? No hurry.",
    "The marketing mail for the weekend went out. You may see a few more players.",
)


@dataclass(frozen=True)
class InboxMessage:
    """A scripted message, ``at`` seconds into the drill.

    ``wants_status`` says that it asks for an update.
    """

    at: float
    sender: str
    text: str
    wants_status: bool = False


def draw_messages(chance: Chance, *, starts_at: float, minutes: float) -> tuple[InboxMessage, ...]:
    """Return who writes when, in order; ``starts_at`` is when the incident begins."""
    all_of_it = 60 * minutes
    return tuple(
        sorted(
            (
                _unrelated(chance, all_of_it),
                InboxMessage(_later(chance, starts_at, all_of_it), SUPPORT, chance.pick(_FIRST)),
                InboxMessage(STATUS_AT * all_of_it, BOSS, chance.pick(_STATUS), True),
                InboxMessage(all_of_it * chance.between(0.45, 0.6), SUPPORT, chance.pick(_SECOND)),
            ),
            key=lambda message: message.at,
        )
    )


def _unrelated(chance: Chance, all_of_it: float) -> InboxMessage:
    return InboxMessage(all_of_it * chance.between(0.02, 0.3), SUPPORT, chance.pick(_UNRELATED))


def _later(chance: Chance, starts_at: float, all_of_it: float) -> float:
    """Return when support first writes: customers notice, but not at once."""
    return starts_at + all_of_it * chance.between(0.08, 0.15)
