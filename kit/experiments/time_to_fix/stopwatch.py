"""A stopwatch with a question: it runs from showing the evidence until the right answer."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ipywidgets

from kit.html import display_live, render
from kit.widgets.controls import make_button

TICK_S = 1.0
LIMIT_S = 20 * 60.0

NOT_TRIED, RUNNING, SOLVED, GIVEN_UP = "not tried yet", "running", "solved", "given up"
_CLOCK_SAYS = {NOT_TRIED: "Start the clock", RUNNING: "The clock is running"}


class NotRunning(RuntimeError):
    """An answer was given to a stopwatch that is not running."""


@dataclass(frozen=True)
class Question:
    """A question, its possible answers, and the right one; each is plain text.

    ``evidence`` is shown from the start, ``debriefing`` at the end: both are trusted HTML.
    """

    title: str
    text: str
    choices: Sequence[str]
    right: str
    evidence: str
    debriefing: str


@dataclass(frozen=True)
class TimedAttempt:
    """An attempt: ``seconds`` until the right answer, or until giving up."""

    state: str = NOT_TRIED
    seconds: float = 0.0
    wrong: int = 0


class Stopwatch:
    """A question with a clock, shown in a notebook as a widget.

    A wrong answer is counted, and the clock continues. After 20 minutes it gives up by itself.
    ``ended`` is set when the clock stops.
    """

    def __init__(self, question: Question, *, now: Callable[[], float] = time.monotonic) -> None:
        self._question = question
        self._now = now
        self._began = 0.0
        self.ended = threading.Event()
        self._refused: set[str] = set()
        self._turn = threading.RLock()
        self.attempt = TimedAttempt()
        self._head, self._clock, self._evidence, self._verdict = (
            ipywidgets.HTML() for _ in range(4)
        )
        self.start_button = make_button("Start the clock", self._start, style="primary")
        self.give_up_button = make_button("Give up", self._give_up)
        self.choices = {
            choice: make_button(choice, partial(self._choose, choice))
            for choice in question.choices
        }
        self.view = self._build_view()
        self._show()

    def answer(self, choice: str) -> bool:
        """Press an answer's button; return whether it was right.

        Raises KeyError for an answer that is not among the choices, NotRunning when the clock is
        not running.
        """
        if self.attempt.state != RUNNING:
            raise NotRunning(f"The clock is not running: this round is {self.attempt.state}.")
        self.choices[choice].click()
        return self.attempt.state == SOLVED

    def stop(self) -> None:
        """End without a result and leave the page: another stopwatch replaces this one."""
        self.ended.set()
        self.view.close()

    def _ipython_display_(self) -> None:
        display_live(self.view)

    def _build_view(self) -> ipywidgets.VBox:
        bar = ipywidgets.Box([self.start_button, self._clock, self.give_up_button])
        answers = ipywidgets.VBox(list(self.choices.values()))
        view = ipywidgets.VBox([self._head, bar, self._evidence, answers, self._verdict])
        names = {"": view, "-bar": bar, "-answers": answers, "-evidence": self._evidence}
        for name, part in names.items():
            part.add_class(f"cw-stopwatch{name}")
        self._answers = answers
        return view

    def _start(self) -> None:
        with self._turn:
            if self.attempt.state != NOT_TRIED:
                return
            self._began = self._now()
            self.attempt = TimedAttempt(RUNNING)
            self._show()
        threading.Thread(target=self._tick, name="stopwatch", daemon=True).start()

    def _choose(self, choice: str) -> None:
        with self._turn:
            if self.attempt.state != RUNNING:
                return
            if choice == self._question.right:
                self._end(SOLVED)
            else:
                self._refused.add(choice)
                self.choices[choice].description = f"✗ {choice}"
                self.attempt = replace(self.attempt, wrong=len(self._refused))
                self._show()

    def _give_up(self) -> None:
        with self._turn:
            if self.attempt.state == RUNNING:
                self._end(GIVEN_UP)

    def _end(self, state: str) -> None:
        self.attempt = replace(self.attempt, state=state, seconds=self._now() - self._began)
        self.ended.set()
        self.choices[self._question.right].description = f"✓ {self._question.right}"
        self._show()

    def _tick(self) -> None:
        """Update the time once a second, and give up at the limit."""
        while not self.ended.wait(TICK_S):
            if self._now() - self._began >= LIMIT_S:
                self._give_up()
            else:
                with self._turn:
                    self._show_clock()

    def _show(self) -> None:
        state = self.attempt.state
        self._head.value = self._render_part("head")
        self._evidence.value = "" if state == NOT_TRIED else self._render_part("evidence")
        self.start_button.description = _CLOCK_SAYS.get(state, "The clock has stopped")
        self.start_button.button_style = "primary" if state == NOT_TRIED else ""
        # The last pressed button stays enabled: a disabled one loses the focus, and then JupyterLab
        # gets the keys.
        _show_if(self.give_up_button, state in (RUNNING, GIVEN_UP))
        _show_if(self._answers, state != NOT_TRIED)
        for choice, button in self.choices.items():
            button.disabled = state == GIVEN_UP or (
                state == SOLVED and choice != self._question.right
            )
        self._show_clock()
        # Last: what a screen reader announces has then happened, and Tab leads where it says.
        self._verdict.value = self._render_part("verdict")

    def _show_clock(self) -> None:
        ended = self.attempt.state in (SOLVED, GIVEN_UP)
        seconds = self.attempt.seconds if ended else self._now() - self._began
        shown = clock(seconds) if self.attempt.state != NOT_TRIED else ""
        self._clock.value = render("stopwatch_clock.html", time=shown)

    def _render_part(self, part: str) -> str:
        given: dict[str, Any] = {"question": self._question, "attempt": self.attempt}
        took = clock(self.attempt.seconds)
        return render(f"stopwatch_{part}.html", **given, took=took)


def clock(seconds: float) -> str:
    """Return a time in clock format: ``2:05`` is two minutes and five seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _show_if(widget: ipywidgets.DOMWidget, is_shown: bool) -> None:
    widget.layout.display = None if is_shown else "none"
