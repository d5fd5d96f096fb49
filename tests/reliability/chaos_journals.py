"""Journals as the engine writes them, made up: what came of a run, without a system."""

from datetime import UTC, datetime
from typing import Any

from kit.reliability.chaos.catalogue import find_experiment

BEGAN = 1_700_000_000


def moment(second: float) -> str:
    """Return a time of the run as the engine writes it."""
    return datetime.fromtimestamp(BEGAN + second, UTC).isoformat()


def state(at: float, *values: tuple[float, bool]) -> dict[str, Any]:
    """Return a check of the steady state: what each probe said, and whether that is well."""
    probes = [
        {"output": value, "tolerance_met": met, "status": "succeeded", "end": moment(at)}
        for value, met in values
    ]
    return {"steady_state_met": all(met for _, met in values), "probes": probes}


def make_journal(
    name: str = "payment-dies",
    before: bool = True,
    during: str = "✓✓",
    after: str = "✓",
    **added: Any,
) -> dict[str, Any]:
    """Return the journal of a run; ``added`` is what the control measured."""
    document = find_experiment(name).document()
    run = [{"activity": document["method"][0], "status": "succeeded", "end": moment(5)}]
    rolled = [{"activity": document["rollbacks"][0], "status": "succeeded", "end": moment(12)}]
    checks = [
        {"at": BEGAN + 13 + n, "steady_state_met": mark == "✓", "state": _mark(13 + n, mark)}
        for n, mark in enumerate(after)
    ]
    recovery = {"is_recovered": after.endswith("✓"), "after_s": 3.1, "checks": checks}
    counted = {"spins": 60, "hit": 3, "failed": 0, "late": 1, "players": 1, "missing": 0}
    return {
        "experiment": document,
        "status": "completed",
        "end": moment(20),
        "steady_states": {
            "before": _mark(4, "✓" if before else "✗"),
            "during": [_mark(6 + n, mark) for n, mark in enumerate(during)] if before else [],
            "after": None,
        },
        "run": run if before else [],
        "rollbacks": rolled,
        "workshop": {"aborted": "", "recovery": recovery if before else None, **counted, **added},
    }


def _mark(at: float, mark: str) -> dict[str, Any]:
    return state(at, (100, True), (1.5, True)) if mark == "✓" else state(at, (42, False))
