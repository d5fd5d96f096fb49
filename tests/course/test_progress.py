import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.commands.cli import main
from kit.course.exercise import Verdict
from kit.course.exercises import EXERCISES
from kit.course.notebooks import Notebook, read_course
from kit.course.progress import Journal, Progress, read_progress
from kit.home import COURSE
from kit.workshop import Workshop


@pytest.fixture(scope="module")
def workshop(own_workshop: Workshop) -> Workshop:
    """What was solved is remembered in its folder: no other test's."""
    return own_workshop


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "home")


def progress(journal: Journal, *names: str) -> Progress:
    book = Notebook(Path("05_validation.ipynb"), "Validation", 25, names[:2])
    return read_progress(journal, [book], names)


def record(journal: Journal, name: str, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        assert journal.record(name, verdict) == ""


def state(journal: Journal, name: str = "one") -> tuple[str, int]:
    [standing] = progress(journal, name).exercises
    return standing.state, standing.attempts


def test_an_answer_that_was_not_given_is_no_attempt(journal: Journal) -> None:
    record(journal, "one", Verdict.UNATTEMPTED)
    assert state(journal) == ("untried", 0)
    assert not journal.path.exists()


def test_attempts_count_up_to_the_first_correct_answer(journal: Journal) -> None:
    record(journal, "one", Verdict.FAIL, Verdict.EXCEPTION)
    assert state(journal) == ("tried", 2)
    record(journal, "one", Verdict.PASS)
    assert state(journal) == ("solved", 3)
    record(journal, "one", Verdict.FAIL, Verdict.PASS)
    assert state(journal) == ("solved", 3)


def test_another_kernel_knows_what_was_solved(journal: Journal) -> None:
    record(journal, "one", Verdict.PASS)
    assert state(Journal(journal.path.parent)) == ("solved", 1)


@pytest.mark.system
def test_four_kernels_at_once_lose_nothing(journal: Journal) -> None:
    program = (
        "import sys; from pathlib import Path; from kit.course.exercise import Verdict;"
        "from kit.course.progress import Journal; journal = Journal(Path(sys.argv[1]));"
        "assert not any([journal.record('one', Verdict.FAIL) for _ in range(250)])"
    )
    command = [sys.executable, "-c", program, str(journal.path.parent)]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [each.wait() for each in running] == [0] * 4
    assert journal.read()[1] == ""
    assert state(journal) == ("tried", 1000)


@pytest.mark.parametrize(
    "damage",
    [b"\x00\xff\xfe", b'{"exercise": "one", "verd', b"[]", b'{"exercise": "one"}', b"17", b'"x"'],
)
def test_a_damaged_line_spoils_no_other(journal: Journal, damage: bytes) -> None:
    record(journal, "one", Verdict.FAIL)
    with journal.path.open("ab") as file:
        file.write(b"\n" + damage)
    record(journal, "one", Verdict.PASS)
    assert state(journal) == ("solved", 2)
    assert "1 line is damaged" in progress(journal, "one").remark
    assert "1 line is damaged" in progress(journal, "one")._repr_html_()


def test_a_folder_that_cannot_be_written_to_breaks_no_check(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(Workshop, "_journal", Journal(blocked / "home"))
    result = workshop.exercise("triage").check(42)
    assert result.verdict is Verdict.FAIL
    assert result.remark.startswith("Could not save progress: ")
    assert "\n" not in result.remark
    assert result.remark in result._repr_html_()
    assert workshop.progress().solved == 0


def test_what_cannot_be_read_is_said(journal: Journal) -> None:
    journal.path.mkdir(parents=True)
    found = progress(journal, "one")
    assert found.remark.startswith("Could not read progress: ")
    assert state(journal) == ("untried", 0)
    assert journal.record("one", Verdict.PASS).startswith("Could not save progress: ")


def test_each_exercise_belongs_to_one_notebook() -> None:
    places = Counter(name for book in read_course(COURSE) for name in book.exercises)
    assert places == dict.fromkeys(EXERCISES, 1)


def test_each_notebook_says_how_long_it_takes() -> None:
    assert [book.name for book in read_course(COURSE) if book.minutes is None] == []


@pytest.mark.parametrize(
    ("metadata", "minutes"),
    [
        ({"workshop": {"minutes": 25}}, 25),
        ({"workshop": {"minutes": "25"}}, None),
        ({"workshop": 25}, None),
        ({"kernelspec": {"name": "python3"}}, None),
        (None, None),
    ],
)
def test_minutes_are_declared_in_the_metadata(
    tmp_path: Path, metadata: object, minutes: int | None
) -> None:
    write(tmp_path, "05_validation", "# Validation\n\nIn 5 minutes you will\n", "", metadata)
    [book] = read_course(tmp_path)
    assert (book.title, book.minutes, book.number) == ("Validation", minutes, 5)


def test_a_notebook_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "01_broken.ipynb").write_text('{"cells": [{}')
    (tmp_path / "02_strange.ipynb").write_text("[]")
    write(tmp_path, "03_whole", "# Whole", 'workshop.exercise(\n    "one", trace\n)')
    [book] = read_course(tmp_path)
    assert (book.name, book.exercises) == ("03_whole", ("one",))


def write(folder: Path, name: str, prose: str, code: str, metadata: object = None) -> None:
    cells = [
        {"cell_type": "markdown", "source": prose},
        {"cell_type": "code", "source": code.splitlines(keepends=True)},
    ]
    content = {"cells": cells, "metadata": metadata}
    (folder / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")


def test_a_check_is_remembered_and_shown_as_a_page(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(COURSE)
    exercise = workshop.exercise("triage")
    exercise.check()
    exercise.check(lambda event: "")
    names = {}
    exec(exercise.solution().text, names)
    assert exercise.check(names[exercise.answer_name]).remark == ""
    found = workshop.progress()
    assert (found.solved, found.tried, found.total) == (1, 0, len(EXERCISES))
    page = found._repr_html_()
    assert f"1 of {len(EXERCISES)} exercises solved." in page
    assert '<a href="01_unhandled_crash.ipynb">01 · Anatomy of an unhandled crash</a>' in page
    assert "at attempt 2" in page


def test_a_mission_is_remembered_too(workshop: Workshop) -> None:
    mission = workshop.exercise("the-screenshot", workshop.spin, workshop.unavailable)
    mission.check("nothing")
    by_name = {each.name: each for each in workshop.progress().exercises}
    assert by_name["the-screenshot"].state == "tried"


def test_a_title_of_a_notebook_is_escaped(journal: Journal) -> None:
    book = Notebook(Path('<b>"'), "<script>", 1, ("one",))
    page = read_progress(journal, [book], ["one"])._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


@pytest.fixture
def home(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """What the command finds: one exercise solved, one tried."""
    record(journal, "triage", Verdict.FAIL, Verdict.PASS)
    record(journal, "one-query", Verdict.EXCEPTION)
    monkeypatch.setenv("WORKSHOP_HOME", str(journal.path.parent))
    return journal


def test_the_command_gives_one_object_for_scripts(home: Journal) -> None:
    result = CliRunner().invoke(main, ["progress", "--json"])
    report = json.loads(result.stdout)
    assert (report["solved"], report["total"]) == (1, len(EXERCISES))
    by_name = {each.pop("name"): each for each in report["exercises"]}
    assert set(by_name) == set(EXERCISES)
    solved_at = by_name["triage"].pop("solved_at")
    assert solved_at.endswith("+00:00")
    book = "01_unhandled_crash"
    assert by_name["triage"] == {"notebook": book, "state": "solved", "attempts": 2}
    assert by_name["one-query"]["state"] == "tried"
    untried = {"state": "untried", "attempts": 0, "solved_at": None}
    assert by_name["log-line"] == {"notebook": "13_time_to_fix", **untried}


def test_the_command_prints_a_table_for_people(home: Journal) -> None:
    result = CliRunner().invoke(main, ["progress"])
    assert result.exit_code == 0
    for text in ("triage", "01_unhandled_crash", f"1 of {len(EXERCISES)} solved"):
        assert text in result.stdout
    [row] = [line for line in result.stdout.splitlines() if "one-query" in line]
    assert [cell.strip() for cell in row.split("│")[1:4]] == ["▲", "one-query", "1"]


@pytest.mark.parametrize(
    ("options", "answer", "code", "solved"),
    [([], "n\n", 1, True), ([], "", 1, True), ([], "y\n", 0, False), (["--yes"], "", 0, False)],
    ids=["no", "nobody there", "yes", "--yes"],
)
def test_a_reset_asks_first(
    home: Journal, options: list[str], answer: str, code: int, solved: bool
) -> None:
    result = CliRunner().invoke(main, ["progress", "--reset", *options], input=answer)
    assert result.exit_code == code, result.output
    assert ("Reset 1 solved exercise and all attempts" in result.output) is not bool(options)
    assert ("Progress reset." in result.output) is not solved
    assert (state(home, "triage") == ("solved", 2)) is solved


def test_a_reset_that_fails_says_what_to_do(home: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, missing_ok: bool) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", fail)
    result = CliRunner().invoke(main, ["progress", "--reset", "--yes"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: Could not reset progress: ")
    assert f"Delete {home.path} by hand." in result.output
    assert state(home, "triage") == ("solved", 2)
