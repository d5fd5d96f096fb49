"""The payment service, with V8's own record of what ran between two moments."""

import json
import subprocess
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

import httpx
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from demo_services import payment
from demo_services.services import PAYMENT
from kit.crashes.crash_type import CrashType
from kit.hosting import node
from tests.payment.receiver import Receiver

TOKEN = "workshop-7f3a-secret"
WAIT_S = 60
FUNCTIONS = {
    *("function_declaration", "function_expression", "arrow_function", "method_definition"),
    *("generator_function", "generator_function_declaration"),
}

Ranges = list[dict[str, int]]


class Coverage:
    """What ran, by file: the functions, by where they end, with the parts that did not run."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self._functions: dict[Path, dict[int, list[Ranges]]] = {}
        for script in report["result"]:
            if script["url"].startswith("file:"):
                path = Path(url2pathname(script["url"].removeprefix("file://")))
                functions = self._functions.setdefault(path, {})
                for function in script["functions"]:
                    ranges = function["ranges"]
                    functions.setdefault(ranges[0]["endOffset"], []).append(ranges)

    def has_run(self, path: Path, line: int) -> bool:
        """Whether the function around a line ran, and in it the block around the line."""
        begin, end = function_around(path, line)
        for ranges in self._functions.get(path, {}).get(end, []):
            around = [each for each in ranges if each["startOffset"] <= begin < each["endOffset"]]
            # The innermost comes last.
            if around and around[-1]["count"]:
                return True
        return False


class CoveredPayment:
    """The service in a process of its own, reporting to a receiver."""

    def __init__(self, receiver: Receiver, folder: Path) -> None:
        self._receiver = receiver
        self._folder = folder
        variables = {
            "PORT": "0",
            "SENTRY_DSN": receiver.dsn,
            "DEBUG_TOKEN": TOKEN,
            "NODE_V8_COVERAGE": str(folder),
        }
        command = node.node_command(payment.HOME, variables, report=print)
        program, *options = command.arguments
        hook = str(Path(__file__).with_name("coverage.js"))
        self.process = subprocess.Popen(
            [program, "--require", hook, *options],
            cwd=command.cwd,
            env=command.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._url = f"http://127.0.0.1:{self._wait_for('ready')['port']}"
        self.at_start = self.take()

    def take(self) -> Coverage:
        """Return what ran since the last time."""
        if self.process.poll() is None:
            assert self.process.stdin
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self._wait_for("coverage")
        # A worker thread writes one of its own, when it ends.
        files = sorted(self._folder.glob(f"coverage-{self.process.pid}-*.json"))
        reports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        for file in files:
            file.unlink()
        return Coverage({"result": [each for report in reports for each in report["result"]]})

    def fire(self, crash: CrashType) -> list[dict[str, Any]]:
        """Crash it, and return the events of its own."""
        own = [error for error in crash.errors if error.mechanism != "supervisor"]
        count = sum(crash.reporter(error) == PAYMENT.name for error in own)
        trace = uuid.uuid4().hex
        try:
            httpx.request(
                crash.method,
                self._url + crash.route,
                params=dict(crash.query),
                json=crash.body,
                headers={"sentry-trace": f"{trace}-{'1' * 16}-1", "X-Debug-Token": TOKEN},
                timeout=WAIT_S,
                trust_env=False,
            )
        except httpx.RemoteProtocolError:
            assert crash.deadly
            self.process.wait(WAIT_S)
        return self._receiver.wait(trace, lambda it: len(it.events) >= count).events

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()

    def _wait_for(self, kind: str) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["type"] == kind:
                return said
        raise AssertionError(f"It ended before it said {kind}.")


def path_of(file: str) -> Path:
    """Return where a script is that is named as in an origin."""
    if file.startswith(f"{payment.HOME.parent.name}/"):
        return payment.HOME.parents[1] / file
    return node.node_modules(payment.HOME, node.find_node()) / file


@cache
def function_around(path: Path, line: int) -> tuple[int, int]:
    """Return where the text of a line begins, and where the innermost function around it ends."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    begin = sum(map(len, lines[: line - 1])) + len(lines[line - 1]) - len(lines[line - 1].lstrip())
    data = text.encode()
    at = len(text[:begin].encode())
    found: Node | None = _tree(path).descendant_for_byte_range(at, at + 1)
    while found is not None and found.type not in FUNCTIONS:
        found = found.parent
    return begin, len(data[: found.end_byte].decode()) if found else len(text)


@cache
def _tree(path: Path) -> Node:
    parser = Parser(Language(tree_sitter_javascript.language()))
    return parser.parse(path.read_bytes()).root_node
