from collections.abc import Mapping

import jmespath
import pytest

from demo_services.game_engine.errors import ERROR_TYPES
from demo_services.services import FRONTEND
from kit.crashes.catalogue import CRASHES, UnknownCrashType, find_crash, variants
from kit.crashes.crash_type import CrashType
from kit.outcome import Outcome
from tests.notebooks.kernels import NOTEBOOKS, read, sources

# On a busy machine; a service is to be free again long before.
QUICK_S = 5.0
SEVERITIES = {"fatal", "error", "warning", "info"}


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_every_crash_type_says_what_a_learner_needs(crash: CrashType) -> None:
    assert crash.severity in SEVERITIES
    assert crash.title
    assert crash.happens.endswith(".")
    assert crash.fix.endswith(".")
    assert len(crash.captured) >= 2 or not crash.errors
    assert len(crash.not_captured) >= 2
    for claim in (*crash.captured, *crash.not_captured):
        assert claim.path is None or jmespath.compile(claim.path)


def test_full_ids_are_unique() -> None:
    full_ids = [crash.full_id for crash in CRASHES]
    assert len(set(full_ids)) == len(full_ids)


def test_each_error_type_of_the_service_is_declared() -> None:
    assert tuple(crash.variant for crash in variants("game-engine/error")) == ERROR_TYPES


def test_at_least_three_error_types_are_recovered_from() -> None:
    handled = [c for c in variants("game-engine/error") if all(e.handled for e in c.errors)]
    assert len(handled) >= 3
    assert all(crash.status == 200 for crash in handled)


def test_error_types_differ_in_fingerprint() -> None:
    fingerprints = {crash.errors[0].fingerprint for crash in variants("game-engine/error")}
    assert len(fingerprints) == len(ERROR_TYPES)
    assert None not in fingerprints


def test_a_variant_is_found_by_parameter_and_by_full_id() -> None:
    by_parameter, _ = find_crash("game-engine/error", {"type": "key"})
    by_full_id, _ = find_crash("game-engine/error?type=key", {})
    assert by_parameter is by_full_id


def test_parameters_get_their_defaults() -> None:
    _, query = find_crash("game-engine/memory-leak", {})
    assert query == {"mb": 64}


@pytest.mark.parametrize(
    ("crash_id", "parameters", "sentence"),
    [
        ("game-engine/memory-leak", {"mb": 10**6}, "mb must be a whole number from 16 to 256"),
        ("game-engine/memory-leak", {"mb": "64"}, "not '64'"),
        ("game-engine/memory-leak", {"size": 1}, "has no parameter size; it has mb"),
        ("game-engine/crash", {"mb": 1}, "has no parameter mb; it has none"),
        ("game-engine/error", {}, "pass type=, one of value, type"),
    ],
)
def test_a_bad_parameter_is_refused_in_words(
    crash_id: str, parameters: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        find_crash(crash_id, parameters)


@pytest.mark.parametrize("crash_id", ["game-engine/crahs", "nothing", "game-engine/error?type=x"])
def test_an_unknown_id_is_answered_with_known_ones(crash_id: str) -> None:
    with pytest.raises(UnknownCrashType, match="game-engine/"):
        find_crash(crash_id, {})


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_exactly_what_is_declared_arrives(
    crash: CrashType, recorded_crashes: Mapping[str, Outcome]
) -> None:
    outcome = recorded_crashes[crash.full_id]
    assert outcome.missing == [], f"Correct {crash.full_id} in kit/crashes, or its route."
    assert outcome.unexpected == [], f"Declare it in the errors of {crash.full_id}, or catch it."
    assert outcome.response.status_code == crash.status


@pytest.mark.parametrize(
    "crash", [crash for crash in CRASHES if not crash.slow], ids=lambda crash: crash.full_id
)
def test_what_keeps_its_service_busy_is_declared_slow(
    crash: CrashType, recorded_crashes: Mapping[str, Outcome]
) -> None:
    seconds = recorded_crashes[crash.full_id].response.elapsed.total_seconds()
    assert seconds < QUICK_S or crash.deadline_ms, (
        f"{crash.full_id} took {seconds:.1f} s. Declare it with slow=True: load tests then "
        "trigger it once, and not a thousand times."
    )


def test_every_event_of_the_recording_has_an_origin_in_a_trace(
    recorded_crashes: Mapping[str, Outcome],
) -> None:
    assert list(recorded_crashes) == [crash.full_id for crash in CRASHES]
    traces = {outcome.trace_id for outcome in recorded_crashes.values()}
    assert len(traces) == len(CRASHES)


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_its_severity_is_the_level_of_what_it_raises(crash: CrashType) -> None:
    levels = [error.level for error in crash.errors]
    assert not levels or crash.severity == levels[0], (
        f"{crash.full_id} is declared as {crash.severity}, and its first error as {levels[0]}. "
        "Buttons show the one, Sentry the other: make severity and ExpectedError.level agree."
    )


# What fails in the frontend is code of the notebook itself: every cell that raises shows that.
SHOWN = dict.fromkeys(crash.id for crash in CRASHES if crash.service is not FRONTEND)


@pytest.mark.parametrize("crash_id", SHOWN)
def test_a_notebook_shows_it(crash_id: str) -> None:
    code = [cell for name in NOTEBOOKS for cell in sources(read(name))]
    assert any(f'"{crash_id}"' in cell for cell in code), (
        f"No notebook has {crash_id}. Add a section with a cell "
        f'workshop.crash("{crash_id}"), and one that asserts on what was captured.'
    )


def test_less_work_than_by_default_need_not_be_profiled() -> None:
    small, _ = find_crash("analytics/performance-issue", {"n": 5})
    usual, _ = find_crash("analytics/performance-issue", {"n": 100})
    assert (small.profiled, usual.profiled) == (None, "query_per_player")
