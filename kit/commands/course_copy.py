"""The learner's copy of the course: made once, and updated after an upgrade.

An unchanged file is replaced by the newer one. A changed notebook stays, and the newer one is put
beside it. A deleted file comes back, so deleting a notebook is how to start it over.
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
    """The course cannot be copied; the message says why and what to do."""


@dataclass
class _Manifest:
    """The SHA-256 of each file that a copy received from the workshop.

    ``came`` has those of all versions of a file: a file with any other was changed by the learner.
    ``seen`` has the newest version that the learner has, as the file itself or beside it, and
    ``beside`` has each file that was put beside another.
    """

    came: dict[str, list[str]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "_Manifest":
        """Read the manifest of a copy; a missing or damaged one counts as empty.

        Then every file that differs from the current version counts as changed.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
            came = {str(name): list(map(str, each)) for name, each in content["came"].items()}
            return cls(came, dict(content["seen"]), dict(content["beside"]))
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write it, unless the file already has this content."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"
        if not path.is_file() or path.read_bytes() != text:
            _replace(path, text)


def copy_place() -> Path:
    """Return the folder of the learner's copy: the existing one, or where to make one."""
    return find_copy() or Path.cwd() / COPY_FOLDER


def copy_course(source: Path, folder: Path) -> list[str]:
    """Copy the notebooks of ``source`` into ``folder``, or update those there.

    Return lines to show the learner. Continues after an interruption; writes nothing when
    everything is up to date. Raises CopyError.
    """
    try:
        _refuse_foreign(folder)
        (folder / "notebooks" / "images").mkdir(parents=True, exist_ok=True)
        return [
            f"The course is in {folder / 'notebooks'}; your changes there are kept.",
            *_bring_up_to_date(dict(_read_course_files(source)), folder),
        ]
    except OSError as error:
        raise CopyError(
            f"Could not copy the course into {folder}: {error}. Start again in a folder that you "
            "can write to, or name one: workshop notebooks FOLDER"
        ) from error


def _refuse_foreign(folder: Path) -> None:
    """Raise CopyError when the folder holds anything but a copy, complete or begun."""
    if not folder.exists() or (folder / COPY_MANIFEST).is_file():
        return
    is_checkout = (folder / "pyproject.toml").exists()
    has_course = (folder / "notebooks" / FIRST_NOTEBOOK).is_file()
    # A workshop folder or an environment may already be there.
    is_empty = all(path.name.startswith(".") for path in folder.iterdir())
    if is_checkout or not (has_course or is_empty):
        what = "a checkout" if is_checkout and has_course else "not a copy of the course"
        raise CopyError(
            f"{folder} is {what}, so it was not changed. Start again in another folder, or name "
            "one: workshop notebooks FOLDER"
        )


def _read_course_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each course file, without a checkout's outputs."""
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
    # Before any file: an interrupted copy must not look like the learner's changes.
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
            lines.append(f"{name} has your changes and stays; the newer version is {newer}.")
        manifest.seen[name] = _digest(content)
    _remove_old(files, notebooks, manifest)
    manifest.write(folder / COPY_MANIFEST)
    if replaced:
        lines.append(f"{count_noun(replaced, 'file')} replaced by a newer version.")
    return lines


def _put_beside(notebooks: Path, name: str, content: bytes, manifest: _Manifest) -> str:
    """Put a newer version beside a file, replacing an unchanged earlier one; return its name."""
    digest = _digest(content)
    for newer in _names_beside(name):
        path = notebooks / newer
        if not path.exists() or _digest(path.read_bytes()) in (digest, manifest.beside.get(newer)):
            _replace(path, content)
            manifest.beside[newer] = digest
            return newer
    raise AssertionError("names never end")


def _names_beside(name: str) -> Iterator[str]:
    """Yield names for a newer version of a file: all sort next to it, none matches NOTEBOOKS."""
    path = PurePosixPath(name)
    number, _, rest = path.name.partition("_")
    for attempt in count(1):
        new = f"new{attempt if attempt > 1 else ''}"
        yield str(path.with_name(f"{number}-{new}_{rest}" if rest else f"{new}-{path.name}"))


def _remove_old(files: Mapping[str, bytes], notebooks: Path, manifest: _Manifest) -> None:
    """Remove files that the workshop no longer ships, unless the learner changed them."""
    for name in manifest.came.keys() - files.keys():
        path = notebooks / name
        if path.is_file() and _digest(path.read_bytes()) in manifest.came[name]:
            path.unlink()


def _replace(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    # Two workshops may start at once.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
