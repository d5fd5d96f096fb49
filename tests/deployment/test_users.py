"""Three learners on one machine start at the same moment, and nothing of theirs meets.

As root they are three users of the system, otherwise three homes of one user.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest
from sentry_sdk.utils import Dsn

from demo_services import payment
from kit.hosting import node

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
USERS = range(23_001, 23_004)
NAMES = ("ada", "grace", "lin")
PATIENCE_S = 60.0
# Set for the tests, and for the one user who runs them.
OTHERS = ("MONGODB_URI", "WORKSHOP_HOME", "SENTRY_DSN", "JUPYTERHUB_USER", "XDG_RUNTIME_DIR")


@dataclass
class Member:
    """A learner at work; ``user`` is None when they are not a user of the system of their own."""

    name: str
    home: Path
    user: int | None
    process: "subprocess.Popen[str]"
    said: dict[str, Any] = field(default_factory=dict)

    def step(self) -> dict[str, Any]:
        """Let them do the next step; return what they say of it."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.line())
        return said

    def line(self) -> str:
        """Return the next line that they say."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.name} has ended"
        return line.strip()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that all users of the machine can reach; those of pytest are closed to others."""
    place = Path(tempfile.mkdtemp(prefix="workshop-class-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def cache_of_all(place: Path) -> Path:
    """The packages of the payment service, installed once for a class that may only read them."""
    here = node.install_packages(payment.HOME, node.find_node(), print).parent
    shutil.copytree(here, place / "cache" / here.name, copy_function=link_or_copy, symlinks=True)
    for folder in (place / "cache", place / "cache" / here.name):
        folder.chmod(0o555)
    return place / "cache"


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def members(place: Path, cache_of_all: Path) -> Iterator[list[Member]]:
    """Three learners who have started at the same moment, and have crashed three services."""
    members = [
        make_member(name, user, place, cache_of_all)
        for name, user in zip(NAMES, USERS, strict=True)
    ]
    try:
        for member in members:
            assert member.line() == "up"
        with ThreadPoolExecutor() as pool:
            for member, said in zip(members, pool.map(Member.step, members), strict=True):
                member.said = said
        yield members
    finally:
        for member in members:
            member.process.kill()
            member.process.communicate()


def make_member(name: str, user: int, place: Path, cache_of_all: Path) -> Member:
    home = place / name
    home.mkdir()
    own = {"HOME": str(home), "USER": name, "LOGNAME": name, "WORKSHOP_CACHE": str(cache_of_all)}
    # What the tests' own user has set would be closed to others, or shared by all.
    kept = {k: v for k, v in os.environ.items() if k not in OTHERS and not k.startswith("JUPYTER")}
    program = ["-m", "tests.deployment.member"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    if (python := python_of_others()) is None:
        # All have the same folder beside the course.
        given = {**kept, **own, "WORKSHOP_HOME": str(home / "workshop")}
        command = [sys.executable, *program]
        return Member(name, home, None, subprocess.Popen(command, cwd=ROOT, env=given, **pipes))
    os.chown(home, user, user)
    process = subprocess.Popen(
        [python, *program], cwd=ROOT, env={**kept, **own, **paths()}, **as_user(user), **pipes
    )
    return Member(name, home, user, process)


@cache
def python_of_others() -> str | None:
    """Return a Python that other users of this machine can run the course with; None without."""
    if os.name != "posix" or os.getuid() != 0:
        return None
    major, minor = sys.version_info[:2]
    for python in (sys.executable, f"/usr/bin/python{major}.{minor}"):
        try:
            subprocess.run(
                [python, "-c", "import kit.workshop, tests.notebooks.kernels"],
                **as_user(USERS[0]),
                check=True,
                cwd=ROOT,
                env={**os.environ, **paths()},
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None


def paths() -> dict[str, str]:
    packages = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(packages))}


def as_user(user: int) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []}


def test_all_work_and_each_has_what_they_crashed(members: list[Member]) -> None:
    for member in members:
        assert "payment/crash" in member.said["crashed"]
        assert member.said["missing"] == []
        assert set(member.said["stored"]) == set(member.said["traces"])
    traces = [trace for member in members for trace in member.said["traces"]]
    assert len(set(traces)) == len(traces)


def test_ports_tokens_keys_and_folders_are_apart(members: list[Member]) -> None:
    urls = [url for member in members for url in member.said["urls"].values()]
    urls += [member.said["database"] for member in members if member.said["database"]]
    assert len(set(urls)) == len(urls) >= 15
    for what in ("token", "dsn", "home"):
        assert len({member.said[what] for member in members}) == len(members)


def test_a_token_opens_the_debug_routes_of_its_owner_alone(members: list[Member]) -> None:
    routes = {
        "gateway": "/debug/panic",
        "game-engine": "/debug/crash",
        "analytics": "/api/debug/validation-error",
        "payment": "/debug/error/range",
    }
    for mine, theirs in permutations(members, 2):
        for service, route in routes.items():
            for headers in ({"X-Debug-Token": mine.said["token"]}, {}):
                url = theirs.said["urls"][service] + route
                method = "POST" if service == "analytics" else "GET"
                answer = httpx.request(
                    method, url, headers=headers, json={}, timeout=PATIENCE_S, trust_env=False
                )
                assert answer.status_code == 401, url


def test_a_key_lets_into_the_store_of_its_owner_alone(members: list[Member]) -> None:
    for mine, theirs in permutations(members, 2):
        key = Dsn(mine.said["dsn"]).to_auth("member/1.0").to_header()
        url = Dsn(theirs.said["dsn"]).to_auth("member/1.0").get_api_url()
        answer = httpx.post(
            url,
            headers={"X-Sentry-Auth": key},
            content=b"{}\n",
            timeout=PATIENCE_S,
            trust_env=False,
        )
        assert answer.status_code == 401


READ = "import sys; open(sys.argv[1], 'rb').read(1)"


def test_nobody_else_can_open_what_was_captured(members: list[Member]) -> None:
    for member in members:
        home = Path(member.said["home"])
        assert home.is_relative_to(member.home)
        files = [path for path in home.rglob("*") if path.is_file()]
        assert home / "captured.sqlite3" in files
        if os.name == "posix":
            assert [oct(path.stat().st_mode) for path in files if not is_closed(path)] == []
            assert is_closed(home)
    for mine, theirs in permutations([member for member in members if member.user], 2):
        path = str(Path(theirs.said["home"]) / "captured.sqlite3")
        read = subprocess.run(
            [str(python_of_others()), "-c", READ, path], **as_user(mine.user or 0), stderr=-1
        )
        assert b"PermissionError" in read.stderr


def is_closed(path: Path) -> bool:
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_what_others_do_leaves_no_trace(members: list[Member]) -> None:
    counts = [member.step() for member in members]
    assert [said["after"] - said["before"] for said in counts] == [1, 1, 1]
    for member, said in zip(members, counts, strict=True):
        assert said["before"] == len(member.said["stored"])
