"""The event card: one captured error event as static HTML, each part with who put it there.

Everything that an event carries is untrusted. Text reaches the page only through Jinja's
autoescape or Pygments' escaping, nothing becomes a link, and a payload of the wrong shape shows
less instead of raising.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers.python import PythonLexer

from kit.catalogue import Captured, CrashType
from kit.provenance import Key, Origin, keys, leaves, origin_at

Event = Mapping[str, Any]

# On screen only; the raw JSON is complete.
MAX_TEXT = 600
MAX_ROWS = 60
MAX_FRAMES = 12
MAX_FOLDED = 60
MAX_DEPTH = 5

_LEVELS = {"fatal": "◆", "error": "✖", "warning": "▲", "info": "●", "debug": "○"}
_SHOWN = {
    "event_id level timestamp exception threads stacktrace breadcrumbs contexts tags user request "
    "extra fingerprint release environment dist server_name sdk modules"
}
_SHOWN = frozenset(next(iter(_SHOWN)).split())
_ID = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True)
class Text:
    """A value as it is shown: cut to a readable length, with remarks on what is missing."""

    text: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A name and its value; ``why`` is what the value is good for, if the crash type says so."""

    name: str
    value: Text
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Why:
    """An origin and the names of all that came from it."""

    names: str
    origin: Origin


@dataclass(frozen=True)
class Table:
    """A part that is rows of names and values."""

    title: str
    rows: tuple[Row, ...]
    why: tuple[Why, ...]
    remark: str = ""


@dataclass(frozen=True)
class Line:
    """A line of source; ``code`` is escaped."""

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
    is_ours: bool


@dataclass(frozen=True)
class Raised:
    """An exception of the chain; ``relation`` says how it hangs on the one above."""

    type: str
    value: Text
    module: str
    relation: str
    depth: int
    stack: tuple[Frame | tuple[Frame, ...], ...]
    remark: str


@dataclass(frozen=True)
class Crumb:
    """A breadcrumb, and when it was left, relative to the error."""

    offset: str
    category: str
    level: str
    icon: str
    message: Text
    data: tuple[Row, ...]


def event_card(
    event: Event, *, crash: CrashType | None = None, answered_at: float | None = None
) -> Markup:
    """Return ``event`` as a card.

    With ``crash`` the card also says what the crash type's captured values are good for and
    what was not captured. ``answered_at`` (Unix seconds, when the answer to the request came)
    goes into the root element for measurements.
    """
    return render("card.html", card=Card(event, crash), answered_at=_finite(answered_at))


def trace_table(transactions: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the transactions of one trace as a table that event cards of the trace link to."""
    return render("trace.html", trace=Trace(transactions))


def render(template: str, /, **values: Any) -> Markup:
    """Return one of the templates filled in; all values are escaped."""
    html = _environment().get_template(template).render(values)
    # A lone surrogate is legal JSON but cannot be sent to a browser.
    return Markup(html.encode("utf-8", "replace").decode())  # noqa: S704 - autoescaped above


class EventCard:
    """An event that shows itself as a card in a notebook and in one line elsewhere."""

    def __init__(
        self, event: Event, *, crash: CrashType | None = None, answered_at: float | None = None
    ) -> None:
        self.event, self.crash, self.answered_at = event, crash, answered_at

    def _repr_html_(self) -> str:
        return event_card(self.event, crash=self.crash, answered_at=self.answered_at)

    def __repr__(self) -> str:
        card = Card(self.event, self.crash)
        return f"<EventCard {card.type}: {card.message.text[:80]} ({card.event_id})>"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup(  # noqa: S704 - our own file
        environment.loader.get_source(environment, "card.css")[0]  # type: ignore[union-attr]
    )
    return environment


class Card:
    """What the template of the card reads."""

    def __init__(self, event: Event, crash: CrashType | None) -> None:
        self.event = event
        self.not_captured = crash.not_captured if crash else ()
        self._captured = crash.captured if crash else ()

    # Head

    @property
    def event_id(self) -> str:
        return _string(self.event.get("event_id"))

    @property
    def trace_id(self) -> str:
        return trace_id(self.event)

    @property
    def type(self) -> str:
        if self._newest:
            return _string(self._newest.get("type")) or "Exception"
        return "Log record" if self.event.get("logger") else "Message"

    @property
    def message(self) -> Text:
        return shorten(_string(self._newest.get("value")) if self._newest else _message(self.event))

    @property
    def level(self) -> str:
        return _string(self.event.get("level")) or "error"

    @property
    def icon(self) -> str:
        return _LEVELS.get(self.level, "●")

    @property
    def tone(self) -> str:
        return self.level if self.level in _LEVELS else "error"

    @property
    def service(self) -> str:
        release = _string(self.event.get("release")).partition("@")[0]
        return _string(self.event.get("server_name")) or release or "unnamed service"

    @property
    def handled(self) -> str:
        return {
            True: "Handled: the code caught it, reported it and went on.",
            False: "Not handled: no code of the service caught it.",
        }.get(_dict(self._newest.get("mechanism")).get("handled"), "")  # type: ignore[call-overload]

    @property
    def time(self) -> str:
        moment = timestamp(self.event.get("timestamp"))
        return f"{moment:%d %b %Y, %H:%M:%S}.{moment:%f}"[:-3] + " UTC" if moment else ""

    @property
    def captured_by(self) -> str:
        sdk = _dict(self.event.get("sdk"))
        _, _, language = _string(sdk.get("name")).partition("sentry.")
        language = {"python": "Python", "javascript": "JavaScript"}.get(language.split(".")[0], "")
        return f"Sentry's {language} SDK {_string(sdk.get('version'))}".replace("  ", " ").strip()

    # Exception chain and stack

    @property
    def _values(self) -> list[dict[str, Any]]:
        values = _dict(self.event.get("exception")).get("values")
        return [value for value in _list(values) if isinstance(value, dict)]

    @property
    def _newest(self) -> dict[str, Any]:
        return self._values[-1] if self._values else {}

    @property
    def chain(self) -> list[Raised]:
        order = _grouped(self._values) or _chained(self._values)
        return [self._raised(value, relation, depth) for value, relation, depth in order]

    @property
    def stacks(self) -> list[Raised]:
        if self._values:
            return [raised for raised in self.chain if raised.stack or raised.remark]
        threads = _list(_dict(self.event.get("threads")).get("values"))
        stacks = [_dict(thread).get("stacktrace") for thread in threads]
        stacks.append(self.event.get("stacktrace"))
        return [self._raised({"type": "Thread", "stacktrace": each}, "", 0) for each in stacks if each]

    def _raised(self, value: dict[str, Any], relation: str, depth: int) -> Raised:
        frames = [f for f in _list(_dict(value.get("stacktrace")).get("frames")) if _dict(f)]
        remark = "" if frames else "No stack trace came with it."
        return Raised(
            _string(value.get("type")) or "Exception",
            shorten(_string(value.get("value"))),
            _string(value.get("module")),
            relation,
            depth,
            tuple(_folded(frames[::-1])),
            remark,
        )

    @property
    def why_chain(self) -> tuple[Why, ...]:
        last = self._last()
        return self._why([(*last, key) for key in ("type", "value", "module")] if last else [])

    @property
    def why_stack(self) -> tuple[Why, ...]:
        stack = (*self._last(), "stacktrace")
        frame = (*stack, "frames", 0)
        parts = (stack, (*frame, "in_app"), (*frame, "context_line"), (*frame, "vars"))
        return self._why(parts if self.stacks else [])

    def _last(self) -> tuple[Key, ...]:
        return ("exception", "values", len(self._values) - 1) if self._values else ()

    # Breadcrumbs

    @property
    def crumbs(self) -> list[Crumb]:
        return [self._crumb(index, crumb) for index, crumb in self._raw_crumbs]

    @property
    def _raw_crumbs(self) -> list[tuple[int, dict[str, Any]]]:
        crumbs = self.event.get("breadcrumbs")
        values = crumbs if isinstance(crumbs, list) else _dict(crumbs).get("values")
        return [(i, crumb) for i, crumb in enumerate(_list(values)) if isinstance(crumb, dict)]

    def _crumb(self, index: int, crumb: dict[str, Any]) -> Crumb:
        level = _string(crumb.get("level")) or "info"
        data = crumb.get("data")
        return Crumb(
            offset(crumb.get("timestamp"), self.event.get("timestamp")),
            _string(crumb.get("category")) or _string(crumb.get("type")) or "breadcrumb",
            level,
            _LEVELS.get(level, "●"),
            shorten(show(crumb.get("message"))) if crumb.get("message") else Text(""),
            self._rows(("breadcrumbs", "values", index, "data"), data) if _dict(data) else (),
        )

    @property
    def why_crumbs(self) -> tuple[Why, ...]:
        paths: list[tuple[Key, ...]] = []
        for index, crumb in self._raw_crumbs:
            key = "message" if crumb.get("message") else "category"
            paths.append(("breadcrumbs", "values", index, key))
        if paths:
            paths += [(*paths[0][:3], "timestamp"), ("breadcrumbs",)]
        return self._why(paths, self._crumb_name)

    def _crumb_name(self, path: tuple[Key, ...]) -> str:
        if path[3:] not in (("message",), ("category",)):
            return "time" if path[3:] else "the list"
        crumb = dict(self._raw_crumbs)[path[2]]  # type: ignore[index]
        return _string(crumb.get("message"))[:40] or _string(crumb.get("category"))

    # Tables

    @property
    def contexts(self) -> list[Table]:
        contexts = _dict(self.event.get("contexts"))
        return [
            self._table(str(name), ("contexts", name)) for name in contexts if name != "trace"
        ]

    @property
    def tags(self) -> Table:
        return self._table("Tags", ("tags",))

    @property
    def user(self) -> Table:
        return self._table("User", ("user",))

    @property
    def extra(self) -> Table:
        return self._table("Extra", ("extra",))

    @property
    def request(self) -> Table:
        request = _dict(self.event.get("request"))
        first = ("method", "url", "query_string", "data", "cookies", "env")
        ordered = [key for key in first if key in request]
        rest = [key for key in request if key not in (*first, "headers")]
        return self._pick("Request", [("request", key) for key in (*ordered, *rest)])

    @property
    def headers(self) -> Table:
        return self._table("Headers", ("request", "headers"))

    @property
    def release(self) -> Table:
        keys_ = ("release", "environment", "dist")
        return self._pick("Release and environment", [(k,) for k in keys_ if k in self.event])

    @property
    def server(self) -> Table:
        return self._pick("Server", [("server_name",)] if "server_name" in self.event else [])

    @property
    def sdk(self) -> Table:
        return self._table("SDK and integrations", ("sdk",))

    @property
    def trace(self) -> Table:
        return self._table("Trace", ("contexts", "trace"))

    @property
    def mechanism(self) -> Table:
        path = (*self._last(), "mechanism")
        table = self._table("Level and mechanism", path) if self._last() else _EMPTY
        level = self._pick("", [("level",)] if "level" in self.event else [])
        return Table("Level and mechanism", (*level.rows, *table.rows), (*level.why, *table.why))

    @property
    def mechanism_means(self) -> str:
        return origin_at(self.event, (*self._last(), "mechanism")).why if self._last() else ""

    @property
    def modules(self) -> list[tuple[str, str]]:
        modules = _dict(self.event.get("modules"))
        return sorted((str(name), show(version)) for name, version in modules.items())

    @property
    def why_modules(self) -> tuple[Why, ...]:
        return self._why([("modules",)] if self.modules else [])

    @property
    def other(self) -> Table:
        return self._pick("Other fields", [(key,) for key in self.event if key not in _SHOWN])

    # Grouping

    @property
    def fingerprint(self) -> list[str]:
        return [show(value) for value in _list(self.event.get("fingerprint"))]

    @property
    def grouping(self) -> str:
        custom = [each for each in self.fingerprint if not _is_default(each)]
        if not custom:
            return (
                "No fingerprint of its own ({{ default }}): Sentry groups by the stack trace, "
                "above all by the functions of in-app frames."
            )
        if len(custom) < len(self.fingerprint):
            return (
                "The fingerprint holds {{ default }}: Sentry groups by the stack trace and then "
                "splits further by the other values."
            )
        return (
            "A custom fingerprint: all events that carry exactly these values become one issue, "
            "whatever their stack traces."
        )

    @property
    def why_grouping(self) -> tuple[Why, ...]:
        return self._why([("fingerprint",)] if self.fingerprint else [])

    # Raw

    @property
    def raw(self) -> str:
        return _json(self.event)

    def notes(self, head: str) -> list[Captured]:
        """What the crash type says about values of a part that has no rows."""
        return [each for each in self._captured if (keys(each.path) or ("",))[0] == head]

    # Helpers

    def _table(self, title: str, path: tuple[Key, ...]) -> Table:
        return self._rows_table(title, path, _at(self.event, path))

    def _rows_table(self, title: str, path: tuple[Key, ...], value: Any) -> Table:
        if value is None or value in ({}, []):
            return Table(title, (), ())
        rows = self._rows(path, value)
        hidden = max(0, len(value) - MAX_ROWS) if isinstance(value, dict | list) else 0
        remark = f"{hidden} more in the raw JSON." if hidden else ""
        return Table(title, rows, self._why(_some_leaves(value, path), _name_below(path)), remark)

    def _rows(self, path: tuple[Key, ...], value: Any) -> tuple[Row, ...]:
        pairs = _pairs(value)[:MAX_ROWS]
        return tuple(self._row(str(key), (*path, index), each) for key, index, each in pairs)

    def _row(self, name: str, path: tuple[Key, ...], value: Any) -> Row:
        text = shorten(show(value))
        remark = _remark(self.event, path)
        remarks = (*text.remarks, remark) if remark else text.remarks
        why = tuple(each.why for each in self._captured if keys(each.path)[: len(path)] == path)
        return Row(name, Text(text.text, remarks), why)

    def _pick(self, title: str, paths: Sequence[tuple[Key, ...]]) -> Table:
        rows = tuple(self._row(str(path[-1]), path, _at(self.event, path)) for path in paths)
        below = [leaf for path in paths for leaf in _some_leaves(_at(self.event, path), path)]
        depth = len(paths[0]) - 1 if paths else 0
        return Table(title, rows, self._why(below, _name_below(paths[0][:depth] if paths else ())))

    def _why(self, paths: Iterable[tuple[Key, ...]], name: Any = None) -> tuple[Why, ...]:
        name = name or (lambda path: str(path[-1]))
        names: dict[Origin, dict[str, None]] = {}
        for path in paths:
            names.setdefault(origin_at(self.event, path), {})[name(path)] = None
        return tuple(Why(_enumerate(list(each)), origin) for origin, each in names.items())


class Trace:
    """What the template of the trace table reads."""

    def __init__(self, transactions: Sequence[Mapping[str, Any]]) -> None:
        self._transactions = [each for each in transactions if isinstance(each, Mapping)]
        self.trace_id = next(filter(None, map(trace_id, self._transactions)), "")
        moments = [timestamp(each.get("start_timestamp")) for each in self._transactions]
        self._start = min((m.timestamp() for m in moments if m), default=0.0)
        ends = [timestamp(each.get("timestamp")) for each in self._transactions]
        self._end = max((m.timestamp() for m in ends if m), default=0.0)

    @property
    def total(self) -> str:
        return _duration(self._end - self._start) if self._end > self._start else ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        depths = self._depths()
        order = sorted(range(len(self._transactions)), key=lambda i: self._span(i)[0])
        return [self._row(index, depths[index]) for index in order]

    def _row(self, index: int, depth: int) -> dict[str, Any]:
        each = self._transactions[index]
        trace = _dict(_dict(each.get("contexts")).get("trace"))
        start, end = self._span(index)
        whole = (self._end - self._start) or 1.0
        status = _string(trace.get("status"))
        code = _dict(trace.get("data")).get("http.response.status_code")
        return {
            "service": _string(each.get("server_name")) or "unnamed service",
            "name": shorten(_string(each.get("transaction"))).text or "unnamed",
            "op": _string(trace.get("op")),
            "duration": _duration(end - start),
            "status": status or "not set",
            "code": code if isinstance(code, int) else "",
            "is_bad": status not in ("", "ok"),
            "depth": min(depth, 6),
            "left": round(100 * (start - self._start) / whole, 2),
            "width": round(max(0.6, 100 * (end - start) / whole), 2),
        }

    def _span(self, index: int) -> tuple[float, float]:
        each = self._transactions[index]
        start, end = timestamp(each.get("start_timestamp")), timestamp(each.get("timestamp"))
        begin = start.timestamp() if start else self._start
        return begin, max(begin, end.timestamp() if end else begin)

    def _depths(self) -> list[int]:
        """How deep each transaction hangs below the first: its parent is a span of another."""
        contexts = [
            _dict(_dict(each.get("contexts")).get("trace")) for each in self._transactions
        ]
        owner = {
            _string(_dict(span).get("span_id")): index
            for index, each in enumerate(self._transactions)
            for span in (*_list(each.get("spans")), contexts[index])
        }
        parents = [owner.get(_string(c.get("parent_span_id")) or "-") for c in contexts]
        return [_depth(index, parents) for index in range(len(parents))]


def _depth(index: int, parents: list[int | None]) -> int:
    seen: list[int] = []
    node: int | None = index
    while node is not None and node not in seen:
        seen.append(node)
        node = parents[node]
    return len(seen) - 1


# Values as text


def show(value: Any, depth: int = 0) -> str:
    """A value as one line of text; strings as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        inner = (f"{key}: {show(each, depth + 1)}" for key, each in _first(value.items()))
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(show(each, depth + 1) for each in _first(value)) + "]"
    return _json(value)


def shorten(text: str) -> Text:
    """The text, cut to ``MAX_TEXT`` with a remark that says so."""
    if len(text) <= MAX_TEXT:
        return Text(text)
    rest = len(text) - MAX_TEXT
    return Text(text[:MAX_TEXT] + "…", (f"{rest:,} more characters in the raw JSON",))


def timestamp(value: Any) -> datetime | None:
    """A time of the protocol: ISO 8601 text or Unix seconds; None when it is neither."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def offset(moment: Any, error: Any) -> str:
    """How long before the error something happened."""
    then, crashed = timestamp(moment), timestamp(error)
    if then is None or crashed is None:
        return "?"
    seconds = (then - crashed).total_seconds()
    return ("−" if seconds <= 0 else "+") + _duration(abs(seconds))


def trace_id(event: Event) -> str:
    """The trace that an event belongs to; empty when it names none."""
    found = _string(_at(event, ("contexts", "trace", "trace_id")))
    return found if _ID.fullmatch(found) else ""


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=repr)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=2, default=repr)
    except (RecursionError, ValueError, TypeError):
        return "This value is nested too deeply to be printed."
    return text


def _message(event: Event) -> str:
    entry = event.get("logentry") or event.get("message")
    if isinstance(entry, dict):
        entry = entry.get("formatted") or entry.get("message")
    return _string(entry)


def _remark(event: Event, path: tuple[Key, ...]) -> str:
    """What the SDK says it did to a value (``_meta``)."""
    meta = _dict(_at(event, ("_meta", *map(str, path), "")))
    if meta.get("rem"):
        rules = [str(rule[0]) for rule in _list(meta["rem"]) if isinstance(rule, list) and rule]
        by_scrubber = any(rule.startswith("!config") for rule in rules)
        return "removed by the scrubber (event_scrubber)" if by_scrubber else "removed by the SDK"
    return f"cut by the SDK, once {meta['len']} long" if isinstance(meta.get("len"), int) else ""


# Stack


def _folded(frames: list[dict[str, Any]]) -> Iterable[Frame | tuple[Frame, ...]]:
    """Our frames one by one, each run of library frames as a tuple, newest first."""
    ours, run = 0, []
    for raw in frames:
        if raw.get("in_app") is True and ours < MAX_FRAMES:
            if run:
                yield tuple(run)
            ours, run = ours + 1, []
            yield _frame(raw, is_ours=True)
        else:
            run.append(_frame(raw, is_ours=False))
    if run:
        yield tuple(run)


def _frame(raw: dict[str, Any], *, is_ours: bool) -> Frame:
    where = _string(raw.get("filename")) or _string(raw.get("abs_path")) or "unknown file"
    return Frame(
        _string(raw.get("function")) or "unknown function",
        f"{where}:{show(raw.get('lineno'))}" if raw.get("lineno") is not None else where,
        tuple(_lines(raw, is_ours=is_ours)),
        _locals(raw.get("vars")) if is_ours else (),
        is_ours,
    )


def _lines(raw: dict[str, Any], *, is_ours: bool) -> Iterable[Line]:
    guilty = raw.get("context_line")
    if not isinstance(guilty, str):
        return
    before = [_string(each) for each in _list(raw.get("pre_context"))] if is_ours else []
    after = [_string(each) for each in _list(raw.get("post_context"))] if is_ours else []
    code = [_one_line(line) for line in (*before, guilty, *after)]
    number = raw.get("lineno")
    first = number - len(before) if isinstance(number, int) else None
    marked = _highlight("\n".join(code)) if is_ours else tuple(escape(line) for line in code)
    for index, line in enumerate(marked):
        yield Line("" if first is None else first + index, line, index == len(before))


def _one_line(code: str) -> str:
    flat = re.sub(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", " ", code)
    return shorten(flat).text


@lru_cache(maxsize=512)
def _highlight(code: str) -> tuple[Markup, ...]:
    formatter = HtmlFormatter(nowrap=True, classprefix="cw-")
    html = highlight(code, PythonLexer(stripnl=False, ensurenl=False), formatter)
    return tuple(Markup(line) for line in html.split("\n"))  # noqa: S704 - Pygments escapes


def _locals(variables: Any) -> tuple[Row, ...]:
    # Their values are texts already: the SDK sends repr() of each.
    return tuple(
        Row(str(name), shorten(show(value)))
        for name, value in _first(_dict(variables).items(), MAX_ROWS)
    )


# Exception chain


def _chained(values: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str, int]]:
    return [
        (value, "caused by" if index else "", 0) for index, value in enumerate(reversed(values))
    ]


def _grouped(values: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str, int]]:
    """The tree of an exception group, root first; empty when the event is none."""
    nodes: dict[int, dict[str, Any]] = {}
    for value in reversed(values):
        number = _dict(value.get("mechanism")).get("exception_id")
        if not isinstance(number, int) or number in nodes:
            return []
        nodes[number] = value
    found: list[tuple[dict[str, Any], str, int]] = []
    depths: dict[int, int] = {}
    for number in sorted(nodes):
        relation, parent = _hangs(number, _dict(nodes[number].get("mechanism")))
        depths[number] = min(8, depths[parent] + 1) if parent in depths else 0
        found.append((nodes[number], relation, depths[number]))
    return found


def _hangs(number: int, mechanism: dict[str, Any]) -> tuple[str, Any]:
    """How an exception of a group hangs on which other one."""
    source = _string(mechanism.get("source"))
    # The SDK numbers depth first, a cause right after what it caused, and names 0 as its parent.
    if source == "__cause__":
        return "caused by", number - 1
    if source == "__context__":
        return "raised while handling", number - 1
    return ("member of the group" if source else ""), mechanism.get("parent_id")


# Payloads of any shape


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else show(value)


def _first(values: Iterable[Any], limit: int = MAX_ROWS) -> Iterable[Any]:
    for count, value in enumerate(values):
        if count >= limit:
            return
        yield value


def _pairs(value: Any) -> list[tuple[Any, Key, Any]]:
    if isinstance(value, dict):
        return [(key, key, each) for key, each in value.items()]
    if isinstance(value, list):
        return [(index, index, each) for index, each in enumerate(value)]
    return [("", "", value)]


def _at(value: Any, path: Sequence[Key]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _some_leaves(value: Any, path: tuple[Key, ...]) -> Iterable[tuple[Key, ...]]:
    return _first(leaves(value, path), 3 * MAX_ROWS)


def _name_below(path: tuple[Key, ...]) -> Any:
    def name(leaf: tuple[Key, ...]) -> str:
        below = [key for key in leaf[len(path) :] if isinstance(key, str)]
        return ".".join(below) or str(path[-1] if path else "")

    return name


def _enumerate(names: list[str]) -> str:
    shown = [name if len(name) <= 40 else f"{name[:40]}…" for name in names[:8]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _is_default(value: str) -> bool:
    return re.sub(r"\s", "", value) == "{{default}}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


_EMPTY = Table("", (), ())
