"""The documentation pages that the pattern library names, besides those of the crash types."""

from kit.reading.server.references import Reference

ISSUE_SEARCH = Reference(
    "Sentry docs: Issue Properties",
    "https://docs.sentry.io/concepts/search/searchable-properties/issues/",
    "2026-11",
)
SPAN_SEARCH = Reference(
    "Sentry docs: Span Properties",
    "https://docs.sentry.io/concepts/search/searchable-properties/spans/",
    "2026-11",
)
FEATURE_FLAGS = Reference(
    "Sentry docs: Feature Flags",
    "https://docs.sentry.io/product/issues/issue-details/feature-flags/",
    "2026-11",
)
CRONS = Reference(
    "Sentry docs: Crons",
    "https://docs.sentry.io/product/monitors-and-alerts/monitors/crons/",
    "2026-11",
)
