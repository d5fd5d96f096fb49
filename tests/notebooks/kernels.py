"""Notebooks in real kernels."""

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

COURSE = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(path.name for path in COURSE.glob("[0-9]*.ipynb"))
DEADLINE_S = 300
INTERRUPT_S = 30
START = "from kit import Workshop\nworkshop = Workshop.start(report=lambda line: None)"


def read(name: str) -> NotebookNode:
    """Return a notebook of the course."""
    return nbformat.read(COURSE / name, as_version=4)


def run(notebook: NotebookNode) -> NotebookNode:
    """Run a notebook from top to bottom in a kernel of its own; the copy has the outputs."""
    notebook = nbformat.from_dict(notebook)
    NotebookClient(
        notebook,
        timeout=DEADLINE_S,
        startup_timeout=DEADLINE_S,
        iopub_timeout=DEADLINE_S,
        resources={"metadata": {"path": str(COURSE)}},
    ).execute()
    return notebook


def sources(notebook: NotebookNode) -> list[str]:
    """Return the code of a notebook, cell by cell."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


class Kernel:
    """A kernel that runs one piece of code after the other."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str) -> str:
        """Run code and return what it printed. Raises AssertionError with its traceback."""
        printed: list[str] = []

        def on_output(message: dict[str, object]) -> None:
            content: dict[str, str] = message["content"]  # type: ignore[assignment]
            printed.append(content.get("text", ""))

        reply = self.client.execute_interactive(code, timeout=DEADLINE_S, output_hook=on_output)
        assert reply["content"]["status"] == "ok", reply["content"].get("evalue")
        return "".join(printed)

    def begin(self, code: str) -> str:
        """Let it run code, and return the message's id once that has printed ``begun``."""
        message: str = self.client.execute(code, stop_on_error=False)
        # The line may come in pieces, or with the next.
        while "begun" not in self._told().get("text", ""):
            pass
        return message

    def _told(self) -> dict[str, str]:
        content: dict[str, str] = self.client.get_iopub_msg(timeout=DEADLINE_S)["content"]
        return content


@contextmanager
def kernel(**environment: str) -> Iterator[Kernel]:
    """Start a kernel in the course's folder, and end it; ``environment`` is added to its own."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(COURSE), env={**os.environ, **environment})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.is_alive():
            manager.shutdown_kernel(now=True)


def interrupt_when_begun(running: Kernel, code: str) -> None:
    """Interrupt code that has printed that it began; it must end in KeyboardInterrupt.

    One that comes while Python is in a callback is lost, and so it is pressed again.
    """
    message = running.begin(code)
    for timeout in (*[INTERRUPT_S] * 3, DEADLINE_S):
        running.manager.interrupt_kernel()
        with suppress(queue.Empty):
            reply = running.client.get_shell_msg(timeout=timeout)
            break
    else:
        raise TimeoutError("the kernel was interrupted in vain")
    assert reply["parent_header"]["msg_id"] == message
    assert reply["content"]["ename"] == "KeyboardInterrupt"


def family(running: Kernel) -> list[psutil.Process]:
    """Return the processes of a kernel: itself, and all that it started."""
    process = psutil.Process(running.manager.provisioner.pid)
    return [process, *process.children(recursive=True)]


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that have the mark of a kernel in their environment."""

    def has_mark(process: psutil.Process) -> bool:
        try:
            return process.environ().get("KERNEL_MARK") == mark
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if has_mark(process)]
