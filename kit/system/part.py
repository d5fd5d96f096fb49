"""A part of the system as it is now: for the start, the panel, and ``workshop status``."""

from dataclasses import dataclass

from kit.hosting.server import BackgroundServer, State
from kit.system.links import link

_MARKS = {"up": "✓", "starting": "…"}
_WORDS = {"up": "ready"}


@dataclass(frozen=True)
class Part:
    """A part of the system: a service, or what serves them.

    ``address`` is where it answers, without any password; None when it cannot run here.
    ``remark`` says why it is down, or what else there is to know; ``restarts`` how often it came
    back after its process had ended.
    """

    name: str
    state: State
    address: str | None = None
    remark: str = ""
    restarts: int = 0

    @property
    def line(self) -> str:
        """The part in one line, for a person; the address is the one for the browser."""
        if self.address is None:
            return status_line(self.name, self.remark, mark="✗")
        address = link(self.address) if self.address.startswith("http:") else self.address
        remark = f"  ({self.remark})" if self.remark else ""
        words = f"{_WORDS.get(self.state, self.state):<6} {address}{remark}"
        return status_line(self.name, words, mark=_MARKS.get(self.state, "✗"))


def read_part(server: BackgroundServer) -> Part:
    """Return how a server is now that was launched."""
    is_moved = server.wanted_port and server.port != server.wanted_port
    port = f"port {server.wanted_port} was taken" if is_moved else ""
    restarts = max(0, server.start_count - 1)
    return Part(server.name, server.state, server.public_url, server.reason or port, restarts)


def status_line(name: str, text: str, mark: str = "✓") -> str:
    """Return a line about something that is named."""
    return f"{mark} {name:<12} {text}"
