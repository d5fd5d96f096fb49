"""What predictions are worth: python -m tests.benchmarks.prediction [--runs 4] [--coins 50].

The judge on held-out series, coins, steps and no-ops, the cost of a prediction; then so many real
leaks, and as many real runs with a decoy: traffic alone. A leak is stopped by its alarm, which has
to come before its MemoryError. Half an hour for 20 runs.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from kit import Workshop
from kit.reliability.prediction.detectors import detect_trend, toss_coin
from kit.reliability.prediction.judgement import (
    adjusted_coin,
    is_by_chance,
    judge_forecast,
    score_detector,
)
from kit.reliability.prediction.scores import false_per_hour_of
from kit.reliability.prediction.simulation import HELD_OUT, LEAKS, simulate_all
from kit.reliability.prediction.trend import TrendWatch
from tests.benchmarks.goals import goal

RUNS, COINS, WINDOW_S, PATIENCE_S, DECOY_S = 4, 50, 12.0, 90.0, 40.0
COIN_RATE, QUIET_SEEDS, CAP_MB = 0.005, range(100, 160), 128.0
LEAST_STOPPED = 0.9


def judge() -> list[bool]:
    """Judge the trend on the held-out series."""
    judgement = judge_forecast()
    print(judgement)
    trend, threshold = judgement.of("trend"), judgement.of("over")
    found = {name: each.value or 0.0 for name, each in trend.figures.items()}
    lead = found["lead_s"] / (threshold.figure("lead_s").value or 1.0)
    return [
        goal(f"precision {found['precision']:.2f} of at least 0.90", found["precision"] >= 0.9),
        goal(f"recall {found['recall']:.2f} of at least 0.95", found["recall"] >= 0.95),
        goal(f"lead {lead:.2f} times that of the threshold, at least 1.4", lead >= 1.4),
        goal(f"date off by {found['date_error']:.0%}, at most 15 %", found["date_error"] <= 0.15),
        goal("river was recorded, and does not beat it", not judgement.river.is_trend_beaten)
        if judgement.river
        else goal("river was recorded", False),
    ]


def compare_with_chance(coins: int) -> list[bool]:
    """Judge coins, and the trend where nothing can be predicted."""
    series = simulate_all(HELD_OUT)
    chance = sum(
        is_by_chance(score_detector(toss_coin(COIN_RATE, seed), series).scores)
        for seed in range(coins)
    )
    nothing = simulate_all(QUIET_SEEDS, ("step", "quiet"))
    alarms = false_per_hour_of(score_detector(detect_trend(), nothing).scores) or 0.0
    f1 = adjusted_coin()
    return [
        goal(f"{chance} of {coins} coins are chance", chance == coins),
        goal(f"F1 {f1:.2f} of a coin with point adjustment, above 0.8", f1 > 0.8),
        goal(f"{alarms:.2f} alarms an hour on steps and no-ops, at most 1", alarms <= 1),
    ]


def check_dates() -> list[bool]:
    """Count how often the interval of the first alarm holds the truth, and time a prediction."""
    inside, found, took, steps = 0, 0, 0.0, 0
    for series in simulate_all(HELD_OUT, LEAKS):
        watch, began = TrendWatch(series.limit_mb), time.process_time()
        for point in series.watched:
            steps += 1
            if (trend := watch.add(point)) is not None:
                found += 1
                left = (series.ends_at or 0.0) - trend.now
                inside += trend.soonest_s <= left <= trend.latest_s
                break
        took += time.process_time() - began
    print(f"  the interval holds the date of {inside} in {found} first alarms")
    cost_ms = 1000 * took / steps
    return [
        goal(f"{cost_ms:.3f} ms of CPU a prediction, less than 1", cost_ms < 1),
        goal("the interval holds at least 8 of 10 dates", inside >= 0.8 * found),
    ]


def stop_leak(workshop: Workshop, seed: int) -> bool:
    """Let a real leak be stopped by its forecast; return whether no spin failed by it."""
    stopped = threading.Event()

    def stop(alarm: object) -> None:
        workshop.actions.stop_leak("game-engine").do()
        stopped.set()

    traffic, began = workshop.traffic(rate=5, seed=seed, minutes=3), time.time()
    with traffic.running(), workshop.inject("engine-leaks", 0.5, PATIENCE_S, seed) as fault:
        limit = psutil.Process().memory_info().rss / 2**20 + CAP_MB
        forecast = workshop.forecast("game-engine", limit, window_s=WINDOW_S, on_alarm=stop)
        stopped.wait(PATIENCE_S)
        forecast.stop()
    workshop.flush()
    errors = [
        item
        for item in workshop.store.items(project="game-engine", type="event")
        if item.received_at > began and b"MemoryError" in item.payload
    ]
    said = forecast.alarms[0].sentence if forecast.alarms else "no alarm"
    hits = fault.journal.reconciliation.hits
    print(f"  leak {seed}: {said} {hits} hits of 64, {len(errors)} MemoryErrors", flush=True)
    return stopped.is_set() and not errors


def watch_decoy(workshop: Workshop, seed: int) -> bool:
    """Watch traffic alone, with as little room; return whether nothing was claimed."""
    with workshop.traffic(rate=5, seed=seed, minutes=3).running():
        limit = psutil.Process().memory_info().rss / 2**20 + CAP_MB
        with workshop.forecast("game-engine", limit, window_s=WINDOW_S) as forecast:
            alarm = forecast.wait_for_alarm(DECOY_S)
    print(f"  decoy {seed}: {alarm or 'no alarm'}", flush=True)
    return alarm is None


def run_real(runs: int) -> list[bool]:
    """Run real leaks and decoys."""
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        stopped = sum(stop_leak(workshop, seed) for seed in range(runs))
        silent = sum(watch_decoy(workshop, seed) for seed in range(runs))
    return [
        goal(f"{stopped} of {runs} real leaks stopped in time", stopped >= LEAST_STOPPED * runs),
        goal(f"{silent} of {runs} decoys without an alarm", silent >= LEAST_STOPPED * runs),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--coins", type=int, default=COINS)
    asked = parser.parse_args([] if arguments is None else arguments)
    reached = [*judge(), *compare_with_chance(asked.coins), *check_dates()]
    reached += run_real(asked.runs) if asked.runs else []
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
