"""The experiment object of a notebook: predicted, run, and saved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.html import render
from kit.reliability.chaos.background import BackgroundExperiment
from kit.reliability.chaos.catalogue import DeclaredExperiment, find_experiment
from kit.reliability.chaos.document import (
    OUTCOMES,
    Outcome,
    injected_terms,
    load_arguments,
    read_document,
    say_hypothesis,
)
from kit.reliability.chaos.engine import ExperimentJournal, check_document, run_document
from kit.reliability.chaos.result import ChaosResult
from kit.reliability.chaos.target import ExperimentTarget

if TYPE_CHECKING:
    from kit.reliability.chaos.widget import ChaosWidget


class PredictionMissing(WorkshopError, ValueError):
    """An experiment has no prediction yet, or an invalid one."""


class ChaosExperiment:
    """An experiment on the running system: a hypothesis, a fault, a rollback, and a check after it.

    ``document`` is the experiment in the Chaos Toolkit's format; change it as you like. Shown in a
    notebook as a widget that asks for a prediction and runs it in a child process.
    """

    def __init__(
        self,
        document: dict[str, Any],
        target: Callable[[], ExperimentTarget],
        *,
        predict: Outcome | None = None,
        declared: DeclaredExperiment | None = None,
    ) -> None:
        self.document = document
        self.result: ChaosResult | None = None
        self._target, self._declared = target, declared
        self._predicted: Outcome | None = None
        self._running: BackgroundExperiment | None = None
        self._widget: ChaosWidget | None = None
        if predict is not None:
            self.predict = predict

    @property
    def predict(self) -> Outcome | None:
        """Your prediction: ``holds`` or ``deviates``; None before you set it."""
        return self._predicted

    @predict.setter
    def predict(self, outcome: str) -> None:
        found = next((each for each in OUTCOMES if each == outcome), None)
        if found is None:
            raise PredictionMissing(
                f"A prediction must be {' or '.join(map(repr, OUTCOMES))}, not {outcome!r}."
            )
        self._predicted = found

    @property
    def title(self) -> str:
        """What the experiment does."""
        return str(self.document.get("title", ""))

    @property
    def question(self) -> str:
        """The question to answer before it runs."""
        return str(self.document.get("description", ""))

    @property
    def hypothesis(self) -> str:
        """The steady state in numbers, from the document."""
        return say_hypothesis(self.document)

    @property
    def is_running(self) -> bool:
        """Whether it runs in a child process."""
        return self._running is not None and not self._running.wait(0)

    def run(self) -> ChaosResult:
        """Run it here, in the main thread, and return the result.

        An interrupt rolls back, then ends the cell; ``result`` has what was seen until then. Raises
        PredictionMissing, DocumentError, and WorkshopError if it is already running.
        """
        self._check_ready()
        live = _LiveTimeline(self._as_result)
        try:
            journal = run_document(self.document, self._target(), live.show)
        finally:
            live.close()
        self.result = self._as_result(journal)
        if self.result.verdict == "interrupted":
            raise KeyboardInterrupt
        return self.result

    def start(self, on_step: Callable[[ChaosResult], object] = lambda result: None) -> None:
        """Run it in a child process, which ends with this one; ``result`` is updated as it runs.

        ``on_step`` is called with the result so far, in a thread. Raises PredictionMissing,
        DocumentError, and WorkshopError if it is already running.
        """
        self._check_ready()
        check_document(self.document)

        def take(journal: ExperimentJournal) -> None:
            self.result = self._as_result(journal)
            on_step(self.result)

        self._running = BackgroundExperiment(self.document, self._target(), take, take)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended in the child process; return whether it has."""
        return self._running is None or self._running.wait(seconds)

    def stop(self) -> None:
        """End the run in the child process, with its rollback."""
        if self._running is not None:
            self._running.stop()

    def save(self, path: str | Path) -> Path:
        """Write the document to a file for ``chaos run``; return its path.

        Raises OSError.
        """
        file = Path(path)
        text = json.dumps(self.document, indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
        return file

    def _check_ready(self) -> None:
        if self._predicted is None:
            raise PredictionMissing(
                "Predict first: you learn little from an outcome that you did not predict. Set "
                'experiment.predict = "holds" or "deviates", then run it.'
            )
        if self.is_running:
            raise WorkshopError("The experiment is already running. Wait for it, or stop() it.")

    def _as_result(self, journal: ExperimentJournal) -> ChaosResult:
        return ChaosResult(journal, self._predicted, self._declared)

    def __repr__(self) -> str:
        predicted = f"you predict {self._predicted}" if self._predicted else "predict first"
        return f"<ChaosExperiment {self.title}: {self.hypothesis}; {predicted}>"

    def _repr_html_(self) -> Markup:
        return draw_experiment(self)

    def _ipython_display_(self) -> None:
        # Imports widgets only when one is shown.
        from kit.reliability.chaos.widget import ChaosWidget

        if self._widget is None:
            self._widget = ChaosWidget(self, draw_experiment)
        self._widget.display()


class _LiveTimeline:
    """The timeline below a cell while an experiment runs in it; removed at the end."""

    def __init__(self, as_result: Callable[[ExperimentJournal], ChaosResult]) -> None:
        self._as_result = as_result
        self._handle: Any = None
        if get_ipython() is not None:
            from IPython.display import HTML, display

            self._handle = display(HTML(""), display_id=True)

    def show(self, journal: ExperimentJournal) -> None:
        """Show what has happened so far."""
        if self._handle is not None:
            self._handle.update(self._as_result(journal))

    def close(self) -> None:
        """Make room for the result."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))


def draw_experiment(experiment: ChaosExperiment) -> Markup:
    """Return what an experiment will do, as HTML."""
    document = experiment.document
    return render(
        "chaos_experiment.html",
        experiment=experiment,
        fault=injected_terms(document),
        load=load_arguments(document),
        document=json.dumps(document, indent=2, ensure_ascii=False, default=str),
    )


def make_experiment(
    name_or_path: str | Path,
    target: Callable[[], ExperimentTarget],
    predict: str | None = None,
    **terms: Any,
) -> ChaosExperiment:
    """Return one of the eight by name, or the one in a JSON file.

    ``terms`` override those of a named one. Raises UnknownExperiment, DocumentError and
    PredictionMissing.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".json"):
        experiment = ChaosExperiment(read_document(Path(text)), target)
    else:
        declared = find_experiment(text)
        experiment = ChaosExperiment(declared.document(**terms), target, declared=declared)
    if predict is not None:
        experiment.predict = predict
    return experiment
