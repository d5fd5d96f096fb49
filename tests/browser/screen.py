"""A learner's screen: JupyterLab in a browser, and all that goes wrong on it."""

import re
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, WebSocket

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
RUN_MS = 90_000
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

READY = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = context?.session?.kernel;
  return context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
ALL_RUN = """() => jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code")
  .every(cell => cell.model.executionState === "idle" && cell.model.executionCount)"""
# Cells of their own take the place of those that a test left, and of all that they showed.
SHOW_CELLS = """sources => {
  const notebook = jupyterapp.shell.currentWidget.model.sharedModel;
  const left = notebook.cells.length;
  notebook.transact(() => {
    const cells = sources.map(source => ({ cell_type: "code", source, metadata: {} }));
    notebook.insertCells(left, cells);
    notebook.deleteCellRange(0, left);
  });
}"""
SHUT_DOWN = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()"
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

WRONG = {
    "a failure box": ".cw-w-failure",
    "an error in a cell": '[data-mime-type="application/vnd.jupyter.error"]',
    "stderr in a cell": '[data-mime-type="application/vnd.jupyter.stderr"]',
    "a dialog": ".jp-Dialog",
}
# What JupyterLab says of itself on a busy machine: a plugin or a cell took its time.
SLOW_LAB = re.compile(
    r"Plugin @jupyter\S+ .*(taking too long|took [\d.]+ms) to activate"
    r"|Item with index \d+ did not appear within \d+ ms"
)
# A callback's error is shown in no cell: the kernel's own messages tell of it.
KERNEL_ERROR = re.compile(rb'"msg_type": ?"error"')


class Screen:
    """A page, with what its console and its kernels said to be wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(RUN_MS)
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._complain(f"script error: {error}"))
        page.on("websocket", self._on_websocket)

    def open(self, address: str) -> None:
        """Open a notebook and wait until its kernel is ready."""
        self.page.goto(address)
        self.page.wait_for_function(READY)

    def run_all(self) -> None:
        """Run all cells by the menu and wait until the last one has ended."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(ALL_RUN)

    def show(self, *cells: str) -> None:
        """Replace the notebook's cells by these, and run them all in the kernel as it is."""
        self.page.evaluate(SHOW_CELLS, list(cells))
        self.run_all()

    def press(self, button: Locator) -> None:
        """Press a button with the mouse, once it stands still and nothing lies over it.

        What is still to be shown above it would move it away from under the mouse.
        """
        button.click()

    def command(self, name: str, **arguments: str) -> None:
        """Run one of JupyterLab's commands."""
        script = "([name, arguments]) => jupyterapp.commands.execute(name, arguments)"
        self.page.evaluate(script, [name, arguments])

    def show_at_top(self, element: Locator) -> None:
        """Scroll an element to the top of the notebook."""
        element.evaluate("element => element.scrollIntoView({ block: 'start' })")
        self.draw()

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme and wait until it is on."""
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")
        self.draw()

    def draw(self) -> None:
        """Wait until the page is painted."""
        self.page.evaluate(DRAWN)

    def keep(self, name: str) -> Path:
        """Keep a picture of the screen among the tests' artifacts."""
        self.draw()
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def assert_healthy(self) -> None:
        """Raise AssertionError naming all that is wrong on the page, in its console, or kernel."""
        found = [
            f"{what}: {text}"
            for what, selector in WRONG.items()
            for text in self.page.locator(selector).all_text_contents()
        ]
        found += self.complaints
        assert not found, "\n".join(found)

    def assert_stays_healthy(self) -> None:
        """Look again and again, for a long time: what a button did takes its time to show."""
        for _ in range(RUN_MS // 100):
            self.assert_healthy()
            self.page.wait_for_timeout(100)

    def close(self) -> None:
        """Leave the notebook and end its kernel."""
        self.page.evaluate(SHUT_DOWN)
        self.page.close()

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not SLOW_LAB.match(message.text):
            self._complain(f"console {message.type}: {message.text}")

    def _on_websocket(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._on_frame)

    def _on_frame(self, frame: str | bytes) -> None:
        data = frame.encode() if isinstance(frame, str) else frame
        if KERNEL_ERROR.search(data[:1000]):
            self._complain(f"kernel error: {data[:3000].decode(errors='replace')}")
