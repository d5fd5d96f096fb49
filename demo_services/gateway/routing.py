"""The gateway's own choice of an instance, and the bug that breaks it."""

import zlib
from dataclasses import dataclass

import sentry_sdk

from demo_services.trace import start_span


@dataclass(frozen=True)
class Instance:
    """One running copy of a service; a draining one accepts no new players."""

    url: str
    draining: bool


def choose_instance(service: str, player_id: str, url: str) -> Instance:
    """Return the instance that serves this player, always the same one."""
    # The only instance is draining before an upgrade: the case that nobody thought of.
    instances = [Instance(url, draining=True)]
    sentry_sdk.add_breadcrumb(
        category="routing",
        message=f"{service} has {len(instances)} instance",
        data={"instances": [instance.url for instance in instances]},
    )
    with start_span(op="gateway.routing", name="choose an instance"):
        return pick(instances, player_id)


def pick(instances: list[Instance], player_id: str) -> Instance:
    """Spread the players over the instances that accept them."""
    available = [instance for instance in instances if not instance.draining]
    # A player stays with one instance while the instances do not change.
    slot = zlib.crc32(player_id.encode()) % len(available)
    return available[slot]
