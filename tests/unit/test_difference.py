import copy
from typing import Any

import jmespath
import pytest

from kit.outcome import Event
from kit.reading.payload import MAX_LEAF
from kit.views.difference import Difference, jmespath_of

FRAMES = [
    {"function": "post", "lineno": 1, "vars": {"order": "o"}, "pre_context": ["a", "b"]},
    {"function": "settle", "lineno": 2, "vars": {"bets": {"one": "1"}}, "pre_context": ["c"]},
]
EVENT = {
    "event_id": "1",
    "tags": {"http.route": "/spin", "tier": "vip"},
    "request": {"data": {"bet": 1, "note": "n"}, "headers": {"Host": "here"}},
    "breadcrumbs": {"values": [{"message": "first"}, {"message": "second"}, {"message": "third"}]},
    "exception": {"values": [{"type": "KeyError", "stacktrace": {"frames": FRAMES}}]},
}


@pytest.fixture
def other() -> Any:
    return copy.deepcopy(EVENT)


def test_an_event_and_its_copy_do_not_differ(other: Any) -> None:
    difference = Difference(EVENT, other)
    assert not difference
    assert difference.summary == "nothing differs"
    assert difference.same == 18


def test_what_appears_vanishes_and_changes_is_told_apart(other: Any) -> None:
    other["user"] = {"id": "7"}
    del other["tags"]["tier"]
    other["request"]["headers"]["Host"] = "there"
    difference = Difference(EVENT, other)
    assert difference.added == ["user.id"]
    assert difference.removed == ["tags.tier"]
    assert difference.changed == ["request.headers.Host"]
    assert difference.same == 16
    assert difference.summary == "1 added, 1 removed, 1 changed"
    assert difference


def test_every_path_is_found_in_an_event(other: Any) -> None:
    other["tags"] = {'a"b': "1", "ä.ö": "2"}
    difference = Difference(EVENT, other)
    assert difference.added == ['tags."a\\"b"', 'tags."ä.ö"']
    assert [Event(other).find(path) for path in difference.added] == ["1", "2"]
    assert [jmespath.search(path, EVENT) for path in difference.removed] == ["/spin", "vip"]


def test_lists_are_counted_from_their_end(other: Any) -> None:
    del other["breadcrumbs"]["values"][0]
    assert Difference(EVENT, other).removed == ["breadcrumbs.values[-3].message"]
    other["exception"]["values"][0]["stacktrace"]["frames"][1]["lineno"] = 3
    changed = Difference(EVENT, other).changed
    assert changed == ["exception.values[-1].stacktrace.frames[-1].lineno"]


def test_a_list_of_plain_values_is_one_field(other: Any) -> None:
    other["exception"]["values"][0]["stacktrace"]["frames"][0]["pre_context"] = ["a"]
    changed = Difference(EVENT, other).changed
    assert changed == ["exception.values[-1].stacktrace.frames[-2].pre_context"]


@pytest.mark.parametrize("empty", ["", None, [], {}])
def test_what_becomes_a_single_value_has_changed(other: Any, empty: object) -> None:
    other["request"]["data"] = empty
    for one, two in ((EVENT, other), (other, EVENT)):
        difference = Difference(one, two)
        assert difference.paths == difference.changed == ["request.data"]
        (row,) = difference.parts["request"]
        assert {str(row.shown.one), str(row.shown.other)} == {
            str(EVENT["request"]["data"]),
            str(empty),
        }


def test_what_happens_alike_in_many_places_is_one_row(other: Any) -> None:
    for frame in other["exception"]["values"][0]["stacktrace"]["frames"]:
        del frame["vars"]
    difference = Difference(EVENT, other)
    assert len(difference.removed) == 2
    (row,) = difference.parts["exception"]
    assert (row.what, row.mark) == ("removed", "−")
    assert row.path == "exception.values[*].stacktrace.frames[*].vars"
    assert len(row.places) == 2
    # The last one is that of the line that failed.
    assert row.shown.one == {"bets": {"one": "1"}}
    assert "in 2 places" in difference._repr_html_()


def test_what_varies_anyway_is_set_apart(other: Any) -> None:
    other["event_id"] = "2"
    assert Difference(EVENT, other).changed == ["event_id"]
    difference = Difference(EVENT, other, varying={"event_id", "nowhere"})
    assert not difference
    assert difference.varied == ["event_id"]
    assert difference.parts == {}
    assert difference.same == 17
    assert "1 field differs each time" in difference._repr_html_()


def test_where_an_object_lies_in_memory_does_not_count(other: Any) -> None:
    one = {"vars": {"self": "<Handler object at 0x7ff1234567>", "all": ["<A at 0x1234567>"]}}
    two = {"vars": {"self": "<Handler object at 0x7ff7654321>", "all": ["<A at 0x7654321>"]}}
    assert not Difference(one, two)
    assert Difference(one, {"vars": {"self": "<Other object at 0x7ff7654321>"}})


def test_an_event_that_was_not_sent_has_no_field(other: Any) -> None:
    lost = Difference(EVENT, None)
    assert len(lost.removed) == 18
    assert "B sent <b>no event</b>" in lost._repr_html_()
    assert "A sent <b>no event</b>" in Difference(None, EVENT)._repr_html_()
    neither = Difference(None, None)
    assert not neither
    assert "Neither A nor B" in neither._repr_html_()


def test_who_did_it_stands_beside_it(other: Any) -> None:
    other["user"] = {"id": "7"}
    other["release"] = "2"
    reasons = {"user": ("pii", "user")}
    difference = Difference(EVENT, other, caused_by=lambda path: reasons.get(path, ()))
    html = difference._repr_html_()
    assert "because of <code><b>pii</b></code>, <code><b>user</b></code>" in html
    assert "by no single switch" in html
    assert "because of" not in Difference(EVENT, other)._repr_html_()


def test_a_mark_never_stands_without_its_word(other: Any) -> None:
    other["user"] = {"id": "7"}
    del other["tags"]["tier"]
    other["event_id"] = "2"
    html = Difference(EVENT, other)._repr_html_()
    for mark, word in (("+", "added"), ("−", "removed"), ("~", "changed")):
        assert f'<span class="cw-mark-{word}">{mark}</span> {word}' in html
    assert html.count('scope="col"') == 3
    assert html.count('scope="rowgroup"') == 3
    assert html.count('scope="row"') == 3


HOSTILE = "<img src=x onerror=alert(1)>"


def test_whatever_an_event_holds_is_text(other: Any) -> None:
    other[HOSTILE] = {HOSTILE: HOSTILE * 20}
    other["tags"] = {HOSTILE: HOSTILE}
    other["breadcrumbs"]["values"] = [{HOSTILE: number} for number in range(3)]
    difference = Difference(
        EVENT,
        other,
        names=(HOSTILE, "B"),
        varying={jmespath_of((HOSTILE,))},
        caused_by=lambda _: (HOSTILE,),
    )
    assert "<img" not in difference._repr_html_()


def test_a_long_value_is_folded(other: Any) -> None:
    other["tags"]["tier"] = "x" * 300
    html = Difference(EVENT, other)._repr_html_()
    assert "<summary><code>" + "x" * 90 + "…</code></summary>" in html
    assert "x" * 300 in html
    other["tags"]["tier"] = "y" * 100_000
    assert len(Difference(EVENT, other)._repr_html_()) < 30_000


def test_of_long_texts_the_first_difference_is_shown(other: Any) -> None:
    one = {"vars": {"order": "Order(" + "a" * 200 + "card=4000)"}}
    two = {"vars": {"order": "Order(" + "a" * 200 + "card=[card])"}}
    html = Difference(one, two)._repr_html_()
    assert "<summary><code>…aaaaaaaaaaaaaaaaaaaacard=4000)</code></summary>" in html
    assert "<summary><code>…aaaaaaaaaaaaaaaaaaaacard=[card])</code></summary>" in html


def nested(value: Any) -> Any:
    for _ in range(100):
        value = {"in": value}
    return value


def test_strange_payloads_are_compared_as_well() -> None:
    assert not Difference({"a": nested(1), "b": [1, {}]}, {"a": nested(1), "b": [1, {}]})
    # What lies deeper counts as one field.
    (path,) = Difference(nested(1), nested(2)).changed
    assert path.count("in") == MAX_LEAF
    assert Difference({"b": [1, {"c": []}]}, {"b": [2, {"c": []}]}).changed == ["b[-2]"]


def test_an_empty_text_is_seen() -> None:
    page = Difference({"request": {"data": "order"}}, {"request": {"data": ""}})._repr_html_()
    assert "<code>&#34;&#34;</code>" in page
