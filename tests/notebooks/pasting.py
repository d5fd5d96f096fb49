"""A solution pasted into its notebook: what a learner does who asks for one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

from tests.notebooks.kernels import sources

_CHANGES = {"add", "append", "extend", "setdefault", "update"}
# Each verdict of a kernel, whatever its cells do with it, and whose it is.
RECORD = """
from kit.course.exercise import Exercise
verdicts, checked, unrecorded = [], {}, Exercise.check
def check(self, *given):
    result = unrecorded(self, *given)
    checked[self.name] = self
    verdicts.append((self.name, result.verdict.value, result.message))
    return result
Exercise.check = check
"""
SHOW = "import json\nprint(json.dumps(verdicts))"
_SOLUTION = "<the solution>"
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(frozen=True)
class Task:
    """An exercise in its notebook: ``variable.check(answer)`` in ``cell``.

    ``made`` is the cell that makes it, ``stub`` the one that binds the answer. Cells are counted
    among those with code.
    """

    name: str
    variable: str
    answer: str
    made: int
    stub: int
    cell: int


def tasks(notebook: NotebookNode) -> list[Task]:
    """Return the exercises of a notebook in their order."""
    found: dict[str, Task] = {}
    trees = [parse(code) for code in sources(notebook)]
    names = list(map(bound, trees))
    made: dict[str, tuple[str, int]] = {}
    for number, tree in enumerate(trees):
        made |= {variable: (name, number) for variable, name in _exercises(tree)}
        for variable, answer in _checks(tree):
            stub = max(n for n in range(number + 1) if answer in names[n])
            name, where = made[variable]
            found.setdefault(name, Task(name, variable, answer, where, stub, number))
    return list(found.values())


def parse(code: str) -> ast.Module:
    """Return the tree of a cell, which may await."""
    tree = compile(code, "cell", "exec", _FLAGS)
    assert isinstance(tree, ast.Module)
    return tree


def pasted(code: str, answer: str, solution: str) -> str:
    """Return a cell with a solution over the statement that binds ``answer`` in it."""
    (stub,) = (each for each in parse(code).body if answer in bound(each))
    lines = code.splitlines()
    assert stub.end_lineno is not None
    return "\n".join([*lines[: stub.lineno - 1], solution, *lines[stub.end_lineno :]])


def solving(notebook: NotebookNode) -> list[str]:
    """Return cells that paste each solution and check it, after RECORD and all others."""
    cells = sources(notebook)
    return [code for task in tasks(notebook) for code in _solving(task, cells)]


def _solving(task: Task, cells: list[str]) -> Iterator[str]:
    # Only the kernel knows it: some are made of the events of this run.
    solution = f"checked[{task.name!r}].solution().text"
    cell = (
        f"{pasted(cells[task.stub], task.answer, _SOLUTION)!r}.replace({_SOLUTION!r}, {solution})"
    )
    yield f"get_ipython().run_cell({cell}).raise_error()"
    if task.stub != task.cell:
        yield cells[task.cell]


def bound(tree: ast.AST) -> set[str]:
    """Return the names that a statement binds, outside of functions, or changes a part of."""
    return set(_bound(tree))


def _bound(tree: ast.AST) -> Iterator[str]:
    match tree:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((each.asname or each.name).partition(".")[0] for each in names)
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
            yield name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if (
            method in _CHANGES
        ):
            yield name
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.Lambda | ast.comprehension):
            yield from _bound(child)


def _exercises(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the variable and the name of each exercise that is made in a cell."""
    for each in ast.walk(tree):
        match each:
            case ast.Assign(
                targets=[ast.Name(id=variable)],
                value=ast.Call(
                    func=ast.Attribute(attr="exercise"), args=[ast.Constant(value=n), *_]
                ),
            ):
                yield variable, str(n)
            case ast.Assign(
                targets=[ast.Name(id=variable)], value=ast.Call(func=ast.Name(id="three_hours"))
            ):
                yield variable, "three-hours"


def _checks(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the variables of each exercise that is checked in a cell, and of its answer."""
    for each in ast.walk(tree):
        match each:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=variable), attr="check"),
                args=[ast.Name(id=answer)],
            ):
                yield variable, answer
