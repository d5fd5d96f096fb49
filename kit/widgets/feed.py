"""The feed of captured events: newest on top, each opens its card."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets

from kit.html import render
from kit.ingest.store import StoredItem
from kit.reading.event import event_level, headline
from kit.reading.payload import (
    as_mapping,
    escape_bidi,
    parse_time,
    plausible_time,
    service,
    truncate,
)

MAX_ENTRIES = 40
MAX_CHARS = 200

OnOpen = Callable[[StoredItem], None]


@dataclass(frozen=True)
class FeedLine:
    """An event in the feed; ``time`` is UTC, as on the card."""

    time: str
    level: str
    service: str
    title: str
    message: str

    @property
    def words(self) -> str:
        """Title and message in one."""
        return f"{self.title}: {self.message}" if self.message else self.title


class Feed:
    """The last events as a list, one widget each; ``on_open`` is called with the chosen item.

    The newest event reuses the widget of the oldest: to remove one from a box, ipywidgets redraws
    all that follow it, and the keyboard focus and the scroll position are lost.
    """

    def __init__(self, on_open: OnOpen) -> None:
        self.box = ipywidgets.Box()
        self.box.add_class("cw-p-feed")
        self._on_open = on_open
        self._entries: deque[_Entry] = deque()
        self._added = 0

    def add(self, items: Sequence[StoredItem]) -> None:
        """Put events on top, given oldest first."""
        items = items[-MAX_ENTRIES:]
        free = max(0, len(self._entries) + len(items) - MAX_ENTRIES)
        taken = [self._entries.popleft() for _ in range(free)]
        fresh = [_Entry(self._open) for _ in items[free:]]
        for item, entry in zip(items, (*taken, *fresh), strict=True):
            self._added += 1
            entry.show(item, self._added)
            self._entries.append(entry)
        if fresh:
            self.box.children = (*self.box.children, *(entry.box for entry in fresh))

    def focus(self) -> None:
        """Return the keyboard focus to the event that was opened last."""
        for entry in tuple(self._entries):
            if entry.is_open:
                entry.button.focus()

    def _open(self, chosen: "_Entry") -> None:
        for entry in tuple(self._entries):
            entry.mark(entry is chosen)
        if chosen.item is not None:
            self._on_open(chosen.item)


class _Entry:
    """One line of the feed."""

    def __init__(self, on_press: Callable[["_Entry"], None]) -> None:
        self.item: StoredItem | None = None
        self.is_open = False
        self.button = ipywidgets.Button()
        self.button.on_click(lambda _: on_press(self))
        self._line = ipywidgets.HTML()
        self._changing = threading.Lock()
        # Not the order in the box: see Feed.
        self._layout = ipywidgets.Layout()
        self.box = ipywidgets.Box([self._line, self.button], layout=self._layout)
        self.box.add_class("cw-p-entry")

    def show(self, item: StoredItem, number: int) -> None:
        line = describe_item(item)
        self.item = item
        self.mark(False)
        self._layout.order = str(-number)
        self._line.value = render("panel_entry.html", line=line)
        self.button.description = line.words

    def mark(self, is_open: bool) -> None:
        with self._changing:
            self.is_open = is_open
            change = self.box.add_class if is_open else self.box.remove_class
            change("cw-p-open")


def describe_item(item: StoredItem) -> FeedLine:
    """Return the line of an event; a payload of the wrong shape says less instead of failing."""
    event = as_mapping(item.payload)
    called = headline(event)
    then = plausible_time(event.get("timestamp")) or parse_time(item.received_at)
    return FeedLine(
        time=f"{then:%H:%M:%S}" if then else "",
        level=event_level(event),
        service=_one_line(service(event, item.project)),
        title=_one_line(called.kind),
        message=_one_line(called.message),
    )


def _one_line(text: str) -> str:
    # A button's text is not a template: nothing isolates its parts from each other, and half a
    # surrogate pair is legal JSON, but browsers reject it.
    return escape_bidi(truncate(text, MAX_CHARS)).encode("utf-8", "replace").decode()
