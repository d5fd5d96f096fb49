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
from kit.reading.payload import at, mapping, mappings, sequence, shorten, string
from kit.reading.spans import length
from kit.views.chart import cut, svg

MAX_SAMPLES = 20_000
MAX_FRAMES = 200
MAX_DEPTH = 60
MAX_ROWS = 10
# What takes less than this share of the time is too narrow to be seen.
MIN_SHARE = 0.002
# This many library frames on top of each other are drawn as one.
FOLDED = 3

_SIZES = {"wide": 940, "narrow": 500}
# Widths of a character in pixels, in the widest of the usual fonts.
_CHARACTER, _BOLD = 7.6, 8.6
# A thread whose innermost frame is here waits for the network or for a timer.
_WAITING = ("selectors", "asyncio.windows_events")
_NANOSECOND = 1e-9

_T = TypeVar("_T")


@dataclass(frozen=True)
class Frame:
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
        return self.module in _WAITING

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
class Sample:
    """What the thread was doing, the outermost frame first, and for how many seconds."""

    stack: tuple[Frame, ...]
    seconds: float


@dataclass
class Box:
    """A function in the graph, with the time that it and all that it called took."""

    label: str
    is_ours: bool
    frame: Frame | None = None
    seconds: float = 0.0
    children: dict[tuple[str, str], "Box"] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A line of the table: a place in the code and the time that it took itself, in seconds."""

    frame: Frame
    seconds: float
    share: float

    @property
    def took(self) -> str:
        """The time in words."""
        return length(self.seconds)


def flame_graph(profile: Mapping[str, Any]) -> Markup:
    """Return the profile of a transaction as a flame graph of the thread that served it.

    ``profile`` is the payload of an item of type ``profile``. A sentence names the line that
    took the most time; a table has the lines that took the most time themselves.
    """
    samples = active_samples(profile)
    total = sum(sample.seconds for sample in samples)
    guilty = guilty_line(samples)
    boxes, is_cut = _boxes(samples, total)
    summary = _summary(guilty, samples, total)
    values = {
        "charts": _charts(boxes, guilty, summary) if boxes else {},
        "lines": self_times(samples)[:MAX_ROWS],
        "summary": summary,
        "count": len(samples),
        "is_cut": is_cut,
    }
    html = render("flame.html", **values).encode("utf-8", "replace").decode()
    return Markup(html)  # noqa: S704 - the template escaped every value


def speedscope(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile as speedscope's viewer reads it: save it as JSON and open it there.

    Format: https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources
    """
    samples = active_samples(profile)
    frames = list(dict.fromkeys(frame for sample in samples for frame in sample.stack))
    numbers = {frame: number for number, frame in enumerate(frames)}
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "crash-workshop",
        "shared": {
            "frames": [
                {"name": each.function, "file": each.file, "line": each.line} for each in frames
            ]
        },
        "profiles": [
            {
                "type": "sampled",
                "name": string(_transaction(profile).get("name")) or "profile",
                "unit": "seconds",
                "startValue": 0,
                "endValue": sum(sample.seconds for sample in samples),
                "samples": [[numbers[frame] for frame in sample.stack] for sample in samples],
                "weights": [sample.seconds for sample in samples],
            }
        ],
    }


# Samples


def active_samples(profile: Mapping[str, Any]) -> list[Sample]:
    """Return the samples of the thread that served the transaction, the earliest first.

    A sample lasts until the next one, the last of them until the transaction ends. Without the
    name of the thread it is the one with the most samples.
    """
    recorded = mapping(mapping(profile).get("profile"))
    taken = mappings(recorded.get("samples"))[:MAX_SAMPLES]
    thread = _thread(profile, taken)
    own = [(_time(each), each) for each in taken if string(each.get("thread_id")) == thread]
    own.sort(key=lambda timed: timed[0])
    times = [time for time, _ in own]
    frames = [_frame(mapping(each)) for each in sequence(recorded.get("frames"))]
    stacks = [_stack(each, frames) for each in sequence(recorded.get("stacks"))]
    return [
        Sample(_at(stacks, each.get("stack_id")) or (), seconds)
        for (_, each), seconds in zip(own, _lengths(times, profile), strict=True)
    ]


def _transaction(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the profile is of: Python's SDK sends a list of one, JavaScript's the one."""
    given = mapping(profile)
    return mapping(given.get("transaction") or at(given, ("transactions", 0)))


def _thread(profile: Mapping[str, Any], taken: Sequence[Mapping[str, Any]]) -> str:
    threads = Counter(string(each.get("thread_id")) for each in taken)
    active = string(_transaction(profile).get("active_thread_id"))
    return active if active in threads or not threads else threads.most_common(1)[0][0]


def _time(sample: Mapping[str, Any]) -> float:
    return _number(sample.get("elapsed_since_start_ns")) * _NANOSECOND


def _lengths(times: Sequence[float], profile: Mapping[str, Any]) -> list[float]:
    steps = [later - earlier for earlier, later in pairwise(times)]
    end = _number(_transaction(profile).get("relative_end_ns")) * _NANOSECOND
    usual = sorted(steps)[len(steps) // 2] if steps else 0.01
    last = min(max(end - times[-1], 0.0), 2 * usual) or usual if times else 0.0
    return [*steps, last] if times else []


def _number(value: Any) -> float:
    """Return a number that may come as text, from 0 to a thousand years of nanoseconds."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), 3e19) if math.isfinite(number) else 0.0


def _frame(frame: Mapping[str, Any]) -> Frame:
    return Frame(
        function=shorten(string(frame.get("function"))).text or "unnamed function",
        file=shorten(string(frame.get("filename") or frame.get("abs_path"))).text or "no file",
        line=int(min(_number(frame.get("lineno")), 1e9)),
        module=string(frame.get("module")),
        is_ours=frame.get("in_app") is True,
    )


def _stack(indices: Any, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    known = (_at(frames, index) for index in islice(sequence(indices), MAX_DEPTH * 5))
    return tuple(frame for frame in known if frame is not None)[::-1]


def _at(values: Sequence[_T], index: Any) -> _T | None:
    return values[index] if isinstance(index, int) and 0 <= index < len(values) else None


# Words


@dataclass(frozen=True)
class Guilty:
    """The function of ours that took the most time, and its line that took most of that."""

    function: Line
    line: Line


def guilty_line(samples: Sequence[Sample]) -> Guilty | None:
    """Return where the time went, all that was called from there included; None if nowhere.

    Time in which the thread only waited counts for nobody. Where no sample has a frame of ours
    it is the innermost frame of a library. A share is that of the whole time, from 0 to 1.
    """
    busy = [sample for sample in samples if sample.stack and not sample.stack[-1].is_waiting]
    ours = [sample for sample in busy if any(frame.is_ours for frame in sample.stack)]
    places: dict[Frame, float] = defaultdict(float)
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
    return Guilty(Line(line.frame, whole, whole / _total(samples)), line)


def self_times(samples: Sequence[Sample]) -> list[Line]:
    """Return the lines that were running themselves, the longest first."""
    places: dict[Frame, float] = defaultdict(float)
    for sample in samples:
        if sample.stack:
            places[sample.stack[-1]] += sample.seconds
    return _lines(places, samples)


def _lines(places: Mapping[Frame, float], samples: Sequence[Sample]) -> list[Line]:
    total = _total(samples)
    longest = sorted(places.items(), key=lambda each: -each[1])
    return [Line(frame, took, took / total) for frame, took in longest]


def _total(samples: Iterable[Sample]) -> float:
    """Return the time of all samples; 1 instead of 0, so that one can divide by it."""
    return sum(sample.seconds for sample in samples) or 1.0


def _summary(guilty: Guilty | None, samples: Sequence[Sample], total: float) -> str:
    if not samples:
        return "This profile has no sample of the thread that served the transaction."
    idle = sum(line.share for line in self_times(samples) if line.frame.is_waiting)
    if guilty is None:
        return f"In {length(total)} the thread did nothing but wait."
    spent = (
        f"{_percent(guilty.function.share)} of {length(total)} was spent in "
        f"{guilty.line.frame.function}, {_percent(guilty.line.share)} at {guilty.line.frame.where}."
    )
    waited = f"For {_percent(idle)} of the time the thread only waited."
    return f"{waited} {spent}" if idle > 0.5 else f"{spent} {waited}" if idle > 0.05 else spent


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


# Graph


def _boxes(samples: Iterable[Sample], total: float) -> tuple[list[dict[str, Any]], bool]:
    """Return the boxes to draw, and whether there are more than that."""
    root = Box("", is_ours=False, seconds=total)
    for sample in samples:
        box = root
        for key, label, frame in islice(_folded(sample.stack), MAX_DEPTH):
            ours = frame is not None and frame.is_ours
            box = box.children.setdefault(key, Box(label, ours, frame))
            box.seconds += sample.seconds
    placed = list(islice(_placed(root, total), MAX_FRAMES + 1))
    return placed[:MAX_FRAMES], len(placed) > MAX_FRAMES


def _folded(stack: tuple[Frame, ...]) -> Iterator[tuple[tuple[str, str], str, Frame | None]]:
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


def _placed(root: Box, total: float) -> Iterator[dict[str, Any]]:
    """Yield the boxes level by level, so that a cut takes the innermost ones."""
    level = [(root, 0.0)]
    depth = 0
    while level:
        inner: list[tuple[Box, float]] = []
        for box, start in level:
            for child in sorted(box.children.values(), key=lambda each: -each.seconds):
                inner.append((child, start))
                start += child.seconds
        level = [placed for placed in inner if placed[0].seconds >= MIN_SHARE * (total or 1)]
        yield from (_drawn(box, start, depth, total or 1.0) for box, start in level)
        depth += 1


def _drawn(box: Box, start: float, depth: int, total: float) -> dict[str, Any]:
    return {
        "depth": depth,
        "start": start / total,
        "end": (start + box.seconds) / total,
        "label": box.label,
        "ours": box.is_ours,
        "place": box.frame.key if box.frame else None,
    }


def _charts(
    boxes: Sequence[Mapping[str, Any]], guilty: Guilty | None, summary: str
) -> dict[str, Markup]:
    place = guilty.line.frame.key if guilty else None
    return {
        name: svg(
            "flame",
            summary,
            width=width,
            datasets={"boxes": [_fit(box, place, width) for box in boxes]},
        )
        for name, width in _SIZES.items()
    }


def _fit(box: Mapping[str, Any], guilty: Any, width: int) -> dict[str, Any]:
    """Return the box with as much of its label as there is room for."""
    room = (box["end"] - box["start"]) * width - 12
    is_guilty = guilty is not None and box["place"] == guilty
    label = f"▶ {box['label']}" if is_guilty else box["label"]
    width_of_one = _BOLD if is_guilty or box["ours"] else _CHARACTER
    return {**box, "label": cut(label, room, width_of_one), "guilty": is_guilty, "place": None}
