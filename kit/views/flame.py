"""The flame graph: where the time of a profile went, in a picture and in words.

Event data is untrusted, as in ``kit.views.waterfall``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.reading.items import raw_value
from kit.reading.profiles import ProfileFrame, ProfileReading, StackSample, read_profile
from kit.reading.spans import Span, length
from kit.views.axis import percent, ticks

MAX_FRAMES = 200
MAX_DEPTH = 60
MAX_ROWS = 10
# Boxes with a smaller share of the time are too narrow to see.
MIN_SHARE = 0.002
# This many library frames on top of each other are drawn as one.
FOLDED = 3


@dataclass(frozen=True)
class ProfileLine:
    """A row of the table: a place in the code and its time, in seconds."""

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
    a table has the lines with the most self time. A profile in another format is named, and shown
    raw.
    """
    reading = read_profile(profile, span)
    samples = reading.samples
    total = sum(sample.seconds for sample in samples)
    hot_spot, lines = find_hot_spot(samples), self_times(samples)
    boxes, is_cut = _boxes(samples, total, hot_spot)
    return render(
        "flame.html",
        boxes=boxes,
        levels=1 + max((box.depth for box in boxes), default=0),
        ticks=ticks(100, 5, " %"),
        lines=lines[:MAX_ROWS],
        line_count=len(lines),
        min_share=MIN_SHARE,
        summary=_summary(hot_spot, reading, total),
        count=len(samples),
        is_cut=is_cut,
        remarks=reading.remarks,
        raw=None if samples else raw_value(profile),
    )


# Words


@dataclass(frozen=True)
class HotSpot:
    """The in-app function that took the most time, and the line in it that took most of that."""

    function: ProfileLine
    line: ProfileLine


def find_hot_spot(samples: Sequence[StackSample]) -> HotSpot | None:
    """Return where the time went, including all that was called from there; None if nowhere.

    Time in which the thread only waited does not count. If no sample has an in-app frame, it is
    the innermost library frame. A share is that of the whole time, from 0 to 1.
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
    """Return the lines by self time, longest first."""
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
    """Return the time of all samples; 1 instead of 0, to divide by it."""
    return sum(sample.seconds for sample in samples) or 1.0


def _summary(hot_spot: HotSpot | None, reading: ProfileReading, total: float) -> str:
    samples = reading.samples
    if reading.other_format:
        return f"This profile is in a format that is not drawn: {reading.other_format}."
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
    is_deep = False
    for sample in samples:
        box = root
        for depth, (key, label, frame) in enumerate(_group_runs(sample.stack)):
            if is_deep := is_deep or depth >= MAX_DEPTH:
                break
            ours = frame is not None and frame.is_ours
            box = box.children.setdefault(key, _Box(label, ours, frame))
            box.seconds += sample.seconds
    hot = hot_spot.line.frame.key if hot_spot else None
    drawn = list(islice(_by_level(root, total or 1.0, hot), MAX_FRAMES + 1))
    return drawn[:MAX_FRAMES], is_deep or len(drawn) > MAX_FRAMES


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
