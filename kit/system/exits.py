"""Tells Sentry of the death of a process, which could not always do so itself."""

import os
import platform
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import psutil
import sentry_sdk

from kit.hosting.supervisor import Death, Request

SHOWN_WORDS = 20
HEAP_LIMIT = re.compile(r"--max-old-space-size=(\d+)")

Bind = Callable[[], AbstractContextManager[object]]


def report(bind: Bind, death: Death) -> str | None:
    """Send ``death`` as an error event through the client of ``bind``; return the event's id.

    The event belongs to the trace of the request that was in flight. The client sends it in the
    background. Returns None when the client is switched off.
    """
    with bind():
        _continue_trace(death.in_flight)
        sentry_sdk.get_current_scope().add_attachment(
            bytes="\n".join(death.last_words).encode(),
            filename="stderr.txt",
            content_type="text/plain",
        )
        return sentry_sdk.capture_event(_event(death))  # type: ignore[arg-type]


def _continue_trace(request: Request | None) -> None:
    """Make what is captured next a child of the span of ``request``."""
    if request and request.trace_id and request.span_id:
        sentry_sdk.continue_trace({"sentry-trace": f"{request.trace_id}-{request.span_id}-1"})


def _event(death: Death) -> dict[str, Any]:
    event = {
        "level": "fatal",
        "platform": "node",
        "logger": "supervisor",
        "fingerprint": [death.name, "process-death", death.kind],
        "exception": {"values": [_exception(death)]},
        "contexts": _contexts(death),
        "tags": _tags(death),
    }
    if death.in_flight:
        # Without what follows the path: it may hold a secret.
        method, path = death.in_flight.method, death.in_flight.path.partition("?")[0]
        event["transaction"] = f"{method} {path}"
        event["request"] = {"method": method, "url": path}
    return event


def _exception(death: Death) -> dict[str, Any]:
    value = f"{death.name} was {death.how}" if death.signal else f"{death.name} {death.how}"
    return {
        "type": death.kind,
        "value": ": ".join(filter(None, [value, death.verdict])),
        "mechanism": {"type": "supervisor", "handled": False},
    }


def _contexts(death: Death) -> dict[str, Any]:
    return {
        "process": _process(death),
        "node": {
            "version": death.version,
            "options": " ".join(death.options),
            "heap_limit_mb": _heap_limit_mb(death.options),
            "heap_exhausted": death.heap_exhausted,
        },
        # Sentry's own contexts: the SDK that sends this would describe itself as the runtime.
        "runtime": {"name": "node", "version": death.version},
        "device": {
            "arch": platform.machine(),
            "processor_count": os.cpu_count(),
            "memory_size": psutil.virtual_memory().total,
            "free_memory": psutil.virtual_memory().available,
        },
        "os": {"name": platform.system(), "version": platform.release()},
        "stderr": {"last_lines": list(death.last_words[-SHOWN_WORDS:])},
    }


def _process(death: Death) -> dict[str, Any]:
    return {
        "exit_code": death.exit_code,
        "signal": death.signal,
        "pid": death.pid,
        "started_at": datetime.fromtimestamp(death.at - death.uptime_s, UTC).isoformat(),
        "uptime_s": round(death.uptime_s, 3),
        "restarts": death.restarts,
        "was_ready": death.was_ready,
        "memory_mb": round(death.memory_mb, 1) if death.memory_mb is not None else None,
    }


def _tags(death: Death) -> dict[str, str]:
    ending = {"signal": death.signal} if death.signal else {"exit_code": str(death.exit_code)}
    return {"service": death.name, "death": death.kind, **ending}


def _heap_limit_mb(options: tuple[str, ...]) -> int | None:
    found = HEAP_LIMIT.search(" ".join(options))
    return int(found[1]) if found else None
