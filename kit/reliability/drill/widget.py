"""A drill on screen: its clock, its inbox, a button for each answer, and the verdict."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import ipywidgets

from kit.actionable import ActionableError
from kit.html import render
from kit.reliability.drill.phases import PhaseName
from kit.reliability.drill.timeline import as_whole_percent, minutes_and_seconds
from kit.widgets.controls import make_button

if TYPE_CHECKING:
    from kit.reliability.drill.drill import Drill

_TITLES: Mapping[PhaseName, str] = {
    "detected": "1. Detect: is something wrong?",
    "localised": "2. Localise: in which service?",
    "diagnosed": "3. Diagnose: what is wrong?",
    "mitigated": "4. Mitigate: what stops it?",
}
_START_SAYS = {"not started": "Start the drill", "running": "The clock is running"}


class DrillWidget:
    """A drill in a notebook; its buttons call the methods of the drill."""

    def __init__(self, drill: "Drill") -> None:
        self._drill = drill
        self._turn = threading.Lock()
        self._refusal = self._doing = ""
        self._head, self._clock, self._inbox, self._verdict = (ipywidgets.HTML() for _ in range(4))
        self.start_button = make_button("Start the drill", self._start, style="primary")
        self.give_up_button = make_button("Give up", self._act(drill.give_up))
        self.buttons = self._make_buttons()
        self._titles = {name: ipywidgets.HTML() for name in _TITLES}
        self.update_box = ipywidgets.Text(placeholder="Status update: what is hit, since when?")
        self.update_box.layout.width = "100%"
        self.send_button = make_button("Send the update", self._send)
        self._answers = ipywidgets.VBox([*self._phase_boxes(), self._update_row()])
        self.view = self._build_view()
        drill.on_change(self.show)
        self.show()

    def show(self) -> None:
        """Show the state of the drill; may be called from any thread."""
        drill = self._drill
        self._head.value = render("drill_head.html", drill=drill)
        self._show_clock()
        self._inbox.value = render(
            "drill_inbox.html",
            drill=drill,
            refusal=self._refusal,
            doing=self._doing,
            done=next(reversed(drill.timeline.of("mitigation")), None),
            clock=minutes_and_seconds,
        )
        is_running = drill.state == "running"
        self.start_button.description = _START_SAYS.get(drill.state, "The clock has stopped")
        self.start_button.button_style = "primary" if drill.state == "not started" else ""
        _show_when(self.give_up_button, is_running)
        _show_when(self._answers, is_running)
        self._show_phases()
        is_over = drill.state == "over"
        self._verdict.value = drill.verdict._repr_html_() if is_over else ""

    def _show_clock(self) -> None:
        budget = self._drill.budget
        self._clock.value = render(
            "drill_clock.html",
            state=self._drill.state,
            time=minutes_and_seconds(self._drill.elapsed_s),
            spent=as_whole_percent(budget.share),
            is_overspent=budget.share > 1,
        )

    def _show_phases(self) -> None:
        is_detected = self._drill.phases[0].is_done
        for phase in self._drill.phases:
            self._titles[phase.name].value = render(
                "drill_phase.html",
                title=_TITLES[phase.name],
                phase=phase,
                time=minutes_and_seconds(phase.at),
            )
            for answer, button in self.buttons[phase.name].items():
                is_early = phase.name != "detected" and not is_detected
                is_busy = phase.name == "mitigated" and bool(self._doing)
                button.disabled = phase.is_done or is_early or is_busy
                mark = "✗ " if answer in phase.tries else ""
                button.description = mark + answer

    def _make_buttons(self) -> dict[PhaseName, dict[str, ipywidgets.Button]]:
        drill = self._drill
        actions: dict[PhaseName, dict[str, Callable[[], object]]] = {
            "detected": {"Something is wrong": drill.detected},
            "localised": {each: partial(drill.localised, each) for each in drill.services},
            "diagnosed": {each: partial(drill.diagnosed, each) for each in drill.causes},
            "mitigated": _mitigations(drill),
        }
        return {
            name: {
                text: make_button(text, self._act(action, text if name == "mitigated" else ""))
                for text, action in given.items()
            }
            for name, given in actions.items()
        }

    def _phase_boxes(self) -> list[ipywidgets.VBox]:
        boxes = []
        for name in _TITLES:
            answers = ipywidgets.Box(list(self.buttons[name].values()))
            answers.add_class("cw-drill-choices")
            if name == "diagnosed":
                answers.add_class("cw-drill-long")
            boxes.append(ipywidgets.VBox([self._titles[name], answers]))
        return boxes

    def _update_row(self) -> ipywidgets.Box:
        row = ipywidgets.Box([self.update_box, self.send_button])
        row.add_class("cw-drill-update")
        return row

    def _build_view(self) -> ipywidgets.VBox:
        bar = ipywidgets.Box([self.start_button, self._clock, self.give_up_button])
        view = ipywidgets.VBox([self._head, bar, self._inbox, self._answers, self._verdict])
        for name, part in {"": view, "-bar": bar, "-answers": self._answers}.items():
            part.add_class(f"cw-drill{name}")
        return view

    def _start(self) -> None:
        self._act(self._drill.start)()

    def _send(self) -> None:
        text, self.update_box.value = self.update_box.value, ""
        if text.strip():
            self._act(partial(self._drill.update, text))()

    def _act(self, action: Callable[[], object], doing: str = "") -> Callable[[], None]:
        """Return a function that does it in a thread: a restart must not block the kernel's cells.

        ``doing`` is shown until a slow action is done.
        """

        def begin() -> None:
            threading.Thread(target=run, name="drill-button", daemon=True).start()

        def run() -> None:
            # One after the other, in the order of the clicks.
            with self._turn:
                self._refusal, self._doing = "", doing
                if doing:
                    self.show()
                try:
                    action()
                except ActionableError as error:
                    self._refusal = str(error)
                self._doing = ""
            self.show()

        return begin


def _mitigations(drill: "Drill") -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    for flag in drill.flags:
        found[f"turn off {flag}"] = partial(drill.mitigate, turn_off=flag)
    for service in drill.services:
        found[f"restart {service}"] = partial(drill.mitigate, restart=service)
    for service in drill.services:
        found[f"roll back {service}"] = partial(drill.mitigate, roll_back=service)
    return found


def _show_when(widget: ipywidgets.DOMWidget, is_shown: bool) -> None:
    widget.layout.display = None if is_shown else "none"
