"""Answers of several parts: names each part that is missing, wrong or nearly right."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kit.course.exercise import NotTried, Wrong

# Repairs that are tried on a text until it is the expected one, each with advice.
_REPAIRS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("remove the spaces around it", str.strip),
    ("remove the quotes inside the text", lambda text: text.strip("'\"`")),
    ("give only the name, without parentheses", lambda text: re.sub(r"\(.*\)$", "", text)),
    ("give only the last part of the name", lambda text: re.split(r"[.:/\\]", text)[-1]),
)


def require_parts(answer: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the value of each of ``names`` in the dict ``answer``. Raises Wrong or NotTried."""
    parts, problems = _read(answer, list(names))
    raise_all(problems)
    return parts


def require_choices(answer: Any, names: Iterable[str], choices: Iterable[object]) -> dict[str, Any]:
    """Return the parts of an answer, each one of ``choices``. Raises Wrong or NotTried."""
    choices = list(choices)
    parts, problems = _read(answer, list(names))
    raise_all(
        [
            *(
                _say_choice(name, given, choices)
                for name, given in parts.items()
                if not any(given is each or _equals(given, each) for each in choices)
            ),
            *problems,
        ]
    )
    return parts


def compare(answer: Any, expected: Mapping[str, Any]) -> None:
    """Compare a dict of answers with the expected ones. Raises Wrong or NotTried."""
    parts, problems = _read(answer, list(expected))
    wrong = [
        f"{name!r} is not {given!r}: {near_miss(given, expected[name]) or 'look again'}."
        for name, given in parts.items()
        if not _equals(given, expected[name])
    ]
    raise_all([*wrong, *problems])


def raise_all(problems: Iterable[str]) -> None:
    """Raise Wrong with a line for each problem, if there are any."""
    if problems := list(problems):
        raise Wrong("\n".join(problems))


def near_miss(given: object, expected: object) -> str:
    """Return what to change about a nearly right answer; empty when it is not close."""
    if isinstance(given, list | tuple | set | frozenset):
        return _near_collection(given, expected)
    if callable(given):
        given = getattr(given, "__name__", given)
        return "give its name as text, in quotes" if given == expected else ""
    if not isinstance(given, str):
        return "put it in quotes, it is text" if str(given) == expected else ""
    if isinstance(expected, str):
        return _near_text(given, expected)
    bare = given.strip(" '\"").casefold()
    what = "true or false" if isinstance(expected, bool) else "a number"
    return f"remove the quotes, it is {what}" if bare == str(expected).casefold() else ""


def _near_collection(given: Collection[object], expected: object) -> str:
    if isinstance(expected, list | tuple | set | frozenset):
        kind = type(expected).__name__
        same = sorted(map(repr, given)) == sorted(map(repr, expected))
        return f"the right values, but give a {kind}, in order" if same else ""
    if len(given) != 1:
        return ""
    (only,) = given
    if _equals(only, expected):
        return f"give the value itself, not a {type(given).__name__} of it"
    return near_miss(only, expected)


def _near_text(given: str, expected: str) -> str:
    said: list[str] = []
    for what, repair in _REPAIRS:
        if (repaired := repair(given)) != given:
            said.append(what)
        given = repaired
        if _without_separators(given) == _without_separators(expected):
            return " and ".join([*said, *_say_spelling(given, expected)])
    return ""


def _say_spelling(given: str, expected: str) -> list[str]:
    if given == expected:
        return []
    if given.casefold() == expected.casefold():
        return ["check upper and lower case"]
    return ["check hyphens, underscores and spaces"]


def _without_separators(text: str) -> str:
    return re.sub(r"(?<=\w)[-_\s]+(?=\w)", "", text).casefold()


def _equals(given: object, expected: object) -> bool:
    # In Python, True == 1.
    return given == expected and isinstance(given, bool) == isinstance(expected, bool)


def _say_choice(name: str, given: object, choices: Iterable[object]) -> str:
    near = next(filter(None, (near_miss(given, choice) for choice in choices)), "")
    said = f"{name!r} must be one of {', '.join(map(repr, choices))}, not {given!r}"
    return f"{said}: {near}." if near else f"{said}."


def _read(answer: Any, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the answered parts, and a message about each of the others."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"check() needs a dict with the keys {', '.join(names)}.")
    if answer and all(given is ... for given in answer.values()):
        raise NotTried
    parts = {name: answer[name] for name in names if answer.get(name, ...) is not ...}
    problems = [f"{name!r} is still missing." for name in names if name not in parts]
    unknown = [repr(name) for name in answer if name not in names]
    if unknown:
        problems.append(f"Unknown keys: {', '.join(unknown)}. The keys are {', '.join(names)}.")
    return parts, problems
