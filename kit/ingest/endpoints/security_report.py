"""Security reports: what a browser blocked under a page's Content Security Policy.

https://docs.sentry.io/platforms/javascript/security-policy-reporting/ and Relay's
endpoints/security_report.rs. Sentry turns a report into an event only later, during processing
(relay-event-schema/src/protocol/security_report.rs); here that is simulated on arrival, for title,
culprit, tags and request. Other changes by Relay, such as truncation, are not.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from kit.ingest.endpoints.store_event import compose_event
from kit.ingest.envelope import BadEnvelope, parse_object

MAX_REPORTS = 100
CONTENT_TYPES = ("application/csp-report", "application/reports+json", "application/json")
_LOCAL = ("", "self", "'self'")
_LOCAL_TITLES = {
    "script-src": "unsafe (eval() or inline) 'script'",
    "script-src-elem": "inline script attribute",
    "script-src-attr": "unsafe 'script' element",
    "style-src-elem": "'style' or 'link' element",
    "style-src-attr": "style attribute",
}
_SCRIPT_TITLES = {"inline": "unsafe inline 'script'", "eval": "unsafe eval() 'script'"}
_REMOTE_TITLES = {
    "form-action": "'form' action to",
    "script-src-attr": "inline script attribute from",
    "script-src-elem": "'script' from",
    "style-src-attr": "style attribute from",
    "style-src-elem": "'style' from",
}
# Display names that differ from the name of the directive.
_SHORT = {
    **{f"{name}-src": name for name in ("child", "connect", "font", "manifest", "media")},
    **{f"{name}-src": name for name in ("object", "script", "style")},
    "img-src": "image",
}
# For the older format and for the Reporting API.
_NAMES = {
    "blockedURL": "blocked_uri",
    "documentURL": "document_uri",
    "sample": "script_sample",
}
_GIVEN_UP = {
    "expect-ct-report": "Expect-CT",
    "expect-staple-report": "Expect-Staple",
    "known-pins": "HTTP Public Key Pinning",
}


def report_envelopes(
    content: bytes, content_type: str, query: Mapping[str, str], user_agent: str
) -> list[bytes]:
    """Return an envelope for each report of a body. Raises HTTPException.

    ``query`` may name the page's release and environment: a report cannot.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        known = ", ".join(CONTENT_TYPES)
        raise HTTPException(415, f"{kind[:100] or 'Nothing'} is no report's type; use {known}.")
    common = {name: query[f"sentry_{name}"] for name in _COMMON if query.get(f"sentry_{name}")}
    return [compose_event({**_event(report, user_agent), **common}) for report in _reports(content)]


_COMMON = ("release", "environment")


def _reports(content: bytes) -> list[dict[str, Any]]:
    """Return the reports of a body, with Sentry's names for their fields."""
    # As an object, so that the nesting depth is checked.
    try:
        given = parse_object(b'{"all":' + content + b"}", "the body")["all"]
    except (BadEnvelope, KeyError) as error:
        raise HTTPException(400, f"Not a report: {error}.") from error
    several = given if isinstance(given, list) else [given]
    if len(several) > MAX_REPORTS:
        raise HTTPException(413, f"There are over {MAX_REPORTS} reports; send them in parts.")
    found = [report for each in several if (report := _report(each)) is not None]
    if not found:
        raise HTTPException(400, f"Not a Content Security Policy report: {_kinds(several)}.")
    return found


def _report(given: Any) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        return None
    inner = given.get("csp-report")
    if inner is None and given.get("type") == "csp-violation":
        inner = given.get("body")
    if not isinstance(inner, dict):
        return None
    report = {_name(name): value for name, value in inner.items()}
    return report if _directive(report) else None


def _name(name: str) -> str:
    """Return a report's field name in Sentry's form: blocked-uri and blockedURI as blocked_uri."""
    if name in _NAMES:
        return _NAMES[name]
    words = "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
    return words.replace("-", "_")


def _kinds(given: Sequence[Any]) -> str:
    objects = [each for each in given if isinstance(each, dict)]
    for each in objects:
        for name, kind in _GIVEN_UP.items():
            if name in each:
                return f"it is about {kind}, which browsers and Sentry no longer support"
    kinds = {each["type"][:50] for each in objects if isinstance(each.get("type"), str)}
    if kinds:
        return f"it is about {', '.join(sorted(kinds)[:5])}"
    return "it has no csp-report with a directive, and no body of type csp-violation"


def _event(report: dict[str, Any], user_agent: str) -> dict[str, Any]:
    directive, blocked = _directive(report), _text(report, "blocked_uri", "self")
    headers = [["Referer", _text(report, "referrer")], ["User-Agent", user_agent]]
    host = _parts(blocked)[1] if blocked.startswith(("http://", "https://")) else ""
    tags = [["effective-directive", directive], ["blocked-uri", _without_secrets(blocked)]]
    return {
        "type": "csp",
        "timestamp": time.time(),
        "platform": "other",
        "logentry": {"formatted": f"Blocked {_title(directive, blocked)}"},
        "culprit": _text(report, "violated_directive"),
        "tags": tags + ([["blocked-host", host]] if host else []),
        "request": {
            "url": _text(report, "document_uri"),
            "headers": [pair for pair in headers if pair[1]],
        },
        "csp": {**report, "effective_directive": directive, "blocked_uri": blocked},
    }


def _directive(report: Mapping[str, Any]) -> str:
    """Return the violated directive. Old versions of Firefox only name it with its sources."""
    names = (_text(report, name) for name in ("effective_directive", "violated_directive"))
    return next((name.split()[0] for name in names if name.strip()), "")


def _title(directive: str, blocked: str) -> str:
    short = _SHORT.get(directive, directive)
    if directive == "script-src" and blocked in _SCRIPT_TITLES:
        return _SCRIPT_TITLES[blocked]
    if blocked in _LOCAL:
        return _LOCAL_TITLES.get(directive, f"inline '{short}'")
    what = _REMOTE_TITLES.get(directive, f"'{short}' from")
    return f"{what} '{_origin(blocked)}'"


def _origin(uri: str) -> str:
    """Return the origin of a URI: a host, or only a scheme where browsers report no more."""
    if ":" not in uri:
        return f"{uri}:"
    scheme, host, port = _parts(uri)
    if not scheme:
        return uri
    shown = host if scheme in ("http", "https") else f"{scheme}://{host}" if host else f"{scheme}:"
    return f"{shown}:{port}" if port else shown


def _parts(uri: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(uri)
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", "", None


def _without_secrets(uri: str) -> str:
    """Return a URL without what Stripe appends to its path, as Relay does."""
    if uri.startswith("https://api.stripe.com/"):
        return uri.partition("#")[0].partition("?")[0]
    return uri


def _text(report: Mapping[str, Any], name: str, otherwise: str = "") -> str:
    value = report.get(name)
    return value if isinstance(value, str) else otherwise
