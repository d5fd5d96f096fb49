"""Slow work: find it in a trace, and fix it."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from demo_services.analytics.mongo import DEFAULT_DATABASE, Document
from demo_services.services import ANALYTICS
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.reading.spans import Span
from kit.widgets.crash_widget import TriggerFunction

REPORTS_ON = (6, 11)
PLAYERS = (3, 12)
SPINS_EACH = 3
SELECTION_MS = 5000

Spins = Collection[Document]


def find_n_plus_one(trigger: TriggerFunction) -> Exercise:
    """Write a function that finds the query that a service repeats."""

    def verify(answer: Callable[[list[Span]], object]) -> str:
        for players in REPORTS_ON:
            outcome = trigger("analytics/performance-issue", n=players)
            assert not outcome.missing, outcome.missing
            spans = outcome.trace.of(ANALYTICS.name)
            _check_repeated(answer(spans), *most_repeated(spans))
        return "Tried on two new traces, with different numbers of players."

    return FunctionExercise(
        "find-n-plus-one",
        verify,
        'Count the names of the spans whose op is "db". collections.Counter has most_common().',
        "from collections import Counter\n\n\n"
        "def repeated(spans):\n"
        '    queries = Counter(span.name for span in spans if span.op == "db")\n'
        "    return queries.most_common(1)[0]",
        answer_name="repeated",
    )


def most_repeated(spans: Iterable[Span]) -> tuple[str, int]:
    """Return the most frequent query and its count."""
    queries = Counter(span.name for span in spans if span.op == "db")
    return queries.most_common(1)[0]


def _check_repeated(given: object, query: str, count: int) -> None:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong("The function must return a pair: the name of the query's span, and its count.")
    if given[0] != query:
        raise Wrong(f"{str(given[0])[:80]!r} is not the most frequent query.")
    if given[1] != count:
        raise Wrong(f"The right query, but it was not sent {given[1]!r} times.")


def one_query(url: str) -> Exercise:
    """Write a report on all players with one query, tried on the database at ``url``."""

    def verify(answer: Callable[[Spins], object]) -> str:
        for players in PLAYERS:
            _check_report(answer, url, players)
        return f"One query, for {PLAYERS[0]} and for {PLAYERS[1]} players, with the right result."

    return FunctionExercise(
        "one-query",
        verify,
        'spins.aggregate([{"$group": {"_id": "$player", …}}]) groups in the database: '
        '"wagered": {"$sum": "$bet"} adds up. Or fetch all spins with one find() and add up here.',
        "def report_fast(spins):\n"
        "    group = {\n"
        '        "_id": "$player",\n'
        '        "wagered": {"$sum": "$bet"},\n'
        '        "won": {"$sum": "$win"},\n'
        "    }\n"
        '    rows = spins.aggregate([{"$group": group}])\n'
        "    return {\n"
        '        row["_id"]: {"wagered": row["wagered"], "won": row["won"]} for row in rows\n'
        "    }",
        answer_name="report_fast",
    )


class QueryLog(CommandListener):
    """The names of the commands that a client sent, oldest first."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Record a command."""
        self.sent.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to note."""


@contextmanager
def temporary_collection(url: str, documents: list[Document]) -> Iterator[tuple[Spins, QueryLog]]:
    """Inside the block, provide a collection with these documents, and a log of its commands.

    Raises PyMongoError when the database does not answer.
    """
    log = QueryLog()
    with MongoClient[Document](
        url, event_listeners=[log], serverSelectionTimeoutMS=SELECTION_MS
    ) as client:
        database = client.get_default_database(DEFAULT_DATABASE)
        spins = database[f"exercise_{uuid.uuid4().hex[:12]}"]
        spins.insert_many(documents)
        log.sent.clear()
        try:
            yield spins, log
        finally:
            spins.drop()


def _check_report(answer: Callable[[Spins], object], url: str, players: int) -> None:
    documents = _spins_of(players)
    with temporary_collection(url, documents) as (spins, log):
        given = answer(spins)
        sent = list(log.sent)
    if given != _totals(documents):
        raise Wrong(
            f"For {players} players the result differs from the slow report's. Return a dict of "
            "players, each with what they wagered and won."
        )
    if len(sent) != 1:
        counted = ", ".join(f"{number} × {name}" for name, number in Counter(sent).items())
        raise Wrong(
            f"The right result, but for {players} players it sent {len(sent)} queries through the "
            f"collection that it received: {counted or 'none'}."
        )


def _spins_of(players: int) -> list[Document]:
    return [
        {"player": f"guest-{number}", "bet": 10 + number, "win": 7 * number * spin}
        for number in range(players)
        for spin in range(SPINS_EACH)
    ]


def _totals(documents: list[Document]) -> dict[str, Document]:
    totals: dict[str, Document] = {}
    for spin in documents:
        of_player = totals.setdefault(spin["player"], {"wagered": 0, "won": 0})
        of_player["wagered"] += spin["bet"]
        of_player["won"] += spin["win"]
    return totals
