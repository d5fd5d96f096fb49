"""Whether faults end in time, whatever ends: python -m tests.benchmarks.leases [--times 20].

So many times each: a process that runs a workshop with traffic and a fault is killed; a cell with a
fault is interrupted, at any moment; a process that set a fault in services that live on is killed;
and the payment process is killed while it has a fault. Each miss is printed with its reason. Name
``workshop``, ``cell``, ``setter`` or ``payment`` to try that alone.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from demo_services.services import GAME_ENGINE, PAYMENT
from kit import Workshop
from kit.reliability.faults.injection import Injection
from kit.reliability.faults.leases import LeaseClient, LeaseState
from kit.reliability.faults.probe import Probe
from kit.reliability.traffic.outcomes import Answer
from tests.benchmarks.goals import goal
from tests.notebooks.kernels import DEADLINE_S, START, Kernel, kernel
from tests.processes import gone

# Until all processes of a workshop that was killed have ended.
GONE_S = 10.0
LEASE_S, LATE_S = 2.0, 1.0
FAULT, SHARE, SPINS, EVERY_S = "clock-skew", 0.5, 30, 0.15
# Events of the last moments may go down with a process.
UNSENT_S = 2.0
PATIENCE_S = 60.0
# An interrupt may come while the fault is set, while it is on, and while it is ended.
INTERRUPT_S = 1.0

WORKSHOP = """
import sys, time
from pathlib import Path
from kit import Workshop
workshop = Workshop.start(home=Path(sys.argv[1]), report=lambda line: None)
workshop.traffic(4).start()
workshop.inject("payment-slow", share=0.5, seconds=600)
print("on", flush=True)
time.sleep(600)
"""
SETTER = """
import sys, time
from demo_services.services import GAME_ENGINE
from kit.frontend.gateway import GatewayClient
from kit.reliability.faults.leases import LeaseClient
leases = LeaseClient(GatewayClient(*sys.argv[1:3]))
fault, seconds = sys.argv[3], float(sys.argv[4])
leases.begin(GAME_ENGINE, fault, share=1, seconds=seconds, seed=7, flag=fault)
print("on", flush=True)
time.sleep(600)
"""
CELL = f"""
print("begun")
with workshop.inject("{FAULT}", share=1, seconds={LEASE_S}):
    time.sleep({INTERRUPT_S / 2})
while True:
    time.sleep(0.01)
"""
# What the services say themselves, once the lease must be over; then two spins.
AFTER = f"""
from kit.reliability.faults.probe import Probe
from demo_services.services import GAME_ENGINE
from concurrent.futures import ThreadPoolExecutor
time.sleep({LEASE_S + LATE_S})
on = [row.fault.name for row in workshop.faults.on]
with ThreadPoolExecutor(1) as pool:
    answers = pool.submit(Probe(workshop.url()).play, 2).result()
hits = [hit for each in workshop._injector._leases.read(GAME_ENGINE) for hit in each.hits]
print(on, [each.status for each in answers if each.trace_id in hits])
"""


def start(program: str, *given: object) -> subprocess.Popen[str]:
    """Start a program, and wait until it has set its fault. Raises RuntimeError."""
    command = [sys.executable, "-c", program, *map(str, given)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "on":
        process.kill()
        raise RuntimeError("The program did not set its fault.")
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a program as the out-of-memory killer does, and forget it."""
    process.kill()
    process.communicate()


def kill_workshop(number: int) -> str:
    """Kill a process that runs a workshop; return what is wrong then."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        running = start(WORKSHOP, home)
        family = psutil.Process(running.pid).children(recursive=True)
        kill(running)
        if len(family) < 2:
            return f"payment and the database did not run: {family}"
        return "" if gone(family, GONE_S) else f"left after {GONE_S:g} s: {family}"


def kill_setter(workshop: Workshop) -> str:
    """Kill a process that set a fault in services that live on; return what is wrong then."""
    leases, probe = workshop._injector._leases, Probe(workshop.url())
    answers = probe.play(1)
    with ThreadPoolExecutor(1) as pool:
        setting = pool.submit(lambda: kill(start(SETTER, *given(workshop))))
        while not setting.done() or answers[-1].due < newest(leases, FAULT).until + 2 * LATE_S:
            answers += probe.play(4, every_s=EVERY_S)
        setting.result()
    return judge_lease(newest(leases, FAULT), answers)


def given(workshop: Workshop) -> tuple[str, str, str, float]:
    """Return what the setter is given: where the services are, which fault, and for how long."""
    return workshop.url(), workshop.token, FAULT, LEASE_S


def newest(leases: LeaseClient, fault: str) -> LeaseState:
    """Return the lease of a fault of the game engine that began last. Raises ValueError."""
    found = [state for state in leases.read(GAME_ENGINE) if state.fault == fault]
    return max(found, key=lambda state: state.began_at)


def judge_lease(lease: LeaseState, answers: Sequence[Answer]) -> str:
    """Return what is wrong with the end of a lease, seen from spins that went on after it."""
    if lease.ended_at is None or lease.ended_by != "lease":
        return f"not ended by its lease: {lease.ended_by}"
    if lease.ended_at > lease.until + LATE_S:
        return f"ended {lease.ended_at - lease.until:.1f} s late"
    if not lease.hits:
        return "it hit nothing"
    late = [each for each in answers if each.due > lease.until + LATE_S]
    if not late:
        return "no spin was sent after its end"
    hit = [each for each in late if each.trace_id in lease.hits]
    return f"{len(hit)} hits later than {LATE_S:g} s after its end" if hit else ""


def interrupt(running: Kernel, chance: random.Random) -> str:
    """Interrupt a cell with a fault at a random moment; return what is wrong then."""
    message = running.begin(CELL)
    # A moment by chance is what is tried.
    time.sleep(chance.uniform(0, INTERRUPT_S))
    running.manager.interrupt_kernel()
    reply = running.client.get_shell_msg(timeout=DEADLINE_S)
    if reply["parent_header"]["msg_id"] != message:
        return "the interrupt was answered by another cell"
    if reply["content"].get("ename") != "KeyboardInterrupt":
        return f"the cell ended with {reply['content'].get('ename')}"
    try:
        left = running.run(AFTER).strip()
    except AssertionError as error:
        return f"the next cell failed: {error}"
    return "" if left == "[] []" else f"still on, or spins that were hit: {left}"


def kill_payment(workshop: Workshop, chance: random.Random) -> str:
    """Kill the payment process while it has a fault; return what is wrong then."""
    probe = Probe(workshop.url())
    payment = psutil.Process(workshop.watch_target(PAYMENT.name).pid)
    with ThreadPoolExecutor(1) as pool:
        injection = workshop.inject("payment-fails", share=SHARE, seconds=PATIENCE_S)
        playing = pool.submit(probe.play, SPINS, every_s=EVERY_S)
        time.sleep(chance.uniform(0.6, 0.8) * SPINS * EVERY_S)
        server = workshop._system.servers[PAYMENT.name]
        before = server.start_count
        killed_at = time.time()
        payment.kill()
        server.wait(PATIENCE_S, after=before)
        answers = playing.result()
        injection.note(answers)
    later = [each.status for each in probe.play(4)]
    if None in later:
        return f"{later.count(None)} of 4 spins after the restart had no answer in time"
    if later != [200] * 4:
        return f"spins after the restart were answered with {later}"
    return judge_death(injection, answers, killed_at)


def judge_death(injection: Injection, answers: Sequence[Answer], killed_at: float) -> str:
    """Return what is wrong with a fault whose process died, given the spins around that time."""
    journal = injection.journal
    injection.stop()
    if injection.is_on or journal.ended_by != "lost":
        return f"is on: {injection.is_on}, ended by {journal.ended_by}"
    if journal.reconciliation.unexplained:
        return str(journal)
    failed = [each for each in answers if each.status is None or each.status >= 500]
    sure = [each for each in failed if each.due + each.took_s < killed_at - UNSENT_S]
    hits = journal.reconciliation.hits
    is_right = len(sure) <= hits <= len(failed)
    return "" if is_right else f"{hits} hits; {len(failed)} spins failed, {len(sure)} before"


def try_each(what: str, times: int, attempt: Callable[[int], str]) -> bool:
    """Try so many times, print each miss, and return whether there was none."""
    misses = []
    for number in range(times):
        began = time.monotonic()
        if missed := attempt(number):
            misses.append(missed)
            print(f"    {what}, {number + 1}: {missed}", flush=True)
        elif number == 0:
            print(f"    {what}: {time.monotonic() - began:.1f} s each", flush=True)
    return goal(f"{what}: {times - len(misses)} of {times}", not misses)


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leases")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("what", nargs="*", choices=[*TRIED, []], help="all by default")
    asked = parser.parse_args([] if arguments is None else arguments)
    print(f"  seed {asked.seed}")
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["WORKSHOP_HOME"] = home
        reached = [TRIED[name](Path(home), chance, asked.times) for name in asked.what or TRIED]
    return int(not all(reached))


def try_workshop(home: Path, chance: random.Random, times: int) -> bool:
    """Kill workshops."""
    return try_each("workshop killed", times, kill_workshop)


def try_cell(home: Path, chance: random.Random, times: int) -> bool:
    """Interrupt cells of one kernel."""
    with kernel() as running:
        running.run(f"{START}\nimport time")
        return try_each("cell interrupted", times, lambda _: interrupt(running, chance))


def try_setter(home: Path, chance: random.Random, times: int) -> bool:
    """Kill processes that set faults in one workshop."""
    with Workshop.start(home=home, report=lambda line: None) as workshop:
        return try_each("setter killed", times, lambda _: kill_setter(workshop))


def try_payment(home: Path, chance: random.Random, times: int) -> bool:
    """Kill the payment process of one workshop."""
    with Workshop.start(home=home, report=lambda line: None) as workshop:
        return try_each("payment killed", times, lambda _: kill_payment(workshop, chance))


TRIED = {"workshop": try_workshop, "cell": try_cell, "setter": try_setter, "payment": try_payment}


if __name__ == "__main__":
    # Who was started in the background ignores Ctrl-C, and so would the kernel.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
