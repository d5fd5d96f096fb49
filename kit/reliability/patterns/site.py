"""Writes the pattern library as a folder of web pages that need no server and run no script."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from kit.html import render
from kit.reliability.patterns.library import Pattern, Patterns, Practices

INDEX, GUIDE = "index.html", "practices.html"


def page_address(patterns: Patterns, subject: str) -> str:
    """Return the relative address of the page of a crash type, a variant or a fault.

    It is empty for a subject without a page, such as a blind spot.
    """
    name, _, variant = subject.partition("?type=")
    if name not in patterns.names:
        return ""
    prefix = "fault-" if "/" not in name else ""
    anchor = f"#{variant}" if variant else ""
    return f"{prefix}{name.replace('/', '-')}.html{anchor}"


def write_site(folder: Path, patterns: Patterns, practices: Practices) -> list[Path]:
    """Write all pages into ``folder``, creating it if needed; return them, the index first.

    It touches nothing else in the folder. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, title, content in _pages(patterns, practices):
        page = render("patterns_site.html", title=title, content=content, file=name)
        path = folder / name
        path.write_text(page, "utf-8", newline="\n")
        written.append(path)
    return written


def _pages(patterns: Patterns, practices: Practices) -> Iterator[tuple[str, str, Markup]]:
    def address(subject: str) -> str:
        return page_address(patterns, subject)

    yield INDEX, "Error patterns", patterns.render(address)
    yield GUIDE, "Practices", practices.render(address)
    for pattern in patterns:
        yield pattern.file, _title(pattern), pattern.render(address)


def _title(pattern: Pattern) -> str:
    return f"{pattern.name}: {pattern.title}"
