"""What the widget of the traffic shows: a sentence, and a chart of good and bad."""

import re
from collections.abc import Sequence

import pytest

from kit.reliability.traffic.outcomes import Counts
from kit.reliability.traffic.picture import TrafficState, draw_traffic, say_share, say_time
from kit.reliability.traffic.plan import TrafficPlan
from kit.reliability.traffic.readings import Reading, Readings
from tests.views.picture import Picture

BEGAN = 1000.0
FAST = {60: 1}


def state(
    seconds: Sequence[Counts] = (), *, length_s: float = 60.0, unfinished: int = 0, **options: bool
) -> TrafficState:
    return TrafficState(
        plan=TrafficPlan(),
        began_at=BEGAN,
        now=BEGAN + length_s,
        is_running=options.get("is_running", False),
        counts=sum(seconds, Counts()),
        recent=sum(seconds, Counts()),
        in_flight=2,
        unfinished=unfinished,
        seconds=[(int(BEGAN) + number, counts) for number, counts in enumerate(seconds)],
    )


def picture(state: TrafficState) -> Picture:
    # Its two outlines are told apart by their class.
    return Picture(draw_traffic(state))


def outline(state: TrafficState, kind: str) -> list[tuple[float, float]]:
    found = re.search(f'class="cw-{kind}" points="([^"]+)"', draw_traffic(state))
    assert found
    pairs = (point.split(",") for point in found[1].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_a_run_is_summed_up_in_a_sentence() -> None:
    seconds = [Counts(good=4, buckets={50: 4})] * 59 + [Counts(4, 1, 3, 0, {50: 4, 80: 1})]
    assert state(seconds).sentence == (
        "241 requests in 1 min: 240 good, 1 bad (0.4 %), p95 121 ms. "
        "3 more were not valid, such as a bet above the purse."
    )


def test_what_has_no_outcome_is_not_hidden() -> None:
    seen = state([Counts(good=1, shed=2, buckets=FAST)], length_s=5, unfinished=1)
    assert seen.sentence == (
        "1 request in 5 s: 1 good, none bad, p95 315 ms. "
        "2 more were not sent: too many were in flight. 1 more had no answer yet when it stopped."
    )


def test_before_the_start_and_before_the_first_answer() -> None:
    waiting = TrafficState(
        TrafficPlan(rate=2.5, minutes=5), None, 0, False, Counts(), Counts(), 0, 0, []
    )
    assert waiting.sentence == "2.5 requests a second, for 5 min: not started yet."
    assert picture(waiting).drawn == []
    begun = state(length_s=0.4, is_running=True)
    assert begun.sentence == "0 requests in 0 s: no results yet."
    assert "The chart starts after one second." in picture(begun).words
    assert "p95, last minute –" in picture(begun).words


def test_figures_are_live_only() -> None:
    seconds = [Counts(good=4, buckets=FAST)] * 20
    live = picture(state(seconds, length_s=20, is_running=True)).words
    assert "Traffic running" in live
    assert "Rate 4.0 /s Good 80 Bad 0 p95, last minute" in live.replace("4.0/s", "4.0 /s")
    still = picture(state(seconds, length_s=20)).words
    assert "Traffic ended" in still
    assert "Rate" not in still


def test_the_good_stand_on_the_line_and_the_bad_hang_from_it() -> None:
    seconds = [Counts(good=4, buckets=FAST), Counts(good=2, bad=2, buckets=FAST), Counts()]
    shown = state(seconds, length_s=3)
    assert outline(shown, "good") == [
        (0, 66.67),
        *((0, 0), (33.33, 0)),
        *((33.33, 33.33), (66.67, 33.33)),
        *((66.67, 66.67), (100, 66.67)),
        (100, 66.67),
    ]
    assert max(y for _, y in outline(shown, "bad")) == 100
    assert {y for x, y in outline(shown, "bad") if x < 33} == {66.67}
    # The numbers stand where they are drawn, from the top: none, 2 and 4 good, and 2 bad.
    assert picture(shown).styles["span"][:4] == [
        f"--height: {place}%" for place in ("66.67", "33.33", "0.00", "100.00")
    ]


def test_words_tell_good_from_bad_where_colours_do_not() -> None:
    with_bad = picture(state([Counts(good=4, bad=1, buckets=FAST)] * 5, length_s=5))
    assert "▲ good per second ▼ bad per second" in with_bad.words
    without = picture(state([Counts(good=4, buckets=FAST)] * 5, length_s=5))
    assert "▲ good per second ▼ none bad" in without.words
    assert with_bad.labels == [state([Counts(4, 1, buckets=FAST)] * 5, length_s=5).sentence]


@pytest.mark.parametrize(("length_s", "bar_s"), [(60, 1), (120, 1), (121, 2), (600, 5), (3600, 30)])
def test_a_long_run_has_no_more_bars_than_can_be_seen(length_s: int, bar_s: int) -> None:
    shown = state([Counts(good=4, buckets=FAST)] * length_s, length_s=length_s)
    points = outline(shown, "good")
    assert len(points) <= 2 * 120 + 2
    # Averages: a bar of many seconds is as high as one of each.
    assert {y for _, y in points[1:-1]} == {0}
    words = picture(shown).words
    assert (f"Each bar is the average of {bar_s} seconds." in words) == (bar_s > 1)


def test_a_last_bar_that_is_not_full_is_an_average_of_its_own_seconds() -> None:
    shown = state([Counts(good=4, buckets=FAST)] * 121, length_s=121)
    assert {y for _, y in outline(shown, "good")[1:-1]} == {0}


def test_the_axis_is_in_minutes_once_there_are_some() -> None:
    short, long = ([Counts(good=1, buckets=FAST)] * length_s for length_s in (60, 600))
    assert "60 s" in picture(state(short)).drawn
    assert "10 min" in picture(state(long, length_s=600)).drawn


def test_a_share_is_none_or_all_only_when_it_is() -> None:
    shares = (0, 0.0001, 0.004, 0.5, 0.99999, 1)
    assert [say_share(each) for each in shares] == [
        *("0 %", "under 0.1 %", "0.4 %", "50.0 %", "99.9 %", "100 %")
    ]


def test_a_time_is_in_minutes_and_seconds() -> None:
    assert [say_time(each) for each in (0.4, 59.4, 60, 65, 600)] == [
        *("0 s", "59 s", "1 min", "1 min 5 s", "10 min")
    ]


def test_readings_stand_side_by_side() -> None:
    readings = Readings(
        Reading("Client", "requests", 30, 10, "why"),
        Reading("Sessions", "requests", 0, 0, "all"),
        Reading("Metric", "spins", 27, None, "failures"),
    )
    table = Picture(readings._repr_html_())
    assert table.cells[1:] == [
        ["Client", "requests", "40", "30", "10", "25.0 %", "why"],
        ["Sessions", "requests", "0", "0", "0", "–", "all"],
        ["Metric", "spins", "27", "27", "–", "–", "failures"],
    ]
    assert readings.sentence == "Client: 40, 25.0 % bad; Sessions: 0, – bad; Metric: 27 spins."
    assert len(readings[:2]) == 2
