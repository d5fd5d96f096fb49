"""Pages of the SDKs for browsers: bundled and minified with esbuild, opened in Chromium.

A page comes from another origin than the ingest, as those of a real application do.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import BrowserContext

from kit.hosting.node import find_node
from tests.foreign.driving import ForeignIngest
from tests.foreign.sdks import ForeignSdk

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Shop</title>
<body>
<script>window.SENTRY_DSN = "{dsn}"</script>
<script src="{bundle}"></script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder, and give its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write_page(sdk: ForeignSdk, dsn: str, node_modules: Path, folder: Path) -> str:
    """Bundle the program of an SDK, write the page that loads it and return the file's name."""
    bundle, page = f"{sdk.name}.js", f"{sdk.name}.html"
    esbuild = node_modules / "esbuild" / "bin" / "esbuild"
    subprocess.run(
        [
            *(str(find_node().path), str(esbuild), str(sdk.source), "--bundle", "--minify"),
            *(f"--outfile={folder / bundle}", f"--alias:sdk={sdk.package}"),
            *("--define:process.env.NODE_ENV='production'", "--log-level=error"),
        ],
        cwd=node_modules.parent,
        env={"NODE_PATH": str(node_modules)},
        check=True,
    )
    (folder / page).write_text(PAGE.format(dsn=dsn, bundle=bundle), encoding="utf-8")
    return page


def open_pages(
    sdks: Sequence[ForeignSdk],
    ingest: ForeignIngest,
    node_modules: Path,
    folder: Path,
    browser: BrowserContext,
) -> None:
    """Open the page of each SDK and press its button; return once all is in the store."""
    with site(folder) as origin:
        for sdk in sdks:
            name = write_page(sdk, ingest.dsn(sdk), node_modules, folder)
            page = browser.new_page()
            page.goto(f"{origin}/{name}")
            page.get_by_role("button", name="Order").click()
            ingest.wait_for_events(sdk)
            page.close()
