"""Who learns here: the name that tells one learner's events from those of others.

It is wanted only where a class shares a Sentry. It comes from a person, so it is untrusted: short,
and without characters that are not seen.
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

MAX_CHARS = 64  # a value of a tag may have 200, in Sentry
FILE = "learner.txt"
PROMPT = "Your name (shown in the class's Sentry) [{}]: "

Ask = Callable[[str], str]


def learner(
    home: Path, *, ask: Ask | None = None, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the name of the learner whose workshop folder ``home`` is.

    It is that of ``WORKSHOP_LEARNER``, else of ``JUPYTERHUB_USER``, else the one that was given
    when it was asked for, once a folder. ``ask`` puts a question to a person and returns the
    answer; by default input() where one can answer. Where none can it is the user's name.
    """
    given = (environment.get(name, "") for name in ("WORKSHOP_LEARNER", "JUPYTERHUB_USER"))
    known = next(filter(None, map(clean, given)), "") or _read_remembered(home)
    return known or _ask_user(home, ask or someone_to_ask())


def clean(name: str) -> str:
    """Return a name in one line, without invisible characters, at most ``MAX_CHARS`` long."""
    spaced = " ".join(name.split())
    # C: control and format characters, among them those that turn the direction of text.
    visible = (each for each in spaced if not unicodedata.category(each).startswith("C"))
    return "".join(visible)[:MAX_CHARS].strip()


def someone_to_ask() -> Ask | None:
    """Return how to ask the person who runs this, or None when no one can answer."""
    if threading.current_thread() is not threading.main_thread():
        return None
    if hasattr(get_ipython(), "kernel") or (sys.stdin is not None and sys.stdin.isatty()):
        return input
    return None


def _ask_user(home: Path, ask: Ask | None) -> str:
    user = _user_name()
    if ask is None:
        return user
    # A kernel refuses the question when no person can answer, as in CI.
    try:
        name = clean(ask(PROMPT.format(user))) or user
    except (StdinNotImplementedError, EOFError):
        return user
    with suppress(OSError):  # the store reports a folder that cannot be written to
        private_file(private_folder(home) / FILE).write_text(f"{name}\n", encoding="utf-8")
    return name


def _read_remembered(home: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return clean((home / FILE).read_text(encoding="utf-8")[:1000])
    return ""


def _user_name() -> str:
    # Without an entry for the user, as in some containers, there is no name.
    with suppress(OSError, KeyError, ImportError):
        return clean(getpass.getuser()) or "somebody"
    return "somebody"
