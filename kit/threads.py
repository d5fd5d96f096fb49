"""An exception that ends a thread of the kit is never lost: it goes to ``threading.excepthook``.

While the workshop runs, that hook adds it to the status and the log (``kit.system.logs``).
Otherwise it prints a traceback.
"""

import sys
import threading


def report_thread_failure() -> None:
    """Report the exception that is being handled, where it would be swallowed.

    For threads that continue after it, and for pools and servers, which keep the exception for a
    caller that may never ask.
    """
    args = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
    threading.excepthook(args)
