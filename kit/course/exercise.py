"""An exercise with ``check()``, ``hint()`` and ``solution()``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from kit.course.answer_error import AnswerError, as_answer_error, is_in_answer
from kit.html import render


class Verdict(Enum):
    """How an answer was judged; the value is the word on the screen."""

    PASS = "Correct"  # noqa: S105 - not a password
    FAIL = "Not yet"
    EXCEPTION = "Your code raised an error"
    UNATTEMPTED = "Not tried yet"
    UNCHECKED = "Could not be checked"


class Wrong(Exception):
    """An answer is wrong; the message helps without giving the answer away."""


class NotTried(Exception):
    """An answer is still unchanged."""


@dataclass(frozen=True)
class CheckResult:
    """A verdict and its explanation, with a line for each part that is wrong.

    ``remark`` is an additional note.
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
    """A hint or a solution; ``usage`` says what to do with it."""

    title: str
    text: str
    is_code: bool = False
    usage: str = ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, (self.title, self.usage, self.text)))

    def _repr_html_(self) -> str:
        return render("note.html", note=self)


# Without a dataclass's repr: a notebook stores the repr of a cell's result, so the solution would
# be in its file.
@dataclass(frozen=True, repr=False)
class Exercise:
    """A task whose answer is checked.

    ``verify`` receives the answer; it returns a sentence of praise, or raises Wrong or NotTried.
    The solution is code that binds ``answer_name``, the name that the exercise's cell checks: it
    solves the exercise when it replaces that cell's binding. ``remember`` receives each verdict and
    returns a remark.
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
        """Judge ``answer``. If it still contains dots, it counts as not tried."""
        result = self._judge(answer)
        return replace(result, remark=self.remember(result.verdict))

    def _judge(self, answer: Any) -> CheckResult:
        try:
            return CheckResult(Verdict.PASS, self.verify(self._guard(answer)))
        except NotTried:
            return CheckResult(
                Verdict.UNATTEMPTED, "Replace the dots with your answer, then run it again."
            )
        except Wrong as wrong:
            return CheckResult(Verdict.FAIL, str(wrong))
        except AnswerError as error:
            return CheckResult(Verdict.EXCEPTION, str(error))
        except Exception as error:
            # From functions inside settings, for example.
            if is_in_answer(error, answer):
                return CheckResult(Verdict.EXCEPTION, str(as_answer_error(error, answer)))
            return CheckResult(
                Verdict.UNCHECKED,
                f"This is not about your answer: the check itself failed with "
                f"{type(error).__name__}: {error}. Run the cell again.",
            )

    def _guard(self, answer: Any) -> Any:
        """Return the argument for ``verify``. Raises Wrong or NotTried."""
        if answer is ...:
            raise NotTried
        return answer

    def hint(self) -> Note:
        """Return a hint in the right direction."""
        # With the name: two exercises may use the same variable.
        return Note(f"Hint for {self.name}", self.hint_text)

    def solution(self) -> Note:
        """Return code that solves it."""
        return Note(
            f"A solution for {self.name}",
            self.solution_code,
            is_code=True,
            usage=f"Replace {self._stub} in the notebook with it, then run the cell and the check.",
        )

    @property
    def _stub(self) -> str:
        return f"“{self.answer_name} = …”"


@dataclass(frozen=True, repr=False)
class FunctionExercise(Exercise):
    """A task whose answer is a function, which is judged by what it returns.

    ``verify`` receives a wrapper of the function. The wrapper raises NotTried when the function
    returns dots, Wrong when it returns None, unless it ``may_return_none``, and AnswerError when it
    raises.
    """

    may_return_none: bool = field(default=False, kw_only=True)

    def _guard(self, answer: Any) -> Callable[..., Any]:
        answer = super()._guard(answer)
        if not callable(answer):
            raise Wrong(
                f"check() needs the function itself, not its result: "
                f"check({self.answer_name}), without parentheses after the name."
            )

        def call(*given: Any) -> Any:
            try:
                returned = answer(*given)
            except Exception as error:
                raise as_answer_error(error, answer, *given) from error
            if returned is ...:
                raise NotTried
            if returned is None and not self.may_return_none:
                raise Wrong("The function returned None: is a return statement missing?")
            return returned

        return call

    @property
    def _stub(self) -> str:
        return f"the function “def {self.answer_name}(…)”"
