"""One profiler, several services: each gets what its own threads did, and nothing else."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk import client as sentry_client
from sentry_sdk.envelope import Envelope
from sentry_sdk.profiler import continuous_profiler
from sentry_sdk.transport import Transport

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, Service
from demo_services.telemetry import sentry_options
from demo_services.trace import start_span
from kit.system.clients import use_client
from kit.system.profiler import PROFILER

SERVICES = (GATEWAY, GAME_ENGINE, ANALYTICS)
WAIT_S = 60.0


class Recorder(Transport):
    """Keeps profile chunks instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[dict[str, Any]] = []
        self.arrived = threading.Event()

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.type == "profile_chunk":
                chunk = item.payload.json
                assert chunk is not None
                self.chunks.append(chunk)
                self.arrived.set()


def make_client(service: Service) -> sentry_sdk.Client:
    return sentry_sdk.Client(
        dsn="http://key@127.0.0.1:9/1", transport=Recorder(), **sentry_options(service)
    )


@pytest.fixture
def clients() -> Iterator[dict[Service, sentry_sdk.Client]]:
    made = {service: make_client(service) for service in SERVICES}
    with PROFILER.owned(made[GATEWAY].options):
        yield made
    for client in made.values():
        client.close(timeout=0)


def spin_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def work(service: Service, client: sentry_sdk.Client) -> None:
    with PROFILER.working_for(client), use_client(client), start_span(op="test", name="work"):
        spin_for(0.3)


def run_all(clients: dict[Service, sentry_sdk.Client]) -> None:
    threads = [
        threading.Thread(target=work, args=each, name=f"{each[0].name} at work")
        for each in clients.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def profile_of(client: sentry_sdk.Client) -> dict[str, Any]:
    recorder = client.transport
    assert isinstance(recorder, Recorder)
    assert recorder.arrived.wait(WAIT_S)
    return recorder.chunks[-1]


def test_each_service_gets_what_its_own_threads_did(
    clients: dict[Service, sentry_sdk.Client],
) -> None:
    run_all(clients)
    for service, client in clients.items():
        chunk = profile_of(client)
        assert chunk["release"] == service.release
        profile = chunk["profile"]
        threads = {sample["thread_id"] for sample in profile["samples"]}
        assert len(threads) == 1, "the test's own thread, or that of another service"
        assert set(profile["thread_metadata"]) <= threads
        # What is numbered anew still says the same: the line that took the time.
        stacks = [profile["stacks"][sample["stack_id"]] for sample in profile["samples"]]
        frames = [{profile["frames"][frame]["function"] for frame in stack} for stack in stacks]
        assert sum("spin_for" in each for each in frames) > len(frames) / 2


def test_a_client_that_is_made_later_does_not_take_it_over(
    clients: dict[Service, sentry_sdk.Client],
) -> None:
    sentry_sdk.Client().close(timeout=0)
    run_all(clients)
    assert all(profile_of(client)["profile"]["samples"] for client in clients.values())


def test_what_a_thread_does_for_nobody_is_nobodys(
    clients: dict[Service, sentry_sdk.Client],
) -> None:
    client = clients[GATEWAY]
    with use_client(client), start_span(op="test", name="work"):
        spin_for(0.1)
    # The next one is delivered after it.
    began = time.time()
    work(GATEWAY, client)
    profile_of(client)
    recorder = client.transport
    assert isinstance(recorder, Recorder)
    own = [sample["timestamp"] for each in recorder.chunks for sample in each["profile"]["samples"]]
    assert min(own) >= began


def test_the_stacks_of_threads_without_an_owner_are_not_read(
    clients: dict[Service, sentry_sdk.Client],
) -> None:
    read = continuous_profiler.sys._current_frames  # type: ignore[attr-defined]
    assert threading.get_ident() not in read()
    with PROFILER.working_for(clients[GATEWAY]):
        assert threading.get_ident() in read()
    assert threading.get_ident() not in read()


def test_the_profiler_is_given_back_as_it_was() -> None:
    client = make_client(GATEWAY)
    before = (continuous_profiler.sys, sentry_client.setup_continuous_profiler)  # type: ignore[attr-defined]
    with PROFILER.owned(client.options):
        assert continuous_profiler.sys is not before[0]  # type: ignore[attr-defined]
    assert (continuous_profiler.sys, sentry_client.setup_continuous_profiler) == before  # type: ignore[attr-defined]
    client.close(timeout=0)
