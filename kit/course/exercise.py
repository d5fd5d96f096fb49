"""An exercise with ``check()``, ``hint()`` and ``solution()``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from kit.course.answer_error import AnswerError, as_answer_error, is_in_answer
from kit.html import render


class Verdict(Enum):
    """How an answer was judged; the value is the word on the screen."""

    PASS = "Correct"  # noqa: S105 - no password
    FAIL = "Not yet"
    EXCEPTION = "Your code raised an error"
    UNATTEMPTED = "Not tried yet"
    UNCHECKED = "Could not be checked"


class Wrong(Exception):
    """An answer is wrong; the message helps on without giving the answer away."""


class NotTried(Exception):
    """An answer is still as it was given out."""


@dataclass(frozen=True)
class CheckResult:
    """A verdict and what explains it, a line for each part that is wrong.

    ``remark`` is what else there is to say.
    """

    verdict: Verdict
    message: str
    remark: str = ""

    def __repr__(self) -> str:
        return f"{self.verdict.value}: {self.message}"

    def _repr_html_(self) -> str:
        return render("result.html", result=self)


@dataclass(frozen=True)
class Note:
    """A hint or a solution, shown when it is asked for; ``usage`` is what to do with it."""

    title: str
    text: str
    is_code: bool = False
    usage: str = ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, (self.title, self.usage, self.text)))

    def _repr_html_(self) -> str:
        return render("note.html", note=self)


# Not the repr of a dataclass: a notebook keeps the repr of what a cell shows, so the solution
# would be in its file.
@dataclass(frozen=True, repr=False)
class Exercise:
    """A task whose answer is checked.

    ``verify`` is given the answer; it returns a sentence of praise, or raises Wrong or NotTried.
    The solution is code that binds ``answer_name``, which is what the exercise's cell checks: in
    place of what that cell binds to the name, it solves the exercise. ``remember`` is given each
    verdict, and returns what there is to remark on that.
    """

    name: str
    verify: Callable[[Any], str]
    hint_text: str
    solution_code: str
    answer_name: str = field(default="answer", kw_only=True)
    remember: Callable[[Verdict], str] = field(
        default=lambda verdict: "", compare=False, kw_only=True
    )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

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
        except AnswerError as error:
            return CheckResult(Verdict.EXCEPTION, str(error))
        except Exception as error:
            # Of settings that hold functions, for example.
            if is_in_answer(error, answer):
                return CheckResult(Verdict.EXCEPTION, str(as_answer_error(error, answer)))
            return CheckResult(
                Verdict.UNCHECKED,
                f"This is not about your answer: the check itself failed with "
                f"{type(error).__name__}: {error}. Run the cell again.",
            )

    def _guard(self, answer: Any) -> Any:
        """Return what ``verify`` is given. Raises Wrong or NotTried."""
        if answer is ...:
            raise NotTried
        return answer

    def hint(self) -> Note:
        """Return a nudge in the right direction."""
        # By name: where two exercises have the same variable, it may be another's.
        return Note(f"Hint for {self.name}", self.hint_text)

    def solution(self) -> Note:
        """Return code that solves it."""
        return Note(
            f"One solution of {self.name}",
            self.solution_code,
            is_code=True,
            usage=f"Paste it over {self._stub} in the notebook, and run that cell and the check.",
        )

    @property
    def _stub(self) -> str:
        return f"“{self.answer_name} = …”"


@dataclass(frozen=True, repr=False)
class FunctionExercise(Exercise):
    """A task whose answer is a function, which is judged by what it returns.

    The function that ``verify`` is given raises NotTried in place of returning dots, Wrong in place
    of None, unless it ``may_return_none``, and AnswerError in place of what the answer raises.
    """

    may_return_none: bool = field(default=False, kw_only=True)

    def _guard(self, answer: Any) -> Callable[..., Any]:
        answer = super()._guard(answer)
        if not callable(answer):
            raise Wrong(
                f"check() wants the function itself, not what it returns: "
                f"check({self.answer_name}), without parentheses behind the name."
            )

        def call(*given: Any) -> Any:
            try:
                returned = answer(*given)
            except Exception as error:
                raise as_answer_error(error, answer, *given) from error
            if returned is ...:
                raise NotTried
            if returned is None and not self.may_return_none:
                raise Wrong("The function returned None: does it end with a return?")
            return returned

        return call

    @property
    def _stub(self) -> str:
        return f"the function “def {self.answer_name}(…)”"
