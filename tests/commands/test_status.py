import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from kit.commands.cli import main
from kit.ingest.projects import SPOTLIGHT
from kit.ingest.store import Store
from kit.reading.event import headline
from kit.system.status import Running, find_running, publish

pytestmark = pytest.mark.system

TOKEN = "status-3d1c-secret"
OWN = Running(
    {
        "gateway": "http://127.0.0.1:1",
        "database": "mongodb://127.0.0.1:2",
        "payment": "no",
        "relay": "to o0.example",
    },
    TOKEN,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    return tmp_path


class Served:
    """``workshop serve`` in a process of its own, and what it said."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "kit.commands.cli", "serve"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        self.said = "".join(said)

    def find(self, pattern: str) -> str:
        match = re.search(pattern, self.said)
        assert match, self.said
        return match[1]


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    served = Served()
    yield served
    served.process.kill()
    served.process.communicate()


def status(*options: str) -> tuple[int, str]:
    """Run ``workshop status`` as a process; return its exit code and all that it said."""
    command = [sys.executable, "-m", "kit.commands.cli", "status", *options]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def test_a_workshop_in_another_process_is_listed_until_it_ends(served: Served, home: Path) -> None:
    token = served.find(r"X-Debug-Token: (\S+)")
    code, said = status()
    assert code == 0
    assert f"pid {served.process.pid}, since 20" in said
    for service in ("ingest", "gateway", "game-engine", "analytics"):
        url = served.find(rf"{service} .*(http://\S+)")
        assert f"  {service:<12} {url}\n" in said
    assert token not in said

    dsn = served.find(r"SENTRY_DSN=(http://\S+)")
    assert f"  my-app       {dsn}\n" in said
    assert CliRunner().invoke(main, ["dsn", "my-app"]).output == f"{dsn}\n"
    send_by_each_line(served)

    code, said = status("--token")
    assert f"  token        {token}\n" in said
    headers = {"X-Debug-Token": said.split("  token ")[-1].split()[0]}
    url = served.find(r"gateway .*(http://\S+)") + "/debug/panic"
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 500

    with publish(home, replace(OWN, since=0.0)):
        assert [each.pid for each in find_running(home)] == [os.getpid(), served.process.pid]

    served.process.terminate()
    assert served.process.wait(60) == 0
    with closing(Store(home / "captured.sqlite3")) as store:
        assert titles(store, "my-app") == ["by Python", "by a variable", "by curl"]
        assert titles(store, SPOTLIGHT) == ["without a DSN"]
    later = CliRunner().invoke(main, ["dsn", "my-app"])
    assert later.stdout == f"{dsn}\n"
    assert later.stderr.startswith(f"No workshop runs on {home}, so nothing listens there yet.")
    assert list(home.glob("running-*")) == []
    code, said = status()
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"No workshop runs on {home}. Run Workshop.start()")


def send_by_each_line(served: Served) -> None:
    """Send an event by each of the lines to paste, but those for JavaScript and a container."""
    curl = served.find(r"curl +(printf .*)").replace("Hello", "by curl")
    send = "sentry_sdk.capture_message('{}'); sentry_sdk.flush()"
    python = f"{served.find('Python +(.*)')}; {send.format('by Python')}"
    lines = [(["bash", "-c", curl], {}), ([sys.executable, "-c", python], {})]
    for line, message in (("SENTRY_DSN", "by a variable"), ("SENTRY_SPOTLIGHT", "without a DSN")):
        code = f"import sentry_sdk; sentry_sdk.init(); {send.format(message)}"
        variable = {line: served.find(rf"export {line}=(\S+)")}
        lines.append(([sys.executable, "-c", code], variable))
    senders = [
        subprocess.Popen(command, env={**os.environ, **own}, stderr=subprocess.DEVNULL)
        for command, own in lines
    ]
    assert [each.wait(60) for each in senders] == [0] * len(senders)


def titles(store: Store, project: str) -> list[str]:
    return sorted(
        headline(item.payload).title for item in store.items(project=project, type="event")
    )


@pytest.mark.slow
def test_one_that_was_killed_is_not_listed_and_its_note_is_removed(
    served: Served, home: Path
) -> None:
    assert len(find_running(home)) == 1
    served.process.kill()
    if sys.platform != "win32":
        # Its number stays taken until somebody waits for it in earnest.
        os.waitid(os.P_PID, served.process.pid, os.WEXITED | os.WNOWAIT)
    assert find_running(home) == []
    assert list(home.glob("running-*")) == []


def test_only_its_owner_can_read_the_note(home: Path) -> None:
    with publish(home, OWN):
        (note,) = home.iterdir()
        assert TOKEN in note.read_text()
        if os.name == "posix":
            assert note.stat().st_mode & 0o777 == 0o600
    assert list(home.iterdir()) == []


def test_another_process_under_the_same_number_is_none_of_ours(home: Path) -> None:
    with publish(home, replace(OWN, process_since=OWN.process_since - 60)):
        assert find_running(home) == []
    with publish(home, OWN):
        assert find_running(home) == [OWN]


def test_the_next_start_removes_the_notes_of_the_dead(home: Path) -> None:
    note = home / f"running-{2**22 + 1}.json"
    with publish(home, replace(OWN, pid=2**22 + 1)):
        text = note.read_text()
    note.write_text(text)
    with publish(home, OWN):
        assert [note.name for note in home.iterdir()] == [f"running-{os.getpid()}.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', json.dumps({"pid": "x"})])
def test_a_note_that_is_none_is_passed_over(home: Path, text: str) -> None:
    (home / "running-1.json").write_text(text)
    with publish(home, OWN):
        assert find_running(home) == [OWN]


def test_everything_but_the_token_is_shown(home: Path) -> None:
    with publish(home, OWN):
        result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 0
    for text in ("gateway      http://127.0.0.1:1", "database     mongodb://127.0.0.1:2"):
        assert text in result.stdout
    assert "relay        to o0.example" in result.stdout
    assert "payment      no" in result.stdout
    assert TOKEN not in result.stdout
    assert TOKEN not in repr(OWN)
