"""Each solution binds what its own notebook checks; test_outputs pastes it, and has it judged."""

import pytest

from kit.course.exercise import Exercise
from kit.course.exercises import EXERCISES, FIRING_EXERCISES, OTHER_EXERCISES
from tests.notebooks.kernels import NOTEBOOKS, read, sources
from tests.notebooks.pasting import Task, bound, parse, pasted, tasks

TASKS = [(name, task) for name in NOTEBOOKS for task in tasks(read(name))]
# These need an event, or the system, to be made.
MADE_OF_EVENTS = {"read-the-event", "one-issue", "guilty-function", "misspelt-stage", "torn-where"}
MISSIONS = {"the-screenshot", "most-players", "new-since"}


def ids(given: object) -> str:
    return given.name if isinstance(given, Task) else str(given).partition("_")[0]


def test_every_exercise_is_in_a_notebook() -> None:
    assert {task.name for _, task in TASKS} == {*EXERCISES, "three-hours"}


def test_no_two_missions_share_a_variable() -> None:
    missions = [task for _, task in TASKS if task.name in MISSIONS]
    assert len({task.variable for task in missions}) == len(MISSIONS)
    assert len({task.answer for task in missions}) == len(MISSIONS)


def bare(name: str) -> Exercise:
    """Return an exercise that fires nothing as long as it is not checked."""
    making = FIRING_EXERCISES.get(name) or OTHER_EXERCISES[name]
    code = making.__code__
    return making(*[()] * code.co_argcount)


@pytest.mark.parametrize(
    ("notebook", "task"),
    [
        (notebook, task)
        for notebook, task in TASKS
        if task.name not in MADE_OF_EVENTS | MISSIONS | {"three-hours"}
    ],
    ids=ids,
)
def test_a_solution_binds_what_its_cell_checks(notebook: str, task: Task) -> None:
    exercise = bare(task.name)
    assert exercise.answer_name == task.answer
    cell = pasted(sources(read(notebook))[task.stub], task.answer, exercise.solution().text)
    assert task.answer in bound(parse(cell))
    assert f"{task.answer} = …" in exercise.solution().usage or (
        f"def {task.answer}(…)" in exercise.solution().usage
    )
