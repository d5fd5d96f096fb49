"""Renders the templates of ``kit/templates``, every value escaped, and shows widgets with them."""

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
LIVE = "cw-live"  # the CSS class of what display_live() shows


def render(template: str, **values: Any) -> Markup:
    """Return the HTML of one template, including its style sheet.

    It can be encoded as UTF-8: half of a surrogate pair, legal in JSON, becomes a question mark.
    """
    html = ENVIRONMENT.get_template(template).render(**values)
    return Markup(html.encode("utf-8", "replace").decode())  # noqa: S704 - escaped by Jinja


def display_live(widget: Any) -> None:
    """Show a widget that says when its kernel has ended, instead of showing dead buttons.

    JupyterLab marks widgets whose kernel was restarted, and replaces widgets that no kernel knows
    with its own text; the style sheet of ``live.html`` matches both. nbconvert uses the HTML
    instead of the widget.
    """
    # Pages are also rendered outside of notebooks, where importing IPython would take a second.
    from IPython.display import HTML, display

    widget.add_class(LIVE)
    display(HTML(render("live.html")))
    instead = {"text/plain": "<a widget>", "text/html": render("live_instead.html")}
    display({**widget._repr_mimebundle_(), **instead}, raw=True)
