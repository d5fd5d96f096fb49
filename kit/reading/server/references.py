"""Sources on what Sentry's servers do: documentation pages and source files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A page or a source file; ``read`` is the month in which it was last read, as 2026-11."""

    title: str
    url: str
    read: str


GROUPING = Reference(
    "Sentry docs: Issue Grouping",
    "https://docs.sentry.io/concepts/data-management/event-grouping/",
    "2026-11",
)
FINGERPRINT_RULES = Reference(
    "Sentry docs: Fingerprint Rules",
    "https://docs.sentry.io/concepts/data-management/event-grouping/fingerprint-rules/",
    "2026-11",
)
STACK_TRACE_RULES = Reference(
    "Sentry docs: Stack Trace Rules",
    "https://docs.sentry.io/concepts/data-management/event-grouping/stack-trace-rules/",
    "2026-11",
)
SOURCE_MAPS = Reference(
    "Sentry docs: Source Maps",
    "https://docs.sentry.io/platforms/javascript/sourcemaps/",
    "2026-11",
)
SECURITY_REPORTS = Reference(
    "Sentry docs: Security Policy Reporting",
    "https://docs.sentry.io/platforms/javascript/security-policy-reporting/",
    "2026-11",
)
MINIDUMPS = Reference(
    "Sentry docs: Minidumps",
    "https://docs.sentry.io/platforms/native/guides/minidumps/",
    "2026-11",
)
SECURITY_GROUPING = Reference(
    "Sentry's source: security.py",
    "https://github.com/getsentry/sentry/blob/master/src/sentry/grouping/strategies/security.py",
    "2026-11",
)
MERGING = Reference(
    "Sentry docs: Merging Issues",
    "https://docs.sentry.io/concepts/data-management/event-grouping/merging-issues/",
    "2026-11",
)
FILTERING = Reference(
    "Sentry docs: Inbound Filters",
    "https://docs.sentry.io/concepts/data-management/filtering/",
    "2026-11",
)
USERS = Reference(
    "Sentry docs: Users",
    "https://docs.sentry.io/platforms/python/enriching-events/identify-user/",
    "2026-11",
)
TAGS = Reference(
    "Sentry docs: Tags",
    "https://docs.sentry.io/platforms/python/enriching-events/tags/",
    "2026-11",
)
STATS = Reference("Sentry docs: Stats", "https://docs.sentry.io/product/stats/", "2026-11")
SIZE_LIMITS = Reference(
    "Sentry docs: Size Limits",
    "https://docs.sentry.io/concepts/data-management/size-limits/",
    "2026-11",
)
DATA_HANDLING = Reference(
    "Sentry developer docs: Data Handling",
    "https://develop.sentry.dev/sdk/expected-features/data-handling/",
    "2026-11",
)
TRIMMING = Reference(
    "Relay's source: trimming.rs",
    "https://github.com/getsentry/relay/blob/master/relay-event-normalization/src/trimming.rs",
    "2026-11",
)
NORMALIZATION = Reference(
    "Relay's source: event.rs",
    "https://github.com/getsentry/relay/blob/master/relay-event-normalization/src/event.rs",
    "2026-11",
)
SCHEMA = Reference(
    "Relay's source: the event's schema",
    "https://github.com/getsentry/relay/tree/master/relay-event-schema/src/protocol",
    "2026-11",
)
SIMILARITY = Reference(
    "Sentry's source: seer.py",
    "https://github.com/getsentry/sentry/blob/master/src/sentry/grouping/ingest/seer.py",
    "2026-11",
)
STRATEGIES = Reference(
    "Sentry's source: newstyle.py",
    "https://github.com/getsentry/sentry/blob/master/src/sentry/grouping/strategies/newstyle.py",
    "2026-11",
)

# What Sentry's servers do for the issue list and the simulation does not.
NOT_IMITATED: tuple[tuple[str, Reference], ...] = (
    ("stack trace rules, which mark frames as in-app or leave them out", STACK_TRACE_RULES),
    ("fingerprint rules of a project", FINGERPRINT_RULES),
    ("built-in fingerprint rules, for chunk load and hydration errors", GROUPING),
    ("upgrades of the grouping algorithm: existing issues keep their events", GROUPING),
    ("merging of new issues with similar ones by a machine-learning model", SIMILARITY),
    ("manual merging of issues", MERGING),
    ("clean-up of generated function and module names", STRATEGIES),
    ("an issue's title for a group of equal exceptions: their own type", STRATEGIES),
    ("inbound filters", FILTERING),
    ("a user's IP address, taken from the request or the connection", USERS),
)
