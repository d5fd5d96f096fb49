"""Feature flags: which one was on during a crash."""

import random
from collections.abc import Callable, Iterable, Iterator

import sentry_sdk
from sentry_sdk.feature_flags import add_feature_flag

from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.course.recording_transport import RecordingTransport
from kit.outcome import Event
from kit.system.clients import use_client

NAMES = ("double-payout", "fast-lane", "new-reels", "night-mode")
PLAYERS = 8
ROLLOUTS = 3

Rollout = list[dict[str, bool]]


def suspect_flag() -> Exercise:
    """Write a function that finds the flag that was on in every event of an issue."""

    def verify(answer: Callable[[list[Event]], object]) -> str:
        for culprit in random.sample(NAMES, ROLLOUTS):
            given = answer(crash_players(draw_rollout(culprit)))
            if given != culprit:
                raise Wrong(
                    f"{str(given)[:60]!r} was not on in every event, or is not the name of a flag: "
                    "the function must return one name, such as 'new-reels'."
                )
        return f"Tried on {ROLLOUTS} new issues of {PLAYERS} events, with a different flag each."

    return FunctionExercise(
        "suspect-flag",
        verify,
        'The flags are in event["contexts"]["flags"]["values"]: dicts with "flag" and "result". '
        "Start with the flags that were on in the first event, and keep those that were on in all "
        "others, too.",
        "def suspect(events):\n"
        "    on = [\n"
        "        {\n"
        '            each["flag"]\n'
        '            for each in event["contexts"]["flags"]["values"]\n'
        '            if each["result"]\n'
        "        }\n"
        "        for event in events\n"
        "    ]\n"
        "    return set.intersection(*on).pop()",
        answer_name="suspect",
    )


def draw_rollout(culprit: str) -> Rollout:
    """Return the flags of some players: only ``culprit`` is on for all of them."""
    players = [{name: random.random() < 0.6 for name in NAMES} for _ in range(PLAYERS)]  # noqa: S311
    for number, name in enumerate(NAMES):
        players[number][name] = False
    return [_shuffle({**player, culprit: True}) for player in players]


def _shuffle(flags: dict[str, bool]) -> dict[str, bool]:
    """Return flags in random order: each code path evaluates them in its own."""
    return dict(random.sample(list(flags.items()), len(flags)))


def crash_players(rollout: Rollout) -> list[Event]:
    """Return the events of players for whom these flags were evaluated before a crash."""
    return list(_events(rollout))


def _events(rollout: Iterable[dict[str, bool]]) -> Iterator[Event]:
    transport = RecordingTransport()
    client = sentry_sdk.Client(dsn="http://key@127.0.0.1:9/1", transport=transport)
    for player, flags in enumerate(rollout):
        # Separate scopes, as a server has for each request.
        with use_client(client):
            sentry_sdk.set_user({"id": str(player)})
            for name, result in flags.items():
                add_feature_flag(name, result)
            sentry_sdk.capture_exception(LookupError("no such line of the reels"))
    client.close(timeout=0)
    yield from transport.events
