"""A forecast: the trend and its guards, what is sampled, and what is shown."""

import math
import threading
import time
import timeit
from collections.abc import Callable, Iterator

import psutil
import pytest

from kit import Workshop
from kit.reliability.faults.probe import Probe
from kit.reliability.prediction.forecast import Forecast, ForecastAlarm, ForecastError
from kit.reliability.prediction.meters import make_forecast
from kit.reliability.prediction.picture import Subject
from kit.reliability.prediction.simulation import simulate_memory
from kit.reliability.prediction.story import follow_series
from kit.reliability.prediction.trend import (
    CONFIRMATIONS,
    POINTS,
    Point,
    TrendWatch,
    deepest_fall,
    doubt,
    fit_trend,
    robust_slope,
)

LIMIT = 512.0


def line(slope: float, at: float = 300.0, count: int = POINTS) -> list[Point]:
    return [(2.5 * number, at + slope * 2.5 * number) for number in range(count)]


# The trend


def test_a_line_has_its_date_exactly() -> None:
    trend = fit_trend(line(2.0), LIMIT)
    room = LIMIT - (300 + 2.0 * 57.5)
    assert trend.reaches_s == pytest.approx(room / 2)
    assert trend.soonest_s == pytest.approx(trend.latest_s)
    assert trend.is_believed


def test_a_few_outliers_do_not_move_the_slope() -> None:
    points = line(2.0)
    for number in (3, 11, 20):
        points[number] = (points[number][0], 900.0)
    assert robust_slope(points) == pytest.approx(2.0, rel=0.05)


def test_noise_widens_the_interval_around_the_date() -> None:
    noisy = [(at, value + (8 if number % 2 else -8)) for number, (at, value) in enumerate(line(2))]
    trend = fit_trend(noisy, LIMIT)
    assert trend.soonest_s < trend.reaches_s < trend.latest_s


def test_what_does_not_grow_never_reaches_the_limit() -> None:
    assert fit_trend(line(0.0), LIMIT).reaches_s == math.inf
    assert fit_trend(line(-1.0), LIMIT).latest_s == math.inf
    assert fit_trend(line(1.0, at=600), LIMIT).reaches_s == 0


STEP = [(at, 300.0 if number < 12 else 420.0) for number, (at, _) in enumerate(line(0))]
PLATEAU = [(at, 480 - 200 * math.exp(-at / 20)) for at, _ in line(0)]
SAW = [(at, 300 + 20 * (number % 6)) for number, (at, _) in enumerate(line(0))]


@pytest.mark.parametrize(
    ("points", "refusal"),
    [
        (line(2.0), None),
        (line(2.0)[:-1], "too few points"),
        (line(0.0), "no growth"),
        (line(0.2), "too far ahead"),
        (STEP, "halves unlike"),
        (PLATEAU, "halves unlike"),
        ([(at, value + at) for at, value in SAW], "it falls, too"),
    ],
)
def test_each_guard_refuses_what_it_is_for(points: list[Point], refusal: str | None) -> None:
    assert doubt(points, LIMIT) == refusal


def test_the_deepest_fall_is_from_an_earlier_peak() -> None:
    assert deepest_fall([(0, 5.0), (1, 9.0), (2, 4.0), (3, 8.0)]) == 5.0
    assert deepest_fall(line(1.0)) == 0


def test_an_alarm_needs_four_confirmations_in_a_row() -> None:
    watch, points = TrendWatch(LIMIT), line(2.0, count=40)
    said = [watch.add(point) is not None for point in points]
    assert said.index(True) == POINTS - 1 + CONFIRMATIONS - 1


def test_a_prediction_takes_less_than_a_millisecond_of_cpu() -> None:
    points = line(2.0)
    took = timeit.repeat(lambda: doubt(points, LIMIT), number=20, timer=time.process_time)
    assert min(took) / 20 < 1e-3


@pytest.mark.parametrize("kind", ["sawtooth", "warm-up", "step", "quiet"])
def test_nothing_is_claimed_of_a_decoy(kind: str) -> None:
    assert not follow_series(simulate_memory(kind, 61)).alarms  # type: ignore[arg-type]


def test_a_leak_is_told_with_its_lead_and_the_date() -> None:
    followed = follow_series(simulate_memory("leak", 62))
    (first, *_), ends = followed.alarms, followed.series.ends_at
    assert ends is not None
    assert followed.sentence.startswith(f"Leak: an alarm {ends - first.now:.0f} s ahead")
    page = str(followed._repr_html_())
    assert "simulated" in page
    assert "alarm at" in page


# What is sampled

Make = Callable[..., Forecast]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Forecast] = []

    def start(meter: Callable[[], float | None], **given: object) -> Forecast:
        subject = Subject("memory of <b>shop</b>", LIMIT)
        made.append(Forecast(subject, meter, window_s=2.0, **given))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for each in made:
        each.stop()


def growing(slope: float) -> Callable[[], float]:
    began = time.monotonic()
    return lambda: 300 + slope * (time.monotonic() - began)


def test_growth_alarms_once_in_its_own_thread(make: Make) -> None:
    heard: list[tuple[ForecastAlarm, str]] = []

    def on_alarm(alarm: ForecastAlarm) -> None:
        heard.append((alarm, threading.current_thread().name))

    forecast = make(growing(50.0), on_alarm=on_alarm)
    alarm = forecast.wait_for_alarm(30)
    assert alarm is not None
    measured, deadline = len(forecast.points), time.monotonic() + 10
    while len(forecast.points) < measured + 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    forecast.stop()
    assert not forecast.is_running
    assert heard == [(alarm, "workshop-forecast")]
    assert alarm.trend.slope == pytest.approx(50, rel=0.2)
    assert "reaches 512 MB in" in alarm.sentence


def test_what_cannot_be_read_at_the_moment_is_left_out(make: Make) -> None:
    values = iter([None, 300.0, None, 301.0])
    done = threading.Event()

    def read() -> float | None:
        found = next(values, "end")
        if found == "end":
            done.set()
            return None
        return found  # type: ignore[return-value]

    forecast = make(read)
    assert done.wait(10)
    assert [value for _, value in forecast.points] == [300.0, 301.0]


def test_names_are_escaped_and_the_chart_has_a_sentence(make: Make) -> None:
    forecast = make(growing(50.0))
    assert forecast.wait_for_alarm(30)
    forecast.stop()
    page = str(forecast._repr_html_())
    assert "<b>shop</b>" not in page
    assert 'aria-label="Memory of &lt;b&gt;shop' in page
    assert "alarm at" in page
    assert repr(forecast).startswith("<Forecast of memory")


@pytest.mark.parametrize(
    ("name", "limits", "says"),
    [
        ("game-engine", {}, "needs one limit"),
        ("game-engine", {"limit_mb": 0}, "needs one limit"),
        ("game-engine", {"limit_mb": 5, "latency_s": 1}, "needs one limit"),
        ("bank", {"limit_mb": 5}, "No service 'bank'"),
        ("game-engine", {"limit_mb": 5, "window_s": 0.5}, "too short"),
    ],
)
def test_what_cannot_be_forecast_is_refused(name: str, limits: dict[str, float], says: str) -> None:
    terms = {"limit_mb": None, "latency_s": None, "window_s": 60.0, "on_alarm": None} | limits
    with pytest.raises(ForecastError, match=says) as refused:
        make_forecast(
            name,
            find_url=lambda service: "",
            find_traffic=lambda: None,
            services=["game-engine"],
            **terms,  # type: ignore[arg-type]
        )
    assert "Next: " in str(refused.value)


# The system


@pytest.mark.system
@pytest.mark.slow
def test_a_real_leak_is_stopped_before_its_memory_error(own_workshop: Workshop) -> None:
    stopped = threading.Event()

    def stop(alarm: ForecastAlarm) -> None:
        own_workshop.actions.stop_leak("game-engine").do()
        stopped.set()

    traffic = own_workshop.traffic(rate=6, seed=27)
    with (
        traffic.running(minutes=2),
        own_workshop.inject("engine-leaks", share=0.5, seconds=90, seed=27) as fault,
    ):
        limit_mb = psutil.Process().memory_info().rss / 2**20 + 128
        forecast = own_workshop.forecast("game-engine", limit_mb, window_s=10, on_alarm=stop)
        assert stopped.wait(90)
        forecast.stop()
    own_workshop.flush()
    # Each hit kept 2 MB of 128.
    assert 12 < fault.journal.reconciliation.hits < 64
    events = own_workshop.store.items(project="game-engine", type="event")
    assert not [each for each in events if b"MemoryError" in each.payload]


@pytest.mark.system
@pytest.mark.slow
def test_heap_and_latency_are_measured_and_end_with_the_workshop(own_workshop: Workshop) -> None:
    heap = own_workshop.forecast("payment", limit_mb=512, window_s=2)
    latency = own_workshop.forecast("spins", latency_s=2, window_s=2)
    with own_workshop.traffic(rate=4, seed=1).running(seconds=10):
        Probe(own_workshop.url()).play(3)
        deadline = time.monotonic() + 10
        while not (heap.points and latency.points):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert 1 < heap.points[-1][1] < 512
    assert 0 < latency.points[-1][1] < 60_000
    assert latency.subject.unit == "ms"
