"""An alert rule: WHEN one of its triggers, IF the filters of a block hold, THEN its actions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import Store
from kit.reliability.alerts.conditions import (
    TODAY,
    TRIGGERS,
    AlertCondition,
    EmptyBaseline,
    TriggerName,
)
from kit.reliability.alerts.pages import ALERTS_NOT_IMITATED, CREATE_ALERTS
from kit.reliability.alerts.parse import (
    THROTTLES,
    AlertRuleError,
    parse_condition,
    parse_throttle,
    parse_trigger,
)

if TYPE_CHECKING:
    from kit.reliability.alerts.firings import Firings
    from kit.reliability.alerts.lint import AlertFinding
    from kit.reliability.alerts.occurrences import IssueChange

Logic = Literal["all", "any", "none"]
Action = Literal["page", "message", "ticket"]
ACTIONS: tuple[Action, ...] = get_args(Action)
_LOGICS: tuple[Logic, ...] = get_args(Logic)

Given = str | Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True)
class IfThen:
    """A block of a rule: filters, how many of them must hold, and the action."""

    conditions: tuple[AlertCondition, ...] = ()
    logic: Logic = "all"
    action: Action = "page"

    @property
    def words(self) -> str:
        """The filters in one line; empty without any."""
        joint = " or " if self.logic == "any" else " and "
        told = joint.join(each.words for each in self.conditions)
        return (
            f"none of: {', '.join(each.words for each in self.conditions)}"
            if (self.logic == "none" and self.conditions)
            else told
        )


@dataclass(frozen=True, repr=False)
class AlertRule:
    """A rule as in Sentry: triggers, blocks of filters with an action, and throttling.

    Any trigger is enough; each block is evaluated by itself. ``throttle_s`` is how long the rule
    is quiet about an issue after it fired for it. With ``environment`` the rule sees only events
    of that environment, with ``project`` only those of that project.
    """

    name: str
    when: tuple[TriggerName, ...]
    blocks: tuple[IfThen, ...]
    throttle_s: float = 0.0
    environment: str | None = None
    project: str | None = None

    @property
    def when_words(self) -> str:
        """The triggers as written in a rule."""
        return " or ".join(TRIGGERS[each] for each in self.when)

    @property
    def throttle(self) -> str:
        """The throttle, such as ``30m``; empty without one."""
        return next((name for name, s in THROTTLES.items() if s == self.throttle_s), "")

    @property
    def scope(self) -> str:
        """Which events it sees, in words; empty for all."""
        told = (("environment", self.environment), ("project", self.project))
        return ", ".join(f"{name} {value}" for name, value in told if value)

    def would_have_fired(
        self,
        store: Store,
        *,
        since: float = 0.0,
        until: float | None = None,
        last: int | None = None,
        changes: Iterable["IssueChange"] = (),
    ) -> "Firings":
        """Return when the rule would have fired for the ``last`` stored error events.

        It fires from ``since`` until ``until``; earlier events count as history. ``changes`` adds
        what people did to issues, which no event records. Simulated. Raises StoreError.
        """
        from kit.reliability.alerts.evaluate import replay

        return replay((self,), store, since=since, until=until, last=last, changes=changes)

    def lint(self) -> "list[AlertFinding]":
        """Return why it can never fire or fires too often; an empty list if neither is found."""
        from kit.reliability.alerts.lint import lint_rule

        return lint_rule(self)

    def as_sentry(self, actions: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Return the request body to create this alert through Sentry's API.

        ``actions`` maps our action names to Sentry's actions. Without one, the suggested assignees
        are notified. Raises AlertRuleError for what the API's page does not list.
        """
        from kit.reliability.alerts.sentry_api import sentry_workflow

        return sentry_workflow(self, actions or {})

    def as_alertmanager(self) -> str:
        """Return a route for Prometheus' Alertmanager that groups and repeats like this rule."""
        from kit.reliability.alerts.sentry_api import alertmanager_route

        return alertmanager_route(self)

    def __str__(self) -> str:
        lines = [f"WHEN {self.when_words}"]
        for block in self.blocks:
            lines += [f"IF   {block.words}"] if block.words else []
            lines += [f"THEN {block.action}"]
        lines += [f"at most once in {self.throttle} per issue"] if self.throttle else []
        lines += [f"only {self.scope}"] if self.scope else []
        return "\n".join([*lines, "(simulated)"])

    def __repr__(self) -> str:
        return f"<AlertRule {self.name}>"

    def _repr_html_(self) -> Markup:
        return render(
            "alerts_rule.html",
            rules=[self],
            findings=[(self, self.lint())],
            modelled=CREATE_ALERTS,
            not_imitated=ALERTS_NOT_IMITATED,
        )


def make_rule(
    when: str | Sequence[str],
    if_: Given | Sequence[Mapping[str, Any]] = (),
    then: str = "page",
    throttle: str | None = None,
    *,
    name: str = "",
    environment: str | None = None,
    project: str | None = None,
    empty_baseline: EmptyBaseline = TODAY,
) -> AlertRule:
    """Return a rule from its short text. Raises AlertRuleError, which says what is allowed."""
    given = [when] if isinstance(when, str) else list(when)
    triggers = tuple(dict.fromkeys(parse_trigger(each) for each in given))
    if not triggers:
        raise AlertRuleError(f"A rule needs a trigger: {', '.join(TRIGGERS.values())}.")
    blocks = tuple(_block(each, then, empty_baseline) for each in _blocks(if_))
    rule = AlertRule(name, triggers, blocks, parse_throttle(throttle), environment, project)
    return rule if name else _called_by_its_words(rule)


def _called_by_its_words(rule: AlertRule) -> AlertRule:
    blocks = "; ".join(f"{each.words} → {each.action}".removeprefix(" ") for each in rule.blocks)
    words = f"{rule.when_words}: {blocks}"
    return AlertRule(words, rule.when, rule.blocks, rule.throttle_s, rule.environment, rule.project)


def _blocks(given: Any) -> list[Any]:
    """Return the blocks of a rule: several only if each is a mapping."""
    if not isinstance(given, str | Mapping) and any(isinstance(each, Mapping) for each in given):
        return list(given)
    return [given]


def _block(given: Any, then: str, empty_baseline: EmptyBaseline) -> IfThen:
    if not isinstance(given, Mapping):
        given = {"all": given}
    logics = [each for each in _LOGICS if each in given]
    if len(logics) > 1 or not set(given) <= {*_LOGICS, "then"}:
        raise AlertRuleError(
            f"{dict(given)!r} is not a block. Give one of {', '.join(_LOGICS)} with a list of "
            "filters, and 'then' with its own action."
        )
    texts = given[logics[0]] if logics else ()
    conditions = tuple(
        parse_condition(each, empty_baseline)
        for each in ([texts] if isinstance(texts, str) else texts)
    )
    return IfThen(conditions, logics[0] if logics else "all", _action(given.get("then", then)))


def _action(then: str) -> Action:
    for action in ACTIONS:
        if then == action:
            return action
    raise AlertRuleError(f"{then!r} is not an action. Allowed: {', '.join(ACTIONS)}.")
