import copy
import re

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from tests.notebooks.kernels import NOTEBOOKS, START, read, run


@pytest.fixture(scope="module", params=NOTEBOOKS)
def executed(request: pytest.FixtureRequest) -> NotebookNode:
    """A notebook whose cells were run twice over in one kernel, once for all tests here."""
    notebook = read(request.param)
    again = copy.deepcopy(notebook.cells)
    for cell in again:
        cell.id += "-again"
    notebook.cells = [*notebook.cells, *again]
    return run(notebook)


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


def test_no_traceback_spills_into_a_cell(executed: NotebookNode) -> None:
    spilled = [
        output
        for output in outputs(executed)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert not spilled


def test_its_cards_outlive_the_kernel(executed: NotebookNode) -> None:
    shown = [output.data.get("text/html", "") for output in outputs(executed) if "data" in output]
    assert events(as_static_page(executed)) == events("".join(map(str, shown)))


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
