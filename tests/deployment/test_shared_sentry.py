"""A class shares one Sentry: whose event it is can be told there."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kit.crashes.expectation import is_watchdog
from tests.ingest.bugsink import Bugsink, installed

NAMES = ("Ada Lovelace", 'Zoë <img src=x onerror="alert(1)"> 李')
CRASHES = ("game-engine/crash", "payment/error?type=range", "gateway/panic")
LEARN = """
import sys
from kit import Workshop
with Workshop.start(report=lambda line: None) as workshop:
    for crash_id in sys.argv[1:]:
        assert not workshop.trigger(crash_id).missing
    workshop.flush()
    assert workshop.relay.wait(60), workshop.relay.last_error
    assert not workshop.relay.dropped
"""


@pytest.mark.slow
def test_the_events_of_two_learners_arrive_with_their_names(tmp_path: Path) -> None:
    bugsink = Bugsink(installed(), tmp_path)
    bugsink.start()
    try:
        learners = [learn(name, bugsink.dsn, tmp_path / str(n)) for n, name in enumerate(NAMES)]
        assert [learner.wait(300) for learner in learners] == [0, 0]
        received = [event["data"] for _, event in bugsink.events()]
    finally:
        bugsink.stop()
    events = [event for event in received if not is_watchdog(event)]
    found = Counter((event["tags"]["learner"], event["server_name"]) for event in events)
    services = [crash_id.partition("/")[0] for crash_id in CRASHES]
    assert found == Counter((name, service) for name in NAMES for service in services)


def learn(name: str, dsn: str, home: Path) -> "subprocess.Popen[bytes]":
    """Let somebody crash services in a workshop of their own, beside others."""
    own = {"SENTRY_DSN": dsn, "WORKSHOP_LEARNER": name, "WORKSHOP_HOME": str(home)}
    return subprocess.Popen([sys.executable, "-c", LEARN, *CRASHES], env={**os.environ, **own})
