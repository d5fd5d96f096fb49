"""Three planted bugs and the requests that trigger them: cases whose cause you have to find."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo_services.game_engine.app import MAX_BODY_BYTES
from demo_services.game_engine.promotions import PROMOTIONS, log, make_app
from demo_services.trace import start_span
from kit.hosting.server import Server, serve_tornado
from kit.ingest.store import Store
from kit.outcome import Event, make_event
from kit.system.clients import ServiceClient

TELEMETRY_DEADLINE_S = 30.0
ANSWER_DEADLINE_S = 30.0
AT_ONCE = 3

Request = dict[str, Any]
Reporting = Callable[[], AbstractContextManager[None]]
Lines = Callable[[], list[str]]


@dataclass(frozen=True)
class Puzzle:
    """A planted bug: the question about it, the possible answers, and the right one.

    Each wrong answer also applies to a request that succeeds, or the log rules it out. All causes
    that the code allows fail at one line, in a loop: the local variable ``name`` is the loop's
    current item, and the one that ``culprit_variable`` names has the value.
    """

    promotion: str
    question: str
    choices: tuple[str, ...]
    # Not in the repr: a notebook stores the repr of a cell's result.
    cause: str = field(repr=False)
    explanation: str = field(repr=False)
    culprit_variable: str = field(repr=False)
    requests: tuple[Request, ...] = field(repr=False)

    @property
    def code(self) -> str:
        """The source of the failing method, with the line numbers from the log."""
        lines, first = inspect.getsourcelines(PROMOTIONS[self.promotion].coins)
        source = textwrap.dedent("".join(lines)).splitlines()
        return "\n".join(f"{number}  {line}" for number, line in enumerate(source, start=first))


@dataclass(frozen=True)
class Case:
    """A puzzle that was run: the log lines, and an event for each failed request."""

    puzzle: Puzzle
    lines: tuple[str, ...]
    events: tuple[Event, ...]


def run_puzzles(
    game_engine: ServiceClient, reporting: Reporting, store: Store, lines: Lines
) -> list[Case]:
    """Start the promotions, send the requests of all puzzles, and return the resulting cases.

    ``reporting`` opens the frontend's context, ``lines`` returns the game engine's log. Raises
    ServerError, and TimeoutError when an event does not arrive.
    """
    server = Server("promotions", serve_tornado(make_app, MAX_BODY_BYTES), context=game_engine.bind)
    server.launch().wait()
    try:
        sent = [_send_all(puzzle, server.url, reporting) for puzzle in PUZZLES]
    finally:
        server.stop()
    game_engine.client.flush(timeout=TELEMETRY_DEADLINE_S)
    return [
        Case(puzzle, _lines_of(traces, lines()), _events_of(traces, store))
        for puzzle, traces in zip(PUZZLES, sent, strict=True)
    ]


def _send_all(puzzle: Puzzle, url: str, reporting: Reporting) -> dict[str, bool]:
    """Send the requests, some at once; return the trace of each, and whether it failed."""
    target = f"{url}/promotions/{puzzle.promotion}"

    def send(request: Request) -> tuple[str, bool]:
        # A pool's thread does not inherit the caller's scopes.
        with reporting(), start_span(op="ui.action.click", name="promotion") as span:
            answer = httpx.post(target, json=request, timeout=ANSWER_DEADLINE_S, trust_env=False)
            return span.trace_id, answer.is_error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(pool.map(send, puzzle.requests))


def _lines_of(traces: Mapping[str, bool], lines: list[str]) -> tuple[str, ...]:
    marks = tuple(f"[{trace_id[:6]}]" for trace_id in traces)
    return tuple(line for line in lines if log.name in line and any(map(line.__contains__, marks)))


def _events_of(traces: Mapping[str, bool], store: Store) -> tuple[Event, ...]:
    failed = (trace_id for trace_id, has_failed in traces.items() if has_failed)
    items = (store.wait_for_error(trace_id, TELEMETRY_DEADLINE_S) for trace_id in failed)
    return tuple(make_event(item) for item in items)


def _requests(names: str, *rows: tuple[Any, ...]) -> tuple[Request, ...]:
    return tuple(dict(zip(names.split(), row, strict=True)) for row in rows)


_CASHBACK = Puzzle(
    "cashback",
    "Cashback fails for some players. What do they have in common?",
    (
        "They did not play in the week before.",
        "They won exactly what they had staked.",
        "They staked nothing: all their spins were free.",
        "They came only once.",
        "They still have free spins left.",
    ),
    "They staked nothing: all their spins were free.",
    "Cashback divides what was lost by what was staked, and a free spin stakes nothing. Anyone who "
    "staked something, even once, gets their cashback.",
    "whole",
    _requests(
        "player visits spins spins_before free_given free_left staked won",
        ("otto", 6, 25, 31, 5, 2, 220, 180),
        ("eve", 3, 14, 22, 14, 0, 0, 36),
        ("leo", 2, 9, 0, 0, 0, 90, 20),
        ("ruth", 4, 16, 12, 10, 10, 160, 160),
        ("mona", 1, 6, 4, 8, 2, 0, 4),
        ("finn", 1, 12, 3, 3, 0, 90, 45),
        ("gus", 5, 20, 18, 0, 0, 200, 200),
        ("pia", 2, 10, 15, 10, 0, 0, 12),
        ("nora", 1, 7, 9, 6, 0, 10, 5),
    ),
)

_WELCOME = Puzzle(
    "welcome",
    "The welcome bonus fails for some players. What do they have in common?",
    (
        "The player who invited them is no longer a member.",
        "Their level is not in the table of levels.",
        "Nobody invited them.",
        "They have come on too few days to get a bonus for that.",
        "They were invited by someone who had invited others before.",
    ),
    "The player who invited them is no longer a member.",
    "get() looks up the bonus of the departed member and returns None, and None cannot be doubled. "
    "Players whom nobody invited are handled as a separate case.",
    "bonus",
    _requests(
        "player level days invited_by",
        ("hugo", 3, 4, "max"),
        ("kai", 3, 4, "zoe"),
        ("lena", 7, 1, None),
        ("olga", 1, 5, "ida"),
        ("marc", 1, 2, "tom"),
        ("sven", 6, 2, "max"),
        ("tess", 2, 7, None),
        ("vera", 6, 7, "zoe"),
        ("will", 5, 1, "ben"),
    ),
)

_VOUCHER = Puzzle(
    "voucher",
    "Some players cannot redeem their vouchers. What do these vouchers have in common?",
    (
        "The shop is not in the table of fees.",
        "They have no limit.",
        "Their value is above their limit.",
        "Their value is written with a comma, like 12,50.",
        "They come from a till that is not set to English.",
    ),
    "Their value is written with a comma, like 12,50.",
    "Tills set to French or German write a comma where Decimal() expects a point. Round values "
    "have neither, so the language alone does not decide.",
    "text",
    _requests(
        "player shop language value limit",
        ("amy", "York 2", "en", "12.50", "50"),
        ("jules", "Lyon 3", "fr", "12,50", "50"),
        ("claire", "Lyon 3", "fr", "20", "50"),
        ("karl", "Trier 1", "de", "7,95", None),
        ("sean", "Cork 1", "en", "80", "50"),
        ("ines", "Trier 1", "de", "15", None),
        ("paul", "Cork 1", "de", "9,99", "50"),
        ("rose", "York 2", "fr", "60", "25"),
        ("dora", "Cork 1", "en", "5.05", None),
    ),
)

PUZZLES = (_CASHBACK, _WELCOME, _VOUCHER)
