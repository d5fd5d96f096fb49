"""Who moves the money of a spin: the payment service, or the house for free play."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Protocol

import httpx
import sentry_sdk
from sentry_sdk import logger
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from demo_services.connections import ONE_REQUEST
from demo_services.game_engine.breakers import Breakers, CircuitOpen
from demo_services.players import Player
from demo_services.refused import Refused
from demo_services.services import PAYMENT

# The payment service may be restarting, as after each crash of its process.
RETRY_S = 3.0
# Its event loop may be blocked for as long as its debug routes allow.
DEADLINE_S = 6.0
TOO_LOW = "balance-too-low"


class Cashier(Protocol):
    """Takes bets and pays wins; both return the remaining balance."""

    async def charge(self, player: Player, amount: int, spin_id: str) -> int:
        """Take a bet. Raises ``Refused``: 409 when the balance is too low, 503 without payment."""

    async def pay(self, player: Player, amount: int, spin_id: str) -> int:
        """Pay a win. Raises ``Refused`` (503) without payment."""


class House:
    """Keeps the balances itself, in memory."""

    async def charge(self, player: Player, amount: int, spin_id: str) -> int:
        """Take a bet. Raises ``Refused`` (409) when the balance is too low."""
        if amount > player.balance:
            raise too_low(player, f"The bet is {amount}, the balance {player.balance}.")
        return player.balance - amount

    async def pay(self, player: Player, amount: int, spin_id: str) -> int:
        """Pay a win."""
        return player.balance + amount


class PaymentService:
    """The payment service, at its address in ``upstreams``.

    A call without an answer is repeated for 3 seconds with the same idempotency key, so that no bet
    is charged twice. An open breaker stops bets but not wins, which are already owed.
    """

    def __init__(self, upstreams: Mapping[str, str], breakers: Breakers) -> None:
        self._breakers = breakers
        # Not its address: after a crash it may restart on another port.
        self._upstreams = upstreams
        self._http = httpx.AsyncClient(timeout=DEADLINE_S, limits=ONE_REQUEST, trust_env=False)

    async def charge(self, player: Player, amount: int, spin_id: str) -> int:
        """Take a bet. Raises ``Refused``: 409 when the balance is too low, 503 without payment."""
        try:
            async with self._breakers.around(PAYMENT.name):
                return await self._move("charge", player, amount, spin_id)
        except CircuitOpen as error:
            raise paused(error) from None

    async def pay(self, player: Player, amount: int, spin_id: str) -> int:
        """Pay a win. Raises ``Refused`` (503) without payment."""
        return await self._move("payout", player, amount, spin_id)

    async def _move(self, kind: str, player: Player, amount: int, spin_id: str) -> int:
        body = {"player": player.name, "amount": amount, "spin_id": spin_id}
        headers = {"Idempotency-Key": f"{spin_id}-{kind}"}
        try:
            async for attempt in retrying():
                with attempt:
                    answer = await self._http.post(
                        f"{self._upstreams[PAYMENT.name]}/api/v1/{kind}",
                        json=body,
                        headers=headers,
                    )
            if answer.status_code == HTTPStatus.PAYMENT_REQUIRED:
                raise too_low(player, answer.json()["detail"])
            answer.raise_for_status()
            balance: int = answer.json()["balance"]
        except httpx.HTTPError as error:
            raise unpaid(kind, error) from error
        return balance


def retrying() -> AsyncRetrying:
    """Return how to retry a call without an answer."""
    return AsyncRetrying(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_delay(RETRY_S),
        wait=wait_exponential(multiplier=0.05, max=0.4),
        before_sleep=note_retry,
        reraise=True,
    )


def note_retry(state: RetryCallState) -> None:
    """Add the missing answer to the events of this spin, and log and count it."""
    sentry_sdk.add_breadcrumb(
        category="payment", message=f"no answer, attempt {state.attempt_number}"
    )
    logger.warning("payment did not answer, attempt {attempt}", attempt=state.attempt_number)
    sentry_sdk.metrics.count("game.payment_retries", 1)


def too_low(player: Player, detail: str) -> Refused:
    """Count a bet that the player cannot pay, which is routine; return the refusal."""
    sentry_sdk.metrics.count("game.bets_refused", 1, attributes={"player.tier": player.tier})
    return Refused(409, TOO_LOW, detail)


def paused(error: CircuitOpen) -> Refused:
    """Return the immediate refusal while the breaker is open: the bet was not charged."""
    sentry_sdk.metrics.count("game.calls_not_made", 1, attributes={"service": error.upstream})
    detail = f"{error} Payment is not called, and the bet is not charged."
    return Refused(503, "payment-paused", detail, {"Retry-After": str(ceil(error.again_s) or 1)})


def unpaid(kind: str, error: httpx.HTTPError) -> Refused:
    """Tell Sentry that money could not be moved; return the refusal."""
    with sentry_sdk.new_scope() as scope:
        scope.set_level("error")
        scope.fingerprint = ["game-engine", "payment-failed", kind]
        sentry_sdk.capture_exception(error)
    logger.error("{kind} failed: {reason}", kind=kind, reason=repr(error))
    detail = f"The payment service did not do the {kind}: {error or type(error).__name__}."
    return Refused(503, "payment-failed", detail, {"Retry-After": "1"})
