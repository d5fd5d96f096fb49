"""Failures of plain Python."""

from kit.experiments.blind_spots.blind_spot import BlindSpot, SdkVerdict

# Version 2's default, enabled in version 3; and the other way round.
EVENTS_OF_LOGS = "sentry_sdk.init(integrations=[LoggingIntegration(event_level=logging.ERROR)])"
EVENTS_OF_WARNINGS = EVENTS_OF_LOGS.replace("ERROR", "WARNING")
UNRAISABLE_HOOK = "sentry_sdk.init(integrations=[UnraisablehookIntegration()])"

PYTHON = (
    BlindSpot(
        "python/uncaught",
        "An uncaught exception",
        """
        + sentry_sdk.init(ignore_errors=[ValueError])
          int("ten")
        """,
        "The SDK hooks into sys.excepthook. It drops the classes in ignore_errors, and all that "
        "inherit from them.",
        captured=True,
    ),
    BlindSpot(
        "python/caught",
        "An exception that is caught and ignored",
        """
          try:
              int("ten")
          except ValueError:
        -     pass
        +     sentry_sdk.capture_exception()
        """,
        "The code that catches an exception decides about it. The SDK does not see it.",
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
        "This event has no request, so before_send raises a KeyError. The SDK drops the event, "
        "because nothing has cleaned it. A client report counts the loss as callback_error.",
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
        "With return_exceptions an error is a value in a list, and no code checked the list.",
    ),
    BlindSpot(
        "python/task-kept",
        "A failed task that is still referenced",
        """
          tasks = set()
          async def main():
        +     enable_asyncio_integration()
              tasks.add(asyncio.create_task(fail()))
              await asyncio.wait(tasks)
          asyncio.run(main())
        """,
        "asyncio reports a task's error when the task is garbage-collected before its result was "
        "retrieved. This one is never collected. The integration watches each task created later.",
    ),
    BlindSpot(
        "python/task-caught",
        "A task whose error is caught where it is awaited",
        """
          async def main():
        +     enable_asyncio_integration()
              try:
                  await asyncio.create_task(fail())
              except ValueError:
                  pass
          asyncio.run(main())
        """,
        "The caller has handled it. The integration reports it anyway, as unhandled: it sees how a "
        "task ends, not who awaits it.",
    ),
    BlindSpot.per_generation(
        "python/task-forgotten",
        "A failed task that is discarded",
        """
        + ...
          async def main():
              asyncio.create_task(fail())
              await asyncio.sleep(0)
          asyncio.run(main())
          gc.collect()
        """,
        in_2=SdkVerdict(
            captured=True,
            line='ignore_logger("asyncio")',
            why="asyncio logs an error, 'Task exception was never retrieved', but only when the "
            "garbage collector runs. The logging integration makes an event of it.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_LOGS,
            why="asyncio logs an error, 'Task exception was never retrieved'. The logging "
            "integration, which would make an event of it, is off by default.",
        ),
    ),
    BlindSpot(
        "python/pool",
        "A pool job whose result is never retrieved",
        """
          with ThreadPoolExecutor() as pool:
        -     pool.submit(int, "ten")
        +     pool.submit(int, "ten").result()
        """,
        "The pool stores the exception in the future. No code retrieves it.",
    ),
    BlindSpot(
        "python/thread",
        "A thread that fails",
        """
          thread = threading.Thread(target=int, args=("ten",))
          thread.start()
          thread.join()
        """,
        "The threading integration, on by default, wraps the run() of every thread.",
        captured=True,
    ),
    BlindSpot.per_generation(
        "python/raw-thread",
        "A thread started without threading",
        """
        + ...
          def job():
              int("ten")
          over = threading.Event()
          weakref.finalize(job, over.set)
          _thread.start_new_thread(job, ())
          del job; over.wait()
        """,
        in_2=SdkVerdict(
            captured=False,
            line=UNRAISABLE_HOOK,
            why="Python passes its error to sys.unraisablehook. The integration for that is off by "
            "default.",
        ),
        in_3=SdkVerdict(
            captured=True,
            line="sentry_sdk.init(default_integrations=False)",
            why="Python passes its error to sys.unraisablehook. The integration for that is on by "
            "default.",
        ),
    ),
    BlindSpot.per_generation(
        "python/del",
        "An error in __del__",
        """
        + ...
          class Session:
              def __del__(self):
                  int("ten")
          Session()
          gc.collect()
        """,
        in_2=SdkVerdict(
            captured=False,
            line=UNRAISABLE_HOOK,
            why="No caller could catch it: Python passes it to sys.unraisablehook and goes on. By "
            "default the SDK does not hook in there.",
        ),
        in_3=SdkVerdict(
            captured=True,
            line="sys.unraisablehook = sys.__unraisablehook__",
            why="No caller could catch it: Python passes it to sys.unraisablehook, where the SDK "
            "hooks in. Code that sets the hook later replaces the SDK's.",
        ),
    ),
    BlindSpot(
        "python/exit",
        "A program that calls sys.exit(1)",
        """
        + sentry_sdk.init(integrations=[SysExitIntegration()])
          if "NO_SUCH_SETTING" not in os.environ:
              sys.exit(1)
        """,
        "SystemExit is a request, not an error: sys.excepthook is not called for it.",
        error="SystemExit",
        alone=True,
    ),
    BlindSpot(
        "python/too-fast",
        "An event from a process that exits at once",
        """
          sentry_sdk.capture_message("no disk", level="fatal")
        + sentry_sdk.flush()
          os._exit(1)
        """,
        "capture_message() queues the event for a thread that sends it. os._exit() waits for no "
        "thread and runs no exit handlers.",
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
        "An SDK written in Python cannot report that a signal killed its process: no Python runs "
        "any more. The parent process can.",
        error="CalledProcessError",
    ),
    BlindSpot(
        "python/interrupted",
        "Ctrl-C",
        """
        + sentry_sdk.init(ignore_errors=[KeyboardInterrupt])
          raise KeyboardInterrupt
        """,
        "For sys.excepthook it is an exception like any other, and so it is for the SDK.",
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
        "A warning is only printed. The filter 'error' raises it instead, which is good in tests.",
        error="RuntimeWarning",
    ),
    BlindSpot.per_generation(
        "python/printed",
        "An error that is printed",
        """
        - print("ERROR: no more coins", file=sys.stderr)
        + ...
        """,
        in_2=SdkVerdict(
            captured=False,
            line='logging.error("no more coins")',
            why="The SDK reads log records, not output.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line='sentry_sdk.capture_message("no more coins", level="error")',
            why="The SDK does not read output, and log records only if you enable that.",
        ),
        error="no more coins",
    ),
    BlindSpot.per_generation(
        "python/logged-warning",
        "A log record below ERROR",
        """
        + ...
          logging.getLogger("shop").warning("few coins")
        """,
        in_2=SdkVerdict(
            captured=False,
            line=EVENTS_OF_WARNINGS,
            why="It becomes a breadcrumb of the next event. event_level sets the level from which "
            "a record is an event.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_WARNINGS,
            why="The logging integration is off by default: the record is not even a breadcrumb. "
            "Where it is on, event_level sets the level from which a record is an event.",
        ),
        error="few coins",
    ),
    BlindSpot.per_generation(
        "python/logged-error",
        "A log record of level ERROR",
        """
        + ...
          logging.getLogger("vault").error("door open")
        """,
        in_2=SdkVerdict(
            captured=True,
            line='ignore_logger("vault")',
            why="The logging integration makes an event of it. An ignored logger creates none.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_LOGS,
            why="The logging integration is off by default. Where it is on, it makes events of "
            "records from event_level on.",
        ),
        error="door open",
    ),
)
