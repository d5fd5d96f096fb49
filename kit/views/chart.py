"""Draws Vega-Lite charts as SVG: static, offline, in the colours of the page around them.

vl-convert runs Vega in this process. Its SVG needs no script, so it is kept by nbconvert, and
colours written as CSS variables reach the page untouched, so it follows JupyterLab's theme.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from markupsafe import Markup, escape

_SPECIFICATIONS = Path(__file__).parent.parent / "templates"

_TOKEN = re.compile(r"§(\d+)§")
_WARM = 12

Rows = Sequence[Mapping[str, Any]]


def svg(
    name: str,
    label: str,
    *,
    width: int,
    datasets: Mapping[str, Rows],
    left: int = 2,
    right: int = 2,
) -> Markup:
    """Return the chart ``templates/<name>.vl.json`` with these data.

    ``width`` is that of the plot, ``left`` and ``right`` are margins, in pixels. ``datasets``
    fills the data sources that the specification names; numbers must be finite. ``label`` says
    in words what the picture shows. The first chart of a process takes about a second, see
    ``warm_up``.
    """
    texts: list[str] = []
    chart = {**_compiled(name), "width": width}
    chart["padding"] = {**chart["padding"], "left": left, "right": right}
    chart["data"] = [_filled(source, datasets, texts) for source in chart["data"]]
    drawn = vl_convert.vega_to_svg(chart, allowed_base_urls=[])
    written = _TOKEN.sub(lambda token: escape(texts[int(token[1])]), drawn.removeprefix("<svg "))
    # The numbers and tokens that Vega was given need no escaping.
    return Markup('<svg role="img" aria-label="{}" ').format(label) + Markup(written)  # noqa: S704


def cut(text: str, room: float, character: float) -> str:
    """Return ``text`` cut to so many pixels, by the width in pixels that a character takes."""
    fits = int(room / character)
    return text if len(text) <= fits else text[: max(fits - 1, 0)].rstrip() + "…" * (fits > 1)


def warm_up() -> None:
    """Start Vega, once a process: about a second and 100 MB of memory."""
    # Drawn several times, since its memory grows with the first drawings: it would be seen on
    # the chart that shows this process's memory.
    for _ in range(_WARM):
        for path in sorted(_SPECIFICATIONS.glob("*.vl.json")):
            svg(path.name.removesuffix(".vl.json"), "", width=100, datasets={})


@cache
def _compiled(name: str) -> dict[str, Any]:
    # Compiled once and fed afterwards: a chart then takes a third of the time.
    specification = json.loads((_SPECIFICATIONS / f"{name}.vl.json").read_text("utf-8"))
    return vl_convert.vegalite_to_vega(specification)


def _filled(
    source: dict[str, Any], datasets: Mapping[str, Rows], texts: list[str]
) -> dict[str, Any]:
    rows = datasets.get(source["name"])
    if rows is None:
        return source
    return {**source, "values": [_tokenised(row, texts) for row in rows]}


def _tokenised(row: Mapping[str, Any], texts: list[str]) -> dict[str, Any]:
    """Return the row with a token for every text: nothing from outside enters Vega.

    One control character in a text that vl-convert 1.9 measures aborts the process, and with
    it the kernel; half an emoji is an error.
    """
    return {key: _token(each, texts) for key, each in row.items()}


def _token(value: Any, texts: list[str]) -> Any:
    if not isinstance(value, str) or not value:
        return value
    texts.append(value)
    return f"§{len(texts) - 1}§"
