import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.kernels import START

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
HEALTHY = f"{START}\nassert workshop.crash('game-engine/crash').click().event"
BROKEN = f"""{START}
import kit.widgets.crash_widget
def event_cards(events):
    raise OSError('no card')
kit.widgets.crash_widget.event_cards = event_cards
workshop.crash('game-engine/crash').click()"""


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        pytest.param(HEALTHY, 0, marks=pytest.mark.slow, id="healthy"),
        pytest.param(BROKEN, 1, id="broken"),
    ],
)
def test_a_button_whose_callback_raises_fails_the_run(
    code: str, exit_code: int, tmp_path: Path
) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "click.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbmake",
        "-n",
        "0",
        str(tmp_path),
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == exit_code, run.stdout
    assert (": no card" in run.stdout) == bool(exit_code)
