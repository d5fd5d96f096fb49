"""The spans of an item as they were sent: an item holds many of them, or is one itself."""

from collections.abc import Mapping
from typing import Any


def sent_spans(payload: Any) -> list[Any]:
    """Return the spans in the payload of an item of type ``span``, whatever each of them is.

    SDKs that stream spans send many, in ``items``. A span of its own is the whole payload.
    """
    batch = payload.get("items") if isinstance(payload, Mapping) else None
    return batch if isinstance(batch, list) else [payload]
