"""The error budget, live: a picture that is updated once a second, and stays at the end."""

import threading
import time
from collections.abc import Callable
from typing import Self

from markupsafe import Markup

from kit.reliability.slo.budget import ErrorBudget
from kit.threads import report_thread_failure
from kit.widgets.static import Static

EVERY_S = 1.0


class BudgetWatch:
    """Shows what ``measure`` returns until ``is_over``, ``stop()`` or ``seconds`` have passed.

    Displayed in a notebook, it starts by itself. As a context manager, it shows the budget while
    the block runs. It ends as a still picture.
    """

    def __init__(
        self,
        measure: Callable[[], ErrorBudget],
        is_over: Callable[[], bool],
        seconds: float,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._measure = measure
        self._is_over = is_over
        self._seconds = seconds
        self._every_s = every_s
        self._picture = Static()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def budget(self) -> ErrorBudget:
        """The current budget."""
        return self._measure()

    @property
    def is_running(self) -> bool:
        """Whether the picture is still updated."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End it with a last picture."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        self._ipython_display_()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "still"
        return f"<BudgetWatch, {state}: {self.budget.sentence}>"

    def _repr_html_(self) -> Markup:
        return self.budget._repr_html_()

    def _ipython_display_(self) -> None:
        if self.is_running:
            self._picture.display()
            return
        self._show()
        self._picture.display()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="workshop-slo", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        ends = time.monotonic() + self._seconds
        try:
            while not (self._is_over() or time.monotonic() >= ends):
                self._show()
                if self._stop.wait(self._every_s):
                    break
            self._show()
        except Exception:
            report_thread_failure()

    def _show(self) -> None:
        self._picture.show(self._measure()._repr_html_())
