"""The body of ``POST .../faults``."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from demo_services.faults.names import faults_of
from demo_services.refused import Refused

MAX_SECONDS = 600
MAX_SEED = 2**53 - 1  # the largest safe integer in JavaScript
FLAG = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Order:
    """A fault for ``seconds`` that hits a ``share`` of the requests; ``seed`` decides which."""

    fault: str
    flag: str
    share: float
    seconds: float
    seed: int


def read_order(service: str, body: Mapping[str, Any]) -> Order:
    """Return the order in a request's body.

    Raises ``Refused``: 404 for a fault that the service does not have, 422 out of bounds.
    """
    fault = known_fault(service, body.get("fault"))
    flag = body.get("flag", fault)
    if not isinstance(flag, str) or not FLAG.fullmatch(flag):
        raise out_of_bounds("flag must be 1 to 64 letters, digits or dashes.")
    share, seed = body.get("share"), body.get("seed")
    if not is_number(share) or not 0 <= share <= 1:
        raise out_of_bounds("share must be a number from 0 to 1.")
    seconds = checked_seconds(body.get("seconds"))
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise out_of_bounds(f"seed must be a whole number from 0 to {MAX_SEED}.")
    return Order(fault, flag, share, seconds, seed)


def known_fault(service: str, name: object) -> str:
    """Return the name. Raises ``Refused`` (404) where the service has no such fault."""
    known = faults_of(service)
    if isinstance(name, str) and name in known:
        return name
    detail = f"{service} has no fault {name!r}; known: {', '.join(known)}."
    raise Refused(404, "unknown-fault", detail)


def checked_seconds(seconds: object) -> float:
    """Return the duration of a lease. Raises ``Refused`` (422) out of bounds."""
    if not is_number(seconds) or not 0 < seconds <= MAX_SECONDS:
        raise out_of_bounds(f"seconds must be a number above 0, at most {MAX_SECONDS}.")
    return seconds


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether it is a finite number, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def out_of_bounds(detail: str) -> Refused:
    """Return the refusal of a value that is not allowed."""
    return Refused(422, "out-of-bounds", detail)
