"""The event card: one captured event as static HTML, each part with who put it there.

All event data is untrusted. Its text reaches the page only through Jinja's autoescape or Pygments'
escaping, none of it becomes a link, and a payload of the wrong shape shows less instead of raising.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import islice
from typing import Any

from markupsafe import Markup

from demo_services.redaction import FILTERED
from kit.crashes.crash_type import Captured, CrashType
from kit.html import render
from kit.provenance.injections import injection_lines
from kit.provenance.meanings import SDK_BLIND_BECAUSE
from kit.provenance.origin import UNKNOWN, Origin, is_death, keys, origin_at
from kit.provenance.report import report_kind
from kit.reading.event import canonical, find_value, headline, is_message, read_level
from kit.reading.payload import (
    MAX_BYTES,
    MAX_ROWS,
    MAX_TEXT,
    Key,
    Path,
    Text,
    as_entries,
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    as_text,
    crumbs_path,
    describe_time,
    escape_bidi,
    exceptions,
    format_bytes,
    get_path,
    leaves,
    offset,
    plausible_time,
    service,
    shorten,
    stack_frames,
    to_json,
    trace_id,
    truncate,
)
from kit.reading.server.references import (
    GROUPING,
    MINIDUMPS,
    SECURITY_GROUPING,
    SECURITY_REPORTS,
    SOURCE_MAPS,
    STACK_TRACE_RULES,
    Reference,
)
from kit.views.card.crumb import LEVELS, Crumb
from kit.views.card.highlights import Highlights, Sightings, make_highlights
from kit.views.card.server_cuts import server_cuts_part
from kit.views.card.stack import (
    FieldRow,
    InApp,
    Raised,
    StackFrame,
    chain,
    thread_name,
    threads,
)

Event = Mapping[str, Any]

_OWN_PART = (
    *("event_id", "level", "timestamp", "exception", "threads", "stacktrace", "breadcrumbs"),
    *("contexts", "tags", "user", "request", "extra", "fingerprint", "release", "environment"),
    *("dist", "server_name", "sdk", "modules"),
)
_MAPPINGS = ("stacktrace", "contexts", "request", "modules")
_REQUEST_FIRST = ("method", "url", "query_string", "data", "cookies", "env")
_LOCAL = re.compile(r"\.vars\.(?:\"([^\"]+)\"|([\w-]+))")
_HAS_ROW = re.compile(r"\.vars\.|\.mechanism\b")
# Fields of Sentry's own contexts, in bytes.
_SIZES = {"memory_size", "free_memory", "app_memory"}
_SDK = ("name", "version")
_STDERR: Path = ("contexts", "stderr", "last_lines")
_MAX_STDERR = 4000
_LANGUAGES = {
    "python": "Python",
    "javascript": "JavaScript",
    "go": "Go",
    "ruby": "Ruby",
    "php": "PHP",
    "java": "Java",
    "dotnet": ".NET",
    "rust": "Rust",
    "native": "native",
    "cocoa": "Apple",
    "dart": "Dart",
    "elixir": "Elixir",
    "kotlin": "Kotlin",
}
_HANDLED = {
    True: "Handled: the code caught it, reported it and continued.",
    False: "Unhandled: no code of the service caught it.",
}
_UNMARKED = {
    InApp.UNSAID: "The SDK does not say which frames are in-app. Sentry's servers decide that, "
    "with their own stack trace rules and with yours. The card only folds frames in folders of "
    "installed packages.",
    InApp.NONE: "The SDK marks every frame as not in-app, so Sentry groups by all of them. Stack "
    "trace rules can mark frames as in-app.",
}
_MINIFIED = (
    "Columns this high mean minified code: the names are not those of the source, and the line "
    "says little. With source maps, Sentry's servers show the original code."
)
_REPORTED_BY = {
    "csp": "Reported by a browser, because of the page's Content-Security-Policy",
    "minidump": "Reported by a crash handler, with a minidump",
}
# The parts of a report that say most, in the order of the card.
_CSP_PARTS = {
    "effective_directive": "directive",
    "blocked_uri": "blocked URI",
    "document_uri": "document",
    "original_policy": "effective policy",
    "disposition": "disposition",
    "source_file": "source file",
    "line_number": "line",
    "column_number": "column",
}
_REPORT_NOTES = {
    "csp": (
        "The browser itself sent this report; no SDK was involved. Sentry shows such reports as "
        "events. Here the ingest turned it into this event.",
        SECURITY_REPORTS,
    ),
    "minidump": (
        "Only the bytes of the minidump are kept here, as an attachment of this event: no stack is "
        "unwound. Sentry's servers read the stack traces from it, and need the program's debug "
        "information files to name functions and lines.",
        MINIDUMPS,
    ),
}
_GONE = "The process is gone, and with it all code that could have handled anything."


@dataclass(frozen=True)
class Why:
    """An origin and the names of all values that came from it."""

    names: str
    origin: Origin


@dataclass(frozen=True)
class Table:
    """A part that is rows of names and values."""

    title: str
    rows: tuple[FieldRow, ...] = ()
    why: tuple[Why, ...] = ()
    remark: str = ""


def event_card(
    event: Event,
    *,
    crash: CrashType | None = None,
    answered_at: float | None = None,
    project: str = "",
    seen: Sightings | None = None,
) -> Markup:
    """Return ``event`` as a card.

    With ``crash`` the card also says what captured values are useful for and what was not
    captured. ``answered_at``, the time of the response in Unix seconds, goes into the root
    element for measurements. ``project`` is the name of the DSN's project, which is that of the
    service. ``seen`` says how often its issue was captured here.
    """
    known = answered_at if answered_at is not None and math.isfinite(answered_at) else None
    return render("card.html", card=_Card(event, crash, project, seen), answered_at=known)


class _Card:
    """What the card's template reads, in the order of the card."""

    def __init__(
        self, event: Event, crash: CrashType | None, project: str, seen: Sightings | None
    ) -> None:
        self.sent, self._seen = event, seen
        self.project = project
        self.event = canonical(event)
        self.not_captured = crash.not_captured if crash else ()
        declared = crash.captured if crash else ()
        found = ((each, find_value(event, each.path)) for each in declared)
        self._captured = [(each, value) for each, value in found if value is not None]
        values = as_list(get_path(self.event, ("exception", "values")))
        known = [index for index, value in enumerate(values) if isinstance(value, Mapping)]
        self._last: Path = ("exception", "values", known[-1]) if known else ()
        self._newest = as_mapping(get_path(self.event, self._last)) if known else {}
        self._headline = headline(event)
        self._is_message = is_message(event)
        self.report = report_kind(self.event)

    # Head

    @property
    def event_id(self) -> str:
        return as_str(self.event.get("event_id"))

    @property
    def trace_id(self) -> str:
        return trace_id(self.event)

    @property
    def level(self) -> str:
        return read_level(self.event.get("level")) or as_str(self.event.get("level")) or "error"

    @property
    def icon(self) -> str:
        return LEVELS.get(self.level, "●")

    @property
    def tone(self) -> str:
        return self.level if self.level in LEVELS else "error"

    @property
    def service(self) -> str:
        return service(self.event, self.project) or "unnamed service"

    @property
    def time(self) -> Text:
        return describe_time(self.event.get("timestamp"))

    @property
    def has_time(self) -> bool:
        return plausible_time(self.event.get("timestamp")) is not None

    @property
    def has_whole_seconds(self) -> bool:
        """Whether the event's time has no fraction, as older SDKs send it, but crumbs have."""
        moment = self.event.get("timestamp")
        return isinstance(moment, str) and "." not in moment

    @property
    def type(self) -> str:
        return "CSP report" if self.report == "csp" else self._headline.kind

    @property
    def message(self) -> Text:
        return shorten(self._headline.message)

    @property
    def handled(self) -> str:
        if self.sdk_blind_because:
            return _GONE
        # The minidump was not read: it may be of a program that hangs.
        if self._is_message or self.report:
            return ""
        # Older SDKs for JavaScript mark the innermost error of a chain, and the others as handled.
        marks = [get_path(each, ("mechanism", "handled")) for each in exceptions(self.event)]
        known = [mark for mark in marks if isinstance(mark, bool)]
        return _HANDLED[all(known)] if known else ""

    @property
    def captured_by(self) -> str:
        if self.report:
            return _REPORTED_BY[self.report]
        name, version = (truncate(as_str(get_path(self.event, ("sdk", key)))) for key in _SDK)
        company, _, rest = name.partition(".")
        language = _LANGUAGES.get(rest.partition(".")[0])
        known = f"Sentry's {language} SDK" if company == "sentry" and language else name
        if not known:
            return "Sent by a program that names no SDK"
        sdk = f"{known} {version}".strip()
        return (
            f"Written by the supervisor, sent by {sdk}"
            if self.sdk_blind_because
            else f"Captured by {sdk}"
        )

    @property
    def injected(self) -> list[str]:
        """What injected faults have to do with it, a sentence each."""
        return injection_lines(self.event)

    @property
    def highlights(self) -> Highlights:
        """What the first screen answers."""
        absent = [each.what for each in self.not_captured]
        return make_highlights(self.event, self.stacks, self.crumbs, absent, self._seen)

    # Report of a browser or a crash handler

    @property
    def report_note(self) -> tuple[str, Reference]:
        """What becomes of such a report, and where that is documented."""
        return _REPORT_NOTES[self.report]

    @property
    def csp(self) -> Table:
        """The parts of a browser's report; those that say most come first."""
        if self.report != "csp":
            return Table("")
        csp = as_mapping(self.event.get("csp"))
        names = list(dict.fromkeys(name for name in (*_CSP_PARTS, *csp) if name in csp))
        table = self._pick("", [("csp", name) for name in names[:MAX_ROWS]])
        rows = (replace(row, name=_CSP_PARTS.get(row.name, row.name)) for row in table.rows)
        hidden = len(names) - MAX_ROWS
        remark = f"{hidden} more in the raw JSON." if hidden > 0 else ""
        return replace(table, rows=tuple(rows), remark=remark)

    @property
    def is_report_only(self) -> bool:
        """Whether the policy was only tried: the browser blocked nothing."""
        return get_path(self.event, ("csp", "disposition")) == "report" and self.report == "csp"

    # Exit of a process

    @property
    def sdk_blind_because(self) -> str:
        """Why the SDK inside the process could not report this; empty unless it died."""
        return (
            SDK_BLIND_BECAUSE.get(self.type, SDK_BLIND_BECAUSE["ProcessExited"])
            if is_death(self.event, self.project)
            else ""
        )

    @property
    def why_sdk_blind(self) -> tuple[Why, ...]:
        return self._why([(*self._last, "mechanism", "type"), ("logger",)] if self._newest else [])

    @property
    def stderr_tail(self) -> Text:
        """What the process wrote to stderr before it died."""
        lines = as_list(get_path(self.event, _STDERR)) if self.sdk_blind_because else []
        return shorten("\n".join(map(as_str, lines)), _MAX_STDERR)

    @property
    def why_stderr_tail(self) -> tuple[Why, ...]:
        return self._why([_STDERR])

    # Exception chain and stack

    @property
    def chain(self) -> list[Raised]:
        return [] if self._is_message else self._chain

    @cached_property
    def _chain(self) -> list[Raised]:
        matches = ((_LOCAL.search(each.path), each.why) for each, _ in self._captured)
        return chain(self.event, {match[1] or match[2]: why for match, why in matches if match})

    @cached_property
    def stacks(self) -> list[Raised]:
        found = [*self._chain, *threads(self.event)]
        return [raised for raised in found if raised.stack]

    @property
    def has_source(self) -> bool:
        """Whether a line of source is shown."""
        shown = (each for raised in self.stacks for each in raised.stack)
        return any(isinstance(each, StackFrame) and each.lines for each in shown)

    @property
    def frame_notes(self) -> list[tuple[str, Reference]]:
        """What Sentry's servers do with such frames, and where that is documented."""
        marks = {raised.in_app for raised in self.stacks}
        found = [(text, STACK_TRACE_RULES) for how, text in _UNMARKED.items() if how in marks]
        if any(raised.is_minified for raised in self.stacks):
            found.append((_MINIFIED, SOURCE_MAPS))
        return found

    @property
    def threads(self) -> Table:
        """What is known about threads besides their stacks; empty if that says nothing."""
        path: Path = ("threads", "values")
        found = [
            (number, {name: each for name, each in thread.items() if name != "stacktrace"})
            for number, thread in enumerate(as_list(get_path(self.event, path)))
            if isinstance(thread, Mapping)
        ]
        if not any(about.keys() - {"crashed", "current"} for _, about in found):
            return Table("Threads")
        rows = [self._row(thread_name(each), (*path, n), each) for n, each in found[:MAX_ROWS]]
        hidden = len(found) - len(rows)
        remark = f"{hidden} more in the raw JSON." if hidden else ""
        return Table("Threads", tuple(rows), self._why([("threads",)]), remark)

    @property
    def notes(self) -> list[Captured]:
        """What values of the stack without a row of their own are useful for."""
        declared = [each for each, _ in self._captured if each.path.startswith("exception")]
        return [each for each in declared if not _HAS_ROW.search(each.path)]

    @property
    def why_chain(self) -> tuple[Why, ...]:
        names = [name for name in ("type", "value", "module") if name in self._newest]
        return self._why([(*self._last, name) for name in names])

    @property
    def why_stack(self) -> tuple[Why, ...]:
        beside = [("threads",)] if any(raised.stack for raised in threads(self.event)) else []
        if not self._newest:
            return self._why(beside)
        stack = (*self._last, "stacktrace")
        frames = stack_frames(self._newest)
        found = [
            name for name in ("in_app", "context_line", "vars") if any(name in f for f in frames)
        ]
        return self._why([stack, *((*stack, "frames", 0, name) for name in found), *beside])

    # Breadcrumbs

    @cached_property
    def crumbs(self) -> list[Crumb]:
        return [self._crumb(path) for path in self._crumb_paths]

    @property
    def _crumb_paths(self) -> list[Path]:
        where = crumbs_path(self.event)
        values = as_list(get_path(self.event, where))
        return [(*where, n) for n, value in enumerate(values) if isinstance(value, Mapping)]

    def _crumb(self, path: Path) -> Crumb:
        crumb = as_mapping(get_path(self.event, path))
        return Crumb(
            offset(crumb.get("timestamp"), self.event.get("timestamp")),
            as_str(crumb.get("category")) or as_str(crumb.get("type")) or "breadcrumb",
            as_str(crumb.get("level")),
            shorten(as_str(crumb.get("message"))),
            self._rows((*path, "data"), {} if crumb.get("data") is None else crumb["data"]),
            tuple(
                each.why
                for each, value in self._captured
                if value is crumb or self._is_below(each.path, path)
            ),
        )

    @property
    def why_crumbs(self) -> tuple[Why, ...]:
        paths = self._crumb_paths
        extra: list[Path] = [(*paths[0], "timestamp"), ("breadcrumbs",)] if paths else []
        return self._why([*((*path, "message") for path in paths), *extra], self._crumb_name)

    def _crumb_name(self, path: Path) -> str:
        if path[-1] != "message":
            return "time" if path[-1] == "timestamp" else "the list"
        crumb = as_mapping(get_path(self.event, path[:-1]))
        return as_str(crumb.get("message")) or as_str(crumb.get("category")) or "breadcrumb"

    # Tables

    @cached_property
    def contexts(self) -> list[Table]:
        has_words = set(as_mapping(get_path(self.event, _STDERR[:-1]))) == {"last_lines"}
        own_part = {"trace", "stderr"} if has_words and self.stderr_tail.text else {"trace"}
        names = [name for name in as_mapping(self.event.get("contexts")) if name not in own_part]
        tables = [self._context(name) for name in names]
        return [table if table.rows else self._empty(table.title) for table in tables]

    def _context(self, name: str) -> Table:
        table = self._table(name, ("contexts", name))
        return self._with_flags(table) if name == "flags" else table

    def _with_flags(self, table: Table) -> Table:
        """Return a row for each feature flag; the table unchanged if they have another shape."""
        path: Path = ("contexts", "flags", "values")
        flags = as_mapping(get_path(self.event, path[:-1]))
        values = as_list(flags.get("values"))
        told = [each for each in as_mappings(values) if {"flag", "result"} <= each.keys()]
        if set(flags) != {"values"} or len(told) < len(values):
            return table
        # The newest are last, and the most telling.
        first = max(len(told) - MAX_ROWS, 0)
        rows = tuple(
            self._row(shorten(as_str(each["flag"])).text, (*path, number, "result"), each["result"])
            for number, each in enumerate(told[first:], first)
        )
        return replace(table, rows=rows, remark=f"{first} more in the raw JSON." if first else "")

    def _empty(self, context: str) -> Table:
        return Table(context, (), self._why([("contexts", context)]), "It is empty.")

    @property
    def tags(self) -> Table:
        return self._table("Tags", ("tags",))

    @property
    def user(self) -> Table:
        return self._table("User", ("user",))

    @property
    def request(self) -> Table:
        request = as_mapping(self.event.get("request"))
        names = [name for name in request if name not in (*_REQUEST_FIRST, "headers")]
        first = [name for name in _REQUEST_FIRST if name in request]
        return self._pick("Request", [("request", name) for name in (*first, *names)])

    @cached_property
    def headers(self) -> Table:
        return self._table("headers", ("request", "headers"))

    @property
    def mechanism(self) -> Table:
        level = self._pick("Level", [("level",)] if "level" in self.event else [])
        if not self._newest:
            return level
        rest = self._table("", (*self._last, "mechanism"))
        return Table("Level and mechanism", (*level.rows, *rest.rows), (*level.why, *rest.why))

    @property
    def mechanism_means(self) -> str:
        path = (*self._last, "mechanism")
        if not as_mapping(get_path(self.event, path)):
            return ""
        origin = origin_at(self.event, path, self.project)
        return "" if origin.who == UNKNOWN else origin.why

    @property
    def release(self) -> Table:
        names = ("release", "environment", "dist")
        found = [(name,) for name in names if name in self.event]
        return self._pick("Release and environment", found)

    @property
    def server(self) -> Table:
        return self._pick("Server", [("server_name",)] if "server_name" in self.event else [])

    @property
    def sdk(self) -> Table:
        return self._table("SDK and integrations", ("sdk",))

    @property
    def modules(self) -> list[tuple[str, str]]:
        modules = as_mapping(self.event.get("modules"))
        return sorted((name, as_str(version)) for name, version in modules.items())

    @property
    def why_modules(self) -> tuple[Why, ...]:
        return self._why([("modules",)])

    @property
    def trace(self) -> Table:
        return self._table("Trace", ("contexts", "trace"))

    @property
    def extra(self) -> Table:
        return self._table("Extra", ("extra",))

    @property
    def other(self) -> Table:
        """All fields without a part of their own, so that nothing is hidden."""
        shown = (*_OWN_PART, "csp") if self.report == "csp" else _OWN_PART
        names = [
            name
            for name, value in self.event.items()
            if name not in shown or not (value is None or self._has_part(name))
        ]
        return self._pick("Other fields", [(name,) for name in names])

    def _has_part(self, name: str) -> bool:
        """Return whether a value has the form that its part of the card shows."""
        value = self.event[name]
        if not value:
            return True
        if name in ("exception", "threads", "breadcrumbs"):
            return bool(as_entries(value)) or as_mapping(value).get("values") == []
        if name == "fingerprint":
            return isinstance(value, list)
        return isinstance(value, Mapping) or name not in _MAPPINGS

    # Grouping

    @property
    def fingerprint(self) -> list[str]:
        return [as_str(value) for value in as_list(self.event.get("fingerprint"))]

    @property
    def grouping(self) -> str:
        if not isinstance(self.event.get("fingerprint"), list | None):
            return (
                "The fingerprint is not a list, although the protocol requires one. The simulated "
                "grouping ignores it."
            )
        default = [each for each in self.fingerprint if re.sub(r"\s", "", each) == "{{default}}"]
        if len(default) == len(self.fingerprint):
            return f"No custom fingerprint, which means {{{{ default }}}}: {self._default}."
        if default:
            return (
                f"The fingerprint contains {{{{ default }}}}: {self._default}, and splits further "
                "by the other values."
            )
        return (
            "A custom fingerprint: all events with these values, variables filled in, become one "
            "issue, whatever their stack traces."
        )

    @property
    def _default(self) -> str:
        """What Sentry groups by when no fingerprint says otherwise."""
        if self.report == "csp":
            by = "the directive and what was blocked. The simulated issues use the message"
        elif self.report == "minidump":
            by = (
                "the stack that its servers read from the minidump. The simulated issues use the "
                "type of the exception and its message"
            )
        elif self.stacks:
            by = "the stack trace, above all by the functions of in-app frames"
        elif self._newest:
            by = "the type of the exception and its message, since there is no stack trace"
        else:
            by = "the message, since there is no exception and no stack trace"
        return f"Sentry groups by {by}"

    @property
    def grouping_source(self) -> Reference | None:
        """Where Sentry documents the grouping of reports; None for events that were captured."""
        return {"csp": SECURITY_GROUPING, "minidump": GROUPING}.get(self.report)

    @property
    def why_grouping(self) -> tuple[Why, ...]:
        return self._why([("fingerprint",)] if self.fingerprint else [])

    @property
    def server_cuts(self) -> Markup:
        return server_cuts_part(self.event)

    @property
    def raw(self) -> Markup:
        # Quotes are not escaped, as only attributes need that: it would double the size.
        return Markup(escape(escape_bidi(to_json(self.sent)), quote=False))  # noqa: S704

    # How tables are made

    def _table(self, title: str, path: Path) -> Table:
        """Return a table of what is at the path; without rows if there is nothing."""
        value = get_path(self.event, path)
        if value is None or value in ({}, []):
            return Table(title)
        hidden = len(value) - MAX_ROWS if isinstance(value, Mapping | list) else 0
        remark = f"{hidden} more in the raw JSON." if hidden > 0 else ""
        why = self._why(_leaves(value, path), _name_below(path))
        return Table(title, self._rows(path, value), why, remark)

    def _pick(self, title: str, paths: Sequence[Path]) -> Table:
        """Return a table with a row for each path."""
        rows = tuple(self._row(str(path[-1]), path, get_path(self.event, path)) for path in paths)
        below = [leaf for path in paths for leaf in _leaves(get_path(self.event, path), path)]
        return Table(title, rows, self._why(below, _name_below(paths[0][:-1] if paths else ())))

    def _rows(self, path: Path, value: Any) -> tuple[FieldRow, ...]:
        pairs: Iterable[tuple[Key, Any]] = [("value", value)]
        if isinstance(value, Mapping):
            pairs = value.items()
        elif isinstance(value, list):
            pairs = enumerate(value)
        return tuple(
            self._row(str(key), (*path, key), each) for key, each in islice(pairs, MAX_ROWS)
        )

    def _row(self, name: str, path: Path, value: Any) -> FieldRow:
        text = _text(path, value)
        remarks = (*text.remarks, *_remarks(self.event, path, value))
        why = tuple(each.why for each, _ in self._captured if self._is_below(each.path, path))
        return FieldRow(name, Text(text.text, remarks), why)

    def _is_below(self, declared: str, path: Path) -> bool:
        return _from_start(self.event, keys(declared))[: len(path)] == path

    def _why(
        self, paths: Iterable[Path], name: Callable[[Path], str] = lambda path: str(path[-1])
    ) -> tuple[Why, ...]:
        names: dict[Origin, dict[str, None]] = {}
        for path in paths:
            names.setdefault(origin_at(self.event, path, self.project), {})[name(path)] = None
        return tuple(Why(_list_names(list(each)), origin) for origin, each in names.items())


def _from_start(event: Event, path: Path) -> Path:
    """Return a path whose indices count from the start of each list."""
    found: list[Key] = []
    for key in path:
        values = get_path(event, found)
        from_end = isinstance(key, int) and key < 0 and isinstance(values, list)
        found.append(len(values) + int(key) if from_end else key)
    return tuple(found)


def _text(path: Path, value: Any) -> Text:
    """Return a value as it is shown, in a special form if it is hard to read."""
    if path == ("sdk", "integrations") and isinstance(value, list):
        return _names(list(map(as_str, value)))
    text = shorten(as_text(value))
    if path[:1] == ("contexts",) and path[-1] in _SIZES and type(value) is int and value > 0:
        size = format_bytes(value) if value < MAX_BYTES else "out of range for a size"
        return Text(text.text, (*text.remarks, size))
    return text


def _names(names: list[str]) -> Text:
    unique = list(dict.fromkeys(names))
    twice = ", each of them listed twice" if len(names) == 2 * len(unique) else ""
    text = shorten(", ".join(unique), 2 * MAX_TEXT)
    return Text(text.text, (f"{len(unique)}{twice}", *text.remarks))


def _remarks(event: Event, path: Path, value: Any) -> tuple[str, ...]:
    """Return what was done to a value before it was sent, most of it from ``_meta``."""
    meta = as_mapping(get_path(event, ("_meta", *map(str, path), "")))
    rules = [
        (as_str(get_path(rule, (0,))), get_path(rule, (1,))) for rule in as_list(meta.get("rem"))
    ]
    if ("!config", "x") in rules:
        return ("left out by the SDK: larger than max_request_body_size",)
    if any(name.startswith("!config") for name, _ in rules):
        # Only of version 2 without data_collection, and of older SDKs.
        return ("removed by the SDK's scrubber, because of its name",)
    if isinstance(meta.get("len"), int):
        return (f"truncated by the SDK: it was {meta['len']} long",)
    if rules:
        return ("removed by the SDK",)
    # Other filters leave no note.
    return (_filtered_by(event),) if value == FILTERED else ()


def _filtered_by(event: Event) -> str:
    collection = "dataCollection" if event.get("platform") == "node" else "data_collection"
    return f"filtered before it was sent: by {collection} because of its name, or by a hook"


def _leaves(value: Any, path: Path) -> Iterable[Path]:
    return islice(leaves(value, path), 3 * MAX_ROWS)


def _name_below(path: Path) -> Callable[[Path], str]:
    def name(leaf: Path) -> str:
        below = [key for key in leaf[len(path) :] if isinstance(key, str)]
        return ".".join(below) or str(path[-1])

    return name


def _list_names(names: list[str]) -> str:
    shown = [name if len(name) <= 48 else f"{name[:48]}…" for name in names[:8]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
