"""An experiment on screen: the prediction first, then a button, then the timeline."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import ipywidgets
from markupsafe import Markup

from kit.actionable import ActionableError
from kit.html import display_live, render
from kit.reliability.chaos.document import OUTCOMES, Outcome
from kit.widgets.controls import make_button

if TYPE_CHECKING:
    from kit.reliability.chaos.experiment import ChaosExperiment
    from kit.reliability.chaos.result import ChaosResult


class ChaosWidget:
    """An experiment in a notebook; its buttons call its methods."""

    def __init__(
        self, experiment: "ChaosExperiment", draw: Callable[["ChaosExperiment"], Markup]
    ) -> None:
        self._experiment, self._draw = experiment, draw
        self._head, self._says, self._result = (ipywidgets.HTML() for _ in range(3))
        self.predict_buttons = {
            outcome: make_button(f"It {outcome}", partial(self._predict, outcome))
            for outcome in OUTCOMES
        }
        self.run_button = make_button("Run the experiment", self._run, style="primary")
        self.stop_button = make_button("Stop and roll back", self._stop)
        bar = ipywidgets.Box(
            [*self.predict_buttons.values(), self.run_button, self.stop_button, self._says]
        )
        bar.add_class("cw-chaos-bar")
        self.view = ipywidgets.VBox([self._head, bar, self._result])
        self.show()

    def display(self) -> None:
        """Show it in the notebook."""
        self.show()
        display_live(self.view)

    def show(self, refusal: str = "") -> None:
        """Show its state; may be called from any thread."""
        experiment = self._experiment
        self._head.value = self._draw(experiment)
        is_running = experiment.is_running
        for outcome, button in self.predict_buttons.items():
            button.button_style = "info" if experiment.predict == outcome else ""
            button.disabled = is_running
        self.run_button.disabled = experiment.predict is None or is_running
        self.stop_button.disabled = not is_running
        result = experiment.result
        self._result.value = result._repr_html_() if result else ""
        self._says.value = render(
            "chaos_says.html", experiment=experiment, refusal=refusal, is_running=is_running
        )

    def _predict(self, outcome: Outcome) -> None:
        self._experiment.predict = outcome
        self.show()

    def _run(self) -> None:
        try:
            self._experiment.start(self._follow)
        except (ActionableError, OSError) as error:
            self.show(str(error))
        else:
            self.show()

    def _follow(self, result: "ChaosResult") -> None:
        self.show()

    def _stop(self) -> None:
        self.stop_button.disabled = True
        # The experiment's thread shows the end.
        self._experiment.stop()
