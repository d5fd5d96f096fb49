"""The steady state in numbers, on spins that are made up."""

import pytest

from kit.actionable import WorkshopError
from kit.reliability.chaos import probes
from kit.reliability.chaos.load import PlayedSpin
from kit.reliability.chaos.steady_state import (
    expected_change,
    median_wait_s,
    p95_wait_s,
    success_percent,
)


def spin(due: float, took_s: float | None = 0.1, status: int | None = 200) -> PlayedSpin:
    return PlayedSpin(due, "t", "p", 3, took_s, status, win=2)


def test_success_counts_what_ended_in_the_window() -> None:
    spins = [spin(n) for n in range(10)] + [spin(3, 6.0, 503), spin(9, None)]
    assert success_percent(spins, 5, 10) == pytest.approx(100 * 5 / 6, abs=0.1)
    # The refused one was due before the window, and ended in it.
    assert success_percent(spins, 0, 5) == 100.0


def test_of_few_answers_nothing_is_said() -> None:
    assert success_percent([spin(1)] * 4, 0, 9) is None
    assert p95_wait_s([spin(1)] * 4, 0, 9) is None


def test_a_late_answer_is_a_success() -> None:
    assert success_percent([spin(1, 5.0)] * 5, 0, 9) == 100.0


def test_who_still_waits_counts_with_the_time_so_far() -> None:
    spins = [spin(1)] * 10 + [spin(4, None)] * 2
    assert p95_wait_s(spins, 0, 9) == 5
    assert median_wait_s(spins, 0, 9) == 0.1


def test_the_p95_is_the_rank_of_95_percent() -> None:
    spins = [spin(0, float(n)) for n in range(1, 21)]
    assert p95_wait_s(spins, 0, 30) == 19
    assert median_wait_s(spins, 0, 30) == 10


def test_only_played_spins_move_money() -> None:
    assert expected_change([spin(1), spin(2, 1.0, 503), spin(3, None, None)]) == 2 - 3


class SilentSession:
    """The spins of a session in which none ended for the last two seconds."""

    def __init__(self, ended: int) -> None:
        self._spins = [spin(5 + n / 10) for n in range(ended)]

    def window(self, seconds: float) -> tuple[list[PlayedSpin], float, float]:
        """Return the spins and the window, as a session does."""
        return self._spins, 9 - seconds, 9


def test_a_silent_moment_is_measured_by_looking_back_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "PATIENCE_S", 0.0)
    monkeypatch.setattr(probes, "current_session", lambda: SilentSession(ended=5))
    assert probes.success_rate(3) == 100.0
    monkeypatch.setattr(probes, "current_session", lambda: SilentSession(ended=4))
    with pytest.raises(WorkshopError, match="Too few spins"):
        probes.success_rate(3)
