"""From the HTTP answer to the card on screen, in a real JupyterLab and a real browser.

python -m tests.benchmarks.answer_to_card [presses] [crash id]

Both ends are read from the clock of this machine: the kernel writes into the card when the answer
came, the page notes when the frame after the one that has the card is drawn.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import psutil

from tests.browser import chromium
from tests.browser.lab import running_lab
from tests.browser.screen import Screen

GOAL_MS = 100.0
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


def measure(presses: int, crash_id: str) -> list[float]:
    """Press the button of a crash type; return milliseconds from each answer to its card."""
    code = (
        "from kit import Workshop\nworkshop = Workshop.start()",
        f"workshop.crash({crash_id!r})",
    )
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chromium.browser() as browser,
        running_lab(Path(folder)) as lab,
    ):
        screen = Screen(browser.new_page(viewport={"width": 1280, "height": 900}))
        screen.open(lab.address(lab.write("benchmark.ipynb", *code)))
        screen.run_all()
        taken = _press(screen, presses)
        screen.assert_healthy()
        screen.close()
    return taken


def _press(screen: Screen, presses: int) -> list[float]:
    screen.page.evaluate(OBSERVE)
    button = screen.page.get_by_role("button", name="Crash it")
    for number in range(1, presses + 1):
        screen.press(button)
        screen.page.wait_for_function("number => cards.length === number", arg=number)
        screen.page.wait_for_selector(DONE)
    taken: list[float] = screen.page.evaluate("cards")
    return taken


def main(presses: str = "30", crash_id: str = "game-engine/crash") -> int:
    """Print the measurement; return 1 when the median misses the goal."""
    taken = measure(int(presses), crash_id)
    median = statistics.median(taken)
    verdict = "reached" if median < GOAL_MS else "MISSED"
    print(f"{crash_id}: from the HTTP answer to the card on screen, {len(taken)} presses")
    print(f"  min {min(taken):.0f} ms   median {median:.0f} ms   max {max(taken):.0f} ms")
    load, cores = psutil.getloadavg()[0], psutil.cpu_count()
    print(f"  load of this machine: {load:.1f} on {cores} cores")
    print(f"  goal: median under {GOAL_MS:.0f} ms: {verdict}")
    return 0 if median < GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
