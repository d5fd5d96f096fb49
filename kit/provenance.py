"""Who put each value of an event there, and why.

Lines of our services are read from their source (``kit.sites``). What the SDK adds is described
by the facts below; each names the statement in the SDK that does it, whose line is looked up in
the SDK that is installed. So no line number here can go stale.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo_services.services import SERVICES
from kit.sites import Place, Site, source

UNKNOWN = "unknown"

Key = str | int


@dataclass(frozen=True)
class Origin:
    """Who put a value into an event, and why; with the line that did it where there is one."""

    who: str
    why: str
    file: str | None = None
    line: int | None = None
    code: str | None = None


@dataclass(frozen=True)
class Fact:
    """What the SDK does: ``statement`` in ``module`` puts the value at ``path``.

    ``path`` has slashes between its keys, ``*`` is any key, and values below it belong to it.
    ``framework`` limits it to events of services that use that framework.
    """

    path: str
    who: str
    why: str
    module: str
    statement: str
    framework: str | None = None


_TRACING = "the SDK's tracing"
_TORNADO, _FASTAPI = "Tornado", "FastAPI"
_ASGI = "SentryAsgiMiddleware"
_STACK = "the SDK's stack serializer"

FACTS = (
    Fact(
        "event_id",
        "the SDK's client",
        "A random UUID, made before sending, so that a service can log or show it at once.",
        "client",
        'event["event_id"] = event_id = uuid.uuid4().hex',
    ),
    Fact(
        "timestamp",
        "the SDK's client",
        "The service's own clock, in UTC, when the event was made; not when it arrived.",
        "client",
        'event["timestamp"] = datetime.now(timezone.utc)',
    ),
    Fact(
        "platform",
        "the SDK's client",
        "Tells Sentry which language's rules to use for stack traces and grouping.",
        "client",
        'event["platform"] = "python"',
    ),
    Fact(
        "sdk/name",
        "the SDK's client",
        "Named after one web framework whose integration is on, even when another served the "
        "request.",
        "utils",
        'return "sentry.python.{}".format(integration)',
    ),
    Fact(
        "sdk/integrations",
        "the SDK's client",
        "The integrations that are on: what could have been captured without a line of ours.",
        "client",
        'sdk_info["integrations"] = sorted(self.integrations.keys())',
    ),
    Fact(
        "sdk",
        "the SDK's client",
        "Which SDK made the event. Look here first when a field changed after an upgrade.",
        "client",
        'event["sdk"] = sdk_info',
    ),
    Fact(
        "modules",
        "ModulesIntegration",
        "Every installed package with its version: did a dependency change between two releases?",
        "integrations.modules",
        'event["modules"] = _get_installed_modules()',
    ),
    Fact(
        "extra/sys.argv",
        "ArgvIntegration",
        "The command line of the process; it tells a worker from a web server.",
        "integrations.argv",
        'extra["sys.argv"] = sys.argv',
    ),
    Fact(
        "contexts/runtime",
        "StdlibIntegration",
        "The interpreter that ran the code. A context of one's own with this name replaces it.",
        "integrations.stdlib",
        'contexts["runtime"] = _RUNTIME_CONTEXT',
    ),
    Fact(
        "contexts/trace/trace_id",
        _TRACING,
        "Shared by every service that the request passed through; it came in with the "
        "sentry-trace header, or was made here.",
        "tracing",
        '"trace_id": self.trace_id,',
    ),
    Fact(
        "contexts/trace/span_id",
        _TRACING,
        "The span that was open when the error happened: where in the trace to look.",
        "tracing",
        '"span_id": self.span_id,',
    ),
    Fact(
        "contexts/trace/parent_span_id",
        _TRACING,
        "The span above it; for a service's first span it is the caller's, from sentry-trace.",
        "tracing",
        '"parent_span_id": self.parent_span_id,',
    ),
    Fact(
        "contexts/trace/origin",
        _TRACING,
        "Who opened the span: auto.… is an integration, manual is code of one's own.",
        "tracing",
        '"origin": self.origin,',
    ),
    Fact(
        "contexts/trace/status",
        _TRACING,
        "How the span ended. Often missing here: it is still open when the error is captured.",
        "tracing",
        'rv["status"] = self.status',
    ),
    Fact(
        "contexts/trace/data/thread.id",
        _TRACING,
        "The thread that opened the span; it ties the span to the samples of a profile.",
        "tracing",
        'data["thread.id"] = thread_id',
    ),
    Fact(
        "contexts/trace/data/thread.name",
        _TRACING,
        "The name of the thread that opened the span.",
        "tracing",
        'data["thread.name"] = thread_name',
    ),
    Fact(
        "contexts/trace/dynamic_sampling_context",
        _TRACING,
        "What the head of the trace decided about sampling, passed on in the baggage header.",
        "tracing",
        'rv["dynamic_sampling_context"]',
    ),
    Fact(
        "contexts/trace",
        _TRACING,
        "Ties the error to its place in the trace: an event without it stands alone.",
        "scope",
        'contexts["trace"] = self.get_trace_context()',
    ),
    Fact(
        "contexts/profile",
        _TRACING,
        "Links to the profile that was recorded while the span was open.",
        "tracing",
        'contexts.update({"profile": profile_context})',
    ),
    Fact(
        "contexts/response",
        _TRACING,
        "The status of the HTTP answer; known only once there is one, so on transactions.",
        "tracing",
        'self.set_context("response", {"status_code": http_status})',
    ),
    Fact(
        "contexts/flags",
        "the SDK's scope",
        "The feature flags that were evaluated before the error, newest last.",
        "scope",
        '{"values": flags}',
    ),
    Fact(
        "contexts/unhandled_rejection",
        "the SDK",
        "Details of a rejection that nobody handled.",
        "scope",
        "def set_context",
        framework="Express",
    ),
    Fact(
        "level",
        "event_from_exception",
        "The SDK's default for every exception. set_level on the scope overrides it.",
        "utils",
        '"level": "error",',
    ),
    Fact(
        "message",
        "capture_message",
        "A message has no exception and so no stack trace, unless attach_stacktrace is on.",
        "scope",
        '"message": message,',
    ),
    Fact(
        "logentry",
        "LoggingIntegration",
        "Records at ERROR and above become events. Format and arguments stay apart, so that "
        "Sentry can group by the format.",
        "integrations.logging",
        'event["logentry"] = {',
    ),
    Fact(
        "logger",
        "LoggingIntegration",
        "The name of the logger that wrote the record.",
        "integrations.logging",
        'event["logger"] = record.name',
    ),
    Fact(
        "threads",
        "the option attach_stacktrace",
        "The stack of the running thread, for an event that has no exception.",
        "client",
        'event["threads"] = {',
    ),
    Fact(
        "exception/values/*/mechanism/exception_id",
        "event_from_exception",
        "Numbers the exceptions of a group, so that the tree can be drawn again.",
        "utils",
        'exception_value["mechanism"]["exception_id"] = exception_id',
    ),
    Fact(
        "exception/values/*/mechanism/is_exception_group",
        "event_from_exception",
        "Marks an ExceptionGroup: Sentry then groups by its members.",
        "utils",
        'exception_value["mechanism"]["is_exception_group"] = True',
    ),
    Fact(
        "exception/values/*/mechanism/parent_id",
        "event_from_exception",
        "The exception that this one hangs below.",
        "utils",
        'exception_value["mechanism"]["parent_id"] = parent_id',
    ),
    Fact(
        "exception/values/*/mechanism/source",
        "event_from_exception",
        "How it hangs there: a member of a group, a cause (raise … from) or a context.",
        "utils",
        'exception_value["mechanism"]["source"] = source',
    ),
    Fact(
        "exception/values/*/mechanism/meta",
        "event_from_exception",
        "The operating system's error number.",
        "utils",
        'exception_value["mechanism"].setdefault("meta", {})',
    ),
    Fact(
        "exception/values/*/type",
        "event_from_exception",
        "The name of the exception's class: the title of the issue.",
        "utils",
        'exception_value["type"] = get_type_name(exc_type)',
    ),
    Fact(
        "exception/values/*/value",
        "event_from_exception",
        "str(exception). Values written into it split one bug into many titles.",
        "utils",
        'exception_value["value"] = get_error_message(exc_value)',
    ),
    Fact(
        "exception/values/*/module",
        "event_from_exception",
        "Where the class was defined; empty for Python's own exceptions.",
        "utils",
        'exception_value["module"] = get_type_module(exc_type)',
    ),
    Fact(
        "exception/values/*/stacktrace/frames/*/vars",
        "the option include_local_variables",
        "On by default: repr() of each local, at most 10 items of a collection, 5 levels deep.",
        "utils",
        "elif include_local_variables:",
    ),
    Fact(
        "exception/values/*/stacktrace/frames/*/context_line",
        "the option include_source_context",
        "On by default: the line and five around it, read from the file while it crashes.",
        "utils",
        'rv["pre_context"], rv["context_line"], rv["post_context"]',
    ),
    Fact(
        "exception/values/*/stacktrace/frames/*/in_app",
        "the option in_app_include",
        "Tells our frames from those of libraries; Sentry groups by ours.",
        "utils",
        "if _module_in_list(module, in_app_include):",
    ),
    Fact(
        "exception/values/*/stacktrace",
        _STACK,
        "Walked from the traceback, oldest call first in the event.",
        "utils",
        'exception_value["stacktrace"] = {"frames": new_frames}',
    ),
    Fact(
        "exception",
        "event_from_exception",
        "The exception and what caused it, root cause first in the event.",
        "utils",
        '"exception": {',
    ),
    Fact(
        "transaction",
        "TornadoIntegration",
        "The handler's method that served the request; it says where, without any id in it.",
        "integrations.tornado",
        'event["transaction"] = transaction_from_function(method) or ""',
        _TORNADO,
    ),
    Fact(
        "transaction",
        "FastApiIntegration",
        "The route's pattern, not the URL: all ids in the path fall into one transaction.",
        "integrations.fastapi",
        "scope.set_transaction_name(name, source=source)",
        _FASTAPI,
    ),
    Fact(
        "transaction_info",
        "TornadoIntegration",
        "What the transaction's name is: component means a method of the code.",
        "integrations.tornado",
        'event["transaction_info"] = {"source": TransactionSource.COMPONENT}',
        _TORNADO,
    ),
    Fact(
        "transaction_info",
        "FastApiIntegration",
        "What the transaction's name is: route means a pattern, url a path as it came.",
        "integrations.fastapi",
        "scope.set_transaction_name(name, source=source)",
        _FASTAPI,
    ),
    Fact(
        "transaction",
        "the SDK's scope",
        "The name of the transaction that was running.",
        "scope",
        'event["transaction"] = self._transaction',
    ),
    Fact(
        "transaction_info",
        "the SDK's scope",
        "What the transaction's name is: custom was given by hand.",
        "scope",
        'event["transaction_info"] = self._transaction_info',
    ),
    Fact(
        "request/url",
        "TornadoIntegration",
        "Put together from the request; the query is kept apart.",
        "integrations.tornado",
        'request_info["url"] = "%s://%s%s" % (',
        _TORNADO,
    ),
    Fact(
        "request/query_string",
        "TornadoIntegration",
        "The query as it came. The scrubber does not look into it: a token here leaks.",
        "integrations.tornado",
        'request_info["query_string"] = request.query',
        _TORNADO,
    ),
    Fact(
        "request/method",
        "TornadoIntegration",
        "The HTTP method.",
        "integrations.tornado",
        'request_info["method"] = request.method',
        _TORNADO,
    ),
    Fact(
        "request/env",
        "TornadoIntegration",
        "The caller's address. Tornado's integration sends it even without send_default_pii.",
        "integrations.tornado",
        'request_info["env"] = {"REMOTE_ADDR": request.remote_ip}',
        _TORNADO,
    ),
    Fact(
        "request/headers",
        "TornadoIntegration",
        "All headers; those that identify people or hold secrets are filtered.",
        "integrations.tornado",
        'request_info["headers"] = _filter_headers(dict(request.headers))',
        _TORNADO,
    ),
    Fact(
        "request/data",
        "TornadoIntegration",
        "The parsed JSON or form body, up to max_request_body_size.",
        "integrations._wsgi_common",
        'request_info["data"] = data',
        _TORNADO,
    ),
    Fact(
        "request/cookies",
        "TornadoIntegration",
        "Only with send_default_pii or data_collection.",
        "integrations._wsgi_common",
        'request_info["cookies"]',
        _TORNADO,
    ),
    Fact(
        "request/data",
        "FastApiIntegration",
        "The parsed JSON or form body, up to max_request_body_size.",
        "integrations.fastapi",
        'request_info["data"] = info["data"]',
        _FASTAPI,
    ),
    Fact(
        "request/cookies",
        "FastApiIntegration",
        "Only with send_default_pii or data_collection.",
        "integrations.fastapi",
        'request_info["cookies"] = info["cookies"]',
        _FASTAPI,
    ),
    Fact(
        "request/url",
        _ASGI,
        "Put together from the ASGI scope and the Host header; the query is kept apart.",
        "integrations._asgi_common",
        'request_data["url"] = _get_url(',
        _FASTAPI,
    ),
    Fact(
        "request/method",
        _ASGI,
        "The HTTP method, from the ASGI scope.",
        "integrations._asgi_common",
        'request_data["method"] = asgi_scope.get("method")',
        _FASTAPI,
    ),
    Fact(
        "request/query_string",
        _ASGI,
        "The query, decoded. The scrubber does not look into it: a token here leaks.",
        "integrations._asgi_common",
        'request_data["query_string"] = _get_query(asgi_scope)',
        _FASTAPI,
    ),
    Fact(
        "request/headers",
        _ASGI,
        "All headers; those that identify people or hold secrets are filtered.",
        "integrations._asgi_common",
        'request_data["headers"] = _filter_headers(',
        _FASTAPI,
    ),
    Fact(
        "request/env",
        _ASGI,
        "The caller's address; only with send_default_pii or data_collection.",
        "integrations._asgi_common",
        'request_data["env"] = {"REMOTE_ADDR": _get_ip(asgi_scope)}',
        _FASTAPI,
    ),
    Fact(
        "user/is_authenticated",
        "TornadoIntegration",
        "Whether the handler has a current_user.",
        "integrations.tornado",
        'event.setdefault("user", {}).setdefault("is_authenticated", True)',
        _TORNADO,
    ),
    Fact(
        "breadcrumbs/values/*/timestamp",
        "add_breadcrumb",
        "When the breadcrumb was left, if its author did not say.",
        "scope",
        'crumb["timestamp"] = datetime.now(timezone.utc)',
    ),
    Fact(
        "breadcrumbs",
        "the SDK's scope",
        "The last 100 (max_breadcrumbs) of this request, kept in memory and sent with an error.",
        "scope",
        'event["breadcrumbs"]["values"].extend(self._breadcrumbs)',
    ),
    Fact(
        "release",
        "the option release",
        "Without it the SDK guesses from the environment or from git.",
        "client",
        'rv["release"] = get_default_release()',
    ),
    Fact(
        "environment",
        "the option environment",
        "Without it: SENTRY_ENVIRONMENT, else production.",
        "client",
        'rv["environment"] = os.environ.get("SENTRY_ENVIRONMENT") or "production"',
    ),
    Fact(
        "server_name",
        "the option server_name",
        "Without it: the name of the machine.",
        "client",
        'rv["server_name"] = socket.gethostname()',
    ),
    Fact(
        "dist",
        "the option dist",
        "Tells builds of one release apart.",
        "client",
        'for key in "release", "environment", "server_name", "dist":',
    ),
    Fact(
        "_meta",
        "the SDK's serializer",
        "Remarks on values that were filtered or cut: what was removed, and why.",
        "serializer",
        "_meta",
    ),
    Fact(
        "spans",
        _TRACING,
        "The finished spans of the transaction.",
        "tracing",
        '"spans": finished_spans,',
    ),
    Fact(
        "start_timestamp",
        _TRACING,
        "When the transaction began.",
        "tracing",
        '"start_timestamp": self.start_timestamp,',
    ),
    Fact("type", _TRACING, "A transaction, not an error.", "tracing", '"type": "transaction",'),
    Fact(
        "measurements",
        _TRACING,
        "Numbers that were measured during the transaction.",
        "tracing",
        'event["measurements"] = self._measurements',
    ),
)

# What an option means when it is set in our source.
_OPTIONS = {
    "release": "Which build crashed. Sentry finds regressions and suspect commits by it.",
    "environment": "Where it crashed, so that an alert can leave rehearsals out.",
    "server_name": "Which process crashed. The default is the machine's name.",
    "dist": "Tells builds of one release apart.",
    "in_app_include": "Tells our frames from those of libraries; Sentry groups by ours.",
}

_OURS = {
    "tag": "A tag: indexed, so that Sentry can search and count events by it. Stays on the "
    "scope for every later event of the request.",
    "context": "A context: structured details beside the event. It is shown, not indexed, and "
    "the scrubber does not look into it.",
    "extra": "Extra data: the older form of a context.",
    "user": "Who was hit. Sentry counts the users that an issue affects.",
    "fingerprint": "Overrides the grouping: events with the same fingerprint become one issue.",
    "level": "Says how bad it is; the SDK's default for an exception is error.",
    "transaction": "Names what was running when it happened.",
    "span": "The span that was open, named by the code that opened it.",
    "breadcrumb": "A breadcrumb: kept in memory, sent only when an error follows.",
    "log": "LoggingIntegration turned this log record into a breadcrumb: INFO and above.",
    "logged": "LoggingIntegration turned this log record into an event: ERROR and above.",
    "capture": "Captured by hand: the code goes on, so the error counts as handled.",
}

# Facts about breadcrumbs, by what tells them apart: type, else category.
_CRUMBS = {
    "HttpxIntegration": Fact(
        "breadcrumbs",
        "HttpxIntegration",
        "Each call made with httpx, with its status; 4xx are warnings, 5xx errors.",
        "integrations.httpx",
        "add_http_breadcrumb(rv.status_code, breadcrumb_data)",
    ),
    "StdlibIntegration": Fact(
        "breadcrumbs",
        "StdlibIntegration",
        "Each call made with http.client, on which urllib and requests stand.",
        "integrations.stdlib",
        "add_http_breadcrumb(status_code, breadcrumb)",
    ),
    "subprocess": Fact(
        "breadcrumbs",
        "StdlibIntegration",
        "Each program that was started.",
        "integrations.stdlib",
        "sentry_sdk.add_breadcrumb(",
    ),
    "query": Fact(
        "breadcrumbs",
        "the database integration",
        "Each query that was sent to the database.",
        "tracing_utils",
        'sentry_sdk.add_breadcrumb(message=query, category="query", data=data)',
    ),
    "log": Fact(
        "breadcrumbs",
        "LoggingIntegration",
        "A log record of a library, INFO or above.",
        "integrations.logging",
        '"category": record.name,',
    ),
}

_MECHANISMS = {
    "tornado": Fact(
        "exception/values/*/mechanism",
        "TornadoIntegration",
        "It wraps RequestHandler.log_exception, which Tornado calls for what a handler did not "
        "catch. HTTPError is left out.",
        "integrations.tornado",
        'mechanism={"type": "tornado", "handled": False},',
    ),
    "starlette": Fact(
        "exception/values/*/mechanism",
        "StarletteIntegration",
        "It wraps the middleware that sees exceptions on their way out of the app.",
        "integrations.starlette",
        'mechanism={"type": StarletteIntegration.identifier, "handled": handled},',
    ),
    "asgi": Fact(
        "exception/values/*/mechanism",
        _ASGI,
        "The outermost layer: it saw the exception leave the app.",
        "integrations.asgi",
        'mechanism={"type": mechanism_type, "handled": False},',
    ),
    "logging": Fact(
        "exception/values/*/mechanism",
        "LoggingIntegration",
        "A log record at ERROR or above that carried an exception; somebody caught it, so it "
        "is handled.",
        "integrations.logging",
        'mechanism={"type": "logging", "handled": True},',
    ),
    "threading": Fact(
        "exception/values/*/mechanism",
        "ThreadingIntegration",
        "It wraps Thread.run: the thread ended with the exception, and no caller heard of it.",
        "integrations.threading",
        'mechanism={"type": "threading", "handled": False},',
    ),
    "asyncio": Fact(
        "exception/values/*/mechanism",
        "AsyncioIntegration",
        "It wraps every task: the task ended with the exception, awaited or not.",
        "integrations.asyncio",
        'mechanism={"type": "asyncio", "handled": False},',
    ),
    "excepthook": Fact(
        "exception/values/*/mechanism",
        "ExcepthookIntegration",
        "sys.excepthook: the exception reached the top and ended the process.",
        "integrations.excepthook",
        'mechanism={"type": "excepthook", "handled": False},',
    ),
    "unraisablehook": Fact(
        "exception/values/*/mechanism",
        "UnraisablehookIntegration",
        "sys.unraisablehook: Python could not raise it anywhere, as in __del__.",
        "integrations.unraisablehook",
        'mechanism={"type": "unraisablehook", "handled": False},',
    ),
    "chained": Fact(
        "exception/values/*/mechanism",
        "event_from_exception",
        "It was not captured by itself: it hangs below another exception of this event.",
        "utils",
        'exception_value["mechanism"]["type"] = "chained"',
    ),
    "generic": Fact(
        "exception/values/*/mechanism",
        "capture_exception",
        "The default when no integration was involved: captured by hand, hence handled.",
        "utils",
        '{"type": "generic", "handled": True}',
    ),
}


def all_facts() -> tuple[Fact, ...]:
    """Every statement about the SDK."""
    return (*FACTS, *_CRUMBS.values(), *_MECHANISMS.values())


def origin(event: Mapping[str, Any], path: str) -> Origin:
    """Who put the value at ``path``, a JMESPath such as ``extra."sys.argv"``, into ``event``."""
    return origin_at(event, keys(path))


def keys(path: str) -> tuple[Key, ...]:
    """The keys that a JMESPath of names and indices passes through."""
    found = re.finditer(r'"((?:[^"\\]|\\.)*)"|\[(-?\d+)\]|([^.\[\]"]+)', path)
    return tuple(int(m[2]) if m[2] else m[1] if m[1] is not None else m[3] for m in found)


def leaves(value: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[Key, ...]]:
    """The path of every value in ``value`` that is not a container with something in it."""
    children: Iterable[tuple[Key, Any]] = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    if not children or not value:
        yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


def origin_at(event: Mapping[str, Any], path: Sequence[Key]) -> Origin:
    """Who put the value at ``path``, given as its keys, into ``event``."""
    path = tuple(path)
    return _ours(event, path) or _option(path) or _sdk(event, path) or _nobody()


def module_place(module: str, statement: str) -> Place | None:
    """The line of the installed SDK that holds ``statement``; None when it has none such."""
    for number, line in enumerate(_module_lines(module), start=1):
        if statement in line:
            return Place(f"sentry_sdk/{module.replace('.', '/')}.py", number, line.strip())
    return None


def _nobody() -> Origin:
    return Origin(UNKNOWN, "Neither our source nor the SDK's facts name it.")


@cache
def _module_lines(module: str) -> tuple[str, ...]:
    spec = find_spec("sentry_sdk")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, *module.split(".")).with_suffix(".py")
        if path.is_file():
            return tuple(path.read_text(encoding="utf-8").splitlines())
    return ()


@cache
def _from_fact(fact: Fact) -> Origin:
    place = module_place(fact.module, fact.statement)
    return _at(fact.who, fact.why, place)


def _at(who: str, why: str, place: Place | None) -> Origin:
    if place is None:
        return Origin(who, why)
    return Origin(who, why, place.file, place.line, place.code)


# Ours


def _ours(event: Mapping[str, Any], path: tuple[Key, ...]) -> Origin | None:
    head = path[0] if path else None
    if head == "breadcrumbs" and len(path) > 2:
        return _breadcrumb(event, path)
    if head in ("logentry", "extra", "level") and event.get("logger"):
        if site := _log_site(event, "logentry"):
            return _from_site(site, "logged")
    if head == "exception" and path[3:] in (("mechanism", "type"), ("mechanism", "handled")):
        return _captured_by_hand(event, path)
    site = _named_site(event, path)
    return _from_site(site, site.kind, path) if site else None


def _named_site(event: Mapping[str, Any], path: tuple[Key, ...]) -> Site | None:
    match path:
        case ("tags", name, *_):
            return _best(event, "tag", name)
        case ("contexts", "trace", "op" | "description", *_):
            return _best(event, "span", text=_get(event, path))
        case ("contexts", "trace" | "profile" | "flags" | "response", *_):
            return None
        case ("contexts", "runtime", *_):
            return _best(event, "context", "runtime", computed=False)
        case ("contexts", name, *_):
            return _best(event, "context", name)
        case ("extra", "sys.argv", *_):
            return None
        case ("extra", name, *_):
            return _best(event, "extra", name)
        case ("user", name, *_) if name != "is_authenticated":
            return _best(event, "user")
        case ("fingerprint", *_):
            return _best(event, "fingerprint", text=_first(event.get("fingerprint")))
        case ("level",):
            return _level(event)
        case ("message",):
            return _best(event, "capture", text=event.get("message"))
        case ("transaction" | "transaction_info", *_) if _framework(event) is None:
            return _best(event, "transaction", text=event.get("transaction"))
    return None


def _level(event: Mapping[str, Any]) -> Site | None:
    # The SDK's own default needs no statement of ours.
    if event.get("level") in (None, "error"):
        return None
    return _best(event, "level", text=event.get("level"))


def _from_site(site: Site, kind: str, path: tuple[Key, ...] = ()) -> Origin:
    place = next((site.keys[k] for k in path[1:] if k in site.keys), site.place)  # type: ignore[index]
    return _at(place.file.rpartition("/")[0].replace("/", ".") or place.file, _OURS[kind], place)


def _captured_by_hand(event: Mapping[str, Any], path: tuple[Key, ...]) -> Origin | None:
    if _get(event, (*path[:3], "mechanism", "type")) != "generic":
        return None
    site = _best(event, "capture")
    return _from_site(site, "capture") if site else None


def _breadcrumb(event: Mapping[str, Any], path: tuple[Key, ...]) -> Origin | None:
    crumb = _get(event, path[:3])
    if not isinstance(crumb, Mapping) or path[3:] == ("timestamp",):
        return None
    if crumb.get("type") == "log":
        site = _log_site(crumb, "message", event)
        return _from_site(site, "log") if site else _from_fact(_CRUMBS["log"])
    if crumb.get("type") == "http" and crumb.get("category") == "httplib":
        return _from_fact(_CRUMBS[_http_client(crumb)])
    if (fact := crumb.get("category")) in ("query", "subprocess"):
        return _from_fact(_CRUMBS[fact])
    site = _written(event, "breadcrumb", crumb.get("message"), crumb.get("category"))
    return _from_site(site, "breadcrumb") if site else None


def _http_client(crumb: Mapping[str, Any]) -> str:
    # Both integrations write the same keys; only httpx knows the status before the URL.
    data = crumb.get("data")
    order = list(data) if isinstance(data, Mapping) else []
    first = next((key for key in order if key in ("url", "http.response.status_code")), "url")
    return "StdlibIntegration" if first == "url" else "HttpxIntegration"


def _log_site(
    holder: Mapping[str, Any], key: str, event: Mapping[str, Any] | None = None
) -> Site | None:
    entry = holder.get(key)
    text = entry.get("formatted") if isinstance(entry, Mapping) else entry
    return _written(event or holder, "log", text, None)


def _written(event: Mapping[str, Any], kind: str, text: Any, category: Any) -> Site | None:
    """The statement that can have written ``text``; the one with the most literal text first."""
    message = text if isinstance(text, str) else ""
    fitting = [
        site
        for site in _sites(kind)
        if (site.category is None or site.category == category)
        and (site.message is None or site.message.fullmatch(message))
        and (site.category is not None or site.message is not None)
    ]
    return max(
        fitting,
        key=lambda site: (len("".join(site.literals)), _nearness(event, site)),
        default=None,
    )


def _best(
    event: Mapping[str, Any],
    kind: str,
    name: Key | None = None,
    *,
    text: Any = None,
    computed: bool = True,
) -> Site | None:
    """The statement that most likely did it: by name, by value, then nearest to the crash."""
    fitting = [
        site for site in _sites(kind) if site.name == name or (site.name is None and computed)
    ]
    return max(
        fitting,
        key=lambda site: (site.name == name, text in site.literals, _nearness(event, site)),
        default=None,
    )


@cache
def _sites(kind: str) -> tuple[Site, ...]:
    return tuple(site for site in source().sites if site.kind == kind)


def _nearness(event: Mapping[str, Any], site: Site) -> int:
    """How near a statement is to the crash: in a function of its stack, or in its service."""
    folder = str(event.get("server_name")).replace("-", "_")
    parts = site.place.file.split("/")
    if len(parts) > 2 and parts[1] != folder:
        return -1
    return (len(parts) > 2) + 2 * ((site.place.file, site.function) in _stack(event))


def _stack(event: Mapping[str, Any]) -> set[tuple[Any, Any]]:
    values = _get(event, ("exception", "values"))
    frames = (
        frame
        for value in (values if isinstance(values, list) else ())
        for frame in _list(_get(value, ("stacktrace", "frames")))
        if isinstance(frame, Mapping)
    )
    return {
        (str(frame.get("filename")).replace("\\", "/"), str(frame.get("function")))
        for frame in frames
    }


# Options and the SDK


def _option(path: tuple[Key, ...]) -> Origin | None:
    name = "in_app_include" if path and path[-1] == "in_app" else path[0] if path else None
    for site in _sites("option"):
        if site.name == name and name in _OPTIONS:
            return _at(f"the option {name}", _OPTIONS[name], site.place)
    return None


def _sdk(event: Mapping[str, Any], path: tuple[Key, ...]) -> Origin | None:
    if path[:2] == ("exception", "values") and path[3:4] == ("mechanism",):
        if path[4:] in ((), ("type",), ("handled",)):
            kind = _get(event, (*path[:3], "mechanism", "type"))
            if isinstance(kind, str) and kind in _MECHANISMS:
                return _from_fact(_MECHANISMS[kind])
    framework = _framework(event)
    for fact, pattern in _patterns():
        if fact.framework in (None, framework) and _covers(pattern, path):
            return _from_fact(fact)
    return None


@cache
def _patterns() -> tuple[tuple[Fact, tuple[str, ...]], ...]:
    return tuple((fact, tuple(fact.path.split("/"))) for fact in FACTS)


def _covers(pattern: tuple[str, ...], path: tuple[Key, ...]) -> bool:
    return len(pattern) <= len(path) and all(
        wanted in ("*", key) for wanted, key in zip(pattern, path, strict=False)
    )


def _framework(event: Mapping[str, Any]) -> str | None:
    """The web framework that served the request; None when the event has no request."""
    service = SERVICES.get(str(event.get("server_name")))
    if service and service.framework in (_TORNADO, _FASTAPI) and "request" in event:
        return service.framework
    return None


def _get(value: Any, path: Sequence[Key]) -> Any:
    for key in path:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None
