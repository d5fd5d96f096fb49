"""The pattern library: a page for each crash type and each fault, an index, and the guide.

In a notebook, pages refer to each other by code; ``site.py`` writes links instead.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from markupsafe import Markup

from demo_services.services import SERVICES, Service
from kit.actionable import WorkshopError
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import Captured, CrashType, NotCaptured
from kit.html import render
from kit.outcome import Event
from kit.reading.server.references import Reference
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.fault import Fault
from kit.reliability.patterns.advice import (
    SIGNS,
    AlertAdvice,
    Search,
    alert_on_crash,
    alert_on_fault,
    search_crash,
    search_fault,
    signs_of_fault,
)
from kit.reliability.patterns.evidence import (
    Absence,
    Claim,
    EventFact,
    facts,
    read_absence,
    read_claim,
)
from kit.reliability.patterns.practices import PRACTICES, Practice, Proof
from kit.reliability.patterns.proof import DeclaredProof, look_up
from kit.reliability.patterns.recordings import Recordings
from kit.words import count_noun

# Returns the address of the page of a crash type or fault; empty without pages to link.
Address = Callable[[str], str]

UNHANDLED, HANDLED, SILENT, CHARTED = "unhandled", "handled", "silent", "charted"
# What you see, in the order of the index; most are the signs that faults declare.
SIGHTS = {
    "event": SIGNS["event"],
    UNHANDLED: "an error event, not handled",
    HANDLED: "an error event, handled",
    SILENT: "no error event at all",
    **{sign: words for sign, words in SIGNS.items() if sign != "event"},
    CHARTED: "memory, CPU or the event loop, on a chart",
}


class UnknownPattern(WorkshopError, LookupError):
    """There is no page of that name; the message suggests the closest ones."""


@dataclass(frozen=True)
class Recorded:
    """A declared error, and what a recorded event of it shows; no facts without one."""

    name: str
    service: str
    facts: tuple[EventFact, ...]


@dataclass(frozen=True)
class PatternSection:
    """All that a page says about one crash type, one of its variants, or a fault.

    ``signs`` are what you see of it; ``advice`` is what its declaration says about alerts, each
    with the documentation page that it names.
    """

    subject: str
    title: str
    severity: str
    happens: str
    fix: str
    signs: tuple[str, ...]
    recorded: tuple[Recorded, ...]
    claims: tuple[Claim, ...]
    absences: tuple[Absence, ...]
    search: Search | None
    alert: AlertAdvice
    find: str = ""
    mitigate: str = ""
    advice: tuple[tuple[str, Reference | None], ...] = ()
    run: str = ""

    @property
    def anchor(self) -> str:
        """The anchor that a link to it ends with, if its page has several sections."""
        return self.subject.partition("=")[2] or "top"

    @property
    def is_recorded(self) -> bool:
        """Whether an event of it is shown."""
        return any(each.facts for each in self.recorded)


def _event_of(recorded: Sequence[Event | None], error: int = 0) -> Event | None:
    return recorded[error] if error < len(recorded) else None


def crash_section(crash: CrashType, recordings: Recordings) -> PatternSection:
    """Return what a page says about a crash type."""
    events = recordings.events_of(crash)
    recorded = [
        Recorded(" ← ".join(error.chain), crash.reporter(error), facts(event) if event else ())
        for error, event in zip(crash.errors, events, strict=True)
    ]
    advised = ((each.instead, each.servers) for each in crash.not_captured if each.servers)
    parameter = f', type="{crash.variant}"' if crash.variant else ""
    return PatternSection(
        subject=crash.full_id,
        title=crash.title,
        severity=crash.severity,
        happens=crash.happens,
        fix=crash.fix,
        signs=tuple(SIGHTS[sign] for sign in _signs_of_crash(crash)),
        recorded=tuple(recorded),
        claims=tuple(_read_claims(crash.captured, _event_of(events))),
        absences=tuple(
            read_absence(each, _event_of(events, each.error)) for each in crash.not_captured
        ),
        search=search_crash(crash),
        alert=alert_on_crash(crash),
        advice=tuple(advised),
        run=f'workshop.trigger("{crash.id}"{parameter})',
    )


def fault_section(fault: Fault, recordings: Recordings) -> PatternSection:
    """Return what the page of a fault says."""
    events = recordings.events_of_fault(fault)
    reporters = [
        (" ← ".join(error.chain), (error.service or fault.service).name) for error in fault.errors
    ]
    recorded = [
        Recorded(name, service, facts(event) if event else ())
        for (name, service), event in zip(
            reporters or [("its flag", fault.service.name)], events, strict=False
        )
    ]
    return PatternSection(
        subject=fault.name,
        title=fault.title,
        severity="",
        happens=fault.happens,
        fix=fault.fix,
        signs=tuple(signs_of_fault(fault)),
        recorded=tuple(recorded),
        claims=tuple(_read_claims(fault.captured, _event_of(events))),
        absences=tuple(
            read_absence(each, _event_of(events, each.error)) for each in fault.not_captured
        ),
        search=search_fault(fault),
        alert=alert_on_fault(fault),
        find=fault.find,
        mitigate=fault.mitigate,
        advice=((fault.alert, None),),
        run=f'workshop.inject("{fault.name}")',
    )


def _read_claims(captured: Sequence[Captured], event: Event | None) -> Iterator[Claim]:
    return (read_claim(each, event) for each in captured)


def _signs_of_crash(crash: CrashType) -> Iterator[str]:
    """Yield what you see of a crash type, according to its declaration."""
    if any(error.handled is False for error in crash.errors):
        yield UNHANDLED
    if any(error.handled for error in crash.errors):
        yield HANDLED
    if not crash.errors:
        yield SILENT
    if crash.status >= 400:
        yield "refused"
    if crash.deadly:
        yield "exit"
    if crash.charted:
        yield CHARTED


def _signs_of_fault(fault: Fault) -> set[str]:
    """Return what you see of a fault; for error events, whether they are handled."""
    signs: set[str] = {*fault.shows}
    if errors := fault.errors:
        signs.discard("event")
        signs |= {HANDLED if error.handled else UNHANDLED for error in errors}
    return signs


@dataclass(frozen=True)
class Pattern:
    """One page of the library: a crash type with its variants, or a fault."""

    name: str
    title: str
    service: Service
    kind: str
    sections: tuple[PatternSection, ...]

    @property
    def file(self) -> str:
        """The name of its page."""
        prefix = "fault-" if self.kind == "fault" else ""
        return f"{prefix}{self.name.replace('/', '-')}.html"

    @property
    def shared(self) -> tuple[NotCaptured, ...]:
        """What none of several variants captures: it is listed once."""
        first, *others = [
            [absence.declared for absence in section.absences] for section in self.sections
        ]
        return tuple(each for each in first if others and all(each in one for one in others))

    def render(self, address: Address) -> Markup:
        """Return its HTML, with links to the addresses that ``address`` returns."""
        return render("patterns_page.html", pattern=self, address=address)

    def __repr__(self) -> str:
        return f"<Pattern {self.name}: {self.title}>"

    def _repr_html_(self) -> Markup:
        return self.render(no_address)


def no_address(subject: str) -> str:
    """Return no address: in a notebook there are no pages to link."""
    return ""


@dataclass(frozen=True)
class Entry:
    """A line of the index: a page, and the variants that the line is about."""

    name: str
    title: str
    kind: str
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patterns(Sequence[Pattern]):
    """All pages of the library; shown in a notebook as an index."""

    recordings: Recordings = field(repr=False)
    faults: tuple[Fault, ...] = field(default=FAULTS, repr=False)

    @property
    def names(self) -> list[str]:
        """The names of all pages: ids of crash types without their variants, and of faults."""
        return [*dict.fromkeys(crash.id for crash in CRASHES), *(f.name for f in self.faults)]

    @overload
    def __getitem__(self, index: int) -> Pattern: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pattern]: ...
    def __getitem__(self, index: int | slice) -> Pattern | Sequence[Pattern]:
        if isinstance(index, slice):
            return [self.page(name) for name in self.names[index]]
        return self.page(self.names[index])

    def __len__(self) -> int:
        return len(self.names)

    def page(self, name: str) -> Pattern:
        """Return the page of a crash type or a fault; for a variant, that of its crash type.

        Raises UnknownPattern.
        """
        crashes = [each for each in CRASHES if name in (each.id, each.full_id)]
        if crashes:
            return self._page_of(crashes[0].id)
        fault = next((each for each in self.faults if each.name == name), None)
        if fault is None:
            close = difflib.get_close_matches(name, self.names) or self.names
            raise UnknownPattern(f"There is no pattern {name!r}. Try {', '.join(close)}.")
        section = fault_section(fault, self.recordings)
        return Pattern(fault.name, fault.title, fault.service, "fault", (section,))

    def _page_of(self, crash_id: str) -> Pattern:
        variants = [each for each in CRASHES if each.id == crash_id]
        sections = tuple(crash_section(each, self.recordings) for each in variants)
        first = variants[0]
        title = first.title if len(variants) == 1 else count_noun(len(variants), "variant")
        return Pattern(crash_id, title, first.service, "crash type", sections)

    def by_service(self) -> list[tuple[str, list[Entry]]]:
        """Return the pages grouped by service: the one that crashes, or that decides on a fault."""
        groups = {
            name: list(
                self._entries(
                    [crash for crash in CRASHES if crash.service.name == name],
                    [fault for fault in self.faults if fault.service.name == name],
                )
            )
            for name in SERVICES
        }
        return [(name, entries) for name, entries in groups.items() if entries]

    def by_sign(self) -> list[tuple[str, list[Entry]]]:
        """Return the pages grouped by what you see; most are in several groups."""
        groups = {
            words: list(
                self._entries(
                    [crash for crash in CRASHES if sign in _signs_of_crash(crash)],
                    [fault for fault in self.faults if sign in _signs_of_fault(fault)],
                )
            )
            for sign, words in SIGHTS.items()
        }
        return [(words, entries) for words, entries in groups.items() if entries]

    def _entries(self, crashes: Sequence[CrashType], faults: Sequence[Fault]) -> Iterator[Entry]:
        for crash_id in dict.fromkeys(crash.id for crash in crashes):
            same = [crash for crash in crashes if crash.id == crash_id]
            variants = tuple(crash.variant for crash in same if crash.variant)
            title = "" if variants else same[0].title
            yield Entry(crash_id, title, "crash type", variants)
        for fault in faults:
            yield Entry(fault.name, fault.title, "fault")

    def render(self, address: Address) -> Markup:
        """Return the HTML of the index, with links to the addresses that ``address`` returns."""
        return render("patterns_index.html", patterns=self, address=address)

    def __repr__(self) -> str:
        return f"<Patterns: {count_noun(len(self), 'page')}>"

    def _repr_html_(self) -> Markup:
        return self.render(no_address)


@dataclass(frozen=True)
class Practices(Sequence[Practice]):
    """The guide; shown in a notebook as a page. Each practice comes with its proofs."""

    recordings: Recordings = field(repr=False)
    faults: tuple[Fault, ...] = field(default=FAULTS, repr=False)

    @overload
    def __getitem__(self, index: int) -> Practice: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Practice]: ...
    def __getitem__(self, index: int | slice) -> Practice | Sequence[Practice]:
        return self._proven[index]

    def __len__(self) -> int:
        return len(self._proven)

    @property
    def _proven(self) -> list[Practice]:
        """The practices with a proof here; without faults, some have none."""
        return [practice for practice in PRACTICES if self._proofs_of(practice)]

    def _proofs_of(self, practice: Practice) -> list[Proof]:
        return [proof for proof in practice.proofs if self.faults or "/" in proof.subject]

    def proofs(self, practice: Practice) -> list[DeclaredProof]:
        """Return a practice's proofs, with values of recorded events. Raises UndeclaredProof."""
        found = self._proofs_of(practice)
        return [look_up(proof, self.faults, self.recordings) for proof in found]

    def render(self, address: Address) -> Markup:
        """Return the HTML of the guide, with links to the addresses that ``address`` returns."""
        return render("patterns_practices.html", practices=self, address=address)

    def __repr__(self) -> str:
        return f"<Practices: {len(self)}>"

    def _repr_html_(self) -> Markup:
        return self.render(no_address)
