"""The slot machine: the frontend of the system, whose every spin passes through all services."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx
import ipywidgets
import sentry_sdk

from demo_services.game_engine.cashier import TOO_LOW
from demo_services.game_engine.reels import TABLE_LIMIT
from demo_services.players import Player
from demo_services.trace import trace_id
from kit.frontend import Hook, mark_reported
from kit.html import render

AUTOPLAY_EVERY_S = 1.0
AUTOPLAY_MINUTES = 10.0
REMEMBERED_ROUNDS = 10
MAX_NAME = 32

Result = dict[str, Any]
# Asks the gateway for a spin of a player; RuntimeError when there is no answer.
Send = Callable[[str, int], httpx.Response]


class SpinRefused(RuntimeError):
    """The house did not take the bet: the player's mistake. ``error`` is its short code."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class SpinFailed(RuntimeError):
    """A service behind the slot machine failed. ``cause`` groups failures of the same kind."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


@dataclass(frozen=True)
class Round:
    """What the slot machine shows: the last spin, in words and pictures.

    ``tone`` is idle, turning, win, loss, refused or failed. ``took_ms`` is how long the answer
    took, in milliseconds.
    """

    words: str
    tone: str = "idle"
    reels: tuple[str, ...] = ()
    trace_id: str = ""
    took_ms: float | None = None


@dataclass(frozen=True)
class Tally:
    """What happened so far; ``last_failure`` stays to be read while the machine plays on."""

    balance: int | None = None
    spins: int = 0
    failures: int = 0
    last_failure: Round | None = None
    failed_at: str = ""


class SlotMachine:
    """A slot machine with a button and an autoplay, for players of the running system.

    Shown in a notebook as a widget. Spins are played in threads, so the kernel stays free.
    """

    def __init__(
        self, send: Send, hook: Hook, *, player: str = "ada", bet: int = 10, minutes: float
    ) -> None:
        self._send = send
        self._hook = hook
        self._minutes = minutes
        self._turn = threading.Lock()
        self._pause = threading.Event()
        self._tally = Tally()
        self._rounds: deque[str] = deque(maxlen=REMEMBERED_ROUNDS)
        self.player = _name_box(player)
        self.bet = _bet_box(bet)
        self.button = _button()
        self.autoplay = _toggle(minutes)
        self.new_player = _small_button()
        self._face = ipywidgets.HTML()
        self.button.on_click(lambda _: self._in_background(self._spin_once))
        self.new_player.on_click(lambda _: self._seat_next())
        self.autoplay.observe(lambda change: self._switch(bool(change["new"])), "value")
        self._show(Round("Press Spin to play."))

    def spin(self) -> Result:
        """Play one spin, show it, and return its result.

        Raises SpinRefused when the house does not take the bet, SpinFailed when a service behind
        the machine failed; the latter is reported to Sentry.
        """
        with self._turn:
            return self._play(self.player.value, self.bet.value)

    def stop(self) -> None:
        """End the autoplay."""
        self.autoplay.value = False

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._box())
