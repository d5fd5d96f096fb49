"""What a notebook of the course shows, and what becomes of its exercises: one run of each."""

import copy
import json
import re

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbmake.nb_result import NotebookResult as Run
from nbmake.nb_run import NotebookRun

from tests.notebooks.kernels import COURSE, DEADLINE_S, NOTEBOOKS, START, read, run
from tests.notebooks.pasting import RECORD, SHOW, solving, tasks

pytestmark = pytest.mark.system

# The first is run with every change of the code, all others with -m slow.
FIRST = "00_start_here.ipynb"
# One for each kind of thing that a second try could disturb: widgets, charts, deaths with
# child processes, the panel.
TRIED_TWICE = {
    FIRST,
    "04_memory_and_cpu.ipynb",
    "09_process_deaths.ipynb",
    "11_the_debug_panel.ipynb",
}
RUNS = [pytest.param(name, marks=[] if name == FIRST else pytest.mark.slow) for name in NOTEBOOKS]


@pytest.fixture(scope="module", params=RUNS)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A notebook run by nbmake as ``pytest --nbmake notebooks`` does, once for all tests here.

    Of some the cells come twice, in one kernel: the second half is a learner's second try. At the
    end, as after Run All, each solution is pasted over its stub.
    """
    name = request.param
    notebook = read(name)
    times = 2 if name in TRIED_TWICE else 1
    before, *after = map(nbformat.v4.new_code_cell, [RECORD, *solving(notebook), SHOW])
    given = [copy.deepcopy(cell) for _ in range(times) for cell in notebook.cells]
    notebook.cells = [before, *given, *after]
    for number, cell in enumerate(notebook.cells):
        cell.id += f"-{number}"
    path = tmp_path_factory.mktemp("course") / name
    # Some read the others beside them.
    for other in set(NOTEBOOKS) - {name}:
        (path.parent / other).symlink_to(COURSE / other)
    nbformat.write(notebook, path)
    return NotebookRun(path, DEADLINE_S).execute()


def test_it_runs_from_top_to_bottom(executed: Run) -> None:
    assert executed.error is None, executed.error.trace


def test_its_exercises_are_untried_until_their_solutions_are_correct(executed: Run) -> None:
    if executed.error is not None:
        pytest.skip("it did not get as far: see test_it_runs_from_top_to_bottom")
    (shown,) = executed.nb.cells[-1].outputs
    said = json.loads(shown.text)
    names = [task.name for task in tasks(executed.nb)]
    verdicts = [(name, verdict) for name, verdict, _ in said]
    solved = len(said) - len(names)
    assert {*verdicts[:solved]} == {(name, "Not tried yet") for name in names}, said
    assert verdicts[solved:] == [(name, "Correct") for name in names], said


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def events(html: str) -> set[str]:
    """Return the ids of the events whose cards are in a page."""
    return set(re.findall(r'data-event-id="(\w+)"', html))


def as_static_page(notebook: NotebookNode) -> str:
    """Return a notebook as HTML that knows nothing of widgets."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata.pop("widgets", None)
    html, _ = HTMLExporter(exclude_input=True).from_notebook_node(notebook)
    return str(html)


def test_no_traceback_spills_into_a_cell(executed: Run) -> None:
    spilled = [
        output
        for output in outputs(executed.nb)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert not spilled


def test_its_cards_outlive_the_kernel(executed: Run) -> None:
    data = [output.data for output in outputs(executed.nb) if "data" in output]
    shown = "".join(str(each.get("text/html", "")) for each in data)
    assert events(as_static_page(executed.nb)) == events(shown)


@pytest.mark.slow
def test_what_a_button_led_to_outlives_the_kernel() -> None:
    code = [
        START,
        "crash = workshop.crash('game-engine/crash')\ncrash",
        "event = crash.click().event",
    ]
    show = "print(event['event_id'])"
    cells = list(map(nbformat.v4.new_code_cell, [*code, show]))
    executed = run(nbformat.v4.new_notebook(cells=cells))
    page = as_static_page(executed)
    assert events(page) == {executed.cells[-1].outputs[0].text.strip()}
    for text in ("What will really happen", "HTTP 500", "RuntimeError", "How to fix it"):
        assert text in page
