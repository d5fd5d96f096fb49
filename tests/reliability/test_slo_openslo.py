"""OpenSLO in and out, and what Sloth and Prometheus are given."""

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.reliability.slo.burn import GOOGLE, BurnRule, RuleSet, derive_rules
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.openslo import OpenSloError, check_openslo, parse_openslo, write_openslo
from kit.reliability.slo.queries import as_prometheus_rules
from kit.reliability.slo.slo import Slo, make_slo

# In the forms of the examples of the specification: every kind, references and inline objects,
# labels of one text or of many, a calendar, time slices, percentages, a list of documents.
DOCUMENTS = {
    "availability": """
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  displayName: Checkout
  labels:
    team: [shop, pay]
    tier: "1"
spec:
  description: Checkouts succeed.
  service: shop
  indicator:
    metadata: {name: checkout-ratio}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'errors{code=~"5.."}'}}}
        total: {metricSource: {metricSourceRef: metrics, spec: {query: all}}}
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - displayName: Good
      targetPercent: 99.9
  alertPolicies:
    - alertPolicyRef: wake
""",
    "latency": """
apiVersion: openslo/v1
kind: SLO
metadata: {name: search}
spec:
  service: shop
  indicator:
    spec: {thresholdMetric: {metricSource: {type: Any, spec: {query: took, unit: ms}}}}
  timeWindow: [{duration: 12h, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lt, value: 500, target: 0.9}]
""",
    "calendar": """
apiVersion: openslo/v1
kind: SLO
metadata: {name: billing}
spec:
  service: pay
  indicatorRef: billing-ratio
  timeWindow:
    - duration: 1M
      calendar: {startTime: 2020-01-21 12:30:00, timeZone: America/New_York}
      isRolling: false
  budgetingMethod: Occurrences
  objectives: [{target: 0.98}]
""",
    "time slices": """
apiVersion: openslo/v1
kind: SLO
metadata: {name: pages}
spec:
  service: web
  indicatorRef: pages
  timeWindow: [{duration: 2w, isRolling: true}]
  budgetingMethod: Timeslices
  objectives: [{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 1m}]
""",
    "all other kinds": """
- apiVersion: openslo/v1
  kind: DataSource
  metadata: {name: metrics, annotations: {openslo.com/folder: ./here}}
  spec: {type: Prometheus, connectionDetails: {url: "http://127.0.0.1:9090"}}
- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: pages}
  spec:
    ratioMetric:
      rawType: success
      raw: {metricSource: {type: Prometheus, spec: {query: "a\\n  - b\\n"}}}
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: {name: wake}
  spec:
    alertWhenBreaching: true
    conditions: [{conditionRef: burns}]
    notificationTargets: [{targetRef: on-call}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: burns}
spec:
  severity: page
  condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call}
spec: {target: email}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop, displayName: "Läden 🏪"}
spec: {}
""",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_comes_out_as_it_went_in(name: str) -> None:
    text = DOCUMENTS[name]
    written = parse_openslo(text).as_yaml()
    assert list(yaml.safe_load_all(written)) == list(yaml.safe_load_all(text))
    assert parse_openslo(written).documents == parse_openslo(text).documents


def test_an_objective_is_read() -> None:
    (found,) = parse_openslo(DOCUMENTS["availability"]).objectives(window_s=600)
    assert found == Objective("checkout", 0.999, 28 * 86_400, 4.0, None, "shop")
    (latency,) = parse_openslo(DOCUMENTS["latency"]).objectives(window_s=600)
    assert (latency.latency_s, latency.target, latency.window_s) == (0.5, 0.9, 43_200)


@pytest.mark.parametrize(
    ("name", "why"), [("calendar", "calendar-aligned"), ("time slices", "only Occurrences")]
)
def test_what_is_not_evaluated_is_said(name: str, why: str) -> None:
    with pytest.raises(OpenSloError, match=why):
        parse_openslo(DOCUMENTS[name]).objectives(window_s=600)


def test_a_window_that_does_not_roll_is_not_evaluated() -> None:
    text = DOCUMENTS["availability"].replace("isRolling: true", "isRolling: false")
    with pytest.raises(OpenSloError, match="only a rolling one"):
        parse_openslo(text).objectives(window_s=600)


@pytest.mark.parametrize("percent", [".nan", ".inf", "100", "many", "[]"])
def test_a_percentage_is_a_number_below_a_hundred(percent: str) -> None:
    text = DOCUMENTS["availability"].replace("99.9", percent)
    with pytest.raises(OpenSloError, match="SLO checkout"):
        parse_openslo(text).objectives(window_s=600)


def test_a_latency_without_a_unit_is_not_guessed() -> None:
    text = DOCUMENTS["latency"].replace(", unit: ms", "")
    with pytest.raises(OpenSloError, match="has no unit"):
        parse_openslo(text).objectives(window_s=600)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["spins", "p95 of spins", "Läden 🏪: on\n- off", "'\"#: {}", "123", "true"]),
    st.sampled_from([0.9, 0.99, 0.999, 0.9995, 0.123]),
    st.sampled_from([1, 10, 60, 1440, 10_080, 43_200]),
    st.sampled_from([None, 0.5, 2.0]),
    st.sampled_from([4.0, 0.1, 10.0]),
)
def test_what_is_written_is_read_again(
    name: str, target: float, minutes: int, latency_s: float | None, rate: float
) -> None:
    objective = Objective(name, target, 60.0 * minutes, rate, latency_s, "crash-workshop")
    rules = derive_rules(objective)
    document = parse_openslo(write_openslo(objective, rules).as_yaml())
    assert document.objectives(window_s=1) == [objective]
    assert list(document.rules(objective.window_s) or ()) == list(rules)


def test_a_file_gives_the_same_slo_and_text(tmp_path: Path) -> None:
    path = tmp_path / "spins.yaml"
    ours = make_slo("spins", 0.995, 30, rate=2)
    path.write_text(ours.as_openslo(), "utf-8")
    slo = make_slo(path)
    assert slo.objective.target == 0.995
    assert slo.objective.window_s == 1800
    assert slo.objective.rate == 2
    assert list(slo.alerts) == list(ours.alerts)
    assert slo.as_openslo() == ours.as_openslo()
    path.write_text(DOCUMENTS["availability"], "utf-8")
    # The one window of OpenSLO is no rule of two: ours are derived.
    assert make_slo(str(path)).alerts.name == "Rules for 28 d"


def test_a_file_of_one_objective_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    path.write_text(f"{DOCUMENTS['availability']}---{DOCUMENTS['latency']}", "utf-8")
    with pytest.raises(OpenSloError, match=r"one objective; .*many[.]yaml has: checkout, search"):
        make_slo(path)
    path.write_text(DOCUMENTS["all other kinds"], "utf-8")
    with pytest.raises(OpenSloError, match="has: none"):
        make_slo(path)
    with pytest.raises(OpenSloError, match="cannot be read"):
        make_slo(tmp_path / "missing.yml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OpenSloError, match="cannot be read"):
        make_slo(path)


def test_several_objectives_have_names_of_their_own() -> None:
    text = DOCUMENTS["calendar"].replace("isRolling: false", "isRolling: true")
    text = "\n".join(line for line in text.splitlines() if "calendar:" not in line)
    text = text.replace(
        "[{target: 0.98}]", "[{target: 0.98, displayName: a}, {target: 0.9, displayName: b}]"
    )
    found = parse_openslo(text).objectives(window_s=600)
    assert [each.name for each in found] == ["billing: a", "billing: b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a: [", "not valid YAML"),
        ("just text", "must be a mapping"),
        ("apiVersion: openslo/v1alpha\nkind: SLO", "only openslo/v1"),
        ("apiVersion: openslo/v1\nkind: Slo", "is not one of"),
        ("apiVersion: openslo/v1\nkind: [SLO]", "is not one of"),
        ("apiVersion: openslo/v1\nkind: Service", "metadata is missing"),
        ("apiVersion: openslo/v1\nkind: Service\nmetadata: {name: 1}\nspec: {}", "metadata.name"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: &a [1]\nb: *a", "alias"),
        ("x" * 50_001, "more than 50,000"),
        ("[" * 400, "not valid YAML"),
    ],
)
def test_what_is_no_openslo_says_why(text: str, why: str) -> None:
    with pytest.raises(OpenSloError, match=why):
        parse_openslo(text)


WRITTEN = yaml.safe_load(make_slo("spins", latency_s=0.5).as_openslo())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
PLACES = [
    ("metadata",), ("metadata", "name"), ("metadata", "annotations"), ("spec",),
    ("spec", "service"), ("spec", "timeWindow"), ("spec", "timeWindow", 0),
    ("spec", "timeWindow", 0, "duration"), ("spec", "budgetingMethod"), ("spec", "objectives"),
    ("spec", "objectives", 0), ("spec", "objectives", 0, "target"),
    ("spec", "objectives", 0, "value"), ("spec", "objectives", 0, "op"), ("spec", "indicator"),
    ("spec", "indicator", "spec"), ("spec", "indicator", "spec", "thresholdMetric"),
    ("spec", "indicator", "spec", "thresholdMetric", "metricSource", "spec", "unit"),
    ("spec", "alertPolicies"), ("spec", "alertPolicies", 0, "spec"),
    ("spec", "alertPolicies", 0, "spec", "conditions", 0, "metadata", "annotations"),
    ("spec", "alertPolicies", 0, "spec", "conditions", 0, "spec", "condition", "threshold"),
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_a_document_it_is_read_or_refused(
    place: tuple[str | int, ...], value: Any
) -> None:
    document = copy.deepcopy(WRITTEN)
    *path, last = place
    inner = document
    for name in path:
        inner = inner[name]
    inner[last] = value
    with contextlib.suppress(OpenSloError):
        found = check_openslo([document])
        found.objectives(window_s=600)
        found.rules(600)


def test_a_window_of_seconds_is_not_written() -> None:
    with pytest.raises(OpenSloError, match="whole minutes"):
        Slo(Objective("spins", window_s=90)).as_openslo()


# Sloth and Prometheus


def test_sloth_is_given_the_ratio_and_both_alerts() -> None:
    spec = yaml.safe_load(make_slo("Paid spins", 0.9995).as_sloth())
    assert spec["version"] == "prometheus/v1"
    (slo,) = spec["slos"]
    assert (slo["name"], slo["objective"]) == ("paid-spins", 99.95)
    events = slo["sli"]["events"]
    assert events["error_query"] == 'sum(rate(Paid_spins_total{outcome="bad"}[{{.window}}]))'
    assert events["total_query"] == 'sum(rate(Paid_spins_total{outcome=~"good|bad"}[{{.window}}]))'
    assert {"page_alert", "ticket_alert"} < slo["alerting"].keys()


def test_sloth_is_given_a_latency_by_its_bucket() -> None:
    (slo,) = yaml.safe_load(make_slo("spins", latency_s=0.5).as_sloth())["slos"]
    assert slo["sli"]["events"]["error_query"] == (
        "(sum(rate(spins_duration_seconds_count[{{.window}}])) - "
        'sum(rate(spins_duration_seconds_bucket{le="0.5"}[{{.window}}])))'
    )


def test_prometheus_is_given_every_window_once_and_every_alert() -> None:
    document = yaml.safe_load(as_prometheus_rules(Objective("spins", 0.999), GOOGLE))
    (group,) = document["groups"]
    recorded = [each["record"] for each in group["rules"] if "record" in each]
    windows = ["5m", "30m", "1h", "6h", "3d"]
    assert recorded == [f"spins:error_ratio:rate{window}" for window in windows]
    alerts = [each for each in group["rules"] if "alert" in each]
    assert [each["labels"]["severity"] for each in alerts] == ["page", "page", "ticket"]
    assert alerts[0]["expr"] == (
        "spins:error_ratio:rate1h >= 0.0144 and spins:error_ratio:rate5m >= 0.0144"
    )


def test_prometheus_is_given_the_minimum() -> None:
    (group,) = yaml.safe_load(make_slo("spins").as_prometheus())["groups"]
    page = next(each for each in group["rules"] if each.get("labels") == {"severity": "page"})
    assert page["expr"].endswith(' and sum(increase(spins_total{outcome="bad"}[1m])) > 4.5')


@pytest.mark.parametrize("name", ["5xx", "🏪", 'a"} or vector(1)'])
def test_a_name_is_no_query(name: str) -> None:
    text = as_prometheus_rules(Objective(name), RuleSet("One", (BurnRule("page", 2, 60, 10),), 600))
    (group,) = yaml.safe_load(text)["groups"]
    assert "vector(1)" not in text
    assert all(each.get("record", "_")[0].isascii() for each in group["rules"])
    assert not any(each.get("record", "_")[0].isdigit() for each in group["rules"])
