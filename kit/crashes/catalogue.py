"""The crash types, declared once for widgets, cards, ``workshop check``, tests and notebooks."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kit.crashes.analytics import ANALYTICS_CRASHES
from kit.crashes.crash_type import CrashType
from kit.crashes.frontend import FRONTEND_CRASHES
from kit.crashes.game_engine import GAME_ENGINE_CRASHES
from kit.crashes.gateway import GATEWAY_CRASHES
from kit.crashes.payment import PAYMENT_CRASHES

CRASHES = (
    *GATEWAY_CRASHES,
    *GAME_ENGINE_CRASHES,
    *PAYMENT_CRASHES,
    *ANALYTICS_CRASHES,
    *FRONTEND_CRASHES,
)


class UnknownCrashType(LookupError):
    """There is no crash type with that id; the message names the closest ones."""


def variants(crash_id: str) -> tuple[CrashType, ...]:
    """Return the crash types with that id: one, or one for each variant.

    ``crash_id`` may also name a single variant, ``service/name?type=variant``. Raises
    UnknownCrashType.
    """
    found = tuple(crash for crash in CRASHES if crash_id in (crash.id, crash.full_id))
    if not found:
        known = list(dict.fromkeys(name for crash in CRASHES for name in (crash.id, crash.full_id)))
        close = difflib.get_close_matches(crash_id, known) or list(
            dict.fromkeys(c.id for c in CRASHES)
        )
        raise UnknownCrashType(f"There is no crash type {crash_id!r}. Try {', '.join(close)}.")
    return found


def find_crash(crash_id: str, parameters: Mapping[str, Any]) -> tuple[CrashType, dict[str, int]]:
    """Return the crash type and its query parameters, defaults filled in.

    ``type`` among the parameters picks a variant. With less work than the default no profile is
    expected: it may be over before the profiler takes a sample. Raises UnknownCrashType, or
    ValueError for a parameter that is unknown or out of bounds.
    """
    given = dict(parameters)
    variant = given.pop("type", None)
    candidates = variants(f"{crash_id}?type={variant}" if variant else crash_id)
    if len(candidates) > 1:
        names = ", ".join(str(crash.variant) for crash in candidates)
        raise ValueError(f"{crash_id} has several variants: pass type=, one of {names}.")
    crash = candidates[0]
    query = {p.name: p.check(given.pop(p.name, p.bounds.default)) for p in crash.parameters}
    if given:
        known = ", ".join(query) or "none"
        raise ValueError(f"{crash.full_id} has no parameter {', '.join(given)}; it has {known}.")
    if any(query[p.name] < p.bounds.default for p in crash.parameters):
        crash = replace(crash, profiled=None)
    return crash, query
