from pathlib import Path

from kit.commands.lab import lab_options


def test_the_first_layout_is_made_once_and_then_the_learners(tmp_path: Path) -> None:
    options = lab_options(tmp_path / "notebooks", tmp_path / "home")
    (layout,) = (tmp_path / "home" / "jupyterlab").iterdir()
    assert f"--LabApp.workspaces_dir={layout.parent}" in options
    assert '"collapsed": true' in layout.read_text("utf-8")
    layout.write_text("{}")
    assert lab_options(tmp_path / "notebooks", tmp_path / "home") == options
    assert layout.read_text("utf-8") == "{}"


def test_where_nothing_can_be_written_it_opens_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    options = lab_options(tmp_path / "notebooks", tmp_path / "home")
    assert options[0] == f"--ServerApp.root_dir={tmp_path / 'notebooks'}"
    assert not any("workspaces_dir" in each for each in options)
