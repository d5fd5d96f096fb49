"""The learner's copy of the course: made once, and brought up to date after an upgrade.

A file that the learner did not change is replaced by the newer one. A changed notebook stays, and
the newer one is put beside it. A deleted file comes back: that is how to start a notebook afresh.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path, PurePosixPath

from kit.actionable import ActionableError
from kit.commands.outputs import strip_outputs
from kit.home import COPY_FOLDER, COPY_MANIFEST, FIRST_NOTEBOOK, NOTEBOOKS, find_copy
from kit.words import count_noun

IMAGES = "images/*.png"


class CopyError(ActionableError):
    """Why the course cannot be copied, and what to do."""


@dataclass
class _Manifest:
    """What is known of a copy: the SHA-256 of what came with the workshop.

    ``came`` has those of each version of a file: a file with another one was changed by the
    learner. ``seen`` has the newest version that the learner has, as the file itself or beside it,
    and ``beside`` has each file that was put beside another.
    """

    came: dict[str, list[str]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "_Manifest":
        """Read the manifest of a copy; a missing or damaged one knows nothing.

        Then every file that is not as it comes now counts as changed.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
            came = {str(name): list(map(str, each)) for name, each in content["came"].items()}
            return cls(came, dict(content["seen"]), dict(content["beside"]))
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write it, unless the file says the same already."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"
        if not path.is_file() or path.read_bytes() != text:
            _replace(path, text)


def copy_place() -> Path:
    """Return the folder of the learner's copy: the one that is there, else where one is made."""
    return find_copy() or Path.cwd() / COPY_FOLDER


def copy_course(source: Path, folder: Path) -> list[str]:
    """Copy the notebooks of ``source`` into ``folder``, or bring those there up to date.

    Return what to tell the learner, in lines. After an interruption it goes on; where nothing is
    to do it writes nothing. Raises CopyError.
    """
    try:
        _refuse_foreign(folder)
        (folder / "notebooks" / "images").mkdir(parents=True, exist_ok=True)
        return [
            f"The course is in {folder / 'notebooks'}; what you change there stays.",
            *_bring_up_to_date(dict(_read_course_files(source)), folder),
        ]
    except OSError as error:
        raise CopyError(
            f"Cannot copy the course into {folder}: {error}. Start again in a folder that you can "
            "write to, or name one: workshop notebooks FOLDER"
        ) from error


def _refuse_foreign(folder: Path) -> None:
    """Raise CopyError when there is something else than a copy, or the beginning of one."""
    if not folder.exists() or (folder / COPY_MANIFEST).is_file():
        return
    is_checkout = (folder / "pyproject.toml").exists()
    has_course = (folder / "notebooks" / FIRST_NOTEBOOK).is_file()
    # A workshop folder or an environment may be there first.
    is_empty = all(path.name.startswith(".") for path in folder.iterdir())
    if is_checkout or not (has_course or is_empty):
        what = "a checkout" if is_checkout and has_course else "a folder of something else"
        raise CopyError(
            f"{folder} is {what}, and stays as it is. Start again in another folder, or name one: "
            "workshop notebooks FOLDER"
        )


def _read_course_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file of the course by its path there, without the outputs of a checkout."""
    for path in sorted((*source.glob(NOTEBOOKS), *source.glob(IMAGES))):
        name = path.relative_to(source).as_posix()
        if path.suffix == ".ipynb":
            yield name, strip_outputs(path.read_text("utf-8")).encode()
        else:
            yield name, path.read_bytes()


def _bring_up_to_date(files: Mapping[str, bytes], folder: Path) -> list[str]:
    notebooks, manifest = folder / "notebooks", _Manifest.read(folder / COPY_MANIFEST)
    for name, content in files.items():
        came = manifest.came.setdefault(name, [])
        if _digest(content) not in came:
            came.append(_digest(content))
    # Before any file: a copy that is interrupted is not taken for what the learner changed.
    manifest.write(folder / COPY_MANIFEST)
    lines, replaced = [], 0
    for name, content in files.items():
        path = notebooks / name
        found = path.read_bytes() if path.exists() else None
        if found is None or _digest(found) in manifest.came[name]:
            if found != content:
                _replace(path, content)
                replaced += found is not None
        elif manifest.seen.get(name) != _digest(content):
            newer = _put_beside(notebooks, name, content, manifest)
            lines.append(f"{name} has changes of yours and stays; the newer one is {newer}.")
        manifest.seen[name] = _digest(content)
    _remove_old(files, notebooks, manifest)
    manifest.write(folder / COPY_MANIFEST)
    if replaced:
        lines.append(f"{count_noun(replaced, 'file')} replaced by a newer one.")
    return lines


def _put_beside(notebooks: Path, name: str, content: bytes, manifest: _Manifest) -> str:
    """Put a newer version beside a file, over an earlier one that is untouched; return its name."""
    digest = _digest(content)
    for newer in _names_beside(name):
        path = notebooks / newer
        if not path.exists() or _digest(path.read_bytes()) in (digest, manifest.beside.get(newer)):
            _replace(path, content)
            manifest.beside[newer] = digest
            return newer
    raise AssertionError("names never end")


def _names_beside(name: str) -> Iterator[str]:
    """Yield names for a newer version of a file: all sort beside it, none matches NOTEBOOKS."""
    path = PurePosixPath(name)
    number, _, rest = path.name.partition("_")
    for attempt in count(1):
        new = f"new{attempt if attempt > 1 else ''}"
        yield str(path.with_name(f"{number}-{new}_{rest}" if rest else f"{new}-{path.name}"))


def _remove_old(files: Mapping[str, bytes], notebooks: Path, manifest: _Manifest) -> None:
    """Remove what no longer comes with the workshop, unless the learner changed it."""
    for name in manifest.came.keys() - files.keys():
        path = notebooks / name
        if path.is_file() and _digest(path.read_bytes()) in manifest.came[name]:
            path.unlink()


def _replace(path: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all."""
    # Two workshops may be started at once.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
