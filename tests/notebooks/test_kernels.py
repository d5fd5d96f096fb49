import secrets
from pathlib import Path

import pytest

from tests.notebooks.kernels import START, family, interrupt_when_begun, kernel, marked
from tests.processes import gone

pytestmark = [pytest.mark.system, pytest.mark.slow]

CRASH = "print(workshop.trigger('game-engine/crash').missing)"
PORTS = "print([workshop.url(name) for name in ('gateway', 'game-engine', 'ingest')])"


def test_two_kernels_work_at_once() -> None:
    with kernel() as first, kernel() as second:
        for running in (first, second):
            running.run(START)
        for running in (first, second, first):
            assert running.run(CRASH) == "[]\n"
        assert first.run(PORTS) != second.run(PORTS)


TRACE = "print(workshop.trigger('game-engine/crash').trace.trace_id)"
LISTED = """
listed = [event for issue in workshop.issues(last=50) for event in issue.events]
print([event["contexts"]["trace"]["trace_id"] for event in listed])
"""


def test_two_kernels_list_the_events_of_both(tmp_path: Path) -> None:
    # As the instructor's guide says of notebooks with one workshop folder, and with two.
    alone = str(tmp_path / "alone")
    with kernel() as first, kernel() as second, kernel(WORKSHOP_HOME=alone) as other:
        for running in (first, second, other):
            running.run(START)
        trace_ids = {running.run(TRACE).strip() for running in (first, second)}
        for running in (first, second):
            shown = running.run(LISTED)
            assert all(trace_id in shown for trace_id in trace_ids)
        assert other.run(LISTED) == "[]\n"


def test_an_interrupted_trigger_can_be_run_again() -> None:
    with kernel() as running:
        running.run(START)
        loop = "while True: workshop.trigger('game-engine/infinite-loop', seconds=5)"
        interrupt_when_begun(running, f"print('begun')\n{loop}")
        assert running.run(CRASH) == "[]\n"


SLOW = """
import threading
from kit.crashes.catalogue import variants
from kit.widgets.crash_widget import CrashWidget
presses, go_on = [], threading.Event()
def trigger(*given, **options):
    presses.append(given)
    print("begun")
    go_on.wait()
    return workshop.trigger(*given, **options)
crash = CrashWidget(variants("game-engine/crash"), trigger)
"""


def test_a_click_after_an_interrupt_waits_for_the_press_that_goes_on() -> None:
    with kernel() as running:
        running.run(START + SLOW)
        interrupt_when_begun(running, "crash.click()")
        running.run("crash.button.on_click(lambda _: go_on.set())")
        for number in (1, 2):
            printed = running.run("print(crash.click().missing, len(presses))")
            assert printed.splitlines()[-1] == f"[] {number}"


@pytest.mark.parametrize("ending", ["shutdown", "restart"])
def test_an_ended_kernel_leaves_nothing(ending: str) -> None:
    mark = secrets.token_hex()
    with kernel(KERNEL_MARK=mark) as running:
        running.run(START)
        running.run(CRASH)
        processes = family(running)
        assert {each.pid for each in processes} <= {each.pid for each in marked(mark)}
        end = {"shutdown": "shutdown_kernel", "restart": "restart_kernel"}[ending]
        getattr(running.manager, end)()
        assert gone(processes, 60)
        # Ports end with the process that holds them. So nothing is left when no process is, one
        # that the kernel started and lost included.
        kernels = {running.manager.provisioner.pid} if ending == "restart" else set()
        assert {each.pid for each in marked(mark)} <= kernels
