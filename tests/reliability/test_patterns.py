from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from demo_services.services import GAME_ENGINE, PAYMENT
from kit.commands.cli import main
from kit.crashes import pages
from kit.crashes.catalogue import CRASHES, variants
from kit.crashes.crash_type import Captured, CrashType, ExpectedError, NotCaptured
from kit.experiments.blind_spots.catalogue import BLIND_SPOTS
from kit.ingest.store import Store, StoredItem
from kit.reading.server import references
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.fault import Fault, Sign
from kit.reliability.patterns import references as own_references
from kit.reliability.patterns.advice import SIGNS, alert_on_crash, alert_on_fault, search_fault
from kit.reliability.patterns.evidence import facts
from kit.reliability.patterns.library import Patterns, Practices, UnknownPattern, no_address
from kit.reliability.patterns.practices import PRACTICES, Practice, Proof
from kit.reliability.patterns.proof import UndeclaredProof, look_up
from kit.reliability.patterns.recordings import (
    FreshRecordings,
    StoredRecordings,
    record_faults,
)
from kit.reliability.patterns.site import GUIDE, INDEX, write_site
from tests.ingest.sending import body, item, new_id, store_away
from tests.reliability.reading import LibraryPage

NOTHING = FreshRecordings()
HOSTILE = "</code><script>alert(1)</script><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"
SILENT = Fault(
    name="coin-slow",
    title="The coin is slow",
    service=PAYMENT,
    place="code",
    happens="A coin takes its time.",
    shows=("slow",),
    slow_s=1.5,
    not_captured=(NotCaptured("An error", "Nothing fails.", "Trace.", "contexts.error"),),
    find="Look at the spans.",
    fix="Oil it.",
    mitigate="Wait.",
    alert="Alert on p95.",
)
LOUD = Fault(
    name="coin-stuck",
    title="The coin is stuck",
    service=PAYMENT,
    place="code",
    happens="A coin does not move.",
    shows=("event", "refused"),
    captured=(Captured("contexts.flags.values[?flag=='coin-stuck'].result | [0]", "The flag."),),
    find="Look at the flag.",
    fix="Shake it.",
    mitigate="Wait.",
    alert="Alert on the share.",
)
LIBRARY = Patterns(NOTHING, FAULTS)
DOCUMENTED = {
    each.url
    for module in (pages, references, own_references)
    for each in vars(module).values()
    if isinstance(each, references.Reference)
}


def flagged(flag: str, result: object = True, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": new_id(),
        "level": "error",
        "contexts": {"flags": {"values": [{"flag": flag, "result": result}]}},
        "exception": {"values": [{"type": "CoinError", "value": "stuck"}]},
        **fields,
    }


def with_errors(fault: Fault, *errors: ExpectedError) -> Fault:
    """Return the fault with errors that it declares."""
    if any(field.name == "errors" for field in fields(fault)):
        return replace(fault, errors=errors)  # type: ignore[call-arg, unused-ignore]
    found = replace(fault)
    object.__setattr__(found, "errors", errors)
    return found


def arrived(event: dict[str, Any], project: str = "payment") -> StoredItem:
    return StoredItem(1, project, "event", event["event_id"], frozenset(), 0.0, {}, event)


def put(store: Store, *events: dict[str, Any], project: str = "payment") -> None:
    for event in events:
        store_away(store, body(item("event", event), event_id=event["event_id"]), project=project)


# Pages


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_every_crash_type_has_a_page_and_every_variant_a_section(crash: CrashType) -> None:
    page = LIBRARY.page(crash.full_id)
    assert page.name == crash.id
    assert [section.subject for section in page.sections] == [
        each.full_id for each in variants(crash.id)
    ]
    words = LibraryPage(page._repr_html_()).words
    declared = [crash.title, crash.happens, crash.fix, *(each.why for each in crash.captured)]
    declared += [f"{each.what}. {each.why}" for each in crash.not_captured]
    for text in declared:
        assert " ".join(text.split()) in words


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_a_page(fault: Fault) -> None:
    words = LibraryPage(LIBRARY.page(fault.name)._repr_html_()).words
    for text in (fault.title, fault.happens, fault.find, fault.fix, fault.mitigate, fault.alert):
        assert text in words


def test_the_library_is_a_sequence_of_its_pages() -> None:
    assert len(LIBRARY) == len({crash.id for crash in CRASHES}) + len(FAULTS)
    assert [page.name for page in LIBRARY] == LIBRARY.names
    assert [page.name for page in LIBRARY[-2:]] == LIBRARY.names[-2:]


def test_an_unknown_page_is_answered_with_the_closest_names() -> None:
    with pytest.raises(UnknownPattern, match="Try payment/crash"):
        LIBRARY.page("payment/crahs")


def test_the_index_has_each_entry_by_service_and_by_what_is_seen() -> None:
    every = {crash.full_id for crash in CRASHES} | {fault.name for fault in FAULTS}
    unseen = {fault.name for fault in FAULTS if not fault.shows}
    for groups, missing in ((LIBRARY.by_service(), set()), (LIBRARY.by_sign(), unseen)):
        entries = [entry for _, group in groups for entry in group]
        found = {
            f"{entry.name}?type={variant}" if variant else entry.name
            for entry in entries
            for variant in entry.variants or ("",)
        }
        assert found == every - missing


def test_every_sign_of_a_fault_has_words() -> None:
    assert set(get_args(Sign)) <= SIGNS.keys()


def test_a_page_without_a_recorded_event_shows_none_and_says_how_to_get_one() -> None:
    page = LibraryPage(LIBRARY.page("game-engine/crash")._repr_html_())
    assert "No event of it is recorded here yet." in page.words
    assert 'workshop.trigger("game-engine/crash")' in page.words
    assert "In the recorded event" not in page.words


def test_a_fault_without_an_error_event_has_no_search_and_no_rule() -> None:
    assert search_fault(SILENT) is None
    assert alert_on_fault(SILENT).code == ""
    words = LibraryPage(Patterns(NOTHING, (SILENT,)).page("coin-slow")._repr_html_()).words
    assert "an answer that is late by 1.5 s or more" in words
    assert "It leaves no error event with its flag." in words


def test_nothing_of_an_event_reaches_a_page_unescaped() -> None:
    frame = {"in_app": True, "function": HOSTILE, "filename": HOSTILE, "context_line": HOSTILE}
    raised = {"type": HOSTILE, "value": HOSTILE, "mechanism": {"type": HOSTILE, "handled": False}}
    event = flagged(
        "coin-stuck",
        True,
        exception={"values": [{**raised, "stacktrace": {"frames": [frame]}}]},
        fingerprint=[HOSTILE],
        transaction=HOSTILE,
        release=HOSTILE,
        sdk={"name": HOSTILE, "version": HOSTILE},
    )
    event["contexts"]["flags"]["values"].append({"flag": HOSTILE, "result": HOSTILE})
    library = Patterns(FreshRecordings(faults={"coin-stuck": [arrived(event)]}), (LOUD,))
    html = library.page("coin-stuck")._repr_html_()
    page = LibraryPage(html)
    assert page.words.count("<script>alert(1)</script>") >= 8
    assert "\u202e" not in html
    assert "{{ 7 * 7 }}" in page.words


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"exception": None, "contexts": [], "sdk": "x", "level": 5, "fingerprint": "a"},
        {"exception": {"values": [None, {"type": 5, "mechanism": []}]}},
        {"exception": [{"stacktrace": {"frames": [{"in_app": True}, None]}}]},
        {"contexts": {"flags": {"values": [None, {"flag": ["a"], "result": {"b": 1}}]}}},
    ],
)
def test_an_event_of_another_shape_shows_less(event: dict[str, Any]) -> None:
    assert all(isinstance(fact.value, str) and fact.value for fact in facts(event))


def test_a_declared_value_that_the_event_lacks_is_named() -> None:
    lacking = replace(LOUD, captured=(Captured("contexts.coin.side", "Which side it showed."),))
    recorded = FreshRecordings(faults={"coin-stuck": [arrived(flagged("coin-stuck"))]})
    html = Patterns(recorded, (lacking,)).page("coin-stuck")._repr_html_()
    assert "missing in the recorded event" in html


def test_a_declared_absence_that_the_event_has_is_named() -> None:
    absent = NotCaptured("The flag", "Why not.", "Look.", "contexts.flags")
    recorded = FreshRecordings(faults={"coin-stuck": [arrived(flagged("coin-stuck"))]})
    library = Patterns(recorded, (replace(LOUD, not_captured=(absent,)),))
    html = library.page("coin-stuck")._repr_html_()
    assert "But the recorded event has it" in html


# Advice


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_an_alert_is_derived_from_level_and_handling(crash: CrashType) -> None:
    rule = alert_on_crash(crash)
    levels = {error.level for error in crash.errors}
    if not levels or levels == {"info"}:
        assert rule.code == ""
    elif "fatal" in levels:
        assert rule.conditions == ("level = fatal",)
    else:
        assert any(" > " in condition for condition in rule.conditions), "It has no floor."


def test_the_rule_for_a_fault_counts_no_users() -> None:
    unhandled = with_errors(LOUD, ExpectedError(("CoinError",), "generic"))
    for fault in (LOUD, unhandled, *FAULTS):
        assert not alert_on_fault(fault).counts_users


def rules() -> set[str]:
    unhandled = with_errors(LOUD, ExpectedError(("CoinError",), "generic"))
    faults = (SILENT, LOUD, unhandled, *FAULTS)
    every = [*map(alert_on_crash, CRASHES), *map(alert_on_fault, faults)]
    return {rule.code for rule in every if rule.code}


@pytest.mark.parametrize("code", sorted(rules()))
def test_each_rule_can_be_made_and_has_nothing_that_lint_would_find(code: str) -> None:
    alerts = pytest.importorskip("kit.reliability.alerts.rule")

    class Maker:
        alert = staticmethod(alerts.make_rule)

    assert eval(code, {"workshop": Maker}).lint() == []


# Recordings


def test_the_newest_stored_event_with_the_flag_on_is_taken(store: Store) -> None:
    old, new, off = flagged("coin-stuck"), flagged("coin-stuck"), flagged("coin-stuck", False)
    both = flagged("coin-stuck")
    both["contexts"]["flags"]["values"].append({"flag": "other", "result": True})
    put(store, old, new, both, off)
    recordings = StoredRecordings(store)
    (found,) = recordings.events_of_fault(LOUD)
    assert found is not None
    assert (found["event_id"], found.project) == (new["event_id"], "payment")
    assert recordings.events_of_fault(SILENT) == []
    assert recordings.events_of_fault(replace(LOUD, name="unknown")) == []


def test_the_events_that_a_fault_declares_are_those_of_one_trace(store: Store) -> None:
    ours = {"trace": {"trace_id": new_id(), "span_id": new_id()[:16]}}
    first, again, other = flagged("coin-stuck"), flagged("no", False), flagged("no", False)
    for event in (first, again, other):
        event["contexts"] |= ours
        event["exception"]["values"][0]["mechanism"] = {"type": "generic", "handled": True}
    strange = flagged("coin-stuck", False, exception=other["exception"])
    put(store, again, first)
    put(store, other, strange, project="game-engine")
    expected = ExpectedError(("CoinError",), "generic", handled=True)
    errors = (expected, expected, replace(expected, service=GAME_ENGINE))
    fault = with_errors(LOUD, *errors)
    found = StoredRecordings(store).events_of_fault(fault)
    ids = [each and each["event_id"] for each in found]
    assert ids == [each["event_id"] for each in (first, again, other)]
    unknown = with_errors(replace(LOUD, name="unknown"), *errors)
    assert StoredRecordings(store).events_of_fault(unknown) == [None, None, None]
    page = LibraryPage(Patterns(StoredRecordings(store), (fault,)).page("coin-stuck")._repr_html_())
    assert "Also reported: CoinError, by game-engine" in page.words


def test_a_fault_that_ends_a_process_is_found_by_what_the_supervisor_reports(store: Store) -> None:
    event = flagged("another", False)
    event["exception"]["values"][0]["mechanism"] = {"type": "supervisor", "handled": False}
    put(store, event)
    fault = replace(SILENT, shows=("refused",))
    fault = with_errors(fault, ExpectedError(("CoinError",), "supervisor"))
    (found,) = StoredRecordings(store).events_of_fault(fault)
    assert found is not None
    search = search_fault(fault)
    assert search is not None
    assert search.query == "service:payment error.type:CoinError error.handled:false level:error"


def test_faults_that_leave_an_event_are_injected_and_spun_until_one_arrives(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.reliability.patterns.recordings.FLAG_DEADLINE_S", 0.6)
    injected: list[Any] = []
    spins = iter([flagged("other"), flagged("coin-stuck")])

    @contextmanager
    def inject(name: str, **options: Any) -> Iterator[None]:
        injected.append((name, options["share"]))
        yield
        injected.append("off")

    reports: list[str] = []
    system: Any = SimpleNamespace(inject=inject, spin=lambda: put(store, next(spins)), store=store)
    found = record_faults(system, (SILENT, LOUD), reports.append)
    assert injected == [("coin-stuck", 1.0), "off"]
    last = found["coin-stuck"][-1].payload
    assert last["contexts"]["flags"]["values"] == [{"flag": "coin-stuck", "result": True}]
    assert reports == []


def test_code_that_finds_a_fault_finds_its_issue(store: Store) -> None:
    from kit.issues import read_issues

    put(store, flagged("coin-stuck"), flagged("other", exception={"values": [{"type": "Other"}]}))
    search = search_fault(LOUD)
    assert search is not None
    assert search.query == 'flags["coin-stuck"]:true'

    class Stored:
        @staticmethod
        def issues() -> Any:
            return read_issues(store)

    (issue,) = eval(search.code, {"workshop": Stored})
    assert issue.title == "CoinError: stuck"


# Practices


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda practice: practice.name)
def test_each_practice_has_a_proof_that_is_declared(practice: Practice) -> None:
    spots = {spot.id: spot for spot in BLIND_SPOTS}
    assert practice.title[0].isupper()
    assert practice.why.endswith(".")
    assert practice.proofs
    for proof in practice.proofs:
        said = [proof.path, proof.absent, proof.field, proof.line]
        assert len(list(filter(None, said))) == 1
        if proof.line:
            assert (spots[proof.subject].line, spots[proof.subject].captured) == (proof.line, False)
        else:
            assert look_up(proof, FAULTS, NOTHING).says


@pytest.mark.parametrize(
    "proof",
    [
        Proof("payment/nothing", "contexts.payment.stage"),
        Proof("no-such-fault", field="seconds"),
        Proof("payment/crash", "contexts.payment.colour"),
        Proof("payment/crash", absent="A thing that nobody declares"),
        # Documented, and so not asserted.
        Proof("game-engine/memory-leak", absent="A kill by the operating system"),
        Proof("payment/crash", field="fingerprint"),
        Proof("payment/crash", field="service"),
    ],
)
def test_a_proof_that_is_not_declared_is_refused(proof: Proof) -> None:
    with pytest.raises(UndeclaredProof):
        look_up(proof, (SILENT,), NOTHING)


def test_practices_are_about_fifteen_and_have_names_of_their_own() -> None:
    assert 15 <= len(PRACTICES) <= 20
    assert len({practice.name for practice in PRACTICES}) == len(PRACTICES)


def test_the_guide_is_a_page_with_all_of_them() -> None:
    guide = Practices(NOTHING)
    page = LibraryPage(guide._repr_html_())
    assert len(guide) >= 15
    for practice in guide:
        assert practice.title in page.words
        assert practice.name in page.ids


# Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "patterns"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    written = write_site(folder, LIBRARY, Practices(NOTHING, FAULTS))
    assert [path.name for path in written[:2]] == [INDEX, GUIDE]
    return folder


def test_all_links_of_the_site_lead_somewhere(site: Path) -> None:
    read = {path.name: LibraryPage(path.read_text("utf-8")) for path in site.glob("*.html")}
    for name, page in read.items():
        assert page.links
        for link in page.links:
            if link.startswith("https://"):
                assert link in DOCUMENTED, f"{name}: {link}"
                continue
            file, _, anchor = unquote(link).partition("#")
            assert (file or name) in read, f"{name}: {link}"
            assert not anchor or anchor in read[file or name].ids, f"{name}: {link}"


def test_every_page_of_the_site_is_linked_from_the_index(site: Path) -> None:
    index = LibraryPage((site / INDEX).read_text("utf-8"))
    linked = {link.partition("#")[0] for link in index.links}
    assert {path.name for path in site.glob("*.html")} <= linked


def test_the_site_leaves_other_files_alone(site: Path) -> None:
    assert (site / "notes.txt").read_text() == "mine"


def test_a_page_loads_and_runs_nothing(site: Path) -> None:
    for path in site.glob("*.html"):
        text = path.read_text("utf-8")
        assert "default-src 'none'" in text
        assert "src=" not in text.replace("default-src", "").replace("style-src", "")
        assert "@import" not in text


def test_pages_in_a_notebook_link_only_what_is_documented() -> None:
    library, guide = Patterns(NOTHING), Practices(NOTHING)
    shown = [library.render(no_address), guide._repr_html_()]
    shown += [page._repr_html_() for page in library]
    for html in shown:
        for link in LibraryPage(html).links:
            assert link in DOCUMENTED or link == "#shared"


# Command


def test_the_command_shows_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    store = Store(tmp_path / "captured.sqlite3")
    put(store, panic(), project="gateway")
    store.close()
    folder = tmp_path / "new" / "patterns"
    ended = CliRunner().invoke(main, ["patterns", "--stored", str(folder)])
    assert ended.exit_code == 0, ended.output
    assert f"Open {folder / INDEX}" in ended.output
    page = LibraryPage((folder / "gateway-panic.html").read_text("utf-8"))
    assert "ZeroDivisionError integer modulo by zero" in page.words.replace("Message ", "")


def panic() -> dict[str, Any]:
    mechanism = {"type": "starlette", "handled": False}
    raised = {"type": "ZeroDivisionError", "value": "integer modulo by zero"}
    return {
        "event_id": new_id(),
        "level": "fatal",
        "exception": {"values": [{**raised, "mechanism": mechanism}]},
        "contexts": {"trace": {"trace_id": new_id(), "span_id": new_id()[:16]}},
    }


def test_the_command_says_when_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "empty"))
    ended = CliRunner().invoke(main, ["patterns", "--stored", str(tmp_path / "out")])
    assert ended.exit_code == 1
    assert "Nothing was captured yet" in ended.output
    assert not (tmp_path / "out").exists()


def test_the_command_says_when_it_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    Store(tmp_path / "captured.sqlite3").close()
    (tmp_path / "file").write_text("")
    ended = CliRunner().invoke(main, ["patterns", "--stored", str(tmp_path / "file" / "out")])
    assert ended.exit_code == 1
    assert "Could not write to" in ended.output
