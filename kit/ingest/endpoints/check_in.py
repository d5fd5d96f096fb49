"""Check-ins by plain HTTP: a job without an SDK reports itself, with curl.

https://docs.sentry.io/product/monitors-and-alerts/monitors/crons/getting-started/http/ and Relay's
endpoints/monitor.rs
"""

import json
import math
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.exceptions import HTTPException

from kit.ingest.envelope import BadEnvelope, compose, hex_id, parse_object

STATUSES = ("in_progress", "ok", "error", "missed", "timeout")
# Stands for the latest run in progress, for callers without an id.
_LATEST = "0" * 32


def check_in_envelope(
    slug: str, content: bytes, content_type: str, query: Mapping[str, str]
) -> bytes:
    """Return an envelope with the check-in of the job ``slug``. Raises HTTPException.

    The check-in is the JSON body, which may include the job's configuration; else it is the query.
    Relay accepts an unknown status; here it is refused.
    """
    if content_type.startswith("application/json"):
        try:
            check_in = parse_object(content, "the check-in")
        except BadEnvelope as error:
            raise HTTPException(400, f"Not a check-in: {error}.") from error
    else:
        check_in = _of_query(query)
    if check_in.get("status") not in STATUSES:
        raise HTTPException(400, f"A check-in needs a status: one of {', '.join(STATUSES)}.")
    number = check_in.get("check_in_id")
    check_in_id = _LATEST if number is None else hex_id(number)
    if check_in_id is None:
        raise HTTPException(400, "The check_in_id is not 32 hexadecimal digits.")
    payload = {**check_in, "check_in_id": check_in_id, "monitor_slug": slug}
    item = {"type": "check_in", "content_type": "application/json"}
    return compose({"event_id": uuid4().hex}, (item, json.dumps(payload).encode()))


def _of_query(query: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: query[name] for name in ("status", "check_in_id", "environment") if name in query
    }
    if "duration" in query:
        try:
            found["duration"] = float(query["duration"])
        except ValueError:
            found["duration"] = math.nan
        if not math.isfinite(found["duration"]):
            raise HTTPException(400, "The duration is not a number of seconds.")
    return found
