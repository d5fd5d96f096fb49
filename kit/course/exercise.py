"""An exercise with ``check()``, ``hint()`` and ``solution()``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from kit.html import render
from kit.outcome import Outcome

Trigger = Callable[..., Outcome]


class Verdict(Enum):
    """How an answer was judged; the value is the word on the screen."""

    PASS = "Correct"  # noqa: S105 - no password
    FAIL = "Not yet"
    EXCEPTION = "Your code raised an error"
    UNATTEMPTED = "Not tried yet"


class Wrong(Exception):
    """An answer is wrong; the message helps on without giving the answer away."""


class NotTried(Exception):
    """An answer is still as it was given out."""


@dataclass(frozen=True)
class Result:
    """A verdict and the sentence that explains it; ``remark`` is what else there is to say."""

    verdict: Verdict
    message: str
    remark: str = ""

    def _repr_html_(self) -> str:
        return render("result.html", result=self)


@dataclass(frozen=True)
class Note:
    """A hint or a solution, shown when it is asked for."""

    title: str
    text: str
    is_code: bool = False

    def _repr_html_(self) -> str:
        return render("note.html", note=self)


@dataclass(frozen=True)
class Exercise:
    """A task whose answer is checked.

    ``verify`` is given the answer; it returns a sentence of praise, or raises Wrong or NotTried.
    The solution is code that binds ``answer``, so that it can be run as well as read. ``remember``
    is given each verdict, and returns what there is to remark on that.
    """

    name: str
    verify: Callable[[Any], str]
    hint_text: str
    solution_code: str
    remember: Callable[[Verdict], str] = field(default=lambda verdict: "", compare=False)

    def check(self, answer: Any = ...) -> Result:
        """Judge ``answer``. Dots that were left in it mean that it was not tried yet."""
        result = self._judge(answer)
        return replace(result, remark=self.remember(result.verdict))

    def _judge(self, answer: Any) -> Result:
        try:
            if answer is ...:
                raise NotTried
            return Result(Verdict.PASS, self.verify(answer))
        except NotTried:
            return Result(Verdict.UNATTEMPTED, "Replace the dots with your answer, then run again.")
        except Wrong as wrong:
            return Result(Verdict.FAIL, str(wrong))
        except Exception as error:  # the learner's own code may raise anything
            return Result(Verdict.EXCEPTION, f"{type(error).__name__}: {error}")

    def hint(self) -> Note:
        """Return a nudge in the right direction."""
        return Note("Hint", self.hint_text)

    def solution(self) -> Note:
        """Return code that solves it."""
        return Note("One solution", self.solution_code, is_code=True)


def compare(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Hold a dict of answers against the expected ones. Raises Wrong or NotTried."""
    if not isinstance(answer, dict):
        raise Wrong(f"check() wants a dict with the keys {', '.join(expected)}.")
    if answer and all(given is ... for given in answer.values()):
        raise NotTried
    for key, value in expected.items():
        given = answer.get(key, ...)
        if given is ...:
            raise Wrong(f"{key!r} is still missing.")
        if given != value:
            raise Wrong(f"{key!r} is not {given!r}. Look again.")
