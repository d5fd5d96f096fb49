"""Errors that say what to do."""


class ActionableError(Exception):
    """An error whose message says what happened, why, and the next step."""

    def _render_traceback_(self) -> list[str]:
        """Have IPython show only the message: the kit's frames do not help."""
        return [f"{type(self).__name__}: {self}"]


class WorkshopError(ActionableError, RuntimeError):
    """The workshop cannot do this now; the message says what happened, why, and the next step."""
