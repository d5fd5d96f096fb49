"""The platforms that a bundle can be made for on any other."""

from dataclasses import dataclass
from typing import NamedTuple


class Platform(NamedTuple):
    """A platform as pip, Python's environment markers and npm name it."""

    tags: tuple[str, ...]
    markers: dict[str, str]
    npm: tuple[str, ...]


def _linux(machine: str, cpu: str) -> Platform:
    # Linux from 2018 on; pip needs every older glibc listed, too.
    glibc = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]
    tags = (*glibc, f"manylinux2014_{machine}", f"manylinux1_{machine}", f"linux_{machine}")
    return Platform(
        tags, _markers("posix", "linux", "Linux", machine), _npm("linux", cpu, "--libc=glibc")
    )


def _markers(os_name: str, sys_platform: str, system: str, machine: str) -> dict[str, str]:
    return {
        "os_name": os_name,
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": machine,
    }


def _npm(system: str, cpu: str, *others: str) -> tuple[str, ...]:
    return (f"--os={system}", f"--cpu={cpu}", *others)


BUNDLE_PLATFORMS = {
    "linux-x86_64": _linux("x86_64", "x64"),
    "linux-arm64": _linux("aarch64", "arm64"),
    # No macos-x86_64: SecantusDB is not published for it.
    "macos-arm64": Platform(
        ("macosx_14_0_arm64",),
        _markers("posix", "darwin", "Darwin", "arm64"),
        _npm("darwin", "arm64"),
    ),
    "windows-x86_64": Platform(
        ("win_amd64",), _markers("nt", "win32", "Windows", "AMD64"), _npm("win32", "x64")
    ),
}


@dataclass(frozen=True)
class Target:
    """A platform to install on, and its Python, for example 3.12.

    ``alike`` says that it matches this machine: packages that are only published as source are
    built here then. Any other target needs wheels.
    """

    platform: str
    python: str
    alike: bool = False

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform}"

    def environment(self) -> dict[str, str]:
        """Return the values that requirement markers have on the target."""
        return {
            **BUNDLE_PLATFORMS[self.platform].markers,
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }
