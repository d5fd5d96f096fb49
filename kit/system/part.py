"""The current state of a part of the system: for startup, the panel and ``workshop status``."""

from dataclasses import dataclass

from kit.hosting.server import BackgroundServer, State
from kit.system.links import link

_MARKS = {"up": "✓", "starting": "…"}
_WORDS = {"up": "ready"}


@dataclass(frozen=True)
class Part:
    """A part of the system: a service, or something that the services need.

    ``address`` is where it listens, without any password; None when it cannot run here. ``remark``
    says why it is down, or anything else worth knowing; ``restarts`` counts how often its process
    was restarted after it ended.
    """

    name: str
    state: State
    address: str | None = None
    remark: str = ""
    restarts: int = 0

    @property
    def line(self) -> str:
        """The part in one line, for people; the address is the one for the browser."""
        if self.address is None:
            return status_line(self.name, self.remark, mark="✗")
        address = link(self.address) if self.address.startswith("http:") else self.address
        remark = f"  ({self.remark})" if self.remark else ""
        words = f"{_WORDS.get(self.state, self.state):<6} {address}{remark}"
        return status_line(self.name, words, mark=_MARKS.get(self.state, "✗"))


def read_part(server: BackgroundServer) -> Part:
    """Return the current state of a launched server."""
    is_moved = server.wanted_port and server.port != server.wanted_port
    port = f"port {server.wanted_port} was taken" if is_moved else ""
    restarts = max(0, server.start_count - 1)
    return Part(server.name, server.state, server.public_url, server.reason or port, restarts)


def status_line(name: str, text: str, mark: str = "✓") -> str:
    """Return a status line about a named thing."""
    return f"{mark} {name:<12} {text}"
