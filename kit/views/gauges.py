"""What a process uses, sampled while something runs in it, drawn live and at the end."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self, TypeVar

import psutil
from IPython.display import DisplayHandle
from markupsafe import Markup

from kit.html import render
from kit.reading.spans import length
from kit.system.pulse import Pulse
from kit.views.axis import Tick, percent, seconds_ticks, tick_step, ticks

INTERVAL_S = 0.025
# Drawing takes CPU of this process, which is often the one that is watched.
DRAW_EVERY_S = 0.25
# Beyond that, every other sample is dropped, and they are taken half as often.
MAX_SAMPLES = 1200

# The system counts CPU time in steps of up to 16 ms: a shorter look back would see only those.
_LOOK_BACK_S = 0.2
# A core that is shared with others is never all ours.
_BUSY = 50.0
# Longer than a response takes on a machine that is busy with something else.
_LATE_MS = 400.0
_TICKS = 4
_MB = 1024 * 1024

_T = TypeVar("_T")


@dataclass(frozen=True)
class ProcessSample:
    """A process's memory and CPU time; ``at`` is in seconds since the recording began.

    ``heap_mb`` and ``delay_ms``, the response time, are those of a service with a pulse.
    """

    at: float
    rss_mb: float
    cpu_seconds: float
    heap_mb: float = 0.0
    delay_ms: float = 0.0


@dataclass(frozen=True)
class WatchTarget:
    """What to watch: a process, or the heap and the response time of a service.

    ``pid`` None is this process. Without a ``url``, memory and CPU are recorded; with one, the
    heap that its health route reports, and how long that takes to respond.
    """

    pid: int | None = None
    url: str | None = None


THIS_PROCESS = WatchTarget()


class Recording:
    """Records what a process uses while a ``with`` block runs.

    ``on_change`` is called with the recording from the sampling thread, about four times a second
    and once at the end. Shown in a notebook as charts with a sentence each. Raises
    psutil.NoSuchProcess if there is no such process; if it ends meanwhile, the recording ends too.
    """

    def __init__(
        self,
        target: WatchTarget = THIS_PROCESS,
        on_change: Callable[["Recording"], None] | None = None,
    ) -> None:
        self._process = psutil.Process(target.pid)
        self._pulse = Pulse(target.url) if target.url else None
        self._on_change = on_change or (lambda recording: None)
        self._samples: tuple[ProcessSample, ...] = ()
        self._interval = INTERVAL_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workshop-gauges", daemon=True)
        self._undo = ExitStack()
        self.process_ended = False

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._pulse:
            self._undo.enter_context(self._pulse)
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()
        self._undo.close()
        self._on_change(self)

    @property
    def samples(self) -> tuple[ProcessSample, ...]:
        """What was measured so far, the earliest first."""
        return self._samples

    @property
    def sentence(self) -> str:
        """What the charts show."""
        ended = " The process ended." if self.process_ended else ""
        return " ".join(gauge.sentence for gauge in self.gauges) + ended

    @property
    def gauges(self) -> tuple["Gauge", ...]:
        """What is drawn: memory and CPU, or heap and response time."""
        if self._pulse:
            return heap_gauge(self._samples), delay_gauge(self._samples)
        return memory_gauge(self._samples), cpu_gauge(self._samples)

    def _run(self) -> None:
        drawn = self._began
        while not (self._stop.wait(self._interval) or self.process_ended):
            self._sample()
            if time.monotonic() - drawn >= DRAW_EVERY_S:
                self._on_change(self)
                drawn = time.monotonic()

    def _sample(self) -> None:
        try:
            with self._process.oneshot():
                rss, cpu = self._process.memory_info().rss, self._process.cpu_times()
        except psutil.Error:
            self.process_ended = True
            return
        at, used = time.monotonic() - self._began, cpu.user + cpu.system
        heap, delay = (self._pulse.heap_mb, self._pulse.delay_ms) if self._pulse else (0.0, 0.0)
        # The heap is unknown until the first response, and a zero would look like growth.
        if heap is not None:
            self._samples = (*self._samples, ProcessSample(at, rss / _MB, used, heap, delay))
        if len(self._samples) >= MAX_SAMPLES:
            self._samples, self._interval = self._samples[::2], 2 * self._interval

    def _repr_html_(self) -> Markup:
        return gauges(self)

    def __repr__(self) -> str:
        return f"<Recording {len(self._samples)} samples: {self.sentence}>"


def watch(action: Callable[[], _T], target: WatchTarget = THIS_PROCESS) -> _T:
    """Chart what a process uses while ``action`` runs, and return the result of ``action``.

    What ``action`` raises is raised here too, below the chart of what led there.
    """
    handle = DisplayHandle()
    with Recording(target, on_change=handle.update) as recording:
        handle.display(recording)
        return action()


# Words


@dataclass(frozen=True)
class Gauge:
    """One curve: a value for each sample, and a sentence that says what it did."""

    title: str
    unit: str
    samples: Sequence[ProcessSample]
    values: Sequence[float]
    sentence: str


def memory_gauge(samples: Sequence[ProcessSample]) -> Gauge:
    """Return the memory of the process, as the operating system reports it."""
    held = [sample.rss_mb for sample in samples]
    return Gauge("Memory", "MB", samples, held, level_sentence("Memory", samples, held))


def heap_gauge(samples: Sequence[ProcessSample]) -> Gauge:
    """Return the heap that the service reports."""
    held = [sample.heap_mb for sample in samples]
    return Gauge("Heap", "MB", samples, held, level_sentence("The heap", samples, held))


def cpu_gauge(samples: Sequence[ProcessSample]) -> Gauge:
    """Return how busy the process was; 100 % is one core."""
    return Gauge("CPU", "%", samples, cpu_percent(samples), cpu_sentence(samples))


def delay_gauge(samples: Sequence[ProcessSample]) -> Gauge:
    """Return how long the service took to respond, or had been taking."""
    delays = [sample.delay_ms for sample in samples]
    return Gauge("Response time", "ms", samples, delays, delay_sentence(samples))


def level_sentence(what: str, samples: Sequence[ProcessSample], held: Sequence[float]) -> str:
    """Return how a value in MB changed: whether it rose, fell or stayed."""
    if not held:
        return f"{what} was not measured."
    first, last, peak = held[0], held[-1], max(held)
    risen = peak - first
    if risen < _noise(first):
        return _fell(what, first, last)
    top = held.index(peak)
    before = max(index for index in range(top) if held[index] <= first + risen / 20)
    rose = (
        f"{what} rose from {first:.0f} to {peak:.0f} MB "
        f"within {length(samples[top].at - samples[before].at)} and"
    )
    if peak - last < risen / 5:
        return f"{rose} stayed there."
    return f"{rose} fell {'back ' if last <= first + risen / 5 else ''}to {last:.0f} MB."


def _noise(rss_mb: float) -> float:
    """Return how much memory varies without a leak, in MB."""
    return max(8.0, rss_mb / 10)


def _fell(what: str, first: float, last: float) -> str:
    if first - last < _noise(first):
        return f"{what} stayed at about {first:.0f} MB."
    return f"{what} fell from {first:.0f} to {last:.0f} MB."


def delay_sentence(samples: Sequence[ProcessSample]) -> str:
    """Return how long requests had to wait for a response."""
    if not samples:
        return "No requests were made."
    longest = max(sample.delay_ms for sample in samples)
    if longest < _LATE_MS:
        return f"Every response came within {longest:.0f} ms."
    return f"No request was answered for {length(longest / 1000)}: the event loop was busy."


def cpu_sentence(samples: Sequence[ProcessSample]) -> str:
    """Return how busy the process was; 100 % is one core."""
    used = cpu_percent(samples)
    if not used:
        return "The CPU was not measured."
    steps = zip(samples, samples[1:], used[1:], strict=False)
    busy = sum(later.at - earlier.at for earlier, later, share in steps if share >= _BUSY)
    if busy < _LOOK_BACK_S:
        return f"The CPU was never busier than {max(used):.0f} % of one core."
    return (
        f"The CPU was busy with more than half of one core for {length(busy)}, "
        f"with {max(used):.0f} % at most."
    )


def cpu_percent(samples: Sequence[ProcessSample]) -> list[float]:
    """Return the CPU use up to each sample, in percent of one core."""
    shares: list[float] = []
    first = 0
    for index, sample in enumerate(samples):
        while first + 1 < index and sample.at - samples[first + 1].at >= _LOOK_BACK_S:
            first += 1
        passed = sample.at - samples[first].at
        used = sample.cpu_seconds - samples[first].cpu_seconds
        # Two samples in quick succession say nothing: clock ticks are longer.
        shares.append(max(100 * used / passed, 0.0) if passed >= _LOOK_BACK_S / 2 else 0.0)
    return shares


# Drawing


@dataclass(frozen=True)
class _Peak:
    """The highest point; places are in percent. A late one has its label on the left."""

    left: str
    top: str
    label: str
    is_late: bool


@dataclass(frozen=True)
class _Curve:
    """A gauge as it is drawn. ``line`` and ``area`` are points of an SVG of 100 by 100."""

    gauge: Gauge
    line: str
    area: str
    across: list[Tick]
    up: list[Tick]
    peak: _Peak | None


def gauges(recording: Recording) -> Markup:
    """Return the recording as two charts, with a sentence below each that says what it shows."""
    curves = [_curve(gauge) for gauge in recording.gauges]
    return render("gauges.html", curves=curves, process_ended=recording.process_ended)


def _curve(gauge: Gauge) -> _Curve:
    times = [sample.at for sample in gauge.samples]
    end, highest = max(times, default=0.0) or 1.0, max(gauge.values, default=0.0)
    top = _top(highest)
    across = [percent(each, end) for each in times]
    down = [percent(top - value, top) for value in gauge.values]
    points = [f"{left},{below}" for left, below in zip(across, down, strict=True)]
    feet = [f"{left},100" for left in (*across[-1:], *across[:1])]
    return _Curve(
        gauge=gauge,
        line=" ".join(points),
        area=" ".join((*points, *feet)),
        across=seconds_ticks(end, 2 * _TICKS),
        up=ticks(top, _TICKS),
        peak=_peak(gauge, across, down) if points else None,
    )


def _top(highest: float) -> float:
    """Return the round number at which an axis ends that reaches up to ``highest``."""
    step = tick_step(highest or 1.0, _TICKS)
    return step * (math.ceil(highest / step) or 1)


def _peak(gauge: Gauge, across: Sequence[str], down: Sequence[str]) -> _Peak:
    value = max(gauge.values)
    index = gauge.values.index(value)
    label = f"{value:.0f} {gauge.unit}"
    return _Peak(across[index], down[index], label, is_late=float(across[index]) > 50)
