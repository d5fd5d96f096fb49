"""Draws Vega-Lite charts as SVG: static, offline, in the colours of the page around them.

vl-convert runs Vega in this process. Its SVG needs no script, so it is kept by nbconvert, and
colours written as CSS variables reach the page untouched, so it follows JupyterLab's theme.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from markupsafe import Markup, escape

_SPECIFICATIONS = Path(__file__).parent / "templates"

Rows = Sequence[Mapping[str, Any]]


def svg(name: str, label: str, *, width: int, datasets: Mapping[str, Rows]) -> Markup:
    """Return the chart ``templates/<name>.vl.json`` with these data, ``width`` pixels wide.

    ``datasets`` fills the data sources that the specification names; numbers must be finite.
    ``label`` says in words what the picture shows. The first chart of a process takes about a
    second, see ``warm_up``.
    """
    chart = {**_compiled(name), "width": width}
    chart["data"] = [_filled(source, datasets) for source in chart["data"]]
    # A lone surrogate is legal in an event and in no encoding.
    text = json.dumps(chart, ensure_ascii=False).encode("utf-8", "replace").decode()
    drawn = vl_convert.vega_to_svg(text, allowed_base_urls=[])
    head = Markup('<svg role="img" aria-label="{}" ').format(escape(label))
    # Vega escapes every text and attribute.
    return head + Markup(drawn.removeprefix("<svg "))  # noqa: S704


def warm_up() -> None:
    """Start Vega and compile every chart: about a second and 75 MB of memory, once a process."""
    for path in sorted(_SPECIFICATIONS.glob("*.vl.json")):
        vl_convert.vega_to_svg(_compiled(path.name.removesuffix(".vl.json")))


@cache
def _compiled(name: str) -> dict[str, Any]:
    # Compiled once and fed afterwards: a chart then takes a third of the time.
    specification = json.loads((_SPECIFICATIONS / f"{name}.vl.json").read_text("utf-8"))
    return vl_convert.vegalite_to_vega(specification)


def _filled(source: dict[str, Any], datasets: Mapping[str, Rows]) -> dict[str, Any]:
    rows = datasets.get(source["name"])
    return source if rows is None else {**source, "values": list(rows)}
