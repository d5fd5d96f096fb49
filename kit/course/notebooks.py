"""The notebooks of the course, read from their files."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.home import NOTEBOOKS

_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_EXERCISE = re.compile(r"""\.exercise\(\s*["']([^"']+)["']""")


@dataclass(frozen=True)
class Notebook:
    """A notebook: its file, its title, how many minutes it takes, the names of its exercises.

    ``minutes`` is ``workshop.minutes`` in its metadata, or None.
    """

    path: Path
    title: str
    minutes: int | None
    exercises: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its file without the suffix, for example 05_validation."""
        return self.path.stem

    @property
    def number(self) -> int:
        """The number at the start of its name."""
        return int(self.name[:2])


def read_course(folder: Path) -> list[Notebook]:
    """Return the notebooks in ``folder`` in order, without unreadable ones."""
    return list(_read(folder))


def _read(folder: Path) -> Iterator[Notebook]:
    for path in sorted(folder.glob(NOTEBOOKS)):
        try:
            yield _notebook(path, json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, LookupError, TypeError):
            continue


def _text(cells: list[Mapping[str, Any]], kind: str) -> str:
    # A source is a string or a list of lines.
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == kind)


def _notebook(path: Path, content: Mapping[str, Any]) -> Notebook:
    title = _TITLE.search(_text(content["cells"], "markdown"))
    return Notebook(
        path=path,
        title=title[1] if title else path.stem,
        minutes=_minutes(content.get("metadata")),
        exercises=tuple(dict.fromkeys(_EXERCISE.findall(_text(content["cells"], "code")))),
    )


def _minutes(metadata: object) -> int | None:
    match metadata:
        case {"workshop": {"minutes": int(minutes)}}:
            return minutes
    return None
