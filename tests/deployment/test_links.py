import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from IPython.core.formatters import HTMLFormatter

from kit.hosting.child import free_port
from kit.system.links import SITE_VARIABLES, link
from kit.workshop import Workshop

URL = "http://127.0.0.1:8080"
TOKEN = "of-the-server"
DEADLINE_S = 60.0


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://127.0.0.1:8080/health"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}, "/user/ada/proxy/8080/health"),
        ({"WORKSHOP_PROXY": "/"}, "/proxy/8080/health"),
        (
            {
                "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
                "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/",
            },
            "https://hub.example/user/ada/proxy/8080/health",
        ),
    ],
)
def test_it_leads_to_where_the_browser_is(environment: dict[str, str], address: str) -> None:
    assert link(URL + "/health", environment) == address


def test_a_service_alone_is_reached_at_its_root() -> None:
    assert link(URL, {"WORKSHOP_PROXY": "/"}) == "/proxy/8080/"
    assert link(URL, {}) == URL


def test_a_notebook_shows_it_as_a_link() -> None:
    shown = HTMLFormatter()(link(URL, {"WORKSHOP_PROXY": '/"><script>'}))
    assert shown.startswith('<a href="/&#34;&gt;&lt;script&gt;/proxy/8080/" target="_blank"')


@contextmanager
def jupyter_server(prefix: str, folder: Path) -> Iterator[str]:
    """Run a Jupyter server below a prefix, with its proxy, as a hub does; give its address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
        *(f"--ServerApp.base_url={prefix}", f"--IdentityProvider.token={TOKEN}"),
        '--ServerApp.jpserver_extensions={"jupyter_server_proxy": True}',
    ]
    kinds = ("CONFIG", "DATA", "RUNTIME")
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in kinds}
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log) as server,
    ):
        try:
            site = f"http://127.0.0.1:{port}"
            await_answer(f"{site}{prefix}api", server, folder / "log.txt")
            yield site
        finally:
            server.terminate()


def await_answer(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


def test_a_service_is_reached_through_a_jupyter_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = "/user/ada/"
    for name in SITE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", prefix)
    lines: list[str] = []
    with (
        Workshop.start(home=tmp_path / "home", report=lines.append) as workshop,
        jupyter_server(prefix, tmp_path) as site,
    ):
        # What a learner sees leads there; what code calls does not.
        gateway = next(line for line in lines if "gateway" in line)
        assert workshop.link(path="/") in gateway
        assert workshop.url() not in gateway
        health = site + workshop.link()
        stranger = httpx.get(health, trust_env=False, timeout=DEADLINE_S)
        assert stranger.status_code in (302, 403)
        answer = httpx.get(
            health, headers={"Authorization": f"token {TOKEN}"}, trust_env=False, timeout=DEADLINE_S
        )
        assert (answer.status_code, answer.json()["service"]) == (200, "gateway")
        crash = site + workshop.link(path="/debug/panic")
        refused = httpx.get(
            crash, headers={"Authorization": f"token {TOKEN}"}, trust_env=False, timeout=DEADLINE_S
        )
        assert refused.status_code == 401  # the proxy opens no debug route
