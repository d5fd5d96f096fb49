"""How to find a crash type or fault, and how to alert on it: derived from its declaration alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kit.crashes.crash_type import CrashType, ExpectedError
from kit.crashes.pages import ALERTS
from kit.reading.event import LEVELS
from kit.reading.server.references import Reference
from kit.reliability.faults.fault import Fault
from kit.reliability.patterns.references import ISSUE_SEARCH, SPAN_SEARCH

# More affected users in five minutes than this floor are not one user's bad luck.
USER_FLOOR, EVENT_FLOOR, WARNING_FLOOR = 3, 10, 20

_PLAIN = re.compile(r"[\w.-]+")

# Each sign of a fault, as something that you see.
SIGNS = {
    "event": "an error event",
    "refused": "an answer with an error status",
    "slow": "an answer that is late",
    "broken": "an answer that cannot be read",
    "hole": "a spin that is missing from the statistics",
    "retried": "a call that was retried",
    "exit": "a process that ended",
    "kept": "memory that is not freed",
}


@dataclass(frozen=True)
class Term:
    """One condition of a search in Sentry; ``path`` is the JMESPath of its value in the event."""

    key: str
    value: str
    path: str

    def __str__(self) -> str:
        value = self.value if _PLAIN.fullmatch(self.value) else f'"{self.value}"'
        return f"{self.key}:{value}"


@dataclass(frozen=True)
class Search:
    """How to find it: a query in Sentry's documented syntax, and code for a notebook."""

    where: str
    terms: tuple[Term, ...]
    syntax: Reference
    code: str

    @property
    def query(self) -> str:
        """The query as typed into Sentry."""
        return " ".join(map(str, self.terms))


@dataclass(frozen=True)
class AlertAdvice:
    """A rule for ``Workshop.alert`` with its reason; without a rule, why there is none.

    ``counts_users`` says that the rule needs events with a user.
    """

    why: str
    when: str = ""
    conditions: tuple[str, ...] = ()
    then: str = "page"
    throttle: str = ""
    servers: Reference = ALERTS

    @property
    def counts_users(self) -> bool:
        """Whether the rule needs events that have a user."""
        return any(each.startswith("users ") for each in self.conditions)

    @property
    def code(self) -> str:
        """The rule as notebook code; empty if there is none."""
        if not self.when:
            return ""
        conditions = ", ".join(f'"{each}"' for each in self.conditions)
        lines = [f'when="{self.when}"', f"if_=[{conditions}]", f'then="{self.then}"']
        lines += [f'throttle="{self.throttle}"'] if self.throttle else []
        return "\n".join(["workshop.alert(", *(f"    {line}," for line in lines), ")"])


def search_crash(crash: CrashType) -> Search:
    """Return how to find a crash type: by its first error event, or else by its spans."""
    if not crash.errors:
        return _search_spans(crash)
    error = crash.errors[0]
    return _search_error(error, crash.reporter(error))


def _search_error(error: ExpectedError, service: str) -> Search:
    code = (
        "[issue for issue in workshop.issues()\n"
        f' if issue.service == "{service}"\n'
        f' and issue.title.startswith("{error.type}")]'
    )
    return Search("Issues", _terms(error, service), ISSUE_SEARCH, code)


def _terms(error: ExpectedError, service: str) -> tuple[Term, ...]:
    raised = "exception.values[-1]"
    terms = [Term("service", service, "tags.service")]
    terms.append(Term("error.type", error.type, f"{raised}.type"))
    if error.handled is not None:
        handled = "true" if error.handled else "false"
        terms.append(Term("error.handled", handled, f"{raised}.mechanism.handled"))
    return (*terms, Term("level", error.level, "level"))


def _search_spans(crash: CrashType) -> Search:
    code = f'workshop.trigger("{crash.id}"{_parameter(crash)}).trace.of("{crash.service.name}")'
    if crash.status >= 400:
        status = Term("status_code", str(crash.status), 'attributes."http.response.status_code"')
        return Search("Traces", (status,), SPAN_SEARCH, code)
    return Search("Traces", (Term("op", crash.spans[0], "op"),), SPAN_SEARCH, code)


def _parameter(crash: CrashType) -> str:
    return f', type="{crash.variant}"' if crash.variant else ""


def search_fault(fault: Fault) -> Search | None:
    """Return how to find the error events of a fault; None if it leaves none."""
    errors = fault.errors
    if not fault.makes_errors:
        service = (errors[0].service or fault.service).name if errors else ""
        return _search_error(errors[0], service) if errors else None
    path = f"contexts.flags.values[?flag=='{fault.name}'].result | [0]"
    code = (
        "[issue for issue in workshop.issues()\n"
        f' if {{"flag": "{fault.name}", "result": True}}\n'
        ' in (issue.latest.find("contexts.flags.values") or [])]'
    )
    term = Term(f'flags["{fault.name}"]', "true", path)
    return Search("Issues", (term,), ISSUE_SEARCH, code)


def alert_on_crash(crash: CrashType) -> AlertAdvice:
    """Return the rule that the declared level and handling of a crash type call for."""
    if not crash.errors:
        return AlertAdvice("No error event arrives, so no rule on issues can fire for it.")
    return _alert_on_errors(crash.errors)


def alert_on_fault(fault: Fault) -> AlertAdvice:
    """Return the rule for the error events of a fault, or why there can be none."""
    if errors := fault.errors:
        rule = _alert_on_errors(errors)
        # Not every service that a spin calls knows the user, so users cannot be counted.
        return _SHARE_FAILS if rule is _UNHANDLED else rule
    if fault.makes_errors:
        return _MANY_ERRORS
    return AlertAdvice(
        "A request that it hits leaves no error event with the flag, so no rule on issues can "
        "see it. An objective on the answers can: workshop.slo(…)."
    )


def _alert_on_errors(errors: Sequence[ExpectedError]) -> AlertAdvice:
    worst = min(errors, key=lambda error: (LEVELS.index(error.level), error.handled is not False))
    if worst.level in _BY_LEVEL:
        return _BY_LEVEL[worst.level]
    return _UNHANDLED if worst.handled is False else _MANY_ERRORS


_BY_LEVEL = {
    "fatal": AlertAdvice(
        "It is declared fatal, so one event is worth a page. An issue is new only once: add a "
        "rule on “regression” for an issue that returns after it was resolved.",
        "new issue",
        ("level = fatal",),
    ),
    "warning": AlertAdvice(
        "The code handled it and went on. When it happens often, it deserves a ticket.",
        "every event",
        ("level = warning", f"events > {WARNING_FLOOR} in 1h"),
        then="ticket",
        throttle="24h",
    ),
    "info": AlertAdvice(
        "Its level is info: the code expects it and goes on. Watch how many there are, and do not "
        "wake anyone for a single one."
    ),
}
_UNHANDLED = AlertAdvice(
    "No code caught it. The floor keeps one user's bad luck from waking you.",
    "every event",
    ("error.unhandled = true", f"users > {USER_FLOOR} in 5m"),
    throttle="30m",
)
_SHARE_FAILS = AlertAdvice(
    "No code caught it, and a share of all requests is hit: the number of events shows how bad it "
    "is. The rule needs no user in the event.",
    "every event",
    ("error.unhandled = true", f"events > {EVENT_FLOOR} in 5m"),
    throttle="30m",
)
_MANY_ERRORS = AlertAdvice(
    "The service went on, so one event is not an incident. Many in a short time are.",
    "every event",
    ("level >= error", f"events > {EVENT_FLOOR} in 5m"),
    throttle="30m",
)


def signs_of_fault(fault: Fault) -> list[str]:
    """Return in words what shows that a fault hit a request."""
    late = f" by {fault.slow_s:g} s or more" if fault.slow_s else ""
    return [SIGNS[sign] + (late if sign == "slow" else "") for sign in fault.shows]
