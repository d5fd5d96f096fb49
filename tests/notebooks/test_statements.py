"""What notebooks say of Sentry's servers: nobody sees those here, so the page is named."""

import re

import pytest

from tests.notebooks.kernels import NOTEBOOKS, read

ABOUT_SERVERS = re.compile(
    r"Sentry's servers|\bin Sentry\b|\bregression\b|Sentry\b[^.]* crash-free|"
    r"Sentry(?:'s grouping| itself)? (?:groups|grouped|would|can|could|counts|decides|finds|keeps|"
    r"links|looks|makes|marks|recommends|says|shows|sorts)\b"
)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DOCUMENTED = re.compile(
    r"\[documented\]\(https://(?:docs|develop)\.sentry\.(?:io|dev)/[^\s)]+\), "
    rf"(?:{MONTHS}) 20\d\d"
)


def paragraphs(text: str) -> list[str]:
    """Return what is said as one: paragraphs, items of lists, and rows of tables."""
    starts = r"\n\s*\n|\n(?=\s*[-|]|\s*\d+\. )"
    return [" ".join(each.split()) for each in re.split(starts, text)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_servers_do_names_its_page_and_when_it_was_read(name: str) -> None:
    # The first cell promises, headings name, and a table's head is no row of it.
    said = [
        paragraph
        for cell in read(name).cells[1:]
        if cell.cell_type == "markdown"
        for paragraph in paragraphs(cell.source)
        if not re.match(r"#|\| *\|", paragraph)
    ]
    bare = [each for each in said if ABOUT_SERVERS.search(each) and not DOCUMENTED.search(each)]
    assert bare == []
