"""The ports that workshops want."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from demo_services.services import SERVICES
from kit.system.dsn import INGEST_PORT


@contextmanager
def default_ports_taken() -> Iterator[None]:
    """Take the ports that another workshop on this machine would take as soon as they are free."""
    with ExitStack() as taken:
        for port in (INGEST_PORT, *(service.port for service in SERVICES.values())):
            with suppress(OSError):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
        yield
