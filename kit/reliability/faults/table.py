"""All faults as a table: where each strikes, and which are on until when."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render
from kit.provenance.injections import INJECTIONS
from kit.reliability.faults.catalogue import FAULTS, NO_OP_FAULT, find_fault
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.leases import LeaseClient, LeaseState
from kit.words import count_noun


@dataclass(frozen=True)
class FaultRow:
    """A fault, and its lease while it is on; ``unknown`` says why its state is unknown."""

    fault: Fault
    lease: LeaseState | None = None
    unknown: str = ""

    @property
    def where(self) -> str:
        """The service, and whether it strikes in its code or on the wire."""
        place = "in the code" if self.fault.place == "code" else "on the wire"
        return f"{self.fault.service.name}, {place}"

    @property
    def state(self) -> str:
        """Whether it is on, until when, and what it has hit."""
        if self.unknown:
            return "unknown"
        if self.lease is None:
            return "off"
        until = time.strftime("%H:%M:%S", time.localtime(self.lease.until))
        hit = f"hit {self.lease.hit:,} of {count_noun(self.lease.evaluated, 'request')}"
        terms = f"{100 * self.lease.share:g} %, seed {self.lease.seed}"
        return f"on until {until}: {terms}, {hit}"


class FaultTable(Mapping[str, FaultRow]):
    """All faults by name, and which are on; shown in a notebook as a table.

    ``hidden`` is how many are on under another name, such as a schedule's, and not revealed yet.
    """

    def __init__(self, rows: Mapping[str, FaultRow], hidden: int = 0) -> None:
        self._rows, self.hidden = dict(rows), hidden

    def __getitem__(self, name: str) -> FaultRow:
        # Raises UnknownFault, which suggests similar names.
        return self._rows[find_fault(name).name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def on(self) -> tuple[FaultRow, ...]:
        """The faults that are on."""
        return tuple(row for row in self.values() if row.lease is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why the state of some faults is unknown, one sentence per service."""
        return tuple(dict.fromkeys(row.unknown for row in self.values() if row.unknown))

    @property
    def sentence(self) -> str:
        """How many there are, and what is on."""
        on = ", ".join(row.fault.name for row in self.on) or "none shown"
        hidden = f"; {self.hidden} under another name, until revealed" if self.hidden else ""
        is_quiet = not self.on and not self.hidden
        return f"{len(self)} faults; on: {'none' if is_quiet else on}{hidden}."

    def __repr__(self) -> str:
        lines = [
            f"  {row.fault.name:<18} {row.where:<26} {row.state}: {row.fault.title}"
            for row in self.values()
        ]
        return "\n".join([f"<FaultTable {self.sentence}>", *lines, *self.unknown])

    def _repr_html_(self) -> Markup:
        return render("faults_table.html", table=self, rows=list(self.values()))


def read_fault_table(leases: LeaseClient) -> FaultTable:
    """Return all faults with their state, or with why a service did not report it."""
    on: dict[str, LeaseState] = {}
    unknown: dict[str, str] = {}
    hidden_flags, hidden = INJECTIONS.hidden_flags(), 0
    for service, found in leases.read_all():
        if isinstance(found, Exception):
            unknown[service.name] = str(found)
            continue
        for state in found:
            if state.ended_at is not None:
                continue
            if state.flag in hidden_flags:
                hidden += 1
            elif state.fault != NO_OP_FAULT.name:
                on[state.fault] = state
    rows = {
        fault.name: FaultRow(fault, on.get(fault.name), unknown.get(fault.service.name, ""))
        for fault in FAULTS
    }
    return FaultTable(rows, hidden)
