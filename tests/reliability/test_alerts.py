"""Alert rules: their text, when they fire, what is wrong with them, and their other forms."""

import json
import random
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from kit.ingest.store import Store
from kit.reliability.alerts.evaluate import replay
from kit.reliability.alerts.firings import Firings
from kit.reliability.alerts.judge import judge
from kit.reliability.alerts.occurrences import Occurrence
from kit.reliability.alerts.parse import AlertRuleError
from kit.reliability.alerts.patterns import ALERT_PATTERNS
from kit.reliability.alerts.rule import AlertRule, make_rule
from kit.reliability.alerts.sentry_api import FREQUENCIES, workflow_schema
from kit.reliability.faults.incident import Incident
from tests.ingest.sending import body, item, received
from tests.reliability.alert_histories import HISTORIES, History


@pytest.mark.parametrize("history", HISTORIES, ids=lambda each: each.name)
def test_a_rule_fires_when_it_should(history: History) -> None:
    rule = make_rule(**history.rule)
    events = [each.occurrence() for each in history.events]
    fired = replay([rule], events, changes=history.changes)
    assert [(each.at, each.issue[1]) for each in fired] == list(history.fires)
    assert fired.held_back == {rule: history.held_back}


def test_there_are_enough_histories() -> None:
    assert len({each.name for each in HISTORIES}) >= 24


def test_a_block_says_what_is_done() -> None:
    (history,) = [each for each in HISTORIES if each.name == "each block decides by itself"]
    fired = replay([make_rule(**history.rule)], [each.occurrence() for each in history.events])
    assert [each.actions for each in fired] == [("ticket",), ("page", "ticket")]
    assert [each.is_page for each in fired] == [False, True]


# Their text


@pytest.mark.parametrize(
    "text",
    [
        "level >= error",
        "level = fatal",
        "events > 100 in 1h",
        "users > 3 in 5m",
        "events > 300% in 1h vs 1d ago",
        "users > 50% in 15m vs 1w ago where tag.flow = checkout",
        "events > 5 in 5m where exception.type = KeyError and tag.x is not set",
        "seen >= 10",
        "age < 30m",
        "age > 2w",
        "latest release",
        "tag.flow = checkout",
        "tag.flow != checkout",
        "tag.flow is set",
        "tag.a.b-c does not contain x = y",
        "exception.type starts with Time",
        "message ends with is set",
        "error.unhandled = true",
        "http.status_code = 503",
    ],
)
def test_a_filter_reads_as_it_was_written(text: str) -> None:
    rule = make_rule("every event", text)
    assert rule.blocks[0].words == text
    assert make_rule("every event", [rule.blocks[0].words]).blocks == rule.blocks


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"when": "sometimes"}, "Allowed: new issue, regression, escalating"),
        ({"when": []}, "A rule needs a trigger: new issue"),
        ({"when": "new issue", "if_": "events > 3"}, "events > 100 in 1h"),
        ({"when": "new issue", "if_": "events > 3 in 7m"}, "events > 100 in 1h"),
        ({"when": "new issue", "if_": "events > 3% in 5m"}, "a time to compare with"),
        ({"when": "new issue", "if_": "level >= bad"}, "debug, info, warning, error, fatal"),
        ({"when": "new issue", "if_": "colour = red"}, "tag.<name>, message, platform"),
        ({"when": "new issue", "if_": "unreal.crash_type = x"}, "no event of this system"),
        ({"when": "new issue", "if_": "tag.flow ="}, "Give a value"),
        ({"when": "new issue", "if_": "tag.flow is set x"}, "Give a value"),
        ({"when": "new issue", "then": "shout"}, "Allowed: page, message, ticket"),
        ({"when": "new issue", "throttle": "7m"}, "5m, 10m, 30m, 1h"),
        ({"when": "new issue", "if_": {"all": [], "any": []}}, "Give one of all, any, none"),
        ({"when": "new issue", "if_": {"some": []}}, "Give one of all, any, none"),
    ],
)
def test_an_error_says_what_is_allowed(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(AlertRuleError) as refused:
        make_rule(**rule)
    assert says in str(refused.value)


EVENT = {
    "level": "error",
    "platform": "python",
    "environment": "production",
    "release": "2.0",
    "tags": [["flow", "Checkout"]],
    "user": {"id": 7},
    "request": {"method": "POST", "url": "http://127.0.0.1/spin"},
    "contexts": {"response": {"status_code": 503}},
    "sdk": {"name": "sentry.python"},
    "exception": {
        "values": [
            {"type": "KeyError", "value": "bet", "mechanism": {"handled": True}},
            {
                "type": "SpinError",
                "value": "no spin",
                "mechanism": {"type": "tornado", "handled": False},
                "stacktrace": {"frames": [{"module": "engine.reels", "filename": "reels.py"}]},
            },
        ]
    },
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("tag.flow = checkout", True),
        ("tag.environment = production", True),
        ("tag.handled = no", True),
        ("tag.user = id:7", True),
        ("tag.nothing is not set", True),
        ("tag.nothing != x", True),
        ("exception.type = KeyError", True),
        ("exception.type != KeyError", False),
        ("exception.value contains spin", True),
        ("message contains no spin", True),
        ("error.unhandled = true", True),
        ("error.handled = true", False),
        ("user.id = 7", True),
        ("http.status_code starts with 5", True),
        ("http.method = get", False),
        ("http.url ends with /spin", True),
        ("stacktrace.module starts with engine", True),
        ("stacktrace.filename contains shop", False),
        ("sdk.name = sentry.python", True),
        ("platform = node", False),
        ("type = error", True),
        ("user.email is set", False),
    ],
)
def test_a_filter_finds_what_is_in_an_event(text: str, holds: bool) -> None:
    fired = replay([make_rule("new issue", text)], [Occurrence(1.0, ("p", "i"), EVENT)])
    assert bool(fired) is holds


@pytest.mark.parametrize(
    "event", [{}, {"exception": 7}, {"tags": 7, "user": [], "contexts": None, "level": {}}]
)
def test_an_event_of_any_shape_can_be_evaluated(event: dict[str, Any]) -> None:
    rules = [each.rule for each in ALERT_PATTERNS]
    assert replay(rules, [Occurrence(1.0, ("p", "i"), event)]).events == 1


# What is wrong with them

# By the id of the finding, and what it says.
BAD = (
    (
        {"when": "new issue", "if_": ["level >= error", "users > 3 in 5m"]},
        "new-and-frequent",
        "never fires",
    ),
    ({"when": "new issue", "if_": "seen > 10"}, "new-and-frequent", "never fires"),
    ({"when": "every event"}, "every-event", "fires too often"),
    (
        {"when": "every event", "if_": "events > 100% in 1h vs 1d ago", "throttle": "1h"},
        "percent-without-floor",
        "fires too often",
    ),
    (
        {"when": "every event", "if_": ["level >= error", "level <= info"], "throttle": "1h"},
        "contradiction",
        "never fires",
    ),
    (
        {"when": "new issue", "if_": ["tag.flow = pay", "tag.flow = win"]},
        "contradiction",
        "never fires",
    ),
    (
        {"when": "every event", "if_": ["age > 1h", "age < 30m"], "throttle": "1h"},
        "age",
        "never fires",
    ),
    ({"when": "new issue", "if_": "age > 1h"}, "age", "never fires"),
    ({"when": "regression", "if_": "level >= error"}, "no-event", "never fires"),
    (
        {
            "when": "every event",
            "if_": ["age < 1h", "events > 100% in 5m vs 1d ago", "events > 9 in 5m"],
            "throttle": "1h",
            "empty_baseline": "0 %",
        },
        "empty-baseline",
        "never fires",
    ),
    (
        {"when": "every event", "if_": {"any": ["level >= debug", "seen >= 9"]}, "throttle": "1h"},
        "always",
        "fires too often",
    ),
)


@pytest.mark.parametrize(("rule", "name", "says"), BAD, ids=[each[1] for each in BAD])
def test_lint_knows_what_cannot_be_and_what_explodes(
    rule: dict[str, Any], name: str, says: str
) -> None:
    found = make_rule(**rule).lint()
    assert [(each.id, each.says) for each in found] == [(name, says)]
    assert found[0].reference.read == "2026-11"


@pytest.mark.parametrize("rule", [each[0] for each in BAD if each[2] == "never fires"])
def test_what_never_fires_does_not_fire(rule: dict[str, Any]) -> None:
    assert len(replay([make_rule(**rule)], noisy_month(7))) == 0


def test_there_are_enough_known_ones() -> None:
    assert len({name for _, name, _ in BAD}) >= 7


@pytest.mark.parametrize("pattern", ALERT_PATTERNS, ids=lambda each: each.name)
def test_lint_is_silent_on_what_the_guide_recommends(pattern: Any) -> None:
    assert pattern.rule.lint() == []
    assert pattern.why


def test_there_are_twelve_patterns() -> None:
    assert len({each.name for each in ALERT_PATTERNS}) == 12


def noisy_month(seed: int, events: int = 400) -> Iterator[Occurrence]:
    """Yield events of some issues over some days, in bursts."""
    chance, now = random.Random(seed), 0.0
    for _ in range(events):
        now += chance.choice([0.5, 1, 20, 400, 9000])
        name = chance.choice("abcd")
        event = {
            "level": chance.choice(["error", "fatal", "info", "warning"]),
            "message": name,
            "release": chance.choice("12"),
            "environment": chance.choice(["production", "staging"]),
            "user": {"id": chance.randrange(9)},
            "tags": {"flow": chance.choice(["pay", "win"])},
        }
        yield Occurrence(now, ("p", name), event, f"{now}", "p", str(event["user"]))


# Their other forms


@cache
def validator() -> jsonschema.Draft202012Validator:
    schema = workflow_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "rule",
    [
        *(each.rule for each in ALERT_PATTERNS),
        make_rule(["new issue", "issue resolved"], {"none": ["tag.a is set", "message = x"]}),
        make_rule("every event", "users > 5 in 5m where exception.type = A and tag.b is set"),
    ],
    ids=lambda each: each.name,
)
def test_the_api_of_sentry_takes_a_rule(rule: AlertRule) -> None:
    sent = json.loads(json.dumps(rule.as_sentry()))
    assert [each.message for each in validator().iter_errors(sent)] == []
    assert sent["config"]["frequency"] * 60 == rule.throttle_s


def test_a_rule_of_the_api_is_this() -> None:
    rule = make_rule(
        "new issue", ["level >= error", "events > 300% in 1h vs 1w ago"], throttle="30m", name="x"
    )
    slack = {"type": "slack", "config": {"targetType": "specific"}, "integrationId": "1"}
    sent = rule.as_sentry({"page": slack})
    assert sent["triggers"]["conditions"] == [
        {"type": "first_seen_event", "comparison": True, "conditionResult": True}
    ]
    (block,) = sent["actionFilters"]
    assert [each["comparison"] for each in block["conditions"]] == [
        {"level": 40, "match": "gte"},
        {"value": 300, "interval": "1h", "comparisonInterval": "1w"},
    ]
    assert block["actions"] == [slack]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"colour": "red"},
        {"config": {"frequency": 7}},
        {"triggers": {"logicType": "all", "conditions": [], "actions": []}},
        {"actionFilters": [{"logicType": "any", "conditions": [], "actions": []}]},
    ],
)
def test_the_schema_refuses_what_is_not_documented(change: dict[str, Any]) -> None:
    sent = make_rule("new issue", "level = fatal").as_sentry() | change
    assert not validator().is_valid(sent)


def test_what_the_page_of_the_api_does_not_have_is_refused() -> None:
    assert max(FREQUENCIES) == 24 * 60
    with pytest.raises(AlertRuleError, match="at most 24h"):
        make_rule("new issue", throttle="1w").as_sentry()


def test_alertmanager_gets_a_route_whose_interval_counts() -> None:
    for throttle in ("5m", "3h", None):
        text = make_rule("new issue", 'message = say "x"', throttle=throttle).as_alertmanager()
        (route,) = yaml.safe_load(text)["route"]["routes"]
        assert route["group_by"] == ["alertname", "issue"]
        group, repeat = (float(route[f"{name}_interval"][:-1]) for name in ("group", "repeat"))
        assert repeat >= group or route["repeat_interval"].endswith("h")
        assert text.startswith("# ")


# Against the truth

TRUTH = (
    Incident("payment-fails", 100, 160),
    Incident(None, 200, 260),
    Incident("ledger-down", 300, 360),
    Incident("mongo-slow", 500, 560),
)


def pages_at(*times: float) -> Firings:
    rule = make_rule("every event")
    return replay([rule], [Occurrence(at, ("p", "i"), {}, f"{at}", "p") for at in times])


def test_pages_are_judged_by_hand() -> None:
    judged = judge(pages_at(50, 104, 105, 150, 210, 320, 369, 371), TRUTH, span=(0, 3600))
    assert (judged.pages, judged.firings) == (5, 8)
    assert [each.delay_s for each in judged.verdicts] == [4, 20, None]
    assert [each.at for each in judged.noise] == [50, 210, 371]
    assert judged.precision == 2 / 5
    assert judged.recall == 2 / 3
    assert judged.delay == 12
    assert judged.noise_per_hour == 3
    assert [row.words for row in judged.rows] == [
        "paged after 4.0 s",
        "paged: noise",
        "paged after 20.0 s",
        "not paged",
    ]


def test_overlapping_incidents_are_found_one_by_one() -> None:
    both = (Incident("a", 0, 100), Incident("b", 50, 100))
    judged = judge(pages_at(60, 70, 80), both)
    assert [each.delay_s for each in judged.verdicts] == [70, 10]
    assert judged.pages == 2


def test_nothing_to_divide_by_is_no_share() -> None:
    judged = judge([], [Incident(None, 0, 10)])
    assert (judged.pages, judged.precision, judged.recall, judged.delay) == (0, None, None, None)
    assert judged.noise_per_hour == 0


def test_a_ticket_wakes_nobody() -> None:
    rule = make_rule("every event", then="ticket")
    judged = judge(replay([rule], [Occurrence(110.0, ("p", "i"), {})]), TRUTH)
    assert (judged.pages, judged.unjudged) == (0, 1)


# Over a store


START = int(time.time()) - 500


def store_events(store: Store, *times: int) -> None:
    """Store events, each so many seconds after the start; what is too old is not kept."""
    contents = [body(item("event", {"event_id": f"{at:032x}", "message": "m"})) for at in times]
    received_at = [START + each for each in times]
    pairs = zip(contents, received_at, strict=True)
    store.write([received(each, project="payment", at=at) for each, at in pairs])


def seconds(fired: Firings) -> list[float]:
    return [each.at - START for each in fired]


def test_a_rule_looks_at_what_is_stored(store: Store) -> None:
    store_events(store, 10, 20, 30, 40)
    rule = make_rule("every event", "events > 1 in 5m", throttle="5m")
    fired = rule.would_have_fired(store)
    assert seconds(fired) == [20]
    assert fired.sentence == "Fired 1× for 4 events; throttling held back 2."
    assert fired[0].event is not None
    assert fired[0].event["event_id"] == f"{20:032x}"
    assert rule.would_have_fired(store, until=START + 15).span == (START + 10, START + 10)


def test_what_was_before_is_history(store: Store) -> None:
    store_events(store, 10, 20, 30)
    assert not make_rule("new issue").would_have_fired(store, since=START + 15)
    rule = make_rule("every event", "events > 2 in 5m")
    fired = rule.would_have_fired(store, since=START + 25)
    assert (seconds(fired), fired.events) == ([30], 1)


def test_it_says_when_older_events_were_not_read(store: Store) -> None:
    store_events(store, 10, 20, 30)
    fired = make_rule("every event").would_have_fired(store, last=2)
    assert (fired.complete, seconds(fired)) == (False, [20, 30])
    assert "Older events were not read" in fired._repr_html_()
    assert make_rule("every event").would_have_fired(store).complete
