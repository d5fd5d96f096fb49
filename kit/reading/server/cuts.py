"""What a server would cut from an event, or reject it for. Simulated: no server is contacted.

Not imitated: limits on how deep values are nested.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit.reading.payload import (
    as_entries,
    as_mapping,
    as_str,
    event_message,
    event_threads,
    exceptions,
    format_bytes,
    get_part,
    get_path,
    stack_frames,
    truncate,
)
from kit.reading.server import limits
from kit.reading.server.fingerprint import tag_pairs
from kit.reading.server.limits import Limit
from kit.reading.server.references import NORMALIZATION, TAGS, Reference
from kit.words import count_noun

Raw = Mapping[str, Any]

_MAX_NAME = 80


@dataclass(frozen=True)
class Cut:
    """What a server would not keep: where it is, how much was sent, and how much would remain.

    ``remains`` is empty if nothing would; ``refuses`` is true if the whole event is rejected.
    """

    where: str
    sent: str
    remains: str
    source: Reference
    refuses: bool = False


def server_cuts(event: Raw, size: int | None = None) -> list[Cut]:
    """Return what a server would cut from an event; a rejected one has a single cut, the event.

    ``size`` is the size in bytes of the event as it was sent; by default that of its JSON.
    """
    refused = list(_refusal(event, size))
    if refused:
        return refused
    return [
        *_stack_cuts(event),
        *_exception_cuts(event),
        *_breadcrumb_cuts(event),
        *_tag_cuts(event),
        *_field_cuts(event),
    ]


def _refusal(event: Raw, size: int | None) -> Iterator[Cut]:
    data = _json(event)
    sent = len(data) if size is None else size
    limit = limits.EVENT_BYTES
    if sent > limit.most:
        yield Cut(limit.field, format_bytes(sent), "", limit.source, refuses=True)
        return
    limit = limits.COMPRESSED_BYTES
    if sent > limit.most and (packed := len(gzip.compress(data, 6))) > limit.most:
        about = f"about {format_bytes(packed)}"
        yield Cut(limit.field, about, "", limit.source, refuses=True)


# Stack traces


def _stacks(event: Raw) -> Iterator[tuple[str, list[Raw]]]:
    places = (("exception", exceptions(event)), ("threads", event_threads(event)))
    for name, values in places:
        for number, value in enumerate(values):
            yield f"{name} {number}", stack_frames(value)
    yield "the event", stack_frames(event)


def _stack_cuts(event: Raw) -> Iterator[Cut]:
    for place, frames in _stacks(event):
        where = f"stack trace of {place}"
        limit = limits.FRAMES
        if len(frames) > limit.most:
            last = f"the last {limit.most}, nearest to the crash"
            yield Cut(where, count_noun(len(frames), "frame"), last, limit.source)
        kept = frames[-limit.most :]
        slim = frames_slimmed(kept)
        lost = [n for n in slim if kept[n].get("vars") or _has_lines(kept[n])]
        if lost:
            full = len([frame for frame in kept if frame.get("vars") or _has_lines(frame)])
            yield Cut(
                f"{where}: local variables and context lines",
                f"in {full} of the remaining frames",
                f"in {full - len(lost)}: the outermost and the innermost",
                limits.FULL_FRAMES.source,
            )
        yield from _variable_cuts(where, [f for n, f in enumerate(kept) if n not in slim])


def frames_slimmed(frames: list[Raw]) -> set[int]:
    """Return which frames would lose their variables and context lines.

    Those are frames in the middle, library frames first.
    """
    most = limits.FULL_FRAMES.most
    if len(frames) <= most:
        return set()
    ours = [n for n, frame in enumerate(frames) if frame.get("in_app") is True]
    others = [n for n, frame in enumerate(frames) if frame.get("in_app") is not True]
    removed = _middle(others, max(most - len(ours), 0) // 2)
    still_over = max(len(frames) - most - len(removed), 0)
    return {*removed, *_middle(ours, max(len(ours) - still_over, 0) // 2)}


def _middle(numbers: list[int], ends: int) -> list[int]:
    return numbers[ends : len(numbers) - ends] if 2 * ends < len(numbers) else []


def _has_lines(frame: Raw) -> bool:
    return bool(frame.get("pre_context") or frame.get("post_context"))


def _variable_cuts(where: str, frames: Iterable[Raw]) -> Iterator[Cut]:
    limit = limits.FRAME_VARS_BYTES
    sizes = [len(_json(frame["vars"])) for frame in frames if frame.get("vars")]
    over = [size for size in sizes if size > limit.most]
    if over:
        larger = f"{count_noun(len(over), 'frame')} with up to {format_bytes(max(over))}"
        kept = f"{format_bytes(limit.most)} of each frame"
        yield Cut(f"{where}: local variables", larger, kept, limit.source)


# Fields


def _exception_cuts(event: Raw) -> Iterator[Cut]:
    for number, error in enumerate(exceptions(event)):
        yield from _char_cuts(f"exception {number}: ", error, limits.EXCEPTION_CHARS)


def _breadcrumb_cuts(event: Raw) -> Iterator[Cut]:
    for number, crumb in enumerate(as_entries(get_part(event, "breadcrumbs"))):
        yield from _char_cuts(f"breadcrumb {number}: ", crumb, limits.BREADCRUMB_CHARS)
        yield from _byte_cuts(f"breadcrumb {number}: ", crumb, limits.BREADCRUMB_BYTES)


def _tag_cuts(event: Raw) -> Iterator[Cut]:
    for key, value in tag_pairs(event):
        for fault, source in _tag_faults(key, value):
            yield Cut(f"tags: {truncate(key, _MAX_NAME)}", fault, "", source)


def _tag_faults(key: str, value: str) -> Iterator[tuple[str, Reference]]:
    """Yield why the servers would not keep a tag."""
    limit = limits.TAG_CHARS
    for what, text in (("name", key), ("value", value)):
        if len(text) > limit.most:
            yield f"a {what} of {len(text):,} characters", limit.source
    if key in limits.RESERVED_TAGS:
        yield "a name that the servers set themselves", NORMALIZATION
    elif not limits.TAG_NAME.fullmatch(key):
        yield "a name with characters other than a-z, A-Z, 0-9, _ . : -", TAGS
    if "\n" in value.strip():
        yield "a value of several lines", TAGS


def _field_cuts(event: Raw) -> Iterator[Cut]:
    message = {"message": event_message(event)}
    yield from _char_cuts("", message, (limits.MESSAGE_CHARS,))
    yield from _char_cuts("", event, limits.EVENT_CHARS)
    yield from _byte_cuts("", event, limits.EVENT_FIELD_BYTES)


def _char_cuts(place: str, value: Raw, declared: Iterable[Limit]) -> Iterator[Cut]:
    return _measure(place, value, declared, lambda text: len(as_str(text)), _characters)


def _byte_cuts(place: str, value: Raw, declared: Iterable[Limit]) -> Iterator[Cut]:
    return _measure(place, value, declared, lambda part: len(_json(part)), format_bytes)


def _measure(
    place: str,
    value: Raw,
    declared: Iterable[Limit],
    length: Callable[[Any], int],
    shown: Callable[[int], str],
) -> Iterator[Cut]:
    seen = set[str]()
    for limit in declared:
        for name, part in _fields(value, limit.field):
            if name in seen or part is None:
                continue
            seen.add(name)
            sent = length(part)
            if sent > limit.most + limit.allowance:
                where = f"{place}{truncate(name, _MAX_NAME)}"
                yield Cut(where, shown(sent), f"the first {shown(limit.most)}", limit.source)


def _fields(value: Raw, field: str) -> Iterator[tuple[str, Any]]:
    *path, last = field.split(".")
    inside = as_mapping(get_path(value, path))
    for key in inside if last == "*" else (last,):
        yield ".".join([*path, as_str(key)]), inside.get(key)


def _characters(number: int) -> str:
    return f"{number:,} characters"


def _json(value: Any) -> bytes:
    """Return a value as the SDK for Python sends it; empty if it is not JSON."""
    try:
        return json.dumps(value, separators=(",", ":"), default=repr).encode()
    except (RecursionError, ValueError):
        return b""
