"""Events in every form that the protocol documents, with a mark of its own in each place.

https://develop.sentry.dev/sdk/event-payloads/ lists the forms; those of older SDKs have names that
begin with sentry.interfaces.
"""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

TRACE = "ab" * 16
HUGE = int("9" * 400)
TIMES: list[Any] = [
    *("2026-11-21T23:52:16.711000Z", "2026-11-21T23:52:16+02:00", "2026-11-21 23:52:16"),
    *(1_795_305_136.5, 1_795_305_136, "1795305136.5"),
    *(None, 0, -1, 0.0, 253_402_300_799, 1_795_305_136_000, "9999-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00Z", "yesterday", "", True, HUGE, float("nan"), float("inf"), [], {}),
]
NUMBERS: list[Any] = [None, 0, -1, 7, 7.5, "7", True, HUGE, -HUGE, float("nan"), float("inf")]
LEVELS: list[Any] = [None, "fatal", "error", "warning", "info", "debug", "sample", "", 40, []]

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Sample:
    """An event, and what it is called."""

    def __init__(self, draw: Draw) -> None:
        self.event: dict[str, Any] = {}
        self.title = ""
        self._draw = draw
        self._made: list[str] = []

    def mark(self, place: str) -> str:
        """Return a text that is nowhere else."""
        self._made.append(f"{place}~{len(self._made)}~")
        return self._made[-1]

    @property
    def marks(self) -> list[str]:
        """The marks that are in the event: not every form that was thought of was taken."""
        text = json.dumps(self.event)
        return [mark for mark in self._made if mark in text]

    def one_of(self, *forms: Any) -> Any:
        """Return one of several forms."""
        return self._draw(st.sampled_from(forms))

    def maybe(self) -> bool:
        """Return whether an optional part is there."""
        return bool(self._draw(st.booleans()))


@st.composite
def samples(draw: Draw) -> Sample:
    """Draw an event with parts in any of their forms."""
    sample = Sample(draw)
    for part in (_head, _message, _exception, _threads, _breadcrumbs, _tables, _request, _rest):
        part(sample)
    return sample


def _head(sample: Sample) -> None:
    event = sample.event
    event["event_id"] = sample.mark("event_id")
    event["timestamp"] = sample.one_of(*TIMES)
    event["level"] = sample.one_of(*LEVELS)
    event["platform"] = sample.one_of("python", "node", "java", "native", sample.mark("platform"))
    for name in ("release", "environment", "dist", "server_name", "transaction"):
        if sample.maybe():
            event[name] = sample.mark(name)


def _message(sample: Sample) -> None:
    form = sample.one_of("none", "text", "message", "formatted", "params", "legacy", "empty")
    text = sample.mark("message") if form not in ("none", "empty") else ""
    entry = {"message": "%s failed", "params": [text]} if form == "params" else {"formatted": text}
    match form:
        case "text":
            sample.event["message"] = text
        case "message" | "params":
            sample.event["message"] = entry
        case "formatted":
            sample.event["logentry"] = {**entry, "message": sample.mark("template")}
        case "legacy":
            sample.event["sentry.interfaces.Message"] = entry
        case "empty":
            sample.event |= {"logentry": None, "message": sample.one_of(None, "", {}, [])}
    if form == "text" and sample.maybe():
        sample.event["logger"] = sample.mark("logger")
    sample.title = f"{text} failed" if form == "params" else text or "Event without a message"


def _exception(sample: Sample) -> None:
    form = sample.one_of("none", "values", "list", "single", "legacy", "nulls", "empty")
    if form in ("none", "empty"):
        sample.event |= {"exception": sample.one_of(None, {}, [], {"values": None})}
        return
    kind = sample.mark("type")
    raised = {"type": kind, "value": sample.mark("value"), **_stack(sample)}
    raised["module"] = sample.one_of(None, sample.mark("module"))
    raised["mechanism"] = sample.one_of(None, {}, {"type": None, "handled": None}, {"type": "x"})
    cause = {"type": sample.mark("cause"), "module": None, "stacktrace": None}
    match form:
        case "values":
            sample.event["exception"] = {"values": [cause, raised]}
        case "list":
            sample.event["exception"] = [cause, raised]
        case "single":
            sample.event["exception"] = raised
        case "legacy":
            sample.event["sentry.interfaces.Exception"] = [cause, raised]
        case "nulls":
            sample.event["exception"] = {"values": [None, cause, raised, None]}
    sample.title = kind


def _stack(sample: Sample) -> dict[str, Any]:
    frames = [None, *(_frame(sample) for _ in range(sample.one_of(1, 2)))]
    name = sample.one_of("stacktrace", "sentry.interfaces.Stacktrace")
    return {name: {"frames": frames}}


def _frame(sample: Sample) -> dict[str, Any]:
    name = sample.one_of("filename", "abs_path", "module", "package", "instruction_addr")
    frame = {name: sample.mark(name), "lineno": sample.one_of(*NUMBERS)}
    if name == "package":
        frame["instruction_addr"] = sample.mark("address")
    if sample.maybe():
        frame["colno"] = sample.one_of(*NUMBERS)
    if sample.maybe():
        frame[sample.one_of("function", "raw_function", "symbol")] = sample.mark("function")
    if sample.maybe():
        frame["context_line"] = sample.mark("code")
        frame["pre_context"] = sample.one_of(None, [], ["before"], "before")
    # What is not in-app is folded, without its variables.
    frame["in_app"] = sample.one_of(None, True)
    if frame["in_app"]:
        value = sample.mark("variable")
        frame["vars"] = sample.one_of({"name": value}, [value], [["name", value]], value)
    return frame


def _threads(sample: Sample) -> None:
    form = sample.one_of("none", "values", "list", "legacy", "stacktrace", "empty")
    name = sample.mark("thread") if form in ("values", "list", "legacy") else ""
    thread = {"id": sample.one_of(1, "1", None), "name": name, "crashed": sample.one_of(True, None)}
    match form:
        case "values":
            sample.event["threads"] = {"values": [{**thread, **_stack(sample)}, None]}
        case "list":
            sample.event["threads"] = [{**thread, "state": sample.mark("state")}]
        case "legacy":
            sample.event["sentry.interfaces.Threads"] = {"values": [{**thread, **_stack(sample)}]}
        case "stacktrace":
            sample.event |= _stack(sample)
        case "empty":
            sample.event["threads"] = sample.one_of(None, [], {"values": []})


def _breadcrumbs(sample: Sample) -> None:
    form = sample.one_of("none", "values", "list", "single", "legacy", "nulls")
    if form == "none":
        return
    crumb = {
        sample.one_of("category", "type"): sample.mark("category"),
        "message": sample.mark("crumb"),
        "level": sample.one_of(*LEVELS),
        "timestamp": sample.one_of(*TIMES),
        "data": sample.one_of(None, {}, {"key": sample.mark("data")}),
    }
    match form:
        case "values":
            sample.event["breadcrumbs"] = {"values": [crumb]}
        case "list":
            sample.event["breadcrumbs"] = [crumb]
        case "single":
            sample.event["breadcrumbs"] = crumb
        case "legacy":
            sample.event["sentry.interfaces.Breadcrumbs"] = {"values": [crumb]}
        case "nulls":
            sample.event["breadcrumbs"] = [None, crumb, None]


def _tables(sample: Sample) -> None:
    sample.event["tags"] = _pairs(sample, "tag", ("key", "value"))
    sample.event["modules"] = _pairs(sample, "module", ("name", "version"))
    sample.event["extra"] = {sample.mark("extra"): sample.mark("more"), "null": None}
    names = ("id", "email", "username", "ip_address", "name", "segment")
    user = {name: sample.mark(name) for name in names if sample.maybe()}
    user |= {"geo": {"city": sample.mark("city")}, "data": {"plan": sample.mark("plan")}}
    sample.event[sample.one_of("user", "sentry.interfaces.User")] = user
    device = {"memory_size": sample.one_of(*NUMBERS), "name": sample.mark("device"), "x": None}
    contexts = {"device": device, "trace": {"trace_id": TRACE, "op": sample.mark("op")}}
    contexts |= {"gone": None, "empty": {}, sample.mark("context"): "text"}
    sample.event[sample.one_of("contexts", "sentry.interfaces.Contexts")] = contexts


def _pairs(sample: Sample, place: str, keys: tuple[str, str]) -> Any:
    """Return names and values as a mapping, as pairs, or as entries."""
    pairs = [(sample.mark(place), sample.mark(place)) for _ in range(sample.one_of(1, 2))]
    return sample.one_of(
        dict(pairs),
        [list(pair) for pair in pairs],
        [dict(zip(keys, p, strict=True)) for p in pairs],
    )


def _request(sample: Sample) -> None:
    if not sample.maybe():
        return
    request = {name: sample.mark(name) for name in ("method", "url", "fragment") if sample.maybe()}
    for name in ("headers", "cookies", "query_string", "env"):
        if sample.maybe():
            request[name] = _pairs(sample, name, ("key", "value"))
    body = sample.mark("body")
    request |= sample.one_of(
        {}, {"data": None}, *({"data": e} for e in ({"a": body}, [body], body))
    )
    sample.event[sample.one_of("request", "sentry.interfaces.Http")] = request


def _rest(sample: Sample) -> None:
    wish = sample.mark("fingerprint")
    sample.event["fingerprint"] = sample.one_of([wish, None, 7], ["{{ default }}", wish], wish)
    sample.event["sdk"] = {"name": sample.mark("sdk"), "integrations": [sample.mark("sdk")]}
    sample.event["errors"] = [{"type": sample.mark("error"), "name": "tags"}]
    sample.event["debug_meta"] = {"images": [{"code_file": sample.mark("image")}, None]}
    sample.event["_meta"] = sample.one_of(None, {}, {"tags": {"": {"err": ["invalid_data"]}}})
