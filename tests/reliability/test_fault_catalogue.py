"""The declarations of faults: complete, and in step with those of the services."""

import pytest

from demo_services.faults.names import faults_of, read_flags
from kit.reliability.faults.catalogue import (
    FAULTS,
    HANGS_FAULT,
    NO_OP_FAULT,
    UnknownFault,
    find_fault,
)
from kit.reliability.faults.fault import Fault


def test_the_services_have_these_faults() -> None:
    names = {fault.name for fault in FAULTS}
    assert len(names) == len(FAULTS) == 14
    assert names | {NO_OP_FAULT.name, HANGS_FAULT.name} == set(read_flags())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_declared_completely(fault: Fault) -> None:
    assert fault.name in faults_of(fault.service.name)
    assert all([fault.happens, fault.find, fault.fix, fault.mitigate, fault.alert])
    assert ("slow" in fault.shows) == (fault.slow_s is not None)
    assert bool(fault.captured) == fault.makes_errors
    assert fault.not_captured
    assert 0 < fault.share <= 1
    assert 0 < fault.seconds <= 600


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_numbers_are_those_of_the_services(fault: Fault) -> None:
    told = read_flags()[fault.name]["metadata"]
    assert (fault.place == "wire") == ("toxic" in told)
    if fault.kept_mb:
        assert (fault.kept_mb, fault.most_mb) == (told["mb"], told["cap_mb"])


@pytest.mark.parametrize(
    ("name", "hint"), [("payment-fail", "payment-fails"), ("mongo", "mongo-"), ("x", "no-op")]
)
def test_an_unknown_name_is_answered_with_known_ones(name: str, hint: str) -> None:
    with pytest.raises(UnknownFault, match=hint) as caught:
        find_fault(name)
    assert isinstance(caught.value, LookupError)
