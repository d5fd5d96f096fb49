import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises import EXERCISES
from kit.course.exercises.teaching import three_hours
from kit.course.notebooks import read_course
from kit.home import COURSE

TALK = 5


@pytest.fixture
def exercise() -> Exercise:
    books = read_course(COURSE)
    return three_hours({book.number: book.minutes + TALK for book in books if book.minutes})


def test_its_own_solution_solves_it(exercise: Exercise) -> None:
    names = {}
    exec(exercise.solution().text, names)
    assert exercise.check(names[exercise.answer_name]).verdict is Verdict.PASS


@pytest.mark.parametrize("untouched", [..., [0, ..., 13]])
def test_an_untouched_answer_is_not_called_wrong(exercise: Exercise, untouched: object) -> None:
    assert exercise.check(untouched).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "needs a list"),
        ("pause", "needs a list"),
        ([0, 1, "lunch", 13], "neither a notebook number"),
        ([0, 99, 13], "neither a notebook number"),
        ([0, 1, 1, 2, 13], "twice"),
        ([], "few"),
        ([0, 1, "pause", 13], "few"),
        ([1, 0, 2, 3, 13], "Start with 0"),
        ([0, 1, 2, 13, 3], "Start with 0"),
        ([0, 1, 2, 3, 13], "without a pause"),
        ([0, 1, 2, "pause", 3, 8, "pause", 10, 11, 13], "but you have 180"),
    ],
)
def test_a_wrong_answer_is_told_why(exercise: Exercise, answer: object, said: str) -> None:
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL
    assert said in result.message


def test_it_counts_in_no_learners_progress(exercise: Exercise) -> None:
    assert exercise.name not in EXERCISES
