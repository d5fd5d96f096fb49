"""The house of kit: what lies where, what may import what, and what things are called."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

KIT = Path(__file__).parents[2] / "kit"
ROOMS = sorted(path.parent for path in KIT.rglob("__init__.py") if path.parent != KIT)
# One module for each notebook: a list of declarations, which grows with the course.
DECLARATIONS = {KIT / "course" / "exercises"}
MAX_FILES = 15

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_imports_run_one_way() -> None:
    # In a process of its own: it configures the loggers of the one that it runs in.
    program = "import sys; from importlinter.cli import lint_imports as lint; sys.exit(lint())"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=KIT.parent, capture_output=True, text=True
    )
    assert ended.returncode == 0, (
        f"A room imports from one above it, or has no place yet in the layers of pyproject.toml. "
        f"Move what both need into the lower one.\n{ended.stdout}{ended.stderr}"
    )


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(KIT)))
def test_a_room_says_what_lives_there(room: Path) -> None:
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))), (
        f"Begin {room.name}/__init__.py with what lives there, and what it may import."
    )


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(KIT)))
def test_a_room_is_neither_a_closet_nor_a_hall(room: Path) -> None:
    files = [path for path in room.glob("*.py") if path.name != "__init__.py"]
    rooms = [path for path in ROOMS if path.parent == room]
    assert len(files) + len(rooms) > 1, f"{room.name} holds one file: put it into another room."
    assert len(files) <= MAX_FILES or room in DECLARATIONS, f"{room.name} holds {len(files)} files."


def definitions() -> Iterator[tuple[Path, ast.AST | None, Definition]]:
    """Yield each class and function of kit, with its file, and the class or function around it."""
    for path in sorted(KIT.rglob("*.py")):
        pending: list[tuple[ast.AST | None, ast.AST]] = [(None, ast.parse(path.read_text("utf-8")))]
        while pending:
            around, node = pending.pop()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Definition):
                    yield path, around, child
                    pending.append((child, child))
                else:
                    pending.append((around, child))


def _defined_twice(names: Iterator[tuple[str, Path]]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for name, path in names:
        found[name].append(str(path.relative_to(KIT)))
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_class_name_is_defined_twice() -> None:
    classes = ((n.name, path) for path, _, n in definitions() if isinstance(n, ast.ClassDef))
    assert _defined_twice(classes) == {}, "Name each by what only it is."


def test_no_public_function_name_is_defined_twice() -> None:
    functions = (
        (node.name, path)
        for path, around, node in definitions()
        if around is None
        and not isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        # Programs that are run by path, without the kit.
        and node.name != "main"
    )
    assert _defined_twice(functions) == {}, "Name each by what only it does."
