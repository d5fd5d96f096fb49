"""What is declared of faults: none are where the catalogue is not installed."""

from importlib import import_module
from importlib.util import find_spec

from kit.crashes.crash_type import ExpectedError
from kit.reliability.faults.fault import Fault

_CATALOGUE = "kit.reliability.faults.catalogue"


def declared_faults() -> tuple[Fault, ...]:
    """Return the faults that can be injected."""
    if find_spec(_CATALOGUE) is None:
        return ()
    faults: tuple[Fault, ...] = import_module(_CATALOGUE).FAULTS
    return faults


def errors_of(fault: Fault) -> tuple[ExpectedError, ...]:
    """Return the error events that a request leaves which a fault hits, that with the flag first.

    It is empty where a fault declares none, or says only that there is one.
    """
    errors: tuple[ExpectedError, ...] = getattr(fault, "errors", ())
    return errors


def has_flag(fault: Fault) -> bool:
    """Return whether a request that a fault hits leaves an error event with its flag."""
    return "event" in fault.shows
