"""The welcome bonus: for the level, for coming every day, and for having been invited."""

from dataclasses import dataclass
from typing import Any

LEVELS = {1: 5, 2: 10, 3: 15, 4: 20, 5: 30, 6: 40, 7: 50}
DAYS = {1: 0, 2: 0, 3: 10, 4: 15, 5: 25, 6: 35, 7: 50}
MEMBERS = {"ben": 20, "ida": 20, "max": 50}


@dataclass(frozen=True)
class Welcome:
    """A new player, with the name of the member who sent the invitation."""

    player: str
    level: int
    days: int
    invited_by: str | None

    def facts(self) -> tuple[str, ...]:
        """Return the facts for the log, a line each."""
        return (
            f"level {self.level}",
            f"days in a row: {self.days}",
            f"invited by {self.invited_by or 'nobody'}",
        )

    def coins(self) -> int:
        """Return the bonus: in the first week all of it counts double."""
        bonuses: dict[str, Any] = {
            "level": LEVELS.get(self.level),
            "days": DAYS.get(self.days),
            "invitation": MEMBERS.get(self.invited_by) if self.invited_by else 0,
        }
        doubled: dict[str, int] = {}
        for name, bonus in bonuses.items():
            doubled[name] = 2 * bonus
        return 10 + sum(doubled.values())
