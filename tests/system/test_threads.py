"""What fails in a thread of the kit is in the status, in the log and on the panel."""

import html
import threading
from functools import partial
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from kit import Workshop
from kit.hosting.supervisor import Supervisor
from kit.ingest.relay import Relay
from kit.system.profiler import PROFILER
from kit.system.pulse import Pulse
from kit.system.status import find_running
from kit.views.gauges import THIS_PROCESS, Recording
from kit.widgets.panel import Panel
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0


class Failed(Exception):
    """What nobody expected."""


def fail(*given: object, **options: object) -> Any:
    raise Failed("on purpose")


until = partial(wait_until, seconds=DEADLINE_S)


def fail_relay(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay("http://key@127.0.0.1:9/1")
    monkeypatch.setattr(relay, "_deliver", fail)
    relay(b"an envelope")
    assert relay.wait(DEADLINE_S)
    assert (relay.dropped, relay.last_error) == (1, "Failed: on purpose")
    monkeypatch.undo()
    relay.close()


def fail_checkpoint(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpointer = workshop.store._checkpointer
    broken = type("Broken", (), {"execute": fail, "close": lambda self: None})()
    monkeypatch.setattr(checkpointer, "_db", broken)
    checkpointer.note(10**9)
    with pytest.raises(Failed):
        checkpointer._running.result(DEADLINE_S)
    monkeypatch.undo()


def fail_profiler(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = Envelope(items=[Item(PayloadRef(json={"no": "profile"}), type="profile_chunk")])
    thread = threading.Thread(target=PROFILER._deliver, args=[envelope], name="profiler")
    thread.start()
    thread.join()


def fail_pulse(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pulse, "_ask", fail)
    with Pulse(workshop.url()) as pulse:
        until(lambda: not pulse._thread.is_alive())


def fail_gauges(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recording(THIS_PROCESS) as recording, monkeypatch.context() as patch:
        patch.setattr(recording, "_sample", fail)
        until(lambda: not recording._thread.is_alive())


def fail_feed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = workshop.panel()
    monkeypatch.setattr(Panel, "_show_parts", fail)
    monkeypatch.setattr(Panel, "_show_ended", lambda self, why: None)
    panel._watch()
    until(lambda: not panel._watcher.is_alive())


def fail_reader(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = workshop._system.payment
    assert isinstance(payment, Supervisor)
    starts = payment.start_count
    monkeypatch.setattr(payment._run, "_on_line", fail)
    workshop.trigger("payment/crash")
    # Its output is read to the end all the same, so that it starts again.
    payment.wait(DEADLINE_S, after=starts)
    assert payment.exits[-1].stderr_tail


FAILURES = {
    "relay": fail_relay,
    "checkpoint_0": fail_checkpoint,
    "profiler": fail_profiler,
    "workshop-pulse": fail_pulse,
    "workshop-gauges": fail_gauges,
    "workshop-panel": fail_feed,
    "payment-stderr": fail_reader,
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_thread_that_fails_says_so(
    name: str,
    own_workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        FAILURES[name](own_workshop, patch)
    lines = own_workshop._system.status_lines()
    (said,) = (line for line in lines if line.split()[1] == name)
    assert said.startswith("✗ ")
    assert "failed: " in said
    assert said.endswith("Run workshop.stop() and Workshop.start() to start it again.")
    assert any("Traceback" in line and name in line for line in own_workshop.logs())
    remark = said.split(maxsplit=2)[2]
    assert remark in shown_on_panel(own_workshop)
    assert published(own_workshop)[name] == remark
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_server_that_ends_says_so(own_workshop: Workshop) -> None:
    server = own_workshop._system.servers["analytics"]
    server._loop.call_soon_threadsafe(fail_hard)
    until(lambda: server.state == "down" and "analytics" in own_workshop._system.log.ended)
    (said,) = (line for line in own_workshop._system.status_lines() if "analytics" in line)
    assert "SystemExit: on purpose" in said
    assert any("SystemExit: on purpose" in line for line in own_workshop.logs("analytics"))
    assert "SystemExit: on purpose" in shown_on_panel(own_workshop)
    assert "SystemExit: on purpose" in published(own_workshop)["analytics"]


def fail_hard() -> None:
    raise SystemExit("on purpose")


def shown_on_panel(workshop: Workshop) -> str:
    panel = workshop.panel()
    panel._show_parts(workshop._system.parts())
    panel.close()
    return html.unescape(str(panel._parts.value))


def published(workshop: Workshop) -> dict[str, str]:
    """What ``workshop status`` says in another process."""
    (running,) = find_running(workshop._system.home)
    return running.parts
