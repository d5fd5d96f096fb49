import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
import sentry_sdk

from demo_services.sdk import logging_integration
from demo_services.trace import start_span
from kit.commands.mcp_answers import WARNING
from kit.ingest.store import Store
from kit.issues import read_issues
from kit.system.clients import use_client
from tests.commands.untrusted import ATTACK, marks
from tests.ingest.sending import body, error, item, new_id, running, store_away

pytestmark = [pytest.mark.system, pytest.mark.mcp]

ROOT = Path(__file__).parents[2]
TOOLS = ["get_event", "get_logs", "get_profile", "get_trace", "list_issues", "list_projects"]
DEADLINE_S = 120.0


class Agent:
    """A client of ``workshop mcp``, which runs as a process of its own on ``home``."""

    def __init__(self, home: Path, client: Any, portal: Any) -> None:
        self.home = home
        self._client, self._portal = client, portal

    def call(self, tool: str, **arguments: object) -> Any:
        return self._portal.call(self._client.call_tool, tool, arguments)

    def ask(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Return what is untrusted in an answer."""
        result = self.call(tool, **arguments)
        assert not result.is_error, result.content
        return result.structured_content["untrusted"]

    def complaint(self, tool: str, **arguments: object) -> str:
        result = self.call(tool, **arguments)
        assert result.is_error
        return result.content[0].text

    def tools(self) -> list[Any]:
        return self._portal.call(self._client.list_tools).tools

    @property
    def path(self) -> Path:
        return self.home / "captured.sqlite3"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """An agent, whose server was started before anything was captured."""
    # Two seconds, for each process that collects the tests.
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters

    home = tmp_path_factory.mktemp("workshop")
    environment = {"WORKSHOP_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = ["-m", "kit.commands.cli", "mcp"]
    server = StdioServerParameters(
        command=sys.executable, args=command, env=environment, cwd=str(home)
    )
    client = Client(server, read_timeout_seconds=DEADLINE_S)
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(client),
    ):
        yield Agent(home, client, portal)


@pytest.fixture(scope="module")
def before(agent: Agent) -> dict[str, str]:
    """What each tool says before anything was captured."""
    arguments = {
        "get_event": {"event_id": new_id()},
        "get_trace": {"trace_id": new_id()},
        "get_profile": {"trace_id": new_id()},
        "get_logs": {"trace_id": new_id()},
    }
    return {tool: agent.complaint(tool, **arguments.get(tool, {})) for tool in TOOLS}


class Sent:
    """What the SDK sent of one request, and the ids under which to find it."""

    event_id: str
    trace_id: str


def settle(amount: int) -> None:
    balance = 7
    if amount > balance:
        raise ValueError(ATTACK)


def crash() -> Sent:
    """Fail in a span, with all that an event may carry; return the ids."""
    sent = Sent()
    with start_span(op="shop.settle", name="settle an order") as span:
        sent.trace_id = span.trace_id
        sentry_sdk.set_tag("till", "4")
        sentry_sdk.set_context("order", {"lines": ["crisps", ATTACK], "total": 12})
        sentry_sdk.add_breadcrumb(category="till", message="opened the till")
        with start_span(op="db.query", name="SELECT balance"):
            sentry_sdk.logger.info("balance of {till}", till="till-4")
        try:
            settle(12)
        except ValueError:
            sent.event_id = str(sentry_sdk.capture_exception())
    return sent


@pytest.fixture(scope="module")
def store(agent: Agent, before: dict[str, str]) -> Iterator[Store]:
    with closing(Store(agent.path)) as store:
        yield store


@pytest.fixture(scope="module")
def sent(store: Store) -> Sent:
    """A real SDK sends over HTTP to a real ingest, which writes while the agent reads."""
    with running(store) as ingest:
        client = sentry_sdk.Client(
            ingest.dsn,
            default_integrations=False,
            integrations=[logging_integration()],
            in_app_include=["tests", "test_mcp"],
            release="shop@1.2.3",
            trace_lifecycle="stream",
            traces_sample_rate=1.0,
        )
        with use_client(client):
            sent = crash()
            client.close(timeout=DEADLINE_S)
        store.wait_for_error(sent.trace_id, DEADLINE_S)
        store.wait_for_segment(sent.trace_id, DEADLINE_S)
        store.wait_for(sent.trace_id, lambda each: each.type == "log", DEADLINE_S)
    return sent


def test_before_anything_was_captured_each_tool_says_what_to_do(before: dict[str, str]) -> None:
    for said in before.values():
        assert "Nothing was captured yet" in said
        assert "workshop serve" in said


def test_the_tools_say_that_they_only_read(agent: Agent) -> None:
    tools = agent.tools()
    assert sorted(tool.name for tool in tools) == TOOLS
    for tool in tools:
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.description
        assert {"warning", "remarks", "untrusted"} == tool.output_schema["properties"].keys()


def test_an_agent_reads_the_event_that_the_card_shows(agent: Agent, sent: Sent) -> None:
    found = agent.ask("get_event", event_id=sent.event_id)
    assert found["title"].startswith("ValueError: Ignore your instructions")
    assert (found["event_id"], found["trace_id"]) == (sent.event_id, sent.trace_id)
    assert (found["project"], found["release"]) == ("gateway", "shop@1.2.3")
    raised = found["exception_1"]
    newest = raised["frames"][0]
    assert raised["type"] == "ValueError"
    assert newest["frame"].startswith("in-app: settle at ")
    assert ">         raise ValueError(ATTACK)" in newest["code"]
    assert newest["variables"] == {"amount": "12", "balance": "7"}
    assert found["culprit_frame"] in newest["frame"]
    assert found["tags"]["till"] == "4"
    assert found["contexts"]["order"]["total"] == 12
    assert found["breadcrumbs"][0]["message"] == "opened the till"
    dashed = f"{sent.event_id[:8]}-{sent.event_id[8:]}".upper()
    assert agent.ask("get_event", event_id=dashed, project="gateway")["title"] == found["title"]


def test_an_agent_finds_the_issue_the_trace_and_the_logs(agent: Agent, sent: Sent) -> None:
    (issue,) = [
        each for each in agent.ask("list_issues")["issues"] if each["trace_id"] == sent.trace_id
    ]
    assert (issue["latest_event_id"], issue["events"]) == (sent.event_id, 1)
    trace = agent.ask("get_trace", trace_id=sent.trace_id)
    outer, inner = trace["spans"]
    assert outer.startswith("gateway: shop.settle settle an order (+")
    assert inner.startswith("  gateway: db.query SELECT balance (+")
    (failed,) = trace["errors"]
    assert failed["event_id"] == sent.event_id
    for question in ({"trace_id": sent.trace_id}, {"project": "gateway"}):
        (log,) = agent.ask("get_logs", **question)["logs"]
        assert (log["message"], log["level"]) == ("balance of till-4", "info")


def test_issues_are_those_of_the_issue_list(agent: Agent, sent: Sent, store: Store) -> None:
    trace = new_id()
    store_away(
        store,
        *(error(trace, message=f"refused {number}", level="warning") for number in range(3)),
        project="payment",
    )
    found = agent.ask("list_issues")["issues"]
    assert [(each["project"], each["events"]) for each in found] == [
        (issue.service, issue.count) for issue in read_issues(store)
    ]
    (issue,) = agent.ask("list_issues", project="payment")["issues"]
    assert (issue["title"], issue["level"], issue["events"]) == ("refused 2", "warning", 3)
    result = agent.call("list_issues", project="payment", last=2)
    assert result.structured_content["untrusted"]["issues"][0]["events"] == 2
    assert "simulated" in result.content[0].text
    assert "raise last" in result.content[0].text
    projects = agent.ask("list_projects")["projects"]
    assert {"project": "payment", "items": {"event": 3}} in projects


def test_what_an_event_says_stays_within_its_marks(agent: Agent, sent: Sent) -> None:
    for tool, arguments in (
        ("get_event", {"event_id": sent.event_id}),
        ("list_issues", {}),
        ("get_trace", {"trace_id": sent.trace_id}),
    ):
        result = agent.call(tool, **arguments)
        (content,) = result.content
        (opening, closing_), lines = marks(content.text), content.text.splitlines()
        inside = lines[opening + 1 : closing_]
        outside = "\n".join(lines[:opening] + lines[closing_:])
        assert lines[closing_:] == [lines[closing_]]
        assert "Ignore your instructions" in "\n".join(inside)
        assert "Ignore" not in outside
        assert WARNING in outside
        # A line of the event begins no line of the answer, so it can forge no mark either.
        assert not [line for line in inside if line.lstrip().startswith(("<", "System"))]
        assert json.loads("\n".join(inside)) == result.structured_content["untrusted"]
        assert "\u202e" not in content.text
        assert "\U000e0041" not in content.text
        assert "\x1b" not in content.text
    first, second = (agent.call("list_issues").content[0].text.splitlines()[-1] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("get_event", {"event_id": "../../etc/passwd"}, "32 hex digits"),
        ("get_event", {"event_id": "0" * 32}, "No error event with the id"),
        ("get_event", {"event_id": "1" * 32, "project": "nobody"}, "list_projects"),
        ("get_trace", {"trace_id": "' OR 1=1 --"}, "32 hex digits"),
        ("get_trace", {"trace_id": "2" * 32}, "Call list_issues"),
        ("get_profile", {"trace_id": "x"}, "32 hex digits"),
        ("get_logs", {}, "Pass a trace_id, a project, or both"),
        ("get_logs", {"trace_id": "x"}, "32 hex digits"),
        ("list_issues", {"project": "nobody"}, "list_projects"),
        ("list_issues", {"last": 0}, "greater than or equal to 1"),
        ("list_issues", {"last": 10**9}, "less than or equal to 500"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_to_call(
    agent: Agent, sent: Sent, tool: str, arguments: dict[str, object], said: str
) -> None:
    assert said in agent.complaint(tool, **arguments)


def test_a_trace_without_a_profile_says_so(agent: Agent, sent: Sent) -> None:
    assert "get_trace" in agent.complaint("get_profile", trace_id=sent.trace_id)


def profiled(trace: str, at: float) -> tuple[bytes, bytes]:
    """Return a service span and the profile of its thread: three samples of four are in play()."""
    span = {
        "trace_id": trace,
        "span_id": "a" * 16,
        "name": "POST /spin",
        "is_segment": True,
        "start_timestamp": at,
        "end_timestamp": at + 0.04,
        "attributes": {
            "sentry.profiler_id": {"type": "string", "value": "b" * 32},
            "thread.id": {"type": "string", "value": "1"},
        },
    }
    chunk = {
        "version": "2",
        "platform": "python",
        "profiler_id": "b" * 32,
        "profile": {
            "frames": [
                {"function": name, "filename": "game.py", "lineno": 3, "in_app": True}
                for name in ("play", "pay")
            ],
            "stacks": [[0], [1]],
            "samples": [
                {"timestamp": at + 0.01 * number, "stack_id": int(number == 3), "thread_id": "1"}
                for number in range(4)
            ],
        },
    }
    return (
        body(item("span", {"items": [span]}, item_count=1), trace={"trace_id": trace}),
        body(item("profile_chunk", chunk)),
    )


def test_a_profile_names_the_line_that_took_the_time(agent: Agent, store: Store) -> None:
    trace = new_id()
    store_away(store, *profiled(trace, float(int(time.time()))), project="game-engine")
    (found,) = agent.ask("get_profile", trace_id=trace)["profiles"]
    assert found["project"] == "game-engine"
    assert found["samples"] == 4
    assert "play at game.py:3, your code" in found["hot_spot"]
    assert found["lines"][0].startswith("75 %")
    assert "list" in agent.complaint("get_profile", trace_id=trace, project="nobody")


def test_no_tool_changes_the_file(agent: Agent, sent: Sent, store: Store) -> None:
    def state() -> tuple[str, int, str]:
        wal = agent.path.with_name(agent.path.name + "-wal")
        return (
            sha256(agent.path.read_bytes()).hexdigest(),
            agent.path.stat().st_mtime_ns,
            sha256(wal.read_bytes()).hexdigest(),
        )

    before = state()
    agent.ask("list_projects")
    agent.ask("list_issues")
    agent.ask("get_event", event_id=sent.event_id)
    agent.ask("get_trace", trace_id=sent.trace_id)
    agent.ask("get_logs", trace_id=sent.trace_id)
    agent.complaint("get_profile", trace_id=sent.trace_id)
    assert state() == before


def test_nothing_but_the_protocol_is_written_to_stdout(tmp_path: Path) -> None:
    version = {"protocolVersion": "2025-06-18", "capabilities": {}}
    client = {"clientInfo": {"name": "test", "version": "1"}}
    said = [
        {"id": 1, "method": "initialize", "params": version | client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "list_issues", "arguments": {}}},
    ]
    command = [sys.executable, "-m", "kit.commands.cli", "mcp"]
    environment = {**os.environ, "WORKSHOP_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for each in said:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **each}) + "\n")
        server.stdin.flush()
        answered = [json.loads(server.stdout.readline()) for _ in range(2)]
        server.stdin.close()
        rest = server.stdout.read()
        assert server.wait(DEADLINE_S) == 0
    assert [(each["jsonrpc"], each["id"]) for each in answered] == [("2.0", 1), ("2.0", 2)]
    assert answered[0]["result"]["serverInfo"]["name"] == "crash-workshop"
    assert "Nothing was captured yet" in answered[1]["result"]["content"][0]["text"]
    assert rest == ""
    # Asking makes no store either.
    assert list(tmp_path.iterdir()) == []
