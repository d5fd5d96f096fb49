"""The shell of a learner is set up for other work: nothing of it changes what the services report.

Variables that do not hide each other share one start.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit import Workshop
from kit.hosting.environment import TELEMETRY
from kit.ingest.retention import SettingError
from kit.system.environment import hide_telemetry_settings

ROOT = Path(__file__).parents[2]
FOREIGN_TRACE = "a" * 32
SECRET = "hunter2"
PROGRAM = f"""
import json, sys
from kit import Workshop

def facts(event):
    exceptions = [value["type"] for value in event["exception"]["values"]]
    contexts = sorted(event["contexts"])
    crumbs = event.get("breadcrumbs", [])
    crumbs = crumbs["values"] if isinstance(crumbs, dict) else crumbs
    categories = {{crumb.get("category") for crumb in crumbs}}
    named = [event.get(name) for name in ("environment", "release", "server_name", "dist", "level")]
    return [*named, exceptions, contexts, sorted(map(str, categories))]

crashes = ("gateway/panic", "game-engine/crash", "game-engine/error", "analytics/crash",
           "payment/async-error", "payment/crash", "frontend/error")
found = {{}}
with Workshop.start() as workshop:
    for crash in crashes:
        parameters = {{"type": "assertion"}} if crash == "game-engine/error" else {{}}
        outcome = workshop.trigger(crash, **parameters)
        found[crash] = [outcome.response.status_code, outcome.missing, outcome.unexpected,
                        [facts(event) for event in outcome.events]]
    workshop.flush()
    items = workshop.store.items()
    found["projects"] = sorted({{item.project for item in items}})
    found["foreign"] = any("{FOREIGN_TRACE}" in item.trace_ids for item in items)
    found["debug"] = [client.client.options[name] for client in workshop._system.clients.values()
                      for name in ("debug", "spotlight", "keep_alive", "sample_rate")]
    found["spin"] = sorted(workshop.spin())
print(json.dumps(found))
"""
SENTRY = {
    "SENTRY_ENVIRONMENT": "production",
    "SENTRY_RELEASE": "shop@9.9",
    "SENTRY_DEBUG": "1",
    "SENTRY_SPOTLIGHT": "1",
    "SENTRY_NAME": "laptop",
    "SENTRY_KEEP_ALIVE": "1",
    "SENTRY_TRACE": f"{FOREIGN_TRACE}-bbbbbbbbbbbbbbbb-0",
    "SENTRY_BAGGAGE": f"sentry-trace_id={FOREIGN_TRACE},sentry-sample_rate=0",
    "SENTRY_TRACES_SAMPLE_RATE": "0",
    "SENTRY_TRACE_LIFECYCLE": "static",
    "SENTRY_PRINT_ENVELOPES": "1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_PROPAGATORS": "b3",
    "OTEL_NODE_RESOURCE_DETECTORS": "none",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    "AWS_REGION": "eu-central-1",
    "VERCEL": "1",
}
NODE = {
    "NODE_OPTIONS": "--require=/nowhere/hook.js --max-old-space-size=16 --inspect",
    "NODE_ENV": "production",
    "NODE_PATH": "/nowhere",
    "NODE_DEBUG": "http",
    "NODE_EXTRA_CA_CERTS": "/nowhere/ca.pem",
    "DEBUG": "*",
    "FORCE_COLOR": "1",
    "npm_config_dry_run": "true",
    "npm_config_global": "true",
    "WEB_CONCURRENCY": "many",
    "UVICORN_WORKERS": "4",
    "FORWARDED_ALLOW_IPS": "*",
    "HOST": "0.0.0.0",
    "PORT": "80",
    "HTTP_PROXY": f"http://user:{SECRET}@127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks://127.0.0.1:9",
    "SSL_CERT_FILE": "/nowhere/ca.pem",
    "REQUESTS_CA_BUNDLE": "/nowhere/ca.pem",
}
PYTHON = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONHASHSEED": "1",
    "PYTHONIOENCODING": "cp1252",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSTARTUP": "/nowhere/startup.py",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "POSIX",
    "LANG": "C",
    "TZ": "Asia/Kathmandu",
}
STRICT = {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1", "PYTHONUTF8": "0", "NO_COLOR": "1"}
NO_USER = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]


def run(home: Path, *prefix: str, **variables: str) -> tuple[dict[str, Any], list[str]]:
    """Start the system in a shell with these variables; return what it found, and its lines."""
    own = {**os.environ, "WORKSHOP_HOME": str(home), **variables}
    path = os.pathsep.join(filter(None, [str(ROOT), own.get("PYTHONPATH")]))
    done = subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM],
        env={name: value for name, value in {**own, "PYTHONPATH": path}.items() if value},
        cwd=home,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    *lines, found = done.stdout.splitlines()
    return json.loads(found), lines


@pytest.fixture(scope="module")
def as_usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the services report in a shell without any of it."""
    names = {*SENTRY, *NODE, *PYTHON, *STRICT, "http_proxy", "https_proxy", "all_proxy"} - {"LANG"}
    found, _ = run(tmp_path_factory.mktemp("home"), **dict.fromkeys(names, ""))
    assert all(not missing and not more for _, missing, more, _ in list(found.values())[:7])
    return found


def difference(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (found[name], expected[name]) for name in expected if found[name] != expected[name]
    }


@pytest.mark.parametrize(
    "variables", [SENTRY | NODE | PYTHON, STRICT], ids=["set up for other work", "strict"]
)
def test_a_shell_changes_nothing(
    variables: dict[str, str], as_usual: dict[str, Any], tmp_path: Path
) -> None:
    for folder in ("home", "with blanks", "modules"):
        (tmp_path / folder).mkdir()
    # A module of the learner's that is named like one the SDK looks for.
    (tmp_path / "modules" / "flask.py").write_text("app = None\n")
    more = {"TMPDIR": str(tmp_path / "with blanks"), "PYTHONPATH": str(tmp_path / "modules")}
    found, lines = run(tmp_path / "home", **more, **variables)
    assert difference(found, as_usual) == {}
    said = [line for line in lines if " shell " in line]
    hidden = ", ".join(sorted(name for name in variables if name.startswith(TELEMETRY)))
    assert [line.split(maxsplit=2)[2].partition(":")[0] for line in said] == [hidden] * bool(hidden)
    assert SECRET not in "".join(lines)


@functools.cache
def can_be_nobody() -> bool:
    return (
        sys.platform == "linux" and not subprocess.run([*NO_USER, "true"], check=False).returncode
    )


@pytest.mark.skipif(not can_be_nobody(), reason="only Linux lets this user be another")
def test_a_user_without_a_home_needs_a_folder_for_the_cache(tmp_path: Path) -> None:
    nobody = dict.fromkeys(("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "WORKSHOP_CACHE"), "")
    tmp_path.chmod(0o777)
    program = [*NO_USER, sys.executable, "-m", "kit.commands.cli", "doctor"]
    own = {k: v for k, v in os.environ.items() if k not in nobody}
    own |= {"WORKSHOP_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    said = subprocess.run(program, env=own, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "")
    assert "no home directory" in said.stdout
    assert "Set WORKSHOP_CACHE, or HOME," in said.stdout


FORK = """
import os, sys
from kit import Workshop
workshop = Workshop.start(report=lambda line: None)
workshop.spin()
child = os.fork()
if not child:
    print("the child")
    sys.exit(0)
os.waitpid(child, 0)
assert workshop.trigger("payment/crash").missing == []
assert workshop.trigger("analytics/crash").missing == []
assert len(list(workshop.store.path.parent.glob("running-*.json"))) == 1
print("the parent")
workshop.stop()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_prints_its_own_output_and_ends_nothing(tmp_path: Path) -> None:
    own = {**os.environ, "WORKSHOP_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-u", "-W", "ignore::DeprecationWarning", "-c", FORK]
    done = subprocess.run(program, env=own, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the child\nthe parent\n", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEADLINE_S", "soon"), ("DEADLINE_S", "-1"), ("DEBUG_RATE", "often"), ("SENTRY_DSN", "none")],
)
def test_what_means_nothing_is_one_line_that_names_the_variable(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name) as raised:
        Workshop.start(home=tmp_path, report=lambda line: None)
    assert "\n" not in str(raised.value)
    assert name == "SENTRY_DSN" or isinstance(raised.value, SettingError)


def test_the_variables_are_back_when_the_workshop_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith(TELEMETRY)]:
        monkeypatch.delenv(name)
    given = {"SENTRY_DSN": "a", "SENTRY_AUTH_TOKEN": "b", "SENTRY_DEBUG": "c", "OTEL_LOG": "d"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with hide_telemetry_settings(os.environ) as hidden:
        assert hidden == ["OTEL_LOG", "SENTRY_DEBUG"]
        assert os.environ["SENTRY_DSN"] == "a"
        assert "SENTRY_DEBUG" not in os.environ
        os.environ["SENTRY_DEBUG"] = "newer"
    assert {name: os.environ[name] for name in given} == {**given, "SENTRY_DEBUG": "newer"}
