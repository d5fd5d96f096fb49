"""What an answer is told that is nearly right, that is wrong in parts, or that raises."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kit.course.answer_error import describe_argument
from kit.course.answer_parts import compare, near_miss, require_choices
from kit.course.exercise import CheckResult, Exercise, FunctionExercise, Verdict, Wrong
from kit.course.exercises.missions import Mission
from kit.outcome import Event

RIGHT = {"player": "ada", "bet": 10, "function": "show_window"}
EVENT = Event(server_name="shop", exception={"values": [{"type": "KeyError"}]})


def dict_exercise() -> Exercise:
    def verify(answer: Any) -> str:
        compare(answer, RIGHT)
        return "Yes."

    return Exercise("three-parts", verify, "SECRET hint", 'answer = {"SECRET": 1}')


def function_exercise(*given: object) -> FunctionExercise:
    def verify(answer: Callable[..., object]) -> str:
        if answer(*given) != 42:
            raise Wrong("It is not 42.")
        return "Yes."

    return FunctionExercise("one-number", verify, "h", "def number(): ...", answer_name="number")


def check(**parts: object) -> CheckResult:
    return dict_exercise().check({**RIGHT, **parts})


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        ("10", 10, "remove the quotes, it is a number"),
        ("True", True, "remove the quotes, it is true or false"),
        (10, "10", "put it in quotes, it is text"),
        ("show_window()", "show_window", "give only the name, without parentheses"),
        ("show_window(spin)", "show_window", "give only the name, without parentheses"),
        ("game.reels.show_window", "show_window", "give only the last part of the name"),
        ("Show_Window", "show_window", "check upper and lower case"),
        ("show-window", "show_window", "check hyphens, underscores and spaces"),
        ('"ada"', "ada", "remove the quotes inside the text"),
        (" ada ", "ada", "remove the spaces around it"),
        (["ada"], "ada", "give the value itself, not a list of it"),
        ({"ada"}, "ada", "give the value itself, not a set of it"),
        (("a", "b"), ["a", "b"], "the right values, but give a list, in order"),
        ({"b", "a"}, ["a", "b"], "the right values, but give a list, in order"),
        (print, "print", "give its name as text, in quotes"),
        (["ADA()"], "ada", "give only the name, without parentheses and check upper and lower"),
    ],
)
def test_a_near_miss_is_told_what_to_change(given: object, expected: object, said: str) -> None:
    assert said in near_miss(given, expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("bob", "ada"), ("", "ada"), (7, 10), ("7", 10), (None, "ada"), ([], "ada"), ([1, 2], [3])],
)
def test_what_is_not_near_is_not_called_so(given: object, expected: object) -> None:
    assert near_miss(given, expected) == ""


def test_every_wrong_and_every_missing_part_is_named() -> None:
    result = check(player="bob", bet="10", function=...)
    assert result.verdict is Verdict.FAIL
    assert result.message.splitlines() == [
        "'player' is not 'bob': look again.",
        "'bet' is not '10': remove the quotes, it is a number.",
        "'function' is still missing.",
    ]
    assert result._repr_html_().count("<br>") == 2


def test_a_key_that_was_not_asked_for_is_named() -> None:
    result = dict_exercise().check({"playr": "ada", "bet": 10, "function": "show_window"})
    assert "'player' is still missing." in result.message
    assert "Unknown keys: 'playr'. The keys are player, bet, function." in result.message


def test_true_is_not_the_number_one() -> None:
    with pytest.raises(Wrong):
        compare({"bet": True}, {"bet": 1})


def test_a_choice_in_another_spelling_is_told() -> None:
    with pytest.raises(Wrong) as told:
        require_choices({"a": "Sent Again", "b": "no"}, ["a", "b"], ["sent again", "dropped"])
    first, second = str(told.value).splitlines()
    assert first.endswith("not 'Sent Again': check upper and lower case.")
    assert second == "'b' must be one of 'sent again', 'dropped', not 'no'."


# What the learner's code raises


def number(event: Event) -> int:
    frames: list[int] = []
    return frames[9]  # the newest


def test_an_error_names_its_line_and_its_input() -> None:
    result = function_exercise(EVENT).check(number)
    assert result.verdict is Verdict.EXCEPTION
    line = number.__code__.co_firstlineno + 2
    assert result.message == (
        f"IndexError: list index out of range, raised in number, line {line} of its cell: "
        "return frames[9]  # the newest. It was called with the event KeyError from shop."
    )


def test_an_error_in_a_helper_of_theirs_names_that() -> None:
    assert "raised in number, line" in function_exercise(EVENT).check(lambda e: number(e)).message


def test_a_function_that_takes_something_else_is_told_what_it_was_given() -> None:
    result = function_exercise("https://shop").check(lambda: 42)
    assert result.verdict is Verdict.EXCEPTION
    assert "takes 0 positional arguments but 1 was given" in result.message
    assert result.message.endswith("It was called with 'https://shop'.")


def test_a_check_that_fails_is_no_error_of_the_answer() -> None:
    def verify(answer: object) -> str:
        raise TimeoutError("nothing arrived within 30 s")

    result = Exercise("broken", verify, "h", "s").check({"player": "ada"})
    assert result.verdict is Verdict.UNCHECKED
    assert "not about your answer" in result.message
    assert "TimeoutError: nothing arrived within 30 s" in result.message
    assert "Could not be checked" in result._repr_html_()


def test_an_error_of_a_function_within_an_answer_is_theirs() -> None:
    def verify(answer: dict[str, Callable[[Event], int]]) -> str:
        return str(answer["contexts"](EVENT))

    result = Exercise("settings", verify, "h", "s").check({"contexts": number})
    assert result.verdict is Verdict.EXCEPTION
    assert "raised in number" in result.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (EVENT, "the event KeyError from shop"),
        ([EVENT, EVENT], "a list of 2 starting with the event KeyError from shop"),
        ([], "an empty list"),
        ("x" * 200, "'" + "x" * 78 + "…"),
        ({"id": 1}, "a dict with the keys id"),
        (object(), "an object of the type object"),
    ],
)
def test_an_argument_is_described_in_a_few_words(given: object, said: str) -> None:
    assert describe_argument(given) == said


# What is on the screen, and in a saved notebook, tells no solution


@pytest.mark.parametrize(
    "exercise",
    [
        dict_exercise(),
        Mission("a-mission", lambda answer: "", "SECRET hint", "SECRET = 1", story="It broke."),
    ],
    ids=["exercise", "mission"],
)
def test_an_exercise_shows_neither_hint_nor_solution(exercise: Exercise) -> None:
    html = exercise._repr_html_() if isinstance(exercise, Mission) else ""
    for shown in (repr(exercise), str(exercise), f"{[exercise]}", html):
        assert "SECRET" not in shown
    assert exercise.name in repr(exercise)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)) as refused:
        pickle.dumps(exercise)
    assert "SECRET" not in str(refused.value)


def test_a_hint_and_a_solution_name_their_exercise() -> None:
    exercise = dict_exercise()
    assert "three-parts" in exercise.hint()._repr_html_()
    solution = exercise.solution()._repr_html_()
    assert "three-parts" in solution
    assert "Replace “answer = …” in the notebook" in solution
