"""What the learner presses: a button that crashes something and shows what was captured."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ipywidgets
from IPython.display import HTML, DisplayHandle

from kit.card import event_card, trace_table
from kit.catalogue import CrashType
from kit.html import render
from kit.outcome import Outcome


class Trigger(Protocol):
    """How to crash something: ``Workshop.trigger``."""

    def __call__(self, crash_id: str, **options: Any) -> Outcome:
        """Trigger ``crash_id``."""


class CrashWidget:
    """A crash type, or the variants of one, with its button and what a press of it captured.

    Only the controls are widgets. All else is static HTML in the cell's output, which outlives
    the kernel and is kept by nbconvert.
    """

    def __init__(self, variants: Sequence[CrashType], trigger: Trigger) -> None:
        self._variants = {crash.variant: crash for crash in variants}
        self._trigger = trigger
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._press: threading.Thread | None = None
        self._kind = ipywidgets.Dropdown(options=list(self._variants), description="type")
        self._kind.observe(lambda _: self._head.update(self._describe()), "value")
        self._parameters = {
            parameter.name: ipywidgets.BoundedIntText(
                parameter.bounds.default,
                min=parameter.bounds.minimum,
                max=parameter.bounds.maximum,
                description=f"{parameter.name} ({parameter.unit})",
            )
            for parameter in variants[0].parameters
        }
        self.button = ipywidgets.Button(description="Crash it", icon="bolt", button_style="danger")
        self.button.on_click(lambda _: self._start())
        self._state = ipywidgets.HTML()
        self._head, self._card, self._trace = DisplayHandle(), DisplayHandle(), DisplayHandle()

    def click(self) -> Outcome:
        """Press the button, wait for all that follows, and return the outcome.

        Raises what went wrong on the way: in a callback alone an error would stay unseen.
        """
        self.button.click()
        if self._press is not None:
            self._press.join()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    @property
    def _crash(self) -> CrashType:
        return self._variants[self._kind.value]

    def _ipython_display_(self) -> None:
        choice = [self._kind] if len(self._variants) > 1 else []
        controls = [*choice, *self._parameters.values(), self.button]
        self._head.display(self._describe())
        DisplayHandle().display(ipywidgets.VBox([ipywidgets.HBox(controls), self._state]))
        self._card.display(HTML(""))
        self._trace.display(HTML(""))

    def _describe(self) -> HTML:
        return HTML(render("crash.html", crash=self._crash))

    def _start(self) -> None:
        """Run in a thread of its own: the kernel stays free, and other buttons work meanwhile."""
        self.button.disabled = True
        self._press = threading.Thread(target=self._run, name="workshop-press", daemon=True)
        self._press.start()

    def _run(self) -> None:
        self._outcome, self._error = None, None
        self._show_state()
        try:
            values = {name: box.value for name, box in self._parameters.items()}
            self._outcome = self._trigger(
                self._crash.row_id, on_answer=self._show_state, on_event=self._show_card, **values
            )
            self._show_state(self._outcome, done=True)
            self._trace.update(HTML(trace_table(self._outcome.trace)))
        except Exception as error:
            self._error = error
            kind = type(error).__name__
            self._state.value = render("failure.html", error_type=kind, error=error)
        finally:
            self.button.disabled = False

    def _show_card(self, outcome: Outcome) -> None:
        self._card.update(HTML("".join(event._repr_html_() for event in outcome.events)))
        self._show_state(outcome)

    def _show_state(self, outcome: Outcome | None = None, *, done: bool = False) -> None:
        self._state.value = render("state.html", steps=steps(self._crash, outcome, done))


@dataclass(frozen=True)
class Step:
    """One step of a press; ``state`` is done, now, next or lack."""

    state: str
    text: str


def steps(crash: CrashType, outcome: Outcome | None, done: bool) -> list[Step]:
    """Return how far a press has come, from the request to the last telemetry declared."""
    if outcome is None:
        return [Step("now", "waiting for the answer"), *_to_come(crash)]
    milliseconds = outcome.response.elapsed.total_seconds() * 1000
    status = f"{outcome.response.status_code} {outcome.response.reason_phrase}"
    answered = Step("done", f"HTTP {status} after {milliseconds:.0f} ms")
    if done and outcome.missing:
        return [answered, Step("lack", f"did not arrive: {'; '.join(outcome.missing)}")]
    if len(outcome.events) < len(crash.errors):
        return [answered, Step("now", "waiting for the error event"), _to_come(crash)[1]]
    events = Step("done", f"captured {', '.join(event.title for event in outcome.events)}")
    if not done:
        return [answered, events, Step("now", "waiting for the rest of the trace")]
    return [answered, events, Step("done", f"all declared telemetry is here: {_rest(outcome)}")]


def _to_come(crash: CrashType) -> list[Step]:
    return [Step("next", "error event"), Step("next", "transactions and profiles of the trace")]


def _rest(outcome: Outcome) -> str:
    return ", ".join(name for name in outcome.captured if not name.startswith("event"))
