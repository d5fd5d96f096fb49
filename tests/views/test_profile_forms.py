"""Profiles in every form of the protocol, and what in one of them cannot be."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.reading.profiles import MAX_SAMPLES, MAX_STACK, read_profile
from kit.reading.spans import Span
from kit.views.flame import flame_graph

from .picture import Picture
from .traces import ANYTHING, HOSTILE, START

FRAMES = [{"function": f"f{n}", "filename": "a.py", "lineno": n, "in_app": True} for n in range(3)]
SPAN = Span("a", "", "web", "http.server", "/", START, START + 1, attributes={"thread.id": "1"})


def chunk(*samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    recorded = {"frames": FRAMES, "stacks": [[0], [1, 0], [2, 1, 0]], "samples": list(samples)}
    return {"version": "2", "profiler_id": "p", "profile": {**recorded, **more}}


def sample(at: Any, stack: Any = 0, thread: Any = "1") -> dict[str, Any]:
    return {"stack_id": stack, "thread_id": thread, "timestamp": at}


def functions(profile: dict[str, Any], span: Span | None = None) -> list[str]:
    return [each.stack[-1].function for each in read_profile(profile, span).samples]


@pytest.mark.parametrize("elapsed", [["0", "10000000"], [0, 10_000_000], [0.0, 1e7]])
@pytest.mark.parametrize("metadata", [{}, {"thread_metadata": {"1": {"name": "MainThread"}}}])
def test_a_profile_of_one_transaction_is_read(elapsed: list[Any], metadata: dict[str, Any]) -> None:
    samples = [
        {"stack_id": n, "thread_id": 1, "elapsed_since_start_ns": each}
        for n, each in enumerate(elapsed)
    ]
    recorded = {"frames": FRAMES, "stacks": [[0], [1, 0]], "samples": samples, **metadata}
    given = {
        "version": "1",
        "profile": recorded,
        "transaction": {"active_thread_id": 1, "relative_end_ns": "20000000"},
    }
    read = read_profile(given)
    assert [(each.stack[-1].function, each.seconds) for each in read.samples] == [
        ("f0", pytest.approx(0.01)),
        ("f1", pytest.approx(0.01)),
    ]
    assert read.remarks == []


@pytest.mark.parametrize("odd", [0, -1, 4e9, 1e300, float("nan"), 10**400, None, "soon", True, []])
def test_a_sample_whose_time_cannot_be_takes_none(odd: Any) -> None:
    given = chunk(sample(START), sample(START + 0.01, 1), sample(odd, 2), sample(START + 0.02))
    for span in (None, SPAN):
        read = read_profile(given, span)
        assert [each.stack[-1].function for each in read.samples] == ["f0", "f1", "f0"]
        assert sum(each.seconds for each in read.samples) < 0.1
        assert read.remarks == ["1 sample without a possible time, not shown."]


def test_without_any_time_all_samples_count_alike() -> None:
    given = chunk(*({"stack_id": n, "thread_id": "1"} for n in (0, 1, 1, 2)))
    for span in (None, SPAN):
        assert functions(given, span) == ["f0", "f1", "f1", "f2"]
        picture = Picture(flame_graph(given, span))
        assert "50 % of 40 ms was spent in f1, 50 % at a.py:1." in picture.words
        assert "No sample has a time: all count equally." in picture.words


@pytest.mark.parametrize("number", [3, -1, 99, None, "x", True, 0.5, [], HOSTILE])
def test_what_is_named_and_not_sent_has_a_placeholder(number: Any) -> None:
    given = chunk(sample(START, number), sample(START + 0.01, 1), stacks=[[0], [number, 0]])
    found = functions(given)
    assert found[0].startswith("stack ")
    assert found[1].startswith("frame ")
    assert all(each.endswith("which was not sent") for each in found)
    html = flame_graph(given)
    assert (
        "The profile refers 2 times to a stack or frame that was not sent." in Picture(html).words
    )


def test_numbers_that_come_as_text_are_numbers() -> None:
    assert functions(chunk(sample(f"{START}", "1"), sample(f"{START + 1}", 2.0))) == ["f1", "f2"]


def test_samples_of_other_threads_and_times_are_named() -> None:
    others = [sample(START, thread="7"), sample(START + 0.01, thread="8")]
    names = {"thread_metadata": {"7": {"name": "pool-1"}}}
    given = chunk(sample(START - 0.1), sample(START + 0.5), *others, **names)
    assert read_profile(given, SPAN).remarks == [
        "Not shown: 2 samples of 2 other threads (pool-1, 8).",
        "Not shown: 1 sample from before or after.",
    ]


def test_what_is_over_the_bounds_is_named() -> None:
    many = [sample(START + n / 1e4) for n in range(MAX_SAMPLES + 5)]
    assert "Only the first 20,000 of 20,005 samples are read." in read_profile(chunk(*many)).remarks
    deep = chunk(sample(START), stacks=[[0] * (MAX_STACK + 1)])
    assert read_profile(deep).remarks == ["Of 1 stack only the innermost 300 frames are read."]
    calls = [{"function": f"call{n}", "in_app": True} for n in range(100)]
    tower = chunk(sample(START), frames=calls, stacks=[list(range(100))])
    assert "The innermost boxes are left out" in flame_graph(tower)


def test_a_frame_of_native_code_has_its_address() -> None:
    native = [{"instruction_addr": "0x1000", "package": "libc.so"}]
    assert functions(chunk(sample(START), frames=native)) == ["0x1000"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"platform": "android", "sampled_profile": "AAAA"}, "platform android, format Android's"),
        ({"version": "3", "profile": {"ticks": [1]}}, "version 3"),
        ({"profile": []}, "it does not say which"),
    ],
)
def test_another_format_is_named_and_shown_raw(given: dict[str, Any], words: str) -> None:
    picture = Picture(flame_graph(given))
    assert f"in a format that is not drawn: {words}" in picture.words
    assert next(iter(given)) in picture.words.partition("as it was sent")[2]


TIMES = st.floats(START, START + 1) | st.sampled_from([0, -1, 4e9, None, f"{START}", 10**400, []])
SAMPLES = st.builds(
    sample, TIMES | ANYTHING, st.integers(-1, 4) | ANYTHING, st.sampled_from(["1", 1, "2", None])
)
CHUNKS = st.builds(
    chunk,
    SAMPLES,
    SAMPLES,
    SAMPLES | ANYTHING,
    stacks=st.lists(st.lists(st.integers(-1, 4) | ANYTHING, max_size=3) | ANYTHING, max_size=4),
    thread_metadata=ANYTHING,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(CHUNKS, st.sampled_from([None, SPAN]))
def test_every_sample_is_drawn_or_named(given: dict[str, Any], span: Span | None) -> None:
    Picture(flame_graph(given, span))
    read = read_profile(given, span)
    left_out = len(given["profile"]["samples"]) - len(read.samples)
    counted = [
        int(each.removeprefix("Not shown: ").split()[0])
        for each in read.remarks
        if each.endswith(("shown.", "object.", ").", "after."))
    ]
    assert sum(counted) == left_out
