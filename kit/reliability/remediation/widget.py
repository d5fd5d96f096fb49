"""A responder on screen: its questions with their buttons, its kill switch, and its journal."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import ipywidgets

from kit.actionable import ActionableError
from kit.html import render
from kit.widgets.controls import make_button

if TYPE_CHECKING:
    from kit.reliability.remediation.responder import Responder


class ResponderWidget:
    """A responder in a notebook; its buttons call its methods."""

    def __init__(self, responder: "Responder") -> None:
        self._responder = responder
        self._lock = threading.RLock()
        self._refusal = ""
        self._shown: int | None = None
        self._head, self._question, self._journal = (ipywidgets.HTML() for _ in range(3))
        self.approve_button = make_button(
            "Approve", self._act(partial(self._answer, responder.approve)), style="primary"
        )
        self.deny_button = make_button("Deny", self._act(partial(self._answer, responder.deny)))
        self.kill_button = make_button("", self._act(self._toggle))
        self._answers = self._bar(self.approve_button, self.deny_button)
        parts = [self._head, self._bar(self.kill_button), self._question, self._answers]
        self.view = ipywidgets.VBox([*parts, self._journal])
        self.view.add_class("cw-drill")
        responder.on_change(self.show)
        self.show()

    def show(self) -> None:
        """Show the state of the responder; may be called from any thread."""
        with self._lock:
            responder = self._responder
            is_running, is_killed = responder.is_running, responder.is_killed
            case = next(iter(responder.waiting), None)
            # A click answers the case whose question is on screen.
            self._shown = case.number if case else None
            told = {"responder": responder, "is_running": is_running, "is_killed": is_killed}
            self._head.value = render("responder_head.html", **told)
            self._question.value = render(
                "responder_question.html", case=case, refusal=self._refusal
            )
            self.kill_button.description = (
                "Allow actions again" if is_killed else "Stop all actions"
            )
            self.kill_button.button_style = "" if is_killed else "danger"
            self._answers.layout.display = None if case else "none"
            self.kill_button.layout.display = None if is_running else "none"
            tickets = [ticket._repr_html_() for ticket in responder.tickets]
            self._journal.value = "".join([responder.journal._repr_html_(), *tickets])

    def _answer(self, answer: Callable[[int | None], object]) -> None:
        if self._shown is not None:
            answer(self._shown)

    def _toggle(self) -> None:
        responder = self._responder
        if responder.is_killed:
            responder.revive()
        else:
            responder.kill()

    def _bar(self, *buttons: ipywidgets.Button) -> ipywidgets.Box:
        bar = ipywidgets.Box(list(buttons))
        bar.add_class("cw-drill-bar")
        return bar

    def _act(self, action: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            self._refusal = ""
            try:
                action()
            except ActionableError as error:
                self._refusal = str(error)
            self.show()

        return run
