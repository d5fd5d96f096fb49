"""Writes a rule for Sentry's API and for Prometheus' Alertmanager.

The fields are those on the API's page. Its lists and its examples write intervals differently,
``1hr`` and ``1h``; this code follows the examples.
https://docs.sentry.io/api/monitors/update-an-alert-by-id/
"""

from collections.abc import Mapping
from typing import Any

import yaml

from kit.reliability.alerts.attributes import ATTRIBUTES, MATCHES
from kit.reliability.alerts.conditions import INTERVALS, LEVEL_NUMBERS, TIME_UNITS, TriggerName
from kit.reliability.alerts.pages import ALERTMANAGER, WORKFLOWS_API
from kit.reliability.alerts.parse import AlertRuleError
from kit.reliability.alerts.rule import AlertRule, IfThen, Logic

# In minutes, as on the API's page. The form also has a week and 30 days.
FREQUENCIES = (0, 5, 10, 30, 60, 180, 720, 1440)
# ``any-short`` stops at the first filter that decides.
_LOGIC_TYPES: dict[Logic, str] = {"all": "all", "any": "any-short", "none": "none"}
_TRIGGERS: tuple[TriggerName, ...] = (
    "first_seen_event",
    "issue_resolved_trigger",
    "reappeared_event",
    "regression_event",
)
# It needs no ids from an organization.
_SUGGESTED_ASSIGNEES: dict[str, Any] = {
    "type": "email",
    "integrationId": None,
    "data": {"fallthroughType": "ActiveMembers"},
    "config": {"targetType": "issue_owners", "targetDisplay": None, "targetIdentifier": ""},
    "status": "active",
}
# Alertmanager ignores a repeat_interval that is shorter than its group_interval.
_GROUP_INTERVAL_S = 300
_NEVER_AGAIN = "120h"


def sentry_workflow(rule: AlertRule, actions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the request body to create the alert through Sentry's API.

    Raises AlertRuleError for what the API's page does not list.
    """
    minutes = int(rule.throttle_s // 60)
    if minutes not in FREQUENCIES:
        raise AlertRuleError(
            f"A throttle of {rule.throttle} cannot be set through the API: its page lists at most "
            f"24h ({WORKFLOWS_API.url}). Sentry's form offers it."
        )
    return {
        "name": rule.name,
        "enabled": True,
        "environment": rule.environment,
        "config": {"frequency": minutes},
        "triggers": {
            "logicType": "any-short",
            "conditions": [_condition(each, True) for each in rule.when],
            "actions": [],
        },
        "actionFilters": [
            {
                "logicType": _LOGIC_TYPES[block.logic],
                "conditions": [_condition(each.type, each.comparison) for each in block.conditions],
                "actions": [dict(actions.get(block.action, _SUGGESTED_ASSIGNEES))],
            }
            for block in rule.blocks
        ],
    }


def _condition(kind: str, comparison: Any) -> dict[str, Any]:
    return {"type": kind, "comparison": comparison, "conditionResult": True}


def workflow_schema() -> dict[str, Any]:
    """Return a JSON schema of the body, built from the fields that the API's page documents.

    ``every_event`` is not among the triggers on that page; the form has it.
    """
    actions = {"type": "array", "items": _closed(_ACTION, ("type", "config"))}
    group = {"logicType": {"enum": list(_LOGIC_TYPES.values())}, "actions": actions}
    filters = {"type": "array", "items": {"oneOf": _filter_schemas()}}
    triggers = {"type": "array", "items": {"oneOf": _trigger_schemas()}, "minItems": 1}
    block = _closed({**group, "conditions": filters}, ("logicType", "conditions", "actions"))
    when = {**group, "logicType": {"const": "any-short"}, "conditions": triggers}
    return _closed(
        {
            "name": {"type": "string", "minLength": 1},
            "enabled": {"type": "boolean"},
            "environment": {"type": ["string", "null"]},
            "config": _closed({"frequency": {"enum": list(FREQUENCIES)}}, ("frequency",)),
            "triggers": _closed(when, ("logicType", "conditions", "actions")),
            "actionFilters": {"type": "array", "items": block},
        },
        ("name", "config", "triggers", "actionFilters"),
    )


def _closed(properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema of an object without other fields."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


_ACTION: dict[str, Any] = {
    "type": {"type": "string"},
    "integrationId": {"type": ["string", "null"]},
    "data": {"type": "object"},
    "config": {"type": "object"},
    "status": {"enum": ["active"]},
}


def _trigger_schemas() -> list[dict[str, Any]]:
    return [_condition_schema(each, {"const": True}) for each in (*_TRIGGERS, "every_event")]


def _condition_schema(kind: str, comparison: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "type": {"const": kind},
        "comparison": comparison,
        "conditionResult": {"type": "boolean"},
    }
    return _closed(fields, ("type", "comparison", "conditionResult"))


def _filter_schemas() -> list[dict[str, Any]]:
    number = {"type": "integer", "minimum": 0}
    intervals = {"enum": list(INTERVALS)}
    text = {"match": {"enum": list(MATCHES)}, "value": {"type": "string"}}
    tag = _closed({"key": {"type": "string"}, **text}, ("key", "match"))
    attribute = _closed({"attribute": {"enum": list(ATTRIBUTES)}, **text}, ("attribute", "match"))
    sub_filters = {"type": "array", "items": {"oneOf": [tag, attribute]}}
    count = {"value": number, "interval": intervals, "filters": sub_filters}
    percent = {**count, "comparisonInterval": intervals}
    age = {
        "time": {"enum": [name for name, _ in TIME_UNITS.values()]},
        "value": number,
        "comparisonType": {"enum": ["older", "newer"]},
    }
    level = {
        "level": {"enum": [0, *LEVEL_NUMBERS.values()]},
        "match": {"enum": ["eq", "gte", "lte"]},
    }
    of_count, of_percent = (
        _closed(count, ("value", "interval")),
        _closed(percent, ("value", "interval", "comparisonInterval")),
    )
    schemas = {
        "event_frequency_count": of_count,
        "event_unique_user_frequency_count": of_count,
        "event_frequency_percent": of_percent,
        "event_unique_user_frequency_percent": of_percent,
        "issue_occurrences": _closed({"value": number}, ("value",)),
        "age_comparison": _closed(age, ("time", "value", "comparisonType")),
        "level": _closed(level, ("level", "match")),
        "tagged_event": tag,
        "event_attribute": attribute,
        "latest_release": {"const": True},
    }
    return [_condition_schema(kind, schema) for kind, schema in schemas.items()]


def alertmanager_route(rule: AlertRule) -> str:
    """Return an Alertmanager configuration that groups by issue and repeats like the rule.

    Alertmanager evaluates no rules: its alerts come from Prometheus. A rule without a throttle has
    no counterpart there, since Alertmanager only decides whether it repeats an alert.
    """
    repeat_s = rule.throttle_s or 0
    repeat = f"{int(repeat_s)}s" if repeat_s else _NEVER_AGAIN
    group_s = int(min(_GROUP_INTERVAL_S, repeat_s or _GROUP_INTERVAL_S))
    receivers = list(dict.fromkeys(block.action for block in rule.blocks))
    routes = [
        {
            "receiver": receiver,
            "matchers": [f'alertname="{_quoted(rule.name)}"'],
            "group_by": ["alertname", "issue"],
            "group_wait": "0s",
            "group_interval": f"{group_s}s",
            "repeat_interval": repeat,
            "continue": True,
        }
        for receiver in receivers
    ]
    config = {
        "route": {"receiver": receivers[0], "routes": routes},
        "receivers": [{"name": name} for name in receivers],
    }
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    return "\n".join([*_remarks(rule), text])


def _remarks(rule: AlertRule) -> list[str]:
    blocks = [_filters(block) for block in rule.blocks]
    lines = [f"WHEN {rule.when_words}", *filter(None, blocks)]
    told = "Prometheus has to evaluate whether it fires:"
    return [
        f"# {told}",
        *(f"#   {' '.join(line.split())}" for line in lines),
        f"# {ALERTMANAGER.url}",
    ]


def _filters(block: IfThen) -> str:
    return f"IF {block.words}" if block.words else ""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
