"""The traffic widget: a picture that outlives the kernel, and a button below it."""

from collections.abc import Callable

import ipywidgets

from kit.html import display_live
from kit.widgets.controls import make_button
from kit.widgets.static import FollowedStatic


class TrafficFace:
    """Shows a picture and a start/stop button; a click calls ``on_press``."""

    def __init__(self, on_press: Callable[[], object]) -> None:
        self._picture = FollowedStatic()
        self.button = make_button("Start", on_press, icon="play", style="primary")
        self.button.layout = ipywidgets.Layout(width="120px", height="34px")
        self._is_running: bool | None = None

    def show(self, picture: str, is_running: bool) -> None:
        """Replace the picture wherever it is displayed, and update the button's label."""
        self._picture.show(picture)
        if is_running != self._is_running:
            self._is_running = is_running
            self.button.description = "Stop" if is_running else "Start"
            self.button.icon = "stop" if is_running else "play"

    def display(self) -> None:
        """Show both in the output of the running cell."""
        self._picture.display()
        display_live(ipywidgets.VBox([self._picture.copy, self.button]))
