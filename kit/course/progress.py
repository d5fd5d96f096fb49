"""What was solved in this workshop folder by exercise, and which drills and days were played."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.table import Column, Table

from kit.course.exercise import Verdict
from kit.course.notebooks import Notebook
from kit.html import render
from kit.private import private_folder
from kit.reliability.drill.result import DrillResult, read_drill_result
from kit.reliability.game_day.result import GameResult, read_game_result

FILE = "progress.jsonl"
DRILL = "drill"
GAME_DAY = "game_day"
_WRITABLE = "Set WORKSHOP_HOME to a folder that you can write to."
# An answer that was not given is no attempt.
ATTEMPTS = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.EXCEPTION})


@dataclass(frozen=True)
class Attempt:
    """An answer that was checked."""

    exercise: str
    verdict: Verdict
    at: datetime


class Journal:
    """The answers that were checked in a workshop folder, drills and game days: a file of lines.

    Kernels share it without a lock: each line is appended by one write, and a line that cannot be
    read spoils no other.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def record(self, exercise: str, verdict: Verdict) -> str:
        """Remember an attempt. Return why that cannot be done, in one line, or nothing."""
        if verdict not in ATTEMPTS:
            return ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._save({"exercise": exercise, "verdict": verdict.name, "at": now})

    def record_drill(self, result: DrillResult) -> str:
        """Remember a drill. Return why that cannot be done, in one line, or nothing."""
        return self._save({DRILL: result.as_json(), "at": result.at})

    def record_game_day(self, result: GameResult) -> str:
        """Remember a game day. Return why that cannot be done, in one line, or nothing."""
        return self._save({GAME_DAY: result.as_json(), "at": result.at})

    def _save(self, line: Mapping[str, Any]) -> str:
        try:
            self._append(json.dumps(line))
        except OSError as error:
            return f"Could not save progress: {_reason(error)}. {_WRITABLE}"
        return ""

    def _append(self, line: str) -> None:
        private_folder(self.path.parent)
        binary = getattr(os, "O_BINARY", 0)  # Windows would turn a line's end into two bytes
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | binary, 0o600)
        try:
            # It begins with the line's end: what was cut off before it ends there.
            os.write(file, f"\n{line}".encode())
        finally:
            os.close(file)

    def read(self) -> tuple[list[Attempt], str]:
        """Return all attempts in their order, and a line on what could not be read, or nothing."""
        read, remark = self._read()
        return [each for each in read if isinstance(each, Attempt)], remark

    def read_drills(self) -> list[DrillResult]:
        """Return all drills in their order; what cannot be read is left out."""
        return [each for each in self._read()[0] if isinstance(each, DrillResult)]

    def read_game_days(self) -> list[GameResult]:
        """Return all game days in their order; what cannot be read is left out."""
        return [each for each in self._read()[0] if isinstance(each, GameResult)]

    def _read(self) -> tuple[list[Attempt | DrillResult | GameResult], str]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return [], ""
        except OSError as error:
            return [], f"Could not read progress: {_reason(error)}."
        given = [line for line in lines if line.strip()]
        read = [each for each in map(_read_line, given) if each]
        damaged = len(given) - len(read)
        if not damaged:
            return read, ""
        counted = "1 line is" if damaged == 1 else f"{damaged} lines are"
        return read, f"{counted} damaged in {self.path}; the others count."

    def reset(self) -> None:
        """Forget every attempt: remove the file. Raises OSError."""
        self.path.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror or error}"


def _read_line(line: bytes) -> Attempt | DrillResult | GameResult | None:
    with suppress(ValueError, LookupError, TypeError):
        given = json.loads(line)
        if DRILL in given:
            return read_drill_result(given[DRILL])
        if GAME_DAY in given:
            return read_game_result(given[GAME_DAY])
        at = datetime.fromisoformat(given["at"]).astimezone(UTC)
        return Attempt(str(given["exercise"]), Verdict[given["verdict"]], at)
    return None


@dataclass(frozen=True)
class Standing:
    """How one exercise stands.

    ``notebook`` is the name of the notebook that it belongs to, None when none has it.
    ``attempts`` counts the answers that were checked, up to the first one that was correct.
    """

    notebook: str | None
    name: str
    attempts: int = 0
    solved_at: datetime | None = None

    @property
    def state(self) -> str:
        """One of solved, tried and untried."""
        return "solved" if self.solved_at else "tried" if self.attempts else "untried"

    @property
    def words(self) -> str:
        """The state for people, in local time."""
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        if self.solved_at is None:
            return f"tried {times}" if self.attempts else "not tried yet"
        first = "first attempt" if self.attempts == 1 else f"at attempt {self.attempts}"
        return f"solved {self.solved_on}, {first}"

    @property
    def solved_on(self) -> str:
        """When it was solved, in local time; empty when it is not."""
        return f"{self.solved_at.astimezone():%d %b %H:%M}" if self.solved_at else ""


@dataclass(frozen=True, repr=False)
class Progress:
    """How all exercises stand, in the order of the course; shown in a notebook as a page.

    ``remark`` says what of it could not be read. ``drills`` and ``game_days`` are those that were
    played, in order.
    """

    exercises: tuple[Standing, ...]
    notebooks: Mapping[str, Notebook]
    remark: str = ""
    drills: tuple[DrillResult, ...] = ()
    game_days: tuple[GameResult, ...] = ()

    @property
    def total(self) -> int:
        """How many exercises there are."""
        return len(self.exercises)

    @property
    def solved(self) -> int:
        """How many of them are solved."""
        return sum(each.state == "solved" for each in self.exercises)

    @property
    def tried(self) -> int:
        """How many of them were tried, and are not solved."""
        return sum(each.state == "tried" for each in self.exercises)

    def as_json(self) -> dict[str, Any]:
        """Return it for machines; the README says what it holds."""
        return {
            "solved": self.solved,
            "total": self.total,
            "exercises": [
                {
                    "notebook": each.notebook,
                    "name": each.name,
                    "state": each.state,
                    "attempts": each.attempts,
                    "solved_at": each.solved_at and each.solved_at.isoformat(),
                }
                for each in self.exercises
            ],
            "drills": [drill.as_json() for drill in self.drills],
            "game_days": [day.as_json() for day in self.game_days],
        }

    def as_table(self) -> Table:
        """Return it for people, in a terminal."""
        names = (Column(name, no_wrap=True) for name in ("exercise", "solved", "notebook"))
        exercise, solved, notebook = names
        table = Table("", exercise, Column("attempts", justify="right"), solved, notebook)
        for each in self.exercises:
            row = (MARKS[each.state], each.name, str(each.attempts or "–"), each.solved_on or "–")
            table.add_row(*row, each.notebook or "–")
        return table

    def __repr__(self) -> str:
        return f"<Progress {self.solved} of {self.total} solved>"

    def _repr_html_(self) -> str:
        return render("progress.html", progress=self, chapters=list(_chapters(self)), marks=MARKS)


MARKS = {"solved": "✓", "tried": "▲", "untried": "○"}


def read_progress(journal: Journal, course: Sequence[Notebook], names: Iterable[str]) -> Progress:
    """Return how the exercises called ``names`` stand; ``course`` says where each belongs."""
    attempts, remark = journal.read()
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.exercise].append(attempt)
    known = dict.fromkeys(names)
    places = {name: book.name for book in reversed(course) for name in book.exercises}
    # In the order of the course; those that no notebook has come last.
    ordered = {name: None for book in course for name in book.exercises if name in known} | known
    standings = (_standing(places.get(name), name, found[name]) for name in ordered)
    books = {book.name: book for book in course}
    drills, game_days = journal.read_drills(), journal.read_game_days()
    return Progress(tuple(standings), books, remark, tuple(drills), tuple(game_days))


def _standing(notebook: str | None, name: str, attempts: Sequence[Attempt]) -> Standing:
    for number, attempt in enumerate(attempts, 1):
        if attempt.verdict is Verdict.PASS:
            return Standing(notebook, name, number, attempt.at)
    return Standing(notebook, name, len(attempts))


# On screen


@dataclass(frozen=True)
class Chapter:
    """The exercises of one notebook; ``link`` leads to it from the notebook that shows this."""

    title: str
    link: str
    exercises: tuple[Standing, ...]

    @property
    def solved(self) -> int:
        """How many of its exercises are solved."""
        return sum(each.state == "solved" for each in self.exercises)


def _chapters(progress: Progress) -> Iterator[Chapter]:
    for name, members in groupby(progress.exercises, key=lambda each: each.notebook):
        book = progress.notebooks.get(name) if name else None
        if book is None:
            yield Chapter("In no notebook here", "", tuple(members))
        else:
            yield Chapter(f"{book.name[:2]} · {book.title}", _link(book.path), tuple(members))


def _link(path: Path) -> str:
    """Return the relative URL of a notebook; JupyterLab opens it from its own page."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on Windows, between two drives
        return ""
    return quote(Path(relative).as_posix())
