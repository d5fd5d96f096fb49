"""The comparison with models that learn: river, in its own process, or from a recording."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from kit.actionable import WorkshopError
from kit.hosting.child import Command, end, start
from kit.hosting.environment import python_environment

RECORDING = Path(__file__).with_name("river.json")
PATIENCE_S = 300.0
LEARNER = "kit.reliability.prediction.learner"


class RiverError(WorkshopError):
    """The comparison could not be made; the message says why, and what to do."""


@dataclass(frozen=True)
class LearntModel:
    """What a learnt model is worth on the held-out series; ``cut`` was chosen in training.

    Each figure is a value with the ends of its interval, in the order of the judge's table.
    """

    name: str
    cut: float
    figures: dict[str, list[float | None]]


@dataclass(frozen=True)
class RiverComparison:
    """Learnt models and the guarded trend, by the same judge. ``rss_mb`` is of river's process."""

    version: str
    date: str
    models: tuple[LearntModel, ...]
    trend: LearntModel
    rss_mb: float

    @property
    def is_trend_beaten(self) -> bool:
        """Whether a model is right as often, and its lead is longer by more than the intervals."""
        return any(self._beats(model) for model in self.models)

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        tail = f"river {self.version}, recorded on {self.date}."
        if self.is_trend_beaten:
            return f"A learnt model beats the trend by more than the interval. {tail}"
        return f"No learnt model beats the trend by more than the interval. {tail}"

    def _beats(self, model: LearntModel) -> bool:
        precise, lead = model.figures["precision"], model.figures["lead_s"]
        best = self.trend.figures
        if precise[0] is None or lead[1] is None or best["lead_s"][2] is None:
            return False
        is_as_right = precise[2] is not None and precise[2] >= (best["precision"][1] or 0)
        recall, least = model.figures["recall"][2], best["recall"][1]
        return is_as_right and (recall or 0) >= (least or 0) and lead[1] > best["lead_s"][2]


def has_river() -> bool:
    """Whether the extra ``predict`` is installed; does not import river."""
    return find_spec("river") is not None


@lru_cache(maxsize=1)
def read_recording() -> RiverComparison:
    """Return the comparison recorded for this version of the kit."""
    return _read_comparison(RECORDING.read_text("utf-8"))


def compare_with_river(patience_s: float = PATIENCE_S) -> RiverComparison:
    """Return the comparison, run now in a child process that ends with this one.

    It takes about a minute. Raises RiverError without the extra, and if the child fails.
    """
    if not has_river():
        raise RiverError(
            "River is not installed, so nothing can be learnt here. The judge shows the recorded "
            'comparison instead. Next: pip install "crash-workshop[predict]".'
        )
    # Not "-I": the child must find the same modules as this process.
    arguments = [sys.executable, "-P", "-m", LEARNER]
    command = Command(arguments, env=python_environment(os.environ))
    with TemporaryFile("w+", encoding="utf-8") as said, TemporaryFile("w+") as complaints:
        process = start(command, stdout=said, stderr=complaints)
        try:
            # Closing its standard input would end it.
            code = process.wait(patience_s)
        except subprocess.TimeoutExpired as error:
            raise RiverError(
                f"Learning took longer than {patience_s:g} s, and was stopped. "
                "Next: try again when the machine is less busy."
            ) from error
        finally:
            end(process)
        for file in (said, complaints):
            file.seek(0)
        if code != 0:
            reason = complaints.read().strip().splitlines()[-1:] or [f"exit code {code}"]
            raise RiverError(
                f"The learning process ended with an error: {reason[0]}. Next: python -m {LEARNER}"
            )
        return _read_comparison(said.read())


def _read_comparison(text: str) -> RiverComparison:
    read: dict[str, Any] = json.loads(text)
    return RiverComparison(
        read["version"],
        read["date"],
        tuple(LearntModel(**each) for each in read["models"]),
        LearntModel(**read["trend"]),
        read["rss_mb"],
    )
