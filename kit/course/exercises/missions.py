"""Missions: something happened behind the scenes, and you have to find the issue that matters."""

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

# Each is one issue for all players, and fails in a different function.
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
# The number of players of the issue that matters and of the next one, and of the loud issue's
# events.
WIDE, NEXT, LOUD = 4, 3, 7
RELEASE_S = 1.1

Play = Callable[[str], object]
Unavailable = Callable[[CrashType], str | None]
# A crash type and its player.
Role = tuple[str, str]

_chance = random.SystemRandom()


@dataclass(frozen=True, repr=False)
class Mission(Exercise):
    """An exercise with a story; ``events`` is the number of its error events.

    Its notebook has several, each with its own variable and answer.
    """

    story: str = ""
    events: int = 0

    def _repr_html_(self) -> str:
        return render("note.html", note=Note("Your mission", self.story))


def the_screenshot(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find an error by its trace id, among others and similar ones."""
    culprit, *others = suspects(unavailable, 4)
    victim, *players = cast(5)
    noise = list(zip([culprit, *others], players, strict=True))
    events = stage(trigger, play, [*noise[:3], (culprit, victim), *noise[3:]])
    target = events[3]
    trace_id = target["contexts"]["trace"]["trace_id"]
    return Mission(
        "the-screenshot",
        make_verify(
            where_and_whom(target), "A trace id on the error page saves a hundred questions."
        ),
        "Each card names its trace. In code, workshop.store.wait_for_error(trace_id, timeout=5) "
        "returns the error of that trace, and its .payload is the event. The function is in the "
        "newest in-app frame.",
        f'event = workshop.store.wait_for_error("{trace_id}", timeout=5).payload\n'
        + _READ.format(answer="screenshot_answer"),
        answer_name="screenshot_answer",
        story=f"A player sends a screenshot of an error page. It says: “Something went wrong. "
        f"Reference {trace_id}.” There were {len(events)} errors in the last few seconds. "
        "Which service failed, in which of our functions, and who is the player?",
        events=len(events),
    )


def most_players(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find the issue that hits the most players, among louder ones that hit fewer."""
    wide, close, loud, other = suspects(unavailable, 4)
    one, *players = cast(1 + WIDE + NEXT)
    hits = [(wide, player) for player in players[:WIDE]]
    # The same players as another issue, twice each: more events, but fewer players.
    noise = [(close, player) for player in players[-NEXT:]] * 2
    alone = [(other, players[0])] * 2
    events = stage(trigger, play, [*hits, *noise, *alone, *[(loud, one)] * LOUD])
    expected = {**where_and_whom(events[0]), "players": WIDE}
    del expected["player"]
    return Mission(
        "most-players",
        make_verify(
            expected, "Events count how often it happened; users count how many people it hit."
        ),
        "The list of issues has a column Users; in code, each of players_issues has .users. Expand "
        "the latest event for the function, which is in the newest in-app frame.",
        "issue = max(players_issues, key=lambda issue: issue.users)\n"
        "event = issue.latest\n"
        + _READ.format(answer="players_answer")
        + 'del players_answer["player"]\n'
        'players_answer["players"] = issue.users\n',
        answer_name="players_answer",
        story=f"{len(events)} errors in the last few seconds, and you can fix only one today. Find "
        "the issue that hit the most players: which service, which of our functions, and how many "
        "players?",
        events=len(events),
    )


def new_since(trigger: TriggerFunction, play: Play, unavailable: Unavailable) -> Mission:
    """Find the new issue while the known ones keep happening."""
    new, *known = suspects(unavailable, 4)
    victim, *players = cast(4)
    before = list(zip(known, players, strict=True))
    events = stage(trigger, play, [*before, *before])
    # On screen, First seen has whole seconds.
    time.sleep(RELEASE_S)
    events += stage(trigger, play, [(new, victim), *before])
    return Mission(
        "new-since",
        make_verify(
            where_and_whom(events[2 * len(before)]), "First seen shows what a release broke."
        ),
        "The newest event belongs to a known issue. The list of issues has a column First seen; in "
        "code, each of release_issues has .first_seen.",
        "issue = max(release_issues, key=lambda issue: issue.first_seen)\n"
        "event = issue.latest\n" + _READ.format(answer="release_answer"),
        answer_name="release_answer",
        story=f"{len(known)} issues are known and in the backlog. Seconds ago a release went out. "
        "The known ones keep happening, and one issue is new. Which service, which of our "
        "functions, and which player hit it first?",
        events=len(events),
    )


# Behind the scenes


def suspects(unavailable: Unavailable, count: int) -> list[str]:
    """Return ``count`` random crash types that can be triggered here."""
    able = [each for each in SUSPECTS if not unavailable(find_crash(each, {})[0])]
    return _chance.sample(able, count)


def cast(count: int) -> list[str]:
    """Return ``count`` random players with names that were never used before."""
    number = _chance.randrange(100_000, 1_000_000)
    return [f"{name}-{number}" for name in _chance.sample(NAMES, count)]


def stage(trigger: TriggerFunction, play: Play, roles: Iterable[Role]) -> list[Event]:
    """Let each player in turn play a spin and hit a crash; return the events."""
    return [_meet(trigger, play, *role) for role in roles]


def where_and_whom(event: Event) -> dict[str, Any]:
    """Return the expected answer: where it happened, and to whom."""
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    return {
        "service": event["server_name"],
        "function": [frame for frame in frames if frame.get("in_app")][-1]["function"],
        "player": event["user"]["username"],
    }


def make_verify(expected: dict[str, Any], praise: str) -> Callable[[Any], str]:
    """Return a function that judges an answer."""

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
