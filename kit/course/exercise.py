"""An exercise with ``check()``, ``hint()`` and ``solution()``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from kit.html import render


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
class CheckResult:
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

    def check(self, answer: Any = ...) -> CheckResult:
        """Judge ``answer``. Dots that were left in it mean that it was not tried yet."""
        result = self._judge(answer)
        return replace(result, remark=self.remember(result.verdict))

    def _judge(self, answer: Any) -> CheckResult:
        try:
            return CheckResult(Verdict.PASS, self.verify(self._guard(answer)))
        except NotTried:
            return CheckResult(
                Verdict.UNATTEMPTED, "Replace the dots with your answer, then run again."
            )
        except Wrong as wrong:
            return CheckResult(Verdict.FAIL, str(wrong))
        except Exception as error:  # the learner's own code may raise anything
            return CheckResult(Verdict.EXCEPTION, f"{type(error).__name__}: {error}")

    def _guard(self, answer: Any) -> Any:
        """Return what ``verify`` is given. Raises Wrong or NotTried."""
        if answer is ...:
            raise NotTried
        return answer

    def hint(self) -> Note:
        """Return a nudge in the right direction."""
        return Note("Hint", self.hint_text)

    def solution(self) -> Note:
        """Return code that solves it."""
        return Note("One solution", self.solution_code, is_code=True)


@dataclass(frozen=True)
class FunctionExercise(Exercise):
    """A task whose answer is a function, which is judged by what it returns.

    ``function`` is its name in the notebook. The function that ``verify`` is given raises NotTried
    in place of returning dots, and Wrong in place of None, unless it ``may_return_none``.
    """

    function: str = field(kw_only=True)
    may_return_none: bool = field(default=False, kw_only=True)

    def _guard(self, answer: Any) -> Callable[..., Any]:
        answer = super()._guard(answer)
        if not callable(answer):
            raise Wrong(f"check() wants the function itself: exercise.check({self.function})")

        def call(*given: Any) -> Any:
            returned = answer(*given)
            if returned is ...:
                raise NotTried
            if returned is None and not self.may_return_none:
                raise Wrong("The function returned None: does it end with a return?")
            return returned

        return call


def each_answer(answer: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield each of ``names`` with its value in the dict ``answer``. Raises Wrong or NotTried."""
    names = list(names)
    if not isinstance(answer, Mapping):
        raise Wrong(f"check() wants a dict with the keys {', '.join(names)}.")
    if answer and all(given is ... for given in answer.values()):
        raise NotTried
    for name in names:
        if (given := answer.get(name, ...)) is ...:
            raise Wrong(f"{name!r} is still missing.")
        yield name, given


def require_choices(answer: Any, names: Iterable[str], choices: Iterable[str]) -> None:
    """Hold a dict to having one of ``choices`` for each name. Raises Wrong or NotTried."""
    choices = list(choices)
    for name, given in each_answer(answer, names):
        if given not in choices:
            raise Wrong(f"{name!r} is one of {', '.join(map(repr, choices))}, not {given!r}.")


def compare(answer: Any, expected: Mapping[str, Any]) -> None:
    """Hold a dict of answers against the expected ones. Raises Wrong or NotTried."""
    for name, given in each_answer(answer, expected):
        if given != expected[name]:
            raise Wrong(f"{name!r} is not {given!r}. Look again.")
