"""The two generations of the SDK: what is declared of them, fired with both."""

import html
import os
import re
import sys
from pathlib import Path

import psutil
import pytest

from demo_services.sdk import GENERATION
from kit.experiments.generations.catalogue import CONTRASTS, SHOP, STREAMED, TOPICS
from kit.experiments.generations.contrast import Contrast
from kit.experiments.generations.installation import VERSIONS, InstalledSdk, find_sdk
from kit.experiments.generations.renames import RENAMES, TriedCall
from kit.experiments.generations.run import SdkRun
from kit.experiments.generations.side_by_side import (
    ContrastFinding,
    Contrasts,
    Renames,
    SdkRuns,
    SideBySide,
    find_generations,
)
from tests.processes import command_line

OTHER = 5 - GENERATION


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def sdks(home: Path) -> SideBySide:
    """Both generations; the missing one is installed once for all tests here."""
    found = find_generations(home, lambda line: None)
    assert found.unavailable == {}
    return found


@pytest.fixture(scope="module")
def own(home: Path) -> SideBySide:
    """That of the environment alone."""
    return SideBySide(
        {GENERATION: find_sdk(GENERATION, home, print)}, {OTHER: "sentry-sdk is <not> here."}
    )


def words(shown: str) -> str:
    """Return what is read of HTML: no elements, no styles."""
    bare = re.sub(r"<style>.*?</style>|<[^>]*>", " ", shown, flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


# What is declared, fired


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_each_contrast_goes_as_declared(sdks: SideBySide, topic: str) -> None:
    found = sdks.contrasts(topic)
    assert found
    assert {name: found[name].words for name in found.surprising} == {}
    for finding in found.values():
        assert set(finding.words) == {2, 3}
    text = words(found._repr_html_())
    assert f"{TOPICS[topic]}: {len(found.flipped)} of {len(found)} differ" in text
    assert text.count("≠ differs") == len(found.flipped)


@pytest.mark.slow
def test_each_call_is_spelled_as_declared(sdks: SideBySide) -> None:
    found = sdks.renames()
    said = [(rename.old, found.old, found.new[2][rename.new]) for rename in found.surprising]
    assert said == []
    assert set(found.old) == set(found.new) == {2, 3}
    text = words(found._repr_html_())
    assert "TypeError: Unknown option 'send_default_pii'" in text
    assert os.sep + "sentry_sdk" not in text


@pytest.mark.slow
def test_each_program_ran_with_the_version_it_is_said_to(sdks: SideBySide) -> None:
    runs = sdks.run(version="import sentry_sdk; print(sentry_sdk.VERSION)")["version"]
    assert {n: run.stdout.strip() for n, run in runs.items()} == {
        n: sdk.version for n, sdk in sdks.sdks.items()
    }
    assert runs[OTHER].stdout.strip() == VERSIONS[OTHER]


# What the tables say of the remedies


def collect(sdks: SideBySide, options: str) -> dict[int, dict[str, str]]:
    """Return what the shop's event holds with these options, by generation."""
    runs = sdks.run(shop=SHOP.replace("init()", f"init({options})"))["shop"]
    wanted = [each for each in CONTRASTS if each.topic == "collect"]
    return {n: {each.name: each.measure(run) for each in wanted} for n, run in runs.items()}


@pytest.mark.slow
def test_data_collection_does_the_same_in_both(sdks: SideBySide) -> None:
    found = collect(
        sdks,
        "data_collection={'user_info': False, 'cookies': {'mode': 'off'}, 'http_headers': "
        "{'request': {'mode': 'denylist', 'terms': ['forwarded']}}, "
        "'stack_frame_variables': {'mode': 'denylist'}}",
    )
    assert found[2] == found[3]
    assert found[3]["address"] == found[3]["cookie"] == "not sent"
    assert found[3]["forwarded"] == found[3]["local"] == found[3]["query"] == "filtered"
    assert found[3]["body"] == found[3]["nested"] == "in clear"


LOGGING = """\
import asyncio, gc, logging, sentry_sdk
from sentry_sdk.integrations.asyncio import enable_asyncio_integration
from sentry_sdk.integrations.logging import LoggingIntegration
"""
LEVEL = f"""{LOGGING}
events = LoggingIntegration(level=None, event_level=logging.ERROR)
sentry_sdk.init(integrations=[events], auto_enabling_integrations=False)
logging.warning("few coins")
logging.error("no coins")
"""
TASK = f"""{LOGGING}
sentry_sdk.init(auto_enabling_integrations=False)
async def fail():
    int("ten")
async def main():
    enable_asyncio_integration()
    await asyncio.wait([asyncio.create_task(fail())])
asyncio.run(main())
"""
MESSAGE = """\
import sentry_sdk
sentry_sdk.init(auto_enabling_integrations=False)
def settle(stake):
    sentry_sdk.capture_message("no coins")
settle(4711)
"""
DROP = STREAMED.replace("init(", "init(before_send_span=lambda span, hint: None, ") + (
    'with sentry_sdk.traces.start_span(name="kept"):\n    pass\n'
)


@pytest.mark.slow
def test_the_remedies_do_what_is_said(sdks: SideBySide) -> None:
    runs = sdks.run(level=LEVEL, task=TASK, message=MESSAGE, drop=DROP)
    crumbs = {
        n: run.event and run.event.find("breadcrumbs.values[].message")
        for n, run in runs["level"].items()
    }
    assert crumbs == {2: [], 3: ["few coins"]}
    assert runs["level"][3].types == {"event": 1}
    assert [run.event and run.event.title for run in runs["task"].values()] == ["ValueError"] * 2
    stake = "threads.values[].stacktrace.frames[].vars.stake[]"
    assert runs["message"][3].event is not None
    assert runs["message"][3].event.find(stake) == ["4711"]
    # It cannot drop a span.
    assert [[span.name for span in run.trace] for run in runs["drop"].values()] == [["kept"]] * 2


USER = STREAMED.replace("init(", "init(data_collection={'user_info': False}, ") + (
    'sentry_sdk.set_user({"id": "7"})\n'
    'with sentry_sdk.traces.start_span(name="settle"):\n    pass\n'
)
TAG = STREAMED.replace('trace_lifecycle="stream", ', "") + (
    'sentry_sdk.set_tag("tier", "vip")\n'
    'with sentry_sdk.start_transaction(name="settle"):\n    pass\n'
)


@pytest.mark.slow
def test_tags_and_users_go_where_it_is_said(sdks: SideBySide) -> None:
    runs = sdks.run(user=USER, tag=TAG)
    for run in runs["user"].values():
        assert ["user.id" in span.attributes for span in run.trace] == [False]
    (transaction,) = [item.payload for item in runs["tag"][2].items if item.type == "transaction"]
    assert transaction["tags"] == {"tier": "vip"}
    assert runs["tag"][3].error_line.startswith("AttributeError")
    shown = words(runs._repr_html_())
    assert "1 transaction item (1 span)" in shown
    assert "1 event item (AttributeError) exit code 1; AttributeError" in shown


# What survives a kill

KILLED = f"""{STREAMED}
import psutil, time
with sentry_sdk.traces.start_span(name="root"):
    with sentry_sdk.traces.start_span(name="child"):
        pass
    FIRST
SECOND
psutil.Process().kill()
"""
# Two seconds are much for a flush that is due at once, and nothing for one that is due in five.
WAIT = "time.sleep(2)"


@pytest.mark.slow
def test_spans_arrive_by_flush_and_when_the_service_span_ends(sdks: SideBySide) -> None:
    def program(first: str, second: str) -> str:
        return KILLED.replace("FIRST", first).replace("SECOND", second)

    runs = sdks.run(
        ended=program("pass", WAIT),
        open=program(f"{WAIT}; psutil.Process().kill()", ""),
        flushed=program("sentry_sdk.flush(); psutil.Process().kill()", ""),
    )
    names = {
        name: [sorted(span.name for span in run.trace) for run in runs[name].values()]
        for name in runs
    }
    assert names == {
        "ended": [["child", "root"]] * 2,
        "open": [[]] * 2,
        "flushed": [["child"]] * 2,
    }
    assert all(run.exit_code for each in runs.values() for run in each.values())


# Runs


def test_a_run_keeps_all_that_a_program_left(own: SideBySide) -> None:
    source = (
        "import os, sentry_sdk\n"
        "sentry_sdk.init(auto_enabling_integrations=False)\n"
        "print('müde', os.environ['SHOP'])\n"
        "sentry_sdk.capture_message('first')\n"
        "raise LookupError('no coins')\n"
    )
    run = own.run_one(source, GENERATION, {"SHOP": "open"})
    assert run.stdout == "müde open\n"
    assert run.exit_code == 1
    assert run.error_line == "LookupError: no coins"
    assert [event.title for event in run.events] == ["first", "LookupError"]
    assert run.types == {"event": 2}
    assert {event.project for event in run.events} == {f"sdk-{GENERATION}"}
    assert run.leaked_in("no coins") == ["event"]
    assert repr(run) == f"<sentry-sdk {own.sdks[GENERATION].version}: 2 event>"


def test_options_of_the_environment_do_not_count(
    own: SideBySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "elsewhere")
    source = (
        "import sentry_sdk\n"
        "sentry_sdk.init(auto_enabling_integrations=False)\n"
        "sentry_sdk.capture_message('first')\n"
    )
    event = own.run_one(source, GENERATION, {}).event
    assert event is not None
    assert event["environment"] == "production"


@pytest.mark.slow
def test_the_upload_is_no_span_of_the_program(own: SideBySide) -> None:
    # The message starts the thread that sends, inside of the span.
    source = STREAMED + (
        'with sentry_sdk.traces.start_span(name="settle"):\n'
        '    sentry_sdk.capture_message("first")\n    sentry_sdk.flush()\n'
    )
    run = own.run_one(source, GENERATION, {})
    assert [span.name for span in run.trace] == ["settle"]
    assert run.trace.trace_id


def test_a_program_that_does_not_end_is_ended(
    own: SideBySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.experiments.generations.run.PROCESS_DEADLINE_S", 0.5)
    run = own.run_one("import threading; threading.Event().wait()", GENERATION, {})
    assert run.exit_code
    names = [" ".join(command_line(each)) for each in psutil.Process().children(recursive=True)]
    assert not [name for name in names if "program.py" in name]


# Installation


def test_that_of_the_environment_is_used_as_it_is(tmp_path: Path) -> None:
    sdk = find_sdk(GENERATION, tmp_path, lambda line: pytest.fail(line))
    assert sdk.folder is None
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_it_is_installed_once(sdks: SideBySide, home: Path) -> None:
    sdk = find_sdk(OTHER, home, lambda line: pytest.fail(f"installed again: {line}"))
    assert sdk == sdks.sdks[OTHER]
    assert sdk.folder is not None
    assert sorted(each.name for each in (home / "sdk").iterdir() if each.is_dir()) == [sdk.version]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_what_cannot_be_installed_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    found = find_generations(tmp_path, said.append)
    assert set(found.sdks) == {GENERATION}
    reason = found.unavailable[OTHER]
    assert f"Could not install sentry-sdk {VERSIONS[OTHER]}: " in reason
    assert "the package index was unreachable" in reason
    assert "run the cell again" in reason
    assert said[-1] == reason
    assert not [each for each in (tmp_path / "sdk").iterdir() if each.is_dir()]
    assert reason in words(found._repr_html_())


def test_a_python_without_pip_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "import sys; sys.exit('/usr/bin/python: No module named pip')"
    monkeypatch.setattr("kit.experiments.generations.installation.PIP_INSTALL", ("-c", words))
    found = find_generations(tmp_path, lambda line: None)
    assert "python -m ensurepip" in found.unavailable[OTHER]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be made read-only so there")
def test_a_home_that_is_a_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "sdk").write_text("")
    found = find_generations(tmp_path, lambda line: None)
    assert "set WORKSHOP_HOME" in found.unavailable[OTHER]


# On screen


def test_the_missing_generation_has_a_column_that_says_so(own: SideBySide) -> None:
    source = "import sentry_sdk\nsentry_sdk.init(auto_enabling_integrations=False)\n1 / 0\n"
    runs = own.run(failing=source)
    assert set(runs["failing"]) == {GENERATION}
    shown = str(runs._repr_html_())
    assert "sentry-sdk is &lt;not&gt; here." in shown
    text = words(shown)
    assert "? not available here" in text
    assert "✓ 1 event item (ZeroDivisionError)" in text
    assert "exit code 1; ZeroDivisionError: division by zero" in text
    assert "differs" not in text


def test_what_programs_hold_is_escaped(own: SideBySide) -> None:
    sdk = own.sdks[GENERATION]
    run = SdkRun(sdk, (), 1, "", "KeyError: <img src=x>")
    evil = Contrast(
        "capture/evil",
        "<b>what</b>",
        "",
        lambda run: "captured",
        {2: "<i>", 3: "<i>"},
        "<u>",
        "<s>",
    )
    found: list[SdkRuns | Contrasts | Renames] = [
        SdkRuns(own, {"<script>": {GENERATION: run}}),
        Contrasts(own, "<h1>", [ContrastFinding(evil, {GENERATION: run})]),
        Renames(
            own,
            {GENERATION: {each.old: TriedCall("fails", "<img src=x>") for each in RENAMES}},
            {GENERATION: {each.new: TriedCall("works", "") for each in RENAMES}},
        ),
    ]
    for each in found:
        shown = str(each._repr_html_())
        for tag in ("<script>", "<img", "<b>what", "<u>", "<s>", "<h1>"):
            assert tag not in shown
    assert "not as declared" in words(found[1]._repr_html_())


def test_ids_are_unique_and_of_a_topic() -> None:
    ids = [each.id for each in CONTRASTS]
    assert len(set(ids)) == len(ids)
    assert {each.topic for each in CONTRASTS} == set(TOPICS)
    assert all(each.why.endswith(".") for each in CONTRASTS)
    assert InstalledSdk(3, "3").origin == "from this environment"
