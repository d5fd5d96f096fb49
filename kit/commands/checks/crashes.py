"""Triggers every declared crash type and reports what arrived and what did not."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Column, Table

from kit.actionable import WorkshopError
from kit.crashes import expectation
from kit.crashes.crash_type import CrashType
from kit.outcome import Event, Outcome
from kit.workshop import Workshop

# The largest declared one is up to 200 KB, depending on what else runs in the process.
MAX_EVENT_BYTES = 400_000


@dataclass(frozen=True)
class CrashCheck:
    """The result for one crash type, or for one variant of it.

    ``response_to_stored_ms`` is the time from the HTTP response until the last error event was
    stored, in milliseconds; negative when the event was stored first. ``context_fields`` is the
    smallest number that an error event carried. ``event_bytes`` is the size of the largest one as
    JSON: above ``MAX_EVENT_BYTES`` the check fails, because drawing it would block the kernel.
    """

    id: str
    ok: bool
    status: int | None
    captured: list[str]
    missing: list[str]
    response_to_stored_ms: float | None = None
    context_fields: int | None = None
    event_bytes: int | None = None
    unavailable: str | None = None


def check_crash(workshop: Workshop, crash: CrashType) -> CrashCheck:
    """Trigger ``crash`` once and return the result."""
    if reason := workshop.unavailable(crash):
        return CrashCheck(crash.full_id, False, None, [], [], unavailable=reason)
    try:
        return _check_outcome(workshop.trigger(crash.full_id))
    except WorkshopError as error:
        return CrashCheck(crash.full_id, False, None, [], [str(error)])


def _check_outcome(outcome: Outcome) -> CrashCheck:
    status = outcome.response.status_code
    differences = [*outcome.missing, *outcome.unexpected]
    if status != outcome.crash.status:
        differences.insert(0, f"HTTP {outcome.crash.status}, found {status}")
    elapsed = outcome.response_to_stored_ms
    event_bytes = max(map(_json_bytes, outcome.events), default=None)
    if event_bytes is not None and event_bytes > MAX_EVENT_BYTES:
        differences.append(
            f"an event of at most {MAX_EVENT_BYTES / 1e3:.0f} KB, found {event_bytes / 1e3:.0f} KB"
        )
    return CrashCheck(
        id=outcome.crash.full_id,
        ok=not differences,
        status=status,
        captured=outcome.captured,
        missing=differences,
        response_to_stored_ms=None if elapsed is None else round(elapsed, 1),
        context_fields=min(map(expectation.context_fields, outcome.events), default=None),
        event_bytes=event_bytes,
    )


def _json_bytes(event: Event) -> int:
    return len(
        json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )


def as_json(rows: Iterable[CrashCheck]) -> dict[str, Any]:
    """Return the result of a check as one object, for machines."""
    crashes = [asdict(row) for row in rows]
    return {"ok": all(crash["ok"] for crash in crashes), "crashes": crashes}


def as_table(rows: Iterable[CrashCheck]) -> Table:
    """Return the result of a check as a table, for people."""
    name = Column("crash type", no_wrap=True)
    captured = Column("captured", overflow="fold", min_width=18)
    table = Table("", name, "HTTP", "fields", "size", "stored", captured)
    for row in rows:
        table.add_row(
            "✓" if row.ok else "✗",
            row.id.replace("?type=", "\n  ?type="),
            str(row.status or "–"),
            str(row.context_fields or "–"),
            "–" if row.event_bytes is None else f"{row.event_bytes / 1e3:.0f} KB",
            "–" if row.response_to_stored_ms is None else f"{row.response_to_stored_ms:+.0f} ms",
            _summary(row.captured),
            style="" if row.ok else "red",
        )
    return table


def complaints(rows: Iterable[CrashCheck]) -> list[str]:
    """Return a line for each row that is not ok: what is missing, or why it was not triggered."""
    return [
        f"✗ {row.id}: {row.unavailable or 'missing ' + '; '.join(row.missing)}"
        for row in rows
        if not row.ok
    ]


def _summary(captured: list[str]) -> str:
    phrases = [phrase.split(" ", 1) for phrase in captured]
    errors = [name for kind, name in phrases if kind == "event"]
    others = Counter(kind for kind, _ in phrases if kind != "event")
    counts = [f"{count} × {kind}" for kind, count in sorted(others.items())]
    return ", ".join(errors + counts)
