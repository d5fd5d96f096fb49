"""The pages that the simulated alerts are modelled on, and what Sentry does beyond them."""

from kit.reading.server.references import Reference

CREATE_ALERTS = Reference(
    "Sentry docs: Creating an Alert",
    "https://docs.sentry.io/product/monitors-and-alerts/alerts/create-alerts/",
    "2026-11",
)
WORKFLOWS_API = Reference(
    "Sentry API docs: Update an Alert by ID",
    "https://docs.sentry.io/api/monitors/update-an-alert-by-id/",
    "2026-11",
)
WEBHOOKS = Reference(
    "Sentry docs: Webhooks",
    "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    "2026-11",
)
ISSUE_ALERT_WEBHOOKS = Reference(
    "Sentry docs: Issue Alerts (webhooks)",
    "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/issue-alerts/",
    "2026-11",
)
ESCALATING = Reference(
    "Sentry docs: Escalating Issues",
    "https://docs.sentry.io/product/issues/states-triage/escalating-issues/",
    "2026-11",
)
ALERTMANAGER = Reference(
    "Prometheus docs: Alertmanager configuration",
    "https://prometheus.io/docs/alerting/latest/configuration/",
    "2026-11",
)


def _sentry_issue(number: int, what: str, kind: str = "issues") -> Reference:
    url = f"https://github.com/getsentry/sentry/{kind}/{number}"
    return Reference(f"getsentry/sentry#{number}: {what}", url, "2026-11")


NEW_AND_FREQUENT = _sentry_issue(41776, "new issue and seen more than N times")
EVERY_EVENT = _sentry_issue(3247, "every event")
PERCENT_FLOOR = _sentry_issue(45489, "a threshold for percent change alerts")
EMPTY_BASELINE = _sentry_issue(120356, "percent increase of an empty baseline", "pull")

# What Sentry's servers do for alerts, and the simulation does not.
ALERTS_NOT_IMITATED: tuple[tuple[str, Reference], ...] = (
    ("frequency filters evaluated later than the event, in batches", CREATE_ALERTS),
    ("the forecast that decides when an archived issue escalates: here it is a count", ESCALATING),
    ("priority, assignment, category and type of an issue; release age; Seer", CREATE_ALERTS),
    ("the percentage of sessions affected", CREATE_ALERTS),
    ("releases created before their first event: one of these may be the latest", CREATE_ALERTS),
)
