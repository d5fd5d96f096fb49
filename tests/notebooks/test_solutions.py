"""Each solution, pasted over the stub in its own notebook, is judged correct."""

from collections.abc import Iterator

import pytest

from kit.course.exercise import Exercise
from kit.course.exercises import EXERCISES, FIRING_EXERCISES, OTHER_EXERCISES
from tests.notebooks.kernels import NOTEBOOKS, START, Kernel, kernel, read, sources
from tests.notebooks.pasting import Task, bound, needed, parse, pasted, tasks

TASKS = [(name, task) for name in NOTEBOOKS for task in tasks(read(name))]
# Each verdict of a kernel, whatever its cells do with it.
RECORD = """
from kit.course.exercise import Exercise
verdicts, unrecorded = [], Exercise.check
def check(self, *given):
    result = unrecorded(self, *given)
    verdicts.append(f"{self.name}: {result!r}")
    return result
Exercise.check = check
"""
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


@pytest.fixture(scope="module")
def running() -> Iterator[Kernel]:
    """A kernel that has started the system: each notebook's own start finds it running."""
    with kernel() as started:
        started.run(START + RECORD)
        yield started


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=ids)
def test_solutions_pasted_over_their_stubs_are_correct(running: Kernel, notebook: str) -> None:
    cells, found = sources(read(notebook)), tasks(read(notebook))
    # As after Run All, with what is asked for: a solution is judged by its own exercise then, too.
    solutions = []
    wanted = {number for task in found for number in range(task.made, task.cell + 1)}
    for number in needed(cells, wanted):
        running.run(cells[number])
        for task in (each for each in found if each.cell == number):
            untouched = running.run("print(verdicts[-1])")
            assert untouched.startswith(f"{task.name}: Not tried yet"), untouched
            solutions.append(running.run(f"print({task.variable}.solution().text)"))
    for task, solution in zip(found, solutions, strict=True):
        running.run(pasted(cells[task.stub], task.answer, solution))
        if task.stub != task.cell:
            running.run(cells[task.cell])
        said = running.run("print(verdicts[-1])")
        assert said.startswith(f"{task.name}: Correct"), said
