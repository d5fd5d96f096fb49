"""Alerts that are worth a page, and the webhooks that deliver them."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, FunctionExercise, NotTried, Wrong
from kit.course.exercises.simulated_evening import SimulatedEvening, simulated_evening
from kit.reliability.alerts.evaluate import replay
from kit.reliability.alerts.occurrences import Occurrence
from kit.reliability.alerts.rule import AlertRule, make_rule
from kit.reliability.alerts.webhooks.webhook import (
    EVENT_ALERT,
    REQUEST_ID,
    RESOURCE,
    SIGNATURE,
    alert_body,
    sign_body,
)
from kit.words import count_noun

MOST_PAGES = 6
# The learner sees the first one; rules that only fit that one fail on the others.
EVENINGS = (11, 12, 13, 14)


def six_pages() -> Exercise:
    """Choose rules that page for each incident of an evening, at most six times."""

    def verify(answer: object) -> str:
        rules = _read_rules(answer)
        raise_all(f"{rule.name}: {finding}" for rule in rules for finding in rule.lint())
        counts = [_count_pages(simulated_evening(seed), rules) for seed in EVENINGS]
        return (
            f"Every incident paged, with {min(counts)} to {max(counts)} pages an evening: on "
            f"yours, and on {len(counts) - 1} that you have not seen."
        )

    return Exercise(
        "six-pages",
        verify,
        "Four of the five incidents hurt many players of the game engine within minutes: count "
        "users there only, because payment reports the same failures again. The throttle must be "
        "longer than an incident, but shorter than the pause before the next one. The fifth "
        "incident is a single event, with a level that no other event has.",
        "rules = [\n"
        "    workshop.alert(\n"
        '        "every event",\n'
        '        ["level >= error", "users > 8 in 5m"],\n'
        '        "page",\n'
        '        "10m",\n'
        '        project="game-engine",\n'
        '        name="Many players of the game engine",\n'
        "    ),\n"
        '    workshop.alert("every event", "level = fatal", "page", "10m", name="Fatal"),\n'
        "]",
        answer_name="rules",
    )


def _read_rules(answer: object) -> list[AlertRule]:
    given = [answer] if isinstance(answer, AlertRule) else answer
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise Wrong(f"check() needs a list of rules, not {type(answer).__name__}.")
    rules = list(given)
    if not rules or ... in rules:
        raise NotTried
    for each in rules:
        if not isinstance(each, AlertRule):
            raise Wrong(f"{each!r} is not a rule: workshop.alert(…) makes one.")
    return rules


def _count_pages(evening: SimulatedEvening, rules: Sequence[AlertRule]) -> int:
    """Return the number of pages. Raises Wrong when there are too many, or one is missing."""
    judged = evening.judge(*rules)
    shown = evening.seed == EVENINGS[0]
    when = "On your evening" if shown else f"On another evening, of seed {evening.seed},"
    missed = [each.incident.fault for each in judged.verdicts if not each.firings]
    problems = [f"{when} there was no page for {name}." for name in missed]
    if judged.firings > MOST_PAGES:
        problems.append(
            f"{when} there were {judged.firings} pages, {len(judged.noise)} of them without an "
            f"incident. The limit is {MOST_PAGES}."
        )
        fired = evening.would_have_fired(*rules)
        problems += [
            f"{count_noun(count, 'page')} came from {rule.name!r}."
            for rule in fired.rules
            if (count := sum(each.is_page for each in fired.of(rule)))
        ]
    raise_all(problems)
    return judged.firings


Verify = Callable[[bytes, Mapping[str, str], str], object]


@dataclass(frozen=True)
class HookRequest:
    """A request to a webhook receiver, whether to accept it, and the message if it is misjudged."""

    body: bytes
    headers: Mapping[str, str]
    is_good: bool
    told: str


class WatchedSignature(str):
    """A signature that records a comparison with ``==``, whose duration reveals what matches."""

    __slots__ = ("is_compared",)

    def __eq__(self, other: object) -> bool:
        # A comparison with the text of an empty header has another reason.
        if isinstance(other, str) and len(other) == len(self):
            self.is_compared = True
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def verify_the_hook() -> Exercise:
    """Write the function that distinguishes genuine webhooks from forged or replayed ones."""

    def verify(answer: Verify) -> str:
        secret = secrets.token_hex(16)
        requests = list(_requests(secret))
        raise_all(_problems(answer, requests, secret))
        return f"{len(requests)} requests: each was accepted or refused correctly."

    return FunctionExercise(
        "verify-the-hook",
        verify,
        "hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() is the right signature, and "
        "hmac.compare_digest compares; give it bytes, because it refuses text that is not ASCII. "
        "Only then check the Request-ID. Remember what you accepted outside the function: the id, "
        "and also the signature, because it does not cover the id.",
        "import hashlib\n"
        "import hmac\n\n"
        "seen = set()\n\n\n"
        "def verify(body, headers, secret):\n"
        '    given = headers.get("Sentry-Hook-Signature", "")\n'
        "    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()\n"
        "    if not hmac.compare_digest(given.encode(), right.encode()):\n"
        "        return False\n"
        '    request_id = headers.get("Request-ID")\n'
        "    if not request_id or request_id in seen or right in seen:\n"
        "        return False\n"
        "    seen.update([request_id, right])\n"
        "    return True",
        answer_name="verify",
    )


def _problems(answer: Verify, requests: Sequence[HookRequest], secret: str) -> Iterator[str]:
    for each in requests:
        got = answer(each.body, each.headers, secret)
        if not isinstance(got, bool):
            raise Wrong(f"verify must return True or False, not {got!r}.")
        if got is not each.is_good:
            yield each.told
    if any(getattr(each.headers.get(SIGNATURE), "is_compared", False) for each in requests):
        yield (
            "The signature was compared with ==, which stops at the first difference: the time "
            "that takes tells an attacker how much is right."
        )


def _requests(secret: str) -> Iterator[HookRequest]:
    """Yield requests in the order of arrival, each with a separate body unless noted."""
    first, blocked, other = (_body(name) for name in ("no coins", "no reels", "late"))
    genuine = _headers(first, secret)
    yield HookRequest(first, genuine, True, "A genuine request was refused.")
    yield HookRequest(first, genuine, False, "The same request was accepted twice.")
    again = _headers(first, secret)
    told = "An already accepted body was accepted again with a new Request-ID."
    yield HookRequest(first, again, False, told)
    told = "A request with an altered body was accepted."
    signed = _headers(blocked, secret)
    yield HookRequest(blocked.replace(b"error", b"fatal"), signed, False, told)
    told = (
        "A genuine request was refused because a forged one had used its Request-ID. Remember an "
        "id only after its signature was right."
    )
    yield HookRequest(blocked, signed, True, told)
    foreign = _headers(other, secrets.token_hex(16))
    yield HookRequest(other, foreign, False, "A request signed with another secret was accepted.")
    yield from _incomplete(other, _headers(other, secret))
    spaced = other.replace(b'": ', b'":')
    told = (
        "A genuine request was refused: its JSON has different spaces. Sign the bytes as received."
    )
    yield HookRequest(spaced, _headers(spaced, secret), True, told)


def _incomplete(body: bytes, headers: Mapping[str, str]) -> Iterator[HookRequest]:
    for name in (SIGNATURE, REQUEST_ID):
        rest = {key: value for key, value in headers.items() if key != name}
        yield HookRequest(body, rest, False, f"A request without {name} was accepted.")
    told = "A signature that is not ASCII was accepted."
    yield HookRequest(body, {**headers, SIGNATURE: "é" * 64}, False, told)


def _headers(body: bytes, secret: str) -> dict[str, str]:
    return {
        REQUEST_ID: uuid4().hex,
        RESOURCE: EVENT_ALERT,
        SIGNATURE: WatchedSignature(sign_body(body, secret)),
    }


def _body(message: str) -> bytes:
    """Return the body of a webhook for a new event."""
    event: dict[str, Any] = {"message": message, "level": "error"}
    occurrence = Occurrence(0.0, ("payment", message), event, uuid4().hex, "payment")
    (firing,) = replay([make_rule("new issue", name="New issue")], [occurrence])
    return alert_body(firing, event)
