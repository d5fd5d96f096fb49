"""The documentation pages that the crash types name.

What Sentry's servers do cannot be shown here, and neither can every absence. A statement about
them names the page that makes it, and the month in which that page was read.
"""

from kit.reading.server.references import Reference

ALERTS = Reference(
    "Sentry docs: Alerts", "https://docs.sentry.io/product/monitors-and-alerts/alerts/", "2026-11"
)
FUTURES = Reference(
    "Python docs: concurrent.futures",
    "https://docs.python.org/3/library/concurrent.futures.html",
    "2026-11",
)
HEAP_SNAPSHOTS = Reference(
    "Node.js docs: Using Heap Snapshot",
    "https://nodejs.org/en/learn/diagnostics/memory/using-heap-snapshot",
    "2026-11",
)
N_PLUS_ONE = Reference(
    "Sentry docs: N+1 Queries",
    "https://docs.sentry.io/product/issues/issue-details/performance-issues/n-one-queries/",
    "2026-11",
)
SIGNALS = Reference(
    "Linux man-pages: sigaction(2)",
    "https://www.man7.org/linux/man-pages/man2/sigaction.2.html",
    "2026-11",
)
