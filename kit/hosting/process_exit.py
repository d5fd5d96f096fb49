"""How a supervised process ended, and what it wrote about that on standard error."""

import re
from dataclasses import dataclass
from typing import NamedTuple

HEAP_EXHAUSTED = re.compile(r"FATAL ERROR: .*JavaScript heap out of memory")
# Output of Node.js about its inspector, with which Sentry's SDK reads local variables.
NOISE = re.compile(r"Debugger |For help, see|Waiting for the debugger")
ERROR_LINE = re.compile(r"FATAL ERROR: |(Uncaught )?\w*Error\b")


class InFlightRequest(NamedTuple):
    """A request that the program received; the ids are those of its root span."""

    method: str
    path: str
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True)
class ProcessExit:
    """The exit of a supervised process that its supervisor did not request.

    ``at`` is in seconds since the epoch. When a signal ended the process, ``exit_code`` is None and
    ``signal`` is its name. ``stderr_tail`` has the last lines on stderr. ``in_flight`` is the last
    request without a response. ``memory_mb`` is the last sample of its resident memory, in MiB, at
    most a quarter of a second old. ``back_after_s`` is the time until the program was ready again.
    """

    name: str
    at: float
    exit_code: int | None
    signal: str | None
    uptime_s: float
    restarts: int
    stderr_tail: tuple[str, ...]
    in_flight: InFlightRequest | None
    was_ready: bool
    pid: int | None
    version: str | None
    options: tuple[str, ...]
    memory_mb: float | None
    back_after_s: float | None = None

    @property
    def heap_exhausted(self) -> bool:
        """Whether V8 ended the process because its heap was full."""
        return any(map(HEAP_EXHAUSTED.search, self.stderr_tail))

    @property
    def kind(self) -> str:
        """The type of its event: HeapExhausted, ProcessKilled or ProcessExited."""
        if self.heap_exhausted:
            return "HeapExhausted"
        return "ProcessKilled" if self.signal else "ProcessExited"

    @property
    def how(self) -> str:
        """How it ended, in words."""
        return f"killed by {self.signal}" if self.signal else f"exited with code {self.exit_code}"

    @property
    def error_line(self) -> str:
        """The line on stderr that best explains the exit; empty when there is none.

        A killed process writes nothing; stderr then holds older output.
        """
        # From the end: earlier lines may be about errors that the process survived.
        lines = [line for line in reversed(self.stderr_tail) if line and not NOISE.match(line)]
        if self.heap_exhausted:
            return next(filter(HEAP_EXHAUSTED.match, lines))
        if self.signal and self.was_ready:
            return ""
        return next(filter(ERROR_LINE.match, lines), lines[0] if lines else "")
