"""Writes an objective as a specification for Sloth, and as rules for Prometheus."""

import re
from typing import Any, Literal

import yaml

from kit.reliability.slo.burn import BurnRule, RuleSet
from kit.reliability.slo.durations import DAY_S, HOUR_S, MINUTE_S
from kit.reliability.slo.objective import Objective

Counted = Literal["good", "bad", "total"]

_UNITS = ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "m"), (1, "s"))


def metric_name(objective: Objective) -> str:
    """Return the objective's name in the form that Prometheus accepts."""
    name = re.sub(r"[^a-zA-Z0-9_]+", "_", objective.name).strip("_") or "requests"
    return f"_{name}" if name[0].isdigit() else name


def query_of(objective: Objective, counted: Counted, window: str = "") -> str:
    """Return a selector of the good, the bad or all requests that count.

    It selects from a counter with the label ``outcome``, or for a latency from a histogram.
    """
    metric = metric_name(objective)
    if objective.latency_s is None:
        which = {"good": '="good"', "bad": '="bad"', "total": '=~"good|bad"'}[counted]
        return f"{metric}_total{{outcome{which}}}{window}"
    total = f"{metric}_duration_seconds_count{window}"
    good = f'{metric}_duration_seconds_bucket{{le="{objective.latency_s:g}"}}{window}'
    return {"good": good, "total": total, "bad": total}[counted]


def _sum(function: str, objective: Objective, counted: Counted, window: str) -> str:
    asked = f"sum({function}({query_of(objective, counted, window)}))"
    if objective.latency_s is not None and counted == "bad":
        return f"({asked} - sum({function}({query_of(objective, 'good', window)})))"
    return asked


def as_sloth_spec(objective: Objective) -> str:
    """Return the objective as Sloth's specification ``prometheus/v1``.

    Sloth generates the rules itself, with its own windows for 30 days.
    """
    window = "[{{.window}}]"
    events = {
        "error_query": _sum("rate", objective, "bad", window),
        "total_query": _sum("rate", objective, "total", window),
    }
    alerting = {
        "name": f"{metric_name(objective)}_budget_burns",
        "page_alert": {"labels": {"severity": "page"}},
        "ticket_alert": {"labels": {"severity": "ticket"}},
    }
    return _dump(
        {
            "version": "prometheus/v1",
            "service": objective.service or "crash-workshop",
            "slos": [
                {
                    "name": metric_name(objective).replace("_", "-").lower().strip("-"),
                    "objective": round(100 * objective.target, 10),
                    "description": objective.sentence,
                    "sli": {"events": events},
                    "alerting": alerting,
                }
            ],
        }
    )


def as_prometheus_rules(objective: Objective, rules: RuleSet) -> str:
    """Return a rules file for Prometheus: the error ratio of each window, and the alerts.

    Windows of seconds need a scrape interval of less than half of them.
    """
    burns = [rule for rule in rules if isinstance(rule, BurnRule)]
    windows = sorted({window for rule in burns for window in (rule.long_s, rule.short_s)})
    recorded = [_recording(objective, window) for window in windows]
    alerts = [_alert(objective, rule) for rule in burns]
    group = {"name": f"{metric_name(objective)}-slo", "rules": [*recorded, *alerts]}
    return _dump({"groups": [group]})


def _recording(objective: Objective, window_s: float) -> dict[str, Any]:
    window = f"[{_range(window_s)}]"
    bad = _sum("rate", objective, "bad", window)
    total = _sum("rate", objective, "total", window)
    return {"record": _ratio(objective, window_s), "expr": f"{bad} / {total}"}


def _alert(objective: Objective, rule: BurnRule) -> dict[str, Any]:
    limit = f">= {rule.share_of(objective):.12g}"
    windows = (_ratio(objective, window) for window in (rule.long_s, rule.short_s))
    terms = [f"{ratio} {limit}" for ratio in windows]
    if rule.at_least > 1:
        bad = _sum("increase", objective, "bad", f"[{_range(rule.long_s)}]")
        # Prometheus extrapolates between scrapes: five failures may read as 4.9.
        terms.append(f"{bad} > {rule.at_least - 0.5:g}")
    return {
        "alert": f"{metric_name(objective)}_budget_burns",
        "expr": " and ".join(terms),
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.sentence},
    }


def _ratio(objective: Objective, window_s: float) -> str:
    return f"{metric_name(objective)}:error_ratio:rate{_range(window_s)}"


def _range(seconds: float) -> str:
    whole = max(round(seconds), 1)
    size, unit = next((size, unit) for size, unit in _UNITS if whole % size == 0)
    return f"{whole // size}{unit}"


def _dump(document: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return text
