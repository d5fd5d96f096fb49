import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sentry_sdk.crons import capture_checkin, monitor

from kit.reading.check_ins import read_monitors
from kit.reading.lateness import MAX_MISSED
from kit.views.check_ins import CheckIns, read_check_ins
from tests.ingest.sending import Ingest

from .ingesting import client_of
from .picture import Picture
from .traces import HOSTILE, START
from .traces import item as stored

MINUTE = 60.0
CONFIG: dict[str, Any] = {
    "schedule": {"type": "interval", "value": 1, "unit": "hour"},
    "checkin_margin": 5,
    "max_runtime": 30,
}


@monitor(monitor_slug="nightly", monitor_config=CONFIG)  # type: ignore[arg-type]
def settle(coins: int) -> float:
    return 1 / coins


@pytest.mark.system
def test_the_sdk_says_how_a_job_ended_and_the_clock_says_what_is_missing(ingest: Ingest) -> None:
    with client_of(ingest.dsn, environment="workshop"):
        settle(1)
        with pytest.raises(ZeroDivisionError):
            settle(0)
        hanging = capture_checkin("nightly", status="in_progress", monitor_config=CONFIG)  # type: ignore[arg-type]
    now = time.time()
    # It is no error event: the monitor reports the status, and raises the error again.
    assert ingest.store.items(type="event") == []
    assert read_check_ins(ingest.store)["nightly"].states == ["in progress", "error", "ok"]
    assert read_check_ins(ingest.store, now - 3600)[:] == ()
    after = read_check_ins(ingest.store, now + 31 * MINUTE)["nightly"]
    assert after.states == ["timed out", "error", "ok"]
    assert after.timeline[0].sentence == "started, but did not end within 30 min 0 s"
    missed = read_check_ins(ingest.store, now + 66 * MINUTE)["nightly"]
    assert missed.states == ["missed", "timed out", "error", "ok"]
    assert missed.monitor.runs[-1].id == hanging
    assert missed.config == "every 1 hour, margin 5 min 0 s, max. runtime 30 min 0 s"
    html = read_check_ins(ingest.store, now + 66 * MINUTE)._repr_html_()
    picture = Picture(html)
    assert [row[1].split()[-1] for row in picture.cells[1:]] == ["missed", "out", "error", "ok"]
    assert "Check-ins simulated As of" in picture.words


def check_in(minute: float, status: str, number: str = "1", **fields: Any) -> Any:
    payload = {"monitor_slug": "nightly", "check_in_id": number, "status": status}
    at = START + minute * MINUTE
    return stored("check_in", {**payload, "timestamp": at, "monitor_config": CONFIG, **fields})


def states(*items: Any, minute: float) -> list[str]:
    return CheckIns(read_monitors(items), START + minute * MINUTE)["nightly"].states


def test_a_run_that_ends_late_was_timed_out_until_then() -> None:
    run = check_in(0, "in_progress"), check_in(40, "ok")
    assert states(*run, minute=29) == ["in progress"]
    assert states(*run, minute=39) == ["timed out"]
    assert states(*run, minute=41) == ["late"]


def test_a_run_that_begins_late_was_missed_before() -> None:
    runs = check_in(0, "ok"), check_in(90, "ok", "2")
    assert states(*runs, minute=64) == ["ok"]
    assert states(*runs, minute=66) == ["missed", "ok"]
    assert states(*runs, minute=91) == ["ok", "missed", "ok"]
    in_time = check_in(0, "ok"), check_in(64, "ok", "2")
    assert states(*in_time, minute=65) == ["ok", "ok"]


def test_only_the_first_of_many_missed_runs_are_listed() -> None:
    assert states(check_in(0, "ok"), minute=60 * 24) == ["missed"] * MAX_MISSED + ["ok"]


def test_what_was_missed_is_unknown_without_an_interval_or_a_margin() -> None:
    crontab = {"schedule": {"type": "crontab", "value": "0 * * * *"}, "checkin_margin": 5}
    for config in (crontab, {**CONFIG, "checkin_margin": None}, {}, None, HOSTILE):
        assert states(check_in(0, "ok", monitor_config=config), minute=500) == ["ok"]
    (shown,) = CheckIns(read_monitors([check_in(0, "ok", monitor_config=crontab)]), START + 1)
    says = "missed runs are only calculated for intervals"
    assert shown.config == f"0 * * * *, margin 5 min 0 s, {says}"
    (shown,) = CheckIns(read_monitors([check_in(0, "ok")]), START + 1)
    assert "missed runs" not in shown.config


def test_a_check_in_that_only_says_how_it_ended_began_as_long_before_as_it_took() -> None:
    (found,) = read_monitors([check_in(10, "ok", duration=120)])
    (run,) = found.runs
    assert (run.started, run.ended) == (START + 8 * MINUTE, START + 10 * MINUTE)


LATEST = "0" * 32


def latest(minute: float, status: str, number: int, **fields: Any) -> Any:
    """Return a check-in of a job that knows no id, as sentry-cli and cron send it."""
    return replace(check_in(minute, status, LATEST, **fields), id=number)


def test_a_check_in_without_an_id_is_of_the_run_in_progress_or_of_a_new_one() -> None:
    runs = (
        *(latest(0, "in_progress", 1), latest(2, "ok", 2)),
        *(latest(60, "error", 3), latest(64, "ok", 4)),
        *(latest(65, "in_progress", 5), latest(66, "in_progress", 6), latest(67, "ok", 7)),
    )
    (found,) = read_monitors(runs)
    assert [(run.status, run.started, run.ended) for run in found.runs] == [
        ("ok", START, START + 2 * MINUTE),
        ("error", START + 60 * MINUTE, START + 60 * MINUTE),
        ("ok", START + 64 * MINUTE, START + 64 * MINUTE),
        ("ok", START + 65 * MINUTE, START + 67 * MINUTE),
    ]
    assert len({run.id for run in found.runs}) == 4


def test_without_an_id_it_is_of_the_latest_run_whatever_the_id_of_that() -> None:
    runs = check_in(0, "in_progress"), check_in(1, "in_progress", "2"), latest(2, "ok", 3)
    (found,) = read_monitors(runs)
    assert [(run.id, run.status) for run in found.runs] == [("1", "in_progress"), ("2", "ok")]


def test_a_run_of_another_environment_or_one_that_has_timed_out_is_not_meant() -> None:
    begun = latest(0, "in_progress", 1, environment="a")
    assert [len(each.runs) for each in read_monitors([begun, latest(1, "ok", 2)])] == [1, 1]
    timed_out = latest(0, "in_progress", 1), latest(31, "ok", 2)
    assert states(*timed_out, minute=32) == ["ok", "timed out"]
    dashes = check_in(0, "ok", str(UUID(int=0))), check_in(1, "ok", str(UUID(int=0)))
    (found,) = read_monitors([dashes[0], replace(dashes[1], id=2)])
    assert len(found.runs) == 2


def test_jobs_are_told_apart_by_environment_and_the_last_comes_first() -> None:
    items = [check_in(n, "ok", environment=name) for n, name in enumerate(("a", "b", "a"))]
    monitors = read_monitors(items)
    assert [each.environment for each in monitors] == ["b", "a"]


@pytest.mark.parametrize(
    "value", [None, -1, "3", True, 10**400, [], {}, HOSTILE, float("nan"), float("inf")]
)
def test_a_check_in_of_any_shape_is_shown(value: Any) -> None:
    config = {
        "schedule": {"type": "interval", "value": value, "unit": value},
        "checkin_margin": value,
        "max_runtime": value,
    }
    items = [
        check_in(0, "ok", monitor_slug=value, duration=value, timestamp=value, environment=value),
        check_in(0, "in_progress", check_in_id=value, monitor_config=config),
        check_in(0, "ok", monitor_config={**config, "schedule": value}),
        check_in(0, "of tomorrow"),
        stored("check_in", value),
        stored("event", {"status": "ok"}),
    ]
    shown = CheckIns(read_monitors(items), START + 10 * MINUTE)
    Picture(shown._repr_html_())
    assert shown["nightly"].states
