"""The comparisons of the SDK's generations: failures, and what is collected by default."""

from kit.experiments.generations.contrast import (
    CAPTURED,
    FILTERED,
    IN_CLEAR,
    NOT_CAPTURED,
    NOT_SENT,
    SENT,
    Contrast,
    Measure,
    has_attribute,
    has_spans,
    has_stack,
    is_breadcrumb,
    is_captured,
    state_of,
)

TOPICS = {
    "capture": "What is captured by default",
    "collect": "What an error event contains about a request by default",
    "spans": "What the same lines about spans and loggers do",
}

# Without framework integrations, which take seconds to import and are not needed.
PRELUDE = """\
import asyncio, gc, logging, threading, weakref, _thread
import sentry_sdk

sentry_sdk.init(auto_enabling_integrations=False)
"""

# The caller is far from the failing line, so that the source lines around it do not contain what
# the caller sends.
SHOP = """\
import http.client, threading, time
import sentry_sdk, uvicorn
from fastapi import FastAPI, Request

sentry_sdk.init()
app = FastAPI()


@app.post("/pay")
async def pay(request: Request):
    order = await request.json()
    password = "".join(["hun", "ter2"])
    account = {"password": password}
    int("ten")


server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    time.sleep(0.01)

headers = {
    "Authorization": "Bearer header-91e0",
    "Content-Type": "application/json",
    "Cookie": "theme=dark; session=cookie-91e0",
    "X-Forwarded-For": "203.0.113.7",
}
body = '{"item": "clover", "password": "body-91e0"}'
port = server.servers[0].sockets[0].getsockname()[1]
connection = http.client.HTTPConnection("127.0.0.1", port)
connection.request("POST", "/pay?page=2&token=query-91e0", body, headers)
connection.getresponse().read()
server.should_exit = True
thread.join()
"""
LOGGERS = """\
import logging
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger

events = LoggingIntegration(event_level=logging.ERROR)
sentry_sdk.init(integrations=[events], auto_enabling_integrations=False)
"""
SPANS = """\
import sentry_sdk

sentry_sdk.init(traces_sample_rate=1.0, auto_enabling_integrations=False)
"""
STREAMED = SPANS.replace("init(", 'init(trace_lifecycle="stream", ')
SCOPE = (
    STREAMED,
    'sentry_sdk.set_user({"id": "7"})\n'
    'sentry_sdk.set_tag("tier", "vip")\n'
    'sentry_sdk.set_attribute("table", 7)\n'
    'with sentry_sdk.traces.start_span(name="settle"):\n    pass\n',
)
_VARS = "exception.values[-1].stacktrace.frames[-1].vars"


def _failure(
    name: str,
    what: str,
    code: str,
    why: str,
    words: tuple[str, str] = (CAPTURED, NOT_CAPTURED),
    measure: Measure = is_captured,
) -> Contrast:
    expected = dict(zip((2, 3), words, strict=True))
    return Contrast(f"capture/{name}", what, PRELUDE + code, measure, expected, why, code)


def _value(
    name: str, what: str, path: str, value: str, words: tuple[str, str], why: str
) -> Contrast:
    expected = dict(zip((2, 3), words, strict=True))
    measure = state_of(path, value)
    return Contrast(f"collect/{name}", what, SHOP, measure, expected, why, path)


def _lines(
    name: str,
    what: str,
    program: tuple[str, str],
    measure: Measure,
    words: tuple[str, str],
    why: str,
    shown: str = "",
) -> Contrast:
    expected = dict(zip((2, 3), words, strict=True))
    source, shown = "".join(program), shown or program[1]
    return Contrast(f"spans/{name}", what, source, measure, expected, why, shown)


CONTRASTS: tuple[Contrast, ...] = (
    _failure(
        "uncaught",
        "An uncaught exception",
        'int("ten")\n',
        "The SDK hooks into sys.excepthook in both.",
        (CAPTURED, CAPTURED),
    ),
    _failure(
        "thread",
        "An exception in a thread",
        'threading.Thread(target=int, args=["ten"]).start()\n',
        "The threading integration is on by default in both.",
        (CAPTURED, CAPTURED),
    ),
    _failure(
        "caught",
        "An exception that is caught",
        'try:\n    int("ten")\nexcept ValueError:\n    pass\n',
        "Code that catches an exception decides about it, in both.",
        (NOT_CAPTURED, NOT_CAPTURED),
    ),
    _failure(
        "logged-error",
        "A log record of level ERROR",
        'logging.error("no coins")\n',
        "In 3 the logging integration is off. LoggingIntegration(event_level=logging.ERROR) makes "
        "events of records again.",
    ),
    _failure(
        "logged-exception",
        "An exception that is caught and logged",
        'try:\n    int("ten")\nexcept ValueError:\n    logging.exception("no number")\n',
        "The same integration: most services report their handled errors this way.",
    ),
    _failure(
        "task",
        "A failed task that is discarded",
        "async def main():\n    asyncio.get_running_loop().create_task(fail())\n"
        "    await asyncio.sleep(0)\n\n"
        'async def fail():\n    int("ten")\n\n'
        "asyncio.run(main())\ngc.collect()\n",
        "asyncio only logs it, and in 3 log records are not events. enable_asyncio_integration() "
        "watches tasks in both.",
    ),
    _failure(
        "breadcrumb",
        "A warning that is logged before an error",
        'logging.warning("few coins")\nint("ten")\n',
        "Breadcrumbs come from the logging integration, too.",
        (SENT, NOT_SENT),
        is_breadcrumb,
    ),
    _failure(
        "del",
        "An error in __del__",
        'class Purse:\n    def __del__(self):\n        int("ten")\n\nPurse()\ngc.collect()\n',
        "Python passes it to sys.unraisablehook. The integration for that is on by default in 3.",
        (NOT_CAPTURED, CAPTURED),
    ),
    _failure(
        "raw-thread",
        "A thread started without threading",
        'def job():\n    int("ten")\n\n'
        "over = threading.Event()\nweakref.finalize(job, over.set)\n"
        "_thread.start_new_thread(job, ())\ndel job\nover.wait()\n",
        "Its error goes to sys.unraisablehook as well.",
        (NOT_CAPTURED, CAPTURED),
    ),
    _failure(
        "message",
        "The stack of a message",
        'sentry_sdk.capture_message("no coins")\n',
        "attach_stacktrace is on by default in 3. The stack includes local variables.",
        (NOT_SENT, SENT),
        has_stack,
    ),
    _value(
        "address",
        "The caller's address",
        "request.env.REMOTE_ADDR",
        "203.0.113.7",
        (NOT_SENT, IN_CLEAR),
        'data_collection={"user_info": False} keeps it out.',
    ),
    _value(
        "forwarded",
        "The header X-Forwarded-For",
        'request.headers."x-forwarded-for"',
        "203.0.113.7",
        (FILTERED, IN_CLEAR),
        "The same address. Terms of http_headers filter it.",
    ),
    _value(
        "cookie",
        "The cookie theme",
        "request.cookies.theme",
        "dark",
        (NOT_SENT, IN_CLEAR),
        'data_collection={"cookies": {"mode": "off"}} keeps cookies out.',
    ),
    _value(
        "session",
        "The cookie session",
        "request.headers.cookie",
        "cookie-91e0",
        (FILTERED, FILTERED),
        "Both filter the header; 3 filters cookies by their names.",
    ),
    _value(
        "authorization",
        "The header Authorization",
        "request.headers.authorization",
        "header-91e0",
        (FILTERED, FILTERED),
        "Both know the name.",
    ),
    _value(
        "query",
        "A token in the query string",
        "request.query_string",
        "query-91e0",
        (IN_CLEAR, FILTERED),
        "3 parses the query string, and filters by parts of names.",
    ),
    _value(
        "body",
        "A password in the body",
        "request.data.password",
        "body-91e0",
        (FILTERED, IN_CLEAR),
        "The scrubber did this, and 3 has none. Use before_send.",
    ),
    _value(
        "local",
        "A local variable called password",
        f"{_VARS}.password",
        "hunter2",
        (FILTERED, IN_CLEAR),
        "The scrubber again. In 3, filter by name with "
        'data_collection={"stack_frame_variables": {"mode": "denylist"}}.',
    ),
    _value(
        "nested",
        "A password inside a local variable",
        f"{_VARS}.account.password",
        "hunter2",
        (IN_CLEAR, IN_CLEAR),
        "Neither looks inside values by default.",
    ),
    _lines(
        "ignored",
        "An ignored logger",
        (LOGGERS, 'ignore_logger("vault")\nlogging.getLogger("vault").error("door open")\n'),
        is_captured,
        (NOT_CAPTURED, CAPTURED),
        "In 3 this name is about structured logs, and ignore_logger_for_events() does what it did "
        "in 2. There is no warning.",
    ),
    _lines(
        "static",
        "A span of sentry_sdk.traces, without trace_lifecycle",
        (SPANS, 'with sentry_sdk.traces.start_span(name="settle"):\n    pass\n'),
        has_spans,
        (NOT_SENT, SENT),
        'In 2 it needs trace_lifecycle="stream", and only warns without it. 3 always streams.',
    ),
    _lines(
        "user",
        "The user, on streamed spans",
        SCOPE,
        has_attribute("user.id"),
        (NOT_SENT, SENT),
        "On by default in 3, and part of user_info in data_collection.",
        'sentry_sdk.set_user({"id": "7"})',
    ),
    _lines(
        "tag",
        "A scope's tag, on streamed spans",
        SCOPE,
        has_attribute("tier"),
        (NOT_SENT, NOT_SENT),
        "A transaction had its scope's tags. Streamed spans have none, in either.",
        'sentry_sdk.set_tag("tier", "vip")',
    ),
    _lines(
        "attribute",
        "A scope's attribute, on streamed spans",
        SCOPE,
        has_attribute("table"),
        (SENT, SENT),
        "This replaces the tag.",
        'sentry_sdk.set_attribute("table", 7)',
    ),
)
