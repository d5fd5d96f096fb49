import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from demo_services import payment
from kit import Workshop, WorkshopError
from kit.commands.checks.crashes import check_crash
from kit.crashes.catalogue import variants
from kit.home import default_home
from kit.hosting.server import Server, ServerError, serve_asgi
from tests.databases import not_replaced, noticed
from tests.processes import command_line

pytestmark = pytest.mark.system

SERVERS = ["ingest", "payment", "analytics", "game-engine", "gateway"]
DEADLINE_S = 60.0


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop for one test: the others here start and stop their own."""
    with Workshop.start(home=tmp_path / "home", report=silent) as running:
        yield running


def silent(line: str) -> None:
    pass


def test_each_service_gets_a_line(tmp_path: Path) -> None:
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append):
        pass
    servers = [line for line in lines if "http://127.0.0.1:" in line]
    assert [line.split()[1] for line in servers] == SERVERS
    assert all(line.startswith("✓") and "ready" in line for line in servers)
    assert lines[-1].startswith("✓ database")


def test_start_is_idempotent_and_says_which_sdks_are_explained(workshop: Workshop) -> None:
    lines: list[str] = []
    assert Workshop.start(report=lines.append) is workshop
    assert [line.split()[1] for line in lines] == ["SDKs", *SERVERS, "database"]
    # Every notebook starts with it, and so says at its top what it explains.
    installed = f"sentry-sdk {version('sentry-sdk')}"
    node = json.loads((payment.HOME / "package.json").read_text())["dependencies"]["@sentry/node"]
    sdks = f"{installed}, @sentry/node {node}"
    assert lines[0] == f"✓ SDKs         {sdks}: the versions explained here"


@pytest.mark.slow
def test_it_starts_again_after_a_stop(tmp_path: Path) -> None:
    for _ in range(2):
        with Workshop.start(home=tmp_path, report=silent) as workshop:
            assert not workshop.trigger("game-engine/crash").missing


@pytest.mark.slow
def test_what_was_captured_outlives_the_workshop(tmp_path: Path) -> None:
    with Workshop.start(home=tmp_path, report=silent) as workshop:
        trace_id = workshop.trigger("game-engine/crash").trace_id
    with Workshop.start(home=tmp_path, report=silent) as workshop:
        assert workshop.store.items(trace_id=trace_id, type="event")


SECOND = """
from kit import Workshop
with Workshop.start() as workshop:
    print(workshop.trigger("game-engine/crash").missing)
"""


@pytest.mark.slow
def test_a_second_process_works_beside_the_first(workshop: Workshop) -> None:
    second = run(SECOND)
    assert second.returncode == 0, second.stderr
    first_urls = {workshop.url(name) for name in SERVERS}
    second_urls = set(re.findall(r"http://\S+", second.stdout))
    assert len(second_urls) == len(SERVERS)
    assert second_urls.isdisjoint(first_urls)
    assert second.stdout.rstrip().endswith("[]")
    assert not workshop.trigger("game-engine/crash").missing


LEFT_RUNNING = """
import threading
from kit import Workshop
workshop = Workshop.start()
workshop.trigger("game-engine/crash")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(0)", "threading.Thread(target=print).start()"]
)
def test_leaving_without_a_stop_blocks_nothing(ending: str) -> None:
    ended = run(LEFT_RUNNING + ending)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.slow
def test_a_service_that_cannot_start_raises_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ValueError("no reels")

    with monkeypatch.context() as patch:
        patch.setattr("kit.system.system.game_engine.make_app", broken)
        with pytest.raises(ServerError, match="game-engine did not start: ValueError: no reels"):
            Workshop.start(home=tmp_path, report=silent)
    with Workshop.start(home=tmp_path, report=silent) as workshop:
        assert workshop.spin()["balance"] >= 0


@pytest.mark.slow
def test_with_a_dsn_everything_is_relayed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    async def sentry(request: Request) -> JSONResponse:
        bodies.append(gzip.decompress(await request.body()))
        return JSONResponse({})

    app = Starlette(routes=[Route("/api/7/envelope/", sentry, methods=["POST"])])
    upstream = Server("upstream", serve_asgi(lambda: app))
    upstream.launch().wait()
    monkeypatch.setenv("SENTRY_DSN", f"{upstream.url.replace('//', '//key@')}/7")
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append) as workshop:
        event = workshop.trigger("game-engine/crash").event
        assert event is not None
        # What is stored is relayed before it is answered.
        workshop.flush()
        assert workshop.relay is not None
        assert workshop.relay.wait(DEADLINE_S)
    upstream.stop()
    assert lines[-1] == "✓ relay        to 127.0.0.1, 0 envelopes dropped"
    assert any(event["event_id"].encode() in body for body in bodies)


def test_spins_are_entered_into_the_statistics(workshop: Workshop) -> None:
    # More than other players of these tests: the statistics name those who play most.
    spins = [workshop.spin(player="statistician", bet=5) for _ in range(20)]
    # When analytics is busy the game engine does not wait until a spin is entered.
    end = time.monotonic() + DEADLINE_S
    while (mine := statistics(workshop, "statistician"))["spins"] < 20:
        assert time.monotonic() < end, mine
        time.sleep(0.05)
    assert mine["wagered"] >= sum(spin["bet"] for spin in spins)


def statistics(workshop: Workshop, player: str) -> dict[str, int]:
    """Return what the analytics service counts for a player."""
    url = workshop.url() + "/api/v1/analytics/stats"
    stats = httpx.get(url, trust_env=False, timeout=DEADLINE_S).json()
    found: dict[str, int] = stats["by_player"].get(player, {"spins": 0, "wagered": 0})
    return found


@pytest.mark.parametrize(
    "crash_id",
    [
        "gateway/panic",
        "game-engine/crash",
        "analytics/crash",
        "payment/async-error",
        "frontend/error",
    ],
)
def test_a_crash_happens_to_whom_one_names(workshop: Workshop, crash_id: str) -> None:
    outcome = workshop.trigger(crash_id, player="grace")
    assert not outcome.missing
    assert [event["user"]["username"] for event in outcome.events] == ["grace"]


@pytest.mark.slow
def test_without_a_database_all_else_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    monkeypatch.setattr("kit.hosting.database.ELSEWHERE_MS", 100)
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append) as workshop:
        assert lines[-1].startswith("✗ database")
        assert workshop.spin()["balance"] >= 0
        assert not workshop.trigger("game-engine/crash").missing
        with pytest.raises(WorkshopError, match="analytics/crash cannot be triggered: database"):
            workshop.trigger("analytics/crash")
        assert not workshop.trigger("analytics/validation-error", type="body").missing
        row = check_crash(workshop, variants("analytics/crash")[0])
        assert (row.ok, row.unavailable) == (False, lines[-1].split(maxsplit=2)[2])


@pytest.mark.slow
def test_a_database_that_died_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_URI")
    with Workshop.start(home=tmp_path, report=silent) as workshop:
        assert not workshop.trigger("analytics/database-error", type="duplicate-key").missing
        port = workshop.database_url.rpartition(":")[2]
        family = psutil.Process().children(recursive=True)
        _, program = (process for process in family if port in command_line(process))
        database = workshop._system.database
        with not_replaced(database):
            program.kill()
            noticed(database)
            assert workshop._system.status_lines()[-1].startswith("✗ database     restarting")
        assert not workshop.trigger("analytics/database-error", type="duplicate-key").missing


def test_without_a_payment_service_all_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-node")
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append) as workshop:
        assert lines[-1].startswith("✗ payment      WORKSHOP_NODE is not a program: no-such-node")
        assert workshop.spin(bet=10)["balance"] >= 0
        assert not workshop.trigger("game-engine/crash").missing
        with pytest.raises(WorkshopError, match="payment/crash cannot be triggered: WORKSHOP_NODE"):
            workshop.trigger("payment/crash")
        url = workshop.url()
        balance = httpx.get(
            f"{url}/api/v1/payment/balance/ada", trust_env=False, timeout=DEADLINE_S
        )
        assert (balance.status_code, balance.json()["error"]) == (503, "not-here")
        health = httpx.get(f"{url}/health", trust_env=False, timeout=DEADLINE_S).json()
        assert health["services"]["payment"]["detail"] == "payment does not run here"


def test_what_is_no_dsn_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_DSN", "sentry.io")
    with pytest.raises(ValueError, match="SENTRY_DSN is not a DSN"):
        Workshop.start(home=tmp_path, report=silent)


def test_no_server_traceback_reaches_the_cell(
    workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    for crash_id in ("gateway/panic", "game-engine/crash", "game-engine/threading-error"):
        workshop.trigger(crash_id)
    assert capfd.readouterr() == ("", "")
    assert any("Traceback" in line for line in workshop.logs("game-engine"))


def test_the_folder_is_the_one_of_the_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKSHOP_HOME")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").touch()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert default_home() == tmp_path / ".workshop"
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "elsewhere"))
    assert default_home() == tmp_path / "elsewhere"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
