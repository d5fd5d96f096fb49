"""How much of an event Sentry's servers keep: each limit with its source.

A server's own settings may differ. Texts are counted in characters, all else in bytes of JSON.
"""

import re
from dataclasses import dataclass

from kit.reading.server.references import (
    DATA_HANDLING,
    NORMALIZATION,
    SCHEMA,
    SIZE_LIMITS,
    TRIMMING,
    Reference,
)


@dataclass(frozen=True)
class Limit:
    """The most that is kept of a field; up to ``allowance`` more is kept rather than cut.

    In ``field`` a dot leads into a dict, and ``*`` stands for each of its keys.
    """

    field: str
    most: int
    source: Reference
    allowance: int = 0


# A larger event is rejected as a whole, with HTTP 413.
EVENT_BYTES = Limit("event", 1024 * 1024, SIZE_LIMITS)
COMPRESSED_BYTES = Limit("event, compressed", 200 * 1024, SIZE_LIMITS)

# Per stack trace: how many frames are kept, the last ones, and how many of them with local
# variables and context lines.
FRAMES = Limit("frames", 250, TRIMMING)
FULL_FRAMES = Limit("frames", 50, TRIMMING)
FRAME_VARS_BYTES = Limit("vars", 2048, SCHEMA)

# A tag over it loses its name or its value, and is dropped.
TAG_CHARS = Limit("tags", 200, NORMALIZATION)
# Spaces in a name become dashes; with other characters the tag is dropped.
TAG_NAME = re.compile(r"[a-zA-Z0-9_.: -]+")
# Names that the servers set themselves, whatever was sent.
RESERVED_TAGS = frozenset({"release", "dist", "user", "filename", "function"})

MESSAGE_CHARS = Limit("message", 8192, DATA_HANDLING, allowance=200)

EXCEPTION_CHARS = (
    Limit("type", 256, SCHEMA, allowance=20),
    Limit("value", 8192, SCHEMA, allowance=200),
    Limit("module", 256, SCHEMA, allowance=20),
)
BREADCRUMB_CHARS = (
    Limit("message", 8192, SCHEMA, allowance=200),
    Limit("category", 128, SCHEMA),
    Limit("type", 128, SCHEMA),
)
BREADCRUMB_BYTES = (Limit("data", 2048, SCHEMA),)
EVENT_CHARS = (
    Limit("transaction", 200, SCHEMA),
    Limit("logger", 64, SCHEMA),
    Limit("environment", 64, SCHEMA),
    Limit("user.id", 128, SCHEMA),
    Limit("user.username", 128, SCHEMA),
    Limit("user.email", 75, SCHEMA),
    Limit("user.name", 128, SCHEMA),
    Limit("request.url", 256, SCHEMA, allowance=40),
)
# If several match a field, the first one counts.
EVENT_FIELD_BYTES = (
    Limit("contexts.flags", 132_072, SCHEMA),
    Limit("contexts.*", 8192, DATA_HANDLING),
    Limit("extra", 262_144, DATA_HANDLING),
    Limit("extra.*", 16_384, DATA_HANDLING),
    Limit("modules", 8192, SCHEMA),
    Limit("request.data", 8192, DATA_HANDLING),
    Limit("request.headers", 8192, SCHEMA),
    Limit("request.env", 8192, SCHEMA),
    Limit("request.cookies", 2048, SCHEMA),
    Limit("request.query_string", 1024, SCHEMA),
    Limit("logentry.params", 2048, SCHEMA),
)
