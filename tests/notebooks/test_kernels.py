import re
import socket

import psutil
import pytest

from tests.notebooks.kernels import NOTEBOOKS, START, Kernel, kernel, read, sources

CRASH = "print(workshop.trigger('game-engine/crash').missing)"
PORTS = "print([workshop.url(name) for name in ('gateway', 'game-engine', 'ingest')])"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_all_cells_run_twice_in_one_kernel(notebook: str) -> None:
    with kernel() as running:
        for code in sources(read(notebook)) * 2:
            running.run(code)


def test_two_kernels_work_at_once() -> None:
    with kernel() as first, kernel() as second:
        for running in (first, second):
            running.run(START)
        for running in (first, second, first):
            assert running.run(CRASH) == "[]\n"
        assert first.run(PORTS) != second.run(PORTS)


def test_an_interrupted_trigger_can_be_run_again() -> None:
    with kernel() as running:
        running.run(START)
        interrupt_when_busy(running, "workshop.trigger('game-engine/infinite-loop', seconds=5)")
        assert running.run(CRASH) == "[]\n"


def test_an_interrupted_click_can_be_made_again() -> None:
    with kernel() as running:
        running.run(f"{START}\ncrash = workshop.crash('game-engine/infinite-loop')")
        interrupt_when_busy(running, "crash.click()")
        assert running.run("print(crash.click().missing)") == "[]\n"


@pytest.mark.parametrize("ending", ["shutdown", "restart"])
def test_an_ended_kernel_leaves_nothing(ending: str) -> None:
    with kernel() as running:
        running.run(START)
        running.run(CRASH)
        ports = [int(port) for port in re.findall(r":(\d+)", running.run(PORTS))]
        processes = family(running)
        end = {"shutdown": "shutdown_kernel", "restart": "restart_kernel"}[ending]
        getattr(running.manager, end)()
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
        assert [port for port in ports if is_open(port)] == []


def interrupt_when_busy(running: Kernel, code: str) -> None:
    """Interrupt code that has begun; it must end in KeyboardInterrupt."""
    message = running.client.execute(f"print('begun')\n{code}")
    while running.client.get_iopub_msg(timeout=30)["content"].get("text") != "begun\n":
        pass
    running.manager.interrupt_kernel()
    reply = running.client.get_shell_msg(timeout=30)
    assert reply["parent_header"]["msg_id"] == message
    assert reply["content"]["ename"] == "KeyboardInterrupt"


def family(running: Kernel) -> list[psutil.Process]:
    """Return the processes of a kernel: itself, and all that it started."""
    process = psutil.Process(running.manager.provisioner.pid)
    return [process, *process.children(recursive=True)]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
