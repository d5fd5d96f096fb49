"""The flame graph: where the time of a profile went, in a picture and in words.

Reads Sentry's sample format, in which a profiler wrote down every few milliseconds what each
thread was doing. What an event carries is untrusted, as in ``kit.views.waterfall``.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice, pairwise
from typing import Any, TypeVar

from markupsafe import Markup

from kit.html import render
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    get_path,
    short_path,
    shorten,
)
from kit.reading.spans import Span, length
from kit.views.axis import percent, ticks

MAX_SAMPLES = 20_000
MAX_FRAMES = 200
MAX_DEPTH = 60
MAX_ROWS = 10
# What takes less than this share of the time is too narrow to be seen.
MIN_SHARE = 0.002
# This many library frames on top of each other are drawn as one.
FOLDED = 3

# A thread whose innermost frame is here waits for the network or for a timer.
_WAITING = ("selectors", "asyncio.windows_events")
_IDLE = "(idle)"  # what V8 calls that
# Whose code a frame is, JavaScript's profiler does not say.
_NOT_OURS = ("node_modules", "node:")
_NANOSECOND = 1e-9

_T = TypeVar("_T")


@dataclass(frozen=True)
class ProfileFrame:
    """A line of code that was running. ``is_ours`` when it is code of the application."""

    function: str
    file: str
    line: int
    module: str
    is_ours: bool

    @property
    def key(self) -> tuple[str, str]:
        """What frames of one function share."""
        return self.function, self.file

    @property
    def is_waiting(self) -> bool:
        """Whether a thread in here waits for the network or for a timer."""
        return self.module in _WAITING or self.function == _IDLE

    @property
    def where(self) -> str:
        """The place as an editor takes it, ``file:line``."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def whose(self) -> str:
        """Whose code it is, in words."""
        if self.is_waiting:
            return "waiting"
        return "your code" if self.is_ours else "library"


@dataclass(frozen=True)
class StackSample:
    """What the thread was doing, the outermost frame first, and for how many seconds."""

    stack: tuple[ProfileFrame, ...]
    seconds: float


@dataclass(frozen=True)
class ProfileLine:
    """A line of the table: a place in the code and the time that it took itself, in seconds."""

    frame: ProfileFrame
    seconds: float
    share: float

    @property
    def took(self) -> str:
        """The time in words."""
        return length(self.seconds)


def flame_graph(profile: Mapping[str, Any], span: Span | None = None) -> Markup:
    """Return a profile as a flame graph of the thread that served ``span`` while that was open.

    ``profile`` is the payload of an item of type ``profile_chunk`` or, from older SDKs,
    ``profile``, which names the thread itself. A sentence names the line that took the most time;
    a table has the lines that took the most time themselves.
    """
    samples = active_samples(profile, span)
    total = sum(sample.seconds for sample in samples)
    hot_spot = find_hot_spot(samples)
    boxes, is_cut = _boxes(samples, total, hot_spot)
    return render(
        "flame.html",
        boxes=boxes,
        levels=1 + max((box.depth for box in boxes), default=0),
        ticks=ticks(100, 5, " %"),
        lines=self_times(samples)[:MAX_ROWS],
        summary=_summary(hot_spot, samples, total),
        count=len(samples),
        is_cut=is_cut,
    )


# Samples


@dataclass(frozen=True)
class _Window:
    """The thread of a profile that is looked at, and from when to when, in seconds of its clock."""

    thread: str
    start: float
    end: float

    def has(self, sample: Mapping[str, Any]) -> bool:
        """Whether a sample is in it."""
        is_own = as_str(sample.get("thread_id")) == self.thread
        return is_own and self.start <= _time(sample) <= self.end


def active_samples(profile: Mapping[str, Any], span: Span | None = None) -> list[StackSample]:
    """Return the samples of the thread that served ``span`` while it was open, in their order.

    A sample lasts until the next one, the last of them until the span ends. Without the name of
    the thread it is the one with the most samples.
    """
    recorded = as_mapping(as_mapping(profile).get("profile"))
    taken = as_mappings(recorded.get("samples"))[:MAX_SAMPLES]
    window = _window(profile, span, taken)
    own = sorted(((_time(each), each) for each in taken if window.has(each)), key=lambda t: t[0])
    times = [time for time, _ in own]
    platform = as_str(as_mapping(profile).get("platform"))
    frames = [_frame(as_mapping(each), platform) for each in as_list(recorded.get("frames"))]
    stacks = [_stack(each, frames) for each in as_list(recorded.get("stacks"))]
    return [
        StackSample(_at(stacks, each.get("stack_id")) or (), seconds)
        for (_, each), seconds in zip(own, _lengths(times, window.end), strict=True)
    ]


def _window(
    profile: Mapping[str, Any], span: Span | None, taken: Sequence[Mapping[str, Any]]
) -> _Window:
    threads = Counter(as_str(each.get("thread_id")) for each in taken)
    busiest = threads.most_common(1)[0][0] if threads else ""
    if span is not None:
        thread = as_str(span.attributes.get("thread.id"))
        return _Window(thread if thread in threads else busiest, span.start, span.end)
    # The profile of one transaction: Python's SDK sends a list of one, JavaScript's the one.
    given = as_mapping(profile)
    whole = as_mapping(given.get("transaction") or get_path(given, ("transactions", 0)))
    active = as_str(whole.get("active_thread_id"))
    end = _number(whole.get("relative_end_ns")) * _NANOSECOND
    return _Window(active if active in threads else busiest, 0.0, end or math.inf)


def _time(sample: Mapping[str, Any]) -> float:
    """Return when a sample was taken: since the epoch, or since the profile began."""
    if "timestamp" in sample:
        return _number(sample.get("timestamp"))
    return _number(sample.get("elapsed_since_start_ns")) * _NANOSECOND


def _lengths(times: Sequence[float], end: float) -> list[float]:
    steps = [later - earlier for earlier, later in pairwise(times)]
    usual = sorted(steps)[len(steps) // 2] if steps else 0.01
    left = end - times[-1] if times else 0.0
    last = min(max(left, 0.0), 2 * usual) or usual
    return [*steps, last] if times else []


def _number(value: Any) -> float:
    """Return a number that may come as text, from 0 to a thousand years of nanoseconds."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), 3e19) if math.isfinite(number) else 0.0


def _frame(frame: Mapping[str, Any], platform: str) -> ProfileFrame:
    path = as_str(frame.get("filename") or frame.get("abs_path"))
    return ProfileFrame(
        function=shorten(as_str(frame.get("function"))).text or "unnamed function",
        file=shorten(short_path(path)).text or "no file",
        line=int(min(_number(frame.get("lineno")), 1e9)),
        module=as_str(frame.get("module")),
        is_ours=_is_ours_by_path(path) if platform == "node" else frame.get("in_app") is True,
    )


def _is_ours_by_path(path: str) -> bool:
    return bool(path) and not any(mark in path for mark in _NOT_OURS)


def _stack(indices: Any, frames: Sequence[ProfileFrame]) -> tuple[ProfileFrame, ...]:
    known = (_at(frames, index) for index in islice(as_list(indices), MAX_DEPTH * 5))
    return tuple(frame for frame in known if frame is not None)[::-1]


def _at(values: Sequence[_T], index: Any) -> _T | None:
    return values[index] if isinstance(index, int) and 0 <= index < len(values) else None


# Words


@dataclass(frozen=True)
class HotSpot:
    """The function of ours that took the most time, and its line that took most of that."""

    function: ProfileLine
    line: ProfileLine


def find_hot_spot(samples: Sequence[StackSample]) -> HotSpot | None:
    """Return where the time went, all that was called from there included; None if nowhere.

    Time in which the thread only waited counts for nobody. Where no sample has a frame of ours
    it is the innermost frame of a library. A share is that of the whole time, from 0 to 1.
    """
    busy = [sample for sample in samples if sample.stack and not sample.stack[-1].is_waiting]
    ours = [sample for sample in busy if any(frame.is_ours for frame in sample.stack)]
    places: dict[ProfileFrame, float] = defaultdict(float)
    functions: dict[tuple[str, str], float] = defaultdict(float)
    for sample in ours or busy:
        inner = reversed(sample.stack)
        frame = next((frame for frame in inner if frame.is_ours), sample.stack[-1])
        places[frame] += sample.seconds
        functions[frame.key] += sample.seconds
    if not functions:
        return None
    key = max(functions, key=lambda each: functions[each])
    line = next(line for line in _lines(places, samples) if line.frame.key == key)
    whole = functions[key]
    return HotSpot(ProfileLine(line.frame, whole, whole / _total(samples)), line)


def self_times(samples: Sequence[StackSample]) -> list[ProfileLine]:
    """Return the lines that were running themselves, the longest first."""
    places: dict[ProfileFrame, float] = defaultdict(float)
    for sample in samples:
        if sample.stack:
            places[sample.stack[-1]] += sample.seconds
    return _lines(places, samples)


def _lines(
    places: Mapping[ProfileFrame, float], samples: Sequence[StackSample]
) -> list[ProfileLine]:
    total = _total(samples)
    longest = sorted(places.items(), key=lambda each: -each[1])
    return [ProfileLine(frame, took, took / total) for frame, took in longest]


def _total(samples: Iterable[StackSample]) -> float:
    """Return the time of all samples; 1 instead of 0, so that one can divide by it."""
    return sum(sample.seconds for sample in samples) or 1.0


def _summary(hot_spot: HotSpot | None, samples: Sequence[StackSample], total: float) -> str:
    if not samples:
        return "This profile has no sample of the thread that served the request."
    idle = sum(line.share for line in self_times(samples) if line.frame.is_waiting)
    if hot_spot is None:
        return f"In {length(total)} the thread did nothing but wait."
    whole, line = hot_spot.function, hot_spot.line
    spent = (
        f"{_percent(whole.share)} of {length(total)} was spent in "
        f"{line.frame.function}, {_percent(line.share)} at {line.frame.where}."
    )
    waited = f"For {_percent(idle)} of the time the thread only waited."
    return f"{waited} {spent}" if idle > 0.5 else f"{spent} {waited}" if idle > 0.05 else spent


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


# Drawing


@dataclass
class _Box:
    """A function in the graph, with the time that it and all that it called took."""

    label: str
    is_ours: bool
    frame: ProfileFrame | None = None
    seconds: float = 0.0
    children: dict[tuple[str, str], "_Box"] = field(default_factory=dict)


@dataclass(frozen=True)
class _DrawnBox:
    """A box where it is drawn; place and width are in percent of the time."""

    depth: int
    place: str
    width: str
    label: str
    title: str
    is_ours: bool
    is_hot: bool


def _boxes(
    samples: Iterable[StackSample], total: float, hot_spot: HotSpot | None
) -> tuple[list[_DrawnBox], bool]:
    """Return the boxes to draw, and whether there are more than that."""
    root = _Box("", is_ours=False, seconds=total)
    for sample in samples:
        box = root
        for key, label, frame in islice(_group_runs(sample.stack), MAX_DEPTH):
            ours = frame is not None and frame.is_ours
            box = box.children.setdefault(key, _Box(label, ours, frame))
            box.seconds += sample.seconds
    hot = hot_spot.line.frame.key if hot_spot else None
    drawn = list(islice(_by_level(root, total or 1.0, hot), MAX_FRAMES + 1))
    return drawn[:MAX_FRAMES], len(drawn) > MAX_FRAMES


def _group_runs(
    stack: tuple[ProfileFrame, ...],
) -> Iterator[tuple[tuple[str, str], str, ProfileFrame | None]]:
    """Yield key, label and frame of each box, long runs of library frames as one box."""
    for is_ours, run in groupby(stack, key=lambda frame: frame.is_ours):
        frames = list(run)
        if is_ours or len(frames) < FOLDED:
            yield from ((frame.key, frame.function, frame) for frame in frames)
        else:
            packages = dict.fromkeys(f.module.partition(".")[0] or f.file for f in frames)
            waits = "waiting, " if frames[-1].is_waiting and frames[-1] is stack[-1] else ""
            label = f"{waits}{len(frames)} library frames: {', '.join(packages)}"
            yield (label, ""), label, None


def _by_level(root: _Box, total: float, hot: tuple[str, str] | None) -> Iterator[_DrawnBox]:
    """Yield the boxes level by level, so that a cut takes the innermost ones."""
    level = [(root, 0.0)]
    depth = 0
    while level:
        inner: list[tuple[_Box, float]] = []
        for box, start in level:
            for child in sorted(box.children.values(), key=lambda each: -each.seconds):
                inner.append((child, start))
                start += child.seconds
        level = [each for each in inner if each[0].seconds >= MIN_SHARE * total]
        yield from (_make_box(box, start, depth, total, hot) for box, start in level)
        depth += 1


def _make_box(
    box: _Box, start: float, depth: int, total: float, hot: tuple[str, str] | None
) -> _DrawnBox:
    where = f", {box.frame.where}" if box.frame else ""
    return _DrawnBox(
        depth=depth,
        place=percent(start, total),
        width=percent(box.seconds, total),
        label=box.label,
        title=f"{box.label}{where}: {length(box.seconds)}, {_percent(box.seconds / total)}",
        is_ours=box.is_ours,
        is_hot=hot is not None and box.frame is not None and box.frame.key == hot,
    )
