"""A game day: one seed, traffic, hidden faults, alerts, repair on or off, and a clock."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, Self

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.reliability.faults.incident import Incident
from kit.reliability.game_day.board import say_standing
from kit.reliability.game_day.comparison import GameComparison, compare_game_days
from kit.reliability.game_day.environment import (
    GameEnvironment,
    GameMark,
    MarkLane,
    RepairAsk,
    RepairNote,
)
from kit.reliability.game_day.face import GameFace
from kit.reliability.game_day.measure import GameMeasure
from kit.reliability.game_day.picture import GameState, draw_game_day, read_traffic
from kit.reliability.game_day.result import GameResult, RepairMode
from kit.reliability.game_day.script import GameDayError, GameScript
from kit.reliability.slo.budget import ErrorBudget
from kit.threads import report_thread_failure

TICK_S = 0.5
BY_HAND = MarkLane("Done by hand")
BY_RESPONDER = MarkLane("Done by the responder")
GamePhase = Literal["not started", "running", "over", "stopped"]


class GameDay:
    """Traffic, unannounced faults, alerts, and repair by hand or by the responder.

    ``start()`` starts the clock; the day ends by itself. Meanwhile ``approve``, ``deny``, ``kill``
    and ``turn_off`` do what the buttons do. ``result`` shows how it went, once it is over. Shown in
    a notebook as one screen, which ends as a still picture.

    ``remember`` is called with the result, and returns why it could not be saved, if so. With
    ``ticks=False`` nothing happens by itself: call ``advance()``.
    """

    def __init__(
        self,
        script: GameScript,
        environment: GameEnvironment,
        repair: RepairMode,
        *,
        remember: Callable[[GameResult], str] = lambda result: "",
        earlier: Callable[[], Sequence[GameResult]] = lambda: (),
        now: Callable[[], float] = time.time,
        ticks: bool = True,
    ) -> None:
        self._script, self._environment, self.repair = script, environment, repair
        self._remember, self._earlier, self._now, self._ticks = remember, earlier, now, ticks
        self._turn, self._showing = threading.RLock(), threading.Lock()
        self._began: float | None = None
        self._ended_at: float | None = None
        self._by_hand: list[GameMark] = []
        self._final: tuple[GameMark, ...] | None = None
        self._incidents: Sequence[Incident] = ()
        self._result: GameResult | None = None
        self._face: GameFace | None = None
        self.phase: GamePhase = "not started"
        self.is_killed = False
        self.remark = self._standing = ""
        self.ended = threading.Event()

    # What it is, and its state

    @property
    def seed(self) -> int:
        """The seed that the day was drawn from: the same for each member of a class."""
        return self._script.seed

    @property
    def minutes(self) -> float:
        """The length of the day."""
        return self._script.seconds / 60

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, until the end."""
        if self._began is None:
            return 0.0
        return self._end_or_now() - self._began

    @property
    def budget(self) -> ErrorBudget:
        """The current error budget, or the one at the end."""
        return self._environment.budget(self._end_or_now())

    @property
    def alerts(self) -> tuple[GameMark, ...]:
        """Which alert rules fired, and when."""
        if self._final is not None:
            return self._final
        began, marks = self._began, self._environment.alerts.marks()
        return tuple(mark for mark in marks if began is not None and mark.at >= began)

    @property
    def journal(self) -> tuple[RepairNote, ...]:
        """What the responder did and did not do, earliest first."""
        return tuple(self._environment.desk.notes())

    @property
    def asks(self) -> tuple[RepairAsk, ...]:
        """The repairs that wait for your answer."""
        return tuple(self._environment.desk.asks()) if self.phase == "running" else ()

    # Actions

    def start(self) -> Self:
        """Start the traffic and the clock; no effect once it has started."""
        with self._turn:
            if self.phase != "not started":
                return self
            environment = self._environment
            environment.alerts.start()
            environment.desk.start()
            environment.forecast.start()
            environment.traffic.start()
            self._began, self.phase = self._now(), "running"
            environment.incidents.start()
        if self._ticks:
            threading.Thread(target=self._tick, name="game-day", daemon=True).start()
        self.show()
        return self

    def stop(self) -> None:
        """End it without a result: flags off, traffic stopped. It cannot be started again."""
        with self._turn:
            if self.phase == "not started":
                self.phase = "stopped"
                self._end_all()
                self.ended.set()
        self._finish(keeps=False)

    def wait(self) -> Self:
        """Start it if needed, and wait until it is over; an interrupt ends it."""
        self.start()
        try:
            while not self.ended.wait(TICK_S):
                pass
        except BaseException:
            self.stop()
            raise
        return self

    def turn_off(self, flag: str) -> bool:
        """Turn off a flag by its name on the events; return whether it was on.

        It counts as an action, and as a wrong one if it ended no incident.
        """
        self._require_running()
        was_on = self._environment.incidents.turn_off(flag)
        self._by_hand.append(GameMark(self._now(), BY_HAND, flag))
        self.show()
        return was_on

    def approve(self, ask: str) -> None:
        """Let the responder do the repair it asked for, by the id of one of ``asks``."""
        self._answer(self._environment.desk.approve, ask)

    def deny(self, ask: str) -> None:
        """Forbid the responder the repair it asked for."""
        self._answer(self._environment.desk.deny, ask)

    def kill(self) -> None:
        """Use the kill switch: the responder takes no further action."""
        self._require_running()
        self._environment.desk.kill()
        self.is_killed = True
        self.show()

    def advance(self) -> None:
        """End the day when its time is up, and show its state."""
        if self.phase == "running" and self.elapsed_s >= self._script.seconds:
            self._finish(keeps=True)
        else:
            self.show()

    # The result

    @property
    def result(self) -> GameResult:
        """What was measured. Raises GameDayError before the end, and for a stopped day."""
        if self._result is None:
            raise GameDayError(
                f"This game day is {self.phase}: it has a result once it has run to its end. "
                "game_day.wait() waits for that."
            )
        return self._result

    def against(self, other: "GameDay | GameResult") -> GameComparison:
        """Return this day compared with another run of the same seed, usually one without repair.

        Raises GameDayError if either has no result, or if their incidents were not the same.
        """
        return compare_game_days(other.result if isinstance(other, GameDay) else other, self.result)

    def truth_for_judges(self) -> GameScript:
        """Return what the seed drew: the answers. For tests and judges."""
        return self._script

    def _measure(self, measured: GameMeasure, ended_at: float) -> GameResult:
        pages = measured.judge_pages(self.alerts, ended_at)
        budget, total = self._environment.budget(ended_at), measured.total(ended_at)
        done = self._actions()
        return GameResult(
            seed=self.seed,
            minutes=round(self.minutes, 3),
            rate=self._script.traffic.rate,
            repair=self.repair,
            at=datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="seconds"),
            requests=total.valid,
            failed=total.bad,
            budget_spent=round(total.bad / budget.total, 3) if budget.total else 0.0,
            pages=pages.pages,
            actions=len(done),
            wrong_actions=sum(not measured.is_right(mark.at) for mark in done),
            incidents=measured.measure(pages),
        )

    def _actions(self) -> list[GameMark]:
        by_responder = [
            GameMark(note.at, BY_RESPONDER, note.text) for note in self.journal if note.is_action
        ]
        return sorted([*self._by_hand, *by_responder], key=lambda mark: mark.at)

    # On screen

    def show(self) -> None:
        """Update the screen, if it is shown; may be called from any thread."""
        if self._face is None:
            return
        with self._showing:  # otherwise an older state could replace a newer one
            ask = next(iter(self.asks), None)
            has_switch = self.repair != "off" and not self.is_killed
            self._face.show(draw_game_day(self._state()), self.phase, ask, has_switch)

    def _ipython_display_(self) -> None:
        if self._face is None:
            self._face = GameFace(self)
            self.show()
        self._face.display()

    def _repr_html_(self) -> Markup:
        return draw_game_day(self._state())

    def __repr__(self) -> str:
        if self._result is not None:
            return str(self._result)
        return f"<GameDay {self.seed}, {self.phase}: {self._state().sentence}>"

    def _state(self) -> GameState:
        environment, is_running = self._environment, self.phase == "running"
        outcomes = environment.traffic.outcomes
        return GameState(
            seed=self.seed,
            phase=self.phase,
            repair=self.repair,
            is_killed=self.is_killed,
            began_at=self._began,
            elapsed_s=self.elapsed_s,
            length_s=self._script.seconds,
            traffic=read_traffic(outcomes, self._began, self._end_or_now()),
            budget=self.budget,
            alerts=self.alerts,
            actions=self._actions(),
            journal=self.journal,
            asks=self.asks,
            incidents=self._incidents,
            result=self._result,
            forecast=environment.forecast.sentence if is_running else "",
            standing=self._standing,
            remark=self.remark,
        )

    # Inside

    def _end_or_now(self) -> float:
        return self._now() if self._ended_at is None else self._ended_at

    def _require_running(self) -> None:
        if self.phase != "running":
            raise GameDayError(f"This game day is {self.phase}. game_day.start() starts another.")

    def _answer(self, answer: Callable[[str], object], ask: str) -> None:
        self._require_running()
        if ask not in {each.id for each in self.asks}:
            raise GameDayError(
                f"Nothing with the id {ask!r} waits for an answer any more. See game_day.asks for "
                "what does."
            )
        answer(ask)
        self.show()

    def _tick(self) -> None:
        while not self.ended.wait(TICK_S):
            try:
                self.advance()
            except Exception:
                report_thread_failure()
                self._finish(keeps=False)

    def _finish(self, *, keeps: bool) -> None:
        with self._turn:
            if self.phase != "running":
                return
            self._ended_at = self._now()
            self._end_all()
            if keeps:
                self._keep(self._ended_at)
            self.phase = "over" if keeps else "stopped"
            self.ended.set()
        self.show()

    def _end_all(self) -> None:
        """End repair first: its actions after the end would not count."""
        environment = self._environment
        environment.desk.stop()
        environment.forecast.stop()
        with suppress(WorkshopError):  # each lease also ends by itself
            environment.incidents.stop()
        environment.traffic.stop()
        environment.alerts.stop()
        self._final = self.alerts

    def _keep(self, ended_at: float) -> None:
        assert self._began is not None
        outcomes = self._environment.traffic.outcomes
        measured = GameMeasure(self._environment.incidents.reveal(), outcomes, self._began)
        result = self._measure(measured, ended_at)
        self._standing = say_standing(result, self._earlier())
        self.remark = self._remember(result)
        self._incidents, self._result = measured.incidents, result
