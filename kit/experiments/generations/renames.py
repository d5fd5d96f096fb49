"""Calls that the two generations spell differently: each spelling is tried in both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from kit.experiments.generations.run import SdkRun

WORKS, WARNS, FAILS = "works", "warns", "fails"

# Tries each call, and prints a JSON object: the call, and [state, message].
_TRY = """\
import json, logging, os, sys, warnings
from functools import partial
import sentry_sdk

# Without framework integrations, which take seconds to import.
Client = partial(sentry_sdk.Client, auto_enabling_integrations=False)
for lifecycle, calls in json.loads({calls!r}).items():
    options = {{"traces_sample_rate": 1.0, "trace_lifecycle": lifecycle}}
    sentry_sdk.init(auto_enabling_integrations=False, **options)
    tried = {{}}
    for call in calls:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                exec(call, {{"sentry_sdk": sentry_sdk, "Client": Client, "logging": logging}})
            except Exception as error:
                tried[call] = ["fails", f"{{type(error).__name__}}: {{error}}"]
            else:
                said = [f"{{each.category.__name__}}: {{each.message}}" for each in warned]
                tried[call] = ["warns" if said else "works", "".join(said[:1])]
    print(json.dumps(tried))
sys.stdout.flush()
# The clients are no longer needed.
os._exit(0)
"""


@dataclass(frozen=True)
class Rename:
    """A call as spelled for SDK 2 and for SDK 3.

    ``expected`` declares the result of the old spelling in 2 and in 3, and of the new one.
    """

    old: str
    new: str
    note: str = ""
    expected: tuple[str, str, str, str] = (WORKS, FAILS, WORKS, WORKS)


@dataclass(frozen=True)
class TriedCall:
    """The result of a call: it works, warns or fails, and the message."""

    state: str
    said: str


TriedCalls = Mapping[str, TriedCall]


def renames_program() -> str:
    """Return a program that tries all old spellings, then all new ones.

    For the old ones, spans are sent as transactions; for the new ones, they are streamed.
    """
    calls = {
        "static": [rename.old for rename in RENAMES],
        "stream": [rename.new for rename in RENAMES],
    }
    return _TRY.format(calls=json.dumps(calls))


def read_tried(run: SdkRun) -> tuple[TriedCalls, TriedCalls]:
    """Return the result of each old and each new spelling. Raises ValueError."""
    old, new = (
        {call: TriedCall(*found) for call, found in json.loads(line).items()}
        for line in run.stdout.splitlines()
    )
    return old, new


_SPAN = 'sentry_sdk.start_span(name="read")'
_STREAMED = 'sentry_sdk.traces.start_span(name="read")'

RENAMES: tuple[Rename, ...] = (
    Rename(
        'sentry_sdk.start_transaction(op="task", name="settle")',
        'sentry_sdk.traces.start_span(name="settle", attributes={"sentry.op": "task"})',
        "A span without a parent is the service span. In 3, sentry_sdk.start_span is the same.",
    ),
    Rename(
        'sentry_sdk.start_span(op="db", name="read")',
        'sentry_sdk.traces.start_span(name="read", attributes={"sentry.op": "db"})',
        "The name still exists in 3, but accepts no op: the call raises when it is reached.",
    ),
    Rename(f'{_SPAN}.set_data("rows", 3)', f'{_STREAMED}.set_attribute("rows", 3)'),
    Rename(
        f'{_SPAN}.set_tag("tier", "vip")',
        f'{_STREAMED}.set_attribute("tier", "vip")',
        "A span only has attributes.",
    ),
    Rename(
        f'{_SPAN}.set_status("not_found")',
        f'{_STREAMED}.status = "error"',
        "Only the statuses ok and error are left.",
    ),
    Rename(
        'sentry_sdk.set_measurement("rows", 3)',
        f'{_STREAMED}.set_attribute("rows", 3)',
        "A number is an attribute.",
    ),
    Rename(
        "Client(before_send_transaction=print)",
        'Client(before_send_span=print, trace_lifecycle="stream")',
        "It is called for each span, with two arguments as before. It cannot drop a span.",
    ),
    Rename(
        "Client(profiles_sample_rate=1.0)",
        'Client(profile_session_sample_rate=1.0, profile_lifecycle="trace")',
        expected=(WARNS, FAILS, WORKS, WORKS),
    ),
    Rename(
        "Client(send_default_pii=True)",
        'Client(data_collection={"user_info": True})',
        "One key per kind of data. In 3 nearly all are on by default.",
        expected=(WARNS, FAILS, WORKS, WORKS),
    ),
    Rename(
        "Client(include_local_variables=False)",
        'Client(data_collection={"stack_frame_variables": False})',
    ),
    Rename(
        "Client(include_source_context=False)",
        'Client(data_collection={"frame_context_lines": 0})',
    ),
    Rename(
        "from sentry_sdk.scrubber import EventScrubber",
        'Client(data_collection={"stack_frame_variables": {"mode": "denylist"}})',
        "Names in bodies and inside values are left to before_send.",
    ),
    Rename(
        'from sentry_sdk.integrations.logging import ignore_logger; ignore_logger("vault")',
        "from sentry_sdk.integrations.logging import ignore_logger_for_events; "
        'ignore_logger_for_events("vault")',
        "The old name still works in 3, but for structured logs: nothing warns you that events are "
        "no longer ignored.",
        expected=(WORKS, WORKS, FAILS, WORKS),
    ),
    Rename(
        "from sentry_sdk.integrations.logging import LoggingIntegration; "
        "LoggingIntegration(capture_sentry_logs=True)",
        "from sentry_sdk.integrations.logging import LoggingIntegration; "
        "LoggingIntegration(level=logging.INFO)",
        "In 2, level applies to breadcrumbs; in 3, to structured logs.",
    ),
    Rename(
        "with sentry_sdk.push_scope(): pass",
        "with sentry_sdk.new_scope(): pass",
        expected=(WARNS, FAILS, WORKS, WORKS),
    ),
    Rename(
        "with sentry_sdk.configure_scope(): pass",
        "sentry_sdk.get_isolation_scope()",
        expected=(WARNS, FAILS, WORKS, WORKS),
    ),
    Rename(
        "from sentry_sdk import Hub; Hub.current",
        "sentry_sdk.get_current_scope()",
        expected=(WARNS, FAILS, WORKS, WORKS),
    ),
)
