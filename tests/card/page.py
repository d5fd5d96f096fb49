"""Reads a rendered card as a browser does, and says what must never be in one."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from kit.crashes import pages
from kit.crashes.expectation import WATCHDOG, is_watchdog
from kit.outcome import Event, Outcome
from kit.reading.server import references

# The only addresses that leave the card: those that crash types and the simulated server declare.
DOCUMENTATION = [
    *(page.url for page in vars(pages).values() if isinstance(page, references.Reference)),
    *(each.url for each in vars(references).values() if isinstance(each, references.Reference)),
]
ELEMENTS = {
    *("section", "header", "style", "h3", "h4", "p", "div", "span", "small", "b", "i", "code"),
    *("pre", "bdi", "mark", "details", "summary", "ol", "ul", "li", "a", "button"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd"),
}
OWN_ANCHOR = "#(?:trace|logs)-[0-9a-fA-F]{32}"
ATTRIBUTES = {
    "class": re.compile(r"[a-zA-Z0-9_ -]+"),
    "scope": re.compile("row|col"),
    "open": re.compile(""),
    "type": re.compile("button"),
    "style": re.compile(r"margin-left: [\d.]+%; width: [\d.]+%"),
    "href": re.compile(
        "|".join(["#(?:trace|logs)-[0-9a-fA-F]{32}", "#absent-.*", *map(re.escape, DOCUMENTATION)]),
        re.S,
    ),
    "target": re.compile("_blank"),
    "rel": re.compile("noopener"),
    # Nothing but the anchor of a part may have the id of an event, which may be any text.
    "id": re.compile("trace-[0-9a-fA-F]{32}|absent-.*", re.S),
    "data-event-id": re.compile(".*", re.S),
    "data-trace-id": re.compile("([0-9a-fA-F]{32})?"),
    "data-answered-at": re.compile(r"[\d.e+-]+"),
}
COPY = (
    "navigator.clipboard?.writeText(this.nextElementSibling.textContent)"
    ".then(() => { this.textContent = 'Copied' })"
)


def events_of(outcome: Outcome) -> list[Event]:
    """Return its error events; Node's watchdog may have added one when this machine is busy."""
    declared = [error for error in outcome.crash.errors if error.chain == (WATCHDOG,)]
    reported = [each for each in outcome.events if is_watchdog(each)]
    added = reported[len(declared) :]
    return [each for each in outcome.events if not any(each is one for one in added)]


@dataclass
class Element:
    """An element with the text of everything inside it."""

    tag: str
    attributes: dict[str, str]
    parents: tuple["Element", ...]
    text: str = ""
    children: list["Element"] = field(default_factory=list)


class Page(HTMLParser):
    """The elements of a page, in order; raises AssertionError for one that is not allowed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        # A plain str: Markup would escape the text again when it is put together.
        self.feed(str(html))
        self.close()
        assert not self._open, f"never closed: {[each.tag for each in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        check(tag, attributes)
        element = Element(tag, attributes, tuple(self._open))
        self.elements.append(element)
        self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")

    def all(self, tag: str, css_class: str = "") -> list[Element]:
        """Return the elements of that tag and class."""
        return [
            each
            for each in self.elements
            if each.tag == tag
            and (not css_class or css_class in each.attributes.get("class", "").split())
        ]

    def one(self, tag: str, css_class: str = "") -> Element:
        """Return the only element of that tag and class."""
        (element,) = self.all(tag, css_class)
        return element

    def part(self, title: str) -> str:
        """Return the text of the part with that heading, spaces made one."""
        (heading,) = [each for each in self.all("h4") if each.text == title]
        # It is in the summary of its fold.
        return " ".join(heading.parents[-2].text.split())


def check(tag: str, attributes: dict[str, str]) -> None:
    """Raise AssertionError for an element or attribute that no card has."""
    assert tag in ELEMENTS, tag
    for name, value in attributes.items():
        if name == "onclick":
            assert (tag, value) == ("button", COPY)
            continue
        assert name in ATTRIBUTES, f"{tag} {name}"
        assert ATTRIBUTES[name].fullmatch(value), f"{tag} {name}={value!r}"
