"""What the SDK for Python adds to an event, and the statement in its source that does it.

The tests look up every statement in the installed SDK, of version 2 or 3: a fact that an upgrade
makes untrue fails there. If both versions can put a value there in several ways, the statement is
the one that runs with the options of our services: ``data_collection``, and spans that are sent as
they end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from demo_services.sdk import GENERATION

_NOT_IN_3 = "Version 3 of the SDK has no transactions and does not write this; an older one did."


@dataclass(frozen=True)
class Fact:
    """What the SDK does: ``statement`` in ``module`` puts the value at ``path``.

    ``path`` has slashes between its keys, ``*`` is any key, and values below it belong to it.
    ``module`` is one of the SDK for Python, or the path of a file below node_modules.
    ``framework`` limits it to events of services that use that framework. ``in_3`` is the
    ``why`` in version 3 of the SDK; ``only_in_2`` marks what that never does. Texts hold for every
    program that uses the SDK, not only for our services.
    """

    path: str
    who: str
    why: str
    module: str
    statement: str
    framework: str | None = None
    in_3: str | None = None
    only_in_2: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether the installed SDK no longer does so."""
        return self.only_in_2 and GENERATION >= 3

    def why_in(self, major: int | None) -> str:
        """Return why the SDK of that version does so."""
        is_3 = major is not None and major >= 3
        if self.only_in_2 and is_3:
            return f"{self.why} {_NOT_IN_3}"
        # The packages of Node.js count their versions on their own, and have no such text.
        return self.in_3 if self.in_3 and is_3 else self.why


@dataclass(frozen=True)
class Sdk:
    """All that is known about an SDK; of several facts for a path the first one counts.

    ``mechanisms`` are facts by the type of a mechanism, and so are ``levels``, for mechanisms
    that set one, and ``handled``, for types that come from elsewhere if the error was handled.
    ``crumbs`` are facts by what distinguishes breadcrumbs, ``spans`` by the origin of the open
    span; ``without_span`` are those of a trace context, by its keys, if none was open. ``flags``
    are those on recording feature flags, by the name of the integration.
    """

    facts: tuple[Fact, ...]
    mechanisms: Mapping[str, Fact]
    crumbs: Mapping[str, Fact]
    spans: Mapping[str, Fact] = field(default_factory=dict)
    levels: Mapping[str, Fact] = field(default_factory=dict)
    handled: Mapping[str, Fact] = field(default_factory=dict)
    without_span: Mapping[str, Fact] = field(default_factory=dict)
    flags: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Fact, ...]:
        """Every fact."""
        kinds = (
            *(self.mechanisms, self.crumbs, self.spans, self.levels),
            *(self.handled, self.without_span, self.flags),
        )
        return (*self.facts, *(fact for kind in kinds for fact in kind.values()))


_TRACING = "the SDK's tracing"
TORNADO, FASTAPI = "Tornado", "FastAPI"
_ASGI = "SentryAsgiMiddleware"
_STACK = "the SDK's stack serializer"
_COLLECTED = "the option data_collection"
_COOKIES = "Only with data_collection, unless its cookies are off."
_COOKIES_IN_3 = "Unless cookies of data_collection are off."
_HEADERS = (
    "All headers. Cookies are filtered, and values named Authorization, X-Debug-Token or similar."
)
_QUERY = (
    "The query, encoded again after values named token or similar were filtered. Secrets under "
    "other names are left to before_send."
)
_ADDRESS = "The caller's address, unless user_info of data_collection is off."
_BODY = (
    "The parsed JSON or form body, up to max_request_body_size. The SDK filters nothing in it; "
    "that is left to before_send."
)

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
        "sentry.python, followed by one web framework whose integration is on, even if another "
        "served the request.",
        "utils",
        'return "sentry.python.{}".format(integration)',
    ),
    Fact(
        "sdk/integrations",
        "the SDK's client",
        "The integrations that are on: what could have been captured without code of your own.",
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
        "The interpreter that ran the code. Your own context with this name replaces it.",
        "integrations.stdlib",
        'contexts["runtime"] = _RUNTIME_CONTEXT',
    ),
    Fact(
        "contexts/trace/trace_id",
        _TRACING,
        "Shared by every service that the request passed through; it came in with the "
        "sentry-trace header, or was made here.",
        "traces",
        '"trace_id": self.trace_id,',
    ),
    Fact(
        "contexts/trace/span_id",
        _TRACING,
        "The span that was open when the error happened: where in the trace to look.",
        "traces",
        '"span_id": self.span_id,',
    ),
    Fact(
        "contexts/trace/parent_span_id",
        _TRACING,
        "The span above it; for a service's first span it is the caller's, from sentry-trace.",
        "traces",
        '"parent_span_id": self._parent_span_id,',
    ),
    Fact(
        "contexts/trace/op",
        "the integration that opened the span",
        "What kind of work the span is; http.server is the request as a whole.",
        "traces",
        'context["op"] = self._attributes["sentry.op"]',
    ),
    Fact(
        "contexts/trace/description",
        "the integration that opened the span",
        "What the span did. Empty for the first span of a service: the transaction names it.",
        "tracing",
        '"description": self.description,',
        only_in_2=True,
    ),
    Fact(
        "contexts/trace/origin",
        _TRACING,
        "Who opened the span: auto.… is an integration, manual is your own code.",
        "traces",
        'context["origin"] = self._attributes["sentry.origin"]',
    ),
    Fact(
        "contexts/trace/status",
        _TRACING,
        "How the span ended. Missing here when spans are sent as they end.",
        "tracing",
        'rv["status"] = self.status',
        only_in_2=True,
    ),
    Fact(
        "contexts/trace/data/thread.id",
        _TRACING,
        "The thread that opened the span; it ties the span to the samples of a profile.",
        "tracing",
        'data["thread.id"] = thread_id',
        only_in_2=True,
    ),
    Fact(
        "contexts/trace/data/thread.name",
        _TRACING,
        "The name of the thread that opened the span.",
        "tracing",
        'data["thread.name"] = thread_name',
        only_in_2=True,
    ),
    Fact(
        "contexts/trace/data",
        "the integration that opened the span",
        "What was known about the work when the error was captured.",
        "tracing",
        'rv["data"] = data',
        only_in_2=True,
    ),
    Fact(
        "contexts/trace/dynamic_sampling_context",
        _TRACING,
        "The sampling decision of the head of the trace, passed on in the baggage header.",
        "traces",
        '"dynamic_sampling_context": self._dynamic_sampling_context(),',
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
        only_in_2=True,
    ),
    Fact(
        "contexts/response",
        _TRACING,
        "The status of the HTTP response; only known once there is one, so on transactions.",
        "tracing",
        'self.set_context("response", {"status_code": http_status})',
        only_in_2=True,
    ),
    Fact(
        "contexts/flags",
        "the SDK's scope",
        "The feature flags that were evaluated before the error, newest last.",
        "scope",
        '{"values": flags}',
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
        in_3="A message has no exception. Its stack trace is that of the thread that sent it: "
        "attach_stacktrace is on by default.",
    ),
    Fact(
        "logentry",
        "LoggingIntegration",
        "Records at ERROR and above become events. Format and arguments stay separate, so that "
        "Sentry can group by the format.",
        "integrations.logging",
        'event["logentry"] = {',
        in_3="Off until you enable it; then records at its event_level and above become events. "
        "Format and arguments stay separate, so that Sentry can group by the format.",
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
        in_3="The stack of the running thread, for an event that has no exception. On by default.",
    ),
    Fact(
        "exception/values/*/mechanism/exception_id",
        "event_from_exception",
        "Numbers the exceptions of a group, so that the tree can be rebuilt.",
        "utils",
        'exception_value["mechanism"]["exception_id"] = exception_id',
        in_3="Numbers the exceptions of the event, from 0 for the one that was captured, so that "
        "the tree can be rebuilt.",
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
        "The parent of this exception in the tree.",
        "utils",
        'exception_value["mechanism"]["parent_id"] = parent_id',
    ),
    Fact(
        "exception/values/*/mechanism/source",
        "event_from_exception",
        "Its relation to the parent: a member of a group, a cause (raise … from) or a context.",
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
        "str(exception). Values written into it change the title each time.",
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
        _COLLECTED,
        "stack_frame_variables: repr() of each local, at most 10 items of a collection, 5 levels "
        "deep. Secrets in them are left to before_send, or to a mode of stack_frame_variables.",
        "utils",
        'rv["vars"] = serialize(',
    ),
    *(
        Fact(
            f"exception/values/*/stacktrace/frames/*/{name}",
            _COLLECTED,
            "frame_context_lines: the line and, by default, five before and after it, read from "
            "the file while it crashes.",
            "utils",
            'rv["pre_context"], rv["context_line"], rv["post_context"]',
        )
        for name in ("pre_context", "context_line", "post_context")
    ),
    Fact(
        "exception/values/*/stacktrace/frames/*/in_app",
        "the SDK's client",
        "Tells in-app frames from those of libraries, by in_app_include, in_app_exclude and the "
        "folder of the project; Sentry groups by in-app frames.",
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
        "The handler method that served the request; it says where, without any id in it.",
        "integrations.tornado",
        'event["transaction"] = transaction_from_function(method) or ""',
        TORNADO,
    ),
    Fact(
        "transaction",
        "FastApiIntegration",
        "The route's pattern, not the URL: paths with different ids share one name.",
        "integrations.fastapi",
        "set_transaction_name(",
        FASTAPI,
    ),
    Fact(
        "transaction_info",
        "TornadoIntegration",
        "What kind of name it is: component means a method in the code.",
        "integrations.tornado",
        'event["transaction_info"] = {"source":',
        TORNADO,
    ),
    Fact(
        "transaction_info",
        "FastApiIntegration",
        "What kind of name it is: route means a pattern, url a path as it came.",
        "integrations.fastapi",
        "set_transaction_name(",
        FASTAPI,
    ),
    Fact(
        "transaction",
        "the SDK's scope",
        "The name of the service span that was open.",
        "scope",
        'event["transaction"] = self._transaction',
    ),
    Fact(
        "transaction_info",
        "the SDK's scope",
        "What kind of name it is: custom was given by hand.",
        "scope",
        'event["transaction_info"] = self._transaction_info',
    ),
    Fact(
        "request/url",
        "TornadoIntegration",
        "Put together from the request; the query is kept apart.",
        "integrations.tornado",
        'request_info["url"] = "%s://%s%s" % (',
        TORNADO,
    ),
    Fact(
        "request/query_string",
        "TornadoIntegration",
        _QUERY,
        "integrations.tornado",
        'request_info["query_string"] = filtered_query',
        TORNADO,
    ),
    Fact(
        "request/method",
        "TornadoIntegration",
        "The HTTP method.",
        "integrations.tornado",
        'request_info["method"] = request.method',
        TORNADO,
    ),
    Fact(
        "request/env",
        "TornadoIntegration",
        _ADDRESS,
        "integrations.tornado",
        'request_info["env"] = {"REMOTE_ADDR": request.remote_ip}',
        TORNADO,
    ),
    Fact(
        "request/headers",
        "TornadoIntegration",
        _HEADERS,
        "integrations.tornado",
        'request_info["headers"] = _filter_headers(dict(request.headers))',
        TORNADO,
    ),
    Fact(
        "request/data",
        "TornadoIntegration",
        _BODY,
        "integrations._wsgi_common",
        'request_info["data"] = data',
        TORNADO,
    ),
    Fact(
        "request/cookies",
        "TornadoIntegration",
        _COOKIES,
        "integrations._wsgi_common",
        'request_info["cookies"]',
        TORNADO,
        in_3=_COOKIES_IN_3,
    ),
    Fact(
        "request/data",
        "FastApiIntegration",
        _BODY,
        "integrations.fastapi",
        'request_info["data"] = info["data"]',
        FASTAPI,
    ),
    Fact(
        "request/cookies",
        "FastApiIntegration",
        _COOKIES,
        "integrations.fastapi",
        'request_info["cookies"] = info["cookies"]',
        FASTAPI,
        in_3=_COOKIES_IN_3,
    ),
    Fact(
        "request/url",
        _ASGI,
        "Put together from the ASGI scope and the Host header; the query is kept apart.",
        "integrations._asgi_common",
        'request_data["url"] = _get_url(',
        FASTAPI,
    ),
    Fact(
        "request/method",
        _ASGI,
        "The HTTP method, from the ASGI scope.",
        "integrations._asgi_common",
        'request_data["method"] = asgi_scope.get("method")',
        FASTAPI,
    ),
    Fact(
        "request/query_string",
        _ASGI,
        _QUERY,
        "integrations._asgi_common",
        'request_data["query_string"] = filtered_query',
        FASTAPI,
    ),
    Fact(
        "request/headers",
        _ASGI,
        _HEADERS,
        "integrations._asgi_common",
        'request_data["headers"] = _filter_headers(',
        FASTAPI,
    ),
    Fact(
        "request/env",
        _ASGI,
        "The caller's address. Only with data_collection, unless its user_info is off.",
        "integrations._asgi_common",
        'request_data["env"] = {"REMOTE_ADDR": _get_ip(asgi_scope)}',
        FASTAPI,
        in_3=_ADDRESS,
    ),
    Fact(
        "user/is_authenticated",
        "TornadoIntegration",
        "Whether the handler has a current_user. Only with data_collection, unless its user_info "
        "is off.",
        "integrations.tornado",
        'event.setdefault("user", {}).setdefault("is_authenticated", True)',
        TORNADO,
        in_3="Whether the handler has a current_user, unless user_info of data_collection is off.",
    ),
    Fact(
        "breadcrumbs/values/*/timestamp",
        "add_breadcrumb",
        "When the breadcrumb was left, unless the code set the time.",
        "scope",
        'crumb["timestamp"] = datetime.now(timezone.utc)',
    ),
    Fact(
        "breadcrumbs/values/*/type",
        "add_breadcrumb",
        "default, unless the code set another; Sentry draws other types with their own icons.",
        "scope",
        'crumb["type"] = "default"',
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
        "Remarks on values that were filtered or truncated: what was removed, and why.",
        "serializer",
        "_meta",
    ),
    Fact(
        "spans",
        _TRACING,
        "The finished spans of the transaction.",
        "tracing",
        '"spans": finished_spans,',
        only_in_2=True,
    ),
    Fact(
        "start_timestamp",
        _TRACING,
        "When the transaction began.",
        "tracing",
        '"start_timestamp": self.start_timestamp,',
        only_in_2=True,
    ),
    Fact(
        "type",
        _TRACING,
        "A transaction, not an error.",
        "tracing",
        '"type": "transaction",',
        only_in_2=True,
    ),
    Fact(
        "measurements",
        _TRACING,
        "Numbers that were measured during the transaction.",
        "tracing",
        'event["measurements"] = self._measurements',
        only_in_2=True,
    ),
)

# Facts about breadcrumbs, by what tells them apart: type, else category.
CRUMBS = {
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
        "Each call made with http.client, which urllib and requests use.",
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
    "PyMongoIntegration": Fact(
        "breadcrumbs",
        "PyMongoIntegration",
        "Each command sent to MongoDB; its values only while database_query_data is on.",
        "integrations.pymongo",
        "message=query,",
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

# Who opened the span that was running, by its origin.
SPANS = {
    "auto.http.tornado": Fact(
        "contexts/trace",
        "TornadoIntegration",
        "It opens a span for each request, around RequestHandler._execute.",
        "integrations.tornado",
        '"sentry.op": OP.HTTP_SERVER,',
    ),
    "auto.http.starlette": Fact(
        "contexts/trace",
        "SentryAsgiMiddleware, put there by StarletteIntegration",
        "It opens a span for each request, around the whole app.",
        "integrations.asgi",
        'attributes["sentry.op"] = f"{ty}.server"',
    ),
    "auto.http.httpx": Fact(
        "contexts/trace",
        "HttpxIntegration",
        "It opens a span for each call, and adds the headers that continue the trace.",
        "integrations.httpx",
        '"sentry.op": OP.HTTP_CLIENT,',
    ),
}

MECHANISMS = {
    "tornado": Fact(
        "exception/values/*/mechanism",
        "TornadoIntegration",
        "It wraps RequestHandler.log_exception, which Tornado calls for exceptions that a handler "
        "did not catch. HTTPError is left out.",
        "integrations.tornado",
        'mechanism={"type": "tornado", "handled": False},',
    ),
    "starlette": Fact(
        "exception/values/*/mechanism",
        "SentryAsgiMiddleware, put there by StarletteIntegration",
        "It wraps the whole app: the exception left the app, past all of its handlers.",
        "integrations.asgi",
        'mechanism={"type": mechanism_type, "handled": False},',
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
        "A log record at ERROR or above that carried an exception; some code caught it, so it is "
        "handled.",
        "integrations.logging",
        'mechanism={"type": "logging", "handled": True},',
    ),
    "threading": Fact(
        "exception/values/*/mechanism",
        "ThreadingIntegration",
        "It wraps Thread.run: the thread ended with the exception, and no caller noticed.",
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
        "sys.unraisablehook: Python could not raise it anywhere, as in __del__. It is off by "
        "default.",
        "integrations.unraisablehook",
        'mechanism={"type": "unraisablehook", "handled": False},',
        in_3="sys.unraisablehook: Python could not raise it anywhere, as in __del__.",
    ),
    "chained": Fact(
        "exception/values/*/mechanism",
        "event_from_exception",
        "It was not captured by itself: it belongs to another exception of this event.",
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

# An HTTPException that the app answers, with a status in failed_request_status_codes.
HANDLED = {
    "starlette": Fact(
        "exception/values/*/mechanism",
        "StarletteIntegration",
        "It wraps the exception handlers: one is about to answer an HTTPException with a status in "
        "failed_request_status_codes, so the error is handled.",
        "integrations.starlette",
        'mechanism={"type": StarletteIntegration.identifier, "handled": handled},',
    ),
}

# A trace context without an origin is not from a span: the scope wrote it.
WITHOUT_SPAN = {
    name: Fact(
        f"contexts/trace/{name}", "the SDK's scope", why, "scope", f'"{name}": propagation_context.'
    )
    for name, why in {
        "trace_id": "The trace of the scope: continued with continue_trace, or begun with the "
        "scope. No span was open.",
        "span_id": "Made up for the scope: no span was open, so no span has this id.",
        "parent_span_id": "The span that the trace was continued from, in another process.",
        "dynamic_sampling_context": "The sampling decision of the head of the trace, passed on in "
        "the baggage header.",
    }.items()
}

# Integrations that record feature flags, by the names that an event lists them by.
FLAGS = {
    "openfeature": Fact(
        "contexts/flags",
        "OpenFeatureIntegration",
        "The feature flags that were evaluated before the error, newest last. OpenFeature calls "
        "its hook after each evaluation; it records those whose value is a boolean.",
        "integrations.openfeature",
        "add_feature_flag(details.flag_key, details.value)",
    ),
}

PYTHON = Sdk(
    FACTS,
    MECHANISMS,
    CRUMBS,
    SPANS,
    handled=HANDLED,
    without_span=WITHOUT_SPAN,
    flags=FLAGS,
)
ALL = PYTHON.all
