import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ipykernel.ipkernel import IPythonKernel

from kit.commands.contents import CourseContents
from tests.notebooks.kernels import COURSE, NOTEBOOKS


@pytest.fixture
def contents(tmp_path: Path) -> CourseContents:
    for name in NOTEBOOKS[:2]:
        shutil.copy(COURSE / name, tmp_path)
    return CourseContents(root_dir=str(tmp_path))  # type: ignore[no-untyped-call]


def read(contents: CourseContents, name: str) -> dict[str, Any]:
    return asyncio.run(contents.get(name))


def test_a_notebook_has_the_language_of_this_python(contents: CourseContents) -> None:
    info = read(contents, NOTEBOOKS[0])["content"]["metadata"]["language_info"]
    assert info == IPythonKernel.language_info


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_names_its_kernel_as_jupyterlab_does(name: str) -> None:
    metadata = json.loads((COURSE / name).read_text("utf-8"))["metadata"]
    assert metadata["language_info"] == {"name": "python"}
    assert metadata["kernelspec"] == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }


def test_saving_changes_nothing_but_what_was_changed(
    contents: CourseContents, tmp_path: Path
) -> None:
    model = read(contents, NOTEBOOKS[0])
    model["content"]["cells"][0]["source"] += "!"
    asyncio.run(contents.save(model, NOTEBOOKS[0]))
    before, after = (
        json.loads((folder / NOTEBOOKS[0]).read_text()) for folder in (COURSE, tmp_path)
    )
    assert after["metadata"] == before["metadata"]
    assert "".join(after["cells"][0]["source"]) == "".join(before["cells"][0]["source"]) + "!"


def test_files_of_another_kind_are_left_alone(contents: CourseContents, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("text")
    assert read(contents, "other.txt")["content"] == "text"
    assert {each["name"] for each in read(contents, "")["content"]} >= {*NOTEBOOKS[:2], "other.txt"}
    other = {"cells": [], "metadata": {"language_info": {"name": "julia"}}, "nbformat": 4}
    (tmp_path / "other.ipynb").write_text(json.dumps({**other, "nbformat_minor": 5}))
    assert read(contents, "other.ipynb")["content"]["metadata"]["language_info"] == {
        "name": "julia"
    }
    created = asyncio.run(contents.new_untitled(type="notebook"))  # type: ignore[no-untyped-call]
    assert read(contents, created["path"])["content"]["cells"] == []
