"""What the requests of the traffic came to."""

from dataclasses import dataclass
from typing import Literal

# What is not valid, as a bet that a player cannot pay, says nothing of the system.
AnswerKind = Literal["good", "bad", "not valid"]


@dataclass(frozen=True)
class Answer:
    """What one request came to.

    ``due`` is when it was to be sent, in seconds since the epoch; ``took_s`` counts from then to
    the end of the answer. ``status`` is None where there was no answer, or none that could be read.
    """

    due: float
    trace_id: str
    route: str
    player: str
    status: int | None
    took_s: float
    kind: AnswerKind
