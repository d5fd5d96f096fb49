import re
from itertools import pairwise

import pytest
from nbformat import NotebookNode

from demo_services.services import FRONTEND
from kit.crashes.catalogue import CRASHES
from kit.experiments.time_to_fix.experiment import Experiment
from kit.experiments.time_to_fix.puzzles import PUZZLES
from tests.notebooks.kernels import COURSE, NOTEBOOKS, read, sources

MAX_LINES = 30
# How a notebook words the minutes that its metadata declares.
IN_WORDS = {10: "ten", 15: "fifteen", 20: "twenty", 25: "twenty-five", 30: "thirty"}


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    return read(request.param)


def markdown(notebook: NotebookNode) -> str:
    """Return all markdown of a notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def prose(notebook: NotebookNode) -> str:
    """Return the markdown of a notebook without its blocks of code."""
    return re.sub(r"```.*?```", "", markdown(notebook), flags=re.DOTALL)


def headings(notebook: NotebookNode) -> list[str]:
    """Return the heading marks of a notebook in order."""
    return re.findall(r"^(#{1,6}) ", prose(notebook), flags=re.MULTILINE)


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


def test_it_opens_with_what_one_will_be_able_to_do_and_for_how_long(notebook: NotebookNode) -> None:
    opening = notebook.cells[0].source
    words = IN_WORDS[notebook.metadata.workshop.minutes]
    assert re.findall(r"\bIn (\S+) minutes\b", opening) == [words]
    assert len(re.findall(r"^- ", opening, flags=re.MULTILINE)) >= 3


def test_it_ends_with_something_to_do_that_is_checked(notebook: NotebookNode) -> None:
    last = [code for code in sources(notebook) if ".check(" in code][-1]
    titles = [n for n, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    where = next(n for n, cell in enumerate(notebook.cells) if cell.source == last)
    assert sum(title > where for title in titles) <= 2


def test_its_pictures_are_described(notebook: NotebookNode) -> None:
    text = prose(notebook)
    assert "![](" not in text
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", text))


def test_its_links_say_where_they_lead(notebook: NotebookNode) -> None:
    for words in re.findall(r"\[([^\]]*)\]\(", prose(notebook)):
        assert words.strip().lower() not in ("", "here", "this", "link", "this page", "click here")


def test_it_knows_no_machine(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.findall(r"(?<![\w.:/])/(?:home|Users|root|tmp|work|opt|var)/|\b[A-Z]:\\", text)


def test_its_links_to_files_lead_somewhere(notebook: NotebookNode) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", markdown(notebook)):
        assert "://" in target or (COURSE / target).is_file(), target


def test_its_links_within_the_course_name_a_heading_that_is_there(notebook: NotebookNode) -> None:
    for file, name in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", prose(notebook)):
        there = read(file) if file else notebook
        titles = re.findall(r"^#{1,6} (.*)$", markdown(there), flags=re.MULTILINE)
        assert name in [title.replace(" ", "-") for title in titles]


def test_the_guide_promises_the_rounds_that_there_are() -> None:
    row = next(
        line
        for line in markdown(read("90_instructor_guide.ipynb")).splitlines()
        if line.startswith("| [13]")
    )
    rounds = [code for code in sources(read("13_time_to_fix.ipynb")) if "experiment.round(" in code]
    assert len(rounds) == len(PUZZLES) == len(Experiment((), 13).evidence) == 3
    assert re.findall(r"\b(one|two|three|four|five|six)\b", row) == ["three"]


# The notebook's own crash is the slot machine's, which a notebook has without naming it.
@pytest.mark.parametrize(
    "crash_id", sorted({crash.id for crash in CRASHES if crash.service is not FRONTEND})
)
def test_each_crash_type_has_a_section(crash_id: str) -> None:
    code = "\n".join(source for name in NOTEBOOKS for source in sources(read(name)))
    assert crash_id in code, f"Add a section to a notebook that triggers {crash_id}."
