"""What is counted of requests: by second, route and time to the answer."""

import math
import random
import statistics
import tracemalloc

import pytest

from kit.reliability.traffic import outcomes as module
from kit.reliability.traffic.outcomes import (
    KEPT_S,
    LAST_BUCKET,
    Answer,
    AnswerKind,
    Counts,
    Outcomes,
    bucket_end,
    bucket_of,
)


def answer(
    due: float, kind: AnswerKind = "good", took_s: float = 0.1, route: str = "spin"
) -> Answer:
    return Answer(due, "t", route, "p1", 200, took_s, kind)


def outcomes(*answers: Answer) -> Outcomes:
    found = Outcomes()
    for each in answers:
        found.add(each)
    return found


def test_each_kind_is_counted() -> None:
    found = outcomes(answer(100), answer(100), answer(100.9, "bad"), answer(101, "not valid"))
    found.add_shed(101.5, "spin")
    counts = found.between(100, 102)
    assert (counts.good, counts.bad, counts.not_valid, counts.shed) == (2, 1, 1, 1)
    assert (counts.valid, counts.total) == (3, 5)
    assert counts.bad_share == pytest.approx(1 / 3)
    assert repr(counts) == "<Counts 3: 2 good, 1 bad, 1 not valid, 1 shed; p95 100 ms>"
    assert repr(found) == "<Outcomes 3: 2 good, 1 bad, 1 not valid, 1 shed; p95 100 ms>"


def test_without_any_request_all_is_zero() -> None:
    counts = Outcomes().last(60)
    assert counts == Counts()
    assert (counts.bad_share, counts.p50, counts.total) == (0, 0, 0)
    assert Outcomes().per_second(0, math.inf) == []


def test_a_second_belongs_to_one_of_two_times_that_meet() -> None:
    found = outcomes(*(answer(second + 0.5) for second in range(100, 110)))
    assert found.between(100, 105).good == found.between(105, 110).good == 5
    assert found.last(5, now=110).good == 5
    assert found.between(0, 100).good == 0
    assert found.between(0, 100.2).good == 1


def test_it_is_read_by_second_and_route() -> None:
    found = outcomes(answer(100), answer(102, "bad"), answer(102, route="stats"))
    assert [(second, counts.valid) for second, counts in found.per_second(0, 200)] == [
        (100, 1),
        (102, 2),
    ]
    assert found.between(0, 200, route="stats").valid == 1
    assert [second for second, _ in found.per_second(0, 200, route="stats")] == [102]
    assert found.between(0, 200, route="health").total == 0


def test_the_first_request_may_be_over_after_others() -> None:
    found = outcomes(answer(103), answer(100, "bad"))
    assert [(second, counts.bad) for second, counts in found.per_second(0, 200)] == [
        (100, 1),
        (103, 0),
    ]


def test_what_is_older_than_an_hour_goes() -> None:
    found = outcomes(answer(0), answer(1), answer(KEPT_S))
    assert [second for second, _ in found.per_second(0, math.inf)] == [1, KEPT_S]
    found.add(answer(0))
    assert found.between(0, math.inf).good == 2
    found.add(answer(10 * KEPT_S))
    assert found.between(0, math.inf).good == 1


def test_many_in_one_second_are_all_counted() -> None:
    found = outcomes(*(answer(5, took_s=0.1 + n / 10_000) for n in range(1000)))
    assert found.between(5, 6).good == 1000


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_quantile_is_exact_to_a_bucket(share: float) -> None:
    draw = random.Random(7)
    taken = [draw.lognormvariate(-2.5, 0.8) for _ in range(5000)]
    exact = statistics.quantiles(taken, n=100)[round(100 * share) - 1]
    counts = outcomes(*(answer(5, took_s=each) for each in taken)).between(5, 6)
    assert counts.quantile(share) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("count", [3, 7, 49, 187])
def test_the_share_of_so_many_is_the_time_of_the_last_of_them(count: int) -> None:
    """Whatever a float makes of the share: the next one may be much slower."""
    for number in range(1, count):
        counts = Counts(good=count, buckets={20: number, 90: count - number})
        assert counts.quantile(number / count) == pytest.approx(bucket_end(20))
    assert Counts(good=count, buckets={20: count}).quantile(1.0) == pytest.approx(bucket_end(20))


def test_a_bucket_is_ten_percent_wide() -> None:
    for seconds in (0.001, 0.0123, 0.1, 1.0, 2.0, 99.0):
        bucket = bucket_of(seconds)
        assert bucket_end(bucket - 1) < seconds * 1.0001
        assert seconds <= bucket_end(bucket) * 1.0001
    assert bucket_end(11) / bucket_end(10) == pytest.approx(1.1, abs=0.01)
    assert (bucket_of(0), bucket_of(-1), bucket_of(1e9)) == (0, 0, LAST_BUCKET)


def test_what_is_not_valid_has_no_time() -> None:
    found = outcomes(answer(5, took_s=0.1), answer(5, "not valid", took_s=9.0))
    assert found.between(5, 6).p99 < 0.11


def test_counts_are_added() -> None:
    first = outcomes(answer(5), answer(6, "bad", took_s=3)).between(5, 7)
    second = outcomes(answer(5, "not valid"), answer(5, took_s=3)).between(5, 6)
    both = first + second
    assert (both.good, both.bad, both.not_valid) == (2, 1, 1)
    assert sum(both.buckets.values()) == 3
    assert both == second + first


def record_seconds(seconds: int) -> Outcomes:
    """Count ten requests a second."""
    draw, found = random.Random(7), Outcomes()
    for number in range(10 * seconds):
        kind: AnswerKind = "bad" if number % 9 == 0 else "good"
        route = draw.choice(("spin", "stats", "health"))
        found.add(answer(number / 10, kind, draw.lognormvariate(-2.5, 0.8), route))
    return found


def test_an_hour_of_the_most_traffic_takes_less_than_a_megabyte() -> None:
    found = record_seconds(3600)
    assert found.between(0, math.inf).valid == 36_000
    assert found.stored_bytes < 800_000


def test_the_bytes_are_those_that_python_takes() -> None:
    # Other threads of this process, such as those of services, take some meanwhile.
    own = [tracemalloc.Filter(True, each) for each in (module.__file__, __file__)]
    tracemalloc.start()
    try:
        found = record_seconds(360)
        traces = tracemalloc.take_snapshot().filter_traces(own).traces
    finally:
        tracemalloc.stop()
    grown = sum(trace.size for trace in traces)
    assert found.stored_bytes <= grown < 1.25 * found.stored_bytes < 100_000
