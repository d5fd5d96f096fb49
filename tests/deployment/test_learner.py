import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kit.system.learner
from kit.hosting.child import free_port
from kit.system.learner import MAX_CHARS, PROMPT, clean, learner
from kit.workshop import Workshop
from tests.notebooks.kernels import START, Kernel, kernel

NOBODY_LISTENS = f"http://key@127.0.0.1:{free_port()}/1"
NAMES = """
events = workshop.store.items(type="event")
spans = [span for item in workshop.store.items(type="span") for span in item.payload["items"]]
named = {event.payload["tags"].get("learner") for event in events}
named |= {span["attributes"].get("learner", {}).get("value") for span in spans}
print(workshop.learner, named)
"""


def never(question: str) -> str:
    pytest.fail(f"somebody was asked: {question}")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\n Lovelace\t", "Ada Lovelace"),
        ("Zoë · 李 <b>", "Zoë · 李 <b>"),
        ("Ada\x1b[31m\x00\u202eecalevoL", "Ada[31mecalevoL"),
        ("a" * 1000, "a" * MAX_CHARS),
        ("\u200b \ud800", ""),
    ],
)
def test_a_name_is_one_short_visible_line(name: str, shown: str) -> None:
    assert clean(name) == shown


def test_it_is_asked_for_once_a_folder(tmp_path: Path) -> None:
    questions: list[str] = []

    def ada(question: str) -> str:
        questions.append(question)
        return " Ada\tLovelace "

    assert learner(tmp_path / "home", ask=ada, environment={}) == "Ada Lovelace"
    assert learner(tmp_path / "home", ask=never, environment={}) == "Ada Lovelace"
    assert questions == [PROMPT.format(kit.system.learner._user_name())]


def test_an_empty_answer_takes_the_name_that_was_offered(tmp_path: Path) -> None:
    assert (
        learner(tmp_path, ask=lambda question: " ", environment={})
        == kit.system.learner._user_name()
    )
    assert learner(tmp_path, ask=never, environment={}) == kit.system.learner._user_name()


def test_the_environment_comes_first_and_nobody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "learner.txt").write_text("Grace")
    hub = {"JUPYTERHUB_USER": "lin"}
    assert learner(tmp_path, ask=never, environment={}) == "Grace"
    assert learner(tmp_path, ask=never, environment=hub) == "lin"
    assert learner(tmp_path, ask=never, environment={**hub, "WORKSHOP_LEARNER": "Ada"}) == "Ada"
    assert learner(tmp_path, ask=never, environment={"WORKSHOP_LEARNER": "\n"}) == "Grace"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\x00\n"])
def test_a_damaged_file_is_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "learner.txt").write_bytes(content)
    assert learner(tmp_path, ask=lambda question: "Ada", environment={}) == "Ada"
    assert (tmp_path / "learner.txt").read_text() == "Ada\n"


def test_where_the_name_cannot_be_kept_it_counts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    assert learner(home, ask=lambda question: "Ada", environment={}) == "Ada"


def test_without_a_terminal_nobody_waits_for_an_answer(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from kit.system.learner import learner; "
        f"print(learner(Path({str(tmp_path)!r}), environment={{}}))"
    )
    # Its standard input stays open, and nobody writes to it.
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            assert running.wait(60) == 0
            assert running.stdout.read() == f"{kit.system.learner._user_name()}\n"
        finally:
            running.kill()
    assert not (tmp_path / "learner.txt").exists()


Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Sets variables for the kernels that are started next; each test has a folder of its own."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    for name in ("WORKSHOP_LEARNER", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def start(running: Kernel, answer: str | None) -> list[str]:
    """Start the workshop in a kernel as JupyterLab does, where a person can answer.

    Return the questions that were asked. Without an ``answer`` nobody can answer, as in CI.
    """
    questions: list[str] = []

    def on_question(message: dict[str, Any]) -> None:
        questions.append(message["content"]["prompt"])
        running.client.input(answer or "")

    reply = running.client.execute_interactive(
        START, timeout=90, allow_stdin=answer is not None, stdin_hook=on_question
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return questions


def test_a_notebook_asks_and_all_that_is_sent_carries_the_name(environment: Environment) -> None:
    environment(SENTRY_DSN=NOBODY_LISTENS)
    with kernel() as running:
        assert start(running, "Zoë <b>") == [PROMPT.format(kit.system.learner._user_name())]
        running.run("workshop.trigger('game-engine/crash'); workshop.flush()")
        assert running.run(NAMES) == "Zoë <b> {'Zoë <b>'}\n"
    with kernel() as running:
        assert start(running, "nobody asks me") == []
        assert running.run("print(workshop.learner)") == "Zoë <b>\n"


def test_a_notebook_without_a_person_asks_nobody(environment: Environment) -> None:
    environment(SENTRY_DSN=NOBODY_LISTENS)
    with kernel() as running:
        assert start(running, None) == []
        assert running.run("print(workshop.learner)") == f"{kit.system.learner._user_name()}\n"
    assert "learner.txt" not in os.listdir(os.environ["WORKSHOP_HOME"])


def test_without_a_shared_sentry_there_is_no_name(environment: Environment) -> None:
    environment(WORKSHOP_LEARNER="Ada")
    with kernel() as running:
        assert start(running, "nobody asks me") == []
        running.run("workshop.trigger('payment/error?type=range')")
        running.run("workshop.trigger('game-engine/crash'); workshop.flush()")
        assert running.run(NAMES) == "None {None}\n"


CRASHES = (
    *("gateway/panic", "game-engine/crash", "analytics/validation-error?type=document"),
    *("payment/error?type=range", "payment/event-loop-block", "payment/crash", "frontend/error"),
    "payment/heap-exhaustion",
)


def test_every_service_names_the_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_DSN", NOBODY_LISTENS)
    monkeypatch.setenv("WORKSHOP_LEARNER", "Ada")
    monkeypatch.setenv("DEADLINE_S", "100")
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append) as workshop:
        assert "✓ learner      Ada, in every event" in lines
        for crash_id in CRASHES:
            outcome = workshop.trigger(crash_id)
            assert not outcome.missing, outcome.missing
        workshop.spin()
        workshop.flush()
        items = workshop.store.items(limit=100_000)
    named: dict[tuple[str, str], set[str | None]] = {}
    for item in items:
        if found := names(item.payload):
            named.setdefault((item.project, item.type), set()).update(found)
    services = {"gateway", "game-engine", "analytics", "payment", "frontend"}
    kinds = {(service, kind) for service in services for kind in ("event", "span", "log")}
    kinds |= {(service, "trace_metric") for service in services - {"frontend"}}
    assert named == {kind: {"Ada"} for kind in kinds}


def names(payload: Any) -> set[str | None]:
    """Return the learners in an event or an item of spans; nothing for others."""
    if not isinstance(payload, dict):
        return set()
    spans = (span["attributes"] for span in payload.get("items", ()))
    tags = {payload["tags"].get("learner")} if "tags" in payload else set()
    return tags | {attributes.get("learner", {}).get("value") for attributes in spans}
