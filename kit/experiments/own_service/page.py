"""A web page with Sentry's browser SDK, whose button calls the learner's own program."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from kit.experiments.own_service import PAGE
from kit.hosting import node
from kit.hosting.environment import service_environment
from kit.hosting.server import Report, Server, ServerError, serve_asgi
from kit.html import render
from kit.private import private_folder
from kit.system.clients import sentry_off
from kit.system.links import link

SCRIPT = PAGE / "main.js"
BUNDLING_DEADLINE_S = 60.0
# One minified file for the browser, as in production.
_BUNDLING = ("--bundle", "--minify", "--format=iife", "--target=es2022", "--log-level=warning")


class Page(Server):
    """The page, on a separate port: for a browser it is another site than the service it calls.

    It reports to ``dsn``, and its button calls ``backend``.
    """

    def __init__(self, dsn: str, backend: str, script: bytes) -> None:
        make_app = partial(make_page, page_settings(dsn, backend), script)
        super().__init__("page", serve_asgi(make_app), context=sentry_off)

    def _repr_html_(self) -> str:
        return render("own_page.html", address=link(f"{self.url}/"))

    def __repr__(self) -> str:
        return f"page: {self.url}, {self.reason or self.state}"


def page_settings(dsn: str, backend: str) -> dict[str, str]:
    """Return the page's settings.

    Where its browser cannot reach this machine, as under JupyterHub, events go through a tunnel: a
    URL on the page's own site. The envelope itself names its project.
    """
    tunnel = f"http://{urlsplit(dsn).netloc.rpartition('@')[2]}/tunnel"
    settings = {"dsn": dsn, "backend": str(link(backend))}
    return settings if link(tunnel) == tunnel else {**settings, "tunnel": str(link(tunnel))}


def make_page(settings: dict[str, str], script: bytes) -> Starlette:
    """Return the application that serves the page and its script."""
    # In HTML a script ends at the first </script>, even inside a string.
    told = json.dumps(settings).replace("<", "\\u003c")
    text = (PAGE / "index.html").read_text(encoding="utf-8").replace("{{ settings }}", told)

    async def index(_: object) -> Response:
        return HTMLResponse(text)

    async def page_script(_: object) -> Response:
        return Response(script, media_type="text/javascript")

    return Starlette(routes=[Route("/", index), Route("/page.js", page_script)])


def bundle_script(home: Path, report: Report) -> bytes:
    """Return the page's script, bundled with the SDK into one file.

    Its npm packages are installed once, into the cache. The file is written to the workshop folder
    ``home``. Raises ServerError.
    """
    found = node.find_node()
    modules = node.install_packages(PAGE, found, report)
    esbuild, output = modules / "esbuild" / "bin" / "esbuild", private_folder(home) / "page.js"
    command = [str(found.path), str(esbuild), str(SCRIPT), *_BUNDLING, f"--outfile={output}"]
    environment = {**service_environment(os.environ), "NODE_PATH": str(modules)}
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, env=environment, capture_output=True, text=True, timeout=BUNDLING_DEADLINE_S
    )
    if done.returncode:
        raise ServerError(
            f"Could not bundle the page's script {SCRIPT}: {done.stderr.strip()[:500]}. Fix it, "
            "and run the cell again."
        )
    return output.read_bytes()
