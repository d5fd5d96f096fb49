"""What pages say of real events, and what practices say is proven, is in the recorded ones."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import jmespath
import pytest

from kit.actionable import WorkshopError
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType
from kit.ingest.store import Store
from kit.issues import Issues, read_issues
from kit.outcome import Outcome
from kit.reading.event import canonical, find_value
from kit.reading.payload import as_list
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.patterns.advice import alert_on_crash, search_crash
from kit.reliability.patterns.evidence import facts
from kit.reliability.patterns.library import Patterns, Practices, crash_section, fault_section
from kit.reliability.patterns.recordings import (
    FreshRecordings,
    StoredRecordings,
    record_crashes,
    record_faults,
)
from kit.workshop import Workshop
from tests.ingest.sending import body, item, store_away
from tests.reliability.reading import LibraryPage

CAPTURED = [crash for crash in CRASHES if crash.errors]
SILENT = [crash for crash in CRASHES if not crash.errors]


@pytest.fixture(scope="module")
def recordings(recorded_crashes: Mapping[str, Outcome]) -> FreshRecordings:
    return FreshRecordings({name: outcome.items for name, outcome in recorded_crashes.items()})


def full_id(crash: CrashType) -> str:
    return crash.full_id


@pytest.mark.parametrize("crash", CRASHES, ids=full_id)
def test_all_that_a_page_says_of_an_event_is_in_the_event(
    crash: CrashType, recordings: FreshRecordings
) -> None:
    section = crash_section(crash, recordings)
    events = recordings.events_of(crash)
    assert len(section.recorded) == len(crash.errors)
    for recorded, event in zip(section.recorded, events, strict=True):
        assert event is not None
        assert recorded.facts == facts(event)
    assert all(claim.value for claim in section.claims)
    assert not any(claim.is_broken for claim in section.claims)
    assert not any(absence.is_broken for absence in section.absences)
    searched = [each for each in section.absences if each.declared.path]
    assert all(each.found == "" for each in searched)
    page = LibraryPage(Patterns(recordings, ()).page(crash.full_id)._repr_html_())
    assert "No event" not in page.words.replace("No event at all", "")


@pytest.mark.parametrize("crash", CAPTURED, ids=full_id)
def test_each_fact_is_at_its_path(crash: CrashType, recordings: FreshRecordings) -> None:
    for event in recordings.events_of(crash):
        assert event is not None
        found = {fact.label: fact for fact in facts(event)}
        assert {"Type", "Level", "Mechanism", "In-app frame", "Release", "SDK"} <= found.keys()
        for fact in found.values():
            value = jmespath.search(fact.path, canonical(event))
            if fact.value in ("none", "no stack trace"):
                assert not value, fact
            else:
                assert value, fact
                words = fact.value.removesuffix("…").replace(" not handled", " False")
                assert any(leaf in words for leaf in leaves(value)), fact


def leaves(value: Any) -> list[str]:
    inside = value.values() if isinstance(value, dict) else as_list(value) or [value]
    if inside == [value]:
        return [" ".join(str(value).split())[:60]]
    return [leaf for each in inside for leaf in leaves(each)]


@pytest.mark.parametrize("crash", CAPTURED, ids=full_id)
def test_the_terms_of_a_search_are_values_of_the_event(
    crash: CrashType, recordings: FreshRecordings
) -> None:
    event = recordings.events_of(crash)[0]
    assert event is not None
    for term in search_crash(crash).terms:
        value = find_value(event, term.path)
        assert (str(value).lower() if isinstance(value, bool) else value) == term.value


@pytest.mark.parametrize("crash", SILENT, ids=full_id)
def test_a_search_for_spans_finds_one(
    crash: CrashType, recorded_crashes: Mapping[str, Outcome]
) -> None:
    spans = recorded_crashes[crash.full_id].trace.of(crash.service.name)
    (term,) = search_crash(crash).terms
    found = [
        {"status_code": span.attributes.get("http.response.status_code"), "op": span.op}[term.key]
        for span in spans
    ]
    assert term.value in map(str, found)


@pytest.mark.parametrize("crash", CAPTURED, ids=full_id)
def test_a_rule_that_counts_users_has_users_to_count(
    crash: CrashType, recordings: FreshRecordings
) -> None:
    if alert_on_crash(crash).counts_users:
        (event, *_) = recordings.events_of(crash)
        assert find_value(event or {}, "user.id")


def test_what_practices_say_is_in_the_recorded_events(recordings: FreshRecordings) -> None:
    guide = Practices(recordings, ())
    for practice in guide:
        for proof in guide.proofs(practice):
            if proof.path:
                assert bool(proof.value) is not proof.is_absent, proof
            if proof.shown and proof.kind != "blind spot":
                assert proof.shown_value, proof


@pytest.fixture(scope="module")
def store(
    recorded_crashes: Mapping[str, Outcome], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with the events of all crash types, as they came."""
    store = Store(tmp_path_factory.mktemp("stored") / "captured.sqlite3")
    for outcome in recorded_crashes.values():
        for each in outcome.items:
            if each.type == "event":
                envelope = body(item("event", each.payload), event_id=each.payload["event_id"])
                store_away(store, envelope, project=each.project)
    yield store
    store.close()


@pytest.fixture(scope="module")
def stored(store: Store) -> StoredRecordings:
    return StoredRecordings(store)


@pytest.fixture(scope="module")
def issues(store: Store) -> Issues:
    return read_issues(store)


@pytest.mark.parametrize("crash", CAPTURED, ids=full_id)
def test_the_store_is_searched_for_the_events_of_a_crash_type(
    crash: CrashType, stored: StoredRecordings, recordings: FreshRecordings
) -> None:
    found = stored.events_of(crash)
    assert list(map(dict, filter(None, found))) == list(map(dict, recordings.events_of(crash)))


@pytest.mark.parametrize("crash", CAPTURED, ids=full_id)
def test_code_that_finds_a_crash_type_finds_its_issue(
    crash: CrashType, issues: Issues, recordings: FreshRecordings
) -> None:
    workshop = SimpleNamespace(issues=lambda: issues)
    found = eval(search_crash(crash).code, {"workshop": workshop})
    event = recordings.events_of(crash)[0]
    assert event is not None
    assert event["event_id"] in {name for issue in found for name in issue.event_ids}


def test_what_cannot_be_fired_is_reported(recorded_crashes: Mapping[str, Outcome]) -> None:
    def trigger(crash_id: str) -> Outcome:
        if crash_id.startswith("analytics/"):
            raise WorkshopError("no database")
        return recorded_crashes[crash_id]

    reports: list[str] = []
    some = [crash for crash in CRASHES if crash.id in ("analytics/crash", "gateway/panic")]
    assert list(record_crashes(trigger, some, reports.append)) == ["gateway/panic"]
    assert reports == ["analytics/crash: no database"]


def test_a_workshop_shows_what_it_captured(workshop: Workshop) -> None:
    outcome = workshop.trigger("gateway/panic")
    assert outcome.event is not None
    (found,) = workshop.pattern("gateway/panic").sections[0].recorded
    assert found.facts == facts(outcome.event)
    assert len(workshop.patterns) >= 22
    assert len(workshop.practices) >= 15


@pytest.mark.slow
def test_the_page_of_each_fault_shows_its_events(workshop: Workshop) -> None:
    reports: list[str] = []
    items = record_faults(workshop, FAULTS, reports.append)
    assert reports == []
    recordings = FreshRecordings(faults=items)
    for fault in FAULTS:
        section = fault_section(fault, recordings)
        assert all(recorded.facts for recorded in section.recorded)
        assert len(section.recorded) == len(fault.errors)
        assert not any(each.is_broken for each in (*section.claims, *section.absences))
        assert not section.alert.counts_users, "Events of payment name no user."
    guide = Practices(recordings, FAULTS)
    for practice in guide:
        for proof in guide.proofs(practice):
            if proof.kind == "fault" and proof.path:
                assert bool(proof.value) is not proof.is_absent, proof
