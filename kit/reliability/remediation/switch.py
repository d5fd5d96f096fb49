"""The kill switch of a responder: an OpenFeature flag, like the faults."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo_services.faults.flags import Flags

FLAG = "remediation-enabled"
_DOMAIN = "responder"
_SEED = 0


class KillSwitch:
    """A boolean flag that must be on for an action to start; it is evaluated before each.

    A flag that cannot be evaluated counts as off. Events that this thread reports afterwards carry
    its value.
    """

    flag = FLAG

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: Flags | None = None
        self._is_on = True

    def allows(self) -> bool:
        """Evaluate the flag now."""
        with self._lock:
            if self._flags is None:
                self._flags = self._open()
            return self._flags.is_on(FLAG, _DOMAIN)

    def set(self, is_on: bool) -> None:
        """Switch the flag: actions are allowed while it is on."""
        with self._lock:
            self._is_on = is_on
            if self._flags is None:
                self._flags = self._open()
            self._serve(self._flags)

    def close(self) -> None:
        """Stop serving the flag; it then counts as off."""
        with self._lock:
            self._is_on = False
            if self._flags is not None:
                self._serve(self._flags)
                self._flags.close()

    def _open(self) -> "Flags":
        # Loads OpenFeature only when a responder evaluates a flag.
        from demo_services.faults.flags import Flags

        flags = Flags(_DOMAIN)
        self._serve(flags)
        return flags

    def _serve(self, flags: "Flags") -> None:
        flags.use({FLAG: (_SEED, 1.0 if self._is_on else 0.0)})
