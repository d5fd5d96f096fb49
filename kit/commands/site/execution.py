"""Runs the notebooks of the course, so that they have what they showed."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from kit.actionable import ActionableError
from kit.widgets.press import PRESS_VARIABLE

CELL_S = 300
# As many as nbmake runs at once in the README's command: a notebook waits as long as it computes.
AT_ONCE = 3

OnNotebook = Callable[[str], object]


class ExecutionError(ActionableError):
    """Why a notebook did not run to its end, and what to do."""


def execute_course(
    notebooks: Sequence[Path], folder: Path, home: Path, on_notebook: OnNotebook
) -> None:
    """Run each notebook in a kernel of its own, and write it with its outputs into ``folder``.

    Every crash button is pressed when it is shown. ``home`` holds a folder for what each captures.
    ``on_notebook`` is given the name of each that has run. Raises ExecutionError, after those that
    had begun.
    """
    with _pool() as pool:
        running = {
            pool.submit(_execute, path, folder, home / path.stem): path.name for path in notebooks
        }
        for ended in as_completed(running):
            ended.result()
            on_notebook(running[ended])


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Run at most ``AT_ONCE``; after an error or an interrupt begin no more."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _execute(path: Path, folder: Path, home: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        timeout=CELL_S,
        startup_timeout=CELL_S,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    env = {**os.environ, "WORKSHOP_HOME": str(home), PRESS_VARIABLE: "1"}
    try:
        client.execute(env=env)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        last = str(error).strip().splitlines()[-1:] or ["its kernel ended"]
        raise ExecutionError(
            f"{path.name} did not run to its end: {last[0]}. Next: run it with "
            f"pytest --nbmake {path}, which prints the cell and the traceback."
        ) from error
    nbformat.write(notebook, folder / path.name)  # type: ignore[no-untyped-call]
