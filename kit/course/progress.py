"""The progress in this workshop folder: exercises solved, drills and game days played."""

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
# A missing answer is not an attempt.
ATTEMPTS = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.EXCEPTION})


@dataclass(frozen=True)
class Attempt:
    """An answer that was checked."""

    exercise: str
    verdict: Verdict
    at: datetime


class Journal:
    """The checked answers, drills and game days of a workshop folder, in a file of JSON lines.

    Kernels share it without a lock: one write appends each line, and a damaged line does not affect
    others.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def record(self, exercise: str, verdict: Verdict) -> str:
        """Save an attempt. Return one line that says why that failed, or an empty string."""
        if verdict not in ATTEMPTS:
            return ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._save({"exercise": exercise, "verdict": verdict.name, "at": now})

    def record_drill(self, result: DrillResult) -> str:
        """Save a drill. Return one line that says why that failed, or an empty string."""
        return self._save({DRILL: result.as_json(), "at": result.at})

    def record_game_day(self, result: GameResult) -> str:
        """Save a game day. Return one line that says why that failed, or an empty string."""
        return self._save({GAME_DAY: result.as_json(), "at": result.at})

    def _save(self, line: Mapping[str, Any]) -> str:
        try:
            self._append(json.dumps(line))
        except OSError as error:
            return f"Could not save progress: {_reason(error)}. {_WRITABLE}"
        return ""

    def _append(self, line: str) -> None:
        private_folder(self.path.parent)
        binary = getattr(os, "O_BINARY", 0)  # Windows would write a line end as two bytes
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | binary, 0o600)
        try:
            # Starts with a line end, which terminates a truncated line before it.
            os.write(file, f"\n{line}".encode())
        finally:
            os.close(file)

    def read(self) -> tuple[list[Attempt], str]:
        """Return all attempts in order, and a line about what could not be read, if any."""
        read, remark = self._read()
        return [each for each in read if isinstance(each, Attempt)], remark

    def read_drills(self) -> list[DrillResult]:
        """Return all drills in order, without unreadable ones."""
        return [each for each in self._read()[0] if isinstance(each, DrillResult)]

    def read_game_days(self) -> list[GameResult]:
        """Return all game days in order, without unreadable ones."""
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
        return read, f"{counted} damaged in {self.path} and ignored."

    def reset(self) -> None:
        """Delete all attempts with their file. Raises OSError."""
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
    """The state of one exercise.

    ``notebook`` is the name of its notebook, or None. ``attempts`` counts the checked answers up to
    and including the first correct one.
    """

    notebook: str | None
    name: str
    attempts: int = 0
    solved_at: datetime | None = None

    @property
    def state(self) -> str:
        """The state: solved, tried or untried."""
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
        """When it was solved, in local time; empty if it was not."""
        return f"{self.solved_at.astimezone():%d %b %H:%M}" if self.solved_at else ""


@dataclass(frozen=True, repr=False)
class Progress:
    """The state of all exercises, in the order of the course; shown in a notebook as a page.

    ``remark`` says what could not be read. ``drills`` and ``game_days`` are those played, in order.
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
        """How many of them were tried but are not solved."""
        return sum(each.state == "tried" for each in self.exercises)

    def as_json(self) -> dict[str, Any]:
        """Return it for machines; the README describes it."""
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
        """Return it as a table for a terminal."""
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
    """Return the state of the exercises ``names``; ``course`` says where each belongs."""
    attempts, remark = journal.read()
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.exercise].append(attempt)
    known = dict.fromkeys(names)
    places = {name: book.name for book in reversed(course) for name in book.exercises}
    # In the order of the course; exercises without a notebook come last.
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
    """The exercises of one notebook; ``link`` is its URL relative to the current notebook."""

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
    """Return the relative URL of a notebook; JupyterLab opens it in its own page."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on Windows, between two drives
        return ""
    return quote(Path(relative).as_posix())
