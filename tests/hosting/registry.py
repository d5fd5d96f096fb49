"""A registry of packages on 127.0.0.1 with one package in it, for npm to install from."""

import base64
import hashlib
import io
import json
import ssl
import tarfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

FILES = {
    "package.json": json.dumps({"name": "greeting", "version": "1.0.0", "main": "index.js"}),
    "index.js": "module.exports = 'hello'",
}


def tarball() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()


class Registry(ThreadingHTTPServer):
    """Counts what it is asked; it gives no package away while it is not ``generous``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.tarball = tarball()
        digest = hashlib.sha512(self.tarball).digest()
        self.integrity = f"sha512-{base64.b64encode(digest).decode()}"
        self.status = 200
        self.requests: list[str] = []
        self.asked, self.generous = threading.Event(), threading.Event()
        self.generous.set()
        self._scheme = "http"

    @property
    def url(self) -> str:
        # By name: pip 24 compares a certificate with no address.
        return f"{self._scheme}://localhost:{self.server_address[1]}"

    def encrypt(self, authority: trustme.CA) -> None:
        """Speak TLS from now on, with a certificate that ``authority`` signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self._scheme = "https"

    def answer(self, path: str) -> bytes:
        self.requests.append(path)
        self.asked.set()
        self.generous.wait(600)
        if path.endswith(".tgz"):
            return self.tarball
        dist = {"tarball": f"{self.url}/greeting.tgz", "integrity": self.integrity}
        version = {"name": "greeting", "version": "1.0.0", "dist": dist}
        return json.dumps({"name": "greeting", "versions": {"1.0.0": version}}).encode()

    def write_package(self, folder: Path) -> Path:
        """Write the declarations of a service that needs the package; return its folder."""
        folder.mkdir()
        needs = {"dependencies": {"greeting": "1.0.0"}}
        own = {"name": folder.name, "version": "1.0.0"}
        scripts = {"scripts": {"start": "node --max-old-space-size=64 src/main.js"}}
        greeting = {"version": "1.0.0", "integrity": self.integrity}
        packages = {"": {**own, **needs}, "node_modules/greeting": greeting}
        lock = {**own, "lockfileVersion": 3, "requires": True, "packages": packages}
        (folder / "package.json").write_text(json.dumps({**own, **needs, **scripts}))
        (folder / "package-lock.json").write_text(json.dumps(lock))
        (folder / ".npmrc").write_text("omit-lockfile-registry-resolved=true\n")
        return folder


class RegistryHandler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        body = self.server.answer(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
