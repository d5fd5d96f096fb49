"""Failures of plain Python."""

from kit.experiments.blind_spots.blind_spot import BlindSpot

PYTHON = (
    BlindSpot(
        "python/uncaught",
        "An exception that nobody catches",
        """
        + sentry_sdk.init(ignore_errors=[ValueError])
          int("ten")
        """,
        "The SDK stands in sys.excepthook. What is in ignore_errors is dropped, and with it every "
        "class that inherits from it.",
        captured=True,
    ),
    BlindSpot(
        "python/caught",
        "An exception that is caught and passed over",
        """
          try:
              int("ten")
          except ValueError:
        -     pass
        +     sentry_sdk.capture_exception()
        """,
        "Who catches an exception decides about it. The SDK is told of none that is caught.",
    ),
    BlindSpot(
        "python/before-send",
        "Every error, once before_send itself is broken",
        """
          def before_send(event, hint):
        -     event["request"].pop("cookies", None)
        +     event.get("request", {}).pop("cookies", None)
              return event
          sentry_sdk.init(before_send=before_send)
          int("ten")
        """,
        "This event has no request, so before_send raises a KeyError. The SDK keeps that to "
        "itself and drops the event, which nobody has looked through.",
    ),
    BlindSpot(
        "python/gathered",
        "An error that gather() returns as a result",
        """
          async def main():
        -     await asyncio.gather(fail(), return_exceptions=True)
        +     await asyncio.gather(fail())
          asyncio.run(main())
        """,
        "With return_exceptions an error is a value in a list, and nobody looked at the list.",
    ),
    BlindSpot(
        "python/task-kept",
        "A task that failed and is still referred to",
        """
          tasks = set()
          async def main():
        +     enable_asyncio_integration()
              tasks.add(asyncio.create_task(fail()))
              await asyncio.wait(tasks)
          asyncio.run(main())
        """,
        "asyncio tells of a task's error when nobody asked for it and the task is thrown away. "
        "This one never is. The integration watches each task that is made from then on.",
    ),
    BlindSpot(
        "python/task-forgotten",
        "A task that failed and is thrown away",
        """
        + ignore_logger("asyncio")
          async def main():
              asyncio.create_task(fail())
              await asyncio.sleep(0)
          asyncio.run(main())
          gc.collect()
        """,
        "asyncio logs an error, 'Task exception was never retrieved', and the logging integration "
        "makes an event of it: as late as the garbage collector comes by.",
        captured=True,
    ),
    BlindSpot(
        "python/pool",
        "A job of a pool whose result nobody asks for",
        """
          with ThreadPoolExecutor() as pool:
        -     pool.submit(int, "ten")
        +     pool.submit(int, "ten").result()
        """,
        "The pool puts the exception into the future, for whoever asks. Nobody does.",
    ),
    BlindSpot(
        "python/thread",
        "A thread that fails",
        """
          thread = threading.Thread(target=int, args=("ten",))
          thread.start()
          thread.join()
        """,
        "The threading integration, on by default, stands in the run() of every thread.",
        captured=True,
    ),
    BlindSpot(
        "python/raw-thread",
        "A thread that was started below threading",
        """
        + sentry_sdk.init(integrations=[UnraisablehookIntegration()])
          def job():
              int("ten")
          over = threading.Event()
          weakref.finalize(job, over.set)
          _thread.start_new_thread(job, ())
          del job; over.wait()
        """,
        "Python hands its error to sys.unraisablehook. The integration that stands there is not "
        "among the default ones.",
    ),
    BlindSpot(
        "python/del",
        "An error in __del__",
        """
        + sentry_sdk.init(integrations=[UnraisablehookIntegration()])
          class Session:
              def __del__(self):
                  int("ten")
          Session()
          gc.collect()
        """,
        "There is no caller to raise it to: Python hands it to sys.unraisablehook and goes on.",
    ),
    BlindSpot(
        "python/exit",
        "A program that gives up",
        """
        + sentry_sdk.init(integrations=[SysExitIntegration()])
          if "NO_SUCH_SETTING" not in os.environ:
              sys.exit(1)
        """,
        "SystemExit is a wish and not an error: sys.excepthook is not called for it.",
        error="SystemExit",
        alone=True,
    ),
    BlindSpot(
        "python/too-fast",
        "An event of a process that ends at once",
        """
          sentry_sdk.capture_message("no disk", level="fatal")
        + sentry_sdk.flush()
          os._exit(1)
        """,
        "capture_message() puts the event into a queue, which a thread sends. os._exit() waits "
        "for no thread and calls nothing that waits for the end.",
        error="no disk",
        alone=True,
    ),
    BlindSpot(
        "python/child",
        "A child process that is killed",
        """
          code = "import os; os.abort()"
          child = subprocess.run([sys.executable, "-c", code])
        + child.check_returncode()
        """,
        "No SDK reports the end of its own process by a signal. The parent knows of it.",
        error="CalledProcessError",
    ),
    BlindSpot(
        "python/interrupted",
        "Ctrl-C",
        """
        + sentry_sdk.init(ignore_errors=[KeyboardInterrupt])
          raise KeyboardInterrupt
        """,
        "To sys.excepthook it is an exception like any other, and so it is to the SDK.",
        error="KeyboardInterrupt",
        captured=True,
    ),
    BlindSpot(
        "python/warning",
        "A warning",
        """
        + warnings.simplefilter("error")
          warnings.warn("the lamp goes out", RuntimeWarning)
        """,
        "A warning is printed. The filter 'error' raises it instead, which is good in tests.",
        error="RuntimeWarning",
    ),
    BlindSpot(
        "python/printed",
        "An error that is printed",
        """
        - print("ERROR: no more coins", file=sys.stderr)
        + logging.error("no more coins")
        """,
        "The SDK reads log records, and no output.",
        error="no more coins",
    ),
    BlindSpot(
        "python/logged-warning",
        "A log record below ERROR",
        """
        + sentry_sdk.init(integrations=[LoggingIntegration(event_level=logging.WARNING)])
          logging.getLogger("shop").warning("few coins")
        """,
        "It becomes a breadcrumb of the next event. event_level says from where on it is an event.",
        error="few coins",
    ),
    BlindSpot(
        "python/logged-error",
        "A log record of level ERROR",
        """
        + ignore_logger("vault")
          logging.getLogger("vault").error("door open")
        """,
        "The logging integration makes an event of it. An ignored logger leaves none.",
        error="door open",
        captured=True,
    ),
)
