"""What notebooks say of Sentry's servers: nobody sees those here, so the page is named."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit
from kit.crashes.pages import ALERTS
from tests.notebooks.kernels import NOTEBOOKS, read

ABOUT_SERVERS = re.compile(
    r"Sentry's servers|\bin Sentry\b|\*\*Production\*\*|\bregress|[Ss]uspect commit|"
    r"Sentry\b[^.]* crash-free|"
    r"Sentry(?:'s grouping| itself)? (?:groups|grouped|would|can|could|counts|decides|finds|keeps|"
    r"links|looks|makes|marks|recommends|refuses|says|scrubs|shows|sorts|stores|trims)\b"
)
ALERT = re.compile(r"\balert", re.IGNORECASE)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
SENTRY_DOCS = r"https://(?:docs|develop)\.sentry\.(?:io|dev)/[^\s)\"]+"
DOCUMENTED = re.compile(
    rf"\[documented\]\({SENTRY_DOCS}\), (?:{MONTHS}) 20\d\d"
    # The head of a table of such rows says when they were read.
    rf"|^\| \[[^\]]+\]\({SENTRY_DOCS}\) \|"
)
KIT = Path(kit.__file__).parent
# A drawing links to nothing. The page is named where that is worked out which it shows.
WORKED_OUT = {
    "card": "grouping",
    "check_ins": "lateness",
    "event": "grouping",
    "issues": "server/references",
    "release_health": "sessions",
    "server_cuts": "server/references",
}
# What a learner reads on the screen. The crash types have tests of their own.
ON_SCREEN = sorted(
    path
    for room in ("views", "templates", "course", "experiments", "reliability")
    for path in (KIT / room).rglob("*")
    if path.suffix in (".py", ".html")
)


def paragraphs(text: str) -> list[str]:
    """Return what is said as one: paragraphs, items of lists, and rows of tables."""
    starts = r"\n\s*\n|\n(?=\s*[-|]|\s*\d+\. )"
    return [" ".join(each.split()) for each in re.split(starts, text)]


def statements(name: str) -> list[str]:
    """Return the paragraphs of a notebook."""
    # The first cell promises, headings name, and a table's head is no row of it.
    return [
        paragraph
        for cell in read(name).cells[1:]
        if cell.cell_type == "markdown"
        for paragraph in paragraphs(cell.source)
        if not re.match(r"#|\| *\|", paragraph)
    ]


def undocumented(said: list[str], about: re.Pattern[str]) -> list[str]:
    return [each for each in said if about.search(each) and not DOCUMENTED.search(each)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_servers_do_names_its_page_and_when_it_was_read(name: str) -> None:
    assert undocumented(statements(name), ABOUT_SERVERS) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_advice_to_alert_names_the_page_of_alerts_once(name: str) -> None:
    said = statements(name)
    linked = any(f"]({ALERTS.url})" in each for each in said)
    assert linked or undocumented(said, ALERT) == []


@pytest.mark.parametrize(
    "said",
    [
        "**Production** filters by tags.",
        "A resolved issue that comes back is *regressed*.",
        "Sentry's servers refuse an event of that size ([source](https://example.org/relay)).",
        "Sentry counts its users ([documented](https://docs.sentry.io/product/)).",
    ],
    ids=["production", "state", "another page", "no month"],
)
def test_a_statement_without_its_page_is_found(said: str) -> None:
    assert undocumented([said], ABOUT_SERVERS) == [said]


def texts(path: Path) -> Iterator[str]:
    """The texts in a module, or the lines of a template."""
    source = path.read_text("utf-8")
    if path.suffix == ".html":
        yield from source.splitlines()
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())


@pytest.mark.parametrize("path", ON_SCREEN, ids=lambda path: str(path.relative_to(KIT)))
def test_what_the_screen_says_of_servers_has_its_page_in_the_source(path: Path) -> None:
    rule = KIT / "reading" / f"{WORKED_OUT.get(path.stem)}.py"
    # A room that models much of it lists the pages in one place.
    sources = [path, rule, path.parent / "pages.py", path.parent / "references.py"]
    texts_of = (each.read_text("utf-8") for each in sources if each.exists())
    named = any(re.search(SENTRY_DOCS, text) for text in texts_of)
    assert named or [text for text in texts(path) if ABOUT_SERVERS.search(text)] == []


@pytest.mark.parametrize("name", WORKED_OUT)
def test_each_exception_is_one(name: str) -> None:
    said = [text for path in ON_SCREEN if path.stem == name for text in texts(path)]
    assert any(ABOUT_SERVERS.search(text) for text in said)
