"""The debug panel: every crash type as a button, the state of the system, what was captured."""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython

from demo_services.services import FRONTEND, SERVICES, Service
from kit.crashes.catalogue import UnknownCrashType
from kit.crashes.crash_type import CrashType
from kit.html import display_live, render
from kit.ingest.store import Store, StoredItem, StoreError, Subscription
from kit.outcome import Outcome
from kit.reading.payload import trace_id
from kit.system.part import Part
from kit.threads import report_thread_failure
from kit.views.card import event_card
from kit.widgets.controls import make_button, set_classes
from kit.widgets.crash_widget import TriggerFunction
from kit.widgets.feed import MAX_ENTRIES, Feed
from kit.widgets.panel_row import PanelRow, Section, html_widget, is_as_declared, make_box
from kit.widgets.press import THREAD

LOOK_EVERY_S = 0.5
# It checks as often whether to end; on a busy machine that takes longer.
END_S = 10.0
# In a flood of events the browser gets only as many as it can draw.
REST_S = 0.1
MOST_AT_ONCE = 1000
SHOWN_FAILURES = 3
REMEMBERED_TRACES = 500
WATCHER = "workshop-panel"  # the name of its thread

# The notebook itself, which is a service, too.
NOTEBOOK = Part(FRONTEND.name, "up", remark="this notebook")

# The panel that each cell shows, by the cell's id.
_in_cells: dict[str, "Panel"] = {}


@dataclass(frozen=True)
class PressFailure:
    """A press that raised an exception instead of returning an outcome."""

    full_id: str
    kind: str
    words: str
    lines: str


class Panel:
    """A button for each of ``crashes``, shown in a notebook as a widget.

    Each press runs in a thread, so the kernel stays free and several can run at once. A press
    while a cell runs waits until that ends: Jupyter sends a kernel both through one queue.
    ``parts`` returns the current parts of the system, ``unavailable`` why a crash type cannot be
    triggered here. The feed follows the folder: it also shows what other processes store there,
    for example the kernel of another notebook.
    """

    def __init__(
        self,
        crashes: Sequence[CrashType],
        trigger: TriggerFunction,
        store: Store,
        parts: Callable[[], Sequence[Part]],
        unavailable: Callable[[CrashType], str | None] = lambda crash: None,
    ) -> None:
        self._store = store
        self._read_parts = parts
        self._shown_parts: list[Part] = []
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._failures: deque[PressFailure] = deque(maxlen=SHOWN_FAILURES)
        self._traces: dict[str, CrashType] = {}
        self._noting = threading.Lock()
        self._ended = ""
        self._round: Future[list[Outcome]] | None = None
        self._halt = threading.Event()
        self._rows = {
            crash.full_id: PanelRow(
                crash, trigger, unavailable(crash), self._keep_trace, self._tell
            )
            for crash in crashes
        }
        self._sections = [
            Section(service, rows) for service in SERVICES.values() if (rows := self._of(service))
        ]
        self._feed = Feed(self._open)
        self._build()

    def click(self, full_id: str) -> Outcome:
        """Press a button, wait for all that follows, and return the outcome.

        ``full_id`` is that of a crash type, ``service/name`` or ``service/name?type=variant``. If
        a press is already running, waits for that. Raises UnknownCrashType if there is no such
        button, and what went wrong: an error only in a callback would go unnoticed.
        """
        if full_id not in self._rows:
            raise UnknownCrashType(f"The panel has no button {full_id!r}.")
        return self._rows[full_id].start().result()

    def fire_all(self) -> Future[list[Outcome]]:
        """Press all buttons that the filter shows, one after the other, in the background.

        Returns a future of the outcomes, or of an ExceptionGroup of what presses raised. Calling it
        again meanwhile stops after the current press.
        """
        with self._noting:
            if self._round is not None and not self._round.done():
                self._halt.set()
                return self._round
            self._round, self._halt = Future(), threading.Event()
        _in_background(THREAD, self._fire, self._round, self._halt, self._fireable())
        return self._round

    def close(self) -> None:
        """End the panel's threads and take it off the screen. Closing again does nothing."""
        self._end()
        for widget in _tree(self.box):
            for model in (widget, widget.layout, getattr(widget, "style", None)):
                if model is not None:
                    model.close()

    def _ipython_display_(self) -> None:
        self._watch()
        display_live(self.box)
        cell = _cell_id()
        before = _in_cells.get(cell) if cell else None
        if cell:
            _in_cells[cell] = self
        if before is not None and before not in _in_cells.values():
            # Its cell was run again: it is no longer on the page.
            before.close()

    # How it is built

    def _of(self, service: Service) -> list[PanelRow]:
        return [row for row in self._rows.values() if row.crash.service == service]

    def _build(self) -> None:
        self._parts, self._notice, self._progress, self._matches, self._card = (
            set_classes(ipywidgets.HTML(), f"cw-p-{name}")
            for name in ("parts", "notice", "progress", "matches", "card")
        )
        self._filter = ipywidgets.Text(
            description="Filter", placeholder="id, title or severity", continuous_update=True
        )
        self._filter.observe(lambda _: self._apply_filter(), "value")
        self._fire_button = make_button(action=self.fire_all, classes="cw-p-fire")
        self._shut = make_button(
            "Close the card", self._shut_card, classes="cw-p-shut", icon="times"
        )
        self._detail = make_box("cw-p-detail cw-p-hidden", self._shut, self._card)
        bar = make_box("cw-p-bar", self._filter, self._matches, self._progress, self._fire_button)
        buttons = make_box("cw-p-sections", *(section.box for section in self._sections))
        captured = make_box(
            "cw-p-captured", html_widget("panel_feed.html", most=MAX_ENTRIES), self._feed.box
        )
        panes = make_box("cw-p-panes", make_box("cw-p-scroll", buttons), captured)
        head = html_widget("panel_head.html")
        self.box = make_box("cw-p-root", head, self._parts, bar, self._notice, panes, self._detail)
        self._apply_filter()

    # The filter

    def _apply_filter(self) -> None:
        words = self._filter.value.lower().split()
        for section in self._sections:
            section.filter(words)
        shown = sum(row.is_shown for row in self._rows.values())
        self._matches.value = render(
            "panel_matches.html", shown=shown, of=len(self._rows), words=self._filter.value
        )
        self._show_fire()

    # Presses

    def _keep_trace(self, outcome: Outcome) -> None:
        """Remember the crash type of a trace, so that event cards can say more."""
        with self._noting:
            self._traces[outcome.trace_id] = outcome.crash
            if len(self._traces) > REMEMBERED_TRACES:
                del self._traces[next(iter(self._traces))]

    def _tell(self, crash: CrashType, error: BaseException | None) -> None:
        """Show what a press raised, until the next press of the same button."""
        with self._noting:
            others = [each for each in self._failures if each.full_id != crash.full_id]
            failures = [*others, _press_failure(crash.full_id, error)] if error else others
            if failures != list(self._failures):
                self._failures = deque(failures, SHOWN_FAILURES)
                self._show_notice()

    def _show_notice(self) -> None:
        failures = list(reversed(self._failures))
        self._notice.value = render("panel_notice.html", failures=failures, ended=self._ended)

    def _fireable(self) -> list[PanelRow]:
        """Return the rows that a press of "Fire all" fires."""
        return [row for row in self._rows.values() if row.is_shown and row.reason is None]

    def _fire(
        self, fired: Future[list[Outcome]], halt: threading.Event, rows: list[PanelRow]
    ) -> None:
        try:
            self._show_fire()
            presses = self._press_each(rows, halt)
            if errors := [error for press in presses if (error := press.exception())]:
                raise BaseExceptionGroup("Presses failed", errors)
            fired.set_result([press.result() for press in presses])
        except BaseException as error:  # whatever it is, the caller waits for it
            fired.set_exception(error)
        finally:
            self._show_fire()

    def _press_each(self, rows: list[PanelRow], halt: threading.Event) -> list[Future[Outcome]]:
        presses: list[Future[Outcome]] = []
        for number, row in enumerate(rows, start=1):
            if halt.is_set():
                break
            self._show_progress(f"{number} of {len(rows)}", row.crash.full_id)
            presses.append(row.start())
            presses[-1].exception()
        good = sum(not each.exception() and is_as_declared(each.result()) for each in presses)
        self._show_progress(f"{good} of {len(rows)}", "as declared")
        return presses

    def _show_progress(self, count: str, what: str) -> None:
        self._progress.value = render("panel_progress.html", count=count, what=what)

    def _show_fire(self) -> None:
        fires = self._round is not None and not self._round.done()
        can = len(self._fireable())
        everything = all(row.is_shown for row in self._rows.values())
        text = f"Fire all {can}" if everything else f"Fire these {can}"
        self._fire_button.description = "Stop" if fires else text
        self._fire_button.icon = "stop" if fires else "bolt"
        self._fire_button.disabled = self._closing.is_set() or not (can or fires)

    # The card

    def _open(self, item: StoredItem) -> None:
        crash = self._traces.get(trace_id(item.payload))
        self._card.value = event_card(item.payload, crash=crash, project=item.project)
        self._detail.remove_class("cw-p-hidden")
        # Scrolls to the card, and moves the keyboard focus there.
        self._shut.focus()

    def _shut_card(self) -> None:
        self._detail.add_class("cw-p-hidden")
        self._card.value = ""
        self._feed.focus()

    # What happens in the background

    def _watch(self) -> None:
        with self._noting:
            if self._watcher is None and not self._closing.is_set():
                self._watcher = _in_background(WATCHER, self._follow)

    def _follow(self) -> None:
        try:
            with self._store.subscribe() as arrivals:
                stored = _StoredEvents(self._store)
                self._feed.add(stored.news())
                while not self._closing.is_set():
                    self._show_parts([*self._read_parts(), NOTEBOOK])
                    self._feed.add(stored.note(_take(arrivals)) or stored.news())
                    self._closing.wait(REST_S)
        except StoreError as error:
            self._show_ended("The workshop was stopped." if self._is_stopped() else str(error))
        except Exception as error:
            # Whatever it is: a panel that stops updating would show an outdated state.
            report_thread_failure()
            self._show_ended(f"{type(error).__name__}: {error}")

    def _is_stopped(self) -> bool:
        """Return whether all parts are down but the notebook itself."""
        return all(part.state != "up" for part in self._read_parts())

    def _show_parts(self, parts: list[Part]) -> None:
        if parts != self._shown_parts:
            self._shown_parts = parts
            self._parts.value = render("panel_states.html", parts=parts)

    def _show_ended(self, why: str) -> None:
        self._end()
        others = [part for part in self._shown_parts if part != NOTEBOOK]
        self._show_parts([*(Part(part.name, "down") for part in others), NOTEBOOK])
        for row in self._rows.values():
            row.button.disabled = True
        self._show_fire()
        with self._noting:
            self._ended = why
            self._show_notice()

    def _end(self) -> None:
        self._closing.set()
        self._halt.set()
        watcher = self._watcher
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(timeout=END_S)


class _StoredEvents:
    """Knows which stored events the feed has, and finds new ones: other processes store, too."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[int] = set()
        # Whether an older one than the newest may be missing.
        self._unsure = True

    def note(self, items: Sequence[StoredItem]) -> list[StoredItem]:
        """Return the events among items that are not known, and remember them."""
        fresh = [item for item in items if item.type == "event" and item.id not in self._known]
        self._known.update(item.id for item in fresh)
        self._unsure = self._unsure or bool(fresh)
        return fresh

    def news(self) -> list[StoredItem]:
        """Return the last events of the store that are not known, the oldest first."""
        newest = self._store.items(type="event", limit=1)
        if not self._unsure and {item.id for item in newest} <= self._known:
            return []
        fresh = self.note(self._store.items(type="event", limit=MAX_ENTRIES)[::-1])
        self._unsure = False
        return fresh


def _take(arrivals: Subscription) -> list[StoredItem]:
    """Return what has arrived, after a short wait if that is nothing. Raises StoreError."""
    items: list[StoredItem] = []
    with suppress(TimeoutError):
        items.append(arrivals.get(LOOK_EVERY_S))
        while len(items) < MOST_AT_ONCE:
            items.append(arrivals.get(0))
    return items


def _press_failure(full_id: str, error: BaseException) -> PressFailure:
    lines = "".join(traceback.format_exception(error))
    return PressFailure(full_id, type(error).__name__, str(error), lines)


def _cell_id() -> str | None:
    """Return the id of the running cell, if the front end sends it."""
    get_parent: Callable[[], dict[str, Any]] = getattr(get_ipython(), "get_parent", dict)
    cell: str | None = get_parent().get("metadata", {}).get("cellId")
    return cell


def _in_background(name: str, action: Callable[..., object], *given: object) -> threading.Thread:
    thread = threading.Thread(target=action, args=given, name=name, daemon=True)
    thread.start()
    return thread


def _tree(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield widget
