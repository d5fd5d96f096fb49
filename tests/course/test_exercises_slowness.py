from collections import Counter
from typing import Any

import pytest
from pymongo import MongoClient

from demo_services.analytics.mongo import DEFAULT_DATABASE
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.slowness import Spins
from kit.reading.spans import Span
from kit.workshop import Workshop


@pytest.fixture
def pattern(workshop: Workshop) -> Exercise:
    return workshop.exercise("find-n-plus-one")


@pytest.fixture
def report(workshop: Workshop) -> Exercise:
    return workshop.exercise("one-query", workshop.database_url)


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def returns_dots(given: object) -> object:
    return ...


def raises(given: object) -> object:
    raise KeyError("queries")


# The pattern in the trace


def test_the_repeated_query_is_found(pattern: Exercise) -> None:
    assert pattern.check(solved(pattern)).verdict is Verdict.PASS


def queries(spans: list[Span]) -> Counter[str]:
    return Counter(span.name for span in spans if span.op == "db")


def counts_all_queries(spans: list[Span]) -> object:
    query, _ = queries(spans).most_common(1)[0]
    return query, queries(spans).total()


def takes_the_slowest(spans: list[Span]) -> object:
    slowest = max(spans, key=lambda span: span.duration)
    return slowest.name, 1


def knows_only_one_trace(spans: list[Span]) -> object:
    query, _ = queries(spans).most_common(1)[0]
    return query, 6


def returns_nothing(given: object) -> object:
    return None


def test_a_wrong_pattern_is_told_why(pattern: Exercise) -> None:
    for wrong, word in (
        ("find", "the function itself"),
        (returns_nothing, "is a return statement missing?"),
        (lambda spans: 42, "a pair"),
        (takes_the_slowest, "is not the most frequent query"),
        (counts_all_queries, "not sent 8 times"),
        (knows_only_one_trace, "not sent 6 times"),
    ):
        result = pattern.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def test_an_untouched_pattern_is_not_called_wrong(pattern: Exercise) -> None:
    assert pattern.check().verdict is Verdict.UNATTEMPTED
    assert pattern.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert pattern.check(raises).verdict is Verdict.EXCEPTION


# The report in one query


def totals(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {
        player: {
            "wagered": sum(row["bet"] for row in rows if row["player"] == player),
            "won": sum(row["win"] for row in rows if row["player"] == player),
        }
        for player in {row["player"] for row in rows}
    }


def adds_up_here(spins: Spins) -> object:
    """Another right answer: everything is fetched at once."""
    return totals(list(spins.find()))


def test_grouping_there_and_adding_up_here_both_pass(report: Exercise) -> None:
    assert report.check(solved(report)).verdict is Verdict.PASS
    assert report.check(adds_up_here).verdict is Verdict.PASS


def asks_for_each(spins: Spins) -> object:
    found: dict[str, dict[str, int]] = {}
    for player in spins.distinct("player"):
        found |= totals(list(spins.find({"player": player})))
    return found


def counts_first(spins: Spins) -> object:
    spins.count_documents({})
    return adds_up_here(spins)


def forgets_the_wins(spins: Spins) -> object:
    return {player: {**each, "won": 0} for player, each in totals(list(spins.find())).items()}


def test_a_wrong_report_is_told_why(report: Exercise) -> None:
    for wrong, word in (
        (42, "the function itself"),
        (asks_for_each, "1 × distinct, 3 × find"),
        (counts_first, "2 queries"),
        (forgets_the_wins, "differs"),
        (returns_nothing, "is a return statement missing?"),
        (lambda spins: 42, "differs"),
    ):
        result = report.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def test_a_report_past_the_collection_is_wrong(workshop: Workshop, report: Exercise) -> None:
    def asks_elsewhere(spins: Spins) -> object:
        with MongoClient[dict[str, Any]](workshop.database_url) as client:
            return adds_up_here(client[spins.database.name][spins.name])

    assert "none" in report.check(asks_elsewhere).message


def test_an_untouched_report_is_not_called_wrong(report: Exercise) -> None:
    assert report.check().verdict is Verdict.UNATTEMPTED
    assert report.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert report.check(raises).verdict is Verdict.EXCEPTION


def test_nothing_of_it_stays_in_the_database(workshop: Workshop, report: Exercise) -> None:
    report.check(adds_up_here)
    report.check(raises)
    with MongoClient[dict[str, Any]](workshop.database_url) as client:
        left = client.get_default_database(DEFAULT_DATABASE).list_collection_names()
    assert not [name for name in left if name.startswith("exercise")]
