"""The public face: what a notebook may import from kit."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kit

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CODE = {
    path.stem: "\n".join(
        # A magic is no Python; IPython's own parser is not needed for imports.
        re.sub(r"^\s*[%!].*$", "", "".join(cell["source"]), flags=re.MULTILINE)
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
    )
    for path in NOTEBOOKS
}
OURS = {"kit", "demo_services", "tests"}


def imports(code: str) -> list[tuple[str, list[str]]]:
    """Return each module of ours that the code imports from, with the names."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
    return [(module, names) for module, names in found if module.partition(".")[0] in OURS]


@pytest.mark.parametrize("name", CODE)
def test_a_notebook_imports_from_the_face_only(name: str) -> None:
    for module, names in imports(CODE[name]):
        assert module == "kit" or module.startswith("demo_services"), (
            f"{name} imports {module}: add what it needs to kit/__init__.pyi."
        )
        if module == "kit":
            assert set(names) <= set(kit.__all__), f"Add to kit/__init__.pyi: {names}"


@pytest.mark.parametrize("name", kit.__all__)
def test_a_name_of_the_face_is_there_documented_and_used(name: str) -> None:
    value = getattr(kit, name)
    if callable(value) or inspect.ismodule(value):
        assert inspect.getdoc(value), f"{name} has no docstring"
    else:
        assert _is_described(name), f"Say above {name} in kit/__init__.pyi what it is."
    is_imported = any(name in _names_from_kit(code) for code in CODE.values())
    is_recommended = any(
        f"`from kit import {name}`" in path.read_text("utf-8") for path in NOTEBOOKS
    )
    assert is_imported or is_recommended, (
        f"No notebook needs {name}: drop it from kit/__init__.pyi."
    )


def _names_from_kit(code: str) -> set[str]:
    return {name for module, names in imports(code) if module == "kit" for name in names}


def _is_described(constant: str) -> bool:
    stub = (ROOT / "kit" / "__init__.pyi").read_text("utf-8")
    return re.search(rf"^# \w.*\nfrom \S+ import {constant} as", stub, re.MULTILINE) is not None


def test_all_names_are_listed() -> None:
    assert dir(kit) == sorted(kit.__all__)


@pytest.mark.parametrize("heavy", ["fastapi", "sentry_sdk", "IPython", "kit.workshop"])
def test_nothing_is_imported_before_it_is_used(heavy: str) -> None:
    program = f"import sys, kit, kit.commands.cli; print({heavy!r} in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("False\n", "")
