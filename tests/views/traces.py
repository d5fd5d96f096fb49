"""Items of traces, as the store gives them."""

from typing import Any

from hypothesis import strategies as st

from kit.ingest.store import StoredItem

# Control characters, half of a surrogate pair, and all that would run or end an element.
HOSTILE = (
    "\x1b[31m\x00\ufffe\ud800</text></svg><script>alert(1)</script><img src=x onerror=alert(1)>"
    "\" onload='x' {{7*7}} §0§"
)
START = 1_790_000_000.0


def item(kind: str, payload: Any, project: str = "payment") -> StoredItem:
    return StoredItem(1, project, kind, None, frozenset(), START, {}, payload)


def span(name: str, start: int, end: int, parent: str | None, op: str = "work") -> dict[str, Any]:
    """Return a span that is its own id; times in milliseconds."""
    return {
        "span_id": name,
        "parent_span_id": parent,
        "op": op,
        "description": name,
        "start_timestamp": START + start / 1000,
        "timestamp": START + end / 1000,
    }


def transaction(
    service: str, start: int, end: int, *inside: dict[str, Any], parent: str | None = None
) -> StoredItem:
    """Return a transaction whose span id is the service's name."""
    own = span(service, start, end, parent, "http.server")
    return item(
        "transaction",
        {
            "server_name": service,
            "transaction": f"/{service}",
            "start_timestamp": own["start_timestamp"],
            "timestamp": own["timestamp"],
            "contexts": {"trace": own},
            "spans": list(inside),
        },
        service,
    )


def error(kind: str, span_id: str, milliseconds: int) -> StoredItem:
    return item(
        "event",
        {
            "timestamp": START + milliseconds / 1000,
            "contexts": {"trace": {"span_id": span_id}},
            "exception": {"values": [{"type": kind}]},
        },
    )


def javascript_spans(*spans: dict[str, Any]) -> StoredItem:
    """Return the spans as the newest JavaScript SDKs send them."""
    sent = [
        {
            "span_id": each["span_id"],
            "parent_span_id": each["parent_span_id"],
            "name": each["description"],
            "start_timestamp": each["start_timestamp"],
            "end_timestamp": each["timestamp"],
            "status": "ok",
            "attributes": {"sentry.op": {"type": "string", "value": each["op"]}},
        }
        for each in spans
    ]
    return item("span", {"items": sent})


FRONTEND = transaction("frontend", 0, 100, span("call", 10, 90, "frontend"))
GATEWAY = transaction("gateway", 20, 80, span("query", 30, 70, "gateway"), parent="call")

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from(["a", "b", "c", None]) | ANYTHING
TIMES = st.integers(-3, 3).map(lambda n: START + n) | st.floats() | ANYTHING
SPANS = st.fixed_dictionaries(
    {},
    optional={
        "span_id": IDS,
        "parent_span_id": IDS,
        "start_timestamp": TIMES,
        "timestamp": TIMES,
        "end_timestamp": TIMES,
        "op": ANYTHING,
        "description": ANYTHING,
        "name": ANYTHING,
        "status": ANYTHING,
        "attributes": ANYTHING,
    },
)
TRANSACTIONS = st.builds(
    lambda own, inside: {**own, "contexts": {"trace": own}, "spans": inside},
    SPANS,
    st.lists(SPANS, max_size=4),
)
EVENTS = st.builds(
    lambda own, kind: {**own, "contexts": {"trace": own}, "exception": {"values": [kind]}},
    SPANS,
    st.fixed_dictionaries({"type": ANYTHING}) | ANYTHING,
)
ITEMS = st.lists(
    st.builds(item, st.just("transaction"), TRANSACTIONS | ANYTHING)
    | st.builds(
        item, st.just("span"), st.fixed_dictionaries({"items": st.lists(SPANS, max_size=4)})
    )
    | st.builds(item, st.just("span"), ANYTHING | st.just(b"not JSON"))
    | st.builds(item, st.just("event"), EVENTS | ANYTHING),
    max_size=5,
)
