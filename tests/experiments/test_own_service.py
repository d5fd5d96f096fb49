import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from kit.experiments.own_service import PAGE
from kit.experiments.own_service.page import Page, bundle_script, page_settings
from kit.experiments.own_service.program import OwnProgram
from kit.hosting.server import ServerError
from kit.workshop import Workshop

Start = Callable[[str], OwnProgram]
DSN = "http://key@127.0.0.1:1/1001"
# What a small framework does, in a tenth of its time.
PROGRAM = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        told = {name: os.environ[name] for name in os.environ if "SENTRY" in name}
        self.wfile.write(json.dumps({"pid": os.getpid(), "told": told}).encode())

server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print(" * Running on http://127.0.0.1", file=sys.stderr)
server.serve_forever()
"""


def ask(program: OwnProgram) -> dict[str, object]:
    answer: dict[str, object] = httpx.get(program.url, trust_env=False).json()
    return answer


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    started = []
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "that of the shell")

    def start(source: str) -> OwnProgram:
        file = tmp_path / "my_app.py"
        file.write_text(source)
        started.append(OwnProgram(file, "my-app", DSN))
        return started[-1].run()

    yield start
    for each in started:
        each.stop()


def test_a_program_is_told_its_dsn_and_nothing_of_the_shell(
    program: Start,
) -> None:
    running = program(PROGRAM)
    answer = ask(running)
    assert answer["told"] == {"SENTRY_DSN": DSN}
    assert repr(running) == f"my-app: my_app.py at {running.url}, up"
    running.stop()
    assert not psutil.pid_exists(int(str(answer["pid"])))


def test_one_that_dies_is_started_again(program: Start) -> None:
    running = program(PROGRAM)
    first = ask(running)["pid"]
    before = running.start_count
    psutil.Process(int(str(first))).kill()
    running.wait(after=before)
    assert ask(running)["pid"] != first


def test_one_that_does_not_start_says_why(program: Start) -> None:
    with pytest.raises(ServerError) as failure:
        program("print('half way', flush=True)\nraise RuntimeError('no such table')")
    assert "my-app did not start: it exited with code 1" in str(failure.value)
    assert "half way" in str(failure.value)
    # Of two pipes, in whatever order they were read.
    assert "\nRuntimeError: no such table" in str(failure.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"There is no file .*gone\.py\. Run the cell"):
        OwnProgram(tmp_path / "gone.py", "my-app", DSN).run()


def fetch_page(backend: str) -> str:
    page = Page(DSN, backend, b"script")
    page.launch().wait()
    try:
        return httpx.get(page.url, trust_env=False).text
    finally:
        page.stop()


def test_settings_stay_within_their_script() -> None:
    hostile = "http://127.0.0.1/</script><script>alert(1)</script>"
    page = fetch_page(hostile)
    assert page.count("</script>") == 2
    settings = re.search(r'id="settings">(.*)</script>', page)
    assert settings
    assert json.loads(settings[1]) == {"dsn": DSN, "backend": hostile}


def test_behind_a_proxy_the_page_stays_on_its_own_site(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = "http://127.0.0.1:2/checkout"
    assert page_settings(DSN, backend) == {"dsn": DSN, "backend": backend}
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert page_settings(DSN, backend) == {
        "dsn": DSN,
        "backend": "/user/ada/proxy/2/checkout",
        "tunnel": "/user/ada/proxy/1/tunnel",
    }


@pytest.mark.slow
def test_the_page_is_one_short_script(tmp_path: Path) -> None:
    script = bundle_script(tmp_path / "home", lambda line: None)
    assert b"sentry_version" in script
    assert b"import " not in script[:200]
    page = Page(DSN, "http://127.0.0.1:1/checkout", script)
    page.launch().wait()
    try:
        assert httpx.get(f"{page.url}/page.js", trust_env=False).content == script
        assert f'<iframe src="{page.url}/"' in page._repr_html_()
    finally:
        page.stop()


@pytest.mark.slow
def test_a_script_with_a_mistake_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "main.js"
    script.write_text("const = 1")
    monkeypatch.setattr("kit.experiments.own_service.page.SCRIPT", script)
    with pytest.raises(ServerError, match=r"Could not bundle .*main\.js"):
        bundle_script(tmp_path, lambda line: None)


def test_running_it_again_ends_the_one_before(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "my_app.py"
    file.write_text(PROGRAM)
    first = workshop.run(file, "run-again")
    pid = ask(first)["pid"]
    second = workshop.run(str(file), "run-again")
    assert not psutil.pid_exists(int(str(pid)))
    assert ask(second)["told"] == {"SENTRY_DSN": workshop.dsn("run-again")}
    second.stop()


def test_the_lock_file_of_the_page_holds_no_address() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text())
    assert not [path for path, facts in lock["packages"].items() if "resolved" in facts]
