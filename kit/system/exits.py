"""Reports the exit of a process to Sentry, which the process cannot always do itself."""

import os
import platform
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import psutil
import sentry_sdk

from kit.hosting.process_exit import InFlightRequest, ProcessExit

SHOWN_LINES = 20
HEAP_LIMIT = re.compile(r"--max-old-space-size=(\d+)")

Bind = Callable[[], AbstractContextManager[object]]


def report_exit(bind: Bind, ended: ProcessExit) -> str | None:
    """Send an error event about how a process ended through the client of ``bind``; return its id.

    The event joins the trace of the request that was in flight. The client sends it in the
    background. Returns None when the client is disabled.
    """
    with bind():
        _continue_trace(ended.in_flight)
        sentry_sdk.get_current_scope().add_attachment(
            bytes="\n".join(ended.stderr_tail).encode(),
            filename="stderr.txt",
            content_type="text/plain",
        )
        return sentry_sdk.capture_event(_exit_event(ended))  # type: ignore[arg-type]


def _continue_trace(request: InFlightRequest | None) -> None:
    """Make the next captured event a child of the span of ``request``."""
    if request and request.trace_id and request.span_id:
        sentry_sdk.continue_trace({"sentry-trace": f"{request.trace_id}-{request.span_id}-1"})


def _exit_event(ended: ProcessExit) -> dict[str, Any]:
    event = {
        "level": "fatal",
        "platform": "node",
        "logger": "supervisor",
        "fingerprint": [ended.name, "process-death", ended.kind],
        "exception": {"values": [_exception(ended)]},
        "contexts": _contexts(ended),
        "tags": _tags(ended),
    }
    if ended.in_flight:
        # Without the query string, which may contain a secret.
        method, path = ended.in_flight.method, ended.in_flight.path.partition("?")[0]
        event["transaction"] = f"{method} {path}"
        event["request"] = {"method": method, "url": path}
    return event


def _exception(ended: ProcessExit) -> dict[str, Any]:
    value = f"{ended.name} was {ended.how}" if ended.signal else f"{ended.name} {ended.how}"
    return {
        "type": ended.kind,
        "value": ": ".join(filter(None, [value, ended.error_line])),
        "mechanism": {"type": "supervisor", "handled": False},
    }


def _contexts(ended: ProcessExit) -> dict[str, Any]:
    return {
        "process": _process(ended),
        "node": {
            "version": ended.version,
            "options": " ".join(ended.options),
            "heap_limit_mb": _heap_limit_mb(ended.options),
            "heap_exhausted": ended.heap_exhausted,
        },
        # Sentry's own contexts: otherwise the SDK that sends this adds its own runtime.
        "runtime": {"name": "node", "version": ended.version},
        "device": {
            "arch": platform.machine(),
            "processor_count": os.cpu_count(),
            "memory_size": psutil.virtual_memory().total,
            "free_memory": psutil.virtual_memory().available,
        },
        "os": {"name": platform.system(), "version": platform.release()},
        "stderr": {"last_lines": list(ended.stderr_tail[-SHOWN_LINES:])},
    }


def _process(ended: ProcessExit) -> dict[str, Any]:
    return {
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "pid": ended.pid,
        "started_at": datetime.fromtimestamp(ended.at - ended.uptime_s, UTC).isoformat(),
        "uptime_s": round(ended.uptime_s, 3),
        "restarts": ended.restarts,
        "was_ready": ended.was_ready,
        "memory_mb": round(ended.memory_mb, 1) if ended.memory_mb is not None else None,
    }


def _tags(ended: ProcessExit) -> dict[str, str]:
    ending = {"signal": ended.signal} if ended.signal else {"exit_code": str(ended.exit_code)}
    return {"service": ended.name, "death": ended.kind, **ending}


def _heap_limit_mb(options: tuple[str, ...]) -> int | None:
    found = HEAP_LIMIT.search(" ".join(options))
    return int(found[1]) if found else None
