"""The crash widget: a button that crashes something and shows what was captured."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import ipywidgets

from kit.crashes.crash_type import CrashType, Parameter
from kit.html import display_live, render
from kit.outcome import Outcome, event_cards
from kit.reading.spans import length
from kit.views.gauges import Recording, WatchTarget, gauges
from kit.widgets.controls import make_button, make_number_box
from kit.widgets.press import Press, failure_html, is_pressed_when_shown
from kit.widgets.static import FollowedStatic, Step
from kit.words import count_noun


class TriggerFunction(Protocol):
    """How to crash something: ``Workshop.trigger``."""

    def __call__(self, crash_id: str, **options: Any) -> Outcome:
        """Trigger ``crash_id``."""


class CrashWidget:
    """A crash type, or the variants of one, with its button and what a press captured.

    Only the controls are widgets. Everything else is static HTML in the cell's output, which
    outlives the kernel and is kept by nbconvert. It always shows the chosen variant.
    """

    def __init__(
        self,
        variants: Sequence[CrashType],
        trigger: TriggerFunction,
        watch_target: Callable[[], WatchTarget] = WatchTarget,
    ) -> None:
        self._variants = {crash.variant: crash for crash in variants}
        self._trigger = trigger
        self._watch_target = watch_target
        self._kind = _variant_choice(list(self._variants))
        self._kind.observe(lambda _: self._change_variant(), "value")
        self._parameters = {each.name: _number_box(each) for each in variants[0].parameters}
        self.button = _crash_button()
        self._press = Press(self.button, self._crash_it, self._show_failure)
        self._showing = threading.Lock()
        self._pressed = self._crash
        self._head = FollowedStatic()
        self._results = [FollowedStatic() for _ in range(4)]
        self._state, self._chart, self._cards, self._trace = self._results
        self._describe()

    def click(self) -> Outcome:
        """Press the button, wait for all that follows, and return the outcome.

        Raises what went wrong: an error only in a callback would go unnoticed.
        """
        return self._press.click()

    @property
    def _crash(self) -> CrashType:
        return self._variants[self._kind.value]

    def _ipython_display_(self) -> None:
        choice = [self._kind] if len(self._variants) > 1 else []
        controls = ipywidgets.Box(
            [self.button, *choice, *self._parameters.values()],
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        controls.add_class("cw-w-controls")
        self._head.display()
        copies = [result.copy for result in self._results]
        display_live(ipywidgets.VBox([self._head.copy, controls, *copies]))
        for result in self._results:
            result.display()
        if is_pressed_when_shown():
            self.click()

    def _describe(self) -> None:
        self._head.show(render("crash.html", crash=self._crash))

    def _change_variant(self) -> None:
        with self._showing:
            self._describe()
            for result in self._results:
                result.show("")

    def _crash_it(self) -> Outcome:
        crash = self._pressed = self._crash
        self._show_state()
        values = {name: box.value for name, box in self._parameters.items()}
        with self._charting(crash):
            outcome = self._trigger(
                crash.full_id, on_answer=self._show_state, on_event=self._show_cards, **values
            )
        self._show_outcome(outcome)
        return outcome

    def _charting(self, crash: CrashType) -> AbstractContextManager[object]:
        """Chart what the process uses meanwhile, if the crash is about that."""
        if not crash.charted:
            return nullcontext()
        return Recording(
            self._watch_target(), lambda recording: self._put(self._chart, gauges(recording))
        )

    def _show_cards(self, outcome: Outcome) -> None:
        # Before the state: the card is what the learner waits for.
        self._put(self._cards, event_cards(outcome.events))
        self._show_state(outcome)

    def _show_outcome(self, outcome: Outcome) -> None:
        # Cards of an incomplete outcome, or of undeclared events, were not shown yet.
        if len(outcome.events) != len(outcome.crash.errors):
            self._put(self._cards, event_cards(outcome.events))
        views, fix = outcome.show_trace(), outcome.crash.fix
        self._put(self._trace, render("trace_and_fix.html", views=views, fix=fix))
        # Last, so that all that it calls complete is already on the page.
        self._show_state(outcome, done=True)

    def _show_failure(self, error: BaseException) -> None:
        self._put(self._cards, "")
        self._put(self._trace, "")
        self._put(self._state, failure_html(error))

    def _show_state(self, outcome: Outcome | None = None, *, done: bool = False) -> None:
        self._put(self._state, render("state.html", steps=steps(self._pressed, outcome, done)))

    def _put(self, place: FollowedStatic, html: str) -> None:
        """Show a part of the result, unless another variant was chosen since the press."""
        with self._showing:
            if self._pressed is self._crash:
                place.show(html)


def steps(crash: CrashType, outcome: Outcome | None, done: bool) -> list[Step]:
    """Return the progress of a press, from the request to the last declared telemetry."""
    if outcome is None:
        return [Step("now", "Waiting for the HTTP response"), *_to_come(crash)]
    milliseconds = outcome.response.elapsed.total_seconds() * 1000
    status = f"{outcome.response.status_code} {outcome.response.reason_phrase}"
    answered = Step("done", f"HTTP {status} after {milliseconds:.0f} ms")
    if done and outcome.missing:
        return [answered, Step("lack", f"Did not arrive: {'; '.join(outcome.missing)}")]
    if len(outcome.events) < len(crash.errors):
        waiting = f"Waiting for {_to_come(crash)[0].text}"
        return [answered, Step("now", waiting), _to_come(crash)[1]]
    titles = ", ".join(event.title for event in outcome.events)
    events = Step("done", f"Sentry captured {titles or 'no error, as declared'}")
    if not done:
        return [answered, events, Step("now", "Waiting for the rest of the trace")]
    complete = Step("done", f"The trace is complete: {_rest(outcome)}")
    return [answered, events, complete, *_restart(outcome)]


def _restart(outcome: Outcome) -> list[Step]:
    """Return that the process ended and came back, when it did."""
    ended = outcome.process_exit
    if ended is None or ended.back_after_s is None:
        return []
    how = f"was {ended.how}" if ended.signal else ended.how
    back = f"and was back after {length(ended.back_after_s)}"
    return [Step("done", f"The process of {ended.name} {how} {back}")]


def _to_come(crash: CrashType) -> list[Step]:
    return [
        Step("next", count_noun(len(crash.errors), "error event")),
        Step("next", "the trace"),
    ]


_NOUNS = {"span": "span envelope", "profile_chunk": "profile"}


def _rest(outcome: Outcome) -> str:
    kinds = Counter(item.type for item in outcome.items)
    return ", ".join(count_noun(kinds[kind], noun) for kind, noun in _NOUNS.items() if kinds[kind])


def _crash_button() -> ipywidgets.Button:
    button = make_button("Crash it", classes="cw-w-button", icon="bolt", style="danger")
    button.layout = ipywidgets.Layout(width="150px", height="38px", margin="0 14px 0 0")
    return button


def _variant_choice(names: list[str | None]) -> ipywidgets.Dropdown:
    layout = ipywidgets.Layout(width="200px")
    style = {"description_width": "initial"}
    return ipywidgets.Dropdown(options=names, description="type", layout=layout, style=style)


def _number_box(parameter: Parameter) -> ipywidgets.BoundedIntText:
    box = make_number_box(parameter)
    box.layout.width = "auto"
    box.style.description_width = "initial"
    return box
