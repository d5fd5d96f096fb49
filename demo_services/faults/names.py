"""The names of all faults and their numbers, from faults.json, which both languages read."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "faults.json"
NO_OP = "no-op"
EVERY = "every"


@cache
def read_flags() -> Mapping[str, Mapping[str, Any]]:
    """Return the flags of faults.json: https://flagd.dev/reference/flag-definitions/."""
    flags: Mapping[str, Mapping[str, Any]] = json.loads(FILE.read_text("utf-8"))["flags"]
    return flags


def numbers_of(fault: str) -> Mapping[str, Any]:
    """Return the metadata of a fault: how many milliseconds, megabytes and so on."""
    metadata: Mapping[str, Any] = read_flags()[fault]["metadata"]
    return metadata


def faults_of(service: str) -> tuple[str, ...]:
    """Return the names of the faults that a service evaluates, ``no-op`` among them."""
    return tuple(name for name in read_flags() if numbers_of(name)["service"] in (service, EVERY))
