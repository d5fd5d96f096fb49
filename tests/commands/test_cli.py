import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from kit.commands.checks.crashes import MAX_EVENT_BYTES
from kit.commands.cli import main
from kit.crashes import catalogue
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import Captured
from kit.hosting.child import free_port
from kit.hosting.server import HOST
from kit.outcome import Outcome
from kit.workshop import Workshop

pytestmark = pytest.mark.system

DEADLINE_S = 60.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))


def test_check_triggers_every_crash_type(
    recorded_crashes: Mapping[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each was fired by Workshop.trigger, for all tests; here it is asked for once.
    fired = dict(recorded_crashes)
    monkeypatch.setattr(Workshop, "trigger", lambda self, full_id: fired.pop(full_id))
    result = CliRunner().invoke(main, ["check", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 0, report
    assert report["ok"] is True
    assert fired == {}
    assert [crash["id"] for crash in report["crashes"]] == [crash.full_id for crash in CRASHES]
    for declared, crash in zip(CRASHES, report["crashes"], strict=True):
        assert crash["missing"] == []
        events = [phrase for phrase in crash["captured"] if phrase.startswith("event ")]
        assert len(events) == len(declared.errors)
        if events:
            assert crash["context_fields"] >= 20
            assert crash["response_to_stored_ms"] is not None
            assert 1_000 < crash["event_bytes"] <= MAX_EVENT_BYTES


@pytest.mark.slow
def test_check_fails_when_one_expectation_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = replace(CRASHES[1], captured=(Captured("contexts.spin.luck", "There is none."),))
    monkeypatch.setattr(catalogue, "CRASHES", (crash,))
    # All else arrives by then.
    monkeypatch.setattr("kit.trigger.TELEMETRY_DEADLINE_S", 10.0)
    result = CliRunner().invoke(main, ["check", "--json"])
    assert result.exit_code == 1
    [row] = json.loads(result.stdout)["crashes"]
    assert row["ok"] is False
    assert row["missing"] == ["value at contexts.spin.luck"]


def test_check_reports_an_event_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CRASHES", CRASHES[:1])
    monkeypatch.setattr("kit.commands.checks.crashes.MAX_EVENT_BYTES", 2_000)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 1
    said = r"✗ gateway/panic: missing an event of at most 2 KB, found \d+ KB"
    assert re.search(said, result.stdout)


def test_check_prints_a_table_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CRASHES", CRASHES[:2])
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0
    for text in ("gateway/panic", "game-engine/crash", "500", "Nothing is missing."):
        assert text in result.stdout


@pytest.mark.slow
def test_what_is_missing_is_said_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = replace(CRASHES[0], captured=(Captured("contexts.gateway.luck", "There is none."),))
    monkeypatch.setattr(catalogue, "CRASHES", (crash,))
    # All else arrives by then.
    monkeypatch.setattr("kit.trigger.TELEMETRY_DEADLINE_S", 10.0)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 1
    assert "✗ gateway/panic: missing value at contexts.gateway.luck" in result.stdout


@pytest.mark.slow
def test_serve_runs_until_it_is_told_to_end() -> None:
    command = [sys.executable, "-m", "kit.commands.cli", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        lines = []
        for line in served.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        gateway = re.search(r"gateway .*(http://\S+)", "".join(lines))
        token = re.search(r"X-Debug-Token: (\S+)", "".join(lines))
        assert gateway
        assert token
        url = gateway[1] + "/debug/panic"
        assert get(url).status_code == 401
        headers = {"X-Debug-Token": token[1]}
        assert get(url, headers).status_code == 500
        served.terminate()
        assert served.wait(DEADLINE_S) == 0


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=DEADLINE_S, trust_env=False)


def test_lab_opens_the_course() -> None:
    port = free_port()
    command = [sys.executable, "-m", "kit.commands.cli", "lab", "--no-browser", f"--port={port}"]
    options = ["--IdentityProvider.token=open", "--allow-root"]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as lab:
        try:
            page = get_when_up(f"http://{HOST}:{port}/lab/tree/00_start_here.ipynb?token=open")
            assert "JupyterLab" in page.text
            listing = get_when_up(f"http://{HOST}:{port}/api/contents?token=open").json()
            assert "00_start_here.ipynb" in [entry["name"] for entry in listing["content"]]
        finally:
            lab.terminate()
            lab.wait(DEADLINE_S)


def get_when_up(url: str) -> httpx.Response:
    end = time.monotonic() + 2 * DEADLINE_S
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport, follow_redirects=True, timeout=DEADLINE_S) as client:
        while True:
            try:
                return client.get(url).raise_for_status()
            except httpx.ConnectError:
                assert time.monotonic() < end, f"nothing listens at {url}"
                time.sleep(0.1)


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "ascii"])
def test_a_legacy_encoding_gets_a_replacement_mark(encoding: str, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "kit.commands.cli", "progress"]
    own = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(program, env=own, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "solved, in" in done.stdout.decode(encoding)
