"""The control in each experiment document: it adds what the engine does not do.

Before the experiment it plays spins, so that there is a steady state; while a fault is on it
aborts beyond the limits; after the rollback it checks the steady state until it holds again, and
adds all this to the journal under ``workshop``. It always ends the load and all leases.
"""

import time
from collections.abc import Mapping
from typing import Any

from kit.actionable import ActionableError
from kit.reliability.chaos import probes
from kit.reliability.chaos.audit import audit_session
from kit.reliability.chaos.session import begin_session, current_session, end_session
from kit.reliability.chaos.target import find_target

RECOVERY_S, RECOVERY_TICK_S = 30.0, 0.5
SETTLE_S = 8.0
# By then, stuck spins have ended.
DRAIN_S = 8.0
_TICK_S = 0.1


def before_experiment_control(
    context: Mapping[str, Any], *, rate: float = 4.0, seed: int = 7, window: float = 5.0, **_: Any
) -> None:
    """Play ``rate`` spins a second until a whole ``window`` of seconds can be measured.

    The first spins after a start are slow: then it waits a few more seconds for the steady state.
    Raises InterruptExecution, which ends the experiment, if no workshop runs.
    """
    from chaoslib.exceptions import InterruptExecution

    try:
        begin_session(find_target(), rate=rate, seed=seed)
    except ActionableError as error:
        raise InterruptExecution(str(error)) from error
    end = time.monotonic() + window
    # In short steps, so that an interrupt can end it.
    while time.monotonic() < end:
        time.sleep(_TICK_S)
    while time.monotonic() < end + SETTLE_S and not _is_steady(context):
        time.sleep(RECOVERY_TICK_S)


def after_hypothesis_control(
    context: Mapping[str, Any],
    *,
    window: float = 5.0,
    abort: Mapping[str, float] | None = None,
    **_: Any,
) -> None:
    """Abort with InterruptExecution when a limit is crossed while a fault is on.

    ``abort`` has ``bad_percent``, ``p95_seconds`` and ``memory_mb``; each is optional.
    """
    from chaoslib.exceptions import InterruptExecution

    session = current_session()
    is_on = any(each.ended_at is None for each in session.leased)
    # During recovery there is nothing left to abort.
    if abort and is_on and not session.counts_from and (reason := _crossed(abort, window)):
        session.aborted = reason
        raise InterruptExecution(reason)


def after_experiment_control(
    context: Mapping[str, Any], state: dict[str, Any], *, window: float = 5.0, **_: Any
) -> None:
    """Check the steady state until it holds again, and add the result to the journal."""
    session = current_session()
    ended_at = session.counts_from = time.time()
    added: dict[str, Any] = {"ended_at": ended_at, "aborted": session.aborted, "recovery": None}
    state["workshop"] = added
    # After an interrupt, do not make people wait.
    if session.leased and (state["status"] != "interrupted" or session.aborted):
        added["recovery"] = _recover(context, ended_at)
    # Without a fault there is nothing to wait for.
    session.load.drain(DRAIN_S if session.leased else 0.5)
    added.update(audit_session(session))


def cleanup_control() -> None:
    """End the leases and the load."""
    end_session()


def _crossed(abort: Mapping[str, float], window: float) -> str:
    """Return which limit is crossed; empty if none is."""
    readings = {
        "bad_percent": lambda: 100 - probes.success_rate(window),
        "p95_seconds": lambda: probes.p95_seconds(window),
        "memory_mb": probes.memory_mb,
    }
    names = {
        "bad_percent": "% of the spins failed",
        "p95_seconds": "s is the p95",
        "memory_mb": "MiB is the memory of the workshop's process",
    }
    for name, limit in abort.items():
        try:
            found = readings[name]()
        except ActionableError:
            continue
        if found > limit:
            return f"{found:g} {names[name]}; the limit is {limit:g}."
    return ""


def _recover(experiment: Mapping[str, Any], since: float) -> dict[str, Any]:
    """Check until the steady state holds, at most 30 seconds; only spins due since then count."""
    checks: list[dict[str, Any]] = []
    while True:
        found = _check(experiment)
        is_met = found is None or bool(found["steady_state_met"])
        after_s = time.time() - since
        checks.append({"at": time.time(), "steady_state_met": is_met, "state": found})
        if is_met or after_s > RECOVERY_S:
            return {"is_recovered": is_met, "after_s": round(after_s, 2), "checks": checks}
        time.sleep(RECOVERY_TICK_S)


def _is_steady(experiment: Mapping[str, Any]) -> bool:
    found = _check(experiment)
    return found is None or bool(found["steady_state_met"])


def _check(experiment: Mapping[str, Any]) -> dict[str, Any] | None:
    """Check the steady state once, as the engine does; None without a hypothesis."""
    from chaoslib.hypothesis import run_steady_state_hypothesis

    found: dict[str, Any] | None = run_steady_state_hypothesis(experiment, {}, {}, None, None)
    return found
