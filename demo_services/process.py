"""The ``process`` context: the state of the process when something happened."""

import os
import time

import psutil


class ProcessGauge:
    """Reads the state of this process, cheaply enough for every request.

    CPU load is measured between two readings, so the constructor takes one: otherwise the first
    event would always say 0 %.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()

    @property
    def rss_mb(self) -> float:
        """Resident memory in MiB."""
        return round(self._process.memory_info().rss / 2**20, 1)

    def read(self) -> dict[str, float | int]:
        """Return memory (MiB), CPU load (% of one core), threads, open files, uptime (s)."""
        with self._process.oneshot():
            return {
                "memory_mb": self.rss_mb,
                "cpu_percent": self._process.cpu_percent(),
                "threads": self._process.num_threads(),
                "open_files": self._open_files(),
                "uptime_s": round(time.time() - self._process.create_time(), 1),
            }

    def _open_files(self) -> int:
        """Count file descriptors, or handles on Windows: listing the files takes far longer."""
        count = "num_handles" if os.name == "nt" else "num_fds"
        return int(getattr(self._process, count)())
