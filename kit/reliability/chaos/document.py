"""Writes the workshop's experiments as Chaos Toolkit documents, and reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kit.actionable import WorkshopError
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str

Outcome = Literal["holds", "deviates"]
OUTCOMES: tuple[Outcome, ...] = ("holds", "deviates")
EXTENSION = "crash-workshop"
ROOM = "kit.reliability.chaos"
HYPOTHESIS = "steady-state-hypothesis"
# Beyond these limits it is no longer an experiment.
ABORT = {"bad_percent": 90, "p95_seconds": 9.5, "memory_mb": 2000}
# The words for each probe, and whether its bound is a lowest or a highest value.
_SAYS = {
    "success_rate": ("spins succeed", "≥", "%"),
    "p95_seconds": ("p95", "≤", "s"),
    "median_seconds": ("median", "≤", "s"),
    "missing_spins": ("spins missing from the statistics", "≤", ""),
    "unaccounted_coins": ("coins unaccounted for", "≤", ""),
    "memory_mb": ("memory", "≤", "MiB"),
}


class DocumentError(WorkshopError, ValueError):
    """A document is not a Chaos Toolkit experiment; the message says what is wrong with it."""


@dataclass(frozen=True)
class Bound:
    """A bound of a hypothesis: a function of ``probes``, and what it may return."""

    probe: str
    limit: float

    def __str__(self) -> str:
        what, sign, unit = _SAYS[self.probe]
        return f"{what} {sign} {self.limit:g}{f' {unit}' if unit else ''}"

    def as_probe(self, window: float) -> dict[str, Any]:
        """Return the probe for a document; ``window`` is in seconds."""
        is_lowest = self.probe == "success_rate"
        is_windowed = self.probe in ("success_rate", "p95_seconds", "median_seconds")
        bounds = [self.limit, 100] if is_lowest else [0, self.limit]
        arguments = {"seconds": window} if is_windowed else {}
        return {
            "type": "probe",
            "name": str(self),
            "tolerance": {"type": "range", "range": bounds},
            "provider": _provider("probes", self.probe, arguments),
        }


@dataclass(frozen=True)
class ExperimentTerms:
    """How an experiment runs: which fault, for which share of the spins, and for how long.

    ``window`` is the time in seconds over which the steady state is measured, ``rate`` how many
    spins are played per second.
    """

    fault: str
    share: float
    seconds: int
    window: float = 5.0
    rate: float = 4.0
    seed: int = 7


def make_document(
    title: str, description: str, bounds: Sequence[Bound], terms: ExperimentTerms
) -> dict[str, Any]:
    """Return an experiment in the Chaos Toolkit's format."""
    return {
        "title": title,
        "description": description,
        "controls": [_control(terms)],
        HYPOTHESIS: {
            "title": f"{', '.join(map(str, bounds))}; over {terms.window:g} s at {terms.rate:g}/s",
            "probes": [bound.as_probe(terms.window) for bound in bounds],
        },
        "method": list(_method(terms)),
        "rollbacks": [_action(f"end {terms.fault}", "end_fault", {"fault": terms.fault})],
        "extensions": [
            {
                "name": EXTENSION,
                "run with": "--rollback-strategy always --hypothesis-strategy continuously",
            }
        ],
    }


def read_document(path: Path) -> dict[str, Any]:
    """Return the document in a JSON file. Raises DocumentError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentError(
            f"{path} cannot be read as JSON: {error}. Save one with experiment.save(…)."
        ) from error
    if not isinstance(found, dict):
        raise DocumentError(f"{path} has no JSON object, so it is not an experiment.")
    return found


def say_hypothesis(document: Mapping[str, Any]) -> str:
    """Return the hypothesis as a sentence: its bounds, then how they are measured."""
    probes = hypothesis_probes(document)
    load = load_arguments(document)
    said = " and ".join(map(say_probe, probes)) or "nothing is checked"
    return f"{said}, over {load.get('window', 5):g} s at {load.get('rate', 4):g}/s"


def say_probe(probe: Mapping[str, Any]) -> str:
    """Return a probe of a document with its tolerance, in words."""
    function = as_str(as_mapping(probe.get("provider")).get("func"))
    bounds = as_list(as_mapping(probe.get("tolerance")).get("range"))
    if function in _SAYS and len(bounds) == 2 and all(isinstance(x, int | float) for x in bounds):
        return str(Bound(function, bounds[0 if function == "success_rate" else 1]))
    return as_str(probe.get("name")) or "a probe without a name"


def hypothesis_probes(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the probes of a document's hypothesis."""
    return list(as_mappings(as_list(as_mapping(document.get(HYPOTHESIS)).get("probes"))))


def load_arguments(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of a document's control: rate, seed, window, limits."""
    for control in as_mappings(as_list(document.get("controls"))):
        provider = as_mapping(control.get("provider"))
        if provider.get("module") == f"{ROOM}.controls":
            return as_mapping(provider.get("arguments"))
    return {}


def injected_terms(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of the first fault that the method of a document injects."""
    for activity in as_mappings(as_list(document.get("method"))):
        provider = as_mapping(activity.get("provider"))
        if provider.get("func") == "inject_fault":
            return as_mapping(provider.get("arguments"))
    return {}


def _method(terms: ExperimentTerms) -> Iterator[dict[str, Any]]:
    arguments = {
        "fault": terms.fault,
        "share": terms.share,
        # The lease is not longer than the method: the service ends the fault by itself.
        "seconds": terms.seconds,
        "seed": terms.seed,
    }
    share = f"{100 * terms.share:g} % of the spins"
    yield _action(f"inject {terms.fault} into {share}", "inject_fault", arguments)
    for second in range(1, terms.seconds + 1):
        yield _action(f"watch, second {second}", "keep_watching", {"seconds": 1})


def _control(terms: ExperimentTerms) -> dict[str, Any]:
    arguments = {
        "rate": terms.rate,
        "seed": terms.seed,
        "window": terms.window,
        "abort": dict(ABORT),
    }
    provider = {"type": "python", "module": f"{ROOM}.controls", "arguments": arguments}
    return {"name": "load, limits and recovery", "provider": provider}


def _action(name: str, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "action", "name": name, "provider": _provider("actions", function, arguments)}


def _provider(module: str, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    found = {"type": "python", "module": f"{ROOM}.{module}", "func": function}
    return {**found, "arguments": dict(arguments)} if arguments else found
