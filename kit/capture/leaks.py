"""Finds where a secret is in what was sent, in any of the usual encodings."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from kit.ingest.envelope import BadEnvelope, Item, TooLarge, parse, parse_item
from kit.reading.items import item_noun
from kit.reading.payload import as_text, escape_bidi, get_path, leaves, truncate
from kit.views.difference import jmespath_of

# Shorter text occurs by chance.
MIN_ENCODED = 8
SHOWN_CHARACTERS = 4

_PLAIN = "as plain text"


class Leak(NamedTuple):
    """Where a secret is: the item, the path in it, and the encoding."""

    item: str
    path: str
    encoding: str

    def __str__(self) -> str:
        return f"{self.item} at {self.path}, {self.encoding}"


def masked(secret: str) -> str:
    """Return a secret shortened, so that it may be logged."""
    shown = secret[:SHOWN_CHARACTERS] if len(secret) > 2 * SHOWN_CHARACTERS else ""
    return f"“{shown}…” ({len(secret)} characters)"


def find_leaks(bodies: Iterable[bytes], secret: str) -> list[Leak]:
    """Return each place of a secret in envelopes, once. Raises ValueError for an empty secret.

    All bytes are searched, whatever the item types; the path is found afterwards.
    """
    forms = secret_forms(secret)
    found = (leak for body in bodies for leak in _leaks_of(body, forms))
    return list(dict.fromkeys(found))


def secret_forms(secret: str) -> dict[str, str]:
    """Return all encoded forms of a secret, with the name of the encoding; itself first."""
    if not secret.strip():
        raise ValueError("An empty text is in everything: pass the secret that was planted.")
    forms = {secret: _PLAIN}
    for encoding, text in _encoded(secret):
        forms.setdefault(text, encoding)
    return forms


def _encoded(secret: str) -> Iterator[tuple[str, str]]:
    bare = re.sub(r"[\s-]", "", secret)
    if len(bare) >= MIN_ENCODED:
        yield "without spaces and hyphens", bare
        yield "with hyphens for spaces", secret.replace(" ", "-")
    for once in _in_json(secret):
        yield "JSON-escaped", once
        # JSON text within JSON, such as a body that was kept as text.
        yield from (("JSON-escaped twice", twice) for twice in _in_json(once))
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield "URL-encoded", quoted
        yield "URL-encoded", re.sub(r"%..", lambda found: found[0].lower(), quoted)
    yield "HTML-escaped", html.escape(secret)
    for text in _in_base64(secret.encode()):
        if len(text) >= MIN_ENCODED:
            yield "in base64", text


def _in_json(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what is the same whatever comes before and after, such as ``user:`` and a password."""
    for before in range(3):
        start, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + secret).decode()[start:end]


def _leaks_of(body: bytes, forms: Mapping[str, str]) -> Iterator[Leak]:
    if not any(form.encode(errors="replace") in body for form in forms):
        return
    found = list(_leaks_in_items(body, forms))
    yield from found or [Leak("an envelope", "its headers", _encoding(body, forms))]


def _leaks_in_items(body: bytes, forms: Mapping[str, str]) -> Iterator[Leak]:
    try:
        items = parse(body).items
    except (BadEnvelope, TooLarge):
        items = ()
    for item in items:
        headers, payload = parse_item(item.data)
        name = _name(item)
        if isinstance(payload, bytes):
            if encoding := _encoding(payload, forms):
                yield Leak(name, "its content", encoding)
        else:
            yield from _leaks_in_value(name, payload, forms)
        yield from _leaks_in_value(f"the header of {name}", headers, forms)


def _leaks_in_value(name: str, value: Any, forms: Mapping[str, str]) -> Iterator[Leak]:
    for path in leaves(value):
        # The keys, too: a value that became a key is as readable there.
        text = f"{as_text(get_path(value, path))}\n{' '.join(map(str, path))}"
        for form, encoding in forms.items():
            if form in text:
                where = escape_bidi(truncate(jmespath_of(path), 200))
                yield Leak(name, where or "its content", encoding)
                break


def _encoding(content: bytes, forms: Mapping[str, str]) -> str:
    found = (name for form, name in forms.items() if form.encode(errors="replace") in content)
    return next(found, "")


def _name(item: Item) -> str:
    kind = "error event" if item.type == "event" else item_noun(item.type)
    return f"{kind} {item.event_id}" if item.event_id else kind
