"""Reads a page of the pattern library as a browser does, and says what must never be in one."""

from html.parser import HTMLParser

VOID = {"meta"}
ELEMENTS = {
    *("html", "head", "title", "style", "body", "nav", "main", "section", "div", "span", "p", "b"),
    *("h3", "h4", "h5", "a", "code", "ul", "li", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("class", "id", "href", "target", "rel", "scope", "lang", "charset", "name", "content"),
    *("http-equiv", "aria-hidden", "aria-label", "aria-current"),
}


class LibraryPage(HTMLParser):
    """Its links, ids and words; raises AssertionError for what no page has, or is left open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(str(html))
        self.close()
        assert not self._open, self._open
        assert len(set(self.ids)) == len(self.ids)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS | VOID, tag
        given = {name: value or "" for name, value in attrs}
        assert given.keys() <= ATTRIBUTES, given
        self.links += [given["href"]] if "href" in given else []
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data
