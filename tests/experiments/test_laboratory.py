import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import sentry_sdk

from demo_services.game_engine.desk import Order
from demo_services.redaction import FILTERED
from kit.experiments.context.laboratory import ORDER, Comparison, Laboratory, is_related
from kit.experiments.context.switches import (
    SWITCHES,
    Settings,
    as_code,
    complete,
    drop_event,
    options,
    redact_card,
)
from kit.workshop import Workshop

CARD = ORDER["card_number"]


@pytest.fixture(scope="module")
def lab(workshop: Workshop) -> Laboratory:
    return workshop.laboratory()


@pytest.fixture(scope="module")
def all_at_once(lab: Laboratory) -> Comparison:
    """Everything changed but what loses the event."""
    settings = {name: switch.choices[1] for name, switch in SWITCHES.items()}
    return lab.compare({}, {**settings, "sample_rate": 1.0, "add_full_stack": False})


STACK = "exception.values[-1].stacktrace"
VARS = "exception.values[-1].stacktrace.frames[-1].vars"
CALLER_VARS = "exception.values[-1].stacktrace.frames[-2].vars"
SOURCE = "exception.values[-1].stacktrace.frames[-1].context_line"
OFF = {"mode": "off"}
ORDER_FILTERED = {"mode": "denylist", "terms": ["order"]}
FORWARDED = {"request": {"mode": "denylist", "terms": ["forwarded", "-ip"]}}
PAGE = {"mode": "denylist", "terms": ["page"]}


@pytest.mark.parametrize(
    ("switch", "value", "what", "path"),
    [
        ("stack_frame_variables", False, "removed", f"{VARS}.paid"),
        ("stack_frame_variables", ORDER_FILTERED, "changed", f"{CALLER_VARS}.order"),
        ("frame_context_lines", 0, "removed", SOURCE),
        ("frame_context_lines", 1, "changed", SOURCE.replace("context_line", "pre_context")),
        ("add_full_stack", True, "added", f"{STACK}.frames[-5].function"),
        ("max_breadcrumbs", 2, "removed", "breadcrumbs.values[-3].message"),
        ("max_breadcrumbs", 0, "changed", "breadcrumbs.values"),
        ("max_request_body_size", "never", "changed", "request.data"),
        ("max_request_body_size", "small", "changed", "request.data"),
        ("http_bodies", [], "removed", "request.data.bet"),
        ("user_info", False, "removed", "request.env.REMOTE_ADDR"),
        ("cookies", OFF, "removed", "request.cookies.theme"),
        ("cookies", {"mode": "allowlist", "terms": ["lang"]}, "changed", "request.cookies.theme"),
        ("http_headers", {"request": OFF}, "changed", "request.headers"),
        ("http_headers", FORWARDED, "changed", 'request.headers."X-Forwarded-For"'),
        ("url_query_params", OFF, "removed", "request.query_string"),
        ("url_query_params", PAGE, "changed", "request.query_string"),
        ("traces_sample_rate", 1.0, "added", "contexts.trace.op"),
        ("before_send", redact_card, "changed", "request.data.card_number"),
        ("user", True, "added", "user.username"),
        ("tags", True, "added", 'tags."player.tier"'),
        ("contexts", True, "added", "contexts.order.at_stake"),
        ("fingerprint", True, "added", "fingerprint"),
    ],
)
def test_each_switch_takes_effect(
    lab: Laboratory, switch: str, value: Any, what: str, path: str
) -> None:
    comparison = lab.compare({}, {switch: value})
    assert path in getattr(comparison, what)
    assert comparison.caused_by(path) == (switch,)
    assert all(comparison.caused_by(path) == (switch,) for path in comparison.difference.paths)
    assert comparison.a.settings[switch] == SWITCHES[switch].default
    assert comparison.b.settings[switch] == value
    # And the other way round.
    back = lab.compare({switch: value}, {})
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}[what]
    assert path in getattr(back, opposite)


@pytest.mark.parametrize(("switch", "value"), [("sample_rate", 0.0), ("before_send", drop_event)])
def test_an_event_that_is_lost_is_owed_to_its_switch(
    lab: Laboratory, switch: str, value: Any
) -> None:
    comparison = lab.compare({"user": True}, {switch: value})
    assert comparison.a.event
    assert comparison.b.event is None
    assert comparison.b.sizes == {}
    assert comparison.lost_by == (switch,)
    assert "event_id" in comparison.a.event
    assert f"B sent no event, because of <code>{switch}</code>" in comparison._repr_html_()
    assert lab.compare({switch: value}, {switch: value}).lost_by == ()


def test_two_that_lose_it_are_both_named(lab: Laboratory) -> None:
    comparison = lab.compare({}, {"sample_rate": 0.0, "before_send": drop_event, "tags": True})
    assert comparison.lost_by == ("sample_rate", "before_send")


def test_the_same_settings_differ_in_nothing_but_what_varies(lab: Laboratory) -> None:
    everything = {"user": True, "tags": True, "contexts": True, "traces_sample_rate": 1.0}
    for settings in ({}, everything):
        comparison = lab.compare(settings, settings)
        assert not comparison.difference, comparison.difference.paths
        assert comparison.effects == {}
        assert {"event_id", "timestamp", "contexts.trace.trace_id"} <= comparison.varying
        assert "The settings are the same" in comparison._repr_html_()


def test_of_many_switches_each_answers_for_its_own(all_at_once: Comparison) -> None:
    caused_by = all_at_once.caused_by
    assert caused_by("user.id") == ("user",)
    assert caused_by("tags.table") == ("tags",)
    assert caused_by("fingerprint") == ("fingerprint",)
    assert caused_by("contexts.order") == ("contexts",)
    assert caused_by("breadcrumbs.values[-5].message") == ("max_breadcrumbs",)
    assert caused_by(SOURCE) == ("frame_context_lines",)
    assert caused_by(f"{VARS}.paid") == ("stack_frame_variables",)
    assert caused_by("request.cookies.theme") == ("cookies",)
    assert caused_by("request.env.REMOTE_ADDR") == ("user_info",)
    assert caused_by("request.query_string") == ("url_query_params",)
    assert caused_by("request.headers.Host") == ("http_headers",)
    assert caused_by("contexts.trace.op") == ("traces_sample_rate",)
    assert caused_by("release") == caused_by("event_id") == ()


def test_a_field_that_two_switches_touch_names_both(all_at_once: Comparison) -> None:
    assert all_at_once.caused_by(f"{CALLER_VARS}.order") == ("stack_frame_variables", "before_send")
    # The body is away, and what is left of it was not to be redacted.
    body = {"max_request_body_size", "http_bodies", "before_send"}
    assert set(all_at_once.caused_by("request.data")) == body


def test_two_switches_that_lose_the_event_together_are_both_named(lab: Laboratory) -> None:
    comparison = lab.compare({}, {"add_full_stack": True, "frame_context_lines": 0})
    assert comparison.b.event is None
    assert all(effect.shot.event for effect in comparison.effects.values())
    assert comparison.lost_by == ("frame_context_lines", "add_full_stack")


def test_a_field_that_takes_two_switches_names_both(lab: Laboratory) -> None:
    def count(event: Any, hint: Any) -> Any:
        return {**event, "extra": {"tags": len(event["tags"])}} if "tags" in event else event

    comparison = lab.compare({}, {"tags": True, "before_send": count})
    assert comparison.added[0] == "extra.tags"
    assert comparison.caused_by("extra.tags") == ("before_send", "tags")


def test_every_difference_is_owed_to_a_switch(all_at_once: Comparison) -> None:
    paths = all_at_once.difference.paths
    assert len(paths) > 40
    assert [path for path in paths if not all_at_once.caused_by(path)] == []
    assert all_at_once.effects.keys() == SWITCHES.keys() - {"sample_rate", "add_full_stack"}


def test_what_a_switch_costs_is_weighed(lab: Laboratory, workshop: Workshop) -> None:
    comparison = lab.compare({}, {"traces_sample_rate": 1.0, "stack_frame_variables": False})
    assert comparison.a.sizes.keys() == {"event"}
    assert comparison.b.sizes.keys() == {"event", "span"}
    alone = comparison.effects["stack_frame_variables"].shot
    assert alone.sizes["event"] < comparison.a.sizes["event"]
    assert alone.bytes == alone.sizes["event"]
    assert f"span {comparison.b.sizes['span'] / 1024:.1f} KiB" in comparison.b.weight
    (stored,) = workshop.store.items(trace_id=comparison.a.trace_id, type="event")
    assert stored.payload == comparison.a.event
    assert stored.project == "game-engine"


def test_spans_are_sampled_by_the_setting_alone(lab: Laboratory) -> None:
    kinds = [lab.fire({"traces_sample_rate": rate}).sizes.keys() for rate in (1.0, 0.0, None)]
    assert kinds == [{"event", "span"}, {"event"}, {"event"}]


def test_the_order_is_ones_own_to_choose(lab: Laboratory) -> None:
    shot = lab.fire(player="grace", card_number="4111 1111 1111 1111")
    assert shot.event
    assert shot.event.find("request.data.player") == "grace"
    assert shot.event.find("request.data.card_number") == "4111 1111 1111 1111"
    assert CARD not in json.dumps(shot.event)
    assert shot.event.find("exception.values[-1].type") == "RuntimeError"


def test_a_learner_with_a_name_is_in_every_event(workshop: Workshop) -> None:
    lab = workshop.laboratory()
    named = Laboratory(lab._dsn, lab._http, "Ada L.")
    shot = named.fire({"tags": True})
    assert shot.event
    assert shot.event["tags"] == {"learner": "Ada L.", "player.tier": "vip", "table": "7"}


def test_code_of_ones_own_is_run(lab: Laboratory) -> None:
    def mine(order: Order) -> None:
        sentry_sdk.set_tag("own", order.player)

    def censor(event: Any, hint: Any) -> Any:
        return {**event, "level": "info"}

    shot = lab.fire({"tags": mine, "before_send": censor})
    assert shot.event
    assert (shot.event["tags"], shot.event["level"]) == ({"own": "ada"}, "info")


@pytest.mark.parametrize(("name", "sent"), [("user", "An"), ("before_send", "No")])
def test_code_of_ones_own_that_fails_says_so(lab: Laboratory, name: str, sent: str) -> None:
    def broken(*given: object) -> None:
        raise LookupError("not this way")

    with pytest.raises(LookupError, match="not this way") as failed:
        lab.fire({name: broken})
    assert failed.value.__notes__ == [f"{sent} error event was sent."]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"locals": False}, "no switch 'locals'; there are: stack_frame_variables, "),
        ({"max_breadcrumbs": 7}, "max_breadcrumbs must be one of 100, 2, 0, not 7"),
        ({"max_breadcrumbs": False}, "must be one of 100, 2, 0, not False"),
        ({"frame_context_lines": True}, "must be one of 5, 0, 1, not True"),
        ({"user_info": {"mode": "off"}}, "user_info must be one of True, False, not "),
        ({"cookies": {"mode": "none"}}, "Invalid collection mode 'none'"),
        ({"cookies": False}, "cookies must be one of {'mode': 'denylist'}, "),
        ({"sample_rate": drop_event}, "sample_rate must be one of 1.0, 0.0, not "),
        (
            {"before_send": True},
            "must be one of None, redact_card, drop_event, a function, not True",
        ),
    ],
)
def test_what_is_no_setting_is_refused(
    lab: Laboratory, settings: Mapping[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        lab.compare({}, settings)


def test_it_tells_how_far_it_is(lab: Laboratory) -> None:
    told: list[tuple[int, int, str]] = []
    lab.compare({}, {"user": True, "tags": True}, on_shot=lambda *how: told.append(how))
    assert [how[0] for how in told] == list(range(len(told)))
    assert {how[1] for how in told} == {len(told) - 1}
    # With two switches "A with one from B" is "B with the other from A".
    assert [how[2] for how in told] == [
        *("A", "B", "A", "B"),
        *("B with tags from A", "B with user from A", "done"),
    ]


def test_other_services_keep_their_own_options(lab: Laboratory, workshop: Workshop) -> None:
    lab.fire({"stack_frame_variables": False, "max_breadcrumbs": 0, "before_send": drop_event})
    outcome = workshop.trigger("game-engine/crash")
    assert not outcome.missing
    assert outcome.event
    assert outcome.event.find("exception.values[-1].stacktrace.frames[-1].vars.paid")
    assert len(outcome.event["breadcrumbs"]["values"]) > 2
    assert outcome.event["environment"] == "workshop"


@pytest.mark.slow
def test_nothing_is_left_running(lab: Laboratory) -> None:
    lab.fire()
    before = set(threading.enumerate())
    for _ in range(3):
        lab.fire({"traces_sample_rate": 1.0})
    # The SDK's own threads are told to end, and not waited for.
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive(), thread.name


def test_nothing_is_written_into_the_cell(
    lab: Laboratory, workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.fire({"user_info": False})
    assert capfd.readouterr() == ("", "")
    assert any("/api/v1/side-bets" in line for line in workshop.logs("game-engine"))


def test_the_default_of_a_switch_is_that_of_the_sdk() -> None:
    plain = sentry_sdk.Client(**options(complete({}))).options
    collected = [switch for switch in SWITCHES.values() if switch.collected]
    assert len(collected) == 7
    for switch in collected:
        assert switch.default == plain["data_collection"][switch.name]
        assert type(switch.default) is type(plain["data_collection"][switch.name])
    for name in ("max_breadcrumbs", "max_request_body_size", "sample_rate", "traces_sample_rate"):
        assert SWITCHES[name].default == plain[name]


def test_what_is_collected_goes_into_one_option() -> None:
    chosen = complete({"cookies": OFF, "user_info": False, "max_breadcrumbs": 2, "tags": True})
    assert options(chosen) == {
        "max_breadcrumbs": 2,
        "data_collection": {"user_info": False, "cookies": OFF},
    }
    assert options(complete({"user_info": True})) == {"data_collection": {}}


def test_names_are_filtered_and_values_are_not(lab: Laboratory) -> None:
    event = lab.fire().event
    assert event
    assert event.find("request.cookies") == {"theme": "dark", "lang": "en", "sessionid": FILTERED}
    assert event.find("request.query_string") == "page=2&session=%5BFiltered%5D"
    assert event.find('request.headers."X-Forwarded-For"') == "203.0.113.7"
    assert CARD in event.find(f"{CALLER_VARS}.order")
    terms = {"mode": "allowlist", "terms": ["paid", "stake"]}
    few = lab.fire({"stack_frame_variables": terms}).event
    assert few
    assert few.find(f"{VARS}.paid") == event.find(f"{VARS}.paid")
    assert few.find(f"{VARS}.name") == f"'{FILTERED}'"
    assert few.find(f"{CALLER_VARS}.order") == f"'{FILTERED}'"


def test_a_switch_holds_for_the_span_as_well(lab: Laboratory, workshop: Workshop) -> None:
    def attributes(settings: Settings) -> dict[str, Any]:
        shot = lab.fire({"traces_sample_rate": 1.0, "user": True, **settings})
        (item,) = workshop.store.items(trace_id=shot.trace_id, type="span")
        (span,) = item.payload["items"]
        return {name: each["value"] for name, each in span["attributes"].items()}

    plain = attributes({})
    assert (plain["client.address"], plain["user.name"]) == ("127.0.0.1", "ada")
    assert plain["url.query"] == "page=2&session=%5BFiltered%5D"
    assert CARD in plain["http.request.body.data"]
    bare = attributes({"user_info": False, "http_bodies": [], "url_query_params": OFF})
    gone = {"client.address", "user.name", "url.query", "http.request.body.data"}
    assert gone.isdisjoint(bare)
    assert bare["url.full"] == plain["url.full"].partition("?")[0]


def test_the_code_that_is_shown_is_the_code_that_runs() -> None:
    for name in ("user", "tags", "contexts", "fingerprint"):
        assert "sentry_sdk." in SWITCHES[name].source
    assert SWITCHES["before_send"].source.count("def ") == 3
    assert SWITCHES["sample_rate"].source == ""
    assert SWITCHES["cookies"].source == ""
    for switch in SWITCHES.values():
        assert switch.docs.startswith("https://docs.sentry.io/platforms/python/")


@pytest.mark.parametrize(
    ("path", "other", "related"),
    [
        ("user", "user", True),
        ("user", "user.id", True),
        ("a.values[-1].b", "a.values", True),
        ("a.values[-1]", "a.values[-10]", False),
        ("user", "user_agent", False),
        ("user.id", "user.name", False),
    ],
)
def test_paths_are_related_by_whole_names(path: str, other: str, related: bool) -> None:
    assert is_related(path, other) is is_related(other, path) is related


def test_the_button_does_the_same_as_the_code(lab: Laboratory) -> None:
    widget = lab.widget
    assert widget is lab.widget
    for name, switch in SWITCHES.items():
        widget.a[name].value = widget.b[name].value = as_code(switch.default)
    widget.b["max_breadcrumbs"].value = "2"
    widget.a["before_send"].value = "redact_card"
    pressed = widget.click()
    coded = lab.compare({"before_send": redact_card}, {"max_breadcrumbs": 2})
    assert pressed.difference.paths == coded.difference.paths
    assert pressed.effects.keys() == {"max_breadcrumbs", "before_send"}
    assert not widget.button.disabled
    assert "<code>max_breadcrumbs</code>, <code>before_send</code>" in widget._says.value
    assert "6 crashes fired" in widget._state._html
    assert "field by field" in widget._result._html


def test_a_press_that_fails_says_so(workshop: Workshop) -> None:
    widget = workshop.laboratory().widget

    def broken(a: object, b: object, on_shot: object) -> None:
        raise OSError("no port")

    widget._compare = broken
    with pytest.raises(OSError, match="no port"):
        widget.click()
    assert "OSError: no port" in widget._state._html
    assert not widget.button.disabled
