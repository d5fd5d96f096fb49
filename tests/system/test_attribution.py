import json
import subprocess
import sys
from pathlib import Path

import pytest

from kit import Workshop
from tests import attribution

pytestmark = [pytest.mark.slow, pytest.mark.system]

REQUESTS = 200


def test_hundreds_of_crashes_at_once_are_all_reported_by_their_own_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG_RATE", "100000/second")
    monkeypatch.setenv("DEADLINE_S", "100")
    with Workshop.start(home=tmp_path, report=lambda line: None) as workshop:
        result = attribution.run(workshop, REQUESTS)
    assert result.requests == REQUESTS
    assert result.errors > REQUESTS / 2
    assert result.profiles > 0
    assert (result.lost, result.misattributed) == ([], []), result.discarded


def test_one_global_client_reports_under_the_wrong_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEBUG_RATE", "100000/second")
    command = [sys.executable, "-m", "tests.attribution", "--naive", "--count", "100"]
    control = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert json.loads(control.stdout)["misattributed"]
