"""Waiting for processes that are nobody's children any more."""

import time

import psutil


def gone(family: list[psutil.Process], seconds: float) -> bool:
    """Wait until all of them have ended; nobody may be there to read their exit codes."""
    end = time.monotonic() + seconds
    while alive := [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > end:
            return False
        psutil.wait_procs(alive, timeout=0.02)
    return True
