"""The game day widget: a picture that outlives the kernel, and the controls below it."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets
from markupsafe import Markup

from kit.actionable import ActionableError
from kit.html import display_live, render
from kit.reliability.game_day.environment import RepairAsk
from kit.widgets.controls import make_button
from kit.widgets.static import FollowedStatic

if TYPE_CHECKING:
    from kit.reliability.game_day.game_day import GameDay


class GameFace:
    """Shows the picture, and buttons that call the methods of the game day."""

    def __init__(self, day: "GameDay") -> None:
        self._day = day
        self._turn = threading.Lock()
        self._picture = FollowedStatic()
        self._shown: object = None
        self.start_button = make_button("Start the game day", day.start, style="primary")
        self.stop_button = make_button("Stop", self._act(day.stop))
        self.kill_button = make_button(
            "Kill switch: no more repairs", self._act(day.kill), style="danger"
        )
        self.flag_box = ipywidgets.Text(placeholder="rollout-…")
        self.flag_button = make_button("Turn the flag off", self._turn_off)
        self.approve_button = make_button("Approve", self._answer(day.approve), style="success")
        self.deny_button = make_button("Deny", self._answer(day.deny))
        self._says = ipywidgets.HTML()
        self._refusal = ""
        self.ask_row = _row([self._says, self.approve_button, self.deny_button])
        self.hand_row = _row([self.flag_box, self.flag_button, self.kill_button, self.stop_button])
        self.controls = ipywidgets.VBox([self.ask_row, _row([self.start_button]), self.hand_row])
        self.controls.add_class("cw-game-controls")

    def show(self, picture: Markup, phase: str, ask: RepairAsk | None, has_switch: bool) -> None:
        """Replace the picture wherever it is displayed, and show the useful controls."""
        self._picture.show(picture)
        # Send widgets only when something changes: otherwise a box would lose what is being typed.
        wanted = (phase, ask, has_switch, self._refusal)
        if wanted == self._shown:
            return
        self._shown = wanted
        is_running = phase == "running"
        _show_when(self.start_button, phase == "not started")
        _show_when(self.hand_row, is_running)
        _show_when(self.kill_button, has_switch)
        for button in (self.approve_button, self.deny_button):
            _show_when(button, ask is not None)
        text = "" if ask is None else ask.text
        self._says.value = render("game_day_ask.html", ask=text, refusal=self._refusal)

    def display(self) -> None:
        """Show both in the output of the running cell."""
        self._picture.display()
        display_live(ipywidgets.VBox([self._picture.copy, self.controls]))

    def _turn_off(self) -> None:
        flag, self.flag_box.value = self.flag_box.value.strip(), ""
        if flag:
            self._act(lambda: self._day.turn_off(flag))()

    def _answer(self, answer: Callable[[str], object]) -> Callable[[], None]:
        """Return a function that answers the oldest question."""

        def give() -> None:
            for ask in self._day.asks[:1]:
                answer(ask.id)

        return self._act(give)

    def _act(self, action: Callable[[], object]) -> Callable[[], None]:
        """Return a function that acts in a thread: a request must not block the kernel."""

        def begin() -> None:
            threading.Thread(target=run, name="game-day-button", daemon=True).start()

        def run() -> None:
            with self._turn:  # one after the other, in the order of the clicks
                self._refusal = ""
                try:
                    action()
                except ActionableError as error:
                    self._refusal = str(error)
            self._day.show()

        return begin


def _row(children: list[ipywidgets.Widget]) -> ipywidgets.Box:
    row = ipywidgets.Box(children)
    row.add_class("cw-game-row")
    return row


def _show_when(widget: ipywidgets.DOMWidget, is_shown: bool) -> None:
    widget.layout.display = None if is_shown else "none"
