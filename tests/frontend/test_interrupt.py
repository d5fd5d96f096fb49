"""Interrupts of code that was called in a cell, in an IPython without a kernel."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from kit import html
from kit.frontend.interrupt import shorten_interrupts


@pytest.fixture
def shell() -> InteractiveShell:
    shell = InteractiveShell()
    shorten_interrupts(shell)
    shorten_interrupts(None)
    return shell


def run(shell: InteractiveShell, code: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what an interrupted cell shows."""
    result = shell.run_cell(code)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    return capsys.readouterr().out


def test_an_interrupt_of_the_kit_is_one_line(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(html.ENVIRONMENT, "get_template", interrupt)
    shown = run(shell, "from kit.html import render\nrender('view.html')", capsys)
    assert shown.strip() == (
        "KeyboardInterrupt: render() was interrupted. To repeat it, run the cell again."
    )


def test_an_interrupt_of_own_code_shows_its_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(shell, "def mine():\n    raise KeyboardInterrupt\nmine()", capsys)
    assert "raise" in shown
    assert len(shown.splitlines()) > 5
