"""Whether experiments come out as declared: python -m tests.benchmarks.experiments [--seeds 20].

``--interrupts`` experiments are interrupted at random moments, and ``--kills`` killed, as by
``kill -9``: no fault may be on two seconds later, and the system has to be steady within 30.
``--refusals`` tries each once while another fault is on. ``--command`` is where ``chaos`` of the
Chaos Toolkit is: it runs each document once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from kit import Workshop
from kit.commands.checks.experiments import SECONDS, USUAL_S, WINDOW_S
from kit.reliability.chaos.background import BackgroundExperiment
from kit.reliability.chaos.catalogue import EXPERIMENTS, DeclaredExperiment
from kit.reliability.drill.environment import play_probe
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.leases import LeaseClient
from tests.benchmarks.goals import goal

# Of 160 runs, 158.
LEAST_SHARE = 158 / 160
OFF_S, STEADY_S, GOOD_IN_A_ROW = 2.0, 30.0, 5
# A child imports, measures, then injects; an end at any of these is tried.
LONGEST_WAIT_S = 12.0
FAILING = "payment-fails"


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", help="of the experiments, this one alone with so many seeds")
    parser.add_argument("--interrupts", type=int, default=30)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--refusals", action="store_true")
    parser.add_argument("--command", type=Path)
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        reached = [*run_all(workshop, asked.seeds, asked.only)] if asked.seeds else []
        if asked.interrupts + asked.kills:
            reached += [*end_early(workshop, asked.interrupts, asked.kills)]
        if asked.refusals:
            reached += [refuse_all(workshop)]
        if asked.command:
            reached += [run_by_command(workshop, asked.command, Path(home))]
    return int(not all(reached))


def run_all(workshop: Workshop, seeds: int, only: str | None) -> list[bool]:
    """Run each experiment with so many seeds."""
    chosen = [each for each in EXPERIMENTS if only in (None, each.name)]
    agreed, coins, longest = 0, 0, 0.0
    for seed in range(seeds):
        for declared in chosen:
            seconds = SECONDS.get(declared.name, USUAL_S)
            result = workshop.experiment(
                declared.name, declared.expected, seconds=seconds, window=WINDOW_S, seed=seed
            ).run()
            agreed += result.is_as_predicted
            longest = max(longest, float(result.journal["duration"]))
            if declared.name not in ("payment-dies", "payment-hangs"):
                coins += abs(result.blast.coins or 0)
            mark = "✓" if result.is_as_predicted else "✗"
            print(f"  {mark} {declared.name:15} seed {seed}: {result.timeline}", flush=True)
            if not result.is_as_predicted:
                print(f"    declared {declared.expected}, found {result.verdict}: {result.blast}")
    total = seeds * len(chosen)
    print(f"  {agreed} of {total} as declared, the longest took {longest:.0f} s")
    return [
        goal(f"as declared in {LEAST_SHARE:.1%} of {total}", agreed >= LEAST_SHARE * total),
        goal("each takes at most 90 s", longest <= 90),
        goal("money, but where payment died or charged too late: no coin differs", coins == 0),
    ]


def end_early(workshop: Workshop, interrupts: int, kills: int) -> list[bool]:
    """End experiments in child processes at random moments."""
    draw = random.Random(7)
    left_on, unsteady = 0, 0
    for number in range(interrupts + kills):
        declared, is_kill = EXPERIMENTS[number % len(EXPERIMENTS)], number >= interrupts
        after_s = draw.uniform(0.5, LONGEST_WAIT_S)
        _end_one(workshop, declared, after_s, is_kill=is_kill)
        time.sleep(OFF_S)
        is_on = _is_on(workshop, declared)
        steady = _steady_after(workshop)
        left_on += is_on
        unsteady += steady is None
        what = "killed" if is_kill else "interrupted"
        said = "on" if is_on else "off"
        print(f"  {declared.name:15} {what} after {after_s:4.1f} s: {said}, steady in {steady} s")
    total = interrupts + kills
    return [
        goal(f"fault left on after {OFF_S:g} s: 0 of {total}, found {left_on}", left_on == 0),
        goal(f"steady within {STEADY_S:g} s: all but {unsteady} of {total}", unsteady == 0),
    ]


def refuse_all(workshop: Workshop) -> bool:
    """Try each while every charge fails: none may begin."""
    verdicts = []
    for declared in EXPERIMENTS:
        with workshop.inject(FAILING, share=1, seconds=60):
            result = workshop.experiment(
                declared.name, declared.expected, seconds=USUAL_S, window=WINDOW_S
            ).run()
        verdicts.append(result.verdict if result.fault_began_at is None else "began")
        print(f"  {declared.name:15} while {FAILING} is on: {verdicts[-1]}", flush=True)
    return goal(f"none begins without a steady state: {verdicts}", {*verdicts} == {"not begun"})


def run_by_command(workshop: Workshop, command: Path, folder: Path) -> bool:
    """Run each document by ``chaos run`` with the options that it names itself."""
    agreed = 0
    for declared in EXPERIMENTS:
        seconds = SECONDS.get(declared.name, USUAL_S)
        experiment = workshop.experiment(
            declared.name, declared.expected, seconds=seconds, window=WINDOW_S
        )
        file, journal = experiment.save(folder / "document.json"), folder / "journal.json"
        options = experiment.document["extensions"][0]["run with"].split()
        subprocess.run(
            [command, "run", "--journal-path", journal, *options, file],
            cwd=folder,
            env={**os.environ, "WORKSHOP_HOME": str(folder)},
            capture_output=True,
            check=False,
        )
        found = json.loads(journal.read_text("utf-8"))
        is_same = found["deviated"] is (declared.expected == "deviates")
        agreed += is_same
        print(f"  {declared.name:15} by command: {found['status']}, deviated {found['deviated']}")
    total = len(EXPERIMENTS)
    return goal(f"the same by chaos run: {agreed} of {total}", agreed == total)


def _end_one(
    workshop: Workshop, declared: DeclaredExperiment, after_s: float, *, is_kill: bool
) -> None:
    document = declared.document(seconds=20, window=WINDOW_S)
    running = BackgroundExperiment(document, workshop._experiment_target())
    time.sleep(after_s)
    if is_kill:
        # The engine itself: the wrapper that ends with this process is its parent.
        for engine in psutil.Process(running.process.pid).children(recursive=True):
            engine.kill()
    else:
        # As the button does, which does not wait for the end either.
        threading.Thread(target=running.stop, daemon=True).start()


def _is_on(workshop: Workshop, declared: DeclaredExperiment) -> bool:
    fault = find_fault(declared.terms.fault)
    states = LeaseClient(workshop._gateway).read(fault.service)
    return any(each.fault == fault.name and each.ended_at is None for each in states)


def _steady_after(workshop: Workshop) -> float | None:
    began, in_a_row = time.monotonic(), 0
    while time.monotonic() - began < STEADY_S:
        in_a_row = in_a_row + 1 if play_probe(workshop._gateway) else 0
        if in_a_row == GOOD_IN_A_ROW:
            return round(time.monotonic() - began, 1)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
