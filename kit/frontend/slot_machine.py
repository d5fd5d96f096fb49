"""The slot machine: the frontend of the system. Every spin passes through all services."""

import re
import threading
import time
from collections import Counter, deque
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
from demo_services.trace import start_span, trace_id
from kit.frontend.hook import Hook, mark_reported
from kit.html import display_live, render

AUTOPLAY_EVERY_S = 1.0
REMEMBERED_ROUNDS = 10
_NUMBERED = re.compile(r"(.+)-(\d{1,4})")
_MAX_STEM = 27

SpinResult = dict[str, Any]
# Sends a spin of a player to the gateway; raises RuntimeError without a response.
Send = Callable[[str, int], httpx.Response]


class SpinRefused(RuntimeError):
    """The house refused the bet: the player's mistake. ``error`` is its short code."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class SpinFailed(RuntimeError):
    """A service behind the slot machine failed; ``cause`` is the same for similar failures."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


@dataclass(frozen=True)
class Round:
    """What the slot machine shows of its last spin.

    ``tone`` is idle, turning, win, loss, refused or failed. ``took_ms`` is the response time, in
    milliseconds.
    """

    words: str
    tone: str = "idle"
    reels: tuple[str, ...] = ()
    trace_id: str = ""
    took_ms: float | None = None


@dataclass(frozen=True)
class SpinFailure:
    """A spin that failed: why, at what time of day, and in which trace."""

    why: str
    at: str
    trace_id: str


@dataclass(frozen=True)
class Tally:
    """What happened so far; ``last_failure`` stays visible while the machine keeps playing."""

    balance: int | None = None
    spins: int = 0
    failures: int = 0
    last_failure: SpinFailure | None = None


class SlotMachine:
    """A slot machine that plays real spins, shown in a notebook as a widget.

    Pressed spins run in a thread, so the kernel stays free. The autoplay ends by itself after
    ``minutes``.
    """

    def __init__(self, send: Send, hook: Hook, *, player: str, bet: int, minutes: float) -> None:
        self._send = send
        self._hook = hook
        self._minutes = minutes
        self._turn = threading.Lock()
        self._is_turning = False
        self._pause = threading.Event()
        self._round = Round("Press Spin to play.")
        self._rounds: deque[str] = deque(maxlen=REMEMBERED_ROUNDS)
        self.tally = Tally()
        self.player, self.bet = _name_box(player), _bet_box(bet)
        self.button, self.next_button, self.autoplay = (
            _spin_button(),
            _next_button(),
            _autoplay_toggle(minutes),
        )
        self._face = ipywidgets.HTML()
        self.cabinet = self._build_cabinet()
        self.player.observe(lambda _: self._greet(), "value")
        self.button.on_click(lambda _: self._press())
        self.next_button.on_click(lambda _: self._seat_next())
        self.autoplay.observe(lambda change: self._switch(change["new"]), "value")
        self._greet()

    def spin(self) -> SpinResult:
        """Play one spin, show it, and return its result.

        Raises SpinRefused if the house does not take the bet, and SpinFailed, reported to Sentry,
        if a service behind the machine failed.
        """
        with self._turn, self._hook.reporting():
            self._is_turning = True
            try:
                return self._turn_reels()
            finally:
                self._is_turning = False

    def stop(self) -> None:
        """End the autoplay."""
        self.autoplay.value = False

    def _ipython_display_(self) -> None:
        display_live(self.cabinet)

    def _build_cabinet(self) -> ipywidgets.VBox:
        play = ipywidgets.Box([self.button, self.autoplay])
        who = ipywidgets.Box([self.player, self.bet, self.next_button])
        cabinet = ipywidgets.VBox([self._face, play, who])
        for part, name in ((cabinet, "cw-slots"), (play, "cw-slots-play"), (who, "cw-slots-who")):
            part.add_class(name)
        return cabinet

    def _turn_reels(self) -> SpinResult:
        self._show(Round("The reels are turning …", "turning"))
        with start_span(op="ui.action.click", name="spin the slot machine"):
            return self._play(self.player.value, self.bet.value)

    def _play(self, player: str, bet: int) -> SpinResult:
        began = time.monotonic()
        try:
            self._describe(player, bet)
            result = _read_result(self._ask(player, bet))
        except SpinRefused as refused:
            self._note(Round(_refusal(player, refused), "refused"), began)
            raise
        except SpinFailed as failed:
            _report(failed)
            self._count(failed)
            self._note(Round("The spin failed.", "failed"), began)
            raise
        tone = "win" if result["win"] else "loss"
        self.tally = replace(self.tally, balance=result["balance"])
        self._note(Round(describe_spin(result), tone, tuple(result["reels"])), began)
        return result

    def _ask(self, player: str, bet: int) -> httpx.Response:
        try:
            answer = self._send(player, bet)
        except RuntimeError as error:
            raise SpinFailed("no-answer", str(error)) from error
        _set_answer_context(answer)
        return answer

    def _describe(self, player: str, bet: int) -> None:
        """Set what an event of this spin should say."""
        self._hook.describe()
        for words in self._rounds:
            sentry_sdk.add_breadcrumb(category="round", message=f"earlier: {words}")
        _set_spin_context(player, bet)
        sentry_sdk.set_tag("autoplay", self.autoplay.value)
        sentry_sdk.set_context(
            "slot_machine",
            {
                "spins": self.tally.spins,
                "failures": self.tally.failures,
                "balance": self.tally.balance,
                "autoplay": self.autoplay.value,
                "autoplay_minutes": self._minutes,
            },
        )

    def _count(self, failed: SpinFailed) -> None:
        failure = SpinFailure(str(failed), time.strftime("%H:%M:%S"), trace_id() or "")
        failures = self.tally.failures + 1
        self.tally = replace(self.tally, failures=failures, last_failure=failure)

    def _note(self, ended: Round, began: float) -> None:
        took_ms = (time.monotonic() - began) * 1000
        ended = replace(ended, took_ms=took_ms, trace_id=trace_id() or "")
        self.tally = replace(self.tally, spins=self.tally.spins + 1)
        self._rounds.append(ended.words)
        # The player may press as soon as the result shows; that spin waits for the end of this one.
        self._is_turning = False
        self._show(ended)

    def _show(self, shown: Round) -> None:
        self._round = shown
        self._face.value = render("slots.html", round=shown, tally=self.tally)

    def _greet(self) -> None:
        """Seat a player; the house knows the balance, and returns it with the first spin."""
        self.tally = replace(self.tally, balance=None)
        self._show(Round("Press Spin to play."))

    def _seat_next(self) -> None:
        self.player.value = next_name(self.player.value)

    def _press(self) -> None:
        # Not disabled during a spin: the button would lose the keyboard focus.
        if not self._is_turning:
            _in_background(self._try)

    def _try(self) -> str | None:
        """Play one spin; return why the house refused it, if it did."""
        # The failure is shown and reported; the next spin may work.
        with self._hook.handler(), suppress(SpinFailed):
            try:
                self.spin()
            except SpinRefused as refused:
                return refused.error
        return None

    def _switch(self, is_on: bool) -> None:
        self._pause.set()
        if is_on:
            self._pause = threading.Event()
            _in_background(self._play_on, self._pause)

    def _play_on(self, pause: threading.Event) -> None:
        """Play a spin a second until paused, out of time, or refused for good."""
        end = time.monotonic() + self._minutes * 60
        while time.monotonic() < end:
            refused = self._try()
            if pause.wait(AUTOPLAY_EVERY_S):
                return
            if refused == TOO_LOW:
                self._seat_next()
            elif refused:
                self.stop()
                return
        self.stop()
        self._show(replace(self._round, words=f"Autoplay ended after {self._minutes:g} minutes."))


def careless_spin(hook: Hook, send: Send, player: str, bet: int) -> httpx.Response:
    """Play a spin like a handler that checks no status, and return the response.

    ``hook`` catches what the handler raises, as ipywidgets would.
    """
    hook.describe()
    _set_spin_context(player, bet)
    answer = send(player, bet)
    with hook.handler():
        _set_answer_context(answer)
        announce(answer.json())
    return answer


def announce(result: SpinResult) -> str:
    """Return what the reels show."""
    return " | ".join(result["reels"])


def describe_spin(result: SpinResult) -> str:
    """Return the result of a spin in words."""
    bet, win = result["bet"], result["win"]
    if not win:
        return f"No two alike: the bet of {bet} is lost."
    reels: list[str] = result["reels"]
    symbol, alike = Counter(reels).most_common(1)[0]
    what = f"{'Three' if alike == 3 else 'Two'} {_plural(symbol)}"
    if win == bet:
        return f"{what} return the bet of {bet}."
    return f"{what} pay {win // bet} times the bet: {win} won!"


def next_name(name: str) -> str:
    """Return the name of the next player: after ``ada`` comes ``ada-2``, then ``ada-3``."""
    numbered = _NUMBERED.fullmatch(name)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (name, 1)
    return f"{stem[:_MAX_STEM]}-{number + 1}"


def _plural(symbol: str) -> str:
    return f"{symbol.removesuffix('y')}ies" if symbol.endswith("y") else f"{symbol}s"


def _read_result(answer: httpx.Response) -> SpinResult:
    """Return the result in an answer. Raises SpinRefused and SpinFailed."""
    try:
        body: SpinResult = answer.json()
    except ValueError:
        body = {}
    if answer.is_success and "reels" in body:
        return body
    error = str(body.get("error", f"http-{answer.status_code}"))
    detail = str(body.get("detail", "The response is not the result of a spin."))
    if answer.is_client_error:
        raise SpinRefused(error, detail)
    raise SpinFailed(error, f"HTTP {answer.status_code} {answer.reason_phrase}. {detail}")


def _refusal(player: str, refused: SpinRefused) -> str:
    if refused.error == TOO_LOW:
        return f"{player} is out of money. {refused} Lower the bet, or press New player."
    return f"The house refused. {refused}"


def _report(failed: SpinFailed) -> None:
    """Send the failure: the machine keeps playing, so the error counts as handled."""
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["frontend", "spin-failed", failed.cause]
        sentry_sdk.set_tag("spin.failed", failed.cause)
        sentry_sdk.capture_exception(failed)
    # Otherwise the hook reports it again when it leaves a cell.
    mark_reported(failed)


def _set_spin_context(player: str, bet: int) -> None:
    sentry_sdk.set_user({"id": Player(player).id, "username": player})
    sentry_sdk.set_tag("bet.size", "high" if bet > TABLE_LIMIT // 2 else "small")
    sentry_sdk.set_context("spin", {"player": player, "bet": bet, "table_limit": TABLE_LIMIT})
    sentry_sdk.add_breadcrumb(category="player", message=f"{player} bets {bet}")


def _set_answer_context(answer: httpx.Response) -> None:
    sentry_sdk.set_tag("upstream.status", answer.status_code)
    sentry_sdk.set_context(
        "upstream",
        {
            "status": answer.status_code,
            "reason": answer.reason_phrase,
            "path": answer.request.url.path,
            "answered_after_ms": round(answer.elapsed.total_seconds() * 1000, 1),
            "body": answer.text[:500],
        },
    )


def _in_background(action: Callable[..., object], *given: object) -> None:
    threading.Thread(target=action, args=given, name="slot-machine", daemon=True).start()


def _name_box(player: str) -> ipywidgets.Text:
    style = {"description_width": "initial"}
    layout = ipywidgets.Layout(width="170px")
    return ipywidgets.Text(
        player, description="Player", style=style, layout=layout, continuous_update=False
    )


def _bet_box(bet: int) -> ipywidgets.BoundedIntText:
    return ipywidgets.BoundedIntText(
        bet,
        min=1,
        max=TABLE_LIMIT,
        description=f"Bet (1 to {TABLE_LIMIT})",
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="150px"),
    )


def _spin_button() -> ipywidgets.Button:
    button = ipywidgets.Button(description="Spin", icon="refresh", button_style="primary")
    button.add_class("cw-slots-spin")
    return button


def _next_button() -> ipywidgets.Button:
    return ipywidgets.Button(
        description="New player",
        tooltip="Someone else sits down, with a full purse",
        layout=ipywidgets.Layout(width="110px"),
    )


def _autoplay_toggle(minutes: float) -> ipywidgets.ToggleButton:
    return ipywidgets.ToggleButton(
        False,
        description="Autoplay",
        icon="play",
        tooltip=f"One spin a second, for at most {minutes:g} minutes",
    )
