from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.reading.profiles import active_samples
from kit.reading.spans import Span
from kit.views.flame import MAX_FRAMES, flame_graph

from .picture import Picture
from .traces import ANYTHING, HOSTILE

LEAF = {"function": "respin", "filename": "game/jackpot.py", "lineno": 28, "in_app": True}
CALLER = {"function": "handle", "filename": "game/debug.py", "lineno": 7, "in_app": True}
LIBRARY = {"function": "choices", "filename": "random.py", "lineno": 9, "module": "random"}
WAITING = {"function": "select", "filename": "selectors.py", "lineno": 5, "module": "selectors"}
FRAMES = [LEAF, CALLER, LIBRARY, WAITING]
RESPIN, CHOICES, SELECT = 0, 1, 2


def profile(*stack_ids: int, frames: list[Any] = FRAMES, **more: Any) -> dict[str, Any]:
    """Return a profile with a sample every 20 ms, beside those of another thread."""
    samples = [
        {"stack_id": stack, "thread_id": thread, "elapsed_since_start_ns": str(n * 20_000_000)}
        for n, own in enumerate(stack_ids)
        for thread, stack in (("1", own), ("2", SELECT))
    ]
    end = str(len(stack_ids) * 20_000_000)
    return {
        "profile": {
            "frames": frames,
            # The innermost frame first, as the SDK sends it.
            "stacks": [[0, 1], [2, 0, 1], [3]],
            "samples": samples,
        },
        "transactions": [{"name": "spin", "active_thread_id": "1", "relative_end_ns": end}],
        **more,
    }


def test_the_hot_spot_is_named_in_words() -> None:
    picture = Picture(flame_graph(profile(RESPIN, RESPIN, CHOICES, SELECT)))
    sentence = "75 % of 80 ms was spent in respin, 75 % at game/jackpot.py:28."
    assert sentence in picture.words
    assert picture.labels == [f"{sentence} For 25 % of the time the thread only waited."]
    assert picture.drawn.count("▶ respin") == 1
    assert "respin, game/jackpot.py:28: 60 ms, 75 %" in picture.titles


def test_lines_of_one_function_count_together() -> None:
    frames = [LEAF, CALLER, {**LEAF, "lineno": 30}, WAITING]
    given = profile(0, 0, 1, 1, 1, frames=frames)
    given["profile"]["stacks"] = [[0, 1], [2, 1], [3]]
    assert "100 % of 100 ms was spent in respin, 60 % at game/jackpot.py:30." in flame_graph(given)


def test_the_table_has_the_self_times() -> None:
    picture = Picture(flame_graph(profile(RESPIN, RESPIN, CHOICES, SELECT)))
    assert picture.cells[1:] == [
        ["respin", "game/jackpot.py:28", "40 ms", "50 %", "your code"],
        ["choices", "random.py:9", "20 ms", "25 %", "library"],
        ["select", "selectors.py:5", "20 ms", "25 %", "waiting"],
    ]


def test_boxes_stand_below_their_callers_as_wide_as_their_share() -> None:
    picture = Picture(flame_graph(profile(RESPIN, RESPIN, CHOICES, SELECT)))
    assert picture.drawn[-4:] == ["handle", "select", "▶ respin", "choices"]
    assert picture.styles["cw-box"] == [
        "--start: 0.00%; --length: 75.00%; --depth: 0",
        "--start: 75.00%; --length: 25.00%; --depth: 0",
        "--start: 0.00%; --length: 75.00%; --depth: 1",
        "--start: 0.00%; --length: 25.00%; --depth: 2",
    ]
    assert picture.styles["cw-drawing"] == ["--levels: 3"]
    assert picture.drawn[:6] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]


def test_a_thread_that_waited_is_not_blamed() -> None:
    assert "In 40 ms the thread did nothing but wait." in flame_graph(profile(SELECT, SELECT))


def test_only_the_thread_of_the_transaction_counts() -> None:
    assert len(active_samples(profile(RESPIN, CHOICES))) == 2


def chunk(*stack_ids: int) -> dict[str, Any]:
    """Return a profile chunk, format 2, with a sample every 20 ms from second 100 on."""
    given = profile(*stack_ids, version="2", profiler_id="p")
    del given["transactions"]
    for sample in given["profile"]["samples"]:
        sample["timestamp"] = 100 + int(sample.pop("elapsed_since_start_ns")) * 1e-9
    return given


def served(start: float, end: float, thread: str = "1") -> Span:
    attributes = {"thread.id": thread}
    return Span("a", "", "engine", "http.server", "spin", start, end, attributes=attributes)


def test_of_a_chunk_the_thread_of_the_span_counts_while_it_is_open() -> None:
    given = chunk(CHOICES, RESPIN, RESPIN, RESPIN, CHOICES)
    inside = flame_graph(given, served(100.019, 100.079))
    assert "100 % of 59 ms was spent in respin, 100 % at game/jackpot.py:28." in inside
    assert len(active_samples(given, served(100.019, 100.081))) == 4
    assert "nothing but wait" in flame_graph(given, served(100, 101, thread="2"))
    assert "no sample of the thread that served the request" in flame_graph(given, served(1, 2))


def test_of_a_chunk_without_a_span_the_busiest_thread_counts() -> None:
    given = chunk(RESPIN, RESPIN)
    given["profile"]["samples"] = [s for s in given["profile"]["samples"] if s["thread_id"] == "1"]
    # Nobody says when it ended: the last sample may have lasted as long as two.
    assert "100 % of 60 ms was spent in respin" in flame_graph(given)


def test_a_chunk_of_javascript_says_neither_thread_nor_whose_code_it_is() -> None:
    bare = [{key: frame[key] for key in ("function", "lineno")} for frame in FRAMES]
    files = ("/payment/src/books.js", "/payment/src/app.js", "/payment/node_modules/a/b.js", "")
    given = chunk(RESPIN, CHOICES, SELECT)
    given["profile"]["frames"] = [
        {**frame, "filename": file} for frame, file in zip(bare, files, strict=True)
    ]
    given["profile"]["frames"][3]["function"] = "(idle)"
    given["platform"] = "node"
    given["profile"]["samples"] = [s for s in given["profile"]["samples"] if s["thread_id"] == "1"]
    html = flame_graph(given, served(100, 100.06, thread=""))
    assert "67 % of 60 ms was spent in respin, 67 % at /payment/src/books.js:28." in html
    assert "For 33 % of the time the thread only waited." in html


def test_a_profile_of_javascript_names_its_transaction_alone() -> None:
    given = profile(RESPIN, RESPIN)
    given["transaction"] = given.pop("transactions")[0]
    assert "100 % of 40 ms was spent in respin" in flame_graph(given)


def test_library_frames_on_top_of_each_other_are_one_box() -> None:
    library = [{**LIBRARY, "function": f"call_{n}"} for n in range(12)]
    given = profile(0, frames=[LEAF, *library])
    given["profile"]["stacks"] = [list(range(13))]
    assert "12 library frames: random" in Picture(flame_graph(given)).drawn


def test_too_many_boxes_are_cut_and_it_says_so() -> None:
    frames = [{**LEAF, "function": f"f{n}"} for n in range(400)]
    given = profile(*range(400), frames=frames)
    given["profile"]["stacks"] = [[n] for n in range(400)]
    html = flame_graph(given)
    assert "The innermost boxes are left out" in html
    assert html.count('class="cw-box') == MAX_FRAMES


def test_hostile_frames_stay_text() -> None:
    frame = dict.fromkeys(("function", "filename", "module"), HOSTILE)
    html = flame_graph(profile(RESPIN, CHOICES, frames=[frame, {**frame, "in_app": True}, frame]))
    Picture(html)
    assert "<script" not in html
    assert "<img" not in html


SAMPLE = st.fixed_dictionaries(
    {"thread_id": st.sampled_from(["1", "2"]) | ANYTHING},
    optional={
        "stack_id": st.integers(-1, 3) | ANYTHING,
        "elapsed_since_start_ns": st.integers(-5, 10**10) | st.floats() | ANYTHING,
    },
)
RECORDED = st.fixed_dictionaries(
    {
        "frames": st.lists(st.sampled_from(FRAMES) | ANYTHING, max_size=4) | ANYTHING,
        "stacks": st.lists(st.lists(st.integers(-1, 4)) | ANYTHING, max_size=4) | ANYTHING,
        "samples": st.lists(SAMPLE | ANYTHING, max_size=6) | ANYTHING,
    }
)
PROFILES = st.fixed_dictionaries(
    {"profile": RECORDED | ANYTHING},
    optional={"transaction": ANYTHING, "transactions": st.lists(ANYTHING, max_size=2) | ANYTHING},
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROFILES)
def test_any_profile_becomes_a_harmless_picture(given: dict[str, Any]) -> None:
    Picture(flame_graph(given))
