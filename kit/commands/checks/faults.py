"""Injects every fault for a few spins and reports whether it hit and left a trace."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Column, Table

from kit.actionable import WorkshopError
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.probe import Probe
from kit.workshop import Workshop

SPINS = 2
# The check ends the fault itself before that.
LEASE_S = 60.0
# One that blocks the event loop delays the other as well.
ALONE = ("engine-blocks", "payment-dies")


@dataclass(frozen=True)
class FaultCheck:
    """The result for one fault: how many spins it hit, and its journal entries.

    ``failure`` says why it could not be injected, or is empty.
    """

    name: str
    ok: bool
    hits: int
    journal: tuple[str, ...] = ()
    failure: str = ""


def check_fault(workshop: Workshop, probe: Probe, fault: Fault) -> FaultCheck:
    """Inject ``fault`` into all of a few spins and return the result."""
    spins = 1 if fault.name in ALONE else SPINS
    try:
        with workshop.inject(fault.name, share=1, seconds=LEASE_S) as injection:
            injection.note(probe.play(spins))
    except WorkshopError as error:
        return FaultCheck(fault.name, False, 0, failure=str(error))
    journal = injection.journal
    hits = journal.reconciliation.hits
    lines = tuple(line.text for line in journal if line.at is None)
    return FaultCheck(fault.name, journal.holds and hits == spins, hits, lines)


def faults_as_json(rows: Iterable[FaultCheck]) -> dict[str, Any]:
    """Return the result of a check as one object, for machines."""
    faults = [asdict(row) for row in rows]
    return {"ok": all(fault["ok"] for fault in faults), "faults": faults}


def faults_as_table(rows: Iterable[FaultCheck]) -> Table:
    """Return the result of a check as a table, for people."""
    table = Table("", Column("fault", no_wrap=True), "hits", Column("seen", overflow="fold"))
    for row in rows:
        seen = row.failure or "\n".join(row.journal[1:] if row.hits else row.journal)
        mark, style = ("✓", "") if row.ok else ("✗", "red")
        table.add_row(mark, row.name, str(row.hits), seen, style=style)
    return table
