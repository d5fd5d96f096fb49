"""Missions: something happened behind the scenes, and the issue that matters is to be found."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kit.course.answer_parts import compare
from kit.course.exercise import Exercise, Note
from kit.crashes.catalogue import find_crash
from kit.crashes.crash_type import CrashType
from kit.html import render
from kit.outcome import Event
from kit.widgets.crash_widget import TriggerFunction

# Each is one issue, whoever plays, and fails in a function of its own.
SUSPECTS = (
    "gateway/panic",
    "game-engine/crash",
    "game-engine/error?type=index",
    "game-engine/error?type=attribute",
    "game-engine/error?type=custom",
    "payment/async-error",
    "payment/error?type=type",
    "payment/error?type=range",
    "analytics/crash",
    "analytics/validation-error?type=document",
)
NAMES = ("astrid", "bilal", "carmen", "deniz", "emeka", "fatou", "goran", "hana", "ines", "jonas")
# How many players the issue that matters has, and the one that comes next; how many events the one
# has that is loud.
WIDE, NEXT, LOUD = 4, 3, 7
RELEASE_S = 1.1

Play = Callable[[str], object]
Unavailable = Callable[[CrashType], str | None]
# A crash type, and whom it happens to.
Role = tuple[str, str]

_chance = random.SystemRandom()


@dataclass(frozen=True, repr=False)
class Mission(Exercise):
    """An exercise with a story; ``events`` is how many error events it begins with.

    Its notebook has several: each has a variable, and an answer, of its own.
    """

    story: str = ""
    events: int = 0

    def _repr_html_(self) -> str:
        return render("note.html", note=Note("Your mission", self.story))


def the_screenshot(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find an error by the id of its trace, among others and among its like."""
    culprit, *others = suspects(unavailable, 4)
    victim, *players = cast(5)
    noise = list(zip([culprit, *others], players, strict=True))
    events = stage(trigger, play, [*noise[:3], (culprit, victim), *noise[3:]])
    target = events[3]
    trace_id = target["contexts"]["trace"]["trace_id"]
    return Mission(
        "the-screenshot",
        make_verify(
            where_and_whom(target), "A trace id on the error page is worth a hundred questions."
        ),
        "Each card names its trace. As data: workshop.store.wait_for_error(trace_id, timeout=5) is "
        "the error of that trace, its .payload the event. The function is that of the newest frame "
        "of ours.",
        f'event = workshop.store.wait_for_error("{trace_id}", timeout=5).payload\n'
        + _READ.format(answer="screenshot_answer"),
        answer_name="screenshot_answer",
        story=f"A player sends a screenshot of an error page. It says: “Something went wrong. "
        f"Reference {trace_id}.” There were {len(events)} errors in the last seconds. Which "
        "service failed, in which function of ours, and who is the player?",
        events=len(events),
    )


def most_players(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find the issue that hits the most players, beside louder ones that hit fewer."""
    wide, close, loud, other = suspects(unavailable, 4)
    one, *players = cast(1 + WIDE + NEXT)
    hits = [(wide, player) for player in players[:WIDE]]
    # Of the same players as others, twice each: more events, and fewer players.
    noise = [(close, player) for player in players[-NEXT:]] * 2
    alone = [(other, players[0])] * 2
    events = stage(trigger, play, [*hits, *noise, *alone, *[(loud, one)] * LOUD])
    expected = {**where_and_whom(events[0]), "players": WIDE}
    del expected["player"]
    return Mission(
        "most-players",
        make_verify(expected, "Events count how often it happened, users how many it happened to."),
        "The list of issues has a column Users; as data each of players_issues has .users. Unfold "
        "the latest event for the function: that of the newest frame of ours.",
        "issue = max(players_issues, key=lambda issue: issue.users)\n"
        "event = issue.latest\n"
        + _READ.format(answer="players_answer")
        + 'del players_answer["player"]\n'
        'players_answer["players"] = issue.users\n',
        answer_name="players_answer",
        story=f"{len(events)} errors in the last seconds, and time to mend one of them before the "
        "evening. Find the issue that hit the most players: which service, which function of ours, "
        "and how many players?",
        events=len(events),
    )


def new_since(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find the issue that was not there before, while all the known ones go on."""
    new, *known = suspects(unavailable, 4)
    victim, *players = cast(4)
    before = list(zip(known, players, strict=True))
    events = stage(trigger, play, [*before, *before])
    # On screen, first seen is in whole seconds.
    time.sleep(RELEASE_S)
    events += stage(trigger, play, [(new, victim), *before])
    return Mission(
        "new-since",
        make_verify(
            where_and_whom(events[2 * len(before)]), "First seen is what a release is judged by."
        ),
        "The newest event is of an issue that everybody knows. The list of "
        "issues has a column First seen; as data each of release_issues has .first_seen.",
        "issue = max(release_issues, key=lambda issue: issue.first_seen)\n"
        "event = issue.latest\n" + _READ.format(answer="release_answer"),
        answer_name="release_answer",
        story=f"{len(known)} issues are known, and wait for their turn. Seconds ago a release went "
        "out. The known ones go on as before, and one issue is new. Which service, which function "
        "of ours, and which player met it first?",
        events=len(events),
    )


# Behind the scenes


def suspects(unavailable: Unavailable, count: int) -> list[str]:
    """Return that many crash types that can be triggered here, chosen at random."""
    able = [each for each in SUSPECTS if not unavailable(find_crash(each, {})[0])]
    return _chance.sample(able, count)


def cast(count: int) -> list[str]:
    """Return that many players whom nobody has seen before, chosen at random."""
    number = _chance.randrange(100_000, 1_000_000)
    return [f"{name}-{number}" for name in _chance.sample(NAMES, count)]


def stage(trigger: TriggerFunction, play: Play, roles: Iterable[Role]) -> list[Event]:
    """Let each player play a spin and meet a crash, one after the other; return the events."""
    return [_meet(trigger, play, *role) for role in roles]


def where_and_whom(event: Event) -> dict[str, Any]:
    """Return what a mission asks for: where it happened, and to whom."""
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    return {
        "service": event["server_name"],
        "function": [frame for frame in frames if frame.get("in_app")][-1]["function"],
        "player": event["user"]["username"],
    }


def make_verify(expected: dict[str, Any], praise: str) -> Callable[[Any], str]:
    """Return what judges an answer."""

    def verify(answer: dict[str, Any]) -> str:
        compare(answer, expected)
        return praise

    return verify


def _meet(trigger: TriggerFunction, play: Play, crash_id: str, player: str) -> Event:
    play(player)
    outcome = trigger(crash_id, player=player)
    assert outcome.event is not None, outcome.missing
    return outcome.event


_READ = """\
frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
{answer} = {{
    "service": event["server_name"],
    "function": [frame for frame in frames if frame.get("in_app")][-1]["function"],
    "player": event["user"]["username"],
}}
"""
