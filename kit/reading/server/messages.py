"""Messages without the parts that vary between events, as Sentry's servers compare them."""

import re
from itertools import islice

MAX_MESSAGE = 2000
MAX_LINES = 2

# The first match wins: what looks like a number may be part of something else.
_VALUES = re.compile(
    r"""(?P<email>\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)
    | (?P<url>\b(?:https?|wss?|ftp|mongodb)://\S+)
    | (?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)
    | (?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b)
    | (?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b)
    | (?P<duration>\b\d+(?:\.\d+)?m?s\b)
    | (?P<float>(?<!\w)-?\d+\.\d+\b)
    | (?P<int>(?<!\w)-?\d{1,7}\b)
    | (?P<hex>\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,128}\b)""",
    re.VERBOSE | re.IGNORECASE,
)


def without_values(text: str, *, lines: int | None = MAX_LINES) -> str:
    """Return a message with numbers, ids, dates and addresses replaced by their kind.

    The first ``lines`` non-blank lines are kept, or all with None.
    """
    kept = text[:MAX_MESSAGE]
    if lines is not None:
        kept = "\n".join(islice((line for line in kept.splitlines() if line.strip()), lines))
    return _VALUES.sub(lambda found: f"<{found.lastgroup}>", kept)
