"""Renders the templates of ``kit/templates``; every value is escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

ENVIRONMENT = Environment(
    loader=PackageLoader("kit"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> Markup:
    """Return the HTML of one template, its style sheet inside it.

    It can be sent as UTF-8: half of a surrogate pair, legal in JSON, becomes a question mark.
    """
    html = ENVIRONMENT.get_template(template).render(**values)
    return Markup(html.encode("utf-8", "replace").decode())  # noqa: S704 - escaped by Jinja
