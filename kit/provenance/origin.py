"""Who put each value of an event there, and why.

What our services add is found in their source (``python_source``, ``javascript_source``); what the
SDK adds is among its facts (``python_sdk``, ``node_sdk``), whose lines are looked up in the SDK
that is installed. So no line number is ever typed by hand.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo_services import payment
from demo_services.services import SERVICES
from kit.hosting import node
from kit.hosting.server import ServerError
from kit.provenance import meanings
from kit.provenance.node_sdk import ANR, NODE
from kit.provenance.python_sdk import FASTAPI, PYTHON, TORNADO, Fact, Sdk
from kit.provenance.python_source import source
from kit.provenance.statements import Place, Site
from kit.reading.payload import (
    Key,
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    crumbs_path,
    exceptions,
    get_path,
    is_javascript,
    service,
    short_path,
)

UNKNOWN = "unknown"

Event = Mapping[str, Any]
Keys = tuple[Key, ...]

_METHOD = "http.request.method"
_STATUS = "http.response.status_code"
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(-?\d+)\]|([^.\[\]"]+)')

# What an option means when it is set in our source.
_OPTIONS = {
    "release": "Which build crashed. Without it there is no crash-free rate and no first release.",
    "environment": "Where it crashed, so that an alert can leave rehearsals out.",
    "server_name": "The service, here. It is meant for the host, whose name is the default.",
    "dist": "Tells builds of one release apart.",
    "in_app_include": "Tells our frames from those of libraries; Sentry groups by ours.",
}

_OURS = {
    "tag": "A tag: indexed, so that Sentry can search and count events by it. Stays on the "
    "scope for every later event of the request.",
    "context": "A context: structured details beside the event. It is shown, not indexed, and "
    "the SDK filters nothing in it; our before_send does.",
    "extra": "Extra data: the older form of a context.",
    "user": "Who was hit. Sentry counts the users that an issue affects.",
    "fingerprint": "Overrides the grouping: events with the same fingerprint become one issue.",
    "level": "Says how bad it is; the SDK's default for an exception is error.",
    "transaction": "Names what was running when it happened.",
    "span": "The span that was open, named by the code that opened it.",
    "breadcrumb": "A breadcrumb: kept in memory, sent only when an error follows.",
    "log": "LoggingIntegration turned this log record into a breadcrumb: INFO and above.",
    "logged": "LoggingIntegration turned this log record into an event: ERROR and above.",
    "mechanism": "The hook that saw the error: no code of the notebook caught it.",
    "capture": "Captured by hand: the code goes on, so the error counts as handled.",
}


@dataclass(frozen=True)
class Origin:
    """Who put a value into an event, and why; with the statement that did it where there is one.

    ``file`` starts with the package's name, ``line`` is where ``code`` begins.
    """

    who: str
    why: str
    file: str | None = None
    line: int | None = None
    code: str | None = None


_NOBODY = Origin(UNKNOWN, "Neither our source nor what is known of the SDK names it.")


def origin(event: Event, path: str) -> Origin:
    """Return who put the value at ``path``, a JMESPath such as ``tags."http.route"``, there."""
    return origin_at(event, keys(path))


def origin_at(event: Event, path: Sequence[Key]) -> Origin:
    """Return who put the value at ``path``, given as its keys, there; ``UNKNOWN`` if no one."""
    where = tuple(path)
    if is_death(event) and where != ("tags", "learner"):
        return _supervisor(event, where)
    return _ours(event, where) or _option(event, where) or _sdk(event, where) or _NOBODY


def is_death(event: Event) -> bool:
    """Return whether the supervisor wrote the event, about a process that died."""
    return event.get("logger") == meanings.SUPERVISOR


def keys(path: str) -> Keys:
    """Return the names and indices that a JMESPath passes through."""
    found = _KEY.finditer(path)
    return tuple(int(m[2]) if m[2] else m[1] if m[1] is not None else m[3] for m in found)


def sdk_place(module: str, statement: str) -> Place | None:
    """Return the line of the installed SDK that holds ``statement``; None when there is none."""
    is_script = module.endswith(".js")
    file = module if is_script else f"sentry_sdk/{module.replace('.', '/')}.py"
    for number, line in enumerate(_script_lines(module) if is_script else _sdk_lines(module), 1):
        if statement in line:
            return Place(file, number, line.strip())
    return None


@cache
def _script_lines(file: str) -> tuple[str, ...]:
    path = _node_modules() / file
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()


@cache
def _node_modules() -> Path:
    try:
        return node.node_modules(payment.HOME, node.find_node())
    except ServerError:  # an event may be looked at where its service cannot run
        return payment.HOME / "node_modules"


@cache
def _sdk_lines(module: str) -> tuple[str, ...]:
    spec = find_spec("sentry_sdk")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, *module.split(".")).with_suffix(".py")
        if path.is_file():
            return tuple(path.read_text(encoding="utf-8").splitlines())
    return ()


# Our code


def _ours(event: Event, path: Keys) -> Origin | None:
    if path[:1] == ("breadcrumbs",) and len(path) > len(crumbs_path(event)):
        return _breadcrumb(event, path)
    if path[:1] in (("logentry",), ("extra",), ("level",)) and "logger" in event:
        site = None if path[1:2] == ("sys.argv",) else _log_site(event, event.get("logentry"))
        return _from_site(site, "logged", path)
    site = _site(event, path)
    return _from_site(site, site.kind, path) if site else None


def _site(event: Event, path: Keys) -> Site | None:
    match path:
        case ("tags", name, *_):
            return _best(event, "tag", name)
        case ("contexts", "trace", "op" | "description", *_):
            return _best(event, "span", values=(get_path(event, path),), exactly=True)
        case ("contexts", "trace" | "profile" | "flags" | "response", *_):
            return None
        case ("contexts", "runtime", *_):
            return _best(event, "context", "runtime", exactly=True)
        case ("contexts", name, *_):
            return _best(event, "context", name)
        case ("extra", name, *_) if name != "sys.argv":
            return _best(event, "extra", name)
        case ("user", name, *_) if name != "is_authenticated":
            return _best(event, "user")
        case ("fingerprint", *_):
            return _best(event, "fingerprint", values=as_list(event.get("fingerprint")))
        case ("level",):
            return _level(event)
        case ("message",):
            return _matching_site(event, "capture", as_str(event.get("message")), None)
        case ("exception", "values", index, "mechanism", "type" | "handled"):
            mechanism = get_path(event, ("exception", "values", index, "mechanism", "type"))
            if mechanism == "generic":
                return _best(event, "capture")
            return _best(event, "mechanism", values=(mechanism,), exactly=True)
        case ("transaction" | "transaction_info", *_) if _framework(event) is None:
            name = as_str(event.get("transaction"))
            # Of a name that is put together, the source has the first word.
            return _best(event, "transaction", values=(name, name.partition(" ")[0] + " "))
    return None


def _level(event: Event) -> Site | None:
    level = event.get("level")
    site = _best(event, "level", values=(level,), exactly=level == "error")
    # error is the SDK's default, and that for Node.js sets fatal too: a statement of ours counts
    # when the crash passed through it.
    is_default = level == "error" or is_javascript(event)
    return site if site and (not is_default or _nearness(event, site) > 1) else None


def _from_site(site: Site | None, kind: str, path: Keys) -> Origin | None:
    if site is None:
        return None
    known = (site.keys[key] for key in path[1:] if isinstance(key, str) and key in site.keys)
    why = meanings.OURS.get("/".join(map(str, path)), _OURS[kind])
    return _origin_at_place("our code", why, next(known, site.place))


def _breadcrumb(event: Event, path: Keys) -> Origin | None:
    depth = len(crumbs_path(event)) + 1
    crumb, field = as_mapping(get_path(event, path[:depth])), path[depth:]
    kind, category = crumb.get("type"), as_str(crumb.get("category"))
    if field == ("timestamp",) or (field == ("type",) and kind == "default"):
        return None
    if is_javascript(event):
        fact = NODE.crumbs.get(category)
        site = _matching_site(event, "breadcrumb", as_str(crumb.get("message")), category)
        return _from_site(site, "breadcrumb", path) or (_fact_origin(fact) if fact else _NOBODY)
    if kind == "log":
        return _from_site(_log_site(event, crumb.get("message")), "log", path) or _fact_origin(
            PYTHON.crumbs["log"]
        )
    if kind == "http" and category == "httplib":
        return _fact_origin(PYTHON.crumbs[_http_client(crumb)])
    if category in ("query", "subprocess"):
        return _fact_origin(PYTHON.crumbs[category])
    site = _matching_site(event, "breadcrumb", as_str(crumb.get("message")), category)
    return _from_site(site, "breadcrumb", path) or _NOBODY


def _http_client(crumb: Mapping[str, Any]) -> str:
    data = as_mapping(crumb.get("data"))
    # Where spans are sent as they end, that of http.client names its data like their attributes.
    if _METHOD in data:
        return "StdlibIntegration"
    # Else both integrations write the same keys; only httpx knows the status before the URL.
    ordered = [key for key in data if key in ("url", _STATUS)]
    return "HttpxIntegration" if ordered[:1] == [_STATUS] else "StdlibIntegration"


def _log_site(event: Event, entry: Any) -> Site | None:
    text = entry.get("formatted") if isinstance(entry, Mapping) else entry
    return _matching_site(event, "log", as_str(text), None)


def _matching_site(event: Event, kind: str, message: str, category: Any) -> Site | None:
    """Return the statement that can have written the message, with as much of it as possible."""
    fitting = [site for site in _sites_for(event, kind) if _fits(site, message, category)]
    return max(
        fitting,
        key=lambda site: (len("".join(site.message or ())), _nearness(event, site)),
        default=None,
    )


def _fits(site: Site, message: str, category: Any) -> bool:
    if site.category is None and site.message is None:
        return False
    return site.category in (None, category) and site.can_write(message)


def _best(
    event: Event,
    kind: str,
    name: Key | None = None,
    *,
    values: Sequence[Any] = (),
    exactly: bool = False,
) -> Site | None:
    """Return the statement that most likely did it: by name, by values, nearest to the crash.

    ``exactly`` leaves out those whose name or values are computed at run time.
    """

    def count_known(site: Site) -> int:
        return sum(isinstance(value, str) and value in site.literals for value in values)

    def fits(site: Site) -> bool:
        if exactly:
            return site.name == name and (count_known(site) > 0 or not values)
        return site.name in (name, None)

    return max(
        filter(fits, _sites_for(event, kind)),
        key=lambda site: (site.name == name, count_known(site), _nearness(event, site)),
        default=None,
    )


def _sites_for(event: Event, kind: str) -> tuple[Site, ...]:
    return _sites(kind, is_javascript(event))


@cache
def _sites(kind: str, in_javascript: bool) -> tuple[Site, ...]:
    return tuple(
        site for site in source().sites if site.kind == kind and site.is_javascript is in_javascript
    )


def _nearness(event: Event, site: Site) -> int:
    """Return how near a statement is: 2 and more in a function of the stack, -1 elsewhere."""
    folder = service(event).replace("-", "_")
    _, *inner = site.place.file.split("/")
    if len(inner) > 1 and inner[0] != folder:
        return -1
    return (len(inner) > 1) + 2 * _is_on_stack(event, site)


def _is_on_stack(event: Event, site: Site) -> bool:
    return any(
        # A stack of V8 has the class before the method.
        as_str(frame.get("function")).rpartition(".")[2] == site.function
        and short_path(as_str(frame.get("filename"))) == site.place.file
        for value in exceptions(event)
        for frame in as_mappings(get_path(value, ("stacktrace", "frames")))
    )


# Options and the SDK


def _option(event: Event, path: Keys) -> Origin | None:
    name = "in_app_include" if path[-1:] == ("in_app",) else path[0] if path else None
    for site in _sites_for(event, "option"):
        if site.name == name and name in _OPTIONS:
            return _origin_at_place(f"the option {name}", _OPTIONS[name], site.place)
    return None


def _sdk(event: Event, path: Keys) -> Origin | None:
    sdk = NODE if is_javascript(event) else PYTHON
    match path:
        case ("exception", "values", index, "mechanism", *rest) if rest in (
            [],
            ["type"],
            ["handled"],
        ):
            kind = get_path(event, ("exception", "values", index, "mechanism", "type"))
            fact = sdk.mechanisms.get(as_str(kind))
        case ("contexts", "trace", "op" | "description"):
            fact = sdk.spans.get(as_str(get_path(event, ("contexts", "trace", "origin"))))
        case ("level",):
            fact = sdk.levels.get(_mechanism(event))
        case _:
            fact = None
    return _fact_origin(fact) if fact else _general(sdk is NODE, path, _framework(event))


def _mechanism(event: Event) -> str:
    """Return the type of the mechanism that captured the event."""
    return as_str(get_path(exceptions(event), (-1, "mechanism", "type")))


@lru_cache(maxsize=4096)
def _general(is_node: bool, path: Keys, framework: str | None) -> Origin | None:
    sdk: Sdk = NODE if is_node else PYTHON
    for fact in sdk.facts:
        if fact.framework in (None, framework) and _covers(fact.path.split("/"), path):
            return _fact_origin(fact)
    return None


def _covers(pattern: Sequence[str], path: Keys) -> bool:
    return len(pattern) <= len(path) and all(
        wanted in ("*", key) for wanted, key in zip(pattern, path, strict=False)
    )


def _framework(event: Event) -> str | None:
    """Return the web framework that served the request; None when the event has no request."""
    if is_javascript(event):
        return ANR if _mechanism(event) == "ANR" else None
    known = SERVICES.get(as_str(event.get("server_name")))
    if known and known.framework in (TORNADO, FASTAPI) and "request" in event:
        return known.framework
    return None


# The supervisor


def _supervisor(event: Event, path: Keys) -> Origin:
    names = [key for key in path if isinstance(key, str)]
    above = ["/".join(names[:length]) for length in range(len(names), 0, -1)]
    why = next((meanings.DEATH[each] for each in above if each in meanings.DEATH), "")
    for site in _sites("event", False):
        place = next((site.keys[each] for each in above if each in site.keys), None)
        if place and not _adds(path):
            return _origin_at_place("the supervisor", why, place)
    found = _option(event, path) or _sdk(event, path)
    return replace(found, why=why or found.why) if found else _NOBODY


def _adds(path: Keys) -> bool:
    """Return whether the SDK puts a value beside those of the supervisor."""
    return path[:2] in (("contexts", "trace"), ("contexts", "profile"))


@cache
def _fact_origin(fact: Fact) -> Origin:
    who, why = fact.who, fact.why_here
    place = sdk_place(fact.module, fact.statement)
    return _origin_at_place(who, why, place) if place else Origin(who, why)


def _origin_at_place(who: str, why: str, place: Place) -> Origin:
    return Origin(who, why, place.file, place.line, place.code)
