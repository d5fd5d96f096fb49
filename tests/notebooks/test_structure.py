import re
from itertools import pairwise

import pytest
from nbformat import NotebookNode

from tests.notebooks.kernels import COURSE, NOTEBOOKS, read, sources

MAX_LINES = 30


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    return read(request.param)


def headings(notebook: NotebookNode) -> list[str]:
    """Return the heading marks of a notebook in order; code blocks have none."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"^(#{1,6}) ", prose, flags=re.MULTILINE)


def test_it_has_one_title_at_its_top(notebook: NotebookNode) -> None:
    assert notebook.cells[0].source.startswith("# ")
    assert headings(notebook).count("#") == 1


def test_no_level_of_headings_is_left_out(notebook: NotebookNode) -> None:
    levels = [len(mark) for mark in headings(notebook)]
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_it_names_its_kernel(notebook: NotebookNode) -> None:
    # Without it JupyterLab covers the page with a question.
    assert notebook.metadata.kernelspec.name == "python3"


def test_its_cells_are_short(notebook: NotebookNode) -> None:
    assert max((len(code.splitlines()) for code in sources(notebook)), default=0) < MAX_LINES


def test_it_holds_no_output(notebook: NotebookNode) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "widgets" not in notebook.metadata


def test_its_links_to_files_lead_somewhere(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert "://" in target or (COURSE / target).is_file(), target
