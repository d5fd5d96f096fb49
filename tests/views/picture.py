"""Reads a rendered view as a browser does, and says what must never be in one."""

import re
from html.parser import HTMLParser

ELEMENTS = {
    *("section", "style", "h3", "p", "div", "span", "b", "code", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "line", "rect", "text"),
}
# Nothing that runs, loads or links.
ATTRIBUTES = re.compile(
    r"class|scope|role|aria-(label|hidden|roledescription)|version|xmlns(:xlink)?|width|height"
    r"|viewbox|d|x2?|y2?|d[xy]|transform|fill(-opacity)?|stroke(-\w+)*|opacity|display"
    r"|font-(family|size|weight)|text-anchor|pointer-events"
)


class Picture(HTMLParser):
    """The texts of a view; raises AssertionError for an element or attribute that none has."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: list[list[str]] = []
        self.drawn: list[str] = []
        self.labels: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(str(html))
        self.close()
        assert not self._open, self._open
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        for name, value in attrs:
            assert ATTRIBUTES.fullmatch(name), f"{tag} {name}={value!r}"
            assert "url(" not in (value or "") or name == "aria-label"
        if tag == "svg":
            self.labels.append(dict(attrs)["aria-label"] or "")
        self._open.append(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("th", "td"):
            self.cells[-1].append("")
        elif tag == "text":
            self.drawn.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "text" in self._open:
            self.drawn[-1] += data
        elif {"th", "td"} & set(self._open):
            self.cells[-1][-1] += data
        elif "style" not in self._open:
            self.words += data
