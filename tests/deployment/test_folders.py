import os
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from demo_services import payment
from kit.home import default_home
from kit.hosting import node
from kit.hosting.server import ServerError
from kit.ingest.store import Store
from kit.private import private_file
from tests.hosting.installed import write_installed

posix_only = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
USER_DATA = Path("user", "data")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course that is looked at from inside its notebooks, with nothing set."""
    monkeypatch.delenv("WORKSHOP_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: USER_DATA / name)
    (tmp_path / "course" / "notebooks").mkdir(parents=True)
    (tmp_path / "course" / "notebooks" / "00_start_here.ipynb").touch()
    monkeypatch.chdir(tmp_path / "course" / "notebooks")
    return tmp_path / "course"


def test_the_folder_is_beside_a_course_of_ones_own(course: Path) -> None:
    assert default_home() == course / ".workshop"
    (course / ".workshop").mkdir()
    assert default_home() == course / ".workshop"


def test_of_a_course_that_cannot_be_written_to_it_is_the_users(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by a mode: root may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != course)
    assert default_home() == USER_DATA / "crash-workshop"


@posix_only
def test_of_somebody_elses_folder_it_is_the_users(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (course / ".workshop").mkdir(mode=0o777)
    monkeypatch.setattr(os, "getuid", lambda: course.stat().st_uid + 1)
    assert default_home() == USER_DATA / "crash-workshop"


@posix_only
def test_what_is_captured_is_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        store = Store(home / "captured.sqlite3", keep=timedelta(days=1))
        try:
            files = list(home.iterdir())
            assert len(files) == 3  # SQLite's own two are beside it while it is open
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
            assert stat.S_IMODE(home.stat().st_mode) == 0o700
        finally:
            store.close()
    finally:
        os.umask(before)


@posix_only
def test_a_file_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    path.chmod(0o644)
    assert private_file(path).read_text() == "kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the class in which nothing may be installed; return it, still empty."""

    def install(*given: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "cache"))

    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "utime", install)
    monkeypatch.setattr(node, "_install_lock", install)
    return tmp_path / "cache"


def test_a_complete_cache_of_the_class_needs_no_writing(no_npm: Path) -> None:
    found = node.find_node()
    write_installed(payment.HOME, node.node_modules(payment.HOME, found))
    assert node.install_packages(payment.HOME, found, print) == node.node_modules(
        payment.HOME, found
    )
    shutil.rmtree(no_npm)
    with pytest.raises(ServerError, match="set WORKSHOP_CACHE to another folder"):
        node.install_packages(payment.HOME, found, print)
