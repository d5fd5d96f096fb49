"""The payment service as a program of its own."""

import json
import os
import signal
import socket

import psutil
import pytest

from demo_services.payment import HOME

from .conftest import WAIT_S, Payment, Start, run


def test_its_own_tests_pass() -> None:
    done = run("--test")
    assert done.returncode == 0, done.stdout


def test_its_lock_file_names_no_address() -> None:
    assert "://" not in (HOME / "package-lock.json").read_text("utf-8")
    package = json.loads((HOME / "package.json").read_text("utf-8"))
    lock = json.loads((HOME / "package-lock.json").read_text("utf-8"))
    assert lock["packages"][""]["dependencies"] == package["dependencies"]


def test_it_says_what_it_does(start: Start) -> None:
    payment = start()
    assert payment.ready["pid"] == payment.process.pid
    assert payment.ready["node"].startswith("v")
    payment.call("/health")
    response = payment.call("/api/v1/balance/ada?a=b")
    segment = payment.trace(response).segment
    assert segment is not None
    ids = {name: segment[name] for name in ("trace_id", "span_id")}
    assert payment.said("request") == {"method": "GET", "path": "/api/v1/balance/ada", **ids}
    assert payment.said("answer") == {**ids, "status": 200}


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_sends_what_is_queued_before_it_ends(start: Start, number: signal.Signals) -> None:
    payment = start()
    response = payment.call("/debug/error/type")
    payment.process.send_signal(number)
    assert payment.process.wait(WAIT_S) == 0
    assert len(payment.trace(response, events=1).events) == 1


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("src/main.js", PORT=port)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"payment cannot listen on 127.0.0.1:{port}: ")


def test_without_sentry_it_works_too(start: Start) -> None:
    payment = start(SENTRY_DSN="")
    assert payment.call("/api/v1/balance/ada").status_code == 200
    assert payment.call("/debug/error/type").status_code == 500
    assert payment.call("/health").json()["status"] == "up"


def test_it_listens_to_nobody_else(payment: Payment) -> None:
    listening = [
        connection.laddr
        for connection in psutil.Process(payment.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    # Not on the port that is opened for debuggers either.
    assert listening == [("127.0.0.1", payment.ready["port"])]
