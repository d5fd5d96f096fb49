"""Static HTML in a cell's output: it outlives the kernel, and nbconvert keeps it."""

from dataclasses import dataclass

from IPython.display import HTML, DisplayHandle


class Static:
    """A piece of static HTML in a cell's output, replaceable from any thread."""

    def __init__(self) -> None:
        self._html = ""
        self._handle = DisplayHandle()

    def display(self) -> None:
        """Show it in the output of the running cell."""
        self._handle.display(HTML(self._html))

    def show(self, html: str) -> None:
        """Replace it wherever it is displayed."""
        self._html = html
        self._handle.update(HTML(html))


@dataclass(frozen=True)
class Step:
    """One step of an action, a line of ``state.html``; ``state`` is done, now, next or lack."""

    state: str
    text: str
