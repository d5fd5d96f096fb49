"""The spans of an item as sent: an item contains many spans, or is one itself."""

from collections.abc import Mapping
from typing import Any


def sent_spans(payload: Any) -> list[Any]:
    """Return the spans in the payload of an item of type ``span``, without checking them.

    SDKs that stream spans send many, in ``items``. A standalone span is the whole payload.
    """
    batch = payload.get("items") if isinstance(payload, Mapping) else None
    return batch if isinstance(batch, list) else [payload]
