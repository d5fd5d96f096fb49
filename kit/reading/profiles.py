"""Profiles: what the thread of a request was doing, sample by sample.

Reads Sentry's sample format, in which a profiler recorded every few milliseconds what each thread
was doing: version 2, chunks of a continuous profiler, and version 1, of one transaction.
See https://develop.sentry.dev/sdk/telemetry/profiles/
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Any, TypeVar

from kit.reading.payload import (
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    escape_bidi,
    get_path,
    short_path,
    shorten,
    truncate,
)
from kit.reading.spans import Span
from kit.words import count_noun

MAX_SAMPLES = 20_000
# Of a stack, from the innermost frame on.
MAX_STACK = 300
# A sample that is further from the others has a time that is not meant.
MAX_PROFILE_S = 3600.0
# What a sample counts for if none has a time.
USUAL_S = 0.01
MAX_NAMED_THREADS = 5

# A thread whose innermost frame is here waits for the network or for a timer.
_WAITING = ("selectors", "asyncio.windows_events")
_IDLE = "(idle)"  # what V8 calls that
# JavaScript's profiler does not say whose code a frame is.
_NOT_OURS = ("node_modules", "node:")
_NANOSECOND = 1e-9

_T = TypeVar("_T")


@dataclass(frozen=True)
class ProfileFrame:
    """A line of code that was running. ``is_ours`` is true for application code."""

    function: str
    file: str
    line: int
    module: str
    is_ours: bool

    @property
    def key(self) -> tuple[str, str]:
        """A key that all frames of one function share."""
        return self.function, self.file

    @property
    def is_waiting(self) -> bool:
        """Whether a thread in here waits for the network or for a timer."""
        return self.module in _WAITING or self.function == _IDLE

    @property
    def where(self) -> str:
        """The place, as ``file:line``."""
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
class ProfileReading:
    """The samples of one thread in their order, and ``remarks`` on what is not among them.

    ``other_format`` names the format of a profile that has no samples to read.
    """

    samples: list[StackSample]
    remarks: list[str]
    other_format: str = ""


def active_samples(profile: Mapping[str, Any], span: Span | None = None) -> list[StackSample]:
    """Return the samples of the thread that served ``span`` while it was open, in their order.

    A sample lasts until the next one, the last of them until the span ends. If the thread is
    unknown, it is the one with the most samples.
    """
    return read_profile(profile, span).samples


def read_profile(profile: Mapping[str, Any], span: Span | None = None) -> ProfileReading:
    """Return the samples of the thread that served ``span``, and remarks on the rest."""
    given = as_mapping(profile)
    recorded = as_mapping(given.get("profile"))
    sent = recorded.get("samples")
    if not isinstance(sent, list):
        return ProfileReading([], [], _name_format(given))
    taken = [
        _TimedSample(as_str(each.get("thread_id")), _time(each), each)
        for each in as_mappings(sent[:MAX_SAMPLES])
    ]
    window = _window(given, span, taken)
    timed, is_timed = _with_times(taken, window)
    own = sorted((each for each in timed if window.has(each, is_timed)), key=lambda each: each.at)
    stacks = _Stacks(recorded, as_str(given.get("platform")))
    times = [each.at for each in own]
    lengths = _lengths(times, window.end) if is_timed else [USUAL_S] * len(own)
    samples = [
        StackSample(stacks.at(each.sent.get("stack_id")), seconds)
        for each, seconds in zip(own, lengths, strict=True)
    ]
    remarks = [
        *_sample_remarks(sent, taken, timed, is_timed),
        *_thread_remarks(recorded, timed, own, window),
        *stacks.remarks(),
    ]
    return ProfileReading(samples, remarks)


def profiled_functions(profile: Any) -> set[str]:
    """Return the names of the functions that a profile has frames of."""
    frames = as_mappings(get_path(profile, ("profile", "frames")))
    return {as_str(frame.get("function")) for frame in frames}


def _name_format(profile: Mapping[str, Any]) -> str:
    parts = {
        "platform": as_str(profile.get("platform")),
        "version": as_str(profile.get("version")),
        "format": "Android's method trace" if "sampled_profile" in profile else "",
    }
    known = [f"{name} {truncate(value, 40)}" for name, value in parts.items() if value]
    return ", ".join(known) or "it does not say which"


# Times


@dataclass(frozen=True)
class _TimedSample:
    """A sample, its thread, and when it was taken; None if that is unknown."""

    thread: str
    time: float | None
    sent: Mapping[str, Any]

    @property
    def at(self) -> float:
        return self.time or 0.0


@dataclass(frozen=True)
class _Window:
    """The thread of a profile to read, and from when to when, in seconds of its clock."""

    thread: str
    start: float
    end: float

    def has(self, sample: _TimedSample, is_timed: bool) -> bool:
        """Whether a sample is in it; if no sample has a time, only the thread counts."""
        is_within = not is_timed or self.start <= sample.at <= self.end
        return sample.thread == self.thread and is_within


def _window(
    profile: Mapping[str, Any], span: Span | None, taken: Sequence[_TimedSample]
) -> _Window:
    threads = Counter(each.thread for each in taken)
    busiest = threads.most_common(1)[0][0] if threads else ""
    if span is not None:
        thread = as_str(span.attributes.get("thread.id"))
        return _Window(thread if thread in threads else busiest, span.start, span.end)
    # The profile of one transaction: Python's SDK sends a list of one, JavaScript's only that one.
    whole = as_mapping(profile.get("transaction") or get_path(profile, ("transactions", 0)))
    active = as_str(whole.get("active_thread_id"))
    end = (_number(whole.get("relative_end_ns")) or 0.0) * _NANOSECOND
    return _Window(active if active in threads else busiest, -math.inf, end or math.inf)


def _time(sample: Mapping[str, Any]) -> float | None:
    """Return when a sample was taken: since the epoch, or since the profile began."""
    if sample.get("timestamp") is not None:
        return _number(sample.get("timestamp"))
    elapsed = _number(sample.get("elapsed_since_start_ns"))
    return None if elapsed is None else elapsed * _NANOSECOND


def _with_times(taken: Sequence[_TimedSample], window: _Window) -> tuple[list[_TimedSample], bool]:
    """Return the samples with a possible time, or all of them with False, if none has a time."""
    times = [each.time for each in taken if each.time is not None]
    if not times:
        return list(taken), False
    centre = median_low(times)

    def can_be(time: float) -> bool:
        return abs(time - centre) <= MAX_PROFILE_S or window.start <= time <= window.end < math.inf

    return [each for each in taken if each.time is not None and can_be(each.time)], True


def _lengths(times: Sequence[float], end: float) -> list[float]:
    steps = [later - earlier for earlier, later in pairwise(times)]
    usual = (sorted(steps)[len(steps) // 2] if steps else 0.0) or USUAL_S
    left = end - times[-1] if times else 0.0
    last = min(max(left, 0.0), 2 * usual) or usual
    return [*steps, last] if times else []


def _number(value: Any) -> float | None:
    """Return a number, which may be sent as text, not below zero; None for anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number <= 1e19 else None


# Stacks


class _Stacks:
    """The stacks of a profile; counts what they refer to that was not sent."""

    def __init__(self, recorded: Mapping[str, Any], platform: str) -> None:
        self._platform = platform
        self._frames = [self._frame(each) for each in as_list(recorded.get("frames"))]
        self._sent = as_list(recorded.get("stacks"))
        self._read: dict[int, tuple[ProfileFrame, ...]] = {}
        self._unknown = 0
        self._deep = 0

    def at(self, number: Any) -> tuple[ProfileFrame, ...]:
        """Return a stack, the outermost frame first; a placeholder for a missing one."""
        index = _index(number, self._sent)
        if index is None:
            self._unknown += 1
            return (_placeholder("stack", number),)
        if index not in self._read:
            self._read[index] = self._stack(as_list(self._sent[index]))
        return self._read[index]

    def remarks(self) -> Iterator[str]:
        """Yield remarks on the stacks that were read."""
        if self._unknown:
            times = count_noun(self._unknown, "time")
            yield f"The profile refers {times} to a stack or frame that was not sent."
        if self._deep:
            stacks = count_noun(self._deep, "stack")
            yield f"Of {stacks} only the innermost {MAX_STACK} frames are read."

    def _stack(self, indices: list[Any]) -> tuple[ProfileFrame, ...]:
        self._deep += len(indices) > MAX_STACK
        return tuple(self._frame_at(each) for each in indices[:MAX_STACK])[::-1]

    def _frame_at(self, number: Any) -> ProfileFrame:
        index = _index(number, self._frames)
        if index is None:
            self._unknown += 1
            return _placeholder("frame", number)
        return self._frames[index]

    def _frame(self, sent: Any) -> ProfileFrame:
        frame = as_mapping(sent)
        path = as_str(frame.get("filename") or frame.get("abs_path") or frame.get("package"))
        name = as_str(frame.get("function") or frame.get("instruction_addr"))
        is_node = self._platform == "node"
        return ProfileFrame(
            function=escape_bidi(shorten(name).text) or "unnamed function",
            file=escape_bidi(shorten(short_path(path)).text) or "no file",
            line=int(min(_number(frame.get("lineno")) or 0.0, 1e9)),
            module=as_str(frame.get("module")),
            is_ours=_is_ours_by_path(path) if is_node else frame.get("in_app") is True,
        )


def _placeholder(what: str, number: Any) -> ProfileFrame:
    name = f"{what} {truncate(as_str(number), 40) or 'without a number'}, which was not sent"
    return ProfileFrame(name, "no file", 0, "", is_ours=False)


def _index(number: Any, values: Sequence[_T]) -> int | None:
    value = _number(number)
    if value is None or value != int(value) or value >= len(values):
        return None
    return int(value)


def _is_ours_by_path(path: str) -> bool:
    return bool(path) and not any(mark in path for mark in _NOT_OURS)


# Remarks


def _sample_remarks(
    sent: Sequence[Any],
    taken: Sequence[_TimedSample],
    timed: Sequence[_TimedSample],
    is_timed: bool,
) -> Iterator[str]:
    if len(sent) > MAX_SAMPLES:
        yield f"Only the first {MAX_SAMPLES:,} of {len(sent):,} samples are read."
    if odd := len(sent[:MAX_SAMPLES]) - len(taken):
        yield f"{odd:,} of the samples {'is' if odd == 1 else 'are'} invalid: not a JSON object."
    if taken and not is_timed:
        yield "No sample has a time: all count equally."
    if lost := len(taken) - len(timed):
        yield f"{count_noun(lost, 'sample')} without a possible time, not shown."


def _thread_remarks(
    recorded: Mapping[str, Any],
    timed: Sequence[_TimedSample],
    own: Sequence[_TimedSample],
    window: _Window,
) -> Iterator[str]:
    others = Counter(each.thread for each in timed if each.thread != window.thread)
    if others:
        names = [_thread_name(recorded, thread) for thread in list(others)[:MAX_NAMED_THREADS]]
        more = [f"{len(others) - len(names)} more"] if len(others) > len(names) else []
        yield (
            f"Not shown: {count_noun(others.total(), 'sample')} of "
            f"{count_noun(len(others), 'other thread')} ({', '.join([*names, *more])})."
        )
    if outside := len(timed) - others.total() - len(own):
        yield f"Not shown: {count_noun(outside, 'sample')} from before or after."


def _thread_name(recorded: Mapping[str, Any], thread: str) -> str:
    name = as_str(get_path(recorded, ("thread_metadata", thread, "name")))
    return truncate(name or thread, 40) or "unnamed"
