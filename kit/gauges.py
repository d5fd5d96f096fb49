"""Memory and CPU of a process, sampled while something runs in it, drawn live and as a still."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import psutil
from IPython.display import DisplayHandle
from markupsafe import Markup

from kit.chart import svg
from kit.html import render
from kit.spans import length

INTERVAL_S = 0.025
# Drawing takes CPU of this process, which is often the one that is watched.
DRAW_EVERY_S = 0.5
# Then every other sample goes, and they are taken half as often.
MAX_SAMPLES = 1200

# The system counts CPU time in steps of up to 16 ms: a shorter look back would see only those.
_LOOK_BACK_S = 0.2
# A core that is shared with others is never all ours.
_BUSY = 50.0
_WIDTH = 400
_MB = 1024 * 1024

_T = TypeVar("_T")


@dataclass(frozen=True)
class Sample:
    """What a process held and had used; ``at`` is in seconds since the recording began."""

    at: float
    rss_mb: float
    cpu_seconds: float


class Recording:
    """The memory and the CPU of a process while a ``with`` block runs.

    ``pid`` is that of the process, by default this one. ``on_change`` is given the recording
    from the sampling thread, about twice a second and once at the end. Shown in a notebook as
    a picture with a sentence for each. Raises psutil.NoSuchProcess when there is no such process;
    one that ends meanwhile ends the recording.
    """

    def __init__(
        self, pid: int | None = None, on_change: Callable[["Recording"], None] | None = None
    ) -> None:
        self._process = psutil.Process(pid)
        self._on_change = on_change or (lambda recording: None)
        self._samples: tuple[Sample, ...] = ()
        self._interval = INTERVAL_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workshop-gauges", daemon=True)
        self.process_ended = False

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()
        self._on_change(self)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What was measured so far, the earliest first."""
        return self._samples

    @property
    def sentence(self) -> str:
        """What the picture shows."""
        ended = " The process ended." if self.process_ended else ""
        return f"{memory_sentence(self._samples)} {cpu_sentence(self._samples)}{ended}"

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
        taken = Sample(time.monotonic() - self._began, rss / _MB, cpu.user + cpu.system)
        self._samples = (*self._samples, taken)
        if len(self._samples) >= MAX_SAMPLES:
            self._samples, self._interval = self._samples[::2], 2 * self._interval

    def _repr_html_(self) -> str:
        return gauges(self)

    def __repr__(self) -> str:
        return f"<Recording {len(self._samples)} samples: {self.sentence}>"


def watch(action: Callable[[], _T], *, pid: int | None = None) -> _T:
    """Show memory and CPU of a process in the output while ``action`` runs, and return its result.

    What ``action`` raises is raised here too, below the picture of what led there.
    """
    handle = DisplayHandle()
    with Recording(pid, on_change=handle.update) as recording:
        handle.display(recording)
        return action()


# Words


def memory_sentence(samples: Sequence[Sample]) -> str:
    """Return what the memory did: it rose and fell, or it did not."""
    if not samples:
        return "The memory was not measured."
    first, last = samples[0].rss_mb, samples[-1].rss_mb
    peak = max(samples, key=lambda sample: sample.rss_mb)
    risen = peak.rss_mb - first
    if risen < _noise(first):
        return _fell(first, last)
    before = [each for each in samples if each.at <= peak.at and each.rss_mb <= first + risen / 20]
    rose = (
        f"Memory rose from {first:.0f} to {peak.rss_mb:.0f} MB "
        f"within {length(peak.at - before[-1].at)} and"
    )
    if peak.rss_mb - last < risen / 5:
        return f"{rose} stayed there."
    return f"{rose} fell {'back ' if last <= first + risen / 5 else ''}to {last:.0f} MB."


def _noise(rss_mb: float) -> float:
    """Return what comes and goes in a process without anyone leaking it, in MB."""
    return max(8.0, rss_mb / 10)


def _fell(first: float, last: float) -> str:
    if first - last < _noise(first):
        return f"Memory stayed at about {first:.0f} MB."
    return f"Memory fell from {first:.0f} to {last:.0f} MB."


def cpu_sentence(samples: Sequence[Sample]) -> str:
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
        f"at most with {max(used):.0f} %."
    )


def cpu_percent(samples: Sequence[Sample]) -> list[float]:
    """Return the CPU use up to each sample, in percent of one core."""
    shares: list[float] = []
    first = 0
    for index, sample in enumerate(samples):
        while first + 1 < index and sample.at - samples[first + 1].at >= _LOOK_BACK_S:
            first += 1
        passed = sample.at - samples[first].at
        used = sample.cpu_seconds - samples[first].cpu_seconds
        # Two samples right after another say nothing: clock ticks are longer.
        shares.append(max(100 * used / passed, 0.0) if passed >= _LOOK_BACK_S / 2 else 0.0)
    return shares


# Picture


def gauges(recording: Recording) -> Markup:
    """Return the recording as two charts, with a sentence below each that says what it shows."""
    samples = recording.samples
    memory, cpu = memory_sentence(samples), cpu_sentence(samples)
    held = [sample.rss_mb for sample in samples]
    charts = [
        ("Memory", _chart(held, samples, memory, "MB"), memory),
        ("CPU", _chart(cpu_percent(samples), samples, cpu, "%"), cpu),
    ]
    html = render("gauges.html", charts=charts, process_ended=recording.process_ended)
    return Markup(html)  # noqa: S704 - the template escaped every value


def _chart(values: Sequence[float], samples: Sequence[Sample], label: str, unit: str) -> Markup:
    points = [{"at": each.at, "value": value} for each, value in zip(samples, values, strict=True)]
    peaks = [
        {**point, "label": f"{point['value']:.0f} {unit}"}
        for point in sorted(points, key=lambda point: -point["value"])[:1]
    ]
    return svg(
        "gauges", label, width=_WIDTH, left=34, right=14, datasets={"points": points, "peak": peaks}
    )
