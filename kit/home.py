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
"""The notebooks as they came: those of the checkout, or those in the wheel."""

NOTEBOOKS = "[0-9][0-9]_*.ipynb"
FIRST_NOTEBOOK = "00_start_here.ipynb"
COPY_FOLDER = "crash-workshop"
COPY_MANIFEST = ".crash-workshop.json"
"""The file in a learner's copy of the course that says what came with the workshop."""


def course_folder() -> Path:
    """Return where the notebooks are: the working directory if they are there, as in a kernel.

    From anywhere else it is the learner's copy, and those that came with the workshop without one.
    """
    here = Path.cwd()
    if any(here.glob(NOTEBOOKS)):
        return here
    copy = None if IN_CHECKOUT else find_copy()
    return copy / "notebooks" if copy else COURSE


def find_copy() -> Path | None:
    """Return the learner's copy of the course, None without one.

    It is the nearest folder from the working directory up, else the one that has the environment,
    as a bundle installs it, else ``crash-workshop`` in the working directory.
    """
    here = Path.cwd()
    places = (here, *here.parents, Path(sys.prefix).parent, here / COPY_FOLDER)
    return next((place for place in places if (place / COPY_MANIFEST).is_file()), None)


def default_home() -> Path:
    """Return ``WORKSHOP_HOME``, else ``.workshop`` in the nearest folder that has the course.

    From anywhere else it is the one of this checkout, or of the learner's copy. When that is not
    this user's, because a class shares the course, or there is none, it is a folder of theirs.
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
    # Many a project has a folder of that name, with notebooks of its own.
    first = folder / "notebooks" / FIRST_NOTEBOOK
    return first.is_file() or (folder / COPY_MANIFEST).is_file()


@contextmanager
def naming_the_variable(name: str) -> Iterator[None]:
    """Turn the lack of a home directory, inside the block, into an error that says what to set.

    A container may run as a user who is in no list, and has no HOME.
    """
    try:
        yield
    except (RuntimeError, KeyError) as error:  # of pathlib, and of Python's list of users
        raise WorkshopError(
            "This user has no home directory: HOME is not set, and the system does not know the "
            f"user. Set {name}, or HOME, to a folder that you can write to, and start again."
        ) from error
