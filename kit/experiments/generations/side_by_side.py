"""The notebook's interface to the two generations: run programs with both, show what differs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.experiments.generations.catalogue import CONTRASTS, TOPICS
from kit.experiments.generations.contrast import (
    CAPTURED,
    FILTERED,
    IN_CLEAR,
    NOT_CAPTURED,
    NOT_SENT,
    SENT,
    Contrast,
)
from kit.experiments.generations.installation import VERSIONS, InstalledSdk, find_sdk
from kit.experiments.generations.renames import (
    FAILS,
    RENAMES,
    WARNS,
    WORKS,
    Rename,
    TriedCalls,
    read_tried,
    renames_program,
)
from kit.experiments.generations.run import ProgramRun, SdkRun, run_programs
from kit.experiments.generations.table import (
    UNAVAILABLE,
    SdkCell,
    SdkGroup,
    SdkRow,
    generations_table,
)
from kit.hosting.server import Report
from kit.reading.payload import truncate
from kit.words import count_noun

_MARKS = {
    CAPTURED: "✓",
    SENT: "✓",
    WORKS: "✓",
    NOT_CAPTURED: "✗",
    FAILS: "✗",
    NOT_SENT: "–",
    FILTERED: "○",
    IN_CLEAR: "●",
    WARNS: "!",
}
MAX_SAID, MAX_TITLE = 110, 40
# The location of a package on this machine is irrelevant.
_PATHS = re.compile(r" \((?:/|[A-Z]:\\)[^)]*\)")


class SideBySide:
    """The generations of the SDK that can run here, by number; ``unavailable`` says why not."""

    def __init__(self, sdks: Mapping[int, InstalledSdk], unavailable: Mapping[int, str]) -> None:
        self.sdks = dict(sdks)
        self.unavailable = dict(unavailable)

    def run(self, **programs: str) -> "SdkRuns":
        """Run each program with each generation; return what arrived, by name and generation."""
        names = [(name, number) for name in programs for number in self.sdks]
        runs = run_programs(
            [ProgramRun(programs[name], self.sdks[number], {}) for name, number in names]
        )
        found: dict[str, dict[int, SdkRun]] = {name: {} for name in programs}
        for (name, number), run in zip(names, runs, strict=True):
            found[name][number] = run
        return SdkRuns(self, found)

    def run_one(self, source: str, generation: int, variables: Mapping[str, str]) -> SdkRun:
        """Run a program with one generation, and ``variables`` in its environment.

        Raises KeyError when that generation cannot run here.
        """
        (run,) = run_programs([ProgramRun(source, self.sdks[generation], variables)])
        return run

    def contrasts(self, topic: str) -> "Contrasts":
        """Run the programs of a topic of the catalogue, and return what arrived from each.

        Raises KeyError for an unknown topic.
        """
        title = TOPICS[topic]
        chosen = [contrast for contrast in CONTRASTS if contrast.topic == topic]
        sources = {contrast.source: f"p{at}" for at, contrast in enumerate(chosen)}
        runs = self.run(**{name: source for source, name in sources.items()})
        findings = [ContrastFinding(each, runs[sources[each.source]]) for each in chosen]
        return Contrasts(self, title, findings)

    def renames(self) -> "Renames":
        """Try each call of the catalogue in its old and its new spelling; return the results."""
        tried = {
            number: read_tried(run) for number, run in self.run(p=renames_program())["p"].items()
        }
        return Renames(
            self,
            {number: old for number, (old, _) in tried.items()},
            {number: new for number, (_, new) in tried.items()},
        )

    @property
    def columns(self) -> list[str]:
        """The column headings of a table, one for each generation."""
        return [
            f"SDK {number} ({self.sdks[number].version if number in self.sdks else version})"
            for number, version in VERSIONS.items()
        ]

    @property
    def notes(self) -> list[str]:
        """Why a generation cannot run here, one sentence each."""
        return list(self.unavailable.values())

    def __repr__(self) -> str:
        return f"<SideBySide: sentry-sdk {', '.join(sdk.version for sdk in self.sdks.values())}>"

    def _repr_html_(self) -> Markup:
        cells = [
            SdkCell("✓", self.sdks[number].origin) if number in self.sdks else UNAVAILABLE
            for number in VERSIONS
        ]
        group = SdkGroup("Sentry's SDK for Python", [SdkRow("where it comes from", cells)])
        return generations_table([group], self.columns, self.notes, compared=False)


def find_generations(home: Path, report: Report) -> SideBySide:
    """Return both generations of the SDK, or the one available on this machine.

    The other is installed once, into the workshop folder ``home``.
    """
    sdks, unavailable = {}, {}
    for number in VERSIONS:
        try:
            sdks[number] = find_sdk(number, home, report)
        except WorkshopError as error:
            unavailable[number] = str(error)
            report(str(error))
    return SideBySide(sdks, unavailable)


class SdkRuns(dict[str, dict[int, SdkRun]]):
    """What programs sent, by name and generation; shown in a notebook as a table."""

    def __init__(self, pair: SideBySide, runs: Mapping[str, dict[int, SdkRun]]) -> None:
        super().__init__(runs)
        self._pair = pair

    def _repr_html_(self) -> Markup:
        rows = [
            SdkRow(name, [_run_cell(runs.get(number)) for number in VERSIONS])
            for name, runs in self.items()
        ]
        group = SdkGroup("What arrived", rows)
        return generations_table([group], self._pair.columns, self._pair.notes)


@dataclass(frozen=True)
class ContrastFinding:
    """The result of a contrast: a word for each generation, and the runs themselves."""

    contrast: Contrast
    runs: Mapping[int, SdkRun]

    @property
    def words(self) -> dict[int, str]:
        """What arrived, a word for each generation that ran."""
        return {number: self.contrast.measure(run) for number, run in self.runs.items()}

    @property
    def holds(self) -> bool:
        """Whether each generation did what is declared."""
        return all(self.contrast.expected[number] == word for number, word in self.words.items())


class Contrasts(dict[str, ContrastFinding]):
    """The results of a topic's contrasts, by name; shown in a notebook as a table."""

    def __init__(self, pair: SideBySide, title: str, findings: Iterable[ContrastFinding]) -> None:
        super().__init__({each.contrast.name: each for each in findings})
        self._pair, self.title = pair, title

    @property
    def flipped(self) -> list[str]:
        """The names of the contrasts in which the generations differ."""
        return [name for name, finding in self.items() if len(set(finding.words.values())) > 1]

    @property
    def surprising(self) -> list[str]:
        """The names of the contrasts whose results differ from the declared ones."""
        return [name for name, finding in self.items() if not finding.holds]

    def _repr_html_(self) -> Markup:
        rows = [_contrast_row(finding) for finding in self.values()]
        group = SdkGroup(self.title, rows)
        return generations_table([group], self._pair.columns, self._pair.notes)


class Renames:
    """The result of each call in its old and its new spelling; shown as a table."""

    def __init__(
        self,
        pair: SideBySide,
        old: Mapping[int, TriedCalls],
        new: Mapping[int, TriedCalls],
    ) -> None:
        self._pair, self.old, self.new = pair, old, new

    @property
    def surprising(self) -> list[Rename]:
        """The renames whose results differ from the declared ones."""
        return [rename for rename in RENAMES if not self._holds(rename)]

    def _holds(self, rename: Rename) -> bool:
        spellings = ((self.old, rename.old), (self.new, rename.new))
        pairs = [(tried, call, number) for tried, call in spellings for number in VERSIONS]
        return all(
            tried[number][call].state == expected
            for (tried, call, number), expected in zip(pairs, rename.expected, strict=True)
            if number in tried
        )

    def _repr_html_(self) -> Markup:
        rows = [row for rename in RENAMES for row in self._rows(rename)]
        group = SdkGroup("Calls, as spelled for 2 and for 3", rows)
        return generations_table([group], self._pair.columns, self._pair.notes)

    def _rows(self, rename: Rename) -> Iterator[SdkRow]:
        yield SdkRow("for 2:", self._cells(self.old, rename.old), rename.old)
        yield SdkRow(
            "for 3:",
            self._cells(self.new, rename.new),
            rename.new,
            rename.note,
            is_surprising=not self._holds(rename),
        )

    def _cells(self, tried: Mapping[int, TriedCalls], call: str) -> list[SdkCell]:
        found = [tried.get(number, {}).get(call) for number in VERSIONS]
        return [
            UNAVAILABLE
            if each is None
            else SdkCell(_MARKS[each.state], each.state, _shorten_said(each.said))
            for each in found
        ]


def _run_cell(run: SdkRun | None) -> SdkCell:
    if run is None:
        return UNAVAILABLE
    arrived = ", ".join(_phrases(run))
    remarks = [f"exit code {run.exit_code}" if run.exit_code else "", run.error_line]
    remark = _shorten_said("; ".join(filter(None, remarks)))
    return SdkCell("✓" if arrived else "✗", arrived or "nothing", remark)


def _phrases(run: SdkRun) -> Iterator[str]:
    """Yield what arrived, one phrase per type of item."""
    within = {"event": ", ".join(truncate(event.title, MAX_TITLE) for event in run.events)}
    within |= dict.fromkeys(("span", "transaction"), count_noun(len(run.trace), "span"))
    for name, count in sorted(run.types.items()):
        about = f" ({within[name]})" if name in within else ""
        yield f"{count_noun(count, f'{name} item')}{about}"


def _shorten_said(text: str) -> str:
    return truncate(_PATHS.sub("", text), MAX_SAID)


def _contrast_row(finding: ContrastFinding) -> SdkRow:
    words = [finding.words.get(number) for number in VERSIONS]
    return SdkRow(
        finding.contrast.what,
        [UNAVAILABLE if word is None else SdkCell(_MARKS[word], word) for word in words],
        finding.contrast.shown,
        finding.contrast.why,
        is_surprising=not finding.holds,
    )
