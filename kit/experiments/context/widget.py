"""The context laboratory's switches in two columns, and the button that fires both."""

from collections.abc import Callable
from typing import Any, Protocol

import ipywidgets

from kit.experiments.context.switches import SWITCHES, Switch, as_code
from kit.html import display_live, render
from kit.widgets.press import Press, failure_html
from kit.widgets.static import FollowedStatic

# The initial settings: something disappears, and something appears.
AT_FIRST = {"stack_frame_variables": "False", "user": "True", "tags": "True"}

Choices = dict[str, ipywidgets.Dropdown]


class HtmlResult(Protocol):
    """A result that a notebook can show."""

    def _repr_html_(self) -> str: ...


class LaboratoryWidget:
    """Two columns of switches, ``a`` and ``b``, by name, and the button.

    A switch has the text of a value, as written in code, because a dropdown that is set to None
    looks as if it had no value.

    ``compare`` fires with both settings. The result is static HTML, which outlives the kernel.
    """

    def __init__(self, compare: Callable[..., Any]) -> None:
        self._compare = compare
        self.a, self.b = _column("A"), _column("B")
        for name, value in AT_FIRST.items():
            self.b[name].value = value
        self.button = ipywidgets.Button(description="Fire both", button_style="danger")
        self._says = ipywidgets.HTML()
        self._state, self._result = FollowedStatic(), FollowedStatic()
        self._press = Press(self.button, self._fire, self._show_failure)
        for box in (*self.a.values(), *self.b.values()):
            box.observe(lambda _: self._tell(), "value")
        self._tell()

    def click(self) -> Any:
        """Press the button, wait for the comparison, and return it. Raises any error."""
        return self._press.click()

    def _ipython_display_(self) -> None:
        view, copies = self._build_view(), (self._state.copy, self._result.copy)
        display_live(ipywidgets.VBox([view, *copies]))
        self._state.display()
        self._result.display()

    def _build_view(self) -> ipywidgets.VBox:
        head = ipywidgets.HTML(render("laboratory_head.html", switches=SWITCHES.values()))
        columns = ipywidgets.Box([ipywidgets.VBox(list(c.values())) for c in (self.a, self.b)])
        columns.add_class("cw-lab-columns")
        bar = ipywidgets.Box([self.button, self._says])
        bar.add_class("cw-lab-bar")
        view = ipywidgets.VBox([head, columns, bar])
        view.add_class("cw-lab")
        return view

    @property
    def _different(self) -> list[str]:
        return [name for name in SWITCHES if self.a[name].value != self.b[name].value]

    def _tell(self) -> None:
        """Show which switches differ between A and B, and mark them."""
        different = self._different
        for name in SWITCHES:
            for box in (self.a[name], self.b[name]):
                (box.add_class if name in different else box.remove_class)("cw-lab-differs")
        self._says.value = render("laboratory_says.html", different=different)

    def _fire(self) -> HtmlResult:
        self._result.show("")
        a, b = _values(self.a), _values(self.b)
        comparison: HtmlResult = self._compare(a, b, on_shot=self._show_progress)
        self._result.show(comparison._repr_html_())
        return comparison

    def _show_failure(self, error: BaseException) -> None:
        self._state.show(failure_html(error))

    def _show_progress(self, done: int, all_: int, what: str) -> None:
        self._state.show(render("laboratory_progress.html", done=done, all=all_, what=what))


def _column(side: str) -> Choices:
    return {name: _choice(side, switch) for name, switch in SWITCHES.items()}


def _values(column: Choices) -> dict[str, Any]:
    return {
        name: next(each for each in SWITCHES[name].choices if as_code(each) == box.value)
        for name, box in column.items()
    }


def _choice(side: str, switch: Switch) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=list(map(as_code, switch.choices)),
        description=f"{side} · {switch.name}",
        style={"description_width": "initial"},
    )
