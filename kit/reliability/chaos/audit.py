"""What an experiment did, whether or not its hypothesis asked for it: the blast radius."""

import time
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from typing import Any

from kit.actionable import ActionableError
from kit.ingest.store import MOST, ReadOnlyStore, StoredItem
from kit.provenance.meanings import SUPERVISOR
from kit.reading.grouping import simulated_issue
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str, exceptions, get_path
from kit.reading.payload import trace_id as trace_of
from kit.reliability.chaos.session import ExperimentSession
from kit.reliability.chaos.steady_state import p95_wait_s
from kit.reliability.faults.evidence import HOLE, RETRY
from kit.reliability.traffic.traffic import THRESHOLD_S

# SDKs send logs every five seconds unless they are flushed.
LOGS_S, FLUSHED_S = 5.5, 0.3


def audit_session(session: ExperimentSession) -> dict[str, Any]:
    """Return the figures of a run whose load has ended, ready for JSON; None for an unknown one.

    ``hit`` counts the spins that the fault hit, ``failed`` those without a result, ``late`` those
    slower than two seconds. ``players`` counts the players of failed and late spins.
    """
    spins = [spin for spin in list(session.load.spins) if spin.is_over]
    failed = [spin for spin in spins if not spin.is_good]
    late = [spin for spin in spins if spin.is_good and spin.waited_s(0.0) > THRESHOLD_S]
    hit = [spin for spin in spins if any(each.hits(spin) for each in session.leased)]
    limits = [each.fault.most_hits for each in session.leased if each.fault.most_hits]
    return {
        "spins": len(spins),
        "hit": min([len(hit), *limits]),
        "failed": len(failed),
        "late": len(late),
        "players": len({spin.player for spin in [*failed, *late]}),
        "p95_s": p95_wait_s(spins, 0.0, time.time()),
        "missing": _count(session.missing_spins),
        "coins": _count(session.unaccounted_coins),
        **_telemetry(session, {spin.trace_id for spin in spins}),
    }


def _count(measure: Any) -> int | None:
    with suppress(ActionableError):
        return int(measure())
    return None


def _telemetry(session: ExperimentSession, traces: Collection[str]) -> Mapping[str, Any]:
    """Return what the services sent for these traces: events, issues, log lines with reasons."""
    if session.target.flush:
        session.target.flush()
    time.sleep(FLUSHED_S if session.target.flush or not session.leased else LOGS_S)
    with (
        suppress(ActionableError),
        closing(ReadOnlyStore(session.target.home / "captured.sqlite3")) as store,
    ):
        events = [
            item
            for item in store.items(type="event", limit=MOST)
            if item.received_at >= session.began_at and _is_own(item, traces)
        ]
        logs = [
            text
            for item in store.items(type="log", limit=MOST)
            if item.received_at >= session.began_at
            for text in _log_lines(item, traces)
        ]
        return {
            "events": len(events),
            "issues": len({simulated_issue(item.payload, item.project) for item in events}),
            "services": sorted({item.project for item in events}),
            "retries": sum(text.startswith(RETRY) for text in logs),
            "not_stored": sum(text.startswith(HOLE) for text in logs),
        }
    return dict.fromkeys(("events", "issues", "services", "retries", "not_stored"))


def _is_own(item: StoredItem, traces: Collection[str]) -> bool:
    mechanism = get_path(exceptions(item.payload), (-1, "mechanism", "type"))
    return trace_of(item.payload) in traces or mechanism == SUPERVISOR


def _log_lines(item: StoredItem, traces: Collection[str]) -> list[str]:
    lines = as_mappings(as_list(as_mapping(item.payload).get("items")))
    return [as_str(each.get("body")) for each in lines if as_str(each.get("trace_id")) in traces]
