"""The controls that several widgets have: buttons, and boxes for the parameters of crash types."""

from collections.abc import Callable
from typing import Any

import ipywidgets

from kit.crashes.crash_type import Parameter


def make_button(
    text: str = "",
    action: Callable[[], object] | None = None,
    *,
    classes: str = "",
    icon: str = "",
    style: str = "",
) -> ipywidgets.Button:
    """Return a button that calls ``action`` when it is pressed; ``style`` is one of Jupyter's."""
    button = ipywidgets.Button(description=text, icon=icon, button_style=style)
    if action is not None:
        button.on_click(lambda _: action())
    return set_classes(button, classes)


def make_number_box(parameter: Parameter, classes: str = "") -> ipywidgets.BoundedIntText:
    """Return a box for a parameter of a crash type, within its bounds."""
    bounds = parameter.bounds
    box = ipywidgets.BoundedIntText(
        bounds.default,
        min=bounds.minimum,
        max=bounds.maximum,
        description=f"{parameter.name} ({bounds.minimum} to {bounds.maximum} {parameter.unit})",
    )
    return set_classes(box, classes)


def set_classes(widget: Any, classes: str) -> Any:
    """Give a widget these CSS classes, separated by spaces, and return it."""
    # In one message; add_class() sends one each.
    widget._dom_classes = classes.split()
    return widget
