"""Static HTML in a cell's output: it outlives the kernel, and nbconvert keeps it."""

import threading
from dataclasses import dataclass
from typing import Any

import ipywidgets
from IPython.display import HTML, DisplayHandle
from markupsafe import Markup

from kit.html import render


class Static:
    """A piece of static HTML in a cell's output, replaceable from any thread.

    JupyterLab replaces it on a page that was open when it was displayed. See ``FollowedStatic``.
    """

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


class FollowedStatic(Static):
    """Static HTML that is also up to date after the page was reloaded.

    A reloaded page shows the output in the notebook's file, and nothing replaces it. So ``copy``, a
    widget, takes its place: such a page gets widgets from the kernel.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changing = threading.Lock()
        self._id = self._handle.display_id
        self._current = ""
        self._html = self._wrap("")
        self.copy = _Copy(self)

    def show(self, html: str) -> None:
        """Replace it wherever it is displayed."""
        with self._changing:
            self._current = html
            super().show(self._wrap(html))
            self.copy.refresh()

    def as_copy(self) -> str:
        """Return the HTML of the copy, which hides the original."""
        return render("copy.html", id=self._id, html=_trusted(self._current))

    def _wrap(self, html: str) -> str:
        return render("static.html", id=self._id, html=_trusted(html))


class _Copy(ipywidgets.HTML):  # type: ignore[misc]
    """Empty, until a page that was loaded later requests the state of the kernel's widgets."""

    def __init__(self, original: FollowedStatic) -> None:
        self._original: FollowedStatic | None = None
        super().__init__()
        self.add_class("cw-copy")
        # From now on, a page that requests its state was loaded after it was created.
        self._original, self._is_followed = original, False

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state that a page is sent: all of it without a ``key``."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if self._original is not None:
            self._is_followed = self._is_followed or key is None
            if self._is_followed and (key is None or "value" in state):
                state["value"] = self._original.as_copy()
        return state

    def refresh(self) -> None:
        """Send the HTML to the pages that have requested it."""
        if self._is_followed:
            self.send_state("value")


def _trusted(html: str) -> Markup:
    return Markup(html)  # noqa: S704 - of templates


@dataclass(frozen=True)
class Step:
    """One step of an action, a line of ``state.html``; ``state`` is done, now, next or lack."""

    state: str
    text: str
