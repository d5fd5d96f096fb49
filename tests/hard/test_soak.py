"""The small sister of python -m tests.benchmarks.soak, which fires 10,000."""

from dataclasses import replace
from pathlib import Path

import pytest

from demo_services.services import ANALYTICS
from kit import Workshop
from kit.crashes.catalogue import find_crash
from kit.ingest.store import StoredItem
from tests.attribution import Shot
from tests.benchmarks.soak import Counted, Sample, slopes, soak

CRASHES = 200


@pytest.mark.slow
def test_hundreds_of_mixed_crashes_leave_each_its_own_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG_RATE", "100000/second")
    monkeypatch.setenv("DEADLINE_S", "100")
    with Workshop.start(home=tmp_path, report=lambda line: None) as workshop:
        result = soak(workshop, CRASHES)
    assert (result.lost, result.misattributed, result.doubled) == ([], [], [])
    assert (result.crashes, result.deaths) == (CRASHES, 2)
    assert result.events > CRASHES * 0.8


def test_it_counts_what_is_lost_doubled_or_of_somebody_else() -> None:
    crash, _ = find_crash("analytics/crash", {})
    shot = Shot(crash, "a" * 32, "ada", through_gateway=False)
    good = stored(crash.errors[0].type)
    part = replace(good, type="transaction", payload={})
    counted(shot, [good, part], {})
    counted(shot, [good], {"lost": ["analytics/crash: service span of analytics"]})
    counted(shot, [part], {"lost": [f"analytics/crash: {crash.errors[0].type}"]})
    counted(shot, [stored("OtherError"), part], {"otherwise": ["analytics/crash: OtherError"]})
    another = replace(good, event_id="2")
    counted(shot, [good, another, part], {"doubled": [f"analytics/crash: {crash.errors[0].type}"]})
    of_bob = stored(crash.errors[0].type, user={"username": "bob"})
    found = Counted()
    found.add_shot(shot, [of_bob, part])
    assert len(found.misattributed) == 1


def counted(shot: Shot, items: list[StoredItem], expected: dict[str, list[str]]) -> None:
    found = Counted()
    found.add_shot(shot, items)
    names = ("lost", "misattributed", "doubled", "otherwise")
    assert {name: getattr(found, name) for name in names if getattr(found, name)} == expected


def stored(kind: str, **fields: object) -> StoredItem:
    event = {
        "release": ANALYTICS.release,
        "server_name": ANALYTICS.name,
        "tags": {"service": ANALYTICS.name},
        "user": {"username": "ada"},
        "exception": {"values": [{"type": kind}]},
        **fields,
    }
    ids = frozenset({"a" * 32})
    return StoredItem(1, ANALYTICS.name, "event", "1", ids, 0.0, {}, event)


def test_what_grows_has_a_slope_after_the_warm_up() -> None:
    flat = [Sample(n * 250, 300_000, 60, 30, 1, 130_000, 30) for n in range(1, 21)]
    leaky = [each._replace(kernel_kb=each.kernel_kb + each.crashes) for each in flat]
    assert slopes(flat, 5000)["kernel memory, KB"][0] == 0
    assert slopes(leaky, 5000)["kernel memory, KB"][0] == pytest.approx(1000)
