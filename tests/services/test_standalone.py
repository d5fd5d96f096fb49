"""The services as programs of their own."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from .conftest import TOKEN, WAIT_S, Running
from .receiver import Receiver

NAMES = ["game-engine", "gateway"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
def test_ctrl_c_ends_it_quietly(name: str, receiver: Receiver) -> None:
    with Running(name, receiver) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(WAIT_S) == 0
    assert "Traceback" not in "".join(running.errors)


@pytest.mark.parametrize("name", NAMES)
def test_a_taken_port_is_one_line(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", f"demo_services.{name.replace('-', '_')}", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name} cannot listen on 127.0.0.1:{port}: ")


def test_without_sentry_it_works_too(receiver: Receiver) -> None:
    with Running("game-engine", receiver, SENTRY_DSN="", DEBUG_TOKEN=TOKEN) as running:
        assert running.call("/api/v1/spin", "POST", json={"player": "ada", "bet": 1}).is_success
        response = running.call("/debug/crash")
        assert response.status_code == 500
        assert response.json()["trace_id"]
