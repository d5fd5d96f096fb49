"""Tables with a column for each generation of the SDK; all values are escaped by the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render


@dataclass(frozen=True)
class SdkCell:
    """What one generation did: a sign, a word, and a remark."""

    mark: str
    word: str
    remark: str = ""


@dataclass(frozen=True)
class SdkRow:
    """A row: its subject, the code, the explanation, and a cell for each column.

    ``is_surprising`` marks a result that differs from the declared one.
    """

    head: str
    cells: Sequence[SdkCell]
    code: str = ""
    why: str = ""
    is_surprising: bool = False

    @property
    def flips(self) -> bool | None:
        """Whether the cells differ; None when one of them has no result."""
        words = {cell.word for cell in self.cells}
        return None if UNAVAILABLE.word in words else len(words) > 1


@dataclass(frozen=True)
class SdkGroup:
    """Rows under a title."""

    title: str
    rows: Sequence[SdkRow]

    @property
    def flips(self) -> int:
        """How many of its rows have cells that differ."""
        return sum(row.flips is True for row in self.rows)


UNAVAILABLE = SdkCell("?", "not available here")


def generations_table(
    groups: Sequence[SdkGroup],
    columns: Sequence[str],
    notes: Sequence[str] = (),
    *,
    compared: bool = True,
) -> Markup:
    """Return a table for each group; ``compared`` adds a column for whether the cells differ."""
    return render(
        "generations.html", groups=groups, columns=columns, notes=notes, compared=compared
    )
