"""The learner's name, which tells one learner's events from another's.

It is needed only where a class shares a Sentry. A person types it, so it is untrusted: it is
truncated, and invisible characters are removed.
"""

import getpass
import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from IPython.core.error import StdinNotImplementedError
from IPython.core.getipython import get_ipython

from kit.private import private_file, private_folder

MAX_CHARS = 64  # Sentry allows 200 for the value of a tag
FILE = "learner.txt"
PROMPT = "Your name (shown in the class's Sentry) [{}]: "

Ask = Callable[[str], str]


def learner(
    home: Path, *, ask: Ask | None = None, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the name of the learner who uses the workshop folder ``home``.

    It comes from ``WORKSHOP_LEARNER``, else from ``JUPYTERHUB_USER``, else from asking once per
    folder. ``ask`` asks a person and returns the answer; by default input(), where someone can
    answer. Otherwise it is the user's name.
    """
    given = (environment.get(name, "") for name in ("WORKSHOP_LEARNER", "JUPYTERHUB_USER"))
    known = next(filter(None, map(clean, given)), "") or _read_remembered(home)
    return known or _ask_user(home, ask or someone_to_ask())


def clean(name: str) -> str:
    """Return a name as one line without invisible characters, at most ``MAX_CHARS`` long."""
    spaced = " ".join(name.split())
    # C: control and format characters, including those that change the direction of text.
    visible = (each for each in spaced if not unicodedata.category(each).startswith("C"))
    return "".join(visible)[:MAX_CHARS].strip()


def someone_to_ask() -> Ask | None:
    """Return how to ask the person who runs this, or None when nobody can answer."""
    if threading.current_thread() is not threading.main_thread():
        return None
    if hasattr(get_ipython(), "kernel") or (sys.stdin is not None and sys.stdin.isatty()):
        return input
    return None


def _ask_user(home: Path, ask: Ask | None) -> str:
    user = _user_name()
    if ask is None:
        return user
    # A kernel refuses input() when nobody can answer, as in CI.
    try:
        name = clean(ask(PROMPT.format(user))) or user
    except (StdinNotImplementedError, EOFError):
        return user
    with suppress(OSError):  # the store reports a folder that is not writable
        private_file(private_folder(home) / FILE).write_text(f"{name}\n", encoding="utf-8")
    return name


def _read_remembered(home: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return clean((home / FILE).read_text(encoding="utf-8")[:1000])
    return ""


def _user_name() -> str:
    # Some containers have no entry for the user, so no name.
    with suppress(OSError, KeyError, ImportError):
        return clean(getpass.getuser()) or "somebody"
    return "somebody"
