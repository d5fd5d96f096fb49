"""Characters that reorder the text around them are in no drawing, list or raw item."""

import json
from typing import Any

from kit.ingest.store import Store
from kit.issues import read_issues
from kit.views.flame import flame_graph
from kit.views.waterfall import waterfall
from tests.ingest.sending import store_away

from .traces import START, item

REVERSED = "\u202egro.elpmaxe"
TRACE = "ab" * 16


def span(name: str, **fields: Any) -> dict[str, Any]:
    sent = {"op": f"op{REVERSED}", "status": f"status{REVERSED}", "trace_id": TRACE}
    times = {"start_timestamp": START, "timestamp": START + 1}
    return {"span_id": name, "description": f"{name}{REVERSED}", **sent, **times, **fields}


def test_a_trace_is_in_one_direction() -> None:
    nowhere = {"start_timestamp": None, "timestamp": None}
    whole = {**span("whole"), "transaction": f"spin{REVERSED}", "server_name": f"web{REVERSED}"}
    whole |= {
        "contexts": {"trace": {"trace_id": TRACE}},
        "spans": [span("a"), span("b", **nowhere)],
    }
    items = [
        item("transaction", whole),
        item(f"new{REVERSED}", {"told": REVERSED}),
    ]
    html = str(waterfall([*items, item("bytes", REVERSED.encode())]))
    assert html.count("gro.elpmaxe") >= 8
    assert REVERSED not in html


def test_a_flame_graph_is_in_one_direction() -> None:
    frames = [{"function": f"loop{REVERSED}", "filename": f"a{REVERSED}.py", "in_app": True}]
    samples = [{"thread_id": "1", "stack_id": 0, "timestamp": START + n / 100} for n in range(9)]
    profile = {"version": "2", "profile": {"frames": frames, "stacks": [[0]], "samples": samples}}
    html = str(flame_graph(profile))
    assert "gro.elpmaxe" in html
    assert REVERSED not in html


def test_an_issue_is_named_in_one_direction(store: Store) -> None:
    raised = {"type": f"Type{REVERSED}", "value": f"value{REVERSED}"}
    frames = [{"function": f"pay{REVERSED}", "in_app": True}]
    values = [{**raised, "stacktrace": {"frames": frames}}]
    event = {"event_id": "1" * 32, "exception": {"values": values}, "transaction": REVERSED}
    store_away(store, b'{}\n{"type":"event"}\n' + json.dumps(event).encode() + b"\n", project="web")
    (issue,) = read_issues(store)
    assert all("gro.elpmaxe" in text for text in (issue.title, issue.culprit, issue.reason))
    assert REVERSED not in issue.title + issue.culprit + issue.reason
