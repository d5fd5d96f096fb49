"""What a server would cut from an event, as a part of its card. Simulated."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.reading.server.cuts import server_cuts

MAX_SHOWN = 20


def server_cuts_part(event: Mapping[str, Any]) -> Markup:
    """Return what a server would cut from an event, folded; empty if nothing."""
    cuts = server_cuts(event)
    return render("server_cuts.html", cuts=cuts, most=MAX_SHOWN) if cuts else Markup()
