"""The exercises on alerts: which rules are worth a page, and which webhooks are genuine."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.paging import EVENINGS, MOST_PAGES, six_pages, verify_the_hook
from kit.course.exercises.simulated_evening import INCIDENTS, NO_OPS, simulated_evening
from kit.reliability.alerts.rule import AlertRule, make_rule
from kit.reliability.alerts.webhooks.receiver import AlertReceiver
from kit.reliability.alerts.webhooks.webhook import REQUEST_ID, SIGNATURE, Webhook

FATAL = make_rule("every event", "level = fatal", "page", "10m", name="Fatal")
Verify = Callable[[bytes, Mapping[str, str], str], bool]


class Maker:
    """What a solution makes its rules with."""

    alert = staticmethod(make_rule)


def answer_of(exercise: Exercise) -> Any:
    names: dict[str, Any] = {"workshop": Maker}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def many_users(throttle: str = "10m", users: int = 8, **more: Any) -> AlertRule:
    filters = ["level >= error", f"users > {users} in 5m"]
    return make_rule("every event", filters, "page", throttle, name="Many users", **more)


# The evening


@pytest.mark.parametrize("seed", EVENINGS)
def test_an_evening_has_five_incidents_and_two_no_ops(seed: int) -> None:
    evening = simulated_evening(seed)
    assert evening == simulated_evening(seed)
    faults = [each.fault for each in evening.incidents]
    assert faults.count(None) == len(NO_OPS)
    assert sorted(filter(None, faults)) == sorted(INCIDENTS)
    times = [at for each in evening.incidents for at in (each.starts_at, each.ends_at)]
    assert [evening.span[0], *times, evening.span[1]] == sorted([*times, *evening.span])
    at = [each.at for each in evening.occurrences]
    assert at == sorted(at)
    assert evening.span[0] <= at[0] < at[-1] <= evening.span[1]


def test_an_evening_counts_events_and_users_of_each_issue() -> None:
    evening = simulated_evening(EVENINGS[0])
    head, first, *_, last = str(evening).splitlines()
    assert head.split()[:3] == ["events", "users", "level"]
    script = [each for each in evening.occurrences if each.issue == ("gateway", "RateLimited")]
    assert first.split()[:2] == [str(len(script)), "1"]
    assert last.endswith("with one event each")


# Six pages


def test_its_solution_pages_for_all_and_seldom() -> None:
    exercise = six_pages()
    result = exercise.check(answer_of(exercise))
    assert result.verdict is Verdict.PASS, result.message
    for seed in EVENINGS:
        judged = simulated_evening(seed).judge(*answer_of(exercise))
        assert judged.recall == 1
        assert judged.firings <= MOST_PAGES


@pytest.mark.parametrize("users", [5, 12, 20])
def test_the_number_of_users_need_not_be_hit(users: int) -> None:
    rules = [many_users(users=users, project="game-engine"), FATAL]
    assert six_pages().check(rules).verdict is Verdict.PASS


@pytest.mark.parametrize("untouched", [..., [...], []])
def test_without_rules_it_was_not_tried(untouched: object) -> None:
    assert six_pages().check(untouched).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("every event", "needs a list of rules, not str"),
        ({"when": "every event"}, "needs a list of rules, not dict"),
        (["every event"], "'every event' is not a rule"),
        ([make_rule("every event", "level = fatal")], "give it a throttle"),
        (FATAL, "On your evening there was no page for bad-release."),
        ([many_users(project="game-engine")], "there was no page for payment-dies."),
        ([many_users(), FATAL], "On your evening there were 7 pages, 0 of them without an"),
        ([many_users("1h", project="game-engine"), FATAL], "there was no page for payment-"),
        ([many_users(users=1, project="game-engine"), FATAL], "The limit is 6"),
        (
            [many_users(project="game-engine"), make_rule("new issue", name="New issue")],
            "pages came from 'New issue'.",
        ),
        (
            [make_rule("every event", "events > 20 in 5m", "page", "10m"), FATAL],
            "pages came from 'every event: events > 20 in 5m → page'",
        ),
    ],
)
def test_wrong_rules_are_told_why(wrong: object, told: str) -> None:
    result = six_pages().check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_messages_ring_no_phone() -> None:
    loud = make_rule("every event", "level >= error", "message", "5m", name="Channel")
    rules = [many_users(project="game-engine"), FATAL, loud]
    assert six_pages().check(rules).verdict is Verdict.PASS
    silent = [make_rule("every event", "level >= error", "ticket", "5m", name="Tickets")]
    assert "there was no page" in six_pages().check(silent).message


# Verify the hook


def test_its_solution_tells_genuine_requests() -> None:
    exercise = verify_the_hook()
    answer = answer_of(exercise)
    for _ in range(2):
        result = exercise.check(answer)
        assert result.verdict is Verdict.PASS, result.message


def test_its_solution_takes_what_a_webhook_sends() -> None:
    verify: Verify = answer_of(verify_the_hook())
    taken: list[bool] = []

    class Checking(AlertReceiver):
        def accept(self, body: bytes, headers: Mapping[str, str]) -> int:
            taken.append(verify(body, headers, self.secret))
            return super().accept(body, headers)

    receiver = Checking()
    receiver.launch().wait()
    try:
        for secret in (receiver.secret, "another"):
            Webhook(receiver.address, secret).send(b'{"data": {"event": {"a": 1}}}', "r", secret)
    finally:
        receiver.stop()
    assert taken == [True, False]


def test_the_stub_counts_as_not_tried() -> None:
    assert verify_the_hook().check(lambda body, headers, secret: ...).verdict is Verdict.UNATTEMPTED


def right(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed_only(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    given = headers.get(SIGNATURE, "").encode()
    return hmac.compare_digest(given, right(body, secret).encode())


def never_twice() -> Verify:
    """Return an answer that remembers ids alone."""
    seen = set()

    def verify(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        if not signed_only(body, headers, secret) or headers.get(REQUEST_ID, "") in {*seen, ""}:
            return False
        seen.add(headers[REQUEST_ID])
        return True

    return verify


def remembering_first() -> Verify:
    """Return an answer that remembers an id before it looks at the signature."""
    seen = {""}

    def verify(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        is_new = headers.get(REQUEST_ID, "") not in seen and right(body, secret) not in seen
        seen.add(headers.get(REQUEST_ID, ""))
        if not is_new or not signed_only(body, headers, secret):
            return False
        seen.add(right(body, secret))
        return True

    return verify


def by_equality(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    return headers.get(SIGNATURE) == right(body, secret)


def by_inequality(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    is_forged = headers.get(SIGNATURE) != right(body, secret)
    return not is_forged


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (True, "the function itself"),
        (lambda body, headers, secret: None, "returned None"),
        (lambda body, headers, secret: 1, "True or False, not 1"),
        (lambda body, headers, secret: True, "with an altered body was accepted"),
        (lambda body, headers, secret: True, "signed with another secret was accepted"),
        (lambda body, headers, secret: True, "not ASCII was accepted"),
        (lambda body, headers, secret: False, "A genuine request was refused."),
        (signed_only, "The same request was accepted twice."),
        (signed_only, "without Request-ID was accepted"),
        (never_twice(), "again with a new Request-ID"),
        (remembering_first(), "a forged one had used its Request-ID"),
        (by_equality, "compared with =="),
        (by_inequality, "compared with =="),
    ],
)
def test_a_wrong_check_is_told_why(wrong: object, told: str) -> None:
    result = verify_the_hook().check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_only_what_is_wrong_is_named() -> None:
    assert verify_the_hook().check(never_twice()).message.count("\n") == 0
    assert verify_the_hook().check(remembering_first()).message.count("\n") == 0
    assert "==" not in verify_the_hook().check(signed_only).message


def test_a_check_that_raises_is_told_so() -> None:
    def careless(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        return hmac.compare_digest(headers.get(SIGNATURE, ""), right(body, secret))

    result = verify_the_hook().check(careless)
    assert result.verdict is Verdict.EXCEPTION
    assert "non-ASCII" in result.message
