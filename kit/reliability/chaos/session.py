"""An experiment running in this process: its load, its leases, and what it reads."""

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from demo_services.faults.split import is_hit
from demo_services.players import START_BALANCE
from demo_services.services import ANALYTICS, PAYMENT
from kit.actionable import WorkshopError
from kit.frontend.gateway import GatewayClient
from kit.provenance.injections import INJECTIONS, KnownInjection
from kit.reliability.chaos.load import PlayedSpin, SpinLoad
from kit.reliability.chaos.steady_state import expected_change
from kit.reliability.chaos.target import ExperimentTarget
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.leases import LeaseClient
from kit.system.clients import sentry_off

# A killed service is back after a second or two.
END_TRIES, END_PAUSE_S = 4, 0.2


@dataclass
class LeasedFault:
    """A fault that an experiment has leased; times are in seconds since the epoch."""

    fault: Fault
    share: float
    seed: int
    began_at: float
    until: float
    ended_at: float | None = None

    def hits(self, spin: PlayedSpin) -> bool:
        """Whether it hits a spin, judging by time and trace."""
        end = self.until if self.ended_at is None else self.ended_at
        is_then = self.began_at <= spin.due <= end
        return is_then and is_hit(self.seed, self.fault.name, spin.trace_id, self.share)


class ExperimentSession:
    """What probes, actions and controls of one run share."""

    def __init__(self, target: ExperimentTarget, *, rate: float, seed: int) -> None:
        self.target = target
        self.gateway = GatewayClient(target.url, target.token)
        self.load = SpinLoad(target.url, rate=rate, seed=seed, run=uuid.uuid4().hex[:6])
        self.leased: list[LeasedFault] = []
        self.began_at = time.time()
        # Spins due earlier do not count: the steady state is measured from this time on.
        self.counts_from = 0.0
        # Why it was aborted.
        self.aborted = ""
        self._stored_before: int | None = None
        self._leases = LeaseClient(self.gateway)

    def start(self) -> None:
        """Start playing spins."""
        self._stored_before = self._count_stored()
        self.load.start()

    def window(self, seconds: float) -> tuple[list[PlayedSpin], float, float]:
        """Return the spins that count now, and the start and end of the last ``seconds``."""
        now = time.time()
        counted = [spin for spin in list(self.load.spins) if spin.due >= self.counts_from]
        return counted, now - seconds, now

    def inject(self, name: str, *, share: float, seconds: float, seed: int) -> LeasedFault:
        """Lease a fault. Raises UnknownFault, and WorkshopError if it is refused."""
        fault = find_fault(name)
        state = self._leases.begin(
            fault.service, name, share=share, seconds=seconds, seed=seed, flag=name
        )
        leased = LeasedFault(fault, share, seed, state.began_at, state.until)
        self.leased.append(leased)
        INJECTIONS.remember(
            KnownInjection(name, name, share, seed, state.began_at, state.until, fault.makes_errors)
        )
        return leased

    def end_fault(self, name: str) -> None:
        """End the lease of a fault; no effect if it is over. Raises WorkshopError."""
        fault = find_fault(name)
        for tries_left in reversed(range(END_TRIES)):
            try:
                self._leases.end(fault.service, name)
                break
            except WorkshopError:
                if not tries_left:
                    raise
                time.sleep(END_PAUSE_S)
        for leased in self.leased:
            if leased.fault.name == name and leased.ended_at is None:
                leased.ended_at = min(time.time(), leased.until)

    def missing_spins(self) -> int:
        """Return how many played spins are missing from the statistics.

        Other spins that are stored meanwhile hide the same number. Raises WorkshopError while the
        statistics cannot be read.
        """
        played = sum(spin.is_good for spin in list(self.load.spins))
        stored = self._count_stored()
        if stored is None or self._stored_before is None:
            raise WorkshopError("The statistics cannot be read. Run the experiment again.")
        return max(played - (stored - self._stored_before), 0)

    def unaccounted_coins(self) -> int:
        """Return by how many coins the balances differ from what bets and wins add up to.

        Only players without a spin in flight count. Raises WorkshopError while a balance cannot be
        read.
        """
        return sum(abs(self._difference(player)) for player in self.load.players)

    def close(self) -> None:
        """End all leases and the load, whatever happened before."""
        for leased in self.leased:
            if leased.ended_at is None and time.time() < leased.until:
                with suppress(WorkshopError):
                    self.end_fault(leased.fault.name)
        self.load.stop()
        self.gateway.close()

    def _difference(self, player: str) -> int:
        before = self._spins_of(player)
        if not before or any(not spin.is_over for spin in before):
            return 0
        balance = int(self._read(f"/api/v1/{PAYMENT.prefix}/balance/{player}")["balance"])
        if len(self._spins_of(player)) != len(before):
            return 0
        return balance - START_BALANCE - expected_change(before)

    def _spins_of(self, player: str) -> list[PlayedSpin]:
        return [spin for spin in list(self.load.spins) if spin.player == player]

    def _count_stored(self) -> int | None:
        with suppress(WorkshopError):
            return int(self._read(f"/api/v1/{ANALYTICS.prefix}/stats")["spins"])
        return None

    def _read(self, path: str) -> Any:
        with sentry_off():
            answer = self.gateway.request("GET", path)
        try:
            body = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise WorkshopError(f"GET {path} failed: {error}. Run the experiment again.") from error
        return body


_RUNNING: list[ExperimentSession] = []


def begin_session(target: ExperimentTarget, *, rate: float, seed: int) -> ExperimentSession:
    """Start the session of an experiment. Raises WorkshopError while another one runs."""
    if _RUNNING:
        raise WorkshopError("An experiment is already running in this process. Wait for its end.")
    session = ExperimentSession(target, rate=rate, seed=seed)
    _RUNNING.append(session)
    session.start()
    return session


def current_session() -> ExperimentSession:
    """Return the session of the running experiment. Raises WorkshopError without one."""
    if not _RUNNING:
        raise WorkshopError(
            "No experiment runs in this process, so nothing is measured. Keep the control "
            "kit.reliability.chaos.controls in the document: it plays the spins."
        )
    return _RUNNING[-1]


def end_session() -> None:
    """End the session, if there is one: its leases, then its load."""
    while _RUNNING:
        _RUNNING.pop().close()
