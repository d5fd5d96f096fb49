from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.commands.cli import main
from kit.commands.site import pages


def site(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["site", *map(str, arguments)])


def test_an_unknown_notebook_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    made = site(tmp_path / "site", "--run", "00_start")
    assert made.exit_code == 1
    assert "There is no notebook '00_start'. There are 00_start_here, 01_" in made.output
    assert not (tmp_path / "site").exists()


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").touch()
    made = site(tmp_path)
    assert made.exit_code == 1
    assert "has files that are not of a site" in made.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.md"]


def test_without_its_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    made = site(tmp_path / "site")
    assert made.exit_code == 1
    assert 'pip install "crash-workshop[site]"' in made.output
