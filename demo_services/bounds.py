"""Numbers that a caller may choose, within bounds."""

import re
from dataclasses import dataclass

from demo_services.refused import Refused

# Few enough digits that int() is fast, and no digits of other scripts.
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class Bounds:
    """A whole number from ``minimum`` to ``maximum``, both allowed."""

    default: int
    minimum: int
    maximum: int

    def read(self, name: str, text: str | None) -> int:
        """Return the number in ``text``, the default for None.

        Raises ``Refused`` (422) when it is not a whole number or out of bounds.
        """
        if text is None:
            return self.default
        if WHOLE_NUMBER.fullmatch(text) and self.minimum <= int(text) <= self.maximum:
            return int(text)
        raise Refused(
            422,
            "out-of-bounds",
            f"{name} must be a whole number from {self.minimum} to {self.maximum}.",
        )
