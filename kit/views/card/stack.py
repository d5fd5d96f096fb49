"""Exception chains and stack traces as the event card shows them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from itertools import islice
from typing import Any

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.lexers.javascript import JavascriptLexer
from pygments.lexers.python import PythonLexer
from pygments.lexers.special import TextLexer

from kit.provenance.python_source import source
from kit.reading.event import from_pairs
from kit.reading.payload import (
    MAX_ROWS,
    Text,
    as_list,
    as_mapping,
    as_str,
    as_text,
    event_threads,
    exceptions,
    get_part,
    get_path,
    short_path,
    shorten,
    stack_frames,
)

MAX_FRAMES = 12
MAX_INLINE = 48
MAX_INLINE_VALUES = 4
LINES_AROUND = 5

# The deepest indent of a cause below what it caused.
_DEEPEST = 5

_NAME = re.compile(r"[^\W\d][\w$]*")
_SCRIPT = re.compile(r"\.[cm]?[jt]sx?$")
_SUFFIX = re.compile(r"\.\w{1,10}$")
# Hand-written lines of code end before this column.
MINIFIED_COLUMN = 500
# Folders of installed packages, by Sentry's own stack trace rules, and frames without a file.
_INSTALLED = re.compile(
    r"(^|/)(site-packages|dist-packages|node_modules|vendor|go/pkg/mod)/|^/usr/local/lib/"
    r"|^(node:|<internal:)"
)
# What the SDK for Node.js writes for values that it does not expand: <Payment>, <undefined>.
_STAND_IN = re.compile(r"<[\w$ ]+>")
_RELATIONS = {
    "__cause__": "caused by",
    "__context__": "raised while handling",
    "cause": "caused by",
    "error": "raised while disposing",
    "suppressed": "which suppressed",
}

Raw = Mapping[str, Any]
# A node of the exception tree: the exception, its relation to its parent, its depth.
Branch = tuple[Raw, str, int]


@dataclass(frozen=True)
class FieldRow:
    """A name and its value; ``why`` is what the value is useful for."""

    name: str
    value: Text
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceLine:
    """A line of source; ``code`` is escaped. The current one was running.

    ``values`` are the local variables that it names, in that order.
    """

    number: int | str
    code: Markup
    is_current: bool
    values: tuple[FieldRow, ...] = ()


@dataclass(frozen=True)
class StackFrame:
    """A call on the stack."""

    function: str
    where: str
    lines: tuple[SourceLine, ...]
    variables: tuple[FieldRow, ...]
    remark: str = ""


@dataclass(frozen=True)
class Run:
    """Folded frames: of libraries, or in-app ones if there are too many.

    ``is_same`` is true for recursive calls from the line above. ``is_undecided`` is true if no
    frame of the stack is marked as in-app, so that folded frames need not be of libraries.
    """

    frames: tuple[StackFrame, ...]
    has_ours: bool
    is_same: bool = False
    is_undecided: bool = False


class InApp(Enum):
    """How a stack marks its frames as in-app."""

    SOME = auto()
    NONE = auto()
    UNSAID = auto()


@dataclass(frozen=True)
class Raised:
    """An exception of a chain; ``relation`` says how it relates to the one above.

    ``in_app`` says how its frames are marked, ``is_minified`` whether their columns are those of
    minified code.
    """

    type: str
    value: Text
    module: str
    relation: str
    depth: int
    stack: tuple[StackFrame | Run, ...]
    in_app: InApp = InApp.SOME
    is_minified: bool = False


def chain(event: Raw, uses: Mapping[str, str]) -> list[Raised]:
    """Return the exceptions of an event, outermost first.

    ``uses`` says what local variables of the failing frame are useful for.
    """
    values = exceptions(event)
    branches = _group_branches(values) or _chain_branch(values)
    return [_make_raised(branch, uses if branch[0] is values[-1] else {}) for branch in branches]


def threads(event: Raw) -> list[Raised]:
    """Return the stacks that came without an exception, or beside one."""
    named = [(each, thread_name(each)) for each in event_threads(event)]
    return [
        Raised(name, Text(""), "", "", 0, *_stack(each, {}))
        for each, name in (*named, (event, "Thread"))
        if as_mapping(get_part(each, "stacktrace"))
    ]


def thread_name(thread: Raw) -> str:
    """Return the label of a thread: its name, else its number."""
    name = as_str(thread.get("name")) or as_str(thread.get("id"))
    return f"Thread {shorten(name, 80).text}" if name else "Thread"


def _chain_branch(values: Sequence[Raw]) -> list[Branch]:
    return [
        (value, "caused by" if index else "", min(index, _DEEPEST))
        for index, value in enumerate(reversed(values))
    ]


def _group_branches(values: Sequence[Raw]) -> list[Branch]:
    """Return the tree of an exception group, root first; nothing if the event has none."""
    numbers = [get_path(value, ("mechanism", "exception_id")) for value in values]
    if len(set(map(repr, numbers))) < len(numbers) or not all(type(n) is int for n in numbers):
        return []
    branches: list[Branch] = []
    depths: dict[int, int] = {}
    for number, value in sorted(zip(numbers, values, strict=True), key=lambda pair: pair[0]):
        relation, parent = _hangs(number, as_mapping(value.get("mechanism")))
        depths[number] = depths[parent] + 1 if type(parent) is int and parent in depths else 0
        branches.append((value, relation, min(depths[number], _DEEPEST)))
    return branches


def _hangs(number: int, mechanism: Raw) -> tuple[str, Any]:
    """Return the relation of an exception of a group to its parent, and the parent's number."""
    source = as_str(mechanism.get("source"))
    relation = _RELATIONS.get(source, "member of the group" if source else "")
    # The SDK for Python numbers depth first, so a cause comes right after what it caused; the
    # parent_id that it writes for causes is 0, the group.
    is_pythons = source in ("__cause__", "__context__")
    return relation, number - 1 if is_pythons else mechanism.get("parent_id")


def _make_raised(branch: Branch, uses: Mapping[str, str]) -> Raised:
    value, relation, depth = branch
    return Raised(
        as_str(value.get("type")) or "Exception",
        shorten(as_str(value.get("value"))),
        as_str(value.get("module")),
        relation,
        depth,
        *_stack(value, uses),
    )


def _stack(
    raised: Raw, uses: Mapping[str, str]
) -> tuple[tuple[StackFrame | Run, ...], InApp, bool]:
    """Return the frames of a stack as they are shown, how they are marked, and if minified."""
    frames = stack_frames(raised)[::-1]
    in_app = how_marked(frames)
    return tuple(_group_frames(frames, in_app, uses)), in_app, any(map(_is_minified, frames))


def how_marked(frames: Sequence[Raw]) -> InApp:
    """Return how frames are marked as in-app; no frames count as marked."""
    marks = [raw.get("in_app") for raw in frames]
    if True in marks or not marks:
        return InApp.SOME
    return InApp.NONE if False in marks else InApp.UNSAID


def _is_minified(raw: Raw) -> bool:
    column = raw.get("colno")
    return type(column) is int and column > MINIFIED_COLUMN and _is_script(raw)


def _shown_one_by_one(frames: Sequence[Raw], in_app: InApp) -> list[int]:
    """Return the indices of the frames that are not folded.

    If all are marked as not in-app, only the newest. If none is marked, those outside of folders of
    installed packages, or the newest if there are none.
    """
    match in_app:
        case InApp.SOME:
            return [index for index, raw in enumerate(frames) if raw.get("in_app") is True]
        case InApp.UNSAID:
            outside = [n for n, raw in enumerate(frames) if not _INSTALLED.search(_path(raw))]
            return outside or [0]
        case InApp.NONE:
            return [0]


def _group_frames(
    frames: Sequence[Raw], in_app: InApp, uses: Mapping[str, str]
) -> Iterator[StackFrame | Run]:
    """Return in-app frames one by one and those between them as runs, newest first."""
    mine = _shown_one_by_one(frames, in_app)
    is_undecided = in_app is not InApp.SOME
    start = shown = 0
    for index in mine:
        if index < start or shown == MAX_FRAMES:
            continue
        yield from _run(frames[start:index], is_undecided)
        yield _own_frame(frames[index], uses if index == mine[0] else {})
        shown += 1
        start = _end_of_recursion(frames, index)
        if start > index + 1:
            yield Run(tuple(map(_library_frame, frames[index + 1 : start])), True, is_same=True)
    yield from _run(frames[start:], is_undecided)


def _end_of_recursion(frames: Sequence[Raw], index: int) -> int:
    """Return the index after the recursive calls that came from the same line as a call."""
    call = _function(frames[index]), _file(frames[index]), frames[index].get("lineno")
    end = index + 1
    while end < len(frames):
        if (_function(frames[end]), _file(frames[end]), frames[end].get("lineno")) != call:
            break
        end += 1
    return end


def _run(frames: Sequence[Raw], is_undecided: bool) -> Iterator[Run]:
    if frames:
        has_ours = any(raw.get("in_app") is True for raw in frames)
        yield Run(tuple(map(_library_frame, frames)), has_ours, is_undecided=is_undecided)


def _own_frame(raw: Raw, uses: Mapping[str, str]) -> StackFrame:
    # The values of Python are texts already: its SDK sends the repr() of each.
    text = _literal if _is_script(raw) else as_text
    pairs = islice(_variables(raw.get("vars")), MAX_ROWS)
    values = [(name, text(value)) for name, value in pairs]
    variables = (
        FieldRow(name, shorten(each), (uses[name],) if name in uses else ())
        for name, each in values
    )
    has_source = isinstance(raw.get("context_line"), str)
    remark = (
        "" if has_source else "The event has only the line number; the code is read from the file."
    )
    shown = raw if has_source else {**raw, **_source_around(raw)}
    lines = _lines(shown, _named_in(as_str(shown.get("context_line")), dict(values)))
    return StackFrame(_function(raw), _where(raw), lines, tuple(variables), remark if lines else "")


def _named_in(code: str, values: Mapping[str, str]) -> tuple[FieldRow, ...]:
    """Return the variables that a line of code names, in that order, as short as fits beside it."""
    names = dict.fromkeys(name for name in _NAME.findall(code) if name in values)
    return tuple(
        FieldRow(name, Text(shorten(values[name], MAX_INLINE).text))
        for name in islice(names, MAX_INLINE_VALUES)
    )


def _variables(value: Any) -> Iterator[tuple[str, Any]]:
    value = from_pairs(value)
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(number), each) for number, each in enumerate(value))
    elif value is not None:
        yield "value", value


def _source_around(raw: Raw) -> Raw:
    """Return the source around the line of a frame; nothing if the file is not ours."""
    number = raw.get("lineno")
    lines = source().lines(short_path(as_str(raw.get("filename"))))
    if type(number) is not int or not 1 <= number <= len(lines):
        return {}
    return {
        "pre_context": lines[max(0, number - 1 - LINES_AROUND) : number - 1],
        "context_line": lines[number - 1],
        "post_context": lines[number : number + LINES_AROUND],
    }


def _is_script(raw: Raw) -> bool:
    return bool(_SCRIPT.search(_path(raw).partition("?")[0]))


def _literal(value: Any, depth: int = 0) -> str:
    """Return a value as JavaScript writes it: quotes tell the text "10" from the number."""
    if isinstance(value, str):
        is_stand_in = bool(_STAND_IN.fullmatch(value))
        return value if is_stand_in else json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping | list) or depth > 1:
        return as_text(value)
    if isinstance(value, list):
        items = islice(value, MAX_ROWS)
        return "[" + ", ".join(_literal(each, depth + 1) for each in items) + "]"
    pairs = islice(value.items(), MAX_ROWS)
    return "{" + ", ".join(f"{key}: {_literal(each, depth + 1)}" for key, each in pairs) + "}"


def _library_frame(raw: Raw) -> StackFrame:
    code = raw.get("context_line")
    line = SourceLine("", escape(_one_line(code)), True) if isinstance(code, str) else None
    return StackFrame(_function(raw), _where(raw), (line,) if line else (), ())


def _function(raw: Raw) -> str:
    names = (as_str(raw.get(key)) for key in ("function", "raw_function", "symbol"))
    # V8 does not name anonymous functions; the SDK for Node.js writes a question mark.
    name = re.sub(r"\?$", "<anonymous>", next(filter(None, names), ""))
    return name or "unknown function"


def _where(raw: Raw) -> str:
    file = _file(raw)
    if file == "<anonymous>":
        return "built into V8"
    # Lines count from 1: a 0 stands for an unknown one.
    places = (as_str(raw.get(key)) for key in ("lineno", "colno") if raw.get(key) != 0)
    return ":".join(filter(None, (file, *places)))


def _file(raw: Raw) -> str:
    """Return the file of a frame; without one its module, or its package and address."""
    file = _path(raw)
    if file or raw.get("module"):
        return file or as_str(raw["module"])
    package, address = as_str(raw.get("package")), as_str(raw.get("instruction_addr"))
    return " at ".join(filter(None, (package, address))) or "unknown file"


def _path(raw: Raw) -> str:
    return short_path(as_str(raw.get("filename")) or as_str(raw.get("abs_path")))


def _lines(raw: Raw, values: tuple[FieldRow, ...]) -> tuple[SourceLine, ...]:
    current = raw.get("context_line")
    if not isinstance(current, str):
        return ()
    before = [as_str(line) for line in as_list(raw.get("pre_context"))]
    after = [as_str(line) for line in as_list(raw.get("post_context"))]
    code = "\n".join(map(_one_line, (*before, current, *after)))
    suffix = _SUFFIX.search(_path(raw))
    marked = _highlight(code, suffix[0] if suffix else "")
    number = raw.get("lineno")
    first = number - len(before) if isinstance(number, int) else None
    return tuple(
        SourceLine(
            "" if first is None else first + index,
            code,
            index == len(before),
            values if index == len(before) else (),
        )
        for index, code in enumerate(marked)
    )


def _one_line(code: str) -> str:
    """Return code without line breaks, so that lines keep their numbers."""
    return shorten(" ".join(code.splitlines())).text


@lru_cache(maxsize=512)
def _highlight(code: str, suffix: str) -> tuple[Markup, ...]:
    formatter = HtmlFormatter(nowrap=True, classprefix="cw-")
    # The excerpt may begin inside a comment.
    before = "/**\n" if _SCRIPT.search(suffix) and _ends_comment(code) else ""
    html = highlight(before + code, _lexer(suffix), formatter)
    # Pygments escapes, and ends a last line that is not empty.
    lines = html.split("\n")[bool(before) :]
    return tuple(map(Markup, lines[: code.count("\n") + 1]))


@lru_cache(maxsize=32)
def _lexer(suffix: str) -> Lexer:
    """Return the lexer for files with a suffix; those of unknown languages stay plain."""
    if _SCRIPT.search(suffix):
        kind: type[Lexer] = JavascriptLexer
    elif suffix == ".py":
        kind = PythonLexer
    else:
        kind = (suffix and find_lexer_class_for_filename(f"code{suffix}")) or TextLexer
    return kind(stripnl=False, ensurenl=False)


def _ends_comment(code: str) -> bool:
    """Return whether a block comment ends in the code that did not begin there."""
    return "*/" in code and "/*" not in code.partition("*/")[0]
