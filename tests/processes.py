"""Waiting for processes that are nobody's children any more."""

import time

import psutil


def gone(family: list[psutil.Process], seconds: float = 30.0) -> bool:
    """Wait until all of them have ended; nobody may be there to read their exit codes."""
    end = time.monotonic() + seconds
    while alive := [process for process in family if _is_alive(process)]:
        if time.monotonic() > end:
            return False
        psutil.wait_procs(alive, timeout=0.02)
    return True


def command_line(process: psutil.Process) -> list[str]:
    """Return the command line of a process; an empty one when it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
