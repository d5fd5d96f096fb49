"""The transactions of one trace as the table that event cards link to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.payload import at, duration, mapping, mappings, moment, shorten, string, trace_id

Transaction = Mapping[str, Any]

_CONTEXT = ("contexts", "trace")


@dataclass(frozen=True)
class TraceRow:
    """A transaction; ``left`` and ``width`` place it on the time line, in percent."""

    service: str
    name: str
    op: str
    duration: str
    status: str
    code: str
    is_bad: bool
    depth: int
    left: float
    width: float


@dataclass(frozen=True)
class TraceTable:
    """The rows, earliest first, and the time from the first start to the last end."""

    trace_id: str
    rows: tuple[TraceRow, ...]
    total: str


def tabulate(transactions: Sequence[Transaction]) -> TraceTable:
    """Return the table of the transactions."""
    known = mappings(list(transactions))
    timed = [_span(each) for each in known]
    start = min((span[0] for span in timed if span), default=0.0)
    spans = [span or (start, start) for span in timed]
    whole = max((end for _, end in spans), default=start) - start
    depths = _depths(known)
    rows = (
        _row(known[index], depths[index], spans[index], start, whole)
        for index in sorted(range(len(known)), key=lambda index: spans[index][0])
    )
    found = next(filter(None, map(trace_id, known)), "")
    return TraceTable(found, tuple(rows), duration(whole) if whole else "")


def _row(
    transaction: Transaction, depth: int, span: tuple[float, float], start: float, whole: float
) -> TraceRow:
    context = mapping(at(transaction, _CONTEXT))
    status = string(context.get("status"))
    begin, end = span
    return TraceRow(
        service=string(transaction.get("server_name")) or "unnamed service",
        name=shorten(string(transaction.get("transaction"))).text or "unnamed",
        op=string(context.get("op")),
        duration=duration(end - begin),
        status=status or "not set",
        code=string(at(context, ("data", "http.response.status_code"))),
        is_bad=status not in ("", "ok"),
        depth=min(depth, 5),
        left=round(100 * (begin - start) / (whole or 1), 2),
        width=round(100 * (end - begin) / (whole or 1), 2),
    )


def _span(transaction: Transaction) -> tuple[float, float] | None:
    start, end = moment(transaction.get("start_timestamp")), moment(transaction.get("timestamp"))
    begin = start or end
    if begin is None:
        return None
    return begin.timestamp(), max(begin, end or begin).timestamp()


def _depths(transactions: Sequence[Transaction]) -> list[int]:
    """Return how deep each hangs: the parent of a transaction is a span of another one."""
    owner = {
        string(span.get("span_id")): index
        for index, each in enumerate(transactions)
        for span in (*mappings(each.get("spans")), mapping(at(each, _CONTEXT)))
    }
    parents = [owner.get(string(at(each, (*_CONTEXT, "parent_span_id")))) for each in transactions]
    return [_depth(index, parents) for index in range(len(parents))]


def _depth(index: int, parents: Sequence[int | None]) -> int:
    seen = [index]
    while (parent := parents[seen[-1]]) is not None and parent not in seen:
        seen.append(parent)
    return len(seen) - 1
