"""The notebooks of the course, as they say themselves what they are."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.home import NOTEBOOKS

_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_MINUTES = re.compile(r"\bIn ([a-z-]+|\d+) minutes\b")
_EXERCISE = re.compile(r"""\.exercise\(\s*["']([^"']+)["']""")
_TENS = {"ten": 10, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
_ONES = {"five": 5, "fifteen": 15}


@dataclass(frozen=True)
class Notebook:
    """A notebook: its file, its title, the minutes that it says it takes, its exercises.

    ``minutes`` is None when it does not say.
    """

    path: Path
    title: str
    minutes: int | None
    exercises: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its file without the ending, for example 05_validation."""
        return self.path.stem

    @property
    def number(self) -> int:
        """The number that its name begins with."""
        return int(self.name[:2])


def read_course(folder: Path) -> list[Notebook]:
    """Return the notebooks in ``folder`` in their order; those that cannot be read are left out."""
    return list(_read(folder))


def _read(folder: Path) -> Iterator[Notebook]:
    for path in sorted(folder.glob(NOTEBOOKS)):
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
            yield _notebook(path, _text(cells, "markdown"), _text(cells, "code"))
        except (OSError, ValueError, LookupError, TypeError):
            continue


def _text(cells: list[Mapping[str, Any]], kind: str) -> str:
    # A source is a string, or its lines.
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == kind)


def _notebook(path: Path, prose: str, code: str) -> Notebook:
    title, minutes = _TITLE.search(prose), _MINUTES.search(prose)
    return Notebook(
        path=path,
        title=title[1] if title else path.stem,
        minutes=_number(minutes[1]) if minutes else None,
        exercises=tuple(dict.fromkeys(_EXERCISE.findall(code))),
    )


def _number(word: str) -> int | None:
    if word.isdecimal():
        return int(word)
    tens, _, ones = word.partition("-")
    known = {**_TENS, **_ONES}
    if tens not in known or (ones and ones not in _ONES):
        return None
    return known[tens] + _ONES.get(ones, 0)
