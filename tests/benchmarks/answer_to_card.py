"""From the HTTP answer to the card on screen, beside a receiver that does nothing.

python -m tests.benchmarks.answer_to_card [presses] [crash id]

In a real JupyterLab and a real browser, two notebooks are pressed in turn: one has the ingest and
its store, the other a receiver that only hands on what it gets. Both ends are read from the clock
of this machine: the kernel writes into the card when the answer came, the page notes when the frame
after the one that has the card is drawn.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from playwright.sync_api import BrowserContext

from tests.benchmarks.goals import goal
from tests.browser import chromium
from tests.browser.lab import Lab, running_lab
from tests.browser.screen import Screen

GOAL_MS, GOAL_RATIO = 100.0, 1.3
ROOT = Path(__file__).resolve().parent.parent.parent
NULL = f"""import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.benchmarks import null
null.install()"""
DONE = ".cw-w-steps .cw-w-done >> nth=2"

OBSERVE = """() => {
  window.cards = [];
  const seen = new Set();
  new MutationObserver(() => {
    const answered = document.querySelector(".cw-card[data-answered-at]")?.dataset.answeredAt;
    if (!answered || seen.has(answered)) return;
    seen.add(answered);
    requestAnimationFrame(() => requestAnimationFrame(() => cards.push(
      performance.timeOrigin + performance.now() - 1000 * Number(answered))));
  }).observe(document.body, { childList: true, subtree: true, attributes: true });
}"""


def measure(presses: int, crash_id: str) -> tuple[list[float], list[float]]:
    """Press a crash type's button; return milliseconds with the ingest, and with the null one."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chromium.browser() as browser,
        running_lab(Path(folder)) as lab,
    ):
        pages = [_open(browser, lab, crash_id, setting_up) for setting_up in ("", NULL)]
        for number in range(1, presses + 1):
            for screen in pages:
                _press(screen, number)
        with_ingest, with_null = (screen.page.evaluate("cards") for screen in pages)
        for screen in pages:
            screen.assert_healthy()
            screen.close()
    return with_ingest, with_null


def _open(browser: BrowserContext, lab: Lab, crash_id: str, setting_up: str) -> Screen:
    start = f"{setting_up}\nfrom kit import Workshop\nworkshop = Workshop.start()"
    name = lab.write(f"benchmark-{len(setting_up)}.ipynb", start, f"workshop.crash({crash_id!r})")
    screen = Screen(browser.new_page())
    screen.page.set_viewport_size({"width": 1280, "height": 900})
    screen.open(lab.address(name))
    screen.run_all()
    screen.page.evaluate(OBSERVE)
    return screen


def _press(screen: Screen, number: int) -> None:
    # A page in the background draws nothing.
    screen.page.bring_to_front()
    screen.press(screen.page.get_by_role("button", name="Crash it"))
    screen.page.wait_for_function("number => cards.length === number", arg=number)
    screen.page.wait_for_selector(DONE)


def main(presses: str = "30", crash_id: str = "game-engine/crash") -> int:
    """Print the measurement; return 1 when a goal is missed."""
    with_ingest, with_null = measure(int(presses), crash_id)
    print(f"{crash_id}: from the HTTP answer to the card on screen, {presses} presses each")
    for name, taken in (("with the ingest", with_ingest), ("null receiver", with_null)):
        median = statistics.median(taken)
        print(f"  {name:<16} min {min(taken):.0f}   median {median:.0f}   max {max(taken):.0f} ms")
    median = statistics.median(with_ingest)
    ratio = median / statistics.median(with_null)
    load, cores = psutil.getloadavg()[0], psutil.cpu_count()
    print(f"  load of this machine: {load:.1f} on {cores} cores")
    reached = [
        goal(f"median under {GOAL_MS:.0f} ms", median < GOAL_MS),
        goal(f"{ratio:.2f} times the null receiver, under {GOAL_RATIO}", ratio < GOAL_RATIO),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
