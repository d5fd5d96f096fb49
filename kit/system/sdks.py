"""The SDKs that are installed: what a notebook explains is what these do."""

import json
from contextlib import suppress
from pathlib import Path

from sentry_sdk.consts import VERSION

from kit.system.part import status_line


def sdks_line(node_modules: Path | None) -> str:
    """Return a line that names the SDKs, from the packages that are installed.

    ``node_modules`` are those of the payment service; None where it cannot run.
    """
    versions = [f"sentry-sdk {VERSION}"]
    # Another process may tidy the cache meanwhile.
    with suppress(OSError):
        if node_modules is not None:
            package = (node_modules / "@sentry" / "node" / "package.json").read_text("utf-8")
            versions.append(f"@sentry/node {json.loads(package)['version']}")
    return status_line("SDKs", f"{', '.join(versions)}: these are explained here")
