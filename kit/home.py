"""Where the course is, and where a workshop keeps its files."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from kit.actionable import WorkshopError
from kit.private import is_mine

_KIT = Path(__file__).resolve().parent
_IN_WHEEL = _KIT / "course" / "material"

IN_CHECKOUT = not _IN_WHEEL.is_dir()
COURSE = _KIT.parent / "notebooks" if IN_CHECKOUT else _IN_WHEEL
"""The original notebooks: those of the checkout, or those in the wheel."""

NOTEBOOKS = "[0-9][0-9]_*.ipynb"
FIRST_NOTEBOOK = "00_start_here.ipynb"
COPY_FOLDER = "crash-workshop"
COPY_MANIFEST = ".crash-workshop.json"
"""Lists the files that came with the workshop, in a learner's copy of the course."""


def course_folder() -> Path:
    """Return the folder of the notebooks: the working directory if it has them, as in a kernel.

    Elsewhere it is the learner's copy, or without one the notebooks that came with the workshop.
    """
    here = Path.cwd()
    if any(here.glob(NOTEBOOKS)):
        return here
    copy = None if IN_CHECKOUT else find_copy()
    return copy / "notebooks" if copy else COURSE


def find_copy() -> Path | None:
    """Return the learner's copy of the course, or None.

    It is the nearest one from the working directory up, else the folder that has the Python
    environment, as a bundle installs it, else ``crash-workshop`` in the working directory.
    """
    here = Path.cwd()
    places = (here, *here.parents, Path(sys.prefix).parent, here / COPY_FOLDER)
    return next((place for place in places if (place / COPY_MANIFEST).is_file()), None)


def default_home() -> Path:
    """Return ``WORKSHOP_HOME``, else ``.workshop`` in the nearest folder that has the course.

    Elsewhere it is that of this checkout, or of the learner's copy. If there is none, or another
    user owns it because a class shares the course, it is a per-user folder.
    """
    if home := os.environ.get("WORKSHOP_HOME"):
        return Path(home)
    here = Path.cwd()
    around = (folder for folder in (here, *here.parents) if _has_course(folder))
    course = next(around, COURSE.parent if IN_CHECKOUT else find_copy())
    if course and is_mine(course / ".workshop"):
        return course / ".workshop"
    with naming_the_variable("WORKSHOP_HOME"):
        return platformdirs.user_data_path("crash-workshop")


def _has_course(folder: Path) -> bool:
    # Many projects have a folder of that name, with other notebooks.
    first = folder / "notebooks" / FIRST_NOTEBOOK
    return first.is_file() or (folder / COPY_MANIFEST).is_file()


@contextmanager
def naming_the_variable(name: str) -> Iterator[None]:
    """Turn a missing home directory, inside the block, into an error that says what to set.

    A container may run as a user that the system does not list, and without HOME.
    """
    try:
        yield
    except (RuntimeError, KeyError) as error:  # from pathlib, and from Python's list of users
        raise WorkshopError(
            "This user has no home directory: HOME is not set, and the system does not know the "
            f"user. Set {name}, or HOME, to a folder that you can write to, and start again."
        ) from error
