from typing import Any

from hypothesis import given

from kit.card import trace_table

from .page import Page
from .test_card import EVENTS, HOSTILE, TRACE


def transaction(
    service: str, start: int, end: int, span: str, parent: str | None
) -> dict[str, Any]:
    return {
        "type": "transaction",
        "server_name": service,
        "transaction": f"/{service}",
        "start_timestamp": f"2026-11-21T23:00:00.{start:03}Z",
        "timestamp": f"2026-11-21T23:00:00.{end:03}Z",
        "contexts": {
            "trace": {"trace_id": TRACE, "span_id": span, "parent_span_id": parent, "op": "http"}
        },
        "spans": [{"span_id": f"{span}-call"}],
    }


FRONTEND = transaction("frontend", 0, 200, "a", None)
GATEWAY = transaction("gateway", 50, 150, "b", "a-call")
ENGINE = transaction("game-engine", 100, 110, "c", "b-call")


def test_the_services_of_a_trace_hang_on_each_other() -> None:
    page = Page(trace_table([ENGINE, FRONTEND, GATEWAY]))
    names = [each for each in page.all("th") if each.attributes["scope"] == "row"]
    assert [(each.attributes["class"], each.text.split()[-1]) for each in names] == [
        ("cw-depth-0", "frontend"),
        ("cw-depth-1", "gateway"),
        ("cw-depth-2", "game-engine"),
    ]
    assert "3 transactions, 200 ms in all" in page.one("p", "cw-lead").text


def test_cards_of_the_trace_link_to_it() -> None:
    (root,) = Page(trace_table([GATEWAY])).all("section", "cw-root")
    assert root.attributes["id"] == f"trace-{TRACE}"


def test_the_bars_show_when_each_one_ran() -> None:
    page = Page(trace_table([FRONTEND, GATEWAY]))
    bars = [each.attributes["style"] for each in page.all("span") if "style" in each.attributes]
    assert bars == ["margin-left: 0.0%; width: 100.0%", "margin-left: 25.0%; width: 50.0%"]


def test_a_failed_transaction_is_marked_and_a_missing_status_named() -> None:
    failed = {**GATEWAY, "contexts": {"trace": {"trace_id": TRACE, "status": "internal_error"}}}
    last = [
        row.text.split("ms")[-1].split() for row in Page(trace_table([failed, ENGINE])).all("tr")
    ]
    assert last[1:] == [["✖", "internal_error"], ["not", "set"]]


def test_hostile_names_stay_text() -> None:
    hostile = {**ENGINE, "server_name": HOSTILE, "transaction": HOSTILE}
    html = trace_table([hostile])
    Page(html)
    assert "<script" not in html


@given(EVENTS)
def test_any_payload_becomes_a_harmless_row(payload: dict[str, Any]) -> None:
    Page(trace_table([payload, {**ENGINE, **payload}]))


def test_no_transactions_are_said_to_be_none() -> None:
    assert "0 transactions" in trace_table([])
