"""What is left of injections when a workshop stops, and the command that checks all faults."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kit.reliability.faults.catalogue import FAULTS
from kit.workshop import Workshop


@pytest.mark.slow
@pytest.mark.system
def test_nothing_is_left_when_the_workshop_stops(tmp_path: Path) -> None:
    with Workshop.start(home=tmp_path, report=lambda line: None) as workshop:
        injection = workshop.inject("clock-skew", share=1, seconds=600)
        schedule = workshop.schedule(minutes=1, faults=1, no_ops=1, hold=(5, 10)).start()
        assert schedule.is_running
    assert not injection.is_on
    assert not schedule.is_running
    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith("fault-")] == []
    assert "HIT NOTHING" in str(injection.journal)


@pytest.mark.slow
@pytest.mark.system
def test_the_command_finds_that_each_fault_hits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kit.commands.cli", "check", "--faults", "--json"]
    env = {**os.environ, "WORKSHOP_HOME": str(tmp_path)}
    ended = subprocess.run(command, env=env, capture_output=True, text=True)
    told = json.loads(ended.stdout)
    assert {each["name"] for each in told["faults"]} == {fault.name for fault in FAULTS}
    assert (told["ok"], ended.returncode) == (True, 0), told
