import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from kit.ingest.store import Store
from kit.issues import (
    MAX_CARD_CHARACTERS,
    MAX_CHANGES,
    MAX_SHOWN,
    Issue,
    Issues,
    read_issues,
)
from kit.reading.grouping import FingerprintError
from kit.reading.server.references import NOT_IMITATED
from kit.workshop import Workshop
from tests.browser import chromium
from tests.card.page import Page
from tests.ingest.sending import store_away

from .test_drawings import show
from .traces import HOSTILE


def send(store: Store, *events: dict[str, Any], project: str = "game-engine") -> None:
    for event in events:
        payload = json.dumps({"event_id": uuid.uuid4().hex, **event}).encode()
        item = b'{"type":"event","length":%d}\n' % len(payload)
        store_away(store, b"{}\n" + item + payload + b"\n", project=project)


def failed(kind: str, function: str = "pay", **fields: Any) -> dict[str, Any]:
    stack = {"frames": [{"module": "shop", "function": function, "in_app": True}]}
    error = {"type": kind, "value": "broken", "stacktrace": stack}
    return {"exception": {"values": [error]}, "level": "error", **fields}


def test_events_become_issues_the_newest_first(store: Store) -> None:
    send(store, failed("KeyError"), failed("TypeError", level="fatal", transaction="/pay"))
    send(store, failed("KeyError", user={"id": "1"}), failed("KeyError", user={"id": "1"}))
    send(store, failed("KeyError", user={"username": "bob"}, level="warning"))
    key, kind = read_issues(store)
    assert [key.title, key.service, key.level] == ["KeyError: broken", "game-engine", "warning"]
    assert [key.count, key.users, key.culprit] == [4, 2, "pay"]
    assert [kind.count, kind.users, kind.culprit, kind.level] == [1, 0, "/pay", "fatal"]
    assert key.first_seen < kind.first_seen == kind.last_seen < key.last_seen
    assert key.reason == "Same exception type and in-app frames: pay."


def test_an_issue_gives_its_events_the_latest_first(store: Store) -> None:
    send(store, *(failed("KeyError", extra={"number": number}) for number in range(3)))
    (issue,) = read_issues(store)
    assert [event["extra"]["number"] for event in issue.events] == [2, 1, 0]
    assert issue.latest == issue.events[0]
    assert "KeyError" in issue.events[0]._repr_html_()


def test_services_have_their_own_issues(store: Store) -> None:
    for project in ("gateway", "payment", "gateway"):
        send(store, failed("KeyError"), project=project)
    assert [(each.service, each.count) for each in read_issues(store)] == [
        ("gateway", 2),
        ("payment", 1),
    ]


def test_only_the_last_events_are_looked_at(store: Store) -> None:
    send(store, *(failed("KeyError") for _ in range(5)))
    issues = read_issues(store, last=3)
    assert (issues[0].count, issues.complete, read_issues(store).complete) == (3, False, True)
    assert "The last 3 events are 1 issue." in text(issues)
    for last in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            read_issues(store, last=last)


def test_an_event_that_arrives_twice_counts_once_in_its_project(store: Store) -> None:
    one, other = {"event_id": "a" * 32}, {"event_id": "b" * 32}
    send(store, failed("KeyError", user={"id": 1}, extra={"try": 1}, **one))
    send(store, failed("KeyError", **other))
    send(store, failed("KeyError", user={"id": 2}, extra={"try": 2}, **one))
    issues = read_issues(store)
    (issue,) = issues
    assert (issue.count, issue.users, issues.events, issues.duplicates) == (2, 1, 2, 1)
    assert issue.event_ids == ("b" * 32, "a" * 32)
    assert issue.events[1]["extra"] == {"try": 1}
    assert "1 more event had the id of an earlier one, and does not count" in text(issues)
    send(store, failed("KeyError", extra={"try": 3}, **one), project="gateway")
    here, there = read_issues(store)
    assert (here.service, here.count, there.count) == ("gateway", 1, 2)
    assert here.events[0]["extra"] == {"try": 3}
    assert there.events[1]["extra"] == {"try": 1}


def test_events_without_an_id_are_no_duplicates(store: Store) -> None:
    send(store, *(failed("KeyError", event_id=None) for _ in range(3)))
    assert (read_issues(store)[0].count, read_issues(store).duplicates) == (3, 0)


@pytest.mark.parametrize(
    ("users", "different", "uncounted"),
    [
        ([{"id": 7}, {"id": "7"}, {"id": "7", "email": "ada@example.org"}], 1, 0),
        ([{"id": 7}, {"username": "7"}, {"email": "7"}, {"ip_address": "7"}], 4, 0),
        ([{"id": "", "username": "ada"}, {"username": "ada", "email": "a@b.c"}], 1, 0),
        ([{"email": "a@b.c", "username": "ada"}, {"username": "ada"}], 1, 0),
        ([{"id": 0}, {"id": "0"}, {"id": True}, {"id": "True"}], 2, 0),
        ([{"name": "Ada"}, {"data": {"plan": "vip"}}, {"name": ""}, {}], 0, 2),
        ([{"id": []}, "ada", 7, None, ["id", 7]], 0, 0),
    ],
)
def test_users_are_counted_by_the_first_id_that_they_have(
    store: Store, users: list[Any], different: int, uncounted: int
) -> None:
    send(store, *(failed("KeyError", user=user) for user in users))
    (issue,) = issues = read_issues(store)
    assert (issue.users, issue.uncounted_users) == (different, uncounted)
    assert ("whom Sentry does not count" in text(issues)) is bool(uncounted)


def test_the_list_says_what_it_does_not_imitate_each_with_its_page(store: Store) -> None:
    send(store, failed("KeyError"))
    page = View(read_issues(store)._repr_html_())
    folded = page.one("details", "cw-not-imitated")
    links = [each.attributes["href"] for each in page.all("a") if folded in each.parents]
    assert links == [reference.url for _, reference in NOT_IMITATED]
    for what, reference in NOT_IMITATED:
        assert f"{what} ({reference.title}, read {reference.read})" in " ".join(folded.text.split())


# A rule that is tried


def by_field(event: dict[str, Any]) -> list[str] | None:
    cause = event.get("extra", {}).get("cause")
    return [cause] if cause else None


def caused(cause: str | None, kind: str = "KeyError", **fields: Any) -> dict[str, Any]:
    return failed(kind, extra={"cause": cause}, **fields)


def test_a_rule_merges_what_has_one_cause(store: Store) -> None:
    send(store, caused("disk"), caused("disk", "OSError"), caused("disk", "TypeError"))
    send(store, caused(None, "RuntimeError"))
    disk, other = read_issues(store, by_field)
    assert (disk.count, disk.regrouped, other.regrouped) == (3, True, False)
    assert disk.reason == "All 3 were given the fingerprint disk by your function."
    issues = read_issues(store, by_field)
    assert issues.changes == [
        "3 issues became 1: TypeError: broken; OSError: broken; KeyError: broken"
    ]
    assert issues.changes[0] in text(issues)
    assert "4 events are 2 issues with your function; as they were sent, 4." in text(issues)


def test_a_rule_splits_what_has_many_causes(store: Store) -> None:
    send(store, caused("disk", fingerprint=["all"]), caused("net", fingerprint=["all"]))
    send(store, caused(None, fingerprint=["all"]))
    issues = read_issues(store, by_field)
    assert len(issues) == 3
    assert issues.changes == ["1 issue became 3: KeyError: broken"]


def test_default_in_a_rule_is_the_grouping_without_a_fingerprint(store: Store) -> None:
    send(store, failed("KeyError", fingerprint=["all"]), failed("OSError", fingerprint=["all"]))
    assert len(read_issues(store)) == 1
    assert len(read_issues(store, lambda event: ["{{ default }}"])) == 2


def test_a_rule_that_changes_nothing_is_told_so(store: Store) -> None:
    send(store, failed("KeyError"))
    issues = read_issues(store, lambda event: None)
    assert issues.changes == []
    assert "merged nothing and split nothing" in text(issues)
    assert read_issues(store).changes is None
    assert "Your function" not in text(read_issues(store))


def test_what_a_rule_sets_on_its_event_is_no_fingerprint(store: Store) -> None:
    def sets(event: dict[str, Any]) -> None:
        event["fingerprint"] = ["set"]

    send(store, failed("KeyError"))
    (issue,) = read_issues(store, sets)
    assert issue.reason == "The only event with this exception type and in-app frames: pay."


def test_a_rule_that_fails_is_one_line_in_the_cell(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    send(store, failed("KeyError"))
    shell = InteractiveShell()
    shell.user_ns.update(read_issues=read_issues, store=store)
    shell.run_cell("def fingerprint(event):\n    return [event['tags']['tier']]\n")
    result = shell.run_cell("read_issues(store, fingerprint)")
    assert isinstance(result.error_in_exec, FingerprintError)
    printed = capsys.readouterr().out.strip()
    assert len(printed.splitlines()) == 1
    assert "KeyError: 'tags' in line 2, return [event['tags']['tier']]" in printed


# The table


BARS = {"class", "role", "aria-label", "viewbox", "width", "height", "d"}


class View(Page):
    """A page of cards that may also have what a table with bars needs."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("svg", "path"):
            rest = [each for each in attrs if each[0] not in ("colspan", "aria-hidden")]
            super().handle_starttag(tag, rest)
            return
        attributes = {name: value or "" for name, value in attrs}
        assert set(attributes) <= BARS
        super().handle_starttag("span", [])
        self.elements[-1].attributes.update(attributes)

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag("span" if tag in ("svg", "path") else tag)

    @property
    def labels(self) -> list[str]:
        return [label for each in self.elements if (label := each.attributes.get("aria-label"))]


def text(issues: Issues) -> str:
    return " ".join(View(issues._repr_html_()).one("section", "cw-issues").text.split())


def test_a_row_has_all_that_a_list_of_issues_shows(store: Store) -> None:
    send(store, *(failed("KeyError", transaction="/pay", user={"id": n}) for n in (1, 2)))
    shown = text(read_issues(store))
    assert "Issues simulated 2 events are 1 issue. Issue Level Over time Events Users" in shown
    assert "KeyError: broken game-engine /pay ✖ error 2 events 2 users first" in shown
    assert "Same exception type and in-app frames: pay. Latest event" in shown
    assert "Not imitated: what else Sentry's servers do" in shown


def test_the_bars_are_told_in_words_too(store: Store) -> None:
    send(store, *(failed("KeyError") for _ in range(3)), failed("OSError"))
    alone, three = View(read_issues(store)._repr_html_()).labels
    assert alone.startswith("1 event, at ")
    assert three.startswith("3 events over time, most of them, ")


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    issues = read_issues(store, by_field)
    assert list(issues) == []
    assert "No error event is stored yet." in text(issues)


def test_nothing_that_an_event_carries_runs(store: Store) -> None:
    error = {"type": HOSTILE, "value": HOSTILE}
    hostile = dict.fromkeys(("level", "transaction", "message", "server_name"), HOSTILE)
    send(store, {**hostile, "exception": {"values": [error]}, "user": {"id": HOSTILE}})
    send(store, {**hostile, "exception": {"values": [{**error, "type": "KeyError"}]}})
    send(store, {**hostile, "fingerprint": [HOSTILE, HOSTILE]})
    for rule in (None, lambda event: [HOSTILE]):
        issues = read_issues(store, rule)
        html = issues._repr_html_()
        html.encode()
        View(html)
        assert "&lt;script&gt;" in html


@pytest.mark.slow
def test_the_page_stays_small(store: Store) -> None:
    long = {"value": "x" * 300_000}
    send(store, *(failed(f"Error{n}", extra=long) for n in range(MAX_SHOWN + 5)))
    issues = read_issues(store)
    html = issues._repr_html_()
    assert len(html) < MAX_CARD_CHARACTERS + 100_000
    page = View(html)
    assert len(page.all("details", "cw-latest")) < MAX_SHOWN
    assert "5 more issues, from index [15] on" in text(issues)
    assert "too large for this page" in text(issues)


def test_many_changes_are_counted(store: Store) -> None:
    for number in range(MAX_CHANGES + 2):
        send(store, *(caused(cause, f"Error{number}") for cause in ("a", "b")))

    def split(event: dict[str, Any]) -> list[str]:
        return ["{{ default }}", event["extra"]["cause"]]

    shown = text(read_issues(store, split))
    assert shown.count("1 issue became 2") == MAX_CHANGES
    assert "2 more, in .changes" in shown


def test_issues_are_a_sequence(store: Store) -> None:
    send(store, failed("KeyError"), failed("OSError"))
    issues = read_issues(store)
    assert [repr(each) for each in issues[:1]] == ["<Issue OSError: broken (1 event)>"]
    assert issues[-1].title == "KeyError: broken"
    assert repr(issues) == "<Issues 2 issues of 2 events>"


def test_an_event_that_the_store_has_no_more_is_left_out(store: Store) -> None:
    send(store, failed("KeyError"))
    (issue,) = read_issues(store)
    gone = replace(issue, load=lambda event_id, project: None)
    assert (gone.events, gone.latest, gone.count) == ([], None, 1)


def test_the_workshop_groups_what_it_captured(own_workshop: Workshop) -> None:
    workshop = own_workshop
    for crash_id in ("game-engine/crash", "game-engine/crash", "game-engine/error?type=value"):
        workshop.trigger(crash_id)
    coupon, crash = of_the_engine(workshop.issues())
    assert (coupon.count, coupon.level, crash.count, crash.users) == (1, "info", 2, 1)
    assert coupon.reason == ("Only this event was given the fingerprint game-engine / bad-coupon.")
    assert crash.reason.startswith("Same exception type and in-app frames: pay_open_bets ← ")
    (merged,) = of_the_engine(workshop.issues(fingerprint=lambda event: ["one for all"]))
    assert merged.count == 3


def of_the_engine(issues: Issues) -> list[Issue]:
    """Node's watchdog may add an event of its own when this machine is busy."""
    return [issue for issue in issues if issue.service == "game-engine"]


def test_the_list_fits_whatever_the_width(store: Store) -> None:
    send(store, failed("KeyError", transaction="shop.a_very_long_module.OfAHandler.get" * 3))
    send(store, failed("ValueError", level="warning", user={"name": "ada"}))
    html = read_issues(store)._repr_html_()
    with chromium.browser_or_skip() as browser:
        page = browser.new_page()
        for width in (320, 420, 813, 1280):
            show(page, html, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
