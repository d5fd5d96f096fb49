"""Events that no SDK captured: the ingest made them from what a browser or crash handler sent."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kit.reading.payload import Key, exceptions, get_path

Kind = Literal["", "csp", "minidump"]

# Who put a value there, and why. The path of a value decides, else that of its nearest parent.
Said = tuple[str, str]

_BROWSER, _INGEST, _CRASH_HANDLER = "the browser", "the ingest", "the crash handler"
_PAGE = "the page's policy"
_REST: Said = (_CRASH_HANDLER, "A field of the form that was uploaded with the minidump.")
_WORKED_OUT = "Derived from the report. With Sentry, its servers do that."
_QUERY = "From the address in the policy to which the browser sends its reports: sentry_"

_CSP: dict[str, Said] = {
    "csp": (_BROWSER, "From its report, under the names that Sentry gives to the parts."),
    "csp/effective_directive": (
        _BROWSER,
        "From its report; if that has none, the ingest takes it from violated_directive.",
    ),
    "csp/blocked_uri": (
        _BROWSER,
        "From its report; if that has none, the ingest writes self.",
    ),
    "request/url": (_BROWSER, "The address of the page: document_uri of the report."),
    "request/headers/Referer": (
        _BROWSER,
        "Where the page was opened from: referrer of the report.",
    ),
    "request/headers/User-Agent": (
        _BROWSER,
        "The header of the request that delivered the report.",
    ),
    "timestamp": (_INGEST, "When the report arrived: it has no time of its own."),
    "event_id": (_INGEST, "A random UUID: the report has no id."),
    "type": (_INGEST, "Says that the event was made from such a report."),
    "platform": (_INGEST, "other: no SDK of a platform sent it."),
    "logentry": (_INGEST, _WORKED_OUT),
    "culprit": (_INGEST, "violated_directive of the report."),
    "tags": (_INGEST, _WORKED_OUT),
    "release": (_PAGE, f"{_QUERY}release."),
    "environment": (_PAGE, f"{_QUERY}environment."),
}
_OR_INGEST = "From the form that was uploaded with the minidump, else from the ingest: "
_MINIDUMP: dict[str, Said] = {
    "exception": (
        _INGEST,
        "It stands for the crash. Nothing here has read the minidump, so it only says that there "
        "is one.",
    ),
    "type": (_INGEST, "A minidump is an error event."),
    "platform": (_INGEST, "native: minidumps are of native programs."),
    "level": (f"{_CRASH_HANDLER} or {_INGEST}", f"{_OR_INGEST}fatal."),
    "timestamp": (f"{_CRASH_HANDLER} or {_INGEST}", f"{_OR_INGEST}when it arrived."),
    "event_id": (f"{_CRASH_HANDLER} or {_INGEST}", f"{_OR_INGEST}a random UUID."),
}


def report_kind(event: Mapping[str, Any]) -> Kind:
    """Return what the ingest made an event from; empty for one that was sent as an event."""
    if event.get("type") == "csp" and isinstance(event.get("csp"), Mapping):
        return "" if event.get("sdk") else "csp"
    raised = exceptions(event)
    marks = ("type", "Minidump"), ("mechanism.type", "minidump"), ("mechanism.synthetic", True)
    is_dump = len(raised) == 1 and all(
        get_path(raised[0], name.split(".")) == value for name, value in marks
    )
    return "minidump" if is_dump and not raised[0].get("stacktrace") else ""


def report_origin(kind: Kind, path: Sequence[Key]) -> Said | None:
    """Return who put the value at ``path`` into an event of that kind, and why, if known."""
    said = _CSP if kind == "csp" else _MINIDUMP
    names = list(map(str, path))
    parents = ("/".join(names[:count]) for count in range(len(names), 0, -1))
    found = next((said[name] for name in parents if name in said), None)
    return found or (_REST if kind == "minidump" else None)
