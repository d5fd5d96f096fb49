import gc
import sys
import threading
from types import FrameType

import pytest

from demo_services import frames, telemetry


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether garbage could be collected in the middle of each call of the real function."""
    seen: list[bool] = []
    real = frames._current_frames

    def listing() -> dict[int, FrameType]:
        seen.append(gc.isenabled())
        return real()

    monkeypatch.setattr(frames, "_current_frames", listing)
    return seen


def test_no_garbage_is_collected_while_frames_are_listed(collecting: list[bool]) -> None:
    assert threading.get_ident() in frames.current_frames()
    assert collecting == [False]
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off(collecting: list[bool]) -> None:
    gc.disable()
    try:
        frames.current_frames()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_profiler_samples_through_it_where_it_must() -> None:
    assert telemetry.sentry_options
    guarded = sys._current_frames is frames.current_frames
    assert guarded == (sys.version_info < (3, 12))
