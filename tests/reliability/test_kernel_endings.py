"""Kernels that are interrupted or end while traffic runs and a fault is on."""

import secrets
from pathlib import Path

import psutil
import pytest

from tests.notebooks.kernels import START, family, interrupt_when_begun, kernel, marked
from tests.processes import gone

pytestmark = [pytest.mark.system, pytest.mark.slow]

GONE_S = 10.0
TRAFFIC = "import time\ntraffic = workshop.traffic(rate=4, seed=7).start()"
WITH_FAULT = """
with workshop.inject("clock-skew", share=0.5, seconds=600) as injection:
    print("begun")
    time.sleep(600)
"""
# The first time, what it shows takes longest: interrupts come then.
WAITING = """
def show():
    print("begun")
    time.sleep(600)
traffic._ipython_display_ = show
traffic.wait()
"""
IN_BLOCK = """
with traffic.running():
    print("begun")
    time.sleep(600)
"""
STATE = "print(traffic.is_running, [row.fault.name for row in workshop.faults.on])"
MORE = """
seen = []
end = traffic.observe(seen.append)
while not seen:
    time.sleep(0.01)
end()
print("answers still arrive")
"""


def test_an_interrupt_ends_what_a_cell_began_and_nothing_else() -> None:
    with kernel() as running:
        running.run(START)
        running.run(TRAFFIC)
        interrupt_when_begun(running, WITH_FAULT)
        # The fault ends with its block; the traffic was started by an earlier cell.
        assert running.run(STATE) == "True []\n"
        assert running.run(MORE) == "answers still arrive\n"
        assert (
            running.run("print(injection.is_on, injection.journal.ended_by)") == "False cleared\n"
        )
        # Who waits for the traffic, and interrupts that, wants it to end; so does a block.
        interrupt_when_begun(running, WAITING)
        assert running.run(STATE) == "False []\n"
        interrupt_when_begun(running, IN_BLOCK)
        assert running.run(STATE) == "False []\n"
        assert running.run("print(workshop.spin()['reels'] != [])") == "True\n"


@pytest.mark.parametrize("ending", ["kill", "shutdown"])
def test_a_kernel_that_ends_under_traffic_leaves_nothing_that_blocks_the_next(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a database of its own, which tests do without.
    monkeypatch.delenv("MONGODB_URI", raising=False)
    mark = secrets.token_hex()
    given = {"KERNEL_MARK": mark, "WORKSHOP_HOME": str(tmp_path)}
    with kernel(**given) as running:
        running.run(START)
        running.run(TRAFFIC)
        running.run("injection = workshop.inject('payment-slow', share=0.5, seconds=600)")
        running.run(MORE)
        processes = family(running)
        # The kernel, and payment and the database with a process around each.
        assert len(processes) >= 5
        if ending == "kill":
            psutil.Process(running.manager.provisioner.pid).kill()
        else:
            running.manager.shutdown_kernel()
        assert gone(processes, GONE_S), processes
        assert marked(mark) == []
    with kernel(**given) as running:
        running.run(START)
        # The fault went with its process, and a spin has all that it needs.
        assert running.run("print([row.fault.name for row in workshop.faults.on])") == "[]\n"
        assert running.run("print(workshop.spin()['reels'] != [])") == "True\n"
        assert running.run("print(workshop._system.unavailable)") == "{}\n"
