"""The statements in our source that add something to an event, found by parsing the source.

It imports and runs nothing: the packages are located and parsed, once.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from kit.provenance.javascript_source import Scripts
from kit.provenance.statements import GAP, MAX_LINES, Place, Site

# The notebook is the frontend service: these modules of the kit write its reports and those of the
# supervisor. kit.system.clients names the learner.
OURS = (
    "demo_services",
    "kit.workshop",
    "kit.trigger",
    "kit.frontend.hook",
    "kit.frontend.slot_machine",
    "kit.system.exits",
    "kit.system.clients",
)

_SETTERS = {
    "set_tag": "tag",
    "set_context": "context",
    "set_extra": "extra",
    "set_tags": "tag",
    "set_extras": "extra",
    "set_user": "user",
    "set_level": "level",
    "set_transaction_name": "transaction",
    "start_transaction": "transaction",
    "start_span": "span",
    "start_child": "span",
    "add_breadcrumb": "breadcrumb",
    "capture_exception": "capture",
    "capture_message": "capture",
    "capture_event": "event",
}
# Arguments that apply to one event only, see sentry_sdk.Scope.update_from_kwargs.
_SCOPE_KEYWORDS = {
    "tags": "tag",
    "contexts": "context",
    "extras": "extra",
    "user": "user",
    "level": "level",
    "fingerprint": "fingerprint",
}
_SCOPE_ATTRIBUTES = {"fingerprint", "level", "user", "transaction"}
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_FOREIGN = {"node_modules", "test"}
# The nodes that add something to an event, and the functions around them.
_Statement = ast.Call | ast.Assign | ast.FunctionDef | ast.AsyncFunctionDef
_PLACEHOLDER = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.\d+)?[a-zA-Z]")


class Source:
    """The parsed files of some packages and modules."""

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self._files = dict(parsed for name in names for parsed in _parse(name))
        self._scripts = Scripts(dict(script for name in names for script in _read_scripts(name)))
        self._known: dict[tuple[str, int], list[tuple[str, Place]]] = {}

    @cached_property
    def _nodes(self) -> dict[str, list[tuple[str, _Statement]]]:
        """The statements of each file in the order of the source, with the function around them."""
        nodes: dict[str, list[tuple[str, _Statement]]] = {file: [] for file in self._files}
        for file, (tree, _) in self._files.items():
            _walk(tree, "<module>", nodes[file])
        return nodes

    @cached_property
    def _functions(self) -> dict[str, list[tuple[str, ast.AST]]]:
        functions: dict[str, list[tuple[str, ast.AST]]] = {}
        for file, nodes in self._nodes.items():
            for _, node in nodes:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    functions.setdefault(node.name, []).append((file, node))
        return functions

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Every statement that adds something to an event, in the order of the source."""
        python = (
            site
            for file, nodes in self._nodes.items()
            for function, statement in nodes
            for site in self._read(file, function, statement)
        )
        return (*python, *self._scripts.sites)

    def lines(self, file: str) -> list[str]:
        """Return the lines of a file, named as in a place; none if it is not ours."""
        return self._files[file][1] if file in self._files else self._scripts.lines(file)

    def _place(self, file: str, node: ast.expr | ast.stmt) -> Place:
        last = min(node.end_lineno or node.lineno, node.lineno + MAX_LINES - 1)
        code = "\n".join(self._files[file][1][node.lineno - 1 : last])
        return Place(file, node.lineno, textwrap.dedent(code).strip())

    def _read(self, file: str, function: str, node: ast.AST) -> Iterator[Site]:
        if isinstance(node, ast.Call):
            yield from self._call(file, function, node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            item = node.targets[0]
            name = _literal(item.slice)
            if name and ast.unparse(item.value) == "event":
                yield self._site("field", name, file, function, node, node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            target = node.targets[0]
            if target.attr in _SCOPE_ATTRIBUTES and "scope" in ast.unparse(target.value):
                yield self._site(target.attr, None, file, function, node, node.value)
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("_options"):
            yield from self._options(file, node)

    def _call(self, file: str, function: str, node: ast.Call) -> Iterator[Site]:
        called = _callee_name(node)
        kind = _SETTERS.get(called)
        if kind == "capture":
            yield self._capture(file, function, node)
            yield from self._scope_keywords(file, function, node)
        elif kind == "breadcrumb":
            yield self._breadcrumb(file, function, node)
        elif called in ("set_tags", "set_extras"):
            yield from self._many(kind or "", file, function, node, node.args[0])
        elif kind == "event":
            places = dict(self._paths(file, _argument(node, 0)))
            yield Site(kind, None, self._place(file, node), function, keys=places)
        elif kind in ("transaction", "span"):
            yield self._site(kind, None, file, function, node, node)
        elif kind in ("level", "user"):
            yield self._site(kind, None, file, function, node, _argument(node, 0))
        elif kind:
            name = _literal(_argument(node, 0))
            yield self._site(kind, name, file, function, node, _argument(node, 1))
        elif called in _LOG_METHODS and node.args:
            text = node.args[1] if called == "log" and len(node.args) > 1 else node.args[0]
            yield self._message_site("log", file, function, node, text, None)
        elif called == "event_from_exception":
            mechanism = next(each.value for each in node.keywords if each.arg == "mechanism")
            yield self._site("mechanism", None, file, function, mechanism, mechanism)
        elif called in ("init", "Client"):
            yield from self._keywords_as_options(file, function, node)

    def _site(
        self,
        kind: str,
        name: str | None,
        file: str,
        function: str,
        node: ast.expr | ast.stmt,
        value: ast.AST | None,
    ) -> Site:
        return Site(
            kind,
            name,
            self._place(file, node),
            function,
            keys=dict(self._keys(file, value)),
            literals=_literals(value),
        )

    def _many(
        self, kind: str, file: str, function: str, node: ast.expr, value: ast.AST
    ) -> Iterator[Site]:
        keys = dict(self._keys(file, value))
        for name, place in keys.items():
            yield Site(kind, name, place, function)
        if not keys:
            yield Site(kind, None, self._place(file, node), function)

    def _scope_keywords(self, file: str, function: str, node: ast.Call) -> Iterator[Site]:
        for keyword in node.keywords:
            kind = _SCOPE_KEYWORDS.get(keyword.arg or "")
            if kind in ("tag", "extra", "context"):
                yield from self._many(kind, file, function, keyword.value, keyword.value)
            elif kind:
                yield self._site(kind, None, file, function, keyword.value, keyword.value)

    def _capture(self, file: str, function: str, node: ast.Call) -> Site:
        message = _argument(node, 0) if _callee_name(node) == "capture_message" else None
        return self._message_site("capture", file, function, node, message, None)

    def _breadcrumb(self, file: str, function: str, node: ast.Call) -> Site:
        arguments = {keyword.arg: keyword.value for keyword in node.keywords}
        first = _argument(node, 0)
        if isinstance(first, ast.Dict):
            arguments |= {_literal(k): v for k, v in zip(first.keys, first.values, strict=True)}
        category = _literal(arguments.get("category"))
        return self._message_site(
            "breadcrumb", file, function, node, arguments.get("message"), category
        )

    def _message_site(
        self,
        kind: str,
        file: str,
        function: str,
        node: ast.Call,
        message: ast.AST | None,
        category: str | None,
    ) -> Site:
        return Site(
            kind,
            None,
            self._place(file, node),
            function,
            category=category,
            message=_pieces(message),
            literals=_literals(message),
        )

    def _options(self, file: str, function: ast.FunctionDef) -> Iterator[Site]:
        for name, place in self._keys(file, function):
            yield Site("option", name, place, function.name)

    def _keywords_as_options(self, file: str, function: str, node: ast.Call) -> Iterator[Site]:
        for keyword in node.keywords:
            if keyword.arg:
                place = self._place(file, keyword.value)
                yield Site("option", keyword.arg, place, function)

    def _keys(
        self, file: str, value: ast.AST | None, depth: int = 3
    ) -> Iterator[tuple[str, Place]]:
        """The places of the names of a dict, also if our own function returns it."""
        for node in ast.walk(value) if value else ():
            if isinstance(node, ast.Dict):
                for key in node.keys:
                    if name := _literal(key):
                        yield name, self._place(file, key)  # type: ignore[arg-type]
            elif isinstance(node, ast.Call) and depth:
                if _callee_name(node) == "dict":
                    yield from (
                        (keyword.arg, self._place(file, keyword.value))
                        for keyword in node.keywords
                        if keyword.arg
                    )
                yield from self._keys_of_result(_callee_name(node), depth - 1)

    def _keys_of_result(self, name: str, depth: int) -> Iterator[tuple[str, Place]]:
        """The names in a function's dict; none if several functions of that name have one."""
        # Cached: a third of the reading time was spent on the same few functions.
        if (name, depth) not in self._known:
            found = (
                list(self._keys(file, function, depth))
                for file, function in self._functions.get(name, ())
            )
            candidates = [keys for keys in found if keys]
            self._known[name, depth] = candidates[0] if len(candidates) == 1 else []
        yield from self._known[name, depth]

    def _paths(
        self, file: str, value: ast.AST | None, path: tuple[str, ...] = (), depth: int = 6
    ) -> Iterator[tuple[str, Place]]:
        """The places of the names of a nested dict, by path; includes functions of the file."""
        if isinstance(value, ast.Dict):
            for key, inner in zip(value.keys, value.values, strict=True):
                yield from self._path(file, key, inner, path, depth)
        elif isinstance(value, ast.Assign) and isinstance(value.targets[0], ast.Subscript):
            yield from self._path(file, value.targets[0].slice, value.value, path, depth)
        elif isinstance(value, ast.Call) and depth:
            for where, function in self._functions.get(_callee_name(value), ()):
                if where == file:
                    yield from self._paths(file, function, path, depth - 1)
        elif value is not None:
            for part in ast.iter_child_nodes(value):
                yield from self._paths(file, part, path, depth)

    def _path(
        self, file: str, key: ast.AST | None, value: ast.AST, path: tuple[str, ...], depth: int
    ) -> Iterator[tuple[str, Place]]:
        if (name := _literal(key)) is not None:
            path = (*path, name)
            yield "/".join(path), self._place(file, key)  # type: ignore[arg-type]
        yield from self._paths(file, value, path, depth)


@cache
def source() -> Source:
    """The parsed source of our services."""
    return Source(OURS)


def _parse(name: str) -> Iterator[tuple[str, tuple[ast.Module, list[str]]]]:
    for file, text in _texts(name, "*.py"):
        yield file, (ast.parse(text), text.splitlines())


def _read_scripts(name: str) -> Iterator[tuple[str, str]]:
    for file, text in _texts(name, "*.js"):
        if not _FOREIGN.intersection(file.split("/")):
            yield file, text


def _texts(name: str, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a package, or the file of a module, that match the pattern."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    is_package = bool(spec.submodule_search_locations)
    files = sorted(origin.parent.rglob(pattern)) if is_package else [origin]
    root = origin.parents[name.count(".") + is_package]
    for path in files:
        if path.match(pattern):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def _walk(node: ast.AST, function: str, found: list[tuple[str, _Statement]]) -> None:
    for child in ast.iter_child_nodes(node):
        # Most nodes are names and literals, without children.
        if isinstance(child, ast.Name | ast.Constant | ast.expr_context):
            continue
        if isinstance(child, _Statement):
            found.append((function, child))
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        _walk(child, child.name if inner else function, found)  # type: ignore[attr-defined]


def _callee_name(node: ast.Call) -> str:
    called = node.func
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _argument(node: ast.Call, position: int) -> ast.expr | None:
    if position < len(node.args):
        return node.args[position]
    keywords = [keyword.value for keyword in node.keywords]
    rest = position - len(node.args)
    return keywords[rest] if rest < len(keywords) else None


def _literal(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _literals(node: ast.AST | None) -> frozenset[str]:
    found = (_literal(part) for part in ast.walk(node)) if node else ()
    return frozenset(text for text in found if text)


def _pieces(message: ast.AST | None) -> tuple[str, ...] | None:
    """The fixed text of a literal, an f-string or a log format."""
    if isinstance(message, ast.JoinedStr):
        text = "".join(_literal(part) or GAP for part in message.values)
        return tuple(text.split(GAP))
    literal = _literal(message)
    return None if literal is None else tuple(_PLACEHOLDER.split(literal))
