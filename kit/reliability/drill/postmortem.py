"""A draft of a post-mortem: the facts of the timeline, and blanks for what only people know."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kit.reliability.drill.timeline import DrillEntry, as_whole_percent, minutes_and_seconds
from kit.reliability.drill.verdict import DrillVerdict
from kit.words import count_noun

BLANK = "_To be written._"
# The words of a learner or a message must not become markup on the page.
_MARKUP = re.compile(r"([\\`*_\[\]<>#|&])")


@dataclass(frozen=True, repr=False)
class Postmortem:
    """A draft in Markdown, rendered in a notebook. ``str()`` returns the text.

    Every sentence comes from the timeline; what the timeline does not have is marked as to be
    written. ``began`` is when the drill began, in seconds since the epoch.
    """

    verdict: DrillVerdict
    entries: tuple[DrillEntry, ...]
    began: float

    @property
    def markdown(self) -> str:
        """The draft."""
        return "\n\n".join(self._sections()) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write the draft to a file and return its path. Raises OSError."""
        path = Path(path)
        path.write_text(self.markdown, encoding="utf-8")
        return path

    def __str__(self) -> str:
        return self.markdown

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.markdown

    def _sections(self) -> Iterator[str]:
        drawn = self.verdict.scenario
        yield f"# Post-mortem (draft): drill {drawn.seed}"
        yield "Filled in from the drill's timeline. Replace what is marked “To be written”."
        yield f"## Summary\n\n{self._summary()}"
        yield f"## Impact\n\n{escape_markdown(self.verdict.cost)}"
        yield "## Timeline\n\n" + "\n".join(self._timeline())
        yield f"## Cause\n\n{self._cause()}\n\nWhy nothing stopped it before: {BLANK}"
        yield "## What went well\n\n" + "\n".join(self._went_well())
        yield "## What went badly\n\n" + "\n".join(self._went_badly())
        yield f"## What we do about it\n\n- {BLANK} Owner and due date: {BLANK}"

    def _summary(self) -> str:
        verdict = self.verdict
        if verdict.began_at is None:
            return verdict.headline
        began = datetime.fromtimestamp(self.began + verdict.began_at).astimezone()
        return f"The incident began on {began:%d %B %Y at %H:%M:%S}. {verdict.headline}"

    def _timeline(self) -> Iterator[str]:
        for entry in self.entries:
            at = datetime.fromtimestamp(self.began + entry.at).astimezone()
            yield f"- {at:%H:%M:%S} (+{minutes_and_seconds(entry.at)}) {_labelled(entry)}"

    def _cause(self) -> str:
        drawn = self.verdict.scenario
        if self.verdict.began_at is None:
            return BLANK
        return escape_markdown(
            f"{drawn.cause}. The fault {drawn.fault} was injected into {drawn.evaluated_by}, for "
            f"{as_whole_percent(drawn.share)} of the requests, behind the flag {drawn.flag}."
        )

    def _went_well(self) -> Iterator[str]:
        done = [phase for phase in self.verdict.phases if phase.is_done]
        for phase in done:
            if not phase.wrong:
                took = minutes_and_seconds(self.verdict.seconds(phase.name))
                yield f"- {phase.name.capitalize()} after {took}, without a wrong answer."
        if self.verdict.status is not None:
            took = minutes_and_seconds(self.verdict.status)
            yield f"- The requested status was written after {took}."
        yield f"- {BLANK}"

    def _went_badly(self) -> Iterator[str]:
        for phase in self.verdict.phases:
            if phase.wrong:
                tries = "; ".join(map(escape_markdown, phase.tries))
                yield f"- {count_noun(phase.wrong, 'wrong answer')} until {phase.name}: {tries}."
            if not phase.is_done:
                yield f"- The incident was not {phase.name}."
        if self.verdict.budget.share > 1:
            yield "- More spins failed than the error budget for these minutes allows."
        yield f"- {BLANK}"


def _labelled(entry: DrillEntry) -> str:
    labels = {"message": "Message (scripted) from ", "update": "Status update: "}
    return labels.get(entry.kind, "") + escape_markdown(entry.text)


def escape_markdown(text: str) -> str:
    """Return text escaped so that Markdown shows it unchanged."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
