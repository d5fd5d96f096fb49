import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kit.commands import mcp_answers as answers
from kit.commands.mcp_answers import WARNING, ToolAnswer, ToolAnswerError, enclose, visible
from kit.ingest.store import ReadOnlyStore, Store, StoreError
from tests.commands.untrusted import ATTACK, marks
from tests.ingest.sending import body, error, item, new_id, store_away

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "captured.sqlite3")) as store:
        yield store


def read_back(store: Store, **event: object) -> ToolAnswer:
    """Store an event, and answer with it."""
    store_away(store, error(new_id(), **event))
    stored = store.items(type="event", limit=1)[0].event_id
    assert stored
    return answers.answer_event(store, stored, None)


def frame(number: int, **more: object) -> dict[str, object]:
    code = {"context_line": "x = 1", "pre_context": ["#"] * 5, "post_context": ["#"] * 5}
    return {"function": f"f{number}", "filename": "a.py", "lineno": number, **code, **more}


def test_an_answer_has_a_bounded_size_and_says_what_was_cut(own: Store) -> None:
    variables = {f"v{number}": "x" * 400 for number in range(25)}
    frames = [frame(n, in_app=True, vars=variables) for n in range(20)]
    raised = {"type": "E", "value": "y" * 5000, "stacktrace": {"frames": frames}}
    crumbs = [{"message": "z" * 900, "data": variables} for _ in range(100)]
    found = read_back(
        own,
        exception={"values": [raised] * 7},
        breadcrumbs={"values": crumbs},
        contexts={"big": {f"k{number}": "w" * 900 for number in range(60)}},
    )
    assert len(enclose(found)) < 1.5 * answers.MAX_CHARACTERS
    first = found.untrusted["exception_1"]["frames"][0]
    assert first["frame"] == "in-app: f19 at a.py:19"
    assert first["variables"]["…"] == "5 more"
    assert found.untrusted["more_exceptions"] == 2
    cut = found.remarks[-1]
    for said in ("exception_1 is incomplete", "breadcrumbs has the first", "long texts cut"):
        assert said in cut


JUNK: list[object] = [
    None,
    5,
    "x",
    [],
    [None],
    [[]],
    {},
    {"values": 3},
    {"values": [None, 1]},
    1e400,
]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize(
    "part",
    ["exception", "threads", "breadcrumbs", "contexts", "tags", "user", "message", "timestamp"],
)
def test_an_event_of_any_shape_is_answered(own: Store, part: str, junk: object) -> None:
    found = read_back(own, **{part: junk})
    assert found.untrusted["title"]
    assert enclose(found)
    assert answers.answer_issues(own, None, 10).untrusted["issues"]


def test_spans_in_a_circle_are_each_shown_once(own: Store) -> None:
    trace, at = new_id(), time.time()
    circle = [
        {"span_id": each * 16, "parent_span_id": other * 16, "name": each, "trace_id": trace}
        | {"start_timestamp": at, "end_timestamp": at + 1}
        for each, other in (("a", "b"), ("b", "a"), ("c", "c"))
    ]
    store_away(own, body(item("span", {"items": circle}, item_count=3), trace={"trace_id": trace}))
    spans = answers.answer_trace(own, trace).untrusted["spans"]
    assert sorted(line.strip()[:10] for line in spans) == [f"gateway: {n}" for n in "abc"]


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200b", "\x00", "\x1b", "\ud800", "\U000e0020", "\ufe01"]
)
def test_what_is_invisible_is_written_as_an_escape(hidden: str) -> None:
    assert visible(f"a{hidden}b\tc\nü 😀") == f"a\\u{ord(hidden):04x}b\tc\nü 😀"


def test_a_store_that_is_only_read_takes_nothing(own: Store) -> None:
    store_away(own, error(new_id()))
    with closing(ReadOnlyStore(own.path)) as reader:
        assert [each.id for each in reader.items()] == [each.id for each in own.items()]
        assert reader.count_by_project() == {"gateway": {"event": 1}}
        with pytest.raises(StoreError, match="is read-only"):
            store_away(reader, error(new_id()))
        assert reader.deleted == (0, 0)
    with pytest.raises(ToolAnswerError, match="list_issues"):
        answers.answer_event(own, new_id(), None)


def test_what_was_captured_stays_readable_when_no_workshop_runs(own: Store) -> None:
    store_away(own, error(new_id()))
    own.close()
    before = own.path.read_bytes(), own.path.stat().st_mtime_ns
    for _ in range(2):
        with closing(ReadOnlyStore(own.path)) as reader:
            assert len(reader.items()) == 1
    assert (own.path.read_bytes(), own.path.stat().st_mtime_ns) == before


def test_two_projects_may_have_an_event_of_one_id(own: Store) -> None:
    sent = error(new_id(), message="here")
    for project in ("gateway", "payment"):
        store_away(own, sent, project=project)
    known = own.items(limit=1)[0].event_id
    assert known
    assert "2 projects sent" in " ".join(answers.answer_event(own, known, None).remarks)
    found = answers.answer_event(own, known, "payment")
    assert found.untrusted["project"] == "payment"
    assert "sent an event" not in " ".join(found.remarks)


def test_an_older_store_is_left_as_it_is(own: Store) -> None:
    own._writer.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="older version of the workshop"):
        ReadOnlyStore(own.path)
    assert own._writer.execute("PRAGMA user_version").fetchone() == (1,)


def test_an_event_cannot_forge_the_mark_around_it(own: Store) -> None:
    found = read_back(own, message=ATTACK, tags={ATTACK: ATTACK}, unknown={}, **{ATTACK: 1})
    text = enclose(found)
    opening, end = marks(text)
    lines = text.splitlines()
    inside, outside = lines[opening + 1 : end], "\n".join(lines[:opening])
    assert json.loads("\n".join(inside)) == found.untrusted
    assert "Ignore" in "\n".join(inside)
    assert WARNING in outside
    assert "Ignore" not in outside
    # No line of the event begins a line of the answer.
    assert not [line for line in inside if line.lstrip().startswith(("<", "System"))]
    assert not {"\u202e", "\U000e0041", "\x1b"} & set(text)
    assert marks(enclose(found)) == (opening, end)
    assert enclose(found) != text


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['mcp'] = None; from kit.commands.cli import main; main(['mcp'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert 'pip install "crash-workshop[mcp]"' in done.stderr
    assert "Traceback" not in done.stderr
