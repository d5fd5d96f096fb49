"""The switches of the context laboratory: SDK options, and your own code."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sentry_sdk

from demo_services.game_engine.desk import Order

OPTIONS = "https://docs.sentry.io/platforms/python/configuration/options/"
DATA_COLLECTION = f"{OPTIONS}#data_collection"
ENRICHING = "https://docs.sentry.io/platforms/python/enriching-events/"

Payload = dict[str, Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Switch:
    """One setting that changes the content of an event.

    ``choices`` are its values, the default first. A switch that is ``collected`` is a field of the
    option ``data_collection``; if one of its choices is a dict, any other dict with a mode and
    terms is a value, too. A switch with ``code`` is not an SDK option: True runs that function for
    every request. ``takes_code`` says that your own function is also a value.
    """

    name: str
    choices: tuple[Any, ...]
    what: str
    docs: str
    code: Callable[[Order], None] | None = None
    takes_code: bool = False
    collected: bool = False

    @property
    def default(self) -> Any:
        """The value when nothing is set."""
        return self.choices[0]

    @property
    def takes_terms(self) -> bool:
        """Whether a dict with a mode and terms is a value."""
        return self.collected and any(isinstance(each, dict) for each in self.choices)

    @property
    def source(self) -> str:
        """The code that True runs; for a switch between functions, all of them."""
        functions = (self.code, *self.choices) if self.takes_code else ()
        return "\n\n".join(inspect.getsource(each) for each in functions if callable(each))

    def check(self, value: Any) -> None:
        """Raise ValueError when ``value`` is not a valid choice."""
        # Compare types as well: 1 == True, and 1.0 == 1.
        if any(value == each and type(value) is type(each) for each in self.choices):
            return
        # The SDK itself raises ValueError for an unknown mode.
        if self.takes_terms and isinstance(value, dict):
            return
        if not (self.takes_code and callable(value)):
            known = [*map(as_code, self.choices), *["a function"] * self.takes_code]
            raise ValueError(f"{self.name} must be one of {', '.join(known)}, not {value!r}.")


def as_code(value: Any) -> str:
    """Return a value as written in code."""
    return getattr(value, "__name__", "a function") if callable(value) else repr(value)


def set_user(order: Order) -> None:
    """Set who was hit."""
    sentry_sdk.set_user({"id": f"player-{order.player}", "username": order.player})


def set_tags(order: Order) -> None:
    """Set what to search and count by: few values each."""
    sentry_sdk.set_tag("player.tier", order.tier)
    sentry_sdk.set_tag("table", str(order.table))


def set_contexts(order: Order) -> None:
    """Set what was going on, for the reader of the event."""
    sentry_sdk.set_context(
        "order",
        {
            "order_id": order.order_id,
            "bet": order.bet,
            "reels": order.reels,
            "side_bets": order.side_bets,
            "at_stake": sum(order.side_bets.values()),
        },
    )


def set_fingerprint(order: Order) -> None:
    """Set what Sentry groups by, instead of the stack."""
    sentry_sdk.get_isolation_scope().fingerprint = ["desk", "side-bets"]


CARD_NUMBER = re.compile(r"\b\d{4}(?:[ -]?\d{4}){3}\b")


def redact_card(event: Payload, hint: dict[str, Any]) -> Payload:
    """Replace everything that looks like a card number, wherever it is."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return CARD_NUMBER.sub("[card]", value)
        if isinstance(value, Mapping):
            return {key: clean(each) for key, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list | tuple) else value

    return {key: clean(value) for key, value in event.items()}


def drop_event(event: Payload, hint: dict[str, Any]) -> None:
    """Send nothing at all."""


DENYLIST, OFF = {"mode": "denylist"}, {"mode": "off"}

SWITCHES = {
    switch.name: switch
    for switch in (
        Switch(
            "stack_frame_variables",
            (True, False, {"mode": "denylist", "terms": ["order"]}),
            "The local variables of every function on the stack; with a mode they are filtered by "
            "name.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "frame_context_lines",
            (5, 0, 1),
            "How many source lines are sent before and after each line of the stack.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "add_full_stack",
            (False, True),
            "Whether the stack continues above the function that caught the error. With no source "
            "lines the SDK loses the event.",
            f"{OPTIONS}#add_full_stack",
        ),
        Switch(
            "max_breadcrumbs",
            (100, 2, 0),
            "How many of the latest breadcrumbs are kept.",
            f"{OPTIONS}#max_breadcrumbs",
        ),
        Switch(
            "max_request_body_size",
            ("medium", "small", "never", "always"),
            "The maximum size of an attached request body: small is 1 kB, medium 10 kB.",
            f"{OPTIONS}#max_request_body_size",
        ),
        Switch(
            "http_bodies",
            (["incoming_request", "outgoing_request", "outgoing_response"], []),
            "Which bodies are sent: those of incoming and of outgoing requests.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "user_info",
            (True, False),
            "Data about the caller that the SDK finds: the address and, on spans, the user.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "cookies",
            (DENYLIST, OFF, {"mode": "allowlist", "terms": ["lang"]}),
            "The cookies of the request, filtered by name.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "http_headers",
            (
                {"request": DENYLIST},
                {"request": OFF},
                {"request": {"mode": "denylist", "terms": ["forwarded", "-ip"]}},
            ),
            "The headers of the request, filtered by name.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "url_query_params",
            (DENYLIST, OFF, {"mode": "denylist", "terms": ["page"]}),
            "The query of the URL, filtered by parameter name.",
            DATA_COLLECTION,
            collected=True,
        ),
        Switch(
            "sample_rate",
            (1.0, 0.0),
            "The share of error events that are sent.",
            f"{OPTIONS}#sample_rate",
        ),
        Switch(
            "traces_sample_rate",
            (None, 1.0, 0.0),
            "The share of requests whose spans are sent; None turns tracing off.",
            f"{OPTIONS}#traces_sample_rate",
        ),
        Switch(
            "before_send",
            (None, redact_card, drop_event),
            "A function that sees each error event last: it may change or drop it.",
            f"{OPTIONS}#before_send",
            takes_code=True,
        ),
        Switch(
            "user",
            (False, True),
            "Our code: who was hit.",
            f"{ENRICHING}identify-user/",
            code=set_user,
            takes_code=True,
        ),
        Switch(
            "tags",
            (False, True),
            "Our code: what to search and count by.",
            f"{ENRICHING}tags/",
            code=set_tags,
            takes_code=True,
        ),
        Switch(
            "contexts",
            (False, True),
            "Our code: what was going on.",
            f"{ENRICHING}context/",
            code=set_contexts,
            takes_code=True,
        ),
        Switch(
            "fingerprint",
            (False, True),
            "Our code: what Sentry groups by.",
            "https://docs.sentry.io/platforms/python/usage/sdk-fingerprinting/",
            code=set_fingerprint,
            takes_code=True,
        ),
    )
}


def complete(settings: Settings) -> dict[str, Any]:
    """Return a value for every switch. Raises ValueError for an unknown name or value."""
    for name, value in settings.items():
        if name not in SWITCHES:
            raise ValueError(f"There is no switch {name!r}; there are: {', '.join(SWITCHES)}.")
        SWITCHES[name].check(value)
    return {name: settings.get(name, switch.default) for name, switch in SWITCHES.items()}


def options(settings: Settings) -> dict[str, Any]:
    """Return the options to pass to the SDK: those that are not at their default.

    ``data_collection`` is always among them: without it version 2 uses different defaults.
    """
    chosen = {
        name: value
        for name, value in settings.items()
        if not SWITCHES[name].code and value != SWITCHES[name].default
    }
    fields = {name: value for name, value in chosen.items() if SWITCHES[name].collected}
    plain = {name: value for name, value in chosen.items() if name not in fields}
    return {**plain, "data_collection": fields}


def describe(settings: Settings) -> Callable[[Order], None]:
    """Return a function that runs the code of all switches that are on."""
    chosen = [(SWITCHES[name], value) for name, value in settings.items() if SWITCHES[name].code]
    codes = [value if callable(value) else switch.code for switch, value in chosen if value]

    def run(order: Order) -> None:
        for code in codes:
            assert code is not None
            code(order)

    return run
