import math
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.views import gauges
from kit.views.gauges import (
    ProcessSample,
    Recording,
    WatchTarget,
    cpu_percent,
    cpu_sentence,
    delay_sentence,
    memory_gauge,
    watch,
)
from kit.workshop import Workshop

from .picture import Picture


def held(*megabytes: float) -> list[ProcessSample]:
    return [ProcessSample(0.1 * n, rss, 0.0) for n, rss in enumerate(megabytes)]


@pytest.mark.parametrize(
    ("megabytes", "sentence"),
    [
        ([92, 92, 120, 157, 94], "Memory rose from 92 to 157 MB within 200 ms and fell back to 94"),
        ([92, 157, 125], "Memory rose from 92 to 157 MB within 100 ms and fell to 125 MB."),
        ([92, 157, 156], "Memory rose from 92 to 157 MB within 100 ms and stayed there."),
        ([92, 93, 92], "Memory stayed at about 92 MB."),
        ([157, 93], "Memory fell from 157 to 93 MB."),
        ([], "Memory was not measured."),
    ],
)
def test_a_sentence_says_what_the_memory_did(megabytes: list[float], sentence: str) -> None:
    assert memory_gauge(held(*megabytes)).sentence.startswith(sentence)


def test_a_sentence_says_how_busy_the_cpu_was() -> None:
    spin = [ProcessSample(0.1 * n, 90, 0.1 * min(max(n - 5, 0), 10)) for n in range(25)]
    assert "more than half of one core for 1.00 s, with 100 % at most" in cpu_sentence(spin)
    assert max(cpu_percent(spin)) == pytest.approx(100)
    assert "never busier than 0 %" in cpu_sentence(held(90, 90, 90))


def test_a_sentence_says_how_long_no_request_was_answered() -> None:
    delays = [5.0, 8.0, 900.0, 1600.0, 4.0]
    samples = [ProcessSample(0.1 * n, 90, 0.0, 12, delay) for n, delay in enumerate(delays)]
    assert delay_sentence(samples).startswith("No request was answered for 1.60 s")
    assert delay_sentence(samples[:2]) == "Every response came within 8 ms."


class Patient(BaseHTTPRequestHandler):
    """A service that reports its heap, and is late when it is told to be."""

    late = threading.Event()

    def do_GET(self) -> None:
        if self.late.is_set():
            time.sleep(0.8)
            self.late.clear()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"process": {"heap_used_mb": 42.0}}')

    def log_message(self, *args: object) -> None:
        pass


def test_a_service_that_does_not_answer_is_seen_from_outside() -> None:
    with HTTPServer(("127.0.0.1", 0), Patient) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answered, seen = threading.Event(), threading.Event()

        def note(recording: Recording) -> None:
            if recording.samples:
                answered.set()
            if max((sample.delay_ms for sample in recording.samples), default=0) > 700:
                seen.set()

        url = f"http://127.0.0.1:{server.server_address[1]}"
        with Recording(WatchTarget(os.getpid(), url), note) as recording:
            assert answered.wait(60)
            Patient.late.set()
            assert seen.wait(60)
        server.shutdown()
    assert {sample.heap_mb for sample in recording.samples} == {42.0}
    assert "The heap stayed at about 42 MB. No request was answered for" in recording.sentence
    assert "Response time" in recording._repr_html_()


def test_the_memory_of_a_real_leak_is_seen() -> None:
    taken: list[bytes] = []
    seen = threading.Event()

    def note(recording: Recording) -> None:
        if taken and max(s.rss_mb for s in recording.samples) > recording.samples[0].rss_mb + 240:
            seen.set()

    with Recording(on_change=note) as recording:
        taken.append(b"x" * 256 * 1024 * 1024)
        assert seen.wait(60)
    assert "Memory rose from" in recording.sentence
    picture = Picture(recording._repr_html_())
    assert picture.labels[0] in picture.words


def test_a_crash_of_the_workshop_is_recorded(workshop: Workshop) -> None:
    drawn: list[str] = []
    live = threading.Event()

    def draw(recording: Recording) -> None:
        drawn.append(recording._repr_html_())
        live.set()

    with Recording(on_change=draw) as recording:
        workshop.trigger("game-engine/infinite-loop")
        assert live.wait(60)
    first, *_, last = recording.samples
    assert last.cpu_seconds - first.cpu_seconds > 0.2
    # Live while it ran, and once at the end.
    assert len(drawn) > 1
    assert recording.sentence.split(". ")[0] in drawn[-1]


def test_no_thread_is_left_over() -> None:
    # By name: the running workshop has threads that come and go.
    with pytest.raises(ZeroDivisionError), Recording():
        _ = 1 / 0
    assert "workshop-gauges" not in [each.name for each in threading.enumerate()]


def test_a_process_that_ends_ends_the_recording() -> None:
    program = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        with Recording(WatchTarget(child.pid)) as recording:
            child.communicate()
            recording._thread.join(60)
            assert not recording._thread.is_alive()
        assert recording.process_ended
        assert "The process ended." in recording.sentence
        assert "Then the process ended." in recording._repr_html_()
    with pytest.raises(psutil.NoSuchProcess):
        Recording(WatchTarget(child.pid))


def test_a_long_recording_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "MAX_SAMPLES", 4)
    thinned = threading.Event()

    def note(recording: Recording) -> None:
        if recording._interval > gauges.INTERVAL_S:
            thinned.set()

    with Recording(on_change=note) as recording:
        first = recording.samples[0]
        assert thinned.wait(60)
    times = [sample.at for sample in recording.samples]
    assert len(times) < 4
    assert recording.samples[0] == first
    assert all(earlier < later for earlier, later in pairwise(times))


def test_watch_shows_the_picture_and_returns_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    class Handle:
        def display(self, thing: Any) -> None:
            shown.append(("display", thing))

        def update(self, thing: Any) -> None:
            shown.append(("update", thing))

    monkeypatch.setattr(gauges, "DisplayHandle", Handle)
    monkeypatch.setattr(gauges, "DRAW_EVERY_S", math.inf)
    assert watch(lambda: 42) == 42
    assert [what for what, _ in shown] == ["display", "update"]
    with pytest.raises(KeyError):
        watch(lambda: {}["no"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(steps=[(0.0, 5e-324, 0.0)])
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1)), max_size=8),
)
def test_any_measurements_have_a_picture(steps: list[tuple[float, float, float]]) -> None:
    recording, at, used = Recording(), 0.0, 0.0
    for passed, rss, cpu in steps:
        at, used = at + passed, used + cpu
        recording._samples = (*recording._samples, ProcessSample(at, rss, used))
    Picture(recording._repr_html_())
