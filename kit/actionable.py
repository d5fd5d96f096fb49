"""Errors that say what to do."""


class ActionableError(Exception):
    """An error whose message says what happened, why, and the next step."""

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the message alone: the frames of the kit do not help."""
        return [f"{type(self).__name__}: {self}"]


class WorkshopError(ActionableError, RuntimeError):
    """What the workshop cannot do now; the message says what happened, why, and the next step."""
