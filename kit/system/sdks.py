"""The installed SDKs: the notebooks explain what these versions do."""

import json
from contextlib import suppress
from pathlib import Path

from sentry_sdk.consts import VERSION

from kit.system.part import status_line


def sdks_line(node_modules: Path | None) -> str:
    """Return a line with the versions of the installed SDKs.

    ``node_modules`` belongs to the payment service; None where that cannot run.
    """
    versions = [f"sentry-sdk {VERSION}"]
    # Another process may clean up the cache meanwhile.
    with suppress(OSError):
        if node_modules is not None:
            package = (node_modules / "@sentry" / "node" / "package.json").read_text("utf-8")
            versions.append(f"@sentry/node {json.loads(package)['version']}")
    return status_line("SDKs", f"{', '.join(versions)}: the versions explained here")
