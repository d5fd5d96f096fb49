"""The alert that most teams begin with, parsed from a short text."""

import re

from kit.reliability.slo.burn import MONTH_S, RuleSet, ThresholdRule
from kit.reliability.slo.durations import read_length

_WRITTEN = re.compile(r"\s*(?:5xx|errors?)\s*>\s*(\d{1,3}(?:\.\d{1,6})?)\s*%\s*for\s+(.+)")


def threshold(text: str) -> RuleSet:
    """Return the rule of a text such as ``5xx > 1 % for 5 min``. Raises ValueError."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"{text!r} is not a threshold. Write it as '5xx > 1 % for 5 min'.")
    rule = ThresholdRule(float(written[1]) / 100, read_length(written[2]))
    return RuleSet(" ".join(text.split()), (rule,), MONTH_S)
