"""Nothing on the screen answers a question before it is asked."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from nbformat import NotebookNode

import demo_services
from kit.course.exercises.blind_spots import SIX_BLIND_SPOTS
from tests.notebooks.kernels import NOTEBOOKS, read
from tests.notebooks.pasting import parse

# How a notebook asks for a prediction.
ASKS = re.compile(
    r"\b(?:predict|guess|what do you (?:expect|think)|before you (?:run|press|look)|"
    r"your (?:number|guess|prediction))\b",
    re.IGNORECASE,
)
# Each such question: a part of its text, and what would answer it. It may be in no text and in no
# code from the section's heading to the cells that are run to find out.
ANSWERS = {
    ("02", "How many issues is that?"): r"\b5\b|\bfive\b",
    ("06", "What do you expect of the second insert?"): r"\bok\b|succeeded",
    ("08", "Predict which of these five end the process."): r": (?:True|False),",
    ("15", "What does the SDK make of these four locals?"): r"Filtered|[Pp]arts? of (?:a )?names?",
}
# These only use such words.
NO_QUESTIONS = {
    ("14", "and then with a guess"),
    ("14", "it must not help to guess"),
    ("14", "wrong guesses would cost nothing"),
    ("14", "an answer that does not help to guess"),
    ("13", "One time in five a guess is right"),
    ("18", "before you update"),
    ("25", "you predict whether it stays so"),
    ("25", "A result that you did not predict"),
    ("25", "The widget asks for your prediction"),
    ("25", "in numbers, predict, break one thing"),
}


@dataclass(frozen=True)
class Question:
    """A paragraph that asks, and all that one has seen when its answer comes.

    ``above`` is the text and code of its section up to the end of ``code``, the cells below it.
    """

    notebook: str
    text: str
    above: str
    code: tuple[str, ...]


def questions(name: str) -> Iterator[Question]:
    """Yield the paragraphs of a notebook, but for its opening, that ask for a prediction."""
    cells = read(name).cells
    for number, cell in enumerate(cells[1:], start=1):
        if cell.cell_type != "markdown":
            continue
        for paragraph in re.split(r"\n\s*\n", cell.source):
            asks = ASKS.search(paragraph) and not paragraph.startswith("#")
            if asks and not _only_uses_words(name, paragraph):
                yield _question(name, cells, number, " ".join(paragraph.split()))


def _only_uses_words(name: str, paragraph: str) -> bool:
    text = " ".join(paragraph.split())
    return any(name.startswith(book) and words in text for book, words in NO_QUESTIONS)


def _question(name: str, cells: list[NotebookNode], number: int, text: str) -> Question:
    start = next(n for n in range(number, -1, -1) if re.match("##? ", cells[n].source))
    end = number + 1
    while end < len(cells) and cells[end].cell_type == "code":
        end += 1
    sources = [cell.source for cell in cells[start:end]]
    return Question(name, text, "\n\n".join(sources), tuple(sources[number + 1 - start :]))


QUESTIONS = [question for name in NOTEBOOKS for question in questions(name)]


def ids(question: Question) -> str:
    return f"{question.notebook[:2]}-{question.text[:30]}"


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_what_would_answer_a_question_is_declared_and_not_above(question: Question) -> None:
    declared = [
        answer
        for (book, words), answer in ANSWERS.items()
        if question.notebook.startswith(book) and words in question.text
    ]
    assert declared, "declare in ANSWERS what would answer it"
    assert re.findall(declared[0], question.above) == []


def test_every_declared_question_is_asked() -> None:
    for book, words in ANSWERS:
        assert any(q.notebook.startswith(book) and words in q.text for q in QUESTIONS), words


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_the_cell_below_a_question_neither_asserts_nor_shows_a_box_that_answers(
    question: Question,
) -> None:
    assert question.code
    for code in question.code:
        assert not any(isinstance(each, ast.Assert) for each in ast.walk(parse(code)))
        # Its box says what will really happen.
        assert "workshop.crash(" not in code


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_crash_button_is_not_asked_about(name: str) -> None:
    cells = read(name).cells
    for above, below in pairwise(cells):
        if above.cell_type == "markdown" and "workshop.crash(" in below.source:
            asked = above.source.rstrip().splitlines()[-1]
            assert not re.search(r"\?\s*$", asked), "its box has the answer"


# What a stack trace shows around the line that failed


COMMENT = {".py": "#", ".js": "//"}
SOURCES = [
    path
    for path in Path(demo_services.__file__).parent.rglob("*")
    if path.suffix in COMMENT and "node_modules" not in path.parts
]


def test_no_comment_of_the_services_names_a_bug() -> None:
    assert len(SOURCES) > 20
    named = [
        f"{path.name}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text("utf-8").splitlines()
        if re.search(rf"{COMMENT[path.suffix]}.*\b(?:bug|mistake here|wrong on purpose)\b", line)
    ]
    assert named == []


def test_the_failures_to_predict_are_shown_without_what_becomes_of_them() -> None:
    for spot in SIX_BLIND_SPOTS:
        for told in ("captured", "an event", spot.why):
            assert told not in spot.fails + spot.before
