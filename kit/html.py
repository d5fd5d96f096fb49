"""Renders the templates of ``kit/templates``; every value is escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

ENVIRONMENT = Environment(
    loader=PackageLoader("kit"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Return the HTML of one template, its style sheet inside it."""
    return ENVIRONMENT.get_template(template).render(**values)
