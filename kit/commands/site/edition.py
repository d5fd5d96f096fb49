"""The whole reading edition: the course run, then printed."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from kit.actionable import ActionableError
from kit.commands.site.execution import execute_course
from kit.commands.site.pages import build_pages, check_sphinx
from kit.course.notebooks import Notebook, read_course


class EditionError(ActionableError):
    """Why there is no reading edition, and what to do."""


def make_site(
    source: Path, folder: Path, names: Sequence[str], report: Callable[[str], object]
) -> Path:
    """Run the notebooks in ``source`` and print them into ``folder``; return the first page.

    With ``names``, without their ending, those alone are run; the others are printed as they are.
    ``report`` is given a line after each. Raises EditionError, ExecutionError and SiteError.
    """
    # First, because running the course takes minutes.
    check_sphinx()
    _check_folder(folder)
    course = read_course(source)
    chosen = _choose(course, names)
    with tempfile.TemporaryDirectory(prefix="workshop-site-", ignore_cleanup_errors=True) as made:
        ran, done = Path(made) / "notebooks", 0

        def tell(name: str) -> None:
            nonlocal done
            done += 1
            report(f"✓ {done} of {len(chosen)}: {name}")

        report(f"Running {len(chosen)} notebooks, some at once. Each takes about half a minute.")
        shutil.copytree(source, ran, ignore=shutil.ignore_patterns(".*", "[!0-9]*.*"))
        execute_course([each.path for each in chosen], ran, Path(made) / "home", tell)
        report("Printing the pages.")
        return build_pages(course, ran, folder)


def _check_folder(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "index.html").is_file():
        raise EditionError(
            f"{folder} has files that are not of a site, and they would be mixed with it. "
            "Name a new folder, or empty this one."
        )


def _choose(course: Sequence[Notebook], names: Sequence[str]) -> list[Notebook]:
    known = [each.name for each in course]
    if unknown := [name for name in names if name not in known]:
        raise EditionError(f"There is no notebook {unknown[0]!r}. There are {', '.join(known)}.")
    return [each for each in course if not names or each.name in names]
