"""The real SDKs for browsers, in pages of another origin in Chromium, send what is recorded."""

from pathlib import Path

import pytest

from tests.browser import chromium
from tests.foreign.browsing import open_pages
from tests.foreign.driving import running
from tests.foreign.installation import Installation
from tests.foreign.sdks import BROWSER
from tests.foreign.test_sdks import compare

# The first run installs for minutes.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]


def test_pages_of_another_origin_send_what_is_recorded_of_them(tmp_path: Path) -> None:
    node_modules = Installation().npm()
    with running(tmp_path) as ingest, chromium.browser_or_skip() as browser:
        open_pages(BROWSER, ingest, node_modules, tmp_path, browser)
        for sdk in BROWSER:
            compare(sdk, ingest)
