"""Lengths of time as people write them: ``40 min``, ``9 h``, ``5m``."""

import math
import re

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), MINUTE_S),
    **dict.fromkeys(("h", "hour", "hours"), HOUR_S),
    **dict.fromkeys(("d", "day", "days"), DAY_S),
}
_WRITTEN = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]{1,7})\s*")
_PARTS = ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"), (1, "s"))


def read_length(text: str) -> float:
    """Return the seconds of a length such as ``40 min`` or ``5m``. Raises ValueError."""
    written = _WRITTEN.fullmatch(text)
    if written is None or written[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a length of time. Write '40 min', '9 h' or '30 s'.")
    return float(written[1]) * _UNITS[written[2]]


def say_length(seconds: float) -> str:
    """Return a length of time in its two largest units: ``4 min 10 s``, ``9 h``, ``3 d``."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    words: list[tuple[int, str]] = []
    rest = round(seconds)
    for size, unit in _PARTS:
        count, rest = divmod(rest, size)
        if count or words:
            words.append((count, unit))
    return " ".join(f"{count:,} {unit}" for count, unit in words[:2] if count)


def whole_minutes(seconds: float) -> int | None:
    """Return the number of minutes; None if it is zero or not a whole number."""
    minutes = seconds / MINUTE_S
    return round(minutes) if minutes >= 1 and math.isclose(minutes, round(minutes)) else None
