"""Outcomes of the traffic's requests, counted by second, route and response time."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Literal

# An invalid request, such as a bet the player cannot pay, says nothing about the system.
AnswerKind = Literal["good", "bad", "not valid"]

# No run exceeds an hour. One more second, because the first one is partial.
KEPT_S = 3601
# Buckets are 10 % wide, from a millisecond to 100 seconds.
FASTEST_S = 0.001
BUCKETS_A_DECADE = 24
LAST_BUCKET = 5 * BUCKETS_A_DECADE

_KINDS = ("good", "bad", "not valid", "shed")
# Route and kind, bucket, count.
_ROW = Struct("<BBH")
_MOST = 2**16 - 1


# HTTP statuses that blame the player or the request, not the system.
_NOT_VALID = {402, 409, 422, 429}


def judge_answer(status: int | None, took_s: float, threshold_s: float) -> AnswerKind:
    """Return how an answer counts; ``status`` is None without a readable answer."""
    if status in _NOT_VALID:
        return "not valid"
    is_good = status is not None and status < 500 and took_s <= threshold_s
    return "good" if is_good else "bad"


@dataclass(frozen=True)
class Answer:
    """The outcome of one request.

    ``due`` is when it should be sent, in seconds since the epoch; ``took_s`` counts from then to
    the end of the answer. ``status`` is None without a readable answer.
    """

    due: float
    trace_id: str
    route: str
    player: str
    status: int | None
    took_s: float
    kind: AnswerKind


@dataclass(frozen=True)
class Counts:
    """How many requests had which outcome; ``shed`` ones were not sent: too many were in flight.

    ``buckets`` is a histogram of the response times of good and bad requests: it maps the number
    of each bucket to a count.
    """

    good: int = 0
    bad: int = 0
    not_valid: int = 0
    shed: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict, repr=False)

    @property
    def valid(self) -> int:
        """How many say something about the system: the good and the bad ones."""
        return self.good + self.bad

    @property
    def total(self) -> int:
        """How many were due."""
        return self.valid + self.not_valid + self.shed

    @property
    def bad_share(self) -> float:
        """The share of valid requests that is bad, from 0 to 1; 0 if there are none."""
        return self.bad / self.valid if self.valid else 0.0

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of valid requests ended; 0 if there are none.

        Exact to a bucket, which is 10 % wide. A request without an answer counts with the time that
        the traffic waited for it.
        """
        # Rounding: as a float, 3/7 of seven is slightly more than three.
        rank, seen = share * sum(self.buckets.values()) - 1e-9, 0
        for bucket in sorted(self.buckets):
            count = self.buckets[bucket]
            if seen + count >= rank:
                return bucket_end(bucket - 1 + (rank - seen) / count)
            seen += count
        return 0.0

    @property
    def p50(self) -> float:
        """The median response time, in seconds."""
        return self.quantile(0.50)

    @property
    def p95(self) -> float:
        """The 95th percentile of the response time, in seconds."""
        return self.quantile(0.95)

    @property
    def p99(self) -> float:
        """The 99th percentile of the response time, in seconds."""
        return self.quantile(0.99)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.good + other.good,
            self.bad + other.bad,
            self.not_valid + other.not_valid,
            self.shed + other.shed,
            Counter(self.buckets) + Counter(other.buckets),
        )

    def __repr__(self) -> str:
        counted = f"{self.good} good, {self.bad} bad, {self.not_valid} not valid"
        shed = f", {self.shed} shed" if self.shed else ""
        return f"<Counts {self.valid}: {counted}{shed}; p95 {1000 * self.p95:.0f} ms>"


class Outcomes:
    """The outcomes of all requests, by the second in which each was due, for the last hour.

    A request counts once it has ended, so the counts of the last seconds still grow.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        # One entry per second; None where nothing was due.
        self._seconds: list[bytearray | None] = []
        self._first = 0
        self._routes: list[str] = []

    def add(self, answer: Answer) -> None:
        """Count the outcome of a request."""
        bucket = 0 if answer.kind == "not valid" else bucket_of(answer.took_s)
        self._count(answer.due, answer.route, _KINDS.index(answer.kind), bucket)

    def add_shed(self, due: float, route: str) -> None:
        """Count a request that was not sent."""
        self._count(due, route, _KINDS.index("shed"), 0)

    def last(self, seconds: float, now: float | None = None, *, route: str | None = None) -> Counts:
        """Return the counts of the last ``seconds``, for one route or for all.

        ``now`` is in seconds since the epoch.
        """
        end = time.time() if now is None else now
        return self.between(end - seconds, end, route=route)

    def between(self, start: float, end: float, *, route: str | None = None) -> Counts:
        """Return the counts of the requests due between two times, for one route or for all.

        Both times are in seconds since the epoch. Seconds are not split: the one that contains
        ``start`` counts in full, as does any that begins before ``end``.
        """
        return _sum_up(row for _, rows in self._rows(start, end) for row in self._of(rows, route))

    def per_second(
        self, start: float, end: float, *, route: str | None = None
    ) -> list[tuple[int, Counts]]:
        """Return the counts of each second in which something was due, earliest first."""
        return [
            (second, counts)
            for second, rows in self._rows(start, end)
            if (counts := _sum_up(self._of(rows, route))).total
        ]

    @property
    def stored_bytes(self) -> int:
        """How many bytes the counts take."""
        with self._changing:
            kept = (each.__sizeof__() for each in self._seconds if each is not None)
            return self._seconds.__sizeof__() + sum(kept)

    def __repr__(self) -> str:
        return repr(self.between(0, math.inf)).replace("Counts", "Outcomes", 1)

    def _count(self, due: float, route: str, kind: int, bucket: int) -> None:
        with self._changing:
            rows = self._at(int(due))
            if rows is None:
                return
            if route not in self._routes:
                self._routes.append(route)
            what = self._routes.index(route) * len(_KINDS) + kind
            for place in range(0, len(rows), _ROW.size):
                *found, count = _ROW.unpack_from(rows, place)
                if found == [what, bucket]:
                    _ROW.pack_into(rows, place, what, bucket, min(count + 1, _MOST))
                    return
            rows += _ROW.pack(what, bucket, 1)

    def _at(self, second: int) -> bytearray | None:
        """Return the rows of a second; None if it is too long ago."""
        if not self._seconds or second - self._first >= 2 * KEPT_S:
            self._first, self._seconds = second, []
        # The request due first may end after later ones.
        if (missing := self._first - second) > 0:
            if missing + len(self._seconds) > KEPT_S:
                return None
            self._first = second
            self._seconds[:0] = [None] * missing
        place = second - self._first
        self._seconds.extend([None] * (place + 1 - len(self._seconds)))
        if (rows := self._seconds[place]) is None:
            rows = self._seconds[place] = bytearray()
        if (old := len(self._seconds) - KEPT_S) > 0:
            del self._seconds[:old]
            self._first += old
        return rows

    def _rows(self, start: float, end: float) -> list[tuple[int, bytes]]:
        with self._changing:
            first = max(math.floor(start) - self._first, 0)
            stop = math.ceil(min(end - self._first, len(self._seconds)))
            return [
                (self._first + place, bytes(rows))
                for place in range(first, stop)
                if (rows := self._seconds[place]) is not None
            ]

    def _of(self, rows: bytes, route: str | None) -> Iterator[tuple[int, int, int]]:
        for what, bucket, count in _ROW.iter_unpack(rows):
            number, kind = divmod(what, len(_KINDS))
            if route is None or self._routes[number] == route:
                yield kind, bucket, count


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket for a time."""
    if seconds <= FASTEST_S:
        return 0
    place = math.ceil(BUCKETS_A_DECADE * math.log10(seconds / FASTEST_S))
    return min(place, LAST_BUCKET)


def bucket_end(bucket: float) -> float:
    """Return the longest time of a bucket, in seconds."""
    return float(FASTEST_S * 10 ** (bucket / BUCKETS_A_DECADE))


def _sum_up(rows: Iterator[tuple[int, int, int]]) -> Counts:
    kinds = dict.fromkeys(_KINDS, 0)
    buckets: dict[int, int] = {}
    for kind, bucket, count in rows:
        kinds[_KINDS[kind]] += count
        if _KINDS[kind] in ("good", "bad"):
            buckets[bucket] = buckets.get(bucket, 0) + count
    return Counts(kinds["good"], kinds["bad"], kinds["not valid"], kinds["shed"], buckets)
