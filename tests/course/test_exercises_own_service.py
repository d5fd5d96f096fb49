import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.own_service import MY_APP, own_service
from kit.workshop import Workshop
from tests.notebooks.kernels import read, sources

NOTEBOOK = "20_bring_your_own_service.ipynb"
# What is left out of the solution, and what the check then says.
LACKS = {
    'release="my-app@1.0.0",': "release: expected 'my-app@1.0.0', found nothing",
    'sentry_sdk.set_user({"id": order["customer"]})': "user.id: expected 'ada-",
    'sentry_sdk.set_tag("tier", order["tier"])': "tags.tier: expected 'gold', found nothing",
    "sentry_sdk.add_breadcrumb(message=f\"order {order['id']} received\")": "step 1 of the trail",
    'event["fingerprint"] = ["payment", error.reason]': "include the reason",
}


@pytest.fixture(scope="module")
def exercise(workshop: Workshop) -> Exercise:
    return workshop.exercise("own-service", workshop)


def program_in(code: str) -> str:
    """Return what a cell binds to ``my_app``."""
    names: dict[str, str] = {}
    exec(code, names)
    return names["my_app"]


def solution() -> str:
    return program_in(own_service(None).solution().text)  # type: ignore[arg-type]


def test_the_program_of_the_notebook_counts_as_not_tried() -> None:
    (cell,) = (each for each in sources(read(NOTEBOOK)) if each.startswith("my_app = "))
    assert program_in(cell) == MY_APP
    bare = own_service(None)  # type: ignore[arg-type]
    assert bare.check(MY_APP).verdict is Verdict.UNATTEMPTED
    assert bare.check(3).message == "check() needs the source of the service as a string."


@pytest.mark.slow
def test_each_part_that_is_left_out_is_named(exercise: Exercise) -> None:
    answer = solution()
    for line in LACKS:
        assert line in answer
        answer = answer.replace(line, "" if line.endswith(",") else "None")
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL
    for told in LACKS.values():
        assert told in result.message
    assert result.message.count("\n") + 1 == len(LACKS), "nothing else is wrong"


@pytest.mark.slow
def test_a_card_that_leaks_and_a_fingerprint_that_is_too_fine_are_named(
    exercise: Exercise,
) -> None:
    answer = solution().replace('["payment", error.reason]', "[str(error)]")
    answer = answer.replace("return hide_cards(event, hint)", "return event")
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL
    assert "was sent" in result.message
    assert "leave out what differs" in result.message


@pytest.mark.slow
def test_a_program_that_does_not_start_says_why(exercise: Exercise) -> None:
    result = exercise.check("import no_such_module_here")
    assert result.verdict is Verdict.FAIL
    assert "no_such_module_here" in result.message


@pytest.mark.slow
def test_a_failure_that_was_mended_is_no_answer(exercise: Exercise) -> None:
    result = exercise.check(solution().replace("    pay(order)\n", "    return {}\n"))
    assert result.verdict is Verdict.FAIL
    assert "answered HTTP 200" in result.message
