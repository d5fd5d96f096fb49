"""A spin, as the game engine reports it and as the database stores it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from demo_services.players import NAME

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
PlayerName = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Symbol = Annotated[str, Field(pattern=r"^[a-z]{1,16}$")]
Amount = Annotated[int, Field(ge=0, le=10**9)]


class Spin(BaseModel):
    """One round at the slot machine; a bet of 0 is a free spin."""

    # Strict: "10" is not a number, and true is not 1.
    model_config = ConfigDict(strict=True, extra="forbid")

    spin_id: Id
    player: PlayerName
    bet: Amount
    reels: Annotated[list[Symbol], Field(min_length=3, max_length=3)]
    win: Amount
    balance: Amount


class ReportedSpin(Spin):
    """A spin with the time it was played: seconds since the epoch, by another clock."""

    played_at: Annotated[float, Field(ge=0)] | None = None

    def spin(self) -> Spin:
        """Return the spin as it is stored, which already records the time of storing."""
        return Spin.model_validate(self.model_dump(exclude={"played_at"}))
