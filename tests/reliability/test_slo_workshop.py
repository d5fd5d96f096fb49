"""An SLO of the running workshop: what the client sees, and what the services count."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from demo_services.services import GAME_ENGINE, GATEWAY
from kit.actionable import WorkshopError
from kit.ingest.store import MOST
from kit.reading.metrics import read_metrics
from kit.reading.sessions import SessionCounts, count_sessions
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import RecordedSeconds
from kit.workshop import Workshop

SPINS = 5


@dataclass
class Client:
    """Spins over HTTP as a player does; what comes back is good, or it is not."""

    statuses: list[int | None] = field(default_factory=list)
    seconds: list[tuple[int, int, int]] = field(default_factory=list)

    def spin(self, url: str) -> None:
        status: int | None = None
        try:
            body = {"player": "ada", "bet": 1}
            status = httpx.post(
                f"{url}/api/v1/{GAME_ENGINE.prefix}/spin", json=body, timeout=30, trust_env=False
            ).status_code
        except httpx.HTTPError:
            pass
        good = status is not None and status < 500
        self.statuses.append(status)
        self.seconds.append((int(time.time()), int(good), int(not good)))

    @property
    def outcomes(self) -> RecordedSeconds:
        by_second: dict[int, tuple[int, int]] = {}
        for at, good, bad in self.seconds:
            before = by_second.get(at, (0, 0))
            by_second[at] = before[0] + good, before[1] + bad
        return RecordedSeconds((at, good, bad) for at, (good, bad) in by_second.items())


def sessions(workshop: Workshop, service: str) -> SessionCounts:
    items = workshop.store.items(type="sessions", project=service, limit=MOST)
    return sum(count_sessions(reversed(items)).values(), SessionCounts())


def spins(workshop: Workshop) -> float:
    """Return how many spins the metric of the engine has counted."""
    items = workshop.store.items(type="trace_metric", project=GAME_ENGINE.name, limit=MOST)
    metrics = (each for each in read_metrics(items) if each.name == "game.spins")
    return sum(point.value for metric in metrics for point in metric.points)


@pytest.mark.system
@pytest.mark.slow
def test_the_readings_differ_where_they_must(own_workshop: Workshop) -> None:
    workshop, slo = own_workshop, own_workshop.slo("spins", target=0.99, minutes=10)
    client, url = Client(), workshop.url()
    for _ in range(SPINS):
        client.spin(url)
    workshop.flush()
    assert client.statuses == [200] * SPINS
    assert slo.measure(client.outcomes).spent == 0
    # Sentry's SDK tracks no sessions for Tornado: of the engine there are none, well or not.
    assert sessions(workshop, GAME_ENGINE.name) == SessionCounts()
    assert spins(workshop) == SPINS

    # The engine is down. The client sees a 502 each time, and its budget goes.
    workshop._system.servers[GAME_ENGINE.name].stop()
    for _ in range(SPINS):
        client.spin(url)
    assert client.statuses[SPINS:] == [502] * SPINS
    assert slo.measure(client.outcomes).spent == SPINS
    # The metric counts spins that were played: only fewer come. The gateway handled its error,
    # which makes a session errored and not crashed: it is free of crashes as before.
    workshop._system.servers[GATEWAY.name].stop()
    workshop.flush()
    assert spins(workshop) == SPINS
    assert sessions(workshop, GAME_ENGINE.name) == SessionCounts()
    at_gateway = sessions(workshop, GATEWAY.name)
    assert at_gateway == SessionCounts(exited=SPINS, errored=SPINS)
    assert at_gateway.crash_free == 1

    # The gateway is down, too: no answer at all, and no service that could count it.
    for _ in range(SPINS):
        client.spin(url)
    workshop.flush()
    assert client.statuses[2 * SPINS :] == [None] * SPINS
    assert sessions(workshop, GATEWAY.name) == at_gateway
    assert spins(workshop) == SPINS
    budget = slo.measure(client.outcomes)
    assert (budget.spent, budget.requests) == (2 * SPINS, 3 * SPINS)
    assert any(alert.severity == "page" for alert in budget.alerts)


@pytest.mark.system
def test_an_slo_of_the_workshop_says_what_to_start(workshop: Workshop, tmp_path: Path) -> None:
    slo = workshop.slo("spins")
    with pytest.raises(WorkshopError, match=r"workshop\.traffic"):
        _ = slo.budget
    path = tmp_path / "spins.yaml"
    path.write_text(workshop.slo("spins", 0.95, 5, rate=2, latency_s=1).as_openslo(), "utf-8")
    assert workshop.slo(path).objective == Objective("spins", 0.95, 300, 2, 1, "crash-workshop")
