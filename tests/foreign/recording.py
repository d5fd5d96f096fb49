"""Records what the SDKs send, without what is of this machine: python -m tests.foreign.recording.

The host, folders, ports and what describes the machine are left out or replaced.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from kit.ingest.store import StoredItem
from tests.browser import chromium
from tests.foreign.browsing import open_pages
from tests.foreign.driving import run, running
from tests.foreign.installation import Installation
from tests.foreign.sdks import BROWSER, EVERY, RECORDED, ForeignSdk

MAX_MODULES = 3
# Contexts of the machine, of which the values are nobody's business.
_OF_MACHINE = ("app", "culture", "device", "os", "cloud_resource", "rust", "runtime")
_ORIGIN = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")
_FOLDER = re.compile(r"(?:file://)?/(?:[\w.@+-]+/)+")
_KEPT_FOLDERS = ("node_modules/", "site-packages/", "dist-packages/", "gems/")


def write(sdk: ForeignSdk, items: list[StoredItem]) -> None:
    """Write the events of an SDK to its file."""
    events = [scrubbed(item.payload) for item in items]
    text = json.dumps(events, indent=1, ensure_ascii=False)
    (RECORDED / f"{sdk.name}.json").write_text(text + "\n", encoding="utf-8")


def recorded(sdk: ForeignSdk) -> list[dict[str, Any]]:
    """Return the events that were recorded of an SDK, in the order in which it sent them."""
    events = json.loads((RECORDED / f"{sdk.name}.json").read_text(encoding="utf-8"))
    assert isinstance(events, list)
    return events


def scrubbed(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what is of this machine."""
    found = _scrub(event)
    assert isinstance(found, dict)
    if "server_name" in found:
        found["server_name"] = "host"
    if isinstance(modules := found.get("modules"), dict):
        found["modules"] = dict(list(modules.items())[:MAX_MODULES])
    return found


def _scrub(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _scrub_machine(each) if key.lower() in _OF_MACHINE else _scrub(each)
            for key, each in value.items()
            # Of the whole environment sentry-cli makes extra data.
            if key not in ("environ", "User-Agent")
        }
    if isinstance(value, list):
        return [_scrub(each) for each in value]
    return _scrub_text(value) if isinstance(value, str) else value


def _scrub_machine(context: Any) -> Any:
    if not isinstance(context, dict):
        return _scrub(context)
    return {key: each for key, each in context.items() if key in ("name", "type")}


def _scrub_text(text: str) -> str:
    text = _ORIGIN.sub("https://shop.example", text)
    if "://shop.example" in text or not _FOLDER.search(text):
        return text
    return _FOLDER.sub(lambda found: _folder(found[0]), text)


def _folder(path: str) -> str:
    """Return a folder as one of a server, with what is known of installed packages."""
    for kept in _KEPT_FOLDERS:
        _, there, rest = path.partition(kept)
        if there:
            return f"/app/{kept}{rest}"
    return "/app/"


def main(names: list[str]) -> None:
    """Run the programs of the named SDKs, of all without a name, and record their events."""
    RECORDED.mkdir(exist_ok=True)
    wanted = [sdk for sdk in EVERY if not names or sdk.name in names]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as ingest:
        installed = Installation()
        pages = [sdk for sdk in wanted if sdk in BROWSER]
        if pages:
            with chromium.browser_or_skip() as browser:
                open_pages(pages, ingest, installed.npm(), Path(folder), browser)
        for sdk in wanted:
            if sdk not in pages:
                run(sdk, ingest.dsn(sdk), installed)
            write(sdk, ingest.wait_for_events(sdk))


if __name__ == "__main__":
    main(sys.argv[1:])
