"""The faults of a service: which are on, until when, and which requests they hit.

Each has a lease: the service itself ends it in time, whatever happens to the notebook that set it.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from demo_services.faults import hits
from demo_services.faults.order import Order, out_of_bounds
from demo_services.services import Service
from demo_services.trace import trace_id

if TYPE_CHECKING:
    from demo_services.faults.flags import Flags

KEPT_HITS = 2000
KEPT_ENDED = 20

EndedBy = Literal["lease", "cleared", "replaced"]
# A resource that a fault needs, such as a proxy: opened when it is set, closed when it ends.
Effects = Mapping[str, Callable[[], AbstractAsyncContextManager[object]]]


@dataclass(eq=False)
class Lease:
    """A fault while it is on, and its record afterwards."""

    order: Order
    began_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    ended_by: EndedBy | None = None
    evaluated: int = 0
    hit: int = 0
    hits: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_HITS))
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def left_s(self) -> float:
        """How long it stays on; below 0 when its time is up."""
        return self.began + self.order.seconds - time.monotonic()

    def count(self, key: str, *, is_hit: bool) -> None:
        """Count a request."""
        self.evaluated += 1
        if is_hit:
            self.hit += 1
            # A trace may contain several requests.
            if key not in self.hits:
                self.hits.append(key)

    def state(self) -> dict[str, Any]:
        """Return its state for a response; times in seconds since the epoch."""
        return {
            "fault": self.order.fault,
            "flag": self.order.flag,
            "share": self.order.share,
            "seed": self.order.seed,
            "began_at": self.began_at,
            "until": self.began_at + self.order.seconds,
            "ended_at": self.ended_at,
            "ended_by": self.ended_by,
            "evaluated": self.evaluated,
            "hit": self.hit,
            "hits": list(self.hits),
        }


class Faults:
    """All faults of one service. At first none is on, and nothing is evaluated."""

    def __init__(self, service: Service, effects: Effects | None = None) -> None:
        self._service = service
        self._effects = effects or {}
        self._flags: Flags | None = None
        self._leases: dict[str, Lease] = {}
        self._ended: deque[Lease] = deque(maxlen=KEPT_ENDED)
        # The event loop has only weak references to its tasks.
        self._holders: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._lock = threading.RLock()

    def evaluate(self, faults: Container[str] | None = None) -> None:
        """Decide which faults hit this request to a work route: out of ``faults``, or of all.

        Each is evaluated once, so everything that happens to the request is consistent.
        """
        if not self._leases:
            return
        self._end_late()
        key = trace_id()
        if key is None:
            return
        marked = set()
        with self._lock:
            for fault, lease in self._leases.items():
                if faults is None or fault in faults:
                    is_hit = self._flags is not None and self._flags.is_on(lease.order.flag, key)
                    lease.count(key, is_hit=is_hit)
                    if is_hit:
                        marked.add(fault)
        hits.mark(marked)

    async def begin(self, order: Order) -> dict[str, Any]:
        """Turn a fault on, replacing the same one if it is on; return its state.

        Raises ``Refused`` (422) when another fault has the flag, and any error of the effect.
        """
        async with self._changing:
            if any(
                lease.order.flag == order.flag and fault != order.fault
                for fault, lease in self._leases.items()
            ):
                raise out_of_bounds(f"flag {order.flag!r} is that of another fault which is on.")
            if replaced := self._leases.get(order.fault):
                self._end(replaced, "replaced")
            lease = Lease(order)
            ready = asyncio.get_running_loop().create_future()
            holder = asyncio.create_task(self._hold(lease, ready), name=f"fault-{order.fault}")
            self._holders.add(holder)
            holder.add_done_callback(self._holders.discard)
            await ready
            return lease.state()

    def clear(self, fault: str | None = None) -> list[dict[str, Any]]:
        """Turn a fault off, or all; return the states of those that were on."""
        self._end_late()
        cleared = [
            lease for name, lease in list(self._leases.items()) if fault is None or name == fault
        ]
        for lease in cleared:
            self._end(lease, "cleared")
        return [lease.state() for lease in cleared]

    def states(self) -> dict[str, Any]:
        """Return the states of the faults that are on, and of the latest ended ones."""
        self._end_late()
        with self._lock:
            return {
                "service": self._service.name,
                "faults": [lease.state() for lease in self._leases.values()],
                "ended": [lease.state() for lease in self._ended],
            }

    async def _hold(self, lease: Lease, ready: asyncio.Future[None]) -> None:
        """Keep a fault on until it ends; the end of the service's event loop ends it, too."""
        fault = lease.order.fault
        try:
            async with self._effects.get(fault, nullcontext)():
                # The startup time of the effect does not count.
                lease.began_at, lease.began = time.time(), time.monotonic()
                with self._lock:
                    self._leases[fault] = lease
                    self._use_flags()
                ready.set_result(None)
                with suppress(TimeoutError):
                    await asyncio.wait_for(lease.over.wait(), lease.left_s)
                # Before the effect ends: no request may rely on it any more.
                self._end(lease, "lease")
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)
        finally:
            self._end(lease, "cleared")

    def _end_late(self) -> None:
        """End expired faults. Their tasks do so, too, but not while the event loop is blocked."""
        for lease in list(self._leases.values()):
            if lease.left_s <= 0:
                self._end(lease, "lease")

    def _end(self, lease: Lease, by: EndedBy) -> None:
        """End a fault; an ended one stays as it is."""
        with self._lock:
            if self._leases.get(lease.order.fault) is not lease:
                return
            del self._leases[lease.order.fault]
            lease.ended_at, lease.ended_by = time.time(), by
            self._ended.append(lease)
            self._use_flags()
        lease.over.set()

    def _use_flags(self) -> None:
        """Set the flags to those of the active faults; OpenFeature is needed from here on."""
        from demo_services.faults.flags import Flags

        orders = [lease.order for lease in self._leases.values()]
        if orders:
            self._flags = self._flags or Flags(self._service.name)
            self._flags.use({order.flag: (order.seed, order.share) for order in orders})
        elif self._flags:
            self._flags.close()
            self._flags = None
