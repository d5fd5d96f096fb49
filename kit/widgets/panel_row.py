"""The buttons of the debug panel: a row for each crash type, in a section for each service."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import ipywidgets

from demo_services.services import Service
from kit.crashes.crash_type import CrashType
from kit.html import render
from kit.outcome import Outcome
from kit.widgets.controls import make_button, make_number_box, set_classes
from kit.widgets.crash_widget import TriggerFunction
from kit.widgets.press import Press

# Called when a press ends: with its error, or with None.
OnEnd = Callable[[CrashType, BaseException | None], None]


@dataclass(frozen=True)
class PressResult:
    """How the last press of a button went; ``tone`` is running, good or bad."""

    tone: str
    text: str
    detail: str = ""


class Section:
    """The buttons of one service."""

    def __init__(self, service: Service, rows: list["PanelRow"]) -> None:
        self._rows = rows
        reasons = dict.fromkeys(row.reason for row in rows if row.reason)
        head = html_widget("panel_section.html", service=service, reasons=list(reasons))
        self.box = make_box("cw-p-section", head, *(row.box for row in rows))

    def filter(self, words: list[str]) -> None:
        """Show the rows that have all ``words``, and the section if there is one."""
        for row in self._rows:
            row.filter(words)
        hide(self.box, not any(row.is_shown for row in self._rows))


class PanelRow:
    """The button of a crash type, its parameters, and how its last press went.

    ``reason`` is why it cannot be pressed here, if it cannot.
    """

    def __init__(
        self,
        crash: CrashType,
        trigger: TriggerFunction,
        reason: str | None,
        on_answer: Callable[[Outcome], None],
        on_end: OnEnd,
    ) -> None:
        self.crash = crash
        self.reason = reason
        self.is_shown = True
        self._trigger = trigger
        self._on_answer, self._on_end = on_answer, on_end
        self._text = f"{crash.full_id} {crash.title} {crash.severity}".lower()
        self.button = make_button(label(crash), classes=f"cw-p-press cw-p-{crash.severity}")
        self.button.tooltip = reason or f"{crash.severity}: {crash.title}"
        self.button.disabled = reason is not None
        self._press = Press(self.button, self._fire, self._show_failure)
        self.parameters = {
            each.name: make_number_box(each, "cw-p-number") for each in crash.parameters
        }
        self._result = set_classes(ipywidgets.HTML(), "cw-p-last")
        self.box = make_box("cw-p-row", self.button, self._result, *self.parameters.values())
        if reason:
            self._show(PressResult("bad", "unavailable here", reason))

    def start(self) -> Future[Outcome]:
        """Press in a separate thread, unless one is running; return a future of the outcome."""
        return self._press.start()

    def filter(self, words: list[str]) -> None:
        """Show the row if it has all ``words``."""
        self.is_shown = all(word in self._text for word in words)
        hide(self.box, not self.is_shown)

    def _fire(self) -> Outcome:
        self._show(PressResult("running", "running …"))
        values = {name: box.value for name, box in self.parameters.items()}
        outcome = self._trigger(self.crash.full_id, on_answer=self._on_answer, **values)
        self._show(result_of(outcome))
        self._on_end(self.crash, None)
        return outcome

    def _show_failure(self, error: BaseException) -> None:
        self._show(PressResult("bad", "failed", f"{type(error).__name__}: {error}"))
        self._on_end(self.crash, error)

    def _show(self, result: PressResult) -> None:
        self._result.value = render("panel_result.html", result=result)


def label(crash: CrashType) -> str:
    """Return what a button says below the heading of its service: ``error · value``."""
    name = crash.id.partition("/")[2]
    return f"{name} · {crash.variant}" if crash.variant else name


def is_as_declared(outcome: Outcome) -> bool:
    """Return whether the answer and the telemetry are what the crash type declares."""
    return not _differences(outcome)


def result_of(outcome: Outcome) -> PressResult:
    """Return the result of a press in a few words."""
    status = outcome.response.status_code
    if differences := _differences(outcome):
        detail = f"Not as declared: {'; '.join(differences)}"
        return PressResult("bad", f"{status} · missing", detail)
    titles = ", ".join(event.title for event in outcome.events)
    count = len(outcome.events)
    events = f"{count} event{'' if count == 1 else 's'}" if count else "its trace"
    return PressResult(
        "good", f"{status} · {events}", f"HTTP {status}, captured {titles or events}"
    )


def _differences(outcome: Outcome) -> list[str]:
    crash, status = outcome.crash, outcome.response.status_code
    wrong_status = [] if status == crash.status else [f"HTTP {crash.status}"]
    return [*wrong_status, *outcome.missing, *outcome.unexpected]


def make_box(classes: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    """Return a box with these CSS classes around widgets."""
    box: ipywidgets.Box = set_classes(ipywidgets.Box(children), classes)
    return box


def html_widget(template: str, **values: Any) -> ipywidgets.HTML:
    """Return a template as a widget."""
    return ipywidgets.HTML(render(template, **values))


def hide(widget: ipywidgets.DOMWidget, is_hidden: bool) -> None:
    """Take a part of the panel off the screen, or put it back."""
    change = widget.add_class if is_hidden else widget.remove_class
    change("cw-p-hidden")
