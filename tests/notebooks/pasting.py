"""A solution pasted into its notebook: what a learner does who asks for one."""

import ast
import builtins
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

from tests.notebooks.kernels import sources

_PLAIN = (ast.Assign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_CHANGES = {"add", "append", "extend", "setdefault", "update"}
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
    made: dict[str, tuple[str, int]] = {}
    for number, tree in enumerate(trees):
        made |= {variable: (name, number) for variable, name in _exercises(tree)}
        for variable, answer in _checks(tree):
            stub = max(n for n in range(number + 1) if answer in bound(trees[n]))
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


def needed(cells: list[str], wanted: Collection[int]) -> list[int]:
    """Return those cells, and the ones before them that bind a name which they load."""
    names, found = set[str](), list[int]()
    for number in reversed(range(len(cells))):
        tree = parse(cells[number])
        if number in wanted or bound(tree) & names:
            # What is bound here and not under a condition, no earlier cell has to bind.
            anew = (each for each in tree.body if isinstance(each, _PLAIN))
            names = names.difference(*map(bound, anew)) | loaded(tree)
            found.append(number)
    return found[::-1]


def bound(tree: ast.AST) -> set[str]:
    """Return the names that a statement binds, outside of functions, or changes a part of."""
    return set(_bound(tree))


def loaded(tree: ast.AST) -> set[str]:
    """Return the names that are used, in functions as well, but for the functions' own."""
    return set(_loaded(tree)) - set(dir(builtins))


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


def _loaded(tree: ast.AST) -> Iterator[str]:
    match tree:
        case ast.Name(id=name, ctx=ast.Load()):
            yield name
        case ast.FunctionDef(args=given) | ast.AsyncFunctionDef(args=given):
            inside = {name for each in tree.body for name in bound(each)}
            own = inside | {each.arg for each in ast.walk(given) if isinstance(each, ast.arg)}
            of_children = (_loaded(each) for each in ast.iter_child_nodes(tree))
            yield from (name for names in of_children for name in names if name not in own)
            return
    for child in ast.iter_child_nodes(tree):
        yield from _loaded(child)


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
