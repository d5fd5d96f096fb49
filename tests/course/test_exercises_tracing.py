import uuid
from collections.abc import Sequence
from typing import Any

import pytest
import sentry_sdk

from demo_services.trace import start_span
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.tracing import carry_on, torn_calls, wait_for_entry, whole_trace
from kit.ingest.store import StoredItem
from kit.reading.spans import Span, spans
from kit.system.clients import use_client
from kit.workshop import Workshop


@pytest.fixture(scope="module")
def whole(workshop: Workshop) -> list[StoredItem]:
    """A spin's trace through all services."""
    player = f"whole-{uuid.uuid4().hex[:8]}"
    workshop.spin(player=player)
    (trace_id,) = wait_for_entry(workshop.store, player).trace_ids
    return whole_trace(workshop.store, trace_id)


@pytest.fixture
def torn(workshop: Workshop, whole: list[StoredItem]) -> Exercise:
    return workshop.exercise("torn-where", whole)


@pytest.fixture
def carry(workshop: Workshop) -> Exercise:
    return workshop.exercise(
        "carry-on", workshop.url("gateway"), workshop.store, workshop.reporting
    )


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def raises(*given: object) -> object:
    raise KeyError("spans")


def returns_dots(*given: object) -> object:
    return ...


def returns_nothing(*given: object) -> object:
    return None


# Whole and torn


def test_a_whole_trace_has_all_services(whole: list[StoredItem]) -> None:
    services = {span.service for span in spans(whole)}
    assert services == {"frontend", "gateway", "game-engine", "payment", "analytics"}
    assert torn_calls(spans(whole)) == []


def test_a_trace_that_never_becomes_whole_is_not_waited_for_for_ever(workshop: Workshop) -> None:
    with (
        workshop.reporting(),
        start_span(op="test", name="calls") as calling,
        start_span(op="http.client", name="GET nobody"),
    ):
        pass
    workshop.store.wait_for_segment(calling.trace_id, timeout=60)
    with pytest.raises(TimeoutError):
        whole_trace(workshop.store, calling.trace_id, timeout=0.05)


def test_the_torn_calls_are_found(torn: Exercise) -> None:
    assert torn.check(solved(torn)).verdict is Verdict.PASS


def takes_all_calls(spans: Sequence[Span]) -> object:
    return [span.name for span in spans if span.op == "http.client"]


def finds_none(spans: Sequence[Span]) -> object:
    return []


def takes_all_leaves(spans: Sequence[Span]) -> object:
    parents = {span.parent_id for span in spans}
    return [span.name for span in spans if span.id not in parents]


def takes_roots(spans: Sequence[Span]) -> object:
    ids = {span.id for span in spans}
    return [span.name for span in spans if span.parent_id not in ids]


def returns_spans(spans: Sequence[Span]) -> object:
    return torn_calls(spans) or [None]


def test_a_wrong_finder_is_told_why(torn: Exercise) -> None:
    for wrong, word in (
        (42, "the function itself"),
        (takes_all_calls, "In the whole trace, 'POST http"),
        (takes_all_leaves, "In the whole trace"),
        (takes_roots, "In the whole trace"),
        (finds_none, "without the items from gateway, the list misses 1 such call."),
        (returns_nothing, "is a return statement missing?"),
        (lambda spans: 42, "a list"),
        (returns_spans, "a list"),
    ):
        result = torn.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def test_an_untouched_finder_is_not_called_wrong(torn: Exercise) -> None:
    assert torn.check().verdict is Verdict.UNATTEMPTED
    assert torn.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert torn.check(raises).verdict is Verdict.EXCEPTION


# Carried on


def test_headers_that_carry_the_trace_pass(carry: Exercise) -> None:
    assert carry.check(solved(carry)).verdict is Verdict.PASS


def both() -> dict[str, Any]:
    scope = sentry_sdk.get_current_scope()
    return dict(scope.iter_trace_propagation_headers())


def test_another_way_to_the_same_headers_passes_too(carry: Exercise) -> None:
    assert carry.check(both).verdict is Verdict.PASS


def forgets_baggage() -> object:
    return {"sentry-trace": both()["sentry-trace"]}


def forgets_the_trace() -> object:
    return {"baggage": both()["baggage"]}


def makes_a_trace_up() -> object:
    return {**both(), "sentry-trace": f"{'1' * 32}-{'2' * 16}-1"}


def makes_baggage_up() -> object:
    return {**both(), "baggage": "sentry-environment=workshop"}


def test_wrong_headers_are_told_why(carry: Exercise) -> None:
    for wrong, word in (
        (42, "the function itself"),
        (returns_nothing, "is a return statement missing?"),
        (list, "a dict"),
        (forgets_baggage, "baggage: nothing"),
        (forgets_the_trace, "no header sentry-trace"),
        (makes_a_trace_up, "11111111"),
        (makes_baggage_up, "baggage: sentry-environment"),
    ):
        result = carry.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def test_headers_of_an_earlier_trace_are_wrong(carry: Exercise) -> None:
    kept: list[dict[str, Any]] = []

    def remembers() -> object:
        kept.append(both())
        return kept[0]

    assert "The current trace is" in carry.check(remembers).message


def test_an_untouched_carrier_is_not_called_wrong(carry: Exercise) -> None:
    assert carry.check().verdict is Verdict.UNATTEMPTED
    assert carry.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert carry.check(raises).verdict is Verdict.EXCEPTION


def test_the_other_side_reads_what_is_carried() -> None:
    # As the hint says.
    names: dict[str, Any] = {}
    exec(carry_on("", None, None).solution().text, names)  # type: ignore[arg-type]
    client = sentry_sdk.Client(
        "http://key@127.0.0.1:9/1", traces_sample_rate=1.0, trace_lifecycle="stream"
    )
    with use_client(client), start_span(op="test", name="caller") as caller:
        headers = names["carry"]()
    with use_client(client):
        sentry_sdk.traces.continue_trace(headers)
        with start_span(op="test", name="callee") as callee:
            assert callee.trace_id == caller.trace_id
    client.close(timeout=0)
