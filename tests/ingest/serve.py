"""An ingest in a process of its own: prints its port, then its peak memory per line it is sent."""

import sys
from functools import partial
from pathlib import Path

import psutil

from kit.ingest.app import make_app
from kit.ingest.store import Store
from kit.system.ingest_server import ingest_server

PROJECTS = {"1": ("gateway", "key-1"), "2": ("game-engine", "key-2")}
BODY_DEADLINE_S = 60.0


def peak_bytes() -> int:
    """Return the most memory that this process ever had resident."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":
        # Not getrusage: there, a process starts with the peak of its parent.
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    store = Store(Path(sys.argv[1]))
    make = partial(make_app, store, PROJECTS, body_deadline=BODY_DEADLINE_S)
    server = ingest_server(make)
    server.launch().wait()
    print(server.port, flush=True)
    for _ in sys.stdin:
        print(peak_bytes(), flush=True)


if __name__ == "__main__":
    main()
