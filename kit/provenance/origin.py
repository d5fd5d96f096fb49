"""Who put each value into an event, and why.

What our services add is found in their source (``python_source``, ``javascript_source``); what the
SDK adds is among its facts (``python_sdk``, ``node_sdk``), whose lines are looked up in the
installed SDK. So no line number is ever typed by hand. ``sender`` says to whose events that
applies.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from kit.provenance.node_sdk import ANR, MESSAGE, NODE
from kit.provenance.python_sdk import FASTAPI, PYTHON, TORNADO, Fact, Sdk
from kit.provenance.python_source import source
from kit.provenance.report import report_kind, report_origin
from kit.provenance.sender import Sender, sender
from kit.provenance.statements import Place, Site
from kit.reading.event import is_message
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
_NOT_KNOWN = "It is not known here who put this there."

# The place of statements that the event cannot tell apart.
NOWHERE = Place("", 0, "")

Event = Mapping[str, Any]
Keys = tuple[Key, ...]

_METHOD = "http.request.method"
_STATUS = "http.response.status_code"
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(-?\d+)\]|([^.\[\]"]+)')

# What an option means when it is set in our source.
_OPTIONS = {
    "release": "Which build crashed. Without it there is no crash-free rate and no first release.",
    "environment": "Where it crashed, so that an alert can exclude rehearsals.",
    "server_name": "Here the service. It is meant for the host, whose name is the default.",
    "dist": "Tells builds of one release apart.",
    "in_app_include": "Tells in-app frames from library frames; Sentry groups by in-app frames.",
}

_OURS = {
    "tag": "A tag: indexed, so that Sentry can search and count events by it. Stays on the "
    "scope for every later event of the request.",
    "context": "A context: structured details of the event. It is shown, not indexed, and the "
    "SDK filters nothing in it; our before_send does.",
    "extra": "Extra data: the older form of a context.",
    "user": "Who was affected. Sentry counts the users that an issue affects.",
    "fingerprint": "Overrides the grouping: events with the same fingerprint become one issue.",
    "level": "Says how bad it is; the SDK's default for an exception is error.",
    "transaction": "Names what was running when it happened.",
    "span": "The span that was open, named by the code that opened it.",
    "breadcrumb": "A breadcrumb: kept in memory, sent only when an error follows.",
    "log": "LoggingIntegration turned this log record into a breadcrumb: INFO and above.",
    "logged": "LoggingIntegration turned this log record into an event: ERROR and above.",
    "mechanism": "The hook that saw the error: no notebook code caught it.",
    "capture": "Captured by hand: the code continues, so the error counts as handled.",
    "field": "Our event processor overwrote what the SDK had put there, in the events of one "
    "request.",
    "flag": "The feature flags that were evaluated before the error, newest last. In Node.js the "
    "SDK has no working hook for OpenFeature, so ours reports each flag to it.",
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


def origin(event: Event, path: str) -> Origin:
    """Return who put the value at ``path``, a JMESPath such as ``tags."http.route"``."""
    return origin_at(event, keys(path))


def origin_at(event: Event, path: Sequence[Key], project: str = "") -> Origin:
    """Return who put the value at ``path``, given as its keys; ``UNKNOWN`` if that is not known.

    ``project`` is the name of the DSN's project; empty if unknown.
    """
    where, known = tuple(path), sender(event, project)
    if kind := report_kind(event):
        said = report_origin(kind, where)
        return Origin(*said) if said else Origin(UNKNOWN, _NOT_KNOWN)
    if is_death(event, project) and where != ("tags", "learner"):
        return _supervisor(event, where, known)
    found = (_ours(event, where) or _option(event, where)) if known.is_ours else None
    return found or _sdk(event, where, known) or _unknown(known)


def is_death(event: Event, project: str = "") -> bool:
    """Return whether our supervisor wrote the event, about a process that died."""
    return event.get("logger") == meanings.SUPERVISOR and sender(event, project).is_ours


def keys(path: str) -> Keys:
    """Return the names and indices in a JMESPath."""
    found = _KEY.finditer(path)
    return tuple(int(m[2]) if m[2] else m[1] if m[1] is not None else m[3] for m in found)


def _unknown(known: Sender) -> Origin:
    """Return what can be said if the origin is unknown; for other programs, that it is not ours."""
    if not known.name:
        why = f"The event does not say which SDK sent it, if one did. {_NOT_KNOWN}"
    elif known.sdk is None:
        why = f"Sent by {known}. {_NOT_KNOWN}"
    elif known.is_ours:
        why = "Neither our source nor what is known about the SDK names it."
    else:
        why = (
            f"Sent by {known}, by a program that is not one of our services. What is known about "
            "the SDK does not name it: the program itself may have put it there."
        )
    return Origin(UNKNOWN, why)


def sdk_place(module: str, statement: str) -> Place | None:
    """Return the line of the installed SDK that has ``statement``; None if there is none."""
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
    except ServerError:  # an event may be shown where its service cannot run
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
            return _span_site(event, get_path(event, path))
        case ("contexts", "flags", *_):
            return _best(event, "flag")
        case ("contexts", "trace" | "profile" | "response", *_):
            return None
        case ("contexts", "runtime", *_):
            return _best(event, "context", "runtime", exactly=True)
        case ("contexts", name, *_):
            return _best(event, "context", name, keys=as_mapping(get_path(event, path[:2])))
        case ("extra", name, *_) if name != "sys.argv":
            return _best(event, "extra", name)
        case ("user", name, *_) if name != "is_authenticated":
            return _best(event, "user")
        case ("fingerprint", *_):
            return _best(event, "fingerprint", values=as_list(event.get("fingerprint")))
        case ("release",) if event.get("release") != SERVICES[service(event)].release:
            return _best(event, "field", "release", exactly=True)
        case ("level",):
            return _level(event)
        case ("message",):
            return _matching_site(event, "capture", as_str(event.get("message")), None)
        case ("exception", "values", index, "mechanism", "type" | "handled"):
            mechanism = get_path(event, ("exception", "values", index, "mechanism", "type"))
            if mechanism == "generic":
                return _best(event, "capture")
            return _best(event, "mechanism", values=(mechanism,), exactly=True)
        case ("exception", "values", _, "mechanism"):
            kind = as_mapping(get_path(event, path)).get("type")
            return _best(event, "mechanism", values=(kind,), exactly=True)
        case ("transaction" | "transaction_info", *_) if _framework(event, is_ours=True) is None:
            names = _transaction_names(event)
            return _best(event, "span", values=names, exactly=True) or _best(
                event, "transaction", values=names, exactly=True
            )
    return None


def _transaction_names(event: Event) -> tuple[str, str]:
    """Return the name of the transaction, and its first word: the source may have only that."""
    name = as_str(event.get("transaction"))
    return name, name.partition(" ")[0] + " "


def _span_site(event: Event, value: Any) -> Site | None:
    """Return the statement that opened the span with this operation or description.

    If the first span of a service was open, the transaction has its name.
    """
    if not any(value == each for site in _sites_for(event, "span") for each in site.literals):
        return None
    return _best(event, "span", values=(value, *_transaction_names(event)), exactly=True)


def _level(event: Event) -> Site | None:
    level = event.get("level")
    site = _best(event, "level", values=(level,), exactly=level == "error")
    # error is the SDK's default, and that for Node.js also sets fatal: our own statement counts
    # only if the crash passed through it.
    is_default = level == "error" or is_javascript(event)
    return site if site and (not is_default or _nearness(event, site) > 1) else None


def _from_site(site: Site | None, kind: str, path: Keys) -> Origin | None:
    if site is None:
        return None
    known = (site.keys[key] for key in path[1:] if isinstance(key, str) and key in site.keys)
    why = meanings.OURS.get("/".join(map(str, path)), _OURS[kind])
    if site.place == NOWHERE:
        return Origin("our code", f"{why} Several statements do so, and the event fits them all.")
    return _origin_at_place("our code", why, next(known, site.place))


def _breadcrumb(event: Event, path: Keys) -> Origin | None:
    """Return who left a breadcrumb, in an event of our services; None for what the SDK added."""
    depth = len(crumbs_path(event)) + 1
    crumb, field = as_mapping(get_path(event, path[:depth])), path[depth:]
    if _is_filled_in(field, crumb):
        return None
    kind = "log" if crumb.get("type") == "log" else "breadcrumb"
    return _from_site(_crumb_site(event, crumb), kind, path)


def _is_filled_in(field: Keys, crumb: Mapping[str, Any]) -> bool:
    """Return whether the SDK added a field to a breadcrumb that came without it."""
    return field == ("timestamp",) or (field == ("type",) and crumb.get("type") == "default")


def _crumb_site(event: Event, crumb: Mapping[str, Any]) -> Site | None:
    """Return our statement that left a breadcrumb; None if the SDK left it."""
    kind, category = crumb.get("type"), as_str(crumb.get("category"))
    if not is_javascript(event):
        if kind == "log":
            return _log_site(event, crumb.get("message"))
        if category in ("query", "subprocess") or (kind == "http" and category == "httplib"):
            return None
    return _matching_site(event, "breadcrumb", as_str(crumb.get("message")), category)


def _crumb_fact(crumb: Mapping[str, Any], sdk: Sdk) -> Fact | None:
    """Return the fact about a breadcrumb that the SDK leaves by itself; None for another."""
    kind, category = crumb.get("type"), as_str(crumb.get("category"))
    if sdk is NODE:
        return sdk.crumbs.get(category)
    if kind == "log":
        return sdk.crumbs["log"]
    if kind == "http" and category == "httplib":
        return sdk.crumbs[_http_client(crumb)]
    if category == "query" and get_path(crumb, ("data", "db.driver.name")) == "pymongo":
        return sdk.crumbs["PyMongoIntegration"]
    return sdk.crumbs[category] if category in ("query", "subprocess") else None


def _http_client(crumb: Mapping[str, Any]) -> str:
    data = as_mapping(crumb.get("data"))
    # If spans are sent as they end, that of http.client names its data like their attributes.
    if _METHOD in data:
        return "StdlibIntegration"
    # Otherwise both integrations write the same keys; only httpx knows the status before the URL.
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
    keys: Iterable[str] = (),
    exactly: bool = False,
) -> Site | None:
    """Return the statement that most likely did it: by name, by values, nearest to the crash.

    ``exactly`` leaves out those whose name or values are computed at run time. ``keys`` are those
    of the dict that it set. If several still fit equally well, what else the event says about the
    functions that ran decides.
    """
    written = set(keys)

    def count_known(site: Site) -> int:
        return sum(isinstance(value, str) and value in site.literals for value in values)

    def count_keys(site: Site) -> int:
        return len(written & site.keys.keys()) - len(site.keys.keys() - written) if written else 0

    def rank(site: Site) -> tuple[bool, int, int, int]:
        return site.name == name, count_known(site), count_keys(site), _nearness(event, site)

    def fits(site: Site) -> bool:
        if exactly:
            return site.name == name and (count_known(site) > 0 or not values)
        return site.name in (name, None)

    fitting = [site for site in _sites_for(event, kind) if fits(site) and _can_run(event, site)]
    if len(fitting) < 2:
        return next(iter(fitting), None)
    ranks = [rank(site) for site in fitting]
    best = max(ranks)
    return _likeliest(
        event, [site for site, own in zip(fitting, ranks, strict=True) if own == best]
    )


def _likeliest(event: Event, sites: Sequence[Site]) -> Site:
    """Return the one whose function, or file, the event mentions most; NOWHERE if that is even."""
    if len(sites) == 1:
        return sites[0]
    seen = set(_seen_functions(event))
    files = {file for file, _ in seen}

    def rank(site: Site) -> tuple[bool, int, bool]:
        where = (site.place.file, site.function)
        return where in seen, -_count_absent(event, site), site.place.file in files

    best = max(map(rank, sites))
    found = [site for site in sites if rank(site) == best]
    is_one = len({site.place for site in found}) == 1
    return found[0] if is_one else replace(found[0], place=NOWHERE, keys={})


def _count_absent(event: Event, site: Site) -> int:
    """Return how many tags and contexts its function sets that the event does not have."""
    sets = {"tag": as_mapping(event.get("tags")), "context": as_mapping(event.get("contexts"))}
    return sum(
        each.name is not None and each.name not in there
        for kind, there in sets.items()
        for each in _sites(kind, site.is_javascript)
        if (each.place.file, each.function) == (site.place.file, site.function)
    )


def _seen_functions(event: Event) -> Iterator[tuple[str, str]]:
    """Yield functions that ran before the event: their files and names.

    They are on its stack, set its fingerprint or left a breadcrumb.
    """
    fingerprint = as_list(event.get("fingerprint"))
    for each in _sites_for(event, "fingerprint") if fingerprint else ():
        if all(isinstance(value, str) and value in each.literals for value in fingerprint):
            yield each.place.file, each.function
    for value in exceptions(event):
        for frame in as_mappings(get_path(value, ("stacktrace", "frames"))):
            name = as_str(frame.get("function")).rpartition(".")[2]
            yield short_path(as_str(frame.get("filename"))), name
    for crumb in as_mappings(get_path(event, crumbs_path(event))):
        if site := _crumb_site(event, crumb):
            yield site.place.file, site.function


def _sites_for(event: Event, kind: str) -> tuple[Site, ...]:
    return _sites(kind, is_javascript(event))


@cache
def _sites(kind: str, in_javascript: bool) -> tuple[Site, ...]:
    return tuple(
        site for site in source().sites if site.kind == kind and site.is_javascript is in_javascript
    )


def _can_run(event: Event, site: Site) -> bool:
    """Return whether the service can have run a statement: not one of another service."""
    _, *inner = site.place.file.split("/")
    return len(inner) < 2 or inner[0] == service(event).replace("-", "_")


def _nearness(event: Event, site: Site) -> int:
    """Return how near a statement is: 2 and more in a function of the stack, -1 elsewhere."""
    if not _can_run(event, site):
        return -1
    is_of_service = site.place.file.count("/") > 1
    return is_of_service + 2 * _is_on_stack(event, site)


def _is_on_stack(event: Event, site: Site) -> bool:
    return any(
        # V8 puts the class before the method.
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


def _sdk(event: Event, path: Keys, known: Sender) -> Origin | None:
    sdk = known.sdk
    if sdk is None:
        return None
    depth = len(crumbs_path(event)) + 1
    if path[:1] == ("breadcrumbs",) and len(path) >= depth:
        crumb = as_mapping(get_path(event, path[:depth]))
        if not _is_filled_in(path[depth:], crumb):
            fact = _crumb_fact(crumb, sdk)
            return _fact_origin(fact, known) if fact else None
    match path:
        case ("exception", "values", index, "mechanism", *rest) if rest in (
            [],
            ["type"],
            ["handled"],
        ) and not is_message(event):
            mechanism = get_path(event, ("exception", "values", index, "mechanism"))
            fact = _mechanism_fact(sdk, as_mapping(mechanism))
            return _fact_origin(fact, known) if fact else None
        case ("contexts", "trace", "op" | "description"):
            fact = sdk.spans.get(as_str(get_path(event, ("contexts", "trace", "origin"))))
        case ("contexts", "flags", *_):
            fact = _flag_fact(event, sdk, is_ours=known.is_ours)
        case ("level",):
            fact = sdk.levels.get(_mechanism(event))
            # error is the default: another level was set, and the event does not say where.
            if fact is None and event.get("level") != "error":
                return None
        case ("platform",) if sdk is PYTHON and event.get("platform") != "python":
            return None
        case ("contexts", "trace", name, *_) if not get_path(
            event, ("contexts", "trace", "origin")
        ):
            fact = sdk.without_span.get(name) if isinstance(name, str) else None
        case _:
            fact = None
    fact = fact or _general(sdk is NODE, path, _framework(event, is_ours=known.is_ours))
    return _fact_origin(fact, known) if fact else None


def _flag_fact(event: Event, sdk: Sdk, *, is_ours: bool) -> Fact | None:
    """Return the integration that recorded feature flags; None if nothing names one."""
    installed = as_list(get_path(event, ("sdk", "integrations")))
    # Our services add its hook themselves, and only before they evaluate a flag.
    return next((fact for name, fact in sdk.flags.items() if is_ours or name in installed), None)


def _mechanism_fact(sdk: Sdk, mechanism: Mapping[str, Any]) -> Fact | None:
    kind = as_str(mechanism.get("type"))
    handled = sdk.handled.get(kind) if mechanism.get("handled") is True else None
    return handled or sdk.mechanisms.get(kind)


def _mechanism(event: Event) -> str:
    """Return the type of the mechanism that captured the event."""
    return as_str(get_path(exceptions(event), (-1, "mechanism", "type")))


@lru_cache(maxsize=4096)
def _general(is_node: bool, path: Keys, framework: str | None) -> Fact | None:
    sdk: Sdk = NODE if is_node else PYTHON
    for fact in sdk.facts:
        if fact.framework in (None, framework) and _covers(fact.path.split("/"), path):
            return fact
    return None


def _covers(pattern: Sequence[str], path: Keys) -> bool:
    return len(pattern) <= len(path) and all(
        wanted in ("*", key) for wanted, key in zip(pattern, path, strict=False)
    )


def _framework(event: Event, *, is_ours: bool) -> str | None:
    """Return the web framework that served the request; None if the event has no request."""
    if is_javascript(event):
        return MESSAGE if is_message(event) else ANR if _mechanism(event) == "ANR" else None
    if "request" not in event:
        return None
    if is_ours:
        framework = SERVICES[service(event)].framework
        return framework if framework in (TORNADO, FASTAPI) else None
    return _framework_of_others(event)


def _framework_of_others(event: Event) -> str | None:
    """Return the framework that the mechanism or the open span names; None if neither does."""
    origin = as_str(get_path(event, ("contexts", "trace", "origin")))
    named = {_mechanism(event), origin.removeprefix("auto.http.")}
    if "tornado" in named:
        return TORNADO
    has_fastapi = "fastapi" in as_list(get_path(event, ("sdk", "integrations")))
    return FASTAPI if "starlette" in named and has_fastapi else None


# The supervisor


def _supervisor(event: Event, path: Keys, known: Sender) -> Origin:
    names = [key for key in path if isinstance(key, str)]
    above = ["/".join(names[:length]) for length in range(len(names), 0, -1)]
    why = next((meanings.DEATH[each] for each in above if each in meanings.DEATH), "")
    for site in _sites("event", False):
        place = next((site.keys[each] for each in above if each in site.keys), None)
        if place and not _adds(path):
            return _origin_at_place("the supervisor", why, place)
    found = _option(event, path) or _sdk(event, path, known)
    return replace(found, why=why or found.why) if found else _unknown(known)


def _adds(path: Keys) -> bool:
    """Return whether the SDK adds a value to those of the supervisor."""
    return path[:2] in (("contexts", "trace"), ("contexts", "profile"))


@lru_cache(maxsize=4096)
def _fact_origin(fact: Fact, known: Sender) -> Origin:
    who, why = fact.who, fact.why_in(known.major)
    if not known.is_installed:
        # In another version the line or the statement may differ.
        said = (
            f"Sent by {known}; {known.installed} is installed here, so no line is named, and the "
            "details may differ."
        )
        return Origin(who, f"{why} {said}")
    place = sdk_place(fact.module, fact.statement)
    return _origin_at_place(who, why, place) if place else Origin(who, why)


def _origin_at_place(who: str, why: str, place: Place) -> Origin:
    return Origin(who, why, place.file, place.line, place.code)
