import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Queue

import httpx
import psutil
import pytest

import kit.hosting.supervisor
from kit.hosting.child import Command, free_port
from kit.hosting.node import find_node
from kit.hosting.process_exit import ProcessExit
from kit.hosting.server import HOST, ServerError
from kit.hosting.supervisor import Supervisor
from tests.processes import gone

pytestmark = pytest.mark.system

WINDOWS = os.name == "nt"
TRACE, SPAN = "1" * 32, "2" * 16  # as the service says them
SERVICE = Path(__file__).with_name("service.js").read_text()
DEADLINE_S = 60.0
# It gets the request; the answer is what does not come.
BLOCKED = httpx.Timeout(DEADLINE_S, read=0.5)


def prepared(script: Path, port: int, end: threading.Event) -> Command:
    node = str(find_node().path)
    options = ["--max-old-space-size=32", "--max-semi-space-size=4"]
    environment = {**os.environ, "PORT": str(port)}
    return Command([node, *options, str(script)], script.parent, environment)


class Program:
    """A supervised program, with what its supervisor told of it."""

    def __init__(self, script: Path, port: int = 0) -> None:
        self.told: Queue[ProcessExit] = Queue()
        self.lines: list[str] = []
        self.supervisor = Supervisor(
            "payment",
            partial(prepared, script),
            port=port,
            on_exit=self.told.put,
            on_line=self.lines.append,
        )

    def get(self, path: str = "/", timeout: float = DEADLINE_S) -> str:
        return httpx.get(f"{self.supervisor.url}{path}", trust_env=False, timeout=timeout).text

    def die(self, how: str) -> ProcessExit:
        """Let it die, and wait until that is known and it is ready again."""
        starts = self.supervisor.start_count
        with pytest.raises(httpx.TransportError):
            self.get(f"/die/{how}")
        death = self.told.get(timeout=DEADLINE_S)
        self.supervisor.wait(after=starts)
        return death


MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program(tmp_path: Path) -> Iterator[MakeProgram]:
    made: list[Program] = []

    def make(text: str = SERVICE, port: int = 0) -> Program:
        script = tmp_path / "main.js"
        script.write_text(text)
        made.append(Program(script, port))
        return made[-1]

    yield make
    for program in made:
        program.supervisor.stop()


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    program = make_program()
    program.supervisor.launch().wait()
    return program


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_a_launched_program_answers(program: Program) -> None:
    assert program.get() == "hello"
    assert program.supervisor.is_running
    assert "main.js" in psutil.Process(program.supervisor.pid).cmdline()[-1]
    assert program.supervisor.url == f"http://{HOST}:{program.supervisor.port}"
    assert program.supervisor.start_count == 1
    assert program.supervisor.reason is None


def test_launching_again_keeps_the_running_one(program: Program) -> None:
    pid = program.supervisor.pid
    program.supervisor.launch().wait()
    assert program.supervisor.pid == pid


def test_it_has_no_port_before_the_launch(make_program: MakeProgram) -> None:
    with pytest.raises(ServerError, match="not launched"):
        _ = make_program().supervisor.url


@pytest.mark.parametrize("code", [0, 1, 7])
def test_an_exit_is_told_with_its_code(program: Program, code: int) -> None:
    port, pid = program.supervisor.port, program.supervisor.pid
    death = program.die(f"exit/{code}")
    assert (death.kind, death.exit_code, death.signal) == ("ProcessExited", code, None)
    assert death.pid == pid != program.supervisor.pid
    assert program.supervisor.port == port
    assert program.get() == "hello"


def test_a_crash_is_told_with_its_stderr_tail_and_the_request_in_flight(program: Program) -> None:
    assert program.get() == "hello"
    began = time.time()
    death = program.die("crash")
    assert death.exit_code == 1
    assert death.error_line == "RangeError: no more chips"
    around = (
        "TypeError: of before",
        *death.stderr_tail,
        "Waiting for the debugger to disconnect...",
    )
    assert replace(death, stderr_tail=around).error_line == death.error_line
    assert "Node.js v" in death.stderr_tail[-1]
    assert set(death.stderr_tail) <= set(program.lines)
    assert death.in_flight == ("GET", "/die/crash", TRACE, SPAN)
    assert death.version.startswith("v")
    assert death.options == ("--max-old-space-size=32", "--max-semi-space-size=4")
    assert not death.heap_exhausted
    assert began <= death.at <= time.time()
    assert 0 < death.uptime_s < 60


@pytest.mark.skipif(WINDOWS, reason="Windows has no signals")
def test_a_kill_is_told_with_its_signal(program: Program) -> None:
    death = program.die("kill")
    assert (death.kind, death.exit_code, death.signal) == ("ProcessKilled", None, "SIGKILL")
    assert replace(death, stderr_tail=("TypeError: of before",)).error_line == ""


def test_an_exhausted_heap_is_told_from_other_deaths(program: Program) -> None:
    death = program.die("heap")
    assert death.kind == "HeapExhausted"
    assert "heap out of memory" in death.error_line
    assert death.memory_mb is not None
    assert death.memory_mb > 32
    assert WINDOWS or death.signal == "SIGABRT"


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads the limits of others on Linux")
def test_no_death_writes_a_core_dump(make_program: MakeProgram) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        program = make_program()
        program.supervisor.launch().wait()
        node = psutil.Process(program.supervisor.pid)
        for process in (node, node.parent()):
            assert process.rlimit(psutil.RLIMIT_CORE)[0] in (0, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_what_was_answered_is_not_in_flight(program: Program) -> None:
    assert program.get() == "hello"
    psutil.Process(program.supervisor.pid).kill()
    assert program.told.get(timeout=DEADLINE_S).in_flight is None


def test_requests_that_are_never_answered_are_forgotten_at_last(
    make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.hosting.supervisor, "MAX_OPEN_REQUESTS", 2)
    request = '{ type: "request", method: "GET", trace_id: "1", span_id: `${n}`, path: `/${n}` }'
    program = make_program(
        f"for (let n = 0; n < 9; n++) console.log(JSON.stringify({request}));" + SERVICE
    )
    program.supervisor.launch().wait()
    assert program.supervisor._run is not None
    assert [r.path for r in program.supervisor._run._open.values()] == ["/7", "/8"]


def test_deaths_are_kept_with_the_time_until_it_was_back(program: Program) -> None:
    for _ in range(2):
        program.die("exit/3")
    first, second = program.supervisor.exits
    assert (first.restarts, second.restarts) == (0, 1)
    assert all(
        death.back_after_s is not None and death.back_after_s > 0 for death in (first, second)
    )
    assert program.supervisor.start_count == 3


def test_too_many_deaths_are_followed_by_pauses(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.hosting.supervisor, "EXITS_A_MINUTE", 2)
    # Five starts may take longer than a minute.
    monkeypatch.setattr(kit.hosting.supervisor, "MINUTE_S", 3600.0)
    pauses = []
    pause = program.supervisor._pause
    monkeypatch.setattr(program.supervisor, "_pause", lambda n: pauses.append(pause(n)) or 0)
    for _ in range(5):
        program.die("exit/1")
    assert pauses == [0, 0, 0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "const = 1",
            r"exited with code 1 before it was ready\. SyntaxError: Unexpected token '='",
        ),
        ("require('express')", r"Error: Cannot find module 'express'"),
        ("console.error('port taken'); process.exit(4)", r"exited with code 4 .*\. port taken"),
    ],
    ids=["syntax error", "missing package", "own words"],
)
def test_one_that_never_gets_ready_is_given_up_with_the_reason(
    make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setattr(kit.hosting.supervisor, "FIRST_PAUSE_S", 0.01)
    before = children()
    program = make_program(text)
    with pytest.raises(ServerError, match=f"payment did not start: .*{words}"):
        program.supervisor.launch().wait(2 * DEADLINE_S)
    assert program.told.qsize() == kit.hosting.supervisor.MAX_FAILED_STARTS
    assert not any(death.was_ready for death in program.supervisor.exits)
    assert not program.supervisor.is_running
    assert "\n" not in str(program.supervisor.reason)
    assert children() <= before


def test_one_that_hangs_before_it_is_ready_is_ended(
    make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.hosting.supervisor, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(kit.hosting.supervisor, "READY_DEADLINE_S", 0.1)
    before = children()
    program = make_program("setInterval(() => {}, 1000)")
    with pytest.raises(ServerError, match=r"It was not ready within 0\.1 s"):
        program.supervisor.launch().wait(2 * DEADLINE_S)
    assert children() <= before


def test_one_that_cannot_be_prepared_says_why() -> None:
    def prepare(port: int, end: threading.Event) -> Command:
        raise ServerError("There is no Node.js.")

    supervisor = Supervisor("payment", prepare)
    with pytest.raises(ServerError, match=r"payment did not start: There is no Node\.js\."):
        supervisor.launch().wait()
    supervisor.stop()


def test_a_mistake_in_the_preparation_is_said_as_well() -> None:
    supervisor = Supervisor("payment", lambda port, end: {}["command"])
    with pytest.raises(ServerError, match="KeyError"):
        supervisor.launch().wait()


def test_a_launch_does_not_wait_and_a_stop_interrupts_the_preparation() -> None:
    waiting = threading.Event()

    def prepare(port: int, end: threading.Event) -> Command:
        waiting.set()
        assert end.wait(DEADLINE_S)
        raise ServerError("Installing was stopped.")

    supervisor = Supervisor("payment", prepare).launch()
    assert waiting.wait(DEADLINE_S)
    with pytest.raises(ServerError, match=r"not ready within 0\.01 s"):
        supervisor.wait(0.01)
    supervisor.stop()
    with pytest.raises(ServerError, match="stopped"):
        supervisor.wait()


def test_a_failing_report_does_not_end_the_supervision(program: Program) -> None:
    starts = program.supervisor.start_count
    program.supervisor._on_exit = lambda death: 1 / 0
    psutil.Process(program.supervisor.pid).kill()
    program.supervisor.wait(after=starts)
    assert any("ZeroDivisionError" in line for line in program.lines)


def test_a_stop_lets_it_say_good_bye_and_leaves_nothing(make_program: MakeProgram) -> None:
    processes, threads = children(), set(threading.enumerate())
    program = make_program()
    program.supervisor.launch().wait()
    program.supervisor.stop(timeout=DEADLINE_S)
    assert children() <= processes
    assert set(threading.enumerate()) <= threads
    assert WINDOWS or "good bye" in program.lines
    assert program.told.empty()
    assert not program.supervisor.is_running
    assert program.supervisor.pid is None
    program.supervisor.stop()


def test_a_stop_ends_one_that_does_not_listen(program: Program) -> None:
    node = psutil.Process(program.supervisor.pid)
    with pytest.raises(httpx.ReadTimeout):
        program.get("/die/block/60000", timeout=BLOCKED)
    program.supervisor.stop(timeout=0.2)
    assert gone([node])


def test_it_starts_again_after_a_stop(program: Program) -> None:
    port = program.supervisor.port
    program.supervisor.stop(timeout=DEADLINE_S)
    starts = program.supervisor.start_count
    program.supervisor.launch().wait(after=starts)
    assert program.supervisor.port == port
    assert program.get() == "hello"


def test_a_taken_port_is_replaced_by_a_free_one(make_program: MakeProgram) -> None:
    with closing(socket.create_server((HOST, 0))) as other:
        taken = other.getsockname()[1]
        program = make_program(port=taken)
        program.supervisor.launch().wait()
        assert program.supervisor.port != taken == program.supervisor.wanted_port
        assert program.get() == "hello"


def test_a_port_that_is_taken_while_it_is_dead_is_replaced(program: Program) -> None:
    first = program.supervisor.port
    with closing(socket.socket()) as other:

        def take_the_port(death: ProcessExit) -> None:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, first))
            other.listen()
            program.told.put(death)

        program.supervisor._on_exit = take_the_port
        program.die("exit/1")
        assert program.supervisor.port != first
        assert program.get() == "hello"


def test_a_free_port_is_taken_as_wanted(make_program: MakeProgram) -> None:
    free = free_port()
    program = make_program(port=free)
    program.supervisor.launch().wait()
    assert program.supervisor.port == free


def test_when_its_wrapper_is_killed_it_goes_too_and_comes_back(program: Program) -> None:
    node, starts = psutil.Process(program.supervisor.pid), program.supervisor.start_count
    wrapper = node.parent()
    assert "die_with_parent.py" in " ".join(wrapper.cmdline())
    wrapper.kill()
    program.supervisor.wait(after=starts)
    assert WINDOWS or gone([node])


def test_its_log_may_be_long_and_strange(make_program: MakeProgram) -> None:
    text = f"""
    process.stdout.write("a".repeat(100000) + "\\n");
    process.stdout.write(Buffer.from([0xff, 0xfe, 10]));
    console.log("{{broken");
    console.log("[1]");
    console.error("b".repeat(100000));
    {SERVICE}"""
    program = make_program(text)
    program.supervisor.launch().wait()
    death = program.die("crash")
    assert max(map(len, program.lines)) <= kit.hosting.supervisor.MAX_LINE_CHARS
    assert max(map(len, death.stderr_tail)) <= kit.hosting.supervisor.MAX_STDERR_LINE_CHARS
    assert {"{broken", "[1]"} <= set(program.lines)


PARENT = """
import sys, threading
from functools import partial
from pathlib import Path
from tests.hosting.test_supervisor import prepared
from kit.hosting.supervisor import Supervisor

supervisor = Supervisor("payment", partial(prepared, Path(sys.argv[1]))).launch()
supervisor.wait()
reader = threading.Thread(target=sys.stdin.read, daemon=True)
reader.start()

def wait():
    # Not one long wait: a signal that comes just before it would not interrupt it.
    while reader.is_alive():
        reader.join(0.1)

try:
    print(supervisor.pid, supervisor.url, flush=True)
    wait()
except KeyboardInterrupt:
    print("interrupted", supervisor.is_running, flush=True)
    wait()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that supervises the service."""
    script = tmp_path / "main.js"
    script.write_text(SERVICE)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def said(parent: "subprocess.Popen[str]") -> tuple[list[psutil.Process], str]:
    """Return the wrapper, the process that it runs, and its address."""
    pid, url = parent.stdout.readline().split()
    node = psutil.Process(int(pid))
    return [node.parent(), node], url


@pytest.mark.parametrize("busy", [False, True])
def test_no_orphan_when_the_parent_is_killed(parent: "subprocess.Popen[str]", busy: bool) -> None:
    family, url = said(parent)
    if busy:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/die/block/60000", trust_env=False, timeout=BLOCKED)
    parent.kill()
    assert gone(family)


def test_no_orphan_when_the_parent_ends_without_stopping_it(
    parent: "subprocess.Popen[str]",
) -> None:
    family, _ = said(parent)
    parent.stdin.close()
    assert parent.wait(DEADLINE_S) == 0
    assert gone(family)


@pytest.mark.skipif(WINDOWS, reason="Windows cannot send Ctrl-C to one group")
def test_ctrl_c_in_the_parent_leaves_it_running(parent: "subprocess.Popen[str]") -> None:
    family, url = said(parent)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.stdout.readline() == "interrupted True\n"
    assert all(process.is_running() for process in family)
    assert httpx.get(url, trust_env=False, timeout=DEADLINE_S).text == "hello"
