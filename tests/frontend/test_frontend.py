"""What a notebook raises, in real kernels."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from kit import Workshop
from kit.crashes.expectation import CONTEXT_FIELDS, context_fields, exception_types
from tests.notebooks.kernels import START, Kernel, kernel

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
PRELUDE = """
import json, ipywidgets
seen = set()
def fresh():
    workshop.flush()
    events = [item for item in workshop.store.items(type="event") if item.id not in seen]
    seen.update(item.id for item in events)
    return [item.payload for item in events if item.project == "frontend"]
"""
BUTTON = "button = ipywidgets.Button()\nbutton.on_click(lambda _: 1 / 0)\n"


class Notebook:
    """A kernel with a workshop, and what its frontend captured."""

    def __init__(self, running: Kernel) -> None:
        self.kernel = running

    def cell(self, code: str) -> tuple[str, list[dict[str, Any]]]:
        """Run a cell; return the status of the reply, and the errors that were shown below it."""
        shown: list[dict[str, Any]] = []

        def note(message: dict[str, Any]) -> None:
            if message["msg_type"] == "error":
                shown.append(message["content"])

        reply = self.kernel.client.execute_interactive(
            code, timeout=180, output_hook=note, stop_on_error=False
        )
        return reply["content"]["status"], shown

    def events(self) -> list[dict[str, Any]]:
        """Return what the frontend reported since this was called last."""
        events: list[dict[str, Any]] = json.loads(self.kernel.run("print(json.dumps(fresh()))"))
        return events


@pytest.fixture(scope="module")
def running() -> Iterator[Notebook]:
    with kernel() as started:
        started.run(START + PRELUDE)
        yield Notebook(started)


@pytest.fixture
def notebook(running: Notebook) -> Notebook:
    running.kernel.run("Workshop.start(report=lambda line: None).hook.on()")
    running.events()
    return running


def in_app(event: dict[str, Any]) -> list[tuple[str, str]]:
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    return [
        (frame["function"], frame["context_line"].strip()) for frame in frames if frame["in_app"]
    ]


INTERRUPT = "lambda outcome: signal.raise_signal(signal.SIGINT)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "function"),
    [
        (f"workshop.trigger('game-engine/crash', on_answer={INTERRUPT})", "Workshop.trigger"),
        (
            "with patch.object(workshop._gateway, 'spin', lambda *_: signal.raise_signal(2)):\n"
            "    workshop.spin()",
            "Workshop.spin",
        ),
    ],
)
def test_an_interrupt_is_one_line(call: str, function: str, notebook: Notebook) -> None:
    status, (error,) = notebook.cell(f"import signal\nfrom unittest.mock import patch\n{call}")
    assert (status, error["ename"]) == ("error", "KeyboardInterrupt")
    assert error["traceback"] == [
        f"KeyboardInterrupt: {function}() was interrupted. To repeat it, run the cell again."
    ]
    # It was the user, not a failure.
    assert all(
        event["exception"]["values"][-1]["type"] != error["ename"] for event in notebook.events()
    )
    assert notebook.kernel.run("print(workshop.trigger('gateway/panic').missing)") == "[]\n"
    notebook.events()


def test_what_a_cell_raises_is_reported_with_its_source(notebook: Notebook) -> None:
    status, shown = notebook.cell("def spin(bet):\n    return bet / 0\n\nspin(10)")
    (event,) = notebook.events()
    assert (status, [error["ename"] for error in shown]) == ("error", ["ZeroDivisionError"])
    assert in_app(event) == [("<module>", "spin(10)"), ("spin", "return bet / 0")]
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("notebook", False)
    assert event["tags"] == {"service": "frontend", "raised_in": "cell"}
    cell = event["contexts"]["cell"]
    assert (cell["line"], cell["lines"]) == (4, 4)
    assert cell["source"].startswith("def spin(bet):")
    assert event["contexts"]["jupyter"]["shell"] == "ZMQInteractiveShell"
    assert context_fields(event) >= CONTEXT_FIELDS


def test_the_cells_before_are_its_breadcrumbs(notebook: Notebook) -> None:
    notebook.cell("fine = 1")
    notebook.cell("broken")
    notebook.cell("1 / 0")
    division, name_error = notebook.events()
    *_, last, other = division["breadcrumbs"]["values"]
    assert (last["message"].partition("] ")[2], last["level"]) == ("fine = 1", "info")
    assert (other["message"].partition("] ")[2], other["level"]) == ("broken", "error")
    assert name_error["breadcrumbs"]["values"][-1]["message"] == last["message"]


def test_what_a_callback_raises_is_reported_once(notebook: Notebook) -> None:
    status, shown = notebook.cell(f"{BUTTON}button.click()")
    (event,) = notebook.events()
    assert (status, [error["ename"] for error in shown]) == ("ok", ["ZeroDivisionError"])
    assert event["tags"]["raised_in"] == "callback"
    assert in_app(event)[-1] == ("<lambda>", "button.on_click(lambda _: 1 / 0)")


def test_a_callback_is_told_by_the_cell_that_holds_it(notebook: Notebook) -> None:
    notebook.cell(BUTTON)
    number = int(notebook.kernel.run("print(get_ipython().execution_count)"))
    notebook.cell("button.click()")
    (event,) = notebook.events()
    # The press is in a later cell, whose frame the dispatcher's traceback does not hold.
    assert event["contexts"]["cell"]["source"] == BUTTON
    assert event["contexts"]["cell"]["execution_count"] < number


def test_an_observer_is_a_callback_too(notebook: Notebook) -> None:
    notebook.cell("box = ipywidgets.IntText()\nbox.observe(lambda change: 1 / 0, 'value')")
    notebook.cell("box._handle_msg({'content': {'data': {'method': 'update', 'state': "
                  "{'value': 7}}}, 'buffers': []})")  # fmt: skip
    (event,) = notebook.events()
    assert event["tags"]["raised_in"] == "callback"


def test_what_an_output_widget_keeps_is_reported_once_and_shown_below_the_cell(
    notebook: Notebook,
) -> None:
    code = "out = ipywidgets.Output()\nwith out:\n    {}['reels']"
    _, shown = notebook.cell(code)
    (event,) = notebook.events()
    assert exception_types(event) == ["KeyError"]
    # Once to the widget, which no machine looks at, and once to the cell.
    assert [error["ename"] for error in shown] == ["KeyError"] * 2
    assert notebook.cell("pass") == ("ok", [])


def test_an_exception_that_is_raised_again_is_reported_once(notebook: Notebook) -> None:
    # The SDK itself drops what it has just seen, but only if nothing came between.
    for code in ("error = ValueError('once')\nraise error", "1 / 0", "raise error"):
        notebook.cell(code)
    assert list(map(exception_types, notebook.events())) == [["ZeroDivisionError"], ["ValueError"]]


def test_it_belongs_to_the_trace_that_is_open(notebook: Notebook) -> None:
    trace_id = notebook.kernel.run(
        f"{BUTTON}from sentry_sdk.traces import start_span\n"
        "from IPython.utils.capture import capture_output\n"
        "with capture_output(), workshop.reporting(), start_span(name='press') as opened:\n"
        "    button.click()\nprint(opened.trace_id)"
    )
    (event,) = notebook.events()
    assert event["contexts"]["trace"]["trace_id"] == trace_id.strip()


@pytest.mark.parametrize(
    "code",
    [
        "fine = 1",
        "raise KeyboardInterrupt",
        "raise SystemExit",
        "def (",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass",
        "import bdb\nraise bdb.BdbQuit",
        "%no_such_magic",
    ],
)
def test_what_is_no_failure_of_the_code_is_not_reported(code: str, notebook: Notebook) -> None:
    notebook.cell(code)
    assert notebook.events() == []


def test_without_the_hook_the_sdk_captures_nothing(notebook: Notebook) -> None:
    notebook.cell("workshop.hook.off()\nworkshop.hook.off()")
    for code in ("1 / 0", f"{BUTTON}button.click()"):
        _, shown = notebook.cell(code)
        assert [error["ename"] for error in shown] == ["ZeroDivisionError"]
    assert notebook.events() == []
    notebook.cell("workshop.hook.on()\nworkshop.hook.on()")
    notebook.cell("1 / 0")
    assert len(notebook.events()) == 1


UNTOUCHED = """
shell = get_ipython()
print(shell.showtraceback == type(shell).showtraceback.__get__(shell), [
    function for event in ('pre_run_cell', 'post_run_cell')
    for function in shell.events.callbacks[event] if 'kit' in function.__module__
])
"""


@pytest.mark.slow
def test_a_stop_leaves_ipython_as_it_was() -> None:
    with kernel() as started:
        before = started.run(UNTOUCHED)
        started.run(START)
        assert "Hook._after_cell" in started.run(UNTOUCHED)
        started.run("workshop.stop()")
        assert started.run(UNTOUCHED) == before == "True []\n"


def test_what_lies_over_the_hook_stays(notebook: Notebook) -> None:
    notebook.cell(
        "shell, calls = get_ipython(), []\nbelow = shell.showtraceback\n"
        "def over(*given, **options):\n    calls.append(1)\n    below(*given, **options)\n"
        "shell.showtraceback = over\nworkshop.hook.off()"
    )
    _, shown = notebook.cell(f"{BUTTON}button.click()")
    assert [error["ename"] for error in shown] == ["ZeroDivisionError"]
    assert notebook.kernel.run("print(calls)") == "[1]\n"
    assert notebook.events() == []
    _, shown = notebook.cell("workshop.hook.on()\nbutton.click()")
    assert [error["ename"] for error in shown] == ["ZeroDivisionError"]
    assert len(notebook.events()) == 1
    notebook.cell("workshop.hook.off()\nshell.showtraceback = below")


def test_a_report_that_fails_hides_no_traceback(notebook: Notebook) -> None:
    notebook.cell("import kit.frontend.hook\ntrue = kit.frontend.hook.capture_unhandled\n"
                  "kit.frontend.hook.capture_unhandled = None")  # fmt: skip
    for code in ("1 / 0", f"{BUTTON}button.click()"):
        _, shown = notebook.cell(code)
        assert [error["ename"] for error in shown] == ["ZeroDivisionError"]
    notebook.cell("kit.frontend.hook.capture_unhandled = true")
    assert notebook.events() == []


@pytest.mark.slow
def test_without_ipython_the_handlers_of_the_kit_are_reported(tmp_path: Path) -> None:
    with Workshop.start(home=tmp_path, report=lambda line: None) as workshop:
        assert workshop.trigger("frontend/error").missing == []
        workshop.hook.off()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kit.trigger.TELEMETRY_DEADLINE_S", 10.0)
            assert workshop.trigger("frontend/error").missing == ["error event KeyError"]


OUTPUT = BUTTON.replace("lambda _: 1 / 0", "ipywidgets.Output().capture()(lambda _: 1 / 0)")
RUNS = {
    "callback": (f"{BUTTON}button.click()", [], 1),
    "output": (f"{OUTPUT}button.click()", [], 1),
    "expected": ("1 / 0", ["raises-exception"], 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_what_a_callback_raises_fails_a_run_without_anybody(name: str, tmp_path: Path) -> None:
    code, tags, exit_code = RUNS[name]
    cells = [
        nbformat.v4.new_code_cell(f"import ipywidgets\n{START}"),
        nbformat.v4.new_code_cell(code),
    ]
    cells[1].metadata.tags = tags
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "run.ipynb")
    options = ["-n", "0", "--nbmake", str(tmp_path), "-c", str(ROOT / "pyproject.toml")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == exit_code, run.stdout
    assert ("ZeroDivisionError" in run.stdout) == bool(exit_code)
