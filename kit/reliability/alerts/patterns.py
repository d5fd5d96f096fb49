"""Twelve rules worth having, each with its reason."""

from dataclasses import dataclass

from kit.reliability.alerts.rule import AlertRule, make_rule


@dataclass(frozen=True)
class AlertPattern:
    """A rule to start from: what it is for, and the reason for its form."""

    rule: AlertRule
    why: str

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.rule.name


ALERT_PATTERNS: tuple[AlertPattern, ...] = (
    AlertPattern(
        make_rule("new issue", ["level = fatal"], "page", name="New fatal issue"),
        "Our code says fatal where money is lost. A new issue fires once, so it needs no throttle.",
    ),
    AlertPattern(
        make_rule(
            "new issue",
            ["level >= error"],
            "message",
            environment="production",
            name="New issue in production",
        ),
        "A message to read in the morning. It is not worth a page: one event says nothing about "
        "how many users are affected.",
    ),
    AlertPattern(
        make_rule("regression", then="ticket", name="Regression"),
        "The fix did not hold. Event filters do not work with this trigger, so it has none.",
    ),
    AlertPattern(
        make_rule("escalating", then="message", name="Archived issue escalates"),
        "Somebody decided that the issue could wait. Now it no longer can.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["level >= error", "users > 10 in 1h"],
            "page",
            "1h",
            name="Many users affected",
        ),
        "Users, not events: one script that retries in a loop should not wake anybody.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["error.unhandled = true", "users > 3 in 5m"],
            "page",
            "30m",
            name="Unhandled, for several users",
        ),
        "Fast, but it still takes more than one unlucky player.",
    ),
    AlertPattern(
        make_rule("every event", ["events > 100 in 1h"], "message", "3h", name="Frequent issue"),
        "For issues without users, such as those of jobs.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["events > 300% in 1h vs 1d ago", "events > 50 in 1h"],
            "page",
            "3h",
            name="Spike against yesterday, with a floor",
        ),
        "The percentage adapts to the time of day. The floor keeps 1 → 5 from being a spike.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["events > 20 in 5m where level = fatal"],
            "page",
            "30m",
            name="Burst of fatal events",
        ),
        "A sub-filter scopes the count, so that warnings of the same issue do not add up.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["latest release", "age < 1h", "seen >= 5"],
            "page",
            "24h",
            name="The new release breaks",
        ),
        "Young, and only in the latest release: roll back first, investigate afterwards.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            ["age > 1d", "events > 20 in 15m"],
            "page",
            "12h",
            name="An old issue comes to life",
        ),
        "A known issue at a low rate is in the backlog. The same issue at a high rate is not.",
    ),
    AlertPattern(
        make_rule(
            "every event",
            {"any": ["seen >= 1000", "users > 50 in 1d"]},
            "ticket",
            "24h",
            name="Too many to ignore",
        ),
        "A ticket, not a page: it was there yesterday, too.",
    ),
)
