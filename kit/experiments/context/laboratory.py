"""Fires the same crash with different settings, and finds which setting did what."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from typing import Any

import httpx
import sentry_sdk
from IPython.display import display
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import HttpTransport

from demo_services.game_engine import desk
from demo_services.game_engine.app import MAX_BODY_BYTES
from demo_services.services import GAME_ENGINE
from kit.experiments.context import switches
from kit.experiments.context.switches import SWITCHES, Settings
from kit.experiments.context.widget import LaboratoryWidget
from kit.hosting.server import Server, serve_tornado
from kit.html import render
from kit.ingest.envelope import parse
from kit.outcome import Event
from kit.reading.payload import format_bytes
from kit.system.clients import open_client, sentry_off, use_client
from kit.views.difference import Difference, fields, jmespath_of

SEND_DEADLINE_S = 30.0
# From the range reserved for documentation.
CALLER = "203.0.113.7"

ORDER: dict[str, Any] = {
    "order_id": "o-4711",
    "player": "ada",
    "tier": "vip",
    "table": 7,
    "bet": 10,
    "reels": ["cherry", "cherry", "bell"],
    "side_bets": {"two-of-a-kind": 5, "three-of-a-kind": 1, "first-is-cherry": 2},
    # A test number, not a real card.
    "card_number": "4000 0000 0000 0002",
    # Makes the body larger than max_request_body_size="small" allows.
    "note": "Please pay at the table. " * 40,
}

# The SDK filters some of these by name, and not others.
QUERY = {"page": "2", "session": "0ddba11"}
COOKIE = "theme=dark; lang=en; sessionid=0ddba11"

ShotKey = tuple[Any, ...]
OnShot = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Shot:
    """What one crash sent; ``event`` is None when no error event was sent.

    ``sizes`` are the bytes sent, by item type, before compression.
    """

    settings: Mapping[str, Any]
    event: Event | None
    sizes: Mapping[str, int]
    trace_id: str

    @property
    def bytes(self) -> int:
        """The total size of everything sent, in bytes."""
        return sum(self.sizes.values())

    @property
    def weight(self) -> str:
        """What was sent and how large it was, as text."""
        return (
            ", ".join(f"{kind} {format_bytes(bytes_)}" for kind, bytes_ in self.sizes.items())
            or "–"
        )

    def __repr__(self) -> str:
        return f"<Shot: {self.weight}>"


@dataclass(frozen=True)
class Effect:
    """What one switch alone changes: in A, and in B when it is reset there."""

    switch: str
    a: Any
    b: Any
    shot: Shot
    difference: Difference
    touched: frozenset[str]

    @property
    def before_and_after(self) -> tuple[str, str]:
        """Its values, as code."""
        return switches.as_code(self.a), switches.as_code(self.b)


@dataclass(frozen=True)
class Comparison:
    """The same crash with two settings; ``effects`` has each switch that differs."""

    a: Shot
    b: Shot
    effects: Mapping[str, Effect]
    varying: frozenset[str]

    @cached_property
    def difference(self) -> Difference:
        """The difference between the two events, apart from what differs on every run."""
        return Difference(
            self.a.event, self.b.event, varying=self.varying, caused_by=self.caused_by
        )

    @property
    def added(self) -> list[str]:
        """The paths that only the event of B has."""
        return self.difference.added

    @property
    def removed(self) -> list[str]:
        """The paths that only the event of A has."""
        return self.difference.removed

    @property
    def changed(self) -> list[str]:
        """The paths at which the events have different values."""
        return self.difference.changed

    def caused_by(self, path: str) -> tuple[str, ...]:
        """Return the switches that make a difference at ``path``, inside it or around it.

        Each was fired alone: set as in B with everything else as in A, and the other way round.
        """
        return tuple(
            name
            for name, effect in self.effects.items()
            if any(is_related(touched, path) for touched in effect.touched)
        )

    @property
    def lost_by(self) -> tuple[str, ...]:
        """The switches that made only one of the two send an event."""
        if (self.a.event is None) == (self.b.event is None):
            return ()
        return self.caused_by("event_id")

    def _repr_html_(self) -> str:
        return render("laboratory_result.html", comparison=self) + self.difference._repr_html_()

    def __repr__(self) -> str:
        return f"<Comparison: {self.difference.summary}; {self.a.bytes} and {self.b.bytes} bytes>"


def is_related(path: str, other: str) -> bool:
    """Return whether two paths are the same, or one is inside the other."""
    outer, inner = sorted((path, other), key=len)
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


class Laboratory:
    """Fires the crash on a real server, with a separate Sentry client that sends to ``dsn``.

    ``learner`` is the name in all events, if any. In a notebook it is a widget: two
    columns of switches, and a button that fires both.
    """

    def __init__(self, dsn: str, http: httpx.Client, learner: str | None = None) -> None:
        self._dsn = dsn
        self._http = http
        self._learner = learner

    @cached_property
    def widget(self) -> LaboratoryWidget:
        """The switches and the button."""
        return LaboratoryWidget(self.compare)

    def _ipython_display_(self) -> None:
        display(self.widget)

    def __repr__(self) -> str:
        return f"<Laboratory with {len(SWITCHES)} switches>"

    def fire(self, settings: Settings | None = None, /, **order: Any) -> Shot:
        """Try to settle an order, which fails, and return what was sent.

        ``settings`` maps names of switches to values; ``order`` replaces fields of the order.
        Raises ValueError for an unknown switch or value. If a function in the settings fails,
        raises its exception, with a note on whether an event was still sent.
        """
        chosen = switches.complete(settings or {})
        failures: list[Exception] = []
        watched = {name: _watch(value, failures) for name, value in chosen.items()}
        sent: list[Envelope] = []
        client = _client(self._dsn, switches.options(watched), sent)
        trace_id = secrets.token_hex(16)
        try:
            self._settle(client, switches.describe(watched), {**ORDER, **order}, trace_id)
        finally:
            client.close(timeout=SEND_DEADLINE_S)
        shot = _make_shot(chosen, sent, trace_id)
        for failure in failures:
            failure.add_note(f"{'No' if shot.event is None else 'An'} error event was sent.")
            raise failure
        return shot

    def compare(
        self, a: Settings, b: Settings, *, on_shot: OnShot = lambda done, all, what: None
    ) -> Comparison:
        """Fire the same crash with the settings ``a`` and ``b``, and find which switch did what.

        Each is fired twice, to find out what differs on every run; then each switch that differs is
        fired alone. ``on_shot`` receives how many shots are done, the total, and the next one.
        Raises like ``fire``.
        """
        a, b = switches.complete(a), switches.complete(b)
        names = [name for name in SWITCHES if a[name] is not b[name] and a[name] != b[name]]
        plan = _plan(a, b, names)
        shots: dict[ShotKey, Shot] = {}
        varying: set[str] = set()
        for done, (settings, what) in enumerate(plan):
            on_shot(done, len(plan), what)
            key, shot = _key(settings), self.fire(settings)
            if key in shots:
                varying.update(Difference(shots[key].event, shot.event).paths)
            shots[key] = shot
        on_shot(len(plan), len(plan), "done")
        effects = {name: _effect(name, a, b, shots, frozenset(varying)) for name in names}
        return Comparison(shots[_key(a)], shots[_key(b)], effects, frozenset(varying))

    def _settle(
        self,
        client: sentry_sdk.Client,
        describe: desk.Describe,
        order: Mapping[str, Any],
        trace_id: str,
    ) -> None:
        serve = serve_tornado(partial(desk.make_app, describe), MAX_BODY_BYTES)
        server = Server(GAME_ENGINE.name, serve, context=partial(use_client, client, self._learner))
        server.launch().wait()
        headers = {
            # Without the sampling flag: the settings decide whether to trace.
            "sentry-trace": f"{trace_id}-{secrets.token_hex(8)}",
            "Host": "desk.example",
            "Cookie": COOKIE,
            "X-Forwarded-For": CALLER,
        }
        try:
            with sentry_off():
                self._http.post(server.url + desk.ROUTE, params=QUERY, json=order, headers=headers)
        finally:
            # Waits for the loop, and so for the spans, which are sent after the response.
            server.stop()


def _plan(a: Settings, b: Settings, names: list[str]) -> list[tuple[Settings, str]]:
    """Return the shots to fire: A and B twice, and each switch alone in both."""
    alone = [({**a, name: b[name]}, f"A with {name} from B") for name in names]
    alone += [({**b, name: a[name]}, f"B with {name} from A") for name in names]
    ends = [(a, "A"), (b, "B")]
    # Of identical settings, the last one names the shot.
    others = {_key(settings): (settings, what) for settings, what in alone}
    return [*ends, *ends, *(each for key, each in others.items() if key not in map(_key, (a, b)))]


def _key(settings: Settings) -> ShotKey:
    """Return a hashable key for settings: a value may be a list or a dict."""
    return tuple(each if callable(each) else repr(each) for each in settings.values())


def _effect(
    name: str, a: Settings, b: Settings, shots: Mapping[ShotKey, Shot], varying: frozenset[str]
) -> Effect:
    def between(one: Settings, other: Settings) -> Difference:
        return Difference(shots[_key(one)].event, shots[_key(other)].event, varying=varying)

    alone = {**a, name: b[name]}
    forward, backward = between(a, alone), between({**b, name: a[name]}, b)
    touched = frozenset({*forward.paths, *backward.paths}) | _presence(forward, backward)
    return Effect(name, a[name], b[name], shots[_key(alone)], forward, touched)


def _presence(*differences: Difference) -> frozenset[str]:
    """Return all paths of an event that only one side sent, including those that vary."""
    lost = (each for each in differences if (each.one is None) != (each.other is None))
    return frozenset(jmespath_of(path) for each in lost for path in fields(each.one or each.other))


def _watch(value: Any, failures: list[Exception]) -> Any:
    """Return ``value``; if it is a function, wrapped so that its exceptions are recorded.

    The SDK silently drops an event when ``before_send`` fails.
    """
    if not callable(value):
        return value

    @wraps(value)
    def watch_call(*given: Any) -> Any:
        try:
            return value(*given)
        except Exception as error:
            failures.append(error)
            raise

    return watch_call


def _client(dsn: str, options: Mapping[str, Any], sent: list[Envelope]) -> sentry_sdk.Client:
    class Weighed(HttpTransport):
        """Sends as usual, and records what is sent."""

        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope)
            super().capture_envelope(envelope)

    return open_client(
        dsn=dsn,
        transport=Weighed,
        release=GAME_ENGINE.release,
        server_name=GAME_ENGINE.name,
        environment="laboratory",
        # As in the services.
        trace_lifecycle="stream",
        in_app_include=["demo_services", "__main__"],
        **options,
    )


def _make_shot(settings: Settings, sent: list[Envelope], trace_id: str) -> Shot:
    items = [item for envelope in sent for item in parse(envelope.serialize()).items]
    kept = [item for item in items if item.type in ("event", "span")]
    event = next((Event(item.payload) for item in kept if item.type == "event"), None)
    return Shot(settings, event, {item.type: item.length for item in kept}, trace_id)
