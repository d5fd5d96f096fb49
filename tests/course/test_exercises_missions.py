from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.missions import SUSPECTS, Mission, cast, suspects, where_and_whom
from kit.reading.grouping import simulated_issue
from kit.workshop import Workshop

pytestmark = pytest.mark.slow

MISSIONS = ("the-screenshot", "most-players", "new-since")


@pytest.fixture(scope="module", params=MISSIONS)
def mission(request: pytest.FixtureRequest, workshop: Workshop) -> Exercise:
    return workshop.exercise(request.param, workshop.spin, workshop.unavailable)


def solved(mission: Exercise, workshop: Workshop) -> dict[str, Any]:
    assert isinstance(mission, Mission)
    issues = workshop.issues(last=mission.events)
    lists = {"players_issues": issues, "release_issues": issues}
    names: dict[str, Any] = {"workshop": workshop, **lists}
    exec(mission.solution().text, names)
    answer: dict[str, Any] = names[mission.answer_name]
    return answer


# What the missions are made of


@pytest.mark.parametrize("crash_id", SUSPECTS)
def test_a_suspect_is_one_issue_whoever_plays(workshop: Workshop, crash_id: str) -> None:
    events = [workshop.trigger(crash_id, player=player).event for player in ("hana", "ines")]
    first, second = (event for event in events if event)
    assert simulated_issue(first) == simulated_issue(second)
    assert [where_and_whom(event)["player"] for event in (first, second)] == ["hana", "ines"]
    assert where_and_whom(first)["function"] == where_and_whom(second)["function"]


def test_no_two_suspects_fail_in_the_same_function(workshop: Workshop) -> None:
    events = [workshop.trigger(crash_id).event for crash_id in SUSPECTS]
    assert len({where_and_whom(event)["function"] for event in events if event}) == len(SUSPECTS)


def test_what_cannot_be_triggered_here_is_no_suspect() -> None:
    lacking = "there is no database"
    able = [each for each in SUSPECTS if not each.startswith("analytics")]
    found = suspects(lambda crash: lacking if crash.needs_database else None, len(able))
    assert sorted(found) == sorted(able)


def test_every_cast_is_new() -> None:
    assert len({*cast(5), *cast(5)}) == 10


# Each mission


def test_a_mission_tells_its_story(mission: Mission) -> None:
    assert mission.story in mission._repr_html_()
    assert "which service" in mission.story.lower()


def test_its_errors_are_the_last_ones(workshop: Workshop, mission: Mission) -> None:
    last = [event for issue in workshop.issues(last=mission.events) for event in issue.events]
    players = [event["user"]["username"] for event in last]
    assert len(players) == mission.events
    assert len({name.partition("-")[2] for name in players}) == 1


def test_its_solution_passes(workshop: Workshop, mission: Mission) -> None:
    assert mission.check(solved(mission, workshop)).verdict is Verdict.PASS


def test_each_part_of_an_answer_counts(workshop: Workshop, mission: Mission) -> None:
    right = solved(mission, workshop)
    for part in right:
        result = mission.check({**right, part: "somebody else"})
        assert result.verdict is Verdict.FAIL
        assert repr(part) in result.message


def test_an_untouched_answer_is_not_called_wrong(workshop: Workshop, mission: Mission) -> None:
    right = solved(mission, workshop)
    assert mission.check().verdict is Verdict.UNATTEMPTED
    assert mission.check(dict.fromkeys(right, ...)).verdict is Verdict.UNATTEMPTED
    assert mission.check({**right, "function": ...}).verdict is Verdict.FAIL
    assert mission.check(42).verdict is Verdict.FAIL


# What looks right at first sight


def first_sight(workshop: Workshop, name: str, **by: Any) -> tuple[Exercise, dict[str, Any]]:
    mission = workshop.exercise(name, workshop.spin, workshop.unavailable)
    assert isinstance(mission, Mission)
    issue = max(workshop.issues(last=mission.events), **by)
    assert issue.latest is not None
    return mission, where_and_whom(issue.latest)


def test_the_crash_of_the_screenshot_happened_to_others_too(workshop: Workshop) -> None:
    mission = workshop.exercise("the-screenshot", workshop.spin, workshop.unavailable)
    right = solved(mission, workshop)
    assert isinstance(mission, Mission)
    like = [
        issue
        for issue in workshop.issues(last=mission.events)
        if issue.latest and where_and_whom(issue.latest)["function"] == right["function"]
    ]
    assert [issue.users for issue in like] == [2]


def test_the_loudest_issue_is_not_the_one_of_most_players(workshop: Workshop) -> None:
    mission, loudest = first_sight(workshop, "most-players", key=lambda issue: issue.count)
    wrong = {**solved(mission, workshop), "function": loudest["function"]}
    assert mission.check(wrong).verdict is Verdict.FAIL


def test_the_issue_with_the_newest_event_is_not_the_new_one(workshop: Workshop) -> None:
    mission, newest = first_sight(workshop, "new-since", key=lambda issue: issue.last_seen)
    assert mission.check(newest).verdict is Verdict.FAIL
