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
    """Return the HTML of one template, its style sheet inside it.

    It can be sent as UTF-8: half of a surrogate pair, legal in JSON, becomes a question mark.
    """
    html = ENVIRONMENT.get_template(template).render(**values)
    return Markup(html.encode("utf-8", "replace").decode())  # noqa: S704 - escaped by Jinja


def display_live(widget: Any) -> None:
    """Show a widget that says so when its kernel has ended, instead of a button that is dead.

    JupyterLab marks widgets whose kernel was restarted, and shows a text of its own in place of
    those that no kernel knows; the style sheet of ``live.html`` finds both. nbconvert takes the
    HTML instead of the widget.
    """
    # Pages are rendered outside of notebooks, too: there IPython would be a second of waiting.
    from IPython.display import HTML, display

    widget.add_class(LIVE)
    display(HTML(render("live.html")))
    instead = {"text/plain": "<a widget>", "text/html": render("live_instead.html")}
    display({**widget._repr_mimebundle_(), **instead}, raw=True)
