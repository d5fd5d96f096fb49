"""Who sent an event, and so whether the facts about SDKs and our source apply to it.

Other programs may send to the same place, with the same SDK, another version of it, or an SDK
that is not known here. Nothing is claimed about what those put into an event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sentry_sdk.consts import VERSION

from demo_services import payment
from demo_services.services import PAYMENT, SERVICES
from demo_services.telemetry import ENVIRONMENT
from kit.provenance.meanings import SUPERVISOR
from kit.provenance.node_sdk import NODE
from kit.provenance.python_sdk import PYTHON, Sdk
from kit.reading.payload import as_str, escape_bidi, exceptions, get_path, service, truncate

Event = Mapping[str, Any]

_PYTHON, _NODE = "sentry.python", "sentry.javascript.node"
# Versions that the facts were written for.
_KNOWN_MAJORS = {_PYTHON: {2, 3}, _NODE: {11}}


@dataclass(frozen=True)
class Sender:
    """An SDK as an event names it, and the program around it.

    ``sdk`` is what is known about it, None if nothing is. ``installed`` is the version installed
    here, whose lines can be named. ``is_ours`` is true if the program is one of our services.
    """

    name: str
    version: str
    sdk: Sdk | None = field(default=None, compare=False)
    installed: str = ""
    is_ours: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether exactly this version is installed here."""
        return self.sdk is not None and self.version == self.installed

    @property
    def major(self) -> int | None:
        """The first number of the version; None if it has none."""
        first = self.version.partition(".")[0]
        return int(first) if first.isascii() and first.isdigit() and len(first) < 4 else None

    def __str__(self) -> str:
        return " ".join(filter(None, [self.name, self.version]))


def sender(event: Event, project: str = "") -> Sender:
    """Return who sent an event; ``project`` is the name that its DSN stands for, if known."""
    name = escape_bidi(truncate(as_str(get_path(event, ("sdk", "name")))))
    version = escape_bidi(truncate(as_str(get_path(event, ("sdk", "version")))))
    family = _PYTHON if f"{name}.".startswith(f"{_PYTHON}.") else name
    known = {_PYTHON: PYTHON, _NODE: NODE}.get(family)
    if known is None:
        return Sender(name, version)
    installed = VERSION if family == _PYTHON else _node_sdk_version()
    # A copy of one of our services has the same names, but another DSN.
    is_ours = project in ("", service(event)) and _is_of_our_service(event, family == _NODE)
    found = Sender(name, version, known, installed, is_ours)
    if found.major in _KNOWN_MAJORS[family]:
        return found
    return Sender(name, version, None, installed, is_ours)


def _is_of_our_service(event: Event, is_node: bool) -> bool:
    """Return whether the event has the name, release and environment of one of our services.

    The payment service runs in Node.js. Python writes in its name when it has died.
    """
    name, environment = service(event), event.get("environment")
    if name not in SERVICES or environment != ENVIRONMENT:
        return False
    if not as_str(event.get("release")).startswith(f"{name}@"):
        return False
    is_supervisor = get_path(exceptions(event), (-1, "mechanism", "type")) == SUPERVISOR
    return is_node is (name == PAYMENT.name and not is_supervisor)


@cache
def _node_sdk_version() -> str:
    """Return the version of @sentry/node that the payment service is installed with."""
    lock = json.loads((payment.HOME / "package-lock.json").read_text(encoding="utf-8"))
    return as_str(get_path(lock, ("packages", "node_modules/@sentry/node", "version")))
