"""Reads a rendered view as a browser does, and says what must never be in one."""

import re
from html.parser import HTMLParser

ELEMENTS = {
    *("section", "style", "h3", "h4", "p", "div", "span", "b", "i", "code", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "pre"),
    *("bdi", "svg", "polygon", "polyline", "img"),
}
VOID = {"polygon", "polyline", "img"}
# Nothing that runs, loads or links.
ATTRIBUTES = {
    "class": re.compile(r"[a-z0-9_ -]+"),
    "scope": re.compile("row|col"),
    "role": re.compile("img"),
    "aria-label": re.compile(".*", re.S),
    "aria-hidden": re.compile("true"),
    "title": re.compile(".*", re.S),
    "style": re.compile(r"--[a-z]+: \d+(\.\d\d%)?(; --[a-z]+: \d+(\.\d\d%)?)*"),
    "viewbox": re.compile("0 0 100 100"),
    "preserveaspectratio": re.compile("none"),
    "src": re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*"),
    "alt": re.compile(".*", re.S),
    "points": re.compile(r"[\d., ]+"),
}
# What a page cannot show: half of a surrogate pair.
SURROGATE = re.compile("[\ud800-\udfff]")


class Picture(HTMLParser):
    """The texts of a view; raises AssertionError for an element or attribute that none has."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        assert not SURROGATE.search(html)
        self.cells: list[list[str]] = []
        self.drawn: list[str] = []
        self.labels: list[str] = []
        self.titles: list[str] = []
        # The inline style of each element in a drawing, by its first class.
        self.styles: dict[str, list[str]] = {}
        self.words = ""
        self._open: list[str] = []
        self._drawing = 0
        self.feed(str(html))
        self.close()
        assert not self._open, self._open
        self.words = " ".join(self.words.split())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, tag
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, f"{tag} {name}={value!r}"
            assert ATTRIBUTES[name].fullmatch(value or ""), f"{tag} {name}={value!r}"
        given = {name: value or "" for name, value in attrs}
        self._open.append(tag)
        if "role" in given:
            self.labels.append(given["aria-label"])
            self._drawing = len(self._open)
        elif tag == "tr":
            self.cells.append([])
        elif tag in ("th", "td"):
            self.cells[-1].append("")
        if self._drawing and "style" in given:
            kind = given.get("class", tag).split()[0]
            self.styles.setdefault(kind, []).append(given["style"])
        if "title" in given:
            self.titles.append(given["title"])

    def handle_endtag(self, tag: str) -> None:
        if len(self._open) == self._drawing:
            self._drawing = 0
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._drawing:
            self.drawn += [data.strip()] if data.strip() else []
        elif {"th", "td"} & set(self._open):
            self.cells[-1][-1] += data
        elif "style" not in self._open:
            self.words += data
