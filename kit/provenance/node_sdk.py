"""What the SDK for Node.js adds to an event, and the statement in its source that does it.

The tests look up every statement in the packages that the lock file names.
"""

from kit.provenance.python_sdk import Fact, Sdk

_CORE = "@sentry/core/build/cjs/"
_NODE = "@sentry/node/build/cjs/"
_SERVER = "@sentry/server-utils/build/cjs/"

# An event about a blocked event loop has facts of its own: another thread writes it.
ANR = "ApplicationNotResponding"
# So has a message, whose exception is only there for its stack trace.
MESSAGE = "Message"

_CONTEXT = _NODE + "integrations/context.js"
_ANR = _NODE + "integrations/anr/index.js"
_REQUEST = _CORE + "utils/request.js"
_LINKED = _CORE + "utils/aggregate-errors.js"
_LINES = _NODE + "integrations/contextlines.js"
_PREPARE = _CORE + "utils/prepareEvent.js"
_BUILDER = _CORE + "utils/eventbuilder.js"
_PARSER = _CORE + "utils/node-stack-trace.js"
_RUNTIME = _CORE + "server-runtime-client.js"
_SPANS = _CORE + "utils/spanUtils.js"
_MECHANISM = "exception/values/*/mechanism"
_FRAME = "exception/values/*/stacktrace/frames/*/"
_WATCHER = "the Anr integration, in its own thread"


def _from_context(field: str, why: str, statement: str) -> Fact:
    return Fact(f"contexts/{field}", "the Context integration", why, _CONTEXT, statement)


FACTS = (
    # The thread that watches the event loop
    *(
        Fact(path, _WATCHER, why, _ANR, "const worker = new node_worker_threads.Worker(", ANR)
        for path, why in {
            "event_id": "A random UUID, made before sending.",
            "level": "Always error. The process is alive, and may work again after the block.",
            "platform": "Tells Sentry which language's rules to use for stack traces and grouping.",
            "exception/values/*/type": "Always this name: no error object exists. A thread noticed "
            "that the main one did not answer for too long.",
            "exception/values/*/value": "Names the threshold, not how long the block lasted: it "
            "still goes on while this is sent.",
            "exception": "Made by the watching thread, from the stack that a debugger saw.",
        }.items()
    ),
    Fact(
        "exception/values/*/stacktrace",
        _WATCHER,
        "It pauses the main thread with a debugger for a moment, and reads where it is. A name and "
        "a line for each frame: no source, no local variables.",
        _ANR,
        "captureStackTrace: !!integrationOptions.captureStackTrace,",
        ANR,
    ),
    Fact(
        "contexts/app/free_memory",
        "the Context integration",
        "The bytes that the process could still take, not at the block but when the service "
        "started: the watching thread got the value then.",
        _ANR,
        "const contexts = await getContexts(client);",
        ANR,
    ),
    Fact(
        "sdk/integrations",
        "the Anr integration and the SDK's client",
        "The integrations that are on: what could have been captured without code of your own.",
        _ANR,
        "sdkMetadata.sdk.integrations = ",
        ANR,
    ),
    # The event
    Fact(
        "event_id",
        "the SDK's client",
        "A random UUID, made before sending, so that a service can log or show it at once.",
        _PREPARE,
        "event_id: event.event_id || hint.event_id || misc.uuid4(),",
    ),
    Fact(
        "timestamp",
        "the SDK's client",
        "The service's own clock, in UTC, when the event was made; not when it arrived.",
        _PREPARE,
        "timestamp: event.timestamp || time.dateTimestampInSeconds()",
    ),
    Fact(
        "platform",
        "the SDK's client",
        "Tells Sentry which language's rules to use for stack traces and grouping.",
        _RUNTIME,
        "event.platform = event.platform || this._options.platform;",
    ),
    Fact(
        "level",
        "the SDK's client",
        "The SDK's default for every exception. setLevel on the scope overrides it.",
        _RUNTIME,
        'event.level = "error";',
    ),
    Fact(
        "message",
        "captureMessage",
        "The message as it was given. It was captured by hand: nothing was thrown.",
        _BUILDER,
        "event.message = message;",
    ),
    Fact(
        "logentry",
        "captureMessage",
        "A message made with Sentry.parameterize: Sentry groups by its template.",
        _BUILDER,
        "event.logentry = {",
    ),
    Fact(
        "server_name",
        "the option serverName",
        "Without it: the environment's SENTRY_NAME, else the name of the machine.",
        _NODE + "sdk/client.js",
        "options.serverName || global.process.env.SENTRY_NAME || os.hostname()",
    ),
    Fact(
        "release",
        "the option release",
        "Without it the SDK guesses from the environment.",
        _PREPARE,
        "event.release = release;",
    ),
    Fact(
        "environment",
        "the option environment",
        "Without it: SENTRY_ENVIRONMENT, else production.",
        _PREPARE,
        "event.environment = event.environment || environment",
    ),
    Fact("dist", "the option dist", "Tells builds of one release apart.", _PREPARE, "event.dist ="),
    Fact(
        "transaction",
        "the Express integration",
        "The method and the route's pattern, not the URL: paths with different ids share one "
        "transaction. Before Express knew the route it was the path.",
        _SERVER + "integrations/express/instrumentation.js",
        "isolationScope.setTransactionName(`${method} ${constructedRoute}`);",
    ),
    Fact(
        "modules",
        "the Modules integration",
        "The packages that the service depends on and those that it has loaded, with their "
        "versions: did a dependency change between two releases?",
        _NODE + "integrations/modules.js",
        "event.modules = {",
    ),
    Fact(
        "sdk/integrations",
        "the SDK's client",
        "The integrations that are on: what could have been captured without code of your own. The "
        "client adds the list to each event. The Anr integration, if it is on, adds the list to "
        "the SDK's own description, and both are merged: then each is listed twice.",
        _CORE + "envelope.js",
        "integrations: [...event.sdk?.integrations || [],",
    ),
    Fact(
        "sdk",
        "the SDK's client",
        "Which SDK made the event, from which package. Look here first when a field changed "
        "after an upgrade.",
        _CORE + "utils/sdkMetadata.js",
        "sdk.name = `sentry.javascript.${name}`;",
    ),
    Fact(
        "extra/unhandledPromiseRejection",
        "the OnUnhandledRejection integration",
        "Marks a rejection that no await and no catch() handled.",
        _NODE + "integrations/onunhandledrejection.js",
        "extra: { unhandledPromiseRejection: true },",
    ),
    Fact(
        "extra/__serialized__",
        "captureException",
        "The thrown value was not an Error but an object: these are its fields.",
        _BUILDER,
        '["__serialized__"]: normalize.normalizeToSize(',
    ),
    # Exceptions
    Fact(
        f"{_MECHANISM}/exception_id",
        "the LinkedErrors integration",
        "Numbers the errors of a chain, 0 for the one that was captured.",
        _LINKED,
        "exception_id: exceptionId,",
    ),
    Fact(
        f"{_MECHANISM}/parent_id",
        "the LinkedErrors integration",
        "The parent of this error in the chain.",
        _LINKED,
        "parent_id: parentId",
    ),
    Fact(
        f"{_MECHANISM}/source",
        "the LinkedErrors integration",
        "Its relation to the parent: the property that holds it, cause or errors[0].",
        _LINKED,
        "source,",
    ),
    Fact(
        f"{_MECHANISM}/is_exception_group",
        "the LinkedErrors integration",
        "Marks an AggregateError: Sentry then groups by its members.",
        _LINKED,
        "is_exception_group: true",
    ),
    Fact(
        f"{_MECHANISM}/synthetic",
        "captureMessage",
        "Nothing was thrown: the exception is only there for its stack trace.",
        _BUILDER,
        "addExceptionMechanism(event, { synthetic: true })",
        MESSAGE,
    ),
    Fact(
        _MECHANISM,
        "captureMessage",
        "What the SDK writes if no integration was involved. Nothing was thrown, so nothing was "
        "caught.",
        _BUILDER,
        "addExceptionMechanism(event, { synthetic: true })",
        MESSAGE,
    ),
    Fact(
        "exception/values/*/value",
        "captureMessage",
        "The message once more, with the stack of its capture.",
        _BUILDER,
        "value: message,",
        MESSAGE,
    ),
    Fact(
        f"{_MECHANISM}/synthetic",
        "captureException",
        "The thrown value was not an Error: the stack is that of the capture.",
        _BUILDER,
        "mechanism.synthetic = true;",
    ),
    Fact(
        "exception/values/*/type",
        "captureException",
        "The error's name property, else that of its class: the title of the issue.",
        _BUILDER,
        "type: error.name || error.constructor.name,",
    ),
    Fact(
        "exception/values/*/value",
        "captureException",
        "The error's message. Values written into it change the title each time.",
        _BUILDER,
        "value: _enhanceErrorWithSentryInfo(error)",
    ),
    Fact(
        f"{_FRAME}vars",
        "the LocalVariablesAsync integration",
        "The option includeLocalVariables, off by default: a second thread reads them with a "
        "debugger while the error is thrown. Plain values, and one level of arrays and objects, "
        "with everything deeper as null; of other classes only the name.",
        _NODE + "integrations/local-variables/local-variables-async.js",
        "frame.vars = common.filterFrameVariables(",
    ),
    Fact(
        f"{_FRAME}context_line",
        "the ContextLines integration",
        "The line and five around it, read from the file on disk. Express's router is rewritten "
        "while it is loaded, so lines shown for it need not be those that ran.",
        _LINES,
        "frame.context_line = contents[lineno];",
    ),
    Fact(
        f"{_FRAME}in_app",
        "the SDK's stack parser",
        "In-app frames are neither in node_modules nor inside Node.js itself (node:…); Sentry "
        "groups by in-app frames.",
        _PARSER,
        "in_app: filenameIsInApp(",
    ),
    Fact(
        "exception",
        "captureMessage",
        "The stack of the capture: attachStacktrace, which is on by default from version 11 on.",
        _BUILDER,
        "const frames = parseStackFrames(stackParser, hint.syntheticException);",
        MESSAGE,
    ),
    Fact(
        "exception/values/*/stacktrace",
        "captureException",
        "Parsed from the text in error.stack, oldest call first in the event. It is written when "
        "the error is created, and V8 keeps as many calls as Error.stackTraceLimit says.",
        _BUILDER,
        "exception.stacktrace = { frames };",
    ),
    Fact(
        "exception",
        "captureException",
        "The error and what caused it, root cause first in the event.",
        _BUILDER,
        "values: [exceptionFromError(stackParser, ex)]",
    ),
    # Contexts
    Fact(
        "contexts/profile",
        "the profiler",
        "The profiler of this process: it leads to the profile of what ran at that time.",
        "@sentry/profiling-node/build/cjs/index.js",
        'core.getGlobalScope().setContext("profile", {',
    ),
    Fact(
        "contexts/trace/trace_id",
        "the SDK's tracing",
        "Shared by every service that the request passed through; it came in with the "
        "sentry-trace header, or was made here.",
        _SPANS,
        "const { spanId, traceId: trace_id, isRemote }",
    ),
    Fact(
        "contexts/trace/span_id",
        "the SDK's tracing",
        "The span that was open when the error happened: where in the trace to look. If none was "
        "open it is an id of the scope, which no span has.",
        _SPANS,
        "const span_id = isRemote ?",
    ),
    Fact(
        "contexts/trace/parent_span_id",
        "the SDK's tracing",
        "The span above it; for a service's first span it is the caller's, from sentry-trace.",
        _SPANS,
        "const parent_span_id = isRemote ?",
    ),
    Fact(
        "contexts/trace",
        "the SDK's tracing",
        "Ties the error to its place in the trace: an event without it stands alone.",
        _CORE + "utils/scopeData.js",
        "trace: spanUtils.spanToTraceContext(span),",
    ),
    Fact(
        "contexts/runtime",
        "the SDK's client",
        "The Node.js that ran the code. Your own context with this name replaces it.",
        _NODE + "sdk/client.js",
        'runtime: options.runtime || { name: "node"',
    ),
    Fact(
        "contexts/response",
        "the Http integration",
        "The status of the response, set when the connection closes. An error that has it happened "
        "after the caller had a response.",
        _CORE + "integrations/http/server-subscription.js",
        'isolationScope.setContext("response", {',
    ),
    Fact(
        "contexts/node_system_error",
        "the NodeSystemError integration",
        "What the operating system said: errno, code and the call that failed.",
        _NODE + "integrations/systemError.js",
        "node_system_error: errorContext",
    ),
    Fact(
        "contexts/flags",
        "the SDK's scope",
        "The feature flags that were evaluated before the error, newest last.",
        _CORE + "utils/featureFlags.js",
        "scopeContexts.flags",
    ),
    _from_context(
        "app/app_start_time",
        "When the process was started: the current time minus its uptime.",
        "const app_start_time = ",
    ),
    _from_context(
        "app/app_memory",
        "The resident memory of the process when the event was made, in bytes.",
        "contexts.app.app_memory = process.memoryUsage().rss;",
    ),
    _from_context(
        "app/free_memory",
        "The bytes that the process could still take, as process.availableMemory() says; it "
        "knows the limits of a container.",
        "contexts.app.free_memory = freeMemory;",
    ),
    _from_context(
        "device/boot_time",
        "When the machine was started: the current time minus its uptime.",
        "device.boot_time = ",
    ),
    _from_context("device/arch", "What Node.js was built for.", "device.arch = os.arch();"),
    _from_context(
        "device/memory_size", "All memory of the machine, in bytes.", "device.memory_size = "
    ),
    _from_context(
        "device/free_memory",
        "The memory of the machine that was free when the event was made, in bytes.",
        "contexts.device.free_memory = os.freemem();",
    ),
    _from_context(
        "device/processor_count",
        "The logical cores of the machine. JavaScript itself runs on one of them.",
        "device.processor_count = ",
    ),
    _from_context(
        "device/cpu_description", "The model of the first core.", "device.cpu_description = "
    ),
    _from_context(
        "device/processor_frequency",
        "The speed of the first core in MHz; 0 if the system does not say it.",
        "device.processor_frequency = ",
    ),
    _from_context("device", "The machine.", "contexts.device = deviceContext;"),
    _from_context(
        "os/kernel_version", "The release of the kernel, from os.release().", "contexts.os = "
    ),
    _from_context(
        "os", "The system; on Linux its name and version are read from /etc.", "contexts.os = "
    ),
    _from_context(
        "culture/locale",
        "The language and region by which the process formats numbers and dates.",
        "locale: options.locale,",
    ),
    _from_context(
        "culture/timezone",
        "The time zone of the process: a bug may only show where it differs.",
        "timezone: options.timeZone",
    ),
    _from_context(
        "cloud_resource",
        "Where in a cloud the process runs, from environment variables. Empty: no cloud was "
        "detected.",
        "cloud_resource: { ...updatedContext.cloud_resource,",
    ),
    _from_context("app", "The process.", "contexts.app = appContext;"),
    # The request
    Fact(
        "request/url",
        "the RequestData integration",
        "Put together from the path and the Host header.",
        _REQUEST,
        "url: absoluteUrl,",
    ),
    Fact(
        "request/method",
        "the RequestData integration",
        "The HTTP method.",
        _REQUEST,
        "method: request.method,",
    ),
    Fact(
        "request/query_string",
        "the RequestData integration",
        "The query. Values are filtered when their name sounds like a secret; the option is "
        "dataCollection.urlQueryParams.",
        _REQUEST,
        "query_string: extractQueryParamsFromUrl(url),",
    ),
    Fact(
        "request/headers",
        "the RequestData integration",
        "All headers; those whose name sounds like a secret are filtered, those with the "
        "caller's address go only with dataCollection.userInfo.",
        _CORE + "integrations/requestdata.js",
        "requestData.headers = filterKeyValueData.filterKeyValueData(",
    ),
    Fact(
        "request/cookies",
        "the RequestData integration",
        "Unless dataCollection.cookies is off.",
        _CORE + "integrations/requestdata.js",
        "requestData.cookies = cookies || {};",
    ),
    Fact(
        "request/data",
        "the Http integration",
        "The body, as far as the service had read it, up to 10 KB; the option is "
        "dataCollection.httpBodies.",
        _CORE + "integrations/http/patch-request-to-capture-body.js",
        "normalizedRequest: { data: truncatedBody }",
    ),
    Fact(
        "user/ip_address",
        "the RequestData integration",
        "The caller's address, unless dataCollection.userInfo is off.",
        _CORE + "integrations/requestdata.js",
        "ip_address: ip",
    ),
    # Breadcrumbs
    Fact(
        "breadcrumbs/*/timestamp",
        "addBreadcrumb",
        "When the breadcrumb was left, unless the code set the time.",
        _CORE + "breadcrumbs.js",
        "const mergedBreadcrumb = { timestamp, ...breadcrumb };",
    ),
    Fact(
        "breadcrumbs",
        "the SDK's scope",
        "The last 100 (maxBreadcrumbs) of this request, kept in memory and sent with an error.",
        _CORE + "utils/scopeData.js",
        "event.breadcrumbs = mergedBreadcrumbs.length ?",
    ),
    Fact(
        "debug_meta",
        "the SDK's client",
        "Which source map belongs to which file, so that Sentry can show the original source.",
        _PREPARE,
        "event.debug_meta = event.debug_meta || {};",
    ),
)

CRUMBS = {
    "console": Fact(
        "breadcrumbs",
        "the Console integration",
        "Each call of console.log and similar methods. There is no record of who wrote it.",
        _CORE + "integrations/console.js",
        'category: "console",',
    ),
    "http": Fact(
        "breadcrumbs",
        "the Http or the NodeFetch integration",
        "Each call to another service, with its status; 4xx are warnings, 5xx errors.",
        _CORE + "integrations/http/add-outgoing-request-breadcrumb.js",
        'category: "http",',
    ),
    "child_process": Fact(
        "breadcrumbs",
        "the ChildProcess integration",
        "Each program that was started and failed.",
        _NODE + "integrations/childProcess.js",
        'category: "child_process",',
    ),
}

LEVELS = {
    "auto.node.onuncaughtexception": Fact(
        "level",
        "the OnUncaughtException integration",
        "fatal: nothing caught it, and after this event the process ends.",
        _NODE + "integrations/onuncaughtexception.js",
        'level: "fatal"',
    ),
    "auto.node.onunhandledrejection": Fact(
        "level",
        "the OnUnhandledRejection integration",
        "error, not fatal: in mode warn the process keeps running. In mode strict it is fatal.",
        _NODE + "integrations/onunhandledrejection.js",
        'const level = options.mode === "strict" ? "fatal" : "error";',
    ),
}

MECHANISMS = {
    "auto.node.onuncaughtexception": Fact(
        _MECHANISM,
        "the OnUncaughtException integration",
        "process.on('uncaughtException'): the error left the last function, and Node.js ends the "
        "process. The SDK sends this first, for which it has two seconds by default.",
        _NODE + "integrations/onuncaughtexception.js",
        'type: "auto.node.onuncaughtexception"',
    ),
    "auto.node.onunhandledrejection": Fact(
        _MECHANISM,
        "the OnUnhandledRejection integration",
        "process.on('unhandledRejection'): a promise was rejected and nothing handled it. Node.js "
        "alone would end the process; since this integration listens, it keeps running.",
        _NODE + "integrations/onunhandledrejection.js",
        'type: "auto.node.onunhandledrejection"',
    ),
    "auto.http.express": Fact(
        _MECHANISM,
        "the Express integration",
        "It is injected into Express's router while that is loaded, and sees what a handler throws "
        "or rejects with. Errors with a status below 500 are left out.",
        _SERVER + "integrations/express/instrumentation.js",
        'type: "auto.http.express",',
    ),
    "auto.middleware.express": Fact(
        _MECHANISM,
        "the error middleware of setupExpressErrorHandler",
        "It comes after all routes: it saw the error on its way out. Errors with a status below "
        "500 are left out.",
        _SERVER + "integrations/express/error-handler.js",
        'mechanism: { type: "auto.middleware.express", handled: false }',
    ),
    "auto.node.worker_threads": Fact(
        _MECHANISM,
        "the WorkerThreads integration",
        "A worker thread ended with the error.",
        _NODE + "integrations/workerThreads.js",
        'type: "auto.node.worker_threads",',
    ),
    "auto.core.linked_errors": Fact(
        _MECHANISM,
        "the LinkedErrors integration",
        "It has a cause or members, which are in this event too.",
        _LINKED,
        'type: "auto.core.linked_errors",',
    ),
    "ANR": Fact(
        _MECHANISM,
        _WATCHER,
        "Application Not Responding: a second thread polled the main one for a sign of life and "
        "got none for longer than anrThreshold. Nothing was thrown, so nothing was caught.",
        _ANR,
        "anrThreshold: integrationOptions.anrThreshold",
    ),
    "chained": Fact(
        _MECHANISM,
        "the LinkedErrors integration",
        "It was not captured by itself: it belongs to another error of this event.",
        _LINKED,
        'type: "chained",',
    ),
    "generic": Fact(
        _MECHANISM,
        "captureException",
        "The default when no integration was involved: captured by hand, hence handled.",
        _BUILDER,
        'type: "generic"',
    ),
}

NODE = Sdk(FACTS, MECHANISMS, CRUMBS, levels=LEVELS)
ALL = NODE.all
