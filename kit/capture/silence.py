"""Why nothing was captured: what arrived instead, what the SDK says, and what to check."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import sentry_sdk
from sentry_sdk.client import BaseClient

from kit.ingest.store import StoredItem
from kit.reading.client_reports import REASONS, count_telemetry
from kit.reading.event import headline
from kit.reading.items import item_noun
from kit.reading.payload import truncate
from kit.words import count_noun

MAX_EVENTS = 5
MAX_TITLE = 120


def has_reporting_client(dsn: str) -> bool:
    """Return whether the SDK in this process, as seen from here, sends to ``dsn``."""
    client = sentry_sdk.get_client()
    return client.is_active() and client.dsn == dsn


def describe_arrivals(items: Iterable[StoredItem]) -> str:
    """Return what arrived: error events by name, other items by type and number."""
    items = list(items)
    events = [truncate(headline(i.payload).title, MAX_TITLE) for i in items if i.type == "event"]
    others = Counter(item.type for item in items if item.type != "event")
    told = [f"the error event “{title}”" for title in events[:MAX_EVENTS]]
    if len(events) > MAX_EVENTS:
        told.append(f"{count_noun(len(events) - MAX_EVENTS, 'more error event')}")
    told += [count_noun(count, item_noun(kind)) for kind, count in sorted(others.items())]
    return ", ".join(told) or "nothing"


def explain_silence(
    project: str, dsn: str, arrived: Sequence[StoredItem], elsewhere: Sequence[StoredItem]
) -> Iterator[str]:
    """Yield what is known about why no error event came, then what else to check.

    ``arrived`` is what the project sent, ``elsewhere`` what others did meanwhile.
    """
    yield from _drops(arrived)
    yield from _other_projects(elsewhere)
    yield from _client_facts(sentry_sdk.get_client(), dsn)
    yield (
        f"If the program is a separate process: does it have this DSN of {project}, {dsn}? Did it "
        "call sentry_sdk.flush() before it was killed? Do sample_rate and before_send let the "
        "event through?"
    )
    yield (
        "Was the error reported at all? An error that your code caught is not, unless it calls "
        "capture_exception(); nor is one that the framework turned into a response below 500."
    )


def _drops(arrived: Iterable[StoredItem]) -> Iterator[str]:
    for telemetry in count_telemetry(arrived).values():
        for reason, count in telemetry.reasons().items():
            meaning = REASONS.get(reason, "a reason that is not documented here")
            yield f"The SDK reports that it dropped {count_noun(count, 'error')}: {meaning}."


def _other_projects(elsewhere: Iterable[StoredItem]) -> Iterator[str]:
    events = Counter(item.project for item in elsewhere if item.type == "event")
    for project, count in events.items():
        yield (
            f"Meanwhile {count_noun(count, 'error event')} arrived in the project {project}: does "
            "the program have another DSN?"
        )


def _client_facts(client: BaseClient, dsn: str) -> Iterator[str]:
    if not client.is_active():
        yield (
            "No Sentry client is active in this process: sentry_sdk.init() was not called, or only "
            "in an earlier test."
        )
    elif client.dsn != dsn:
        sends = "has no DSN" if client.dsn is None else "sends elsewhere"
        yield f"The Sentry client of this process {sends}. Pass this DSN to init(): {dsn}"
    else:
        yield "The Sentry client of this process has this DSN, and was flushed."
        yield from _option_facts(client)


def _option_facts(client: BaseClient) -> Iterator[str]:
    rate = client.options.get("sample_rate")
    if isinstance(rate, int | float) and rate < 1:
        yield f"Its sample_rate is {rate:g}: the other errors are dropped."
    if client.options.get("before_send") is not None:
        yield "It has a before_send: an event for which it returns None is dropped."
