"""The system as a map: who calls whom, what a request just went through, and where it broke."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from demo_services.services import ANALYTICS, FRONTEND, GAME_ENGINE, GATEWAY, PAYMENT
from kit.html import render
from kit.words import count_noun

DATABASE, INGEST = "database", "ingest"


@dataclass(frozen=True)
class MapNode:
    """A part of the system; ``x`` and ``y`` are its centre in the drawing, ``role`` its work."""

    name: str
    role: str
    x: int
    y: int


NODES = (
    MapNode(FRONTEND.name, "this notebook", 70, 62),
    MapNode(GATEWAY.name, "passes requests on", 212, 62),
    MapNode(GAME_ENGINE.name, "spins the reels", 354, 62),
    MapNode(PAYMENT.name, "moves coins", 506, 28),
    MapNode(ANALYTICS.name, "counts spins", 506, 96),
    MapNode(DATABASE, "stores spins", 648, 96),
    MapNode(INGEST, "stands in for Sentry", 354, 168),
)
CALLS = (
    (FRONTEND.name, GATEWAY.name),
    (GATEWAY.name, GAME_ENGINE.name),
    (GAME_ENGINE.name, PAYMENT.name),
    (GAME_ENGINE.name, ANALYTICS.name),
    (ANALYTICS.name, DATABASE),
)
_BY_NAME = {node.name: node for node in NODES}


@dataclass(frozen=True)
class MapState:
    """What the map shows: ``route`` is what the last trace went through.

    ``errors`` counts the error events of each service, and ``broken`` names those that are new.
    """

    route: Sequence[str] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    broken: Sequence[str] = ()
    last: str = ""

    @property
    def sentence(self) -> str:
        """What the picture shows, in words."""
        if self.last:
            return f"Captured from {', '.join(self.broken) or 'the system'}: {self.last}"
        if self.route:
            return f"The last request went through {', '.join(self.route)}."
        return "Nothing has happened yet."


@dataclass(frozen=True)
class _Drawn:
    node: MapNode
    is_lit: bool
    is_broken: bool
    delay_s: float
    errors: str


@dataclass(frozen=True)
class _Line:
    start: MapNode
    end: MapNode
    is_lit: bool
    delay_s: float


def system_map(state: MapState) -> Markup:
    """Return the map as an SVG with a sentence."""
    lit = set(state.route)
    if ANALYTICS.name in lit:
        lit.add(DATABASE)
    steps = {node.name: 0.12 * number for number, node in enumerate(NODES)}
    nodes = [
        _Drawn(
            node,
            node.name in lit,
            node.name in state.broken,
            steps[node.name],
            count_noun(state.errors[node.name], "error") if state.errors.get(node.name) else "",
        )
        for node in NODES
    ]
    calls = [_Line(_BY_NAME[a], _BY_NAME[b], {a, b} <= lit, steps[b] - 0.06) for a, b in CALLS]
    sent = [_BY_NAME[name] for name in state.broken if name in _BY_NAME]
    return render(
        "system_map.html", nodes=nodes, calls=calls, sent=sent, ingest=_BY_NAME[INGEST], state=state
    )
