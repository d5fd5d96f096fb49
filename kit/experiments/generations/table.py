"""Tables with a column for each generation of the SDK; all values are escaped by the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render


@dataclass(frozen=True)
class SdkCell:
    """What one generation did: a sign, a word, and what else there is to say."""

    mark: str
    word: str
    remark: str = ""


@dataclass(frozen=True)
class SdkRow:
    """A row: what it is about, the code, the explanation, and a cell for each column.

    ``is_surprising`` marks what went otherwise than declared.
    """

    head: str
    cells: Sequence[SdkCell]
    code: str = ""
    why: str = ""
    is_surprising: bool = False

    @property
    def flips(self) -> bool | None:
        """Whether the cells say different things; None when one of them has nothing to say."""
        words = {cell.word for cell in self.cells}
        return None if UNAVAILABLE.word in words else len(words) > 1


@dataclass(frozen=True)
class SdkGroup:
    """Rows under a title."""

    title: str
    rows: Sequence[SdkRow]

    @property
    def flips(self) -> int:
        """How many of its rows say different things."""
        return sum(row.flips is True for row in self.rows)


UNAVAILABLE = SdkCell("?", "not available here")


def generations_table(
    groups: Sequence[SdkGroup],
    columns: Sequence[str],
    notes: Sequence[str] = (),
    *,
    compared: bool = True,
) -> Markup:
    """Return a table for each group; ``compared`` adds a column that says whether cells differ."""
    return render(
        "generations.html", groups=groups, columns=columns, notes=notes, compared=compared
    )
