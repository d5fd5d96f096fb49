"""The npm packages to install: the folder of each package.json and its lock file."""

from pathlib import Path

from demo_services import payment
from kit.experiments.own_service import PAGE

NPM_PACKAGES = {package.name: package for package in (payment.HOME, PAGE)}


def archive_name(package: Path, platform: str) -> str:
    """Return the name of the bundle archive with the dependencies of a package."""
    return f"{package.name}-{platform}.zip"


def package_in(archive: Path) -> Path | None:
    """Return the package whose dependencies a bundle archive has, judging by its name."""
    return NPM_PACKAGES.get(archive.name.partition("-")[0])
