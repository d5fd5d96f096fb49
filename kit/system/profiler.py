"""One profiler for all services of a process: each gets the samples of its own threads.

The SDK has one profiler per process, and attributes everything it records to the client created
last. So this module owns the profiler: it knows which thread reports as which service, and
distributes the chunks.
"""

import sys
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from sentry_sdk import client as sentry_client
from sentry_sdk.client import SDK_INFO, BaseClient
from sentry_sdk.envelope import Envelope
from sentry_sdk.profiler import continuous_profiler
from sentry_sdk.profiler.continuous_profiler import (
    setup_continuous_profiler,
    teardown_continuous_profiler,
)

from kit.threads import report_thread_failure

# Per thread: how often its service may change while one chunk is recorded.
_CHANGES = 10_000

Chunk = Mapping[str, Any]


class SharedProfiler:
    """Which service each thread reports for, and the clients that get their part of each chunk.

    A chunk lasts from the start of the first open span until no span is open, at most 60 seconds:
    https://docs.sentry.io/platforms/python/profiling/.
    """

    def __init__(self) -> None:
        self._changes: dict[str, deque[tuple[float, BaseClient | None]]] = {}
        self._changing = threading.Lock()

    @contextmanager
    def owned(self, options: dict[str, Any]) -> Iterator[None]:
        """Inside the block, run the profiler with these client options, for this object alone.

        Otherwise each new client would take it over, and stop it if its options do not mention it.
        """
        setup_continuous_profiler(options, SDK_INFO, self._deliver)
        replaced = (
            (sentry_client, "setup_continuous_profiler", _leave_alone),
            # Only for the profiler: most threads of a process belong to no service, and reading the
            # stacks of all threads is most of the profiler's cost.
            (continuous_profiler, "sys", _OwnedThreads(self._has_owner)),
        )
        with ExitStack() as undo:
            undo.callback(teardown_continuous_profiler)
            for module, name, ours in replaced:
                undo.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, ours)
            yield

    @contextmanager
    def working_for(self, client: BaseClient) -> Iterator[None]:
        """Attribute this thread's work inside the block to that client's service."""
        before = self._change(client)
        try:
            yield
        finally:
            self._change(before)

    def _change(self, client: BaseClient | None) -> BaseClient | None:
        """Record which client this thread works for from now on; return the previous one."""
        thread = str(threading.get_ident())
        with self._changing:
            changes = self._changes.setdefault(thread, deque(maxlen=_CHANGES))
            before = changes[-1][1] if changes else None
            changes.append((time.time(), client))
        return before

    def _has_owner(self, thread: int) -> bool:
        """Return whether a thread works for a service now; called a hundred times a second."""
        changes = self._changes.get(str(thread))
        return changes is not None and changes[-1][1] is not None

    def _deliver(self, envelope: Envelope) -> None:
        """Send each client its threads' samples; called in the profiler's or a caller's thread."""
        try:
            self._deliver_items(envelope)
        except Exception:
            # The next chunk may be all right.
            report_thread_failure()

    def _deliver_items(self, envelope: Envelope) -> None:
        for item in envelope.items:
            chunk = item.payload.json
            assert chunk is not None, "the profiler passes its recordings as objects"
            for client, samples in self._share(chunk["profile"]["samples"]).items():
                if client.transport is not None:
                    part = Envelope()
                    part.add_profile_chunk(_part(chunk, samples, client))
                    client.transport.capture_envelope(part)

    def _share(self, samples: list[dict[str, Any]]) -> dict[BaseClient, list[dict[str, Any]]]:
        with self._changing:
            changes = {thread: list(each) for thread, each in self._changes.items()}
            self._forget(before=min((each["timestamp"] for each in samples), default=0.0))
        shares: dict[BaseClient, list[dict[str, Any]]] = defaultdict(list)
        for sample in samples:
            owner = _owner(changes.get(sample["thread_id"], []), sample["timestamp"])
            if owner is not None:
                shares[owner].append(sample)
        return shares

    def _forget(self, *, before: float) -> None:
        """Drop the changes that no later chunk needs."""
        for thread, changes in list(self._changes.items()):
            while len(changes) > 1 and changes[1][0] < before:
                changes.popleft()
            if len(changes) == 1 and changes[0][1] is None:
                del self._changes[thread]


def _owner(changes: list[tuple[float, BaseClient | None]], at: float) -> BaseClient | None:
    return next((client for since, client in reversed(changes) if since <= at), None)


def _part(chunk: Chunk, samples: list[dict[str, Any]], client: BaseClient) -> dict[str, Any]:
    """Return a chunk with only these samples, attributed to ``client``."""
    profile = chunk["profile"]
    stacks = _Numbers()
    frames = _Numbers()
    renumbered = [{**each, "stack_id": stacks.of(each["stack_id"])} for each in samples]
    used = [[frames.of(frame) for frame in profile["stacks"][stack]] for stack in stacks]
    threads = {each["thread_id"] for each in samples}
    names = profile["thread_metadata"]
    return {
        **chunk,
        "chunk_id": uuid.uuid4().hex,
        "release": client.options["release"],
        "environment": client.options["environment"],
        "profile": {
            "samples": renumbered,
            "stacks": used,
            "frames": [profile["frames"][frame] for frame in frames],
            "thread_metadata": {each: names[each] for each in threads if each in names},
        },
    }


class _OwnedThreads:
    """The profiler's ``sys`` module, in which threads without a service have no frames."""

    def __init__(self, has_owner: Callable[[int], bool]) -> None:
        self._has_owner = has_owner

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def _current_frames(self) -> dict[int, FrameType]:
        frames = sys._current_frames()
        return {thread: frame for thread, frame in frames.items() if self._has_owner(thread)}


def _leave_alone(*args: object, **options: object) -> bool:
    return False


PROFILER = SharedProfiler()


class _Numbers(dict[int, int]):
    """Maps old numbers to new ones, counted from 0 in the order of the lookups."""

    def of(self, old: int) -> int:
        return self.setdefault(old, len(self))
