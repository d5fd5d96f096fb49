"""Exception chains and stack traces as the event card shows them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers.python import PythonLexer

from kit.payload import (
    MAX_ROWS,
    Text,
    at,
    exceptions,
    mapping,
    mappings,
    sequence,
    shorten,
    show,
    string,
)

MAX_FRAMES = 12

Raw = Mapping[str, Any]
# What hangs below something else: the exception, how it hangs there, how deep.
Branch = tuple[Raw, str, int]


@dataclass(frozen=True)
class Row:
    """A name and its value; ``why`` is what the value is good for."""

    name: str
    value: Text
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of source; ``code`` is escaped. The guilty one was running."""

    number: int | str
    code: Markup
    is_guilty: bool


@dataclass(frozen=True)
class Frame:
    """A call on the stack."""

    function: str
    where: str
    lines: tuple[Line, ...]
    variables: tuple[Row, ...]


@dataclass(frozen=True)
class Run:
    """Frames that are folded away: of libraries, or of ours where there are too many."""

    frames: tuple[Frame, ...]
    has_ours: bool


@dataclass(frozen=True)
class Raised:
    """An exception of a chain; ``relation`` says how it hangs on the one above."""

    type: str
    value: Text
    module: str
    relation: str
    depth: int
    stack: tuple[Frame | Run, ...]


def chain(event: Raw, uses: Mapping[str, str]) -> list[Raised]:
    """Return the exceptions of an event, outermost first.

    ``uses`` says what local variables of the failing frame are good for.
    """
    values = exceptions(event)
    branches = _grouped(values) or _chained(values)
    return [_raised(branch, uses if branch[0] is values[-1] else {}) for branch in branches]


def threads(event: Raw) -> list[Raised]:
    """Return the stacks that came without an exception."""
    found = [*mappings(at(event, ("threads", "values"))), event]
    return [_raised((each, "", 0), {}) for each in found if mapping(each.get("stacktrace"))]


def _chained(values: Sequence[Raw]) -> list[Branch]:
    return [
        (value, "caused by" if index else "", 0) for index, value in enumerate(reversed(values))
    ]


def _grouped(values: Sequence[Raw]) -> list[Branch]:
    """Return the tree of an exception group, root first; nothing when the event has none."""
    numbers = [at(value, ("mechanism", "exception_id")) for value in values]
    if len(set(map(repr, numbers))) < len(numbers) or not all(type(n) is int for n in numbers):
        return []
    branches: list[Branch] = []
    depths: dict[int, int] = {}
    for number, value in sorted(zip(numbers, values, strict=True), key=lambda pair: pair[0]):
        relation, parent = _hangs(number, mapping(value.get("mechanism")))
        depths[number] = depths[parent] + 1 if type(parent) is int and parent in depths else 0
        branches.append((value, relation, min(depths[number], 5)))
    return branches


def _hangs(number: int, mechanism: Raw) -> tuple[str, Any]:
    """Return how an exception of a group hangs on which other one."""
    source = string(mechanism.get("source"))
    # The SDK numbers depth first, so a cause comes right after what it caused; the parent_id
    # that it writes for causes is 0, the group.
    if source == "__cause__":
        return "caused by", number - 1
    if source == "__context__":
        return "raised while handling", number - 1
    return ("member of the group" if source else ""), mechanism.get("parent_id")


def _raised(branch: Branch, uses: Mapping[str, str]) -> Raised:
    value, relation, depth = branch
    frames = mappings(at(value, ("stacktrace", "frames")))
    return Raised(
        string(value.get("type")) or ("Exception" if "mechanism" in value else "Thread"),
        shorten(string(value.get("value"))),
        string(value.get("module")),
        relation,
        depth,
        tuple(_folded(frames[::-1], uses)),
    )


def _folded(frames: Sequence[Raw], uses: Mapping[str, str]) -> Iterator[Frame | Run]:
    """Return frames of ours one by one and those between them as runs, newest first."""
    mine = [index for index, raw in enumerate(frames) if raw.get("in_app") is True]
    start = 0
    for index in mine[:MAX_FRAMES]:
        yield from _run(frames[start:index])
        yield _own_frame(frames[index], uses if index == mine[0] else {})
        start = index + 1
    yield from _run(frames[start:])


def _run(frames: Sequence[Raw]) -> Iterator[Run]:
    if frames:
        has_ours = any(raw.get("in_app") is True for raw in frames)
        yield Run(tuple(map(_library_frame, frames)), has_ours)


def _own_frame(raw: Raw, uses: Mapping[str, str]) -> Frame:
    # The values are texts already: the SDK sends the repr() of each.
    pairs = islice(mapping(raw.get("vars")).items(), MAX_ROWS)
    variables = (
        Row(name, shorten(show(value)), (uses[name],) if name in uses else ())
        for name, value in pairs
    )
    return Frame(_function(raw), _where(raw), _lines(raw), tuple(variables))


def _library_frame(raw: Raw) -> Frame:
    code = raw.get("context_line")
    line = Line("", escape(_one_line(code)), True) if isinstance(code, str) else None
    return Frame(_function(raw), _where(raw), (line,) if line else (), ())


def _function(raw: Raw) -> str:
    return string(raw.get("function")) or "unknown function"


def _where(raw: Raw) -> str:
    file = string(raw.get("filename")) or string(raw.get("abs_path")) or "unknown file"
    return f"{file}:{show(raw['lineno'])}" if raw.get("lineno") is not None else file


def _lines(raw: Raw) -> tuple[Line, ...]:
    guilty = raw.get("context_line")
    if not isinstance(guilty, str):
        return ()
    before = [string(line) for line in sequence(raw.get("pre_context"))]
    after = [string(line) for line in sequence(raw.get("post_context"))]
    marked = _highlight("\n".join(map(_one_line, (*before, guilty, *after))))
    number = raw.get("lineno")
    first = number - len(before) if isinstance(number, int) else None
    return tuple(
        Line("" if first is None else first + index, code, index == len(before))
        for index, code in enumerate(marked)
    )


def _one_line(code: str) -> str:
    """Return code in which nothing breaks the line, so that lines keep their numbers."""
    return shorten(" ".join(code.splitlines())).text


@lru_cache(maxsize=512)
def _highlight(code: str) -> tuple[Markup, ...]:
    formatter = HtmlFormatter(nowrap=True, classprefix="cw-")
    html = highlight(code, PythonLexer(stripnl=False, ensurenl=False), formatter)
    return tuple(map(Markup, html.split("\n")))  # Pygments escapes
