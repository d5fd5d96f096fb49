"""The target of a request: the service, and the path on it.

Works on the path as sent, including its percent-encoding, because decoding and encoding it again
would change its meaning.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from demo_services.refused import Refused, not_found
from demo_services.services import GAME_ENGINE, ROUTED, Service

WORK = "/api/v1"
PUBLIC = f"{WORK}/"


@dataclass(frozen=True)
class Target:
    """A path on a service."""

    service: Service
    path: str


# The routes that players wait for.
SPIN = Target(GAME_ENGINE, f"{WORK}/spin")


def find_target(raw_path: str) -> Target:
    """Return where ``/api/v1/<prefix>/<path>`` goes.

    ``debug/...`` goes to the service's crash routes, anything else to its ``/api/v1/...``.
    Raises ``Refused`` (404) for an unknown prefix.
    """
    if not raw_path.startswith(PUBLIC):
        raise not_found(raw_path)
    prefix, _, rest = raw_path.removeprefix(PUBLIC).partition("/")
    service = ROUTED.get(prefix)
    if service is None:
        known = ", ".join(f"{PUBLIC}{name}/" for name in ROUTED)
        raise Refused(404, "unknown-service", f"No service is at {raw_path}; known: {known}.")
    first, *others = rest.split("/")
    base, segments = (service.debug_base, others) if first == "debug" else (WORK, [first, *others])
    return Target(service, "/".join([base, *map(literal, segments)]))


def literal(segment: str) -> str:
    """Return the segment encoded so that no hop treats it as ``.`` or ``..``.

    HTTP clients and servers may resolve those in any encoding, and so leave the requested part of
    the service. Encoded twice they name nothing: the service answers 404.
    """
    pieces = re.split(r"[/\\]", unquote(segment))
    if not {".", ".."} & set(pieces):
        return segment
    return quote(segment, safe="").replace(".", "%252E")
