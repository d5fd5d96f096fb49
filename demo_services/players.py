"""The players: their names, and the ids that every service uses for them."""

import re
import uuid
from dataclasses import dataclass

from demo_services.refused import Refused

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
START_BALANCE = 1000
VIP_BALANCE = 5000


@dataclass
class Player:
    """Someone at the machine."""

    name: str
    balance: int = START_BALANCE

    @property
    def id(self) -> str:
        """The same for the same name, in every service."""
        return uuid.uuid5(uuid.NAMESPACE_OID, self.name).hex[:12]

    @property
    def tier(self) -> str:
        """How the house treats the player."""
        return "vip" if self.balance >= VIP_BALANCE else "regular"


def checked_name(name: object) -> str:
    """Return the name of a player. Raises ``Refused`` (422) when it is invalid."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise Refused(422, "bad-player", "player must be 1 to 32 letters, digits, dots, dashes or _.")
