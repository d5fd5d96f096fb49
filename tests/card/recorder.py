"""Records which statements ran until an event was captured, and who captured it.

Statements are those that a card may name, of the SDK and of our code. They count for one client, in
all threads, since the last ``clear``. So what a card says of an event can be compared with what
happened.
"""

import ast
import builtins
import gc
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import sentry_sdk
from sentry_sdk import scope as scopes

from kit.provenance import python_sdk
from kit.provenance.origin import sdk_place
from kit.provenance.python_source import source

NOTE = "__note_statement__"
CAPTURING = {"client.py", "scope.py", "api.py"}

Statement = tuple[str, int]


@dataclass(frozen=True)
class Capture:
    """How an event came about: the calls that led to ``capture_event``, and what ran before.

    ``calls`` are the functions, innermost first.
    """

    calls: tuple[CodeType, ...]
    statements: frozenset[Statement]

    def has_run(self, file: str, line: int) -> bool:
        """Whether the statement around a line ran."""
        path = str(path_of(file))
        return (path, _statements(path)[line]) in self.statements

    def was_running(self, file: str, line: int) -> bool:
        """Whether the function around a line was running when the event was captured."""
        path = str(path_of(file))
        return any(
            code.co_filename == path and line in {each for *_, each in code.co_lines()}
            for code in self.calls
        )

    @property
    def captured_by(self) -> str:
        """The function that captured the event: the first outside of the client and the scope."""
        found = ((Path(code.co_filename), code.co_name) for code in self.calls)
        return next(f"{path.stem}.{name}" for path, name in found if path.name not in CAPTURING)


class Recorder:
    """Records while it is on; ``captures`` are by event id."""

    def __init__(self) -> None:
        self.captures: dict[str, Capture] = {}
        self._ran: dict[int, set[Statement]] = defaultdict(set)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Record what is run inside, of every function that there is and that is made there."""
        capture_event = sentry_sdk.Client.capture_event

        def capture(client: Any, event: Any, *args: Any, **kwargs: Any) -> str | None:
            calls = tuple(_calls(sys._getframe(1)))
            event_id: str | None = capture_event(client, event, *args, **kwargs)
            if event_id:
                ran = self._ran[id(client)] | self._ran[0]
                self.captures[event_id] = Capture(calls, frozenset(ran))
            return event_id

        setattr(builtins, NOTE, self._note)
        undo = _instrument(_named_lines())
        sentry_sdk.Client.capture_event = capture  # type: ignore[method-assign]
        try:
            yield
        finally:
            sentry_sdk.Client.capture_event = capture_event  # type: ignore[method-assign]
            for function, code in undo:
                function.__code__ = code
            # A call that is running may note one more: the name stays.
            setattr(builtins, NOTE, lambda path, line: None)

    def clear(self) -> frozenset[Statement]:
        """Forget what ran so far; return it."""
        ran, self._ran = self._ran, defaultdict(set)
        return frozenset().union(*ran.values())

    def _note(self, path: str, line: int) -> None:
        # Of the services in this process each has a client of its own.
        scope = scopes._isolation_scope.get()
        client = scope.client if scope else None
        self._ran[id(client) if client else 0].add((path, line))


def path_of(file: str) -> Path:
    """Return where a file is that is named as in an origin."""
    package, _, rest = file.partition("/")
    return _folder(package) / rest


@cache
def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def _calls(frame: FrameType | None) -> Iterator[CodeType]:
    while frame:
        yield frame.f_code
        frame = frame.f_back


@cache
def _named_lines() -> dict[str, frozenset[int]]:
    """Return the lines of all statements in Python that a card may name, by their files."""
    facts = (sdk_place(fact.module, fact.statement) for fact in python_sdk.ALL)
    sites = (place for site in source().sites for place in (site.place, *site.keys.values()))
    lines: dict[str, set[int]] = defaultdict(set)
    for place in (*facts, *sites):
        if place and place.file.endswith(".py"):
            lines[str(path_of(place.file))].add(place.line)
            importlib.import_module(place.file.removesuffix(".py").replace("/", "."))
    return {path: frozenset(numbers) for path, numbers in lines.items()}


def _instrument(lines: dict[str, frozenset[int]]) -> list[tuple[FunctionType, CodeType]]:
    """Make every function note the statements at these lines; return what undoes it."""
    undo = []
    for function in [each for each in gc.get_objects() if type(each) is FunctionType]:
        code = function.__code__
        if named := lines.get(code.co_filename):
            codes = _noting_codes(code.co_filename, named)
            found = codes.get((code.co_qualname, code.co_firstlineno))
            if found and found.co_freevars == code.co_freevars:
                undo.append((function, code))
                function.__code__ = found
    return undo


@cache
def _noting_codes(path: str, lines: frozenset[int]) -> dict[tuple[str, int], CodeType]:
    """Return the code of each function of a file that notes the statements at these lines."""
    statements = _statements(path)
    tree = _parse(path)
    _insert(tree, path, {statements[line] for line in lines})
    found = {}
    waiting = [compile(tree, path, "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, code.co_firstlineno] = code
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


def _insert(node: ast.AST, path: str, first_lines: set[int]) -> None:
    """Put a note before each statement that begins at one of these lines."""
    for block in _blocks(node):
        for child in list(block):
            if isinstance(child, ast.stmt):
                if first_lines.isdisjoint(range(child.lineno, (child.end_lineno or 0) + 1)):
                    continue
                if child.lineno in first_lines:
                    block.insert(block.index(child), _note_before(child, path))
            _insert(child, path, first_lines)


def _note_before(statement: ast.stmt, path: str) -> ast.Expr:
    arguments: list[ast.expr] = [ast.Constant(path), ast.Constant(statement.lineno)]
    note = ast.Expr(ast.Call(ast.Name(NOTE, ast.Load()), arguments, []))
    for part in ast.walk(note):
        ast.copy_location(part, statement)
    return note


def _blocks(node: ast.AST) -> Iterator[list[Any]]:
    """Return the lists in a node that have statements, or parts with statements, in them."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


def _parse(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


@cache
def _statements(path: str) -> dict[int, int]:
    """Return for each line where the innermost statement around it begins."""
    found: dict[int, int] = {}
    waiting: list[ast.AST] = [_parse(path)]
    for node in waiting:
        if isinstance(node, ast.stmt):
            # Outer statements come first.
            found |= dict.fromkeys(range(node.lineno, (node.end_lineno or 0) + 1), node.lineno)
        waiting += [child for block in _blocks(node) for child in block]
    return found
