import gc
import sys
import threading

import pytest
from sentry_sdk.profiler import continuous_profiler

from demo_services import frames, telemetry


def test_no_garbage_is_collected_inside() -> None:
    assert frames.uncollected(gc.isenabled)() is False
    assert gc.isenabled()


def test_the_collector_is_on_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        frames.uncollected(lambda: 1 // 0)()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        frames.uncollected(int)()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_profiler_reads_stacks_through_it_where_it_must() -> None:
    assert telemetry.sentry_options
    guarded = [
        hasattr(function, "__wrapped__")
        for function in (sys._current_frames, continuous_profiler.extract_stack)
    ]
    assert guarded == [sys.version_info < (3, 12)] * 2
    assert threading.get_ident() in sys._current_frames()
