"""What every Python service needs to run alone: a port from the command line, a socket."""

import argparse
import os
import socket
import sys

from demo_services.services import Service


def listen(service: Service) -> socket.socket:
    """Read ``--port`` and return a socket that listens there, on 127.0.0.1 only.

    Ends the program with one line and exit code 1 when the port is taken.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service.module}")
    parser.add_argument("--port", type=int, default=service.port, help="default: %(default)s")
    port = parser.parse_args().port
    try:
        return bind(port)
    except (OSError, OverflowError) as error:
        sys.exit(f"{service.name} cannot listen on 127.0.0.1:{port}: {error}")


def bind(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1; port 0 takes any free one.

    Raises OSError when the port is taken.
    """
    # With an explicit protocol asyncio sets TCP_NODELAY; without it each POST waits 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        # On Windows the same option would let two programs share the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen(512)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def announce(service: Service, sock: socket.socket) -> None:
    """Print where the service listens."""
    print(f"{service.name} listening on http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
