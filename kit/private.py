"""Files that only their owner may open: events hold what crashed, and the debug token is a key.

On a shared machine everyone may be able to read a course folder. On Windows, access is that of the
folder that the user chose.
"""

import contextlib
import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Create a private folder, unless it exists; return it. Raises OSError."""
    # An existing folder may be shared on purpose: its files are still private.
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """Create an empty file, unless it exists, and make it private. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.suppress(PermissionError):  # another user's file that we may write to
        path.chmod(0o600)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file atomically; other users can never read it.

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
