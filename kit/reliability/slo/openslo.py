"""SLOs in the format OpenSLO v1: https://github.com/OpenSLO/OpenSLO.

The format describes what is promised, whatever the vendor. Annotations hold what it cannot
express: the planned traffic, the short window of a burn-rate rule, seconds.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import yaml

from kit.actionable import ActionableError
from kit.reliability.slo.burn import BurnRule, RuleSet, Severity
from kit.reliability.slo.durations import DAY_S, HOUR_S, MINUTE_S, say_length, whole_minutes
from kit.reliability.slo.objective import DEFAULT_RATE, Objective
from kit.reliability.slo.queries import metric_name, query_of

API_VERSION = "openslo/v1"
KINDS = frozenset(
    {
        "DataSource",
        "SLO",
        "SLI",
        "AlertPolicy",
        "AlertCondition",
        "AlertNotificationTarget",
        "Service",
    }
)
MOST_CHARACTERS = 50_000
MOST_DESCRIPTION = 1050
MOST_NAME = 255
MOST_FAILURES = 10**9

_PREFIX = "crash-workshop/"
_DURATION = re.compile(r"([1-9]\d{0,5})([mhdwMQY])")
_UNITS = {
    "m": MINUTE_S,
    "h": HOUR_S,
    "d": DAY_S,
    "w": 7 * DAY_S,
    "M": 30 * DAY_S,
    "Q": 90 * DAY_S,
    "Y": 365 * DAY_S,
}
_LATENCY_UNITS = {"s": 1.0, "ms": 1e-3}
_AT_MOST = ("lte", "lt")


class OpenSloError(ActionableError, ValueError):
    """A document that is not OpenSLO, or cannot be evaluated here; the message says why."""


class OpenSlo:
    """The documents of a file, as they were written. ``as_yaml()`` returns them all again.

    ``parts`` are the parts of the file, each a document or a list of documents.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = list(parts)
        self.documents: tuple[Mapping[str, Any], ...] = tuple(_flat(parts))

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the documents of a kind, such as ``SLO``."""
        return [document for document in self.documents if document["kind"] == kind]

    def as_yaml(self) -> str:
        """Return the documents as text."""
        found: str = yaml.safe_dump_all(self._parts, sort_keys=False, allow_unicode=True, width=100)
        return found

    def objectives(self, *, window_s: float, rate: float = DEFAULT_RATE) -> list[Objective]:
        """Return each objective of the SLOs in it.

        ``window_s`` and ``rate`` are used where the document does not set them. Raises OpenSloError
        for an SLO that cannot be evaluated here.
        """
        return [
            objective
            for document in self.of_kind("SLO")
            for objective in _objectives(document, self, window_s, rate)
        ]

    def rules(self, window_s: float) -> RuleSet | None:
        """Return the burn-rate rules in it; None if none has both of its windows."""
        rules = [rule for slo in self.of_kind("SLO") for rule in _rules(slo["spec"])]
        return RuleSet("Rules of the document", rules, window_s) if rules else None

    def __repr__(self) -> str:
        names = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in self.documents)
        return f"<OpenSlo: {names}>"


# Reading


def parse_openslo(text: str) -> OpenSlo:
    """Return the documents of a YAML text. Raises OpenSloError."""
    if len(text) > MOST_CHARACTERS:
        raise OpenSloError(f"The document has more than {MOST_CHARACTERS:,} characters.")
    try:
        # Aliases can expand to a document a billion times as large as its text.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise OpenSloError("The document has an alias (*name). Write out what it stands for.")
        parts = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, OpenSloError):
            raise
        raise OpenSloError(f"The document is not valid YAML: {error}") from error
    return check_openslo(parts)


def check_openslo(parts: Sequence[Any]) -> OpenSlo:
    """Return the documents of a file that is already loaded. Raises OpenSloError."""
    if not parts:
        raise OpenSloError("The document is empty.")
    for document in _flat(parts):
        _validate(document)
    return OpenSlo(parts)


def _flat(parts: Sequence[Any]) -> Iterator[Any]:
    for part in parts:
        yield from part if isinstance(part, list) else [part]


def _validate(document: Any) -> None:
    _require(isinstance(document, dict), "A document must be a mapping with apiVersion and kind.")
    version, kind = document.get("apiVersion"), document.get("kind")
    _require(version == API_VERSION, f"apiVersion is {version!r}: only {API_VERSION} is supported.")
    _require(
        isinstance(kind, str) and kind in KINDS,
        f"kind {kind!r} is not one of {', '.join(sorted(KINDS))}.",
    )
    name = _mapping(document, "metadata").get("name")
    _require(
        isinstance(name, str) and 0 < len(name) <= MOST_NAME,
        f"{kind}: metadata.name must be a text of up to {MOST_NAME} characters.",
    )
    description = _mapping(document, "spec").get("description", "")
    _require(
        isinstance(description, str) and len(description) <= MOST_DESCRIPTION,
        f"{kind} {name}: spec.description must be a text of up to {MOST_DESCRIPTION:,} characters.",
    )
    if kind == "SLO":
        _validate_slo(str(name), document["spec"])


def _validate_slo(name: str, spec: Mapping[str, Any]) -> None:
    _require(
        ("indicator" in spec) != ("indicatorRef" in spec),
        f"SLO {name}: give either spec.indicator or spec.indicatorRef.",
    )
    windows = spec.get("timeWindow", [])
    _require(
        isinstance(windows, list) and len(windows) <= 1 and _all_mappings(windows),
        f"SLO {name}: spec.timeWindow must be a list of one window.",
    )
    objectives = spec.get("objectives")
    _require(
        isinstance(objectives, list) and bool(objectives) and _all_mappings(objectives),
        f"SLO {name}: spec.objectives must be a list of one or more objectives.",
    )
    for objective in spec["objectives"]:
        _require(
            ("target" in objective) != ("targetPercent" in objective),
            f"SLO {name}: an objective needs either target or targetPercent.",
        )


def _objectives(
    document: Mapping[str, Any], all_of_it: OpenSlo, window_s: float, rate: float
) -> Iterator[Objective]:
    spec, metadata = document["spec"], document["metadata"]
    name = metadata["name"]
    method = spec.get("budgetingMethod", "Occurrences")
    _require(
        method == "Occurrences",
        f"SLO {name}: budgetingMethod {method!r} is not supported here, only Occurrences.",
    )
    window = _window(name, spec, window_s)
    planned = _number(f"SLO {name}: rate", _annotation(metadata, "rate", rate))
    indicator = _indicator(name, spec, all_of_it)
    for each in spec["objectives"]:
        label = each.get("displayName") if len(spec["objectives"]) > 1 else None
        target, latency_s = _target(name, each), _latency(name, indicator, each)
        try:
            yield Objective(
                name=f"{name}: {label}" if isinstance(label, str) else name,
                target=target,
                window_s=window,
                rate=planned,
                latency_s=latency_s,
                service=spec["service"] if isinstance(spec.get("service"), str) else "",
            )
        except ValueError as error:
            raise OpenSloError(f"SLO {name}: {error}") from error


def _target(name: str, objective: Mapping[str, Any]) -> float:
    if "target" in objective:
        return _number(f"SLO {name}: target", objective["target"])
    percent = _number(f"SLO {name}: targetPercent", objective["targetPercent"])
    return float(Fraction(str(percent)) / 100)


def _window(name: str, spec: Mapping[str, Any], otherwise: float) -> float:
    windows = spec.get("timeWindow") or []
    if not windows:
        return otherwise
    window = windows[0]
    _require(
        "calendar" not in window and window.get("isRolling", True) is True,
        f"SLO {name}: a calendar-aligned window is not supported here, only a rolling one.",
    )
    written = _DURATION.fullmatch(str(window.get("duration")))
    if written is None:
        raise OpenSloError(
            f"SLO {name}: {window.get('duration')!r} is not a duration. Write 10m, 12h or 4w."
        )
    return float(int(written[1]) * _UNITS[written[2]])


def _indicator(name: str, spec: Mapping[str, Any], all_of_it: OpenSlo) -> Mapping[str, Any]:
    if "indicator" in spec:
        return _mapping(_mapping(spec, "indicator"), "spec")
    wanted = spec["indicatorRef"]
    found = [each for each in all_of_it.of_kind("SLI") if each["metadata"]["name"] == wanted]
    # If the indicator is declared elsewhere, the traffic decides what is good.
    return found[0]["spec"] if found else {"ratioMetric": {}}


def _latency(name: str, indicator: Mapping[str, Any], objective: Mapping[str, Any]) -> float | None:
    if "thresholdMetric" not in indicator:
        return None
    _require(
        objective.get("op") in _AT_MOST,
        f"SLO {name}: a threshold metric must be a latency, with op lte or lt.",
    )
    unit = _get(indicator, "thresholdMetric", "metricSource", "spec", "unit")
    if not isinstance(unit, str) or unit not in _LATENCY_UNITS:
        raise OpenSloError(
            f"SLO {name}: value {objective.get('value')!r} has no unit, and OpenSLO has no field "
            "for it. Add unit: s or unit: ms to metricSource.spec."
        )
    return _number(f"SLO {name}: value", objective.get("value")) * _LATENCY_UNITS[unit]


def _rules(spec: Mapping[str, Any]) -> Iterator[BurnRule]:
    for policy in _mappings(spec.get("alertPolicies")):
        for condition in _mappings(_get(policy, "spec", "conditions")):
            rule = _rule(condition)
            if rule is not None:
                yield rule


def _rule(condition: Mapping[str, Any]) -> BurnRule | None:
    """Return the rule of a condition that ``write_openslo`` wrote; others have only one window."""
    metadata, stated = condition.get("metadata"), _get(condition, "spec", "condition")
    if not isinstance(metadata, dict) or not isinstance(stated, dict):
        return None
    short, long = _annotation(metadata, "short-s", None), _annotation(metadata, "long-s", None)
    if short is None or long is None:
        return None
    severity: Severity = "page" if _get(condition, "spec", "severity") == "page" else "ticket"
    fewest = _number("at-least", _annotation(metadata, "at-least", 1))
    _require(1 <= fewest <= MOST_FAILURES, f"at-least is {fewest:g}: it must be one or more.")
    numbers = (stated.get("threshold"), long, short)
    burn, long_s, short_s = (_number("The number of a rule", each) for each in numbers)
    try:
        return BurnRule(severity, burn, long_s, short_s, int(fewest))
    except ValueError as error:
        raise OpenSloError(f"A burn-rate rule of the document: {error}") from error


def _annotation(metadata: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    annotations = metadata.get("annotations")
    return (
        annotations.get(_PREFIX + name, otherwise) if isinstance(annotations, dict) else otherwise
    )


def _number(what: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    _require(math.isfinite(found), f"{what} is {value!r}, which is not a finite number.")
    return found


def _get(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise OpenSloError(f"{name} is missing or not a mapping.")
    return found


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _all_mappings(values: Sequence[Any]) -> bool:
    return all(isinstance(each, dict) for each in values)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OpenSloError(otherwise)


# Writing


def write_openslo(objective: Objective, rules: RuleSet) -> OpenSlo:
    """Return an objective and its rules as a document.

    Raises OpenSloError if the window is not in whole minutes, OpenSLO's smallest unit.
    """
    spec = {
        "description": objective.sentence,
        "service": objective.service or "crash-workshop",
        "indicator": {
            "metadata": {"name": f"{_identifier(objective.name)}-indicator"},
            "spec": _written_indicator(objective),
        },
        "timeWindow": [{"duration": _duration(objective.window_s), "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [_written_objective(objective)],
        "alertPolicies": [_policy(rule) for rule in rules if isinstance(rule, BurnRule)],
    }
    metadata = {
        "name": objective.name,
        "annotations": {f"{_PREFIX}rate": f"{objective.rate:g}"},
    }
    return OpenSlo([{"apiVersion": API_VERSION, "kind": "SLO", "metadata": metadata, "spec": spec}])


def _written_indicator(objective: Objective) -> dict[str, Any]:
    if objective.latency_s is not None:
        query = f"{metric_name(objective)}_duration_seconds"
        return {"thresholdMetric": _source({"query": query, "unit": "s"})}
    good, total = query_of(objective, "good"), query_of(objective, "total")
    return {
        "ratioMetric": {
            "counter": True,
            "good": _source({"query": good}),
            "total": _source({"query": total}),
        }
    }


def _source(spec: dict[str, str]) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": spec}}


def _written_objective(objective: Objective) -> dict[str, Any]:
    written: dict[str, Any] = {"displayName": objective.name}
    if objective.latency_s is not None:
        written |= {"op": "lte", "value": objective.latency_s}
    return {**written, "target": objective.target}


def _policy(rule: BurnRule) -> dict[str, Any]:
    # OpenSLO has one window per condition, so annotations hold both as well.
    minutes = whole_minutes(rule.long_s)
    metadata = {
        "name": f"{rule.severity}-burn-{rule.burn:g}",
        "annotations": {
            f"{_PREFIX}long-s": f"{rule.long_s:.15g}",
            f"{_PREFIX}short-s": f"{rule.short_s:.15g}",
            f"{_PREFIX}at-least": str(rule.at_least),
        },
    }
    condition = {
        "kind": "burnrate",
        "threshold": rule.burn,
        "lookbackWindow": f"{minutes or 1}m",
        "alertAfter": "0m",
    }
    inline = {
        "kind": "AlertCondition",
        "metadata": metadata,
        "spec": {"description": rule.sentence, "severity": rule.severity, "condition": condition},
    }
    return {
        "kind": "AlertPolicy",
        "metadata": {"name": metadata["name"]},
        "spec": {
            "alertWhenBreaching": True,
            "alertWhenResolved": False,
            "alertWhenNoData": False,
            "conditions": [inline],
            "notificationTargets": [{"targetRef": "on-call"}],
        },
    }


def _duration(seconds: float) -> str:
    minutes = whole_minutes(seconds)
    if minutes is None:
        raise OpenSloError(
            f"OpenSLO counts in whole minutes, but the window is {say_length(seconds)}. "
            "Choose a window of whole minutes to write it."
        )
    for size, unit in ((7 * DAY_S, "w"), (DAY_S, "d"), (HOUR_S, "h")):
        if minutes * MINUTE_S % size == 0:
            return f"{minutes * MINUTE_S // size}{unit}"
    return f"{minutes}m"


def _identifier(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "slo"
