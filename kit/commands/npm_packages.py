"""What is installed from npm: the folder of each package.json, with the lock file beside it."""

from pathlib import Path

from demo_services import payment
from kit.experiments.own_service import PAGE

NPM_PACKAGES = {package.name: package for package in (payment.HOME, PAGE)}


def archive_name(package: Path, platform: str) -> str:
    """Return the name of the archive of a bundle that holds what a package needs."""
    return f"{package.name}-{platform}.zip"


def package_in(archive: Path) -> Path | None:
    """Return whose needs an archive of a bundle holds, by its name."""
    return NPM_PACKAGES.get(archive.name.partition("-")[0])
