"""The faults that this process injected, by which an event card names the cause of an error."""

import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from demo_services.faults.names import NO_OP, read_flags
from demo_services.faults.split import is_hit
from kit.reading.payload import (
    as_list,
    as_mappings,
    as_str,
    get_path,
    parse_time,
    shorten,
    trace_id,
)

MAX_REMEMBERED = 200
MAX_LINES = 3
# An error may follow a hit by as long as a service may take; clocks may differ a little.
EARLY_S, LATE_S = 1.0, 30.0
# A fault that no injection of this process explains is named anyway.
FAULT_NAMES = frozenset(read_flags()) - {NO_OP}


@dataclass(frozen=True)
class KnownInjection:
    """A lease that this process set: what its flag stands for, when, and for whom.

    ``fault`` is None for a no-op. ``makes_errors`` says whether a request that is hit fails with
    an error event. If ``is_hidden``, the fault is not named: only its flag is.
    """

    fault: str | None
    flag: str
    share: float
    seed: int
    began_at: float
    until: float
    makes_errors: bool = True
    is_hidden: bool = False

    @property
    def terms(self) -> str:
        """Its share and its seed."""
        return f"{100 * self.share:g} %, seed {self.seed}"

    def hits(self, key: str) -> bool:
        """Whether it hits a request, given the id of its trace."""
        return is_hit(self.seed, self.flag, key, self.share)

    def explains(self, flag: str, key: str, at: float | None) -> bool:
        """Whether it turned a flag on for an event of a trace, at a time, if known."""
        is_then = at is None or self.began_at - EARLY_S <= at <= self.until + LATE_S
        return flag == self.flag and is_then and self.hits(key)

    @property
    def sentence(self) -> str:
        """What its flag means for an event in which it is on."""
        if self.is_hidden:
            return f"The flag {self.flag} was on when this happened."
        if self.fault is None:
            return (
                f"The flag {self.flag} was on when this happened. It is a no-op: it does nothing."
            )
        named = self.fault if self.flag == self.fault else f"{self.fault}, as the flag {self.flag}"
        if self.makes_errors:
            return f"This error was injected by {named} ({self.terms})."
        return f"This request was hit by {named} ({self.terms})."


class KnownInjections:
    """The latest injections of a process, of any thread."""

    def __init__(self) -> None:
        self._known: deque[KnownInjection] = deque(maxlen=MAX_REMEMBERED)
        self._changing = threading.Lock()

    def remember(self, injection: KnownInjection) -> None:
        """Keep one, instead of the oldest if there are many."""
        with self._changing:
            self._known.append(injection)

    def unhide(self, flags: Collection[str]) -> None:
        """From now on, name what these flags stand for."""
        with self._changing:
            named = [
                replace(each, is_hidden=False) if each.flag in flags else each
                for each in self._known
            ]
            self._known = deque(named, maxlen=MAX_REMEMBERED)

    def find(self, flag: str, key: str, at: float | None) -> KnownInjection | None:
        """Return the latest that explains why a flag was on in an event; None if none does."""
        with self._changing:
            latest_first = list(reversed(self._known))
        return next((each for each in latest_first if each.explains(flag, key, at)), None)

    def hidden_flags(self) -> frozenset[str]:
        """Return the flags whose meaning is hidden."""
        with self._changing:
            return frozenset(each.flag for each in self._known if each.is_hidden)


INJECTIONS = KnownInjections()


def flags_on(event: Mapping[str, Any]) -> list[str]:
    """Return the names of the feature flags that were on in an event, the newest first."""
    values = as_mappings(as_list(get_path(event, ("contexts", "flags", "values"))))
    return [as_str(each.get("flag")) for each in reversed(values) if each.get("result") is True]


def injection_lines(event: Mapping[str, Any], known: KnownInjections = INJECTIONS) -> list[str]:
    """Return a sentence for each fault whose flag was on in an event, at most ``MAX_LINES``."""
    found = dict.fromkeys(_sentences(event, known))
    return list(found)[:MAX_LINES]


def _sentences(event: Mapping[str, Any], known: KnownInjections) -> Iterator[str]:
    then = parse_time(event.get("timestamp"))
    at = then.timestamp() if then else None
    for flag in flags_on(event):
        if injection := known.find(flag, trace_id(event), at):
            yield injection.sentence
        elif flag in FAULT_NAMES:
            yield f"The flag {shorten(flag).text} was on when this happened."
