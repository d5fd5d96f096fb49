"""Files that only their owner may open: events hold what crashed, and the debug token is a key.

On a machine that many share, a course folder may well be readable by all. On Windows all
of these leave the access to the folder that the user chose.
"""

import contextlib
import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Create a folder of one's own, unless it is there; return it. Raises OSError."""
    # One that is there may be shared on purpose: its files are private all the same.
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """Create an empty file, or take one that is there, and close it to others. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.suppress(PermissionError):  # that of somebody else, who lets us write to it
        path.chmod(0o600)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file so that nobody else can read it at any moment, and no reader half of it.

    Raises OSError.
    """
    descriptor, draft = tempfile.mkstemp(prefix=path.stem, suffix=".draft", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def is_mine(path: Path) -> bool:
    """Return whether a folder belongs to this user, or can be created by them."""
    if not path.exists():
        return os.access(path.parent, os.W_OK)
    getuid = getattr(os, "getuid", None)
    return os.access(path, os.W_OK) and (getuid is None or path.stat().st_uid == getuid())
