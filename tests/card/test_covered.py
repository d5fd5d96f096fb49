"""Which statements ran for each event of the payment service: a card says the same."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo_services.services import PAYMENT
from kit.crashes.catalogue import CRASHES, find_crash
from kit.provenance.origin import origin, origin_at, sdk_place
from kit.reading.payload import leaves
from tests.payment.receiver import Receiver

from .covered import Coverage, CoveredPayment, path_of

pytestmark = [pytest.mark.slow, pytest.mark.system]

Event = dict[str, Any]

# All that have an event of the process itself.
ALL = [
    crash.full_id
    for crash in CRASHES
    if crash.service is PAYMENT
    and any(error.mechanism != "supervisor" and not error.service for error in crash.errors)
]
# What is read when the service starts, once for all of its events.
AT_START = {"release", "environment", "server_name", "sdk", "runtime", "profile"}
AT_START |= {"app", "device", "os", "culture", "cloud_resource"}
# A thread of its own writes the event, which is given to it at the start.
ANR = "@sentry/node/build/cjs/integrations/anr/index.js"


@dataclass
class Fired:
    """The event of a crash type, and what ran for it."""

    event: Event
    at_start: Coverage
    coverage: Coverage


@dataclass
class Firing:
    """Fires each crash type once, in one process as long as that lives."""

    receiver: Receiver
    home: Path
    fired: dict[str, Fired] = field(default_factory=dict)
    service: CoveredPayment | None = None
    starts: int = 0

    def fire(self, crash_id: str) -> Fired:
        if crash_id not in self.fired:
            service = self._running()
            service.take()
            crash, _ = find_crash(crash_id.partition("?")[0], variant_of(crash_id))
            (event,) = service.fire(crash)
            self.fired[crash_id] = Fired(event, service.at_start, service.take())
        return self.fired[crash_id]

    def _running(self) -> CoveredPayment:
        if self.service is None or self.service.process.poll() is not None:
            self.stop()
            self.starts += 1
            self.service = CoveredPayment(self.receiver, self.home / str(self.starts))
        return self.service

    def stop(self) -> None:
        if self.service:
            self.service.stop()


def variant_of(crash_id: str) -> dict[str, str]:
    _, _, variant = crash_id.partition("?type=")
    return {"type": variant} if variant else {}


@pytest.fixture(scope="module")
def firing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firing]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        firing = Firing(receiver, tmp_path_factory.mktemp("coverage"))
        yield firing
        firing.stop()
        receiver.shutdown()
        thread.join()


@pytest.mark.parametrize("crash_id", ALL)
def test_each_card_names_the_statements_that_ran(firing: Firing, crash_id: str) -> None:
    fired = firing.fire(crash_id)
    wrong, named = set(), set()
    for path in leaves(fired.event):
        found = origin_at(fired.event, path)
        if found.file is None or found.line is None:
            continue
        named.add((found.file, found.line))
        is_of_start = found.file == ANR or not AT_START.isdisjoint(path[:2])
        coverages = (fired.coverage, fired.at_start) if is_of_start else (fired.coverage,)
        if not any(each.has_run(path_of(found.file), found.line) for each in coverages):
            wrong.add(f"{'.'.join(map(str, path))}: {found.file}:{found.line}")
    assert wrong == set()
    assert len(named) > 20


MECHANISMS = {
    "payment/crash": "auto.node.onuncaughtexception",
    "payment/promise-rejection": "auto.node.onunhandledrejection",
    "payment/error?type=type": "auto.http.express",
}


@pytest.mark.parametrize("crash_id", MECHANISMS)
def test_the_capture_of_another_mechanism_did_not_run(firing: Firing, crash_id: str) -> None:
    fired = firing.fire(crash_id)
    values = fired.event["exception"]["values"]
    assert values[-1]["mechanism"]["type"] == MECHANISMS[crash_id]
    for other in MECHANISMS.values():
        values[-1]["mechanism"]["type"] = other
        found = origin(fired.event, "exception.values[-1].mechanism.type")
        assert found.file
        assert found.line
        has_run = fired.coverage.has_run(path_of(found.file), found.line)
        assert has_run is (other == MECHANISMS[crash_id]), found
    values[-1]["mechanism"]["type"] = MECHANISMS[crash_id]


def test_a_block_that_was_passed_by_did_not_run(firing: Firing) -> None:
    fired = firing.fire("payment/error?type=type")
    place = sdk_place("@sentry/core/build/cjs/utils/eventbuilder.js", "event.message = message;")
    assert place
    assert not fired.coverage.has_run(path_of(place.file), place.line)
    assert not fired.at_start.has_run(path_of(place.file), place.line)
