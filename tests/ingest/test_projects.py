import json
import os
import re
import threading
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from demo_services.services import SERVICES
from kit.actionable import WorkshopError
from kit.ingest.projects import FIRST_OWN_ID, SPOTLIGHT, Project, Projects
from kit.ingest.store import Store
from kit.system.dsn import INGEST, dsn_lines, find_dsn, moved_lines
from kit.system.status import Running, publish
from tests.ingest.sending import error, new_id, running

GIVEN = {"1": ("gateway", "key-1")}


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path, GIVEN)


def test_a_dsn_is_the_same_for_whoever_asks_later(projects: Projects, tmp_path: Path) -> None:
    dsn = projects.dsn("my-app", 8969)
    assert re.fullmatch(rf"http://[0-9a-f]{{32}}@127\.0\.0\.1:8969/{FIRST_OWN_ID}", dsn)
    assert Projects(tmp_path, {}).dsn("my-app", 8969) == dsn
    assert projects.dsn("my-app", 8970) == dsn.replace("8969", "8970")
    assert projects.dsn("other", 8970).endswith(f":8970/{FIRST_OWN_ID + 1}")
    assert projects.port == 8969, "the port that was given away first is the one to keep"


def test_those_of_the_services_are_there_as_well(projects: Projects) -> None:
    assert dict(projects) == {"1": Project("gateway", "key-1")}
    assert projects.port is None
    key = projects.dsn("my-app", 1).split("@")[0].removeprefix("http://")
    assert dict(projects) == {"1": ("gateway", "key-1"), str(FIRST_OWN_ID): ("my-app", key)}
    assert len(projects) == 2


def test_one_that_another_process_made_is_known_at_once(projects: Projects, tmp_path: Path) -> None:
    stored = closing(Store(tmp_path / "captured.sqlite3"))
    with stored as store, running(store, projects=projects) as ingest:
        dsn = Projects(tmp_path, {}).dsn("my-app", 1)
        key = {"X-Sentry-Auth": f"Sentry sentry_key={dsn.split('@')[0].removeprefix('http://')}"}
        answer = ingest.post(error(new_id()), f"/api/{FIRST_OWN_ID}/envelope/", **key)
        assert answer.status_code == 200, answer.text
        (item,) = store.items(project="my-app")
        assert item.type == "event"
        refused = ingest.post(error(new_id()), f"/api/{FIRST_OWN_ID}/envelope/")
        assert (refused.status_code, "key does not belong to" in refused.text) == (401, True)
        assert ingest.post(error(new_id()), "/api/1002/envelope/").status_code == 401
        Projects(tmp_path, {}).dsn("added-while-it-runs", 1)
        assert "key does not belong to" in ingest.post(error(new_id()), "/api/1002/envelope/").text


def test_those_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    begin, answers = threading.Barrier(8), []

    def ask() -> None:
        asking = Projects(tmp_path, {})
        begin.wait(60)
        answers.extend([asking.dsn("my-app", 1), asking.dsn("other", 1)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 16
    assert len(set(answers)) == 2


@pytest.mark.parametrize("name", ["", "My App", "-a", "a" * 51, "ä", "a/b", "a\n", "../a"])
def test_a_name_that_cannot_be_is_refused_with_a_reason(projects: Projects, name: str) -> None:
    with pytest.raises(WorkshopError, match="lower-case letters"):
        projects.dsn(name, 1)
    assert projects.own == {}


@pytest.mark.parametrize("name", [*SERVICES, SPOTLIGHT])
def test_those_of_the_course_are_not_for_others(projects: Projects, name: str) -> None:
    with pytest.raises(WorkshopError, match="Choose another name"):
        projects.dsn(name, 1)


BROKEN = [
    "{",
    "[]",
    "null",
    '{"projects": []}',
    '{"projects": {"x": {"name": "a", "key": "b"}}}',
    '{"projects": {"1001": {"name": "a"}}}',
    '{"port": "x", "projects": {}}',
    "\udcff",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_is_broken_is_named_and_kept(
    projects: Projects, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "projects.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WorkshopError, match=re.escape(f"Could not read the projects in {file}")):
        projects.dsn("my-app", 1)
    assert list(projects) == ["1"], "the services report all the same"
    (line,) = moved_lines(projects, 1, tmp_path)
    assert line.startswith("✗ dsn")
    assert file.read_bytes() == text.encode("utf-8", "surrogateescape")


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_only_its_owner_can_read_the_keys(projects: Projects, tmp_path: Path) -> None:
    projects.dsn("my-app", 1)
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(WorkshopError, match="Could not save the project"):
        Projects(tmp_path / "file" / "home", {}).dsn("my-app", 1)


def at(port: int) -> Running:
    return Running({INGEST: f"http://127.0.0.1:{port}"}, "token")


def test_without_a_workshop_the_dsn_is_that_of_the_next_start(tmp_path: Path) -> None:
    dsn, answers = find_dsn(tmp_path, "my-app")
    assert ("127.0.0.1:8969/" in dsn, answers) == (True, False)
    with publish(tmp_path, at(4711)):
        assert find_dsn(tmp_path, "my-app") == (dsn.replace("8969", "4711"), True)
    with publish(tmp_path, at(8969)):
        assert find_dsn(tmp_path, "my-app") == (dsn, True)


def test_the_status_has_a_line_for_each(projects: Projects, tmp_path: Path) -> None:
    assert list(dsn_lines(tmp_path, at(4711))) == []
    dsn = projects.dsn("my-app", 4711)
    assert list(dsn_lines(tmp_path, at(4711))) == [f"  my-app       {dsn}"]
    assert list(dsn_lines(tmp_path, Running({INGEST: "it did not start"}, "token"))) == []


def test_the_start_says_when_a_dsn_leads_elsewhere(projects: Projects, tmp_path: Path) -> None:
    assert list(moved_lines(projects, 1, tmp_path)) == [], "there is none yet"
    projects.dsn("my-app", 8969)
    assert list(moved_lines(projects, 8969, tmp_path)) == []
    (line,) = moved_lines(projects, 4711, tmp_path)
    assert "port 8969, in the DSN of my-app, was taken. This run has 4711" in line
    assert "workshop dsn my-app" in line


def test_another_workshop_on_the_folder_is_no_stranger(projects: Projects, tmp_path: Path) -> None:
    projects.dsn("my-app", 8969)
    note = tmp_path / "running-1.json"
    parent = psutil.Process(os.getppid())
    run = replace(at(8969), pid=parent.pid, process_since=parent.create_time())
    note.write_text(json.dumps(asdict(run)))
    (line,) = moved_lines(projects, 4711, tmp_path)
    assert "another workshop on this folder, which uses the same store" in line
