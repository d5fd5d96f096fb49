"""The learner's copy of the course: made, kept, and brought up to date."""

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

import kit.home
from kit.commands import course_copy
from kit.commands.cli import main
from kit.commands.course_copy import CopyError, copy_course
from kit.commands.outputs import strip_outputs
from kit.course.notebooks import read_course
from kit.home import COPY_MANIFEST, COURSE, course_folder, default_home, find_copy

NAMES = ("00_start_here", "01_unhandled_crash", "02_errors_and_grouping")


def text(words: str) -> str:
    """Return a notebook as it is shipped."""
    cell = nbformat.v4.new_markdown_cell(f"# {words}", id="0")
    return strip_outputs(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))


def release(folder: Path, version: int, *names: str) -> Path:
    """Write a course of these notebooks, all different from those of another version."""
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "crash.png").write_bytes(b"PNG %d" % version)
    for name in names or NAMES:
        (folder / f"{name}.ipynb").write_text(text(f"{name}, version {version}"), "utf-8")
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return release(tmp_path / "first", 1)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return release(tmp_path / "second", 2)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "work" / "crash-workshop"


def contents(folder: Path) -> dict[str, str]:
    """Return all files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def test_a_copy_has_the_course_and_a_second_time_changes_nothing(first: Path, copy: Path) -> None:
    lines = copy_course(first, copy)
    assert lines == [f"The course is in {copy / 'notebooks'}; your changes there are kept."]
    assert contents(copy / "notebooks") == contents(first)
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert copy_course(first, copy) == lines
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_an_upgrade_keeps_what_was_changed_and_replaces_the_rest(
    first: Path, second: Path, copy: Path
) -> None:
    copy_course(first, copy)
    mine = copy / "notebooks" / "01_unhandled_crash.ipynb"
    mine.write_text(text("my answers"))
    assert len(copy_course(first, copy)) == 1  # it changed, and there is nothing newer
    _, kept, replaced = copy_course(second, copy)
    newer = "01-new_unhandled_crash.ipynb"
    assert kept == f"{mine.name} has your changes and stays; the newer version is {newer}."
    assert replaced == "3 files replaced by a newer version."
    assert contents(copy / "notebooks") == {
        **contents(second),
        mine.name: text("my answers"),
        newer: (second / mine.name).read_text("utf-8"),
    }
    # It is no further notebook of the course, and is offered once.
    assert [book.name for book in read_course(copy / "notebooks")] == list(NAMES)
    (copy / "notebooks" / newer).unlink()
    assert len(copy_course(second, copy)) == 1
    assert not (copy / "notebooks" / newer).exists()


def test_running_a_notebook_counts_as_a_change(first: Path, second: Path, copy: Path) -> None:
    copy_course(first, copy)
    path = copy / "notebooks" / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("1", outputs=[], execution_count=1))
    nbformat.write(notebook, path)
    ran = path.read_text("utf-8")
    copy_course(second, copy)
    assert path.read_text("utf-8") == ran


def test_the_newer_one_is_replaced_by_one_newer_still(
    first: Path, second: Path, copy: Path, tmp_path: Path
) -> None:
    copy_course(first, copy)
    (copy / "notebooks" / "01_unhandled_crash.ipynb").write_text(text("my answers"))
    copy_course(second, copy)
    newer = copy / "notebooks" / "01-new_unhandled_crash.ipynb"
    third = release(tmp_path / "third", 3)
    copy_course(third, copy)
    assert newer.read_text("utf-8") == (third / "01_unhandled_crash.ipynb").read_text("utf-8")
    # Unless the learner went on in it.
    newer.write_text(text("my further answers"))
    assert "01-new2_unhandled_crash" in copy_course(release(tmp_path / "fourth", 4), copy)[1]
    assert newer.read_text("utf-8") == text("my further answers")


def test_a_deleted_notebook_comes_back(first: Path, copy: Path) -> None:
    copy_course(first, copy)
    (copy / "notebooks" / "01_unhandled_crash.ipynb").unlink()
    copy_course(first, copy)
    assert contents(copy / "notebooks") == contents(first)


def test_a_notebook_that_is_gone_from_the_course_goes_unless_it_was_changed(
    first: Path, copy: Path, tmp_path: Path
) -> None:
    copy_course(first, copy)
    (copy / "notebooks" / "01_unhandled_crash.ipynb").write_text(text("my answers"))
    copy_course(release(tmp_path / "less", 1, "00_start_here"), copy)
    left = {path.name for path in (copy / "notebooks").glob("*.ipynb")}
    assert left == {"00_start_here.ipynb", "01_unhandled_crash.ipynb"}


@pytest.mark.parametrize("written", range(7))
def test_a_copy_that_was_interrupted_is_completed(
    written: int, first: Path, second: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any number of written files: the second version comes over the first."""
    copy_course(first, copy)
    (copy / "notebooks" / "02_errors_and_grouping.ipynb").write_text(text("my answers"))
    steps = iter(range(written))
    replace = course_copy._replace

    def interrupted(path: Path, content: bytes) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        replace(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(course_copy, "_replace", interrupted)
        if written < 6:  # two manifests, three files, and one beside a fourth
            with pytest.raises(KeyboardInterrupt):
                copy_course(second, copy)
        else:
            copy_course(second, copy)
    copy_course(second, copy)
    changed = "02_errors_and_grouping.ipynb"
    assert contents(copy / "notebooks") == {
        **contents(second),
        changed: text("my answers"),
        "02-new_errors_and_grouping.ipynb": (second / changed).read_text("utf-8"),
    }


def test_what_is_half_written_is_never_seen(
    first: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(CopyError, match=r"No space left on device.*Start again in a folder"):
        copy_course(first, copy)
    assert contents(copy) == {}


@pytest.mark.parametrize("damage", ["gone", "", "{}", '{"came": [], "seen": 1}', "\x00"])
def test_without_its_manifest_nothing_of_the_learner_is_lost(
    damage: str, first: Path, second: Path, copy: Path
) -> None:
    copy_course(first, copy)
    (copy / "notebooks" / "01_unhandled_crash.ipynb").write_text(text("my answers"))
    if damage == "gone":
        (copy / COPY_MANIFEST).unlink()
    else:
        (copy / COPY_MANIFEST).write_text(damage)
    copy_course(second, copy)
    found = contents(copy / "notebooks")
    assert found["01_unhandled_crash.ipynb"] == text("my answers")
    for name in NAMES:
        newer = (second / f"{name}.ipynb").read_text("utf-8")
        assert newer == found[name.replace("_", "-new_", 1) + ".ipynb"]


@pytest.mark.parametrize("name", ["draft.txt", "notebooks/01_explore.ipynb", "pyproject.toml"])
def test_a_folder_of_something_else_stays_as_it_is(name: str, first: Path, copy: Path) -> None:
    (copy / name).parent.mkdir(parents=True)
    (copy / name).write_text("my own")
    with pytest.raises(CopyError, match="is not a copy of the course, so it was not changed"):
        copy_course(first, copy)
    assert contents(copy) == {name: "my own"}


def test_a_checkout_stays_as_it_is(first: Path, copy: Path) -> None:
    release(copy / "notebooks", 1)
    (copy / "pyproject.toml").touch()
    before = contents(copy)
    with pytest.raises(CopyError, match="is a checkout, so it was not changed"):
        copy_course(first, copy)
    assert contents(copy) == before


def test_the_outputs_of_an_instructor_stay_at_home(first: Path, copy: Path) -> None:
    path = first / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    output = nbformat.v4.new_output("stream", text="my token")
    notebook.cells.append(nbformat.v4.new_code_cell("1", outputs=[output], execution_count=7))
    nbformat.write(notebook, path)
    copy_course(first, copy)
    assert "my token" not in (copy / "notebooks" / path.name).read_text("utf-8")


def test_every_notebook_is_copied_byte_by_byte(tmp_path: Path) -> None:
    copy_course(COURSE, tmp_path / "copy")
    for path in COURSE.glob("[0-9]*.ipynb"):
        if not any(cell.get("outputs") for cell in json.loads(path.read_text("utf-8"))["cells"]):
            assert (tmp_path / "copy" / "notebooks" / path.name).read_bytes() == path.read_bytes()


@pytest.fixture
def installed(tmp_path: Path, first: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of somebody who installed the wheel, with nothing set."""
    monkeypatch.delenv("WORKSHOP_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: Path("user", name))
    monkeypatch.setattr(kit.home, "IN_CHECKOUT", False)
    monkeypatch.setattr(kit.home, "COURSE", first)
    monkeypatch.setattr("kit.commands.cli.COURSE", first)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_the_copy_is_found_from_where_it_was_made_and_from_inside(
    installed: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = installed / "crash-workshop"
    assert (find_copy(), course_folder()) == (None, first)
    assert default_home() == Path("user", "crash-workshop")
    said = CliRunner().invoke(main, ["notebooks"]).output
    assert said == f"The course is in {copy / 'notebooks'}; your changes there are kept.\n"
    for place in (installed, copy, copy / "notebooks", copy / "notebooks" / "images"):
        monkeypatch.chdir(place)
        assert find_copy() == copy
        assert course_folder() == copy / "notebooks"
        assert default_home() == copy / ".workshop"
        assert CliRunner().invoke(main, ["notebooks"]).output == said
    assert len(list(installed.rglob(COPY_MANIFEST))) == 1


def test_a_copy_around_the_environment_is_found_from_anywhere(
    installed: Path, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_course(first, tmp_path / "laptop")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "laptop" / ".venv"))
    assert default_home() == tmp_path / "laptop" / ".workshop"
    assert (
        CliRunner()
        .invoke(main, ["notebooks"])
        .output.startswith(f"The course is in {tmp_path / 'laptop' / 'notebooks'};")
    )


def test_a_project_with_notebooks_of_its_own_is_no_course(installed: Path, first: Path) -> None:
    (installed / "notebooks").mkdir()
    (installed / "notebooks" / "01_explore.ipynb").touch()
    assert default_home() == Path("user", "crash-workshop")
    CliRunner().invoke(main, ["notebooks"])
    assert default_home() == installed / "crash-workshop" / ".workshop"


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_one_clear_line(installed: Path) -> None:
    installed.chmod(0o555)
    result = CliRunner().invoke(main, ["notebooks"])
    assert result.exit_code == 1
    assert "Permission denied" in result.output
    assert "workshop notebooks FOLDER" in result.output


def test_a_file_in_its_place_is_one_clear_line(installed: Path) -> None:
    (installed / "crash-workshop").touch()
    result = CliRunner().invoke(main, ["notebooks"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: Could not copy the course into ")


def test_a_copy_that_is_complete_needs_no_writing(
    first: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instructor may share one that learners may only read."""
    copy_course(first, copy)

    def refuse(path: Path, content: bytes) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    copy_course(first, copy)
    shutil.rmtree(copy / "notebooks" / "images")
    with pytest.raises(CopyError, match="Permission denied"):
        copy_course(first, copy)
