"""The judge of predictions: known truth, a coin that is no better than chance, and river."""

import json
import math
from dataclasses import replace

import pytest

from kit.reliability.prediction.comparison import (
    RECORDING,
    LearntModel,
    compare_with_river,
    has_river,
    read_recording,
)
from kit.reliability.prediction.detectors import (
    Detector,
    detect_above,
    detect_trend,
    detect_with,
    toss_coin,
)
from kit.reliability.prediction.judgement import (
    DetectorScore,
    ForecastJudgeError,
    best_threshold,
    is_by_chance,
    judge_forecast,
    score_detector,
)
from kit.reliability.prediction.scores import (
    estimate,
    point_adjusted_f1,
    precision_of,
    score_series,
)
from kit.reliability.prediction.simulation import (
    HELD_OUT,
    LIMIT_MB,
    MEMORY_KINDS,
    TRAINING,
    MemorySeries,
    simulate_all,
    simulate_memory,
)

# A leak from 100 s to 200 s, one point a second.
LEAK = MemorySeries("leak", tuple((float(at), 300.0) for at in range(201)), 512.0, 100.0, 200.0)
QUIET = MemorySeries("quiet", tuple((float(at), 300.0) for at in range(201)), 512.0)


def alarms_at(*times: float, says: float | bool = True) -> Detector:
    return Detector("fixed", lambda limit: lambda point: says if point[0] in times else None)


# The truth


def test_the_same_seed_is_the_same_series_and_ends_at_the_limit() -> None:
    assert simulate_memory("leak", 60) == simulate_memory("leak", 60)
    assert simulate_memory("leak", 60) != simulate_memory("leak", 61)
    leak = simulate_memory("leak", 60)
    assert leak.points[-1] == (leak.ends_at, LIMIT_MB)


def test_no_decoy_reaches_the_limit_and_training_is_apart() -> None:
    for kind in ("sawtooth", "warm-up", "step"):
        series = simulate_memory(kind, 60)  # type: ignore[arg-type]
        assert max(value for _, value in series.points) < LIMIT_MB
        assert series.began_at is None
    assert not set(TRAINING) & set(HELD_OUT)
    assert len(HELD_OUT) * len(MEMORY_KINDS) == 200


# Events, not points


def test_an_alarm_counts_from_the_start_of_the_leak_until_its_limit() -> None:
    scored = score_series(alarms_at(20.0, 150.0, 200.0), LEAK)
    assert (scored.right, scored.wrong, scored.lead_s) == (1, 1, 50.0)
    assert scored.right_points == 100


def test_alarms_within_a_minute_are_one() -> None:
    scored = score_series(alarms_at(100.0, 101.0, 159.0), LEAK)
    assert (scored.right, scored.wrong, scored.lead_s) == (1, 0, 100.0)
    assert score_series(alarms_at(0.0, 70.0, 140.0), QUIET).wrong == 3


def test_the_error_of_a_date_is_a_share_of_the_lead() -> None:
    assert score_series(alarms_at(150.0, says=60.0), LEAK).off == pytest.approx(0.2)
    assert score_series(alarms_at(150.0), LEAK).off is None


def test_an_alarm_that_says_now_is_one() -> None:
    assert score_series(alarms_at(150.0, says=0.0), LEAK).right == 1


def test_an_interval_holds_its_value_and_is_wider_with_less_data() -> None:
    few = [score_series(alarms_at(20.0, 150.0), LEAK), score_series(alarms_at(), QUIET)] * 3
    some, more = estimate(few * 2, precision_of), estimate(few * 30, precision_of)
    assert some.value == more.value == 0.5
    mixed = [score_series(alarms_at(150.0), LEAK), score_series(alarms_at(20.0), QUIET)]
    narrow, wide = estimate(mixed * 100, precision_of), estimate(mixed * 5, precision_of)
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low < narrow.low < 0.5 < narrow.high < wide.high


def test_point_adjustment_makes_one_lucky_point_a_found_fault() -> None:
    assert point_adjusted_f1(alarms_at(150.0), [LEAK]) == 1.0
    assert point_adjusted_f1(alarms_at(20.0), [LEAK]) == 0.0


# The detectors


def test_a_coin_is_chance_and_a_threshold_is_not() -> None:
    series = simulate_all(range(60, 75))
    assert is_by_chance(score_detector(toss_coin(0.01, 1), series).scores)
    assert not is_by_chance(score_detector(detect_above(0.9), series).scores)


def test_a_function_sees_the_last_24_points_and_the_limit() -> None:
    seen: list[tuple[int, float, float]] = []

    def look(points: list[tuple[float, float]], limit: float) -> bool:
        seen.append((len(points), points[-1][0], limit))
        return False

    score_series(detect_with(look), QUIET)
    assert seen[0] == (1, 0.0, 512.0)
    assert seen[-1] == (24, 200.0, 512.0)


@pytest.mark.slow
def test_the_trend_beats_the_threshold_on_what_it_was_not_chosen_on() -> None:
    judgement = judge_forecast()
    trend, threshold, coin = (judgement.of(each) for each in ("trend", "over", "coin"))
    figures = {name: each.value or 0.0 for name, each in trend.figures.items()}
    assert figures["precision"] >= 0.9
    assert figures["recall"] >= 0.95
    assert figures["lead_s"] >= 1.4 * (threshold.figure("lead_s").value or math.inf)
    assert figures["date_error"] <= 0.15
    assert (threshold.figure("precision").value or 0) >= 0.9
    assert coin.is_chance
    assert "simulated" in str(judgement._repr_html_())
    assert "base rate 0.15" in str(judgement)


@pytest.mark.slow
def test_of_two_thresholds_that_are_precise_the_earlier_is_the_best() -> None:
    series, best = simulate_all(TRAINING), best_threshold()
    share = float(best.name.split()[1]) / 100
    assert (precision_of(score_detector(best, series).scores) or 0) >= 0.9
    lower = score_detector(detect_above(share - 0.02), series)
    assert (precision_of(lower.scores) or 0) < 0.9


def test_a_detector_that_fails_is_named_and_nothing_is_not_judged() -> None:
    def divide(points: list[tuple[float, float]], limit: float) -> bool:
        return bool(1 / 0)

    with pytest.raises(ForecastJudgeError, match="'divide' raised ZeroDivisionError"):
        judge_forecast(divide, seeds=[60])
    with pytest.raises(ForecastJudgeError, match="no seeds"):
        judge_forecast(seeds=[])


def test_a_name_of_ones_own_is_escaped() -> None:
    judgement = judge_forecast(Detector("<i>x</i>", lambda limit: lambda point: None), seeds=[60])
    assert "<i>x</i>" not in str(judgement._repr_html_())
    assert judgement.of("<i>").figure("precision").value is None


# River


def test_the_recording_says_that_no_model_beats_the_trend() -> None:
    recorded = read_recording()
    assert recorded.rss_mb <= 200
    assert not recorded.is_trend_beaten
    assert "No learnt model beats" in recorded.sentence
    assert json.loads(RECORDING.read_text("utf-8"))["version"] in recorded.sentence


def test_a_model_that_is_earlier_by_more_than_the_interval_is_admitted() -> None:
    recorded = read_recording()
    better = {**recorded.trend.figures, "lead_s": [120.0, 110.0, 130.0]}
    model = LearntModel("better", 0.5, better)
    assert replace(recorded, models=(model,)).is_trend_beaten
    near = LearntModel("near", 0.5, {**better, "lead_s": [84.0, 79.0, 89.0]})
    assert not replace(recorded, models=(near,)).is_trend_beaten


def test_the_trend_of_the_recording_is_that_of_the_judge() -> None:
    scored = DetectorScore("t", tuple(score_series(detect_trend(), each) for each in RECORDED_ON))
    recorded = read_recording().trend.figures
    assert scored.figure("recall").value == pytest.approx(recorded["recall"][0], abs=0.03)


RECORDED_ON = simulate_all(range(60, 66), ("leak", "leak under a sawtooth"))


@pytest.mark.predict
def test_the_recording_is_what_river_does_now() -> None:
    assert has_river()
    now, recorded = compare_with_river(), read_recording()
    assert now.rss_mb <= 200
    assert now.trend == recorded.trend
    for fresh, old in zip(now.models, recorded.models, strict=True):
        for name in ("precision", "recall", "lead_s"):
            assert fresh.figures[name][0] == pytest.approx(old.figures[name][0], rel=0.1)
