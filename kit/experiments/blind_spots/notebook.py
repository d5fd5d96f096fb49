"""Failures of the notebook itself, in a kernel like Jupyter's."""

from kit.experiments.blind_spots.blind_spot import BlindSpot

NOTEBOOK = (
    BlindSpot(
        "notebook/cell",
        "A cell that raises",
        """
          def report(cell):
              if cell.error_in_exec:
                  sentry_sdk.capture_exception(cell.error_in_exec)
        + get_ipython().events.register("post_run_cell", report)
          int("ten")
        """,
        "IPython catches it and shows the traceback, so sys.excepthook is not called. The kit "
        "registers such a function, which is why errors in your cells are captured.",
    ),
    BlindSpot(
        "notebook/callback",
        "A button callback that fails",
        """
          def press(button):
              try:
                  int("ten")
        +     except ValueError: sentry_sdk.capture_exception()
              finally:
                  button.disabled = False
          button = ipywidgets.Button(); button.on_click(press); button.click()
        """,
        "ipywidgets catches and shows what a callback raises. IPython has no event for that.",
    ),
    BlindSpot(
        "notebook/shell",
        "A command that exits with an error",
        """
          !exit 3
        + if _exit_code: sentry_sdk.capture_message(f"exit code {_exit_code}")
        """,
        "Its exit code is stored in a variable. No exception is raised.",
        error="exit code 3",
    ),
    BlindSpot(
        "notebook/thread",
        "A thread that fails",
        """
          thread = threading.Thread(target=int, args=("ten",))
          thread.start()
          thread.join()
        """,
        "The threading integration wraps the run() of every thread, also in a kernel.",
        captured=True,
    ),
)
