"""What other SDKs and other programs sent is never said to come from source that is known here."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentry_sdk.consts import VERSION

from demo_services.sdk import GENERATION
from kit.provenance.origin import UNKNOWN, Origin, is_death, origin, origin_at
from kit.provenance.sender import sender
from kit.reading.payload import leaves
from kit.views.card import event_card
from kit.views.card.stack import InApp, Run, chain

Event = dict[str, Any]

NODE_SDK = "sentry.javascript.node"
FOREIGN = [
    *("sentry.native", "sentry.native.unreal", "sentry.go", "sentry.ruby", "sentry.java"),
    *("sentry.java.spring-boot.jakarta", "sentry.php.laravel", "sentry.dotnet", "sentry.cocoa"),
    *("sentry.javascript.browser", "sentry.javascript.react", "sentry.javascript.nextjs"),
    *("sentry.rust", "raven-python", "raven-js", "opentelemetry", "io.opentelemetry.python"),
    *("sentry.pythonista", "sentry.javascript.nodeish", "SENTRY.PYTHON", "sentry", "", None, 7, {}),
]
PLATFORMS = ["python", "javascript", "node", "native", "go", "ruby", "java", "php", "other", None]
OTHER_VERSIONS = ["2.75.1", "2.9.0", "2", "2.75.0-custom", "3.0.0", "3.1.4", "2.75", "3"]
UNKNOWN_VERSIONS = ["1.45.1", "0.20.3", "4.0.0", "", "two", "²", None, "-2.0", "02x.1", [2]]

# It has all the words that the source and the facts know.
SERVICE_EVENT: Event = {
    "event_id": "00000000000000000000000000000016",
    "timestamp": "2026-11-21T23:52:16.711000Z",
    "platform": "python",
    "level": "error",
    "server_name": "game-engine",
    "release": "game-engine@1.0.0",
    "environment": "workshop",
    "sdk": {"name": "sentry.python.fastapi", "version": VERSION, "integrations": ["tornado"]},
    "transaction": "demo_services.game_engine.debug.Crash.get",
    "transaction_info": {"source": "component"},
    "exception": {
        "values": [
            {
                "type": "RuntimeError",
                "value": "it changed",
                "module": "shop",
                "mechanism": {"type": "tornado", "handled": False},
                "stacktrace": {
                    "frames": [
                        {
                            "filename": "demo_services/game_engine/sidebets.py",
                            "function": "settle_side_bets",
                            "in_app": True,
                            "vars": {"spin": "1"},
                            "context_line": "paid = 0",
                        }
                    ]
                },
            }
        ]
    },
    "breadcrumbs": {
        "values": [
            {"category": "player", "message": "ada sits down", "type": "default", "timestamp": 1},
            {"category": "query", "message": "SELECT 1", "data": {"db.driver.name": "pymongo"}},
            {"category": "httplib", "type": "http", "data": {"url": "http://a"}},
            {"category": "shop", "type": "log", "message": "sold out"},
        ]
    },
    "contexts": {
        "process": {"memory_mb": 5, "uptime_s": 2},
        "spin": {"bet": 10},
        "trace": {"trace_id": "1" * 32, "span_id": "2" * 16, "op": "game.spin", "origin": "manual"},
        "runtime": {"name": "CPython"},
    },
    "tags": {"service": "game-engine", "http.route": "/debug/crash", "player.tier": "vip"},
    "user": {"id": "7", "username": "ada"},
    "request": {"url": "http://a/b", "method": "GET", "headers": {"Host": "a"}},
    "fingerprint": ["game-engine", "bonus-timeout"],
    "extra": {"sys.argv": ["serve"]},
    "modules": {"tornado": "6.6.1"},
    "logentry": {"message": "no bonus within"},
    "message": "hello",
}
KEPT = ("sdk", "exception", "level", "user")
SECTIONS = st.sets(st.sampled_from([key for key in SERVICE_EVENT if key not in KEPT]))


def changed(sdk: Any, **changes: Any) -> Event:
    return {**copy.deepcopy(SERVICE_EVENT), "sdk": sdk, **changes}


def origins(event: Event) -> list[Origin]:
    paths = [*leaves(event), *(("exception", "values", 0, key) for key in ("mechanism", "type"))]
    return [origin_at(event, path) for path in paths]


def source_files(found: list[Origin]) -> set[str]:
    """Return the packages whose lines are named."""
    return {each.file.partition("/")[0] for each in found if each.file}


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(FOREIGN) | st.text(max_size=20).filter(lambda name: "sentry.py" not in name),
    st.sampled_from([VERSION, "11.12.0", "0.9.0", None]),
    st.sampled_from(PLATFORMS),
    SECTIONS,
)
def test_of_another_sdk_nothing_is_claimed(
    name: Any, version: Any, platform: Any, left_out: set[str]
) -> None:
    event = changed({"name": name, "version": version}, platform=platform)
    for key in left_out:
        event.pop(key)
    found = origins(event)
    assert {each.who for each in found} == {UNKNOWN}
    assert source_files(found) == set()
    assert "is not known here" in found[0].why


@pytest.mark.parametrize("sdk", [None, {}, [], "sentry.python", {"version": VERSION}])
def test_without_a_name_of_an_sdk_nothing_is_claimed(sdk: Any) -> None:
    found = origins(changed(sdk))
    assert {each.who for each in found} == {UNKNOWN}
    assert "does not say which SDK sent it" in found[0].why


def test_a_crash_of_a_native_program_is_not_credited_to_python() -> None:
    event = {
        "platform": "native",
        "sdk": {"name": "sentry.native", "version": "0.9.0"},
        "level": "error",
        "user": {"id": "7"},
        "exception": {"values": [{"type": "SIGSEGV", "value": "fatal"}]},
    }
    said = "Sent by sentry.native 0.9.0. It is not known here who put this there."
    assert {(each.who, each.why) for each in origins(event)} == {(UNKNOWN, said)}
    card = event_card(event)
    assert said in card
    # It stands where one asks for it, not in the part itself.
    mechanism = {"mechanism": {"type": "signalhandler", "handled": False}}
    event["exception"] = {"values": [{"type": "SIGSEGV", **mechanism}]}
    assert f"<p>{said}</p>" not in event_card(event)
    assert not [name for name in ("sentry_sdk/", "demo_services/", "kit/") if name in card]


def test_the_name_of_an_sdk_is_escaped_and_short() -> None:
    event = changed({"name": "<script>" * 1000, "version": "<b>\n1"})
    card = event_card(event)
    assert "<script>" not in card.replace("</script>", "")
    assert len(origin(event, "user.id").why) < 300


@pytest.mark.parametrize("version", [v for v in OTHER_VERSIONS if v != VERSION])
def test_of_another_version_no_line_of_the_sdk_is_named(version: str) -> None:
    event = changed({"name": "sentry.python.flask", "version": version})
    found = origins(event)
    assert source_files(found) == {"demo_services"}
    of_type = origin(event, "exception.values[0].type")
    assert of_type.who == "event_from_exception"
    assert f"Sent by sentry.python.flask {version}; {VERSION} is installed here" in of_type.why


@pytest.mark.parametrize("version", UNKNOWN_VERSIONS)
@pytest.mark.parametrize("name", ["sentry.python", NODE_SDK])
def test_of_a_generation_that_is_not_known_no_fact_is_claimed(name: str, version: Any) -> None:
    event = changed({"name": name, "version": version}, release="shop@1")
    assert {each.who for each in origins(event)} == {UNKNOWN}


@pytest.mark.parametrize("version", ["11.12.1", "11.1.0", "11"])
def test_of_another_version_for_node_no_line_is_named(version: str) -> None:
    event = changed({"name": NODE_SDK, "version": version}, platform="node", release="shop@1")
    assert source_files(origins(event)) == set()
    assert origin(event, "exception.values[0].type").who == "captureException"


@pytest.mark.parametrize("generation", [2, 3])
def test_the_generation_that_sent_it_decides_what_is_said(generation: int) -> None:
    event = changed({"name": "sentry.python", "version": f"{generation}.0.0"}, release="shop@1")
    why = origin(event, "message").why
    assert ("attach_stacktrace is on by default" in why) is (generation == 3)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["server_name", "release", "environment"]),
    st.sampled_from([None, "shop", "shop@1.0.0", "production", "gateway", "gateway@1.0.0", 7, {}]),
    SECTIONS,
)
def test_of_another_program_only_the_sdk_is_known(
    field: str, value: Any, left_out: set[str]
) -> None:
    event = changed(SERVICE_EVENT["sdk"])
    for key in left_out - {field}:
        event.pop(key, None)
    event[field] = value
    if sender(event).is_ours:
        # Only where the name is still told by the release, and nothing else is missing.
        is_named_by_release = (field, value) == ("release", "gateway@1.0.0")
        assert (field, value) == ("server_name", None) or is_named_by_release
        assert "server_name" in left_out or not is_named_by_release
        return
    found = origins(event)
    assert source_files(found) <= {"sentry_sdk"}
    assert not [each for each in found if each.who in ("our code", "the supervisor")]
    assert "our before_send" not in "".join(each.why for each in found)
    assert origin(event, "exception.values[0].type").who == "event_from_exception"


def test_an_event_of_our_services_is_explained_by_both() -> None:
    found = origins(changed(SERVICE_EVENT["sdk"]))
    assert source_files(found) == {"sentry_sdk", "demo_services"}


@pytest.mark.parametrize(
    "changes",
    [
        {"sdk": {"name": "sentry.java", "version": "8.0"}},
        {"release": "payment@2"},
        {"environment": "production"},
        {"server_name": "shop"},
    ],
)
def test_another_supervisor_is_not_ours(changes: Event) -> None:
    assert is_death(changed(SERVICE_EVENT["sdk"], logger="supervisor"))
    event = {**changed(SERVICE_EVENT["sdk"], logger="supervisor"), **changes}
    assert not is_death(event)
    assert "Written from outside" not in event_card(event)


def test_a_framework_is_known_by_what_the_event_says() -> None:
    event = changed(SERVICE_EVENT["sdk"], release="shop@1")
    assert origin(event, "request.url").who == "TornadoIntegration"
    event["exception"]["values"][0]["mechanism"] = {"type": "django", "handled": False}
    assert origin(event, "request.url").who == UNKNOWN
    assert origin(event, "exception.values[0].mechanism.type").who == UNKNOWN


@pytest.mark.parametrize(("path", "value"), [("level", "fatal"), ("platform", "node")])
def test_what_is_not_the_default_of_the_sdk_was_set_by_the_program(path: str, value: str) -> None:
    event = changed(SERVICE_EVENT["sdk"], release="shop@1")
    assert origin(event, path).who != UNKNOWN
    assert origin({**event, path: value}, path).who == UNKNOWN


def test_the_generation_that_is_installed_is_known() -> None:
    assert sender(SERVICE_EVENT).major == GENERATION
    assert sender(SERVICE_EVENT).is_installed


def frames(*files: str, **marks: object) -> Event:
    """Return an event whose newest frame is in the last file."""
    stack = {"frames": [{"filename": file, "function": "f", **marks} for file in files]}
    return {"exception": {"values": [{"type": "E", "value": "e", "stacktrace": stack}]}}


@pytest.mark.parametrize(
    "folder", ["/v/site-packages", "node_modules", "/app/vendor", "/go/pkg/mod"]
)
def test_of_frames_that_are_not_marked_installed_packages_are_folded(folder: str) -> None:
    event = frames("shop.x", f"{folder}/lib/a.x", f"{folder}/lib/b.x")
    (raised,) = chain(event, {})
    folded, own = raised.stack
    assert isinstance(folded, Run)
    assert len(folded.frames) == 2
    assert not isinstance(own, Run)
    assert own.where == "shop.x"
    assert raised.in_app is InApp.UNSAID
    card = event_card(event)
    assert "does not say which frames are in-app" in card
    assert "https://docs.sentry.io/concepts/data-management/event-grouping/stack-trace-" in card


@pytest.mark.parametrize(("marks", "how"), [({}, InApp.UNSAID), ({"in_app": False}, InApp.NONE)])
def test_where_no_frame_is_in_app_the_newest_is_shown(marks: Event, how: InApp) -> None:
    event = frames("/v/site-packages/lib/a.py", "/v/site-packages/lib/b.py", **marks)
    (raised,) = chain(event, {})
    newest, rest = raised.stack
    assert raised.in_app is how
    assert not isinstance(newest, Run)
    assert isinstance(rest, Run)
    assert "1 more frame<" in event_card(event)
    assert "from libraries" not in event_card(event)


def test_of_frames_that_are_marked_nothing_is_said() -> None:
    event = frames("/v/site-packages/lib/a.py", in_app=False)
    event["exception"]["values"][0]["stacktrace"]["frames"].append(
        {"filename": "shop.py", "function": "f", "in_app": True}
    )
    card = event_card(event)
    assert "1 frame from libraries" in card
    assert "documented, not shown" not in card


@pytest.mark.parametrize(
    ("project", "name"), [("my-app", "my-app"), ("", "host"), ("spotlight", "host")]
)
def test_the_service_is_the_project_that_the_dsn_stands_for(project: str, name: str) -> None:
    card = event_card({"server_name": "host", "release": "shop@1"}, project=project)
    assert f'<span class="cw-service"><bdi>{name}</bdi></span>' in card


@pytest.mark.parametrize(
    ("sdk", "said"),
    [
        ({"name": "sentry.go", "version": "0.11.0"}, "Sentry&#39;s Go SDK 0.11.0"),
        ({"name": "sentry.python.fastapi", "version": "2.1"}, "Sentry&#39;s Python SDK 2.1"),
        ({"name": "sentry-cli", "version": "3.8.0"}, "sentry-cli 3.8.0"),
        ({"name": "sentry.cobol", "version": "1"}, "sentry.cobol 1"),
        ({"name": "<b>"}, "&lt;b&gt;"),
    ],
)
def test_the_card_names_the_sdk(sdk: Event, said: str) -> None:
    assert f"Captured by {said}</bdi>" in event_card({"sdk": sdk})


@pytest.mark.parametrize("sdk", [None, {}, [], {"version": "1"}])
def test_a_program_that_names_no_sdk_is_not_credited_with_one(sdk: Any) -> None:
    assert "Sent by a program that names no SDK</bdi>" in event_card({"sdk": sdk})
