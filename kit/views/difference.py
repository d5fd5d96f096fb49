"""What differs between two events, field by field."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.reading.payload import MAX_LEAF, MAX_TEXT, Key, Path, as_text, get_path, shorten, to_json

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
MARKS = {ADDED: "+", REMOVED: "−", CHANGED: "~"}
ONE_LINE = 90
LEAD = 25
MAX_PLACES = 40

Event = Mapping[str, Any]
CausedBy = Callable[[str], tuple[str, ...]]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The address of an object says nothing, and may be the same twice by chance.
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class DifferingPlace:
    """A part of an event that differs: its path, and its value on each side, if any."""

    path: str
    one: Any
    other: Any

    @property
    def start(self) -> int:
        """Where to begin showing the two, so that the first difference is visible."""
        one, other = as_text(self.one), as_text(self.other)
        pairs = enumerate(zip(one, other, strict=False))
        same = next((index for index, (mine, theirs) in pairs if mine != theirs), 0)
        return max(0, same - LEAD) if same > ONE_LINE // 2 else 0


@dataclass(frozen=True)
class DifferenceRow:
    """The same change in one or several places; ``path`` has a ``*`` where these differ."""

    what: str
    path: str
    caused_by: tuple[str, ...]
    places: tuple[DifferingPlace, ...]

    @property
    def mark(self) -> str:
        """A sign for what happened."""
        return MARKS[self.what]

    @property
    def shown(self) -> DifferingPlace:
        """The place to show: the last, which is the nearest to the error."""
        return self.places[-1]

    @property
    def rest(self) -> tuple[DifferingPlace, ...]:
        """Some of the other places."""
        return self.places[:-1][-MAX_PLACES:]


class Difference:
    """The fields that were added, removed and changed from ``one`` to ``other``.

    A field is a value that is not a container on at least one side; a list of plain values counts
    as one. Paths are JMESPaths, as ``Event.find`` takes them. List items are counted from the end:
    there a stack has the line that failed, and the breadcrumbs have the latest. An event that was
    not sent is None. Fields in ``varying`` are known to differ anyway, and are listed separately.
    ``caused_by`` returns what caused the difference at a path.
    """

    def __init__(
        self,
        one: Event | None,
        other: Event | None,
        *,
        names: tuple[str, str] = ("A", "B"),
        varying: Collection[str] = (),
        caused_by: CausedBy | None = None,
    ) -> None:
        self.one, self.other, self.names = one, other, names
        self.fields = _level(one, other), _level(other, one)
        self._varying = frozenset(varying)
        self.caused_by = caused_by

    @cached_property
    def added(self) -> list[str]:
        """The paths that only ``other`` has."""
        return self._paths(self.fields[1].keys() - self.fields[0].keys())

    @cached_property
    def removed(self) -> list[str]:
        """The paths that only ``one`` has."""
        return self._paths(self.fields[0].keys() - self.fields[1].keys())

    @cached_property
    def changed(self) -> list[str]:
        """The paths whose values are not the same."""
        return self._paths(path for path in self._common if self._differs(path))

    @cached_property
    def varied(self) -> list[str]:
        """The paths that are not compared, because they differ anyway."""
        known = self.fields[0].keys() | self.fields[1].keys()
        return [
            jmespath_of(path)
            for path in sorted(known, key=_order)
            if jmespath_of(path) in self._varying
        ]

    @property
    def same(self) -> int:
        """How many fields have the same value on both sides."""
        varied = sum(jmespath_of(path) in self._varying for path in self._common)
        return len(self._common) - len(self.changed) - varied

    @property
    def paths(self) -> list[str]:
        """All paths that differ."""
        return [*self.added, *self.removed, *self.changed]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.paths)

    def __repr__(self) -> str:
        return f"<Difference: {self.summary}>"

    @property
    def summary(self) -> str:
        """How many fields were added, removed and changed."""
        counted = {ADDED: self.added, REMOVED: self.removed, CHANGED: self.changed}
        told = (f"{len(paths)} {what}" for what, paths in counted.items() if paths)
        return ", ".join(told) or "nothing differs"

    @cached_property
    def parts(self) -> dict[str, list[DifferenceRow]]:
        """The rows to show, by the top-level field that they are in."""
        found: dict[str, dict[tuple[str, str, tuple[str, ...]], list[DifferingPlace]]] = {}
        for what, roots in self._roots():
            for root in roots:
                key = (what, pattern(root), self._reasons(root))
                part = found.setdefault(str(root[0]), {})
                part.setdefault(key, []).append(self._place(root))
        return {
            part: [DifferenceRow(*key, tuple(places)) for key, places in rows.items()]
            for part, rows in sorted(found.items())
        }

    def _repr_html_(self) -> Markup:
        return render("difference.html", difference=self, brief=brief, whole=whole)

    @property
    def _common(self) -> Collection[Path]:
        return self.fields[0].keys() & self.fields[1].keys()

    def _differs(self, path: Path) -> bool:
        return bool(self.fields[0][path] != self.fields[1][path])

    def _paths(self, found: Any) -> list[str]:
        spelled = (jmespath_of(path) for path in sorted(found, key=_order))
        return [path for path in spelled if path not in self._varying]

    def _roots(self) -> Iterator[tuple[str, list[Path]]]:
        one, other = self.fields
        yield CHANGED, self._steady_paths(path for path in self._common if self._differs(path))
        yield REMOVED, self._steady_paths(_highest(one.keys() - other.keys(), other))
        yield ADDED, self._steady_paths(_highest(other.keys() - one.keys(), one))

    def _steady_paths(self, roots: Any) -> list[Path]:
        return [
            path for path in sorted(roots, key=_order) if jmespath_of(path) not in self._varying
        ]

    def _reasons(self, root: Path) -> tuple[str, ...]:
        return self.caused_by(jmespath_of(root)) if self.caused_by else ()

    def _place(self, root: Path) -> DifferingPlace:
        return DifferingPlace(
            jmespath_of(root), get_path(self.one, root), get_path(self.other, root)
        )


def fields(event: Event | None) -> dict[Path, Any]:
    """Return every field of an event by its path; none of an event that was not sent."""
    return dict(_walk(event, ())) if event else {}


def jmespath_of(path: Path) -> str:
    """Return a path as a JMESPath."""
    return "".join(map(_spell, path)).removeprefix(".")


def pattern(path: Path) -> str:
    """Return a path with a ``*`` for each place in a list."""
    return re.sub(r"\[-\d+\]", "[*]", jmespath_of(path))


def brief(value: Any, start: int = 0) -> str:
    """Return a value as one short line, from ``start`` on."""
    # An empty cell would look like a missing value.
    return ("…" if start else "") + shorten(as_text(value)[start:], ONE_LINE).text or '""'


def whole(value: Any) -> str:
    """Return a value that is too long for one line; empty if it is not."""
    text = as_text(value)
    if len(text) <= ONE_LINE:
        return ""
    return shorten(value if isinstance(value, str) else to_json(value), 4 * MAX_TEXT).text


def _level(mine: Event | None, theirs: Event | None) -> dict[Path, Any]:
    """Return the fields of ``mine``; a single value in ``theirs`` is a single one here, too."""
    found = fields(mine)
    inner = {path[:length] for path in found for length in range(len(path))}
    for whole_here in fields(theirs).keys() & inner:
        found = {path: found[path] for path in found if path[: len(whole_here)] != whole_here}
        found[whole_here] = get_path(mine, whole_here)
    return found


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    children: list[tuple[Key, Any]] = []
    if len(path) < MAX_LEAF:
        if isinstance(value, Mapping):
            children = list(value.items())
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            children = [(index - len(value), each) for index, each in enumerate(value)]
    if not children:
        yield path, _still(value)
    for key, child in children:
        yield from _walk(child, (*path, key))


def _still(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub("0x…", value)
    return [_still(each) for each in value] if isinstance(value, list) else value


def _spell(key: Key) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key if _PLAIN.fullmatch(str(key)) else json.dumps(str(key), ensure_ascii=False)}"


def _order(path: Path) -> list[tuple[int, int, str]]:
    """Sort numbers as numbers: what is nearer to the end comes later."""
    return [(0, key, "") if isinstance(key, int) else (1, 0, key) for key in path]


def _highest(paths: Collection[Path], others: Collection[Path]) -> set[Path]:
    """Return the largest parts missing from ``others``: a container, not each of its fields."""
    known = {path[:length] for path in others for length in range(len(path) + 1)}
    return {
        next(path[:length] for length in range(1, len(path) + 1) if path[:length] not in known)
        if path not in known
        else path
        for path in paths
    }
