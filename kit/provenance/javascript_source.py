"""The statements in JavaScript source that add something to an event."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from textwrap import dedent

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from kit.provenance.statements import GAP, MAX_LINES, Place, Site

_SETTERS = {
    "setTag": "tag",
    "setTags": "tag",
    "setContext": "context",
    "setExtra": "extra",
    "setExtras": "extra",
    "setUser": "user",
    "setLevel": "level",
    "setFingerprint": "fingerprint",
    "setTransactionName": "transaction",
    "addBreadcrumb": "breadcrumb",
    "addFeatureFlag": "flag",
    "captureException": "capture",
    "captureMessage": "capture",
    "startSpan": "span",
    "startSpanManual": "span",
    "startInactiveSpan": "span",
    "init": "option",
}
# Applies to one event only: the second argument of captureException.
_CAPTURE_CONTEXT = {
    "tags": "tag",
    "contexts": "context",
    "extra": "extra",
    "user": "user",
    "level": "level",
    "fingerprint": "fingerprint",
}
# Option names as an event has them.
_OPTIONS = {"serverName": "server_name"}
_FUNCTIONS = {"function_declaration", "function_expression", "generator_function_declaration"}
_METHODS = {"method_definition"}


class Scripts:
    """JavaScript files, given as their text by their name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._lines = {file: text.splitlines() for file, text in files.items()}
        self._trees = {file: _parser().parse(text.encode()) for file, text in files.items()}

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Every statement that adds something to an event, in the order of the source."""
        return tuple(
            site
            for file, tree in self._trees.items()
            for node in _inside(tree.root_node)
            if node.type == "call_expression"
            for site in self._call(file, node)
        )

    def lines(self, file: str) -> list[str]:
        """Return the lines of a file; none if it is not one of these."""
        return self._lines.get(file, [])

    @cached_property
    def _functions(self) -> dict[str, list[tuple[str, Node]]]:
        functions: dict[str, list[tuple[str, Node]]] = {}
        for file, tree in self._trees.items():
            for node in _inside(tree.root_node):
                if node.type in _FUNCTIONS | _METHODS and (name := _child(node, "name")):
                    functions.setdefault(_text(name), []).append((file, node))
        return functions

    def _call(self, file: str, node: Node) -> Iterator[Site]:
        kind = _SETTERS.get(_callee_name(node))
        first, second = (*_arguments(node), None, None)[:2]
        if kind is None or (_callee_name(node) == "init" and not _is_sentry(node)):
            return
        if kind == "capture":
            yield self._site(kind, None, file, node, None)
            yield from self._capture_context(file, second)
        elif kind == "breadcrumb":
            yield self._breadcrumb(file, node, first)
        elif kind in ("context", "tag", "extra") and second is not None:
            yield self._site(kind, _string(first), file, node, second)
        elif kind in ("tag", "extra", "option"):
            yield from self._many(kind, file, node, first)
        else:
            yield self._site(kind, None, file, node, first)

    def _site(self, kind: str, name: str | None, file: str, node: Node, value: Node | None) -> Site:
        return Site(
            kind,
            name,
            self._place(file, node),
            _function(node),
            keys=dict(self._keys(file, value)),
            literals=_literals(value),
        )

    def _many(self, kind: str, file: str, node: Node, value: Node | None) -> Iterator[Site]:
        for name, pair in _pairs(value):
            yield Site(kind, _OPTIONS.get(name, name), self._place(file, pair), _function(node))

    def _capture_context(self, file: str, context: Node | None) -> Iterator[Site]:
        for name, pair in _pairs(context):
            kind, value = _CAPTURE_CONTEXT.get(name), _child(pair, "value")
            if kind in ("tag", "context", "extra"):
                yield from self._many(kind, file, pair, value)
            elif kind:
                yield self._site(kind, None, file, pair, value)

    def _breadcrumb(self, file: str, node: Node, crumb: Node | None) -> Site:
        values = {name: _child(pair, "value") for name, pair in _pairs(crumb)}
        return Site(
            "breadcrumb",
            None,
            self._place(file, node),
            _function(node),
            category=_string(values.get("category")),
            message=_pieces(values.get("message")),
            literals=_literals(values.get("message")),
        )

    def _keys(self, file: str, value: Node | None, depth: int = 3) -> Iterator[tuple[str, Place]]:
        """The places of the names of an object, also if our own function returns it."""
        for node in _inside(value) if value else ():
            if node.type == "object":
                yield from ((name, self._place(file, pair)) for name, pair in _pairs(node))
            elif node.type == "spread_element" and _text(node) == "...this":
                yield from self._own_fields(file, node)
            elif node.type == "call_expression" and depth:
                yield from self._keys_of_result(_callee_name(node), depth - 1)

    def _keys_of_result(self, name: str, depth: int) -> Iterator[tuple[str, Place]]:
        """The names in a function's object; none if several functions of that name have one."""
        found = (
            list(self._keys(file, function, depth))
            for file, function in self._functions.get(name, ())
        )
        candidates = [keys for keys in found if keys]
        if len(candidates) == 1:
            yield from candidates[0]

    def _own_fields(self, file: str, node: Node) -> Iterator[tuple[str, Place]]:
        """The places where an object's own fields are set, in its class."""
        for each in _inside(_above(node, {"class_body"})):
            left = _child(each, "left") if each.type == "assignment_expression" else None
            if left and _text(_child(left, "object")) == "this":
                yield _text(_child(left, "property")), self._place(file, each)

    def _place(self, file: str, node: Node) -> Place:
        first, last = node.start_point.row, node.end_point.row
        code = "\n".join(self._lines[file][first : min(last + 1, first + MAX_LINES)])
        return Place(file, first + 1, dedent(code).strip())


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_javascript.language()))


def _inside(node: Node) -> Iterator[Node]:
    yield node
    for child in node.named_children:
        yield from _inside(child)


def _above(node: Node, types: set[str]) -> Node:
    """Return the innermost node of these types around another, or the outermost of any type."""
    while node.parent is not None and node.type not in types:
        node = node.parent
    return node


def _child(node: Node | None, field: str) -> Node | None:
    return node.child_by_field_name(field) if node else None


def _text(node: Node | None) -> str:
    return node.text.decode() if node and node.text else ""


def _callee_name(call: Node) -> str:
    """Return the name of the called function or method."""
    function = _child(call, "function")
    return _text(_child(function, "property") or function)


def _is_sentry(call: Node) -> bool:
    return _text(_child(_child(call, "function"), "object")) == "Sentry"


def _arguments(call: Node) -> list[Node]:
    arguments = _child(call, "arguments")
    return (
        [each for each in arguments.named_children if each.type != "comment"] if arguments else []
    )


def _function(node: Node) -> str:
    """Return the name of the function around a node, like the end of its name on a stack."""
    around = _above(node, _FUNCTIONS | _METHODS)
    while around.parent is not None and _child(around, "name") is None:
        around = _above(around.parent, _FUNCTIONS | _METHODS)
    return _text(_child(around, "name")) or "<module>"


def _pairs(value: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the names in an object, each with its pair or shorthand."""
    for pair in value.named_children if value and value.type == "object" else ():
        key = _child(pair, "key")
        if pair.type == "shorthand_property_identifier":
            yield _text(pair), pair
        elif key and key.type == "property_identifier":
            yield _text(key), pair
        elif (name := _string(key)) is not None:
            yield name, pair


def _string(node: Node | None) -> str | None:
    if node is None or node.type != "string":
        return None
    return "".join(map(_text, node.named_children))


def _literals(value: Node | None) -> frozenset[str]:
    found = map(_string, _inside(value)) if value else ()
    return frozenset(text for text in found if text)


def _pieces(message: Node | None) -> tuple[str, ...] | None:
    """The fixed text of a string or a template."""
    if message is not None and message.type == "template_string":
        parts = (
            GAP if part.type == "template_substitution" else _text(part)
            for part in message.named_children
        )
        return tuple("".join(parts).split(GAP))
    text = _string(message)
    return None if text is None else (text,)
