"""An answer of several parts: each that is missing, wrong or nearly right is named."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kit.course.exercise import NotTried, Wrong

# What is done to a text until it is the wanted one, and what that says of it.
_REPAIRS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("leave out the blanks around it", str.strip),
    ("leave out the quotes inside of the text", lambda text: text.strip("'\"`")),
    ("give the name alone, without parentheses", lambda text: re.sub(r"\(.*\)$", "", text)),
    ("give the last part of the name alone", lambda text: re.split(r"[.:/\\]", text)[-1]),
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
    """Hold a dict of answers against the expected ones. Raises Wrong or NotTried."""
    parts, problems = _read(answer, list(expected))
    wrong = [
        f"{name!r} is not {given!r}: {near_miss(given, expected[name]) or 'look again'}."
        for name, given in parts.items()
        if not _equals(given, expected[name])
    ]
    raise_all([*wrong, *problems])


def raise_all(problems: Iterable[str]) -> None:
    """Raise Wrong with a line for each problem, if there is any."""
    if problems := list(problems):
        raise Wrong("\n".join(problems))


def near_miss(given: object, expected: object) -> str:
    """Say what to change about an answer that is nearly right; empty when it is not near."""
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
    return f"leave out the quotes, it is {what}" if bare == str(expected).casefold() else ""


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
        return ["mind upper and lower case"]
    return ["mind hyphens, underscores and blanks"]


def _without_separators(text: str) -> str:
    return re.sub(r"(?<=\w)[-_\s]+(?=\w)", "", text).casefold()


def _equals(given: object, expected: object) -> bool:
    # To Python, True is 1.
    return given == expected and isinstance(given, bool) == isinstance(expected, bool)


def _say_choice(name: str, given: object, choices: Iterable[object]) -> str:
    near = next(filter(None, (near_miss(given, choice) for choice in choices)), "")
    said = f"{name!r} is one of {', '.join(map(repr, choices))}, not {given!r}"
    return f"{said}: {near}." if near else f"{said}."


def _read(answer: Any, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the parts that were answered, and what is to be said of all others."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"check() wants a dict with the keys {', '.join(names)}.")
    if answer and all(given is ... for given in answer.values()):
        raise NotTried
    parts = {name: answer[name] for name in names if answer.get(name, ...) is not ...}
    problems = [f"{name!r} is still missing." for name in names if name not in parts]
    unknown = [repr(name) for name in answer if name not in names]
    if unknown:
        problems.append(f"Not asked for: {', '.join(unknown)}. The keys are {', '.join(names)}.")
    return parts, problems
