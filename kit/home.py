"""Where the course is, and where a workshop keeps its files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from kit.actionable import WorkshopError
from kit.private import is_mine

COURSE = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = "[0-9][0-9]_*.ipynb"


def course_folder() -> Path:
    """Return where the notebooks are: the working directory if they are there, as in a kernel."""
    here = Path.cwd()
    return here if any(here.glob(NOTEBOOKS)) else COURSE


def default_home() -> Path:
    """Return ``WORKSHOP_HOME``, else ``.workshop`` in the nearest folder that has the course.

    From anywhere else it is the one of this course. When that is not this user's, because a class
    shares the course, it is a folder of theirs.
    """
    if home := os.environ.get("WORKSHOP_HOME"):
        return Path(home)
    here = Path.cwd()
    course = (folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir())
    own = COURSE.parent if COURSE.is_dir() else here
    beside = next(course, own) / ".workshop"
    if is_mine(beside):
        return beside
    with naming_the_variable("WORKSHOP_HOME"):
        return platformdirs.user_data_path("crash-workshop")


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
