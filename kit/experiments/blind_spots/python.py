"""Failures of plain Python."""

from kit.experiments.blind_spots.blind_spot import BlindSpot, SdkVerdict

# What version 2 has by default, asked for in version 3; and the other way round.
EVENTS_OF_LOGS = "sentry_sdk.init(integrations=[LoggingIntegration(event_level=logging.ERROR)])"
EVENTS_OF_WARNINGS = EVENTS_OF_LOGS.replace("ERROR", "WARNING")
UNRAISABLE_HOOK = "sentry_sdk.init(integrations=[UnraisablehookIntegration()])"

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
        "This event has no request, so before_send raises a KeyError. The SDK drops the event, "
        "which no code has cleaned. The loss is counted in a client report, as callback_error.",
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
        "The caller has dealt with it. The integration reports it all the same, as unhandled: it "
        "sees how a task ends, and not who awaits it.",
    ),
    BlindSpot.per_generation(
        "python/task-forgotten",
        "A task that failed and is thrown away",
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
            why="asyncio logs an error, 'Task exception was never retrieved', as late as the "
            "garbage collector comes by. The logging integration makes an event of it.",
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
    BlindSpot.per_generation(
        "python/raw-thread",
        "A thread that was started below threading",
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
            why="Python hands its error to sys.unraisablehook. The integration that stands there "
            "is off by default.",
        ),
        in_3=SdkVerdict(
            captured=True,
            line="sentry_sdk.init(default_integrations=False)",
            why="Python hands its error to sys.unraisablehook. The integration that stands there "
            "is on by default.",
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
            why="There is no caller to raise it to: Python hands it to sys.unraisablehook and goes "
            "on. By default the SDK does not stand there.",
        ),
        in_3=SdkVerdict(
            captured=True,
            line="sys.unraisablehook = sys.__unraisablehook__",
            why="There is no caller to raise it to: Python hands it to sys.unraisablehook, where "
            "the SDK stands. Code that sets the hook later takes the SDK's place.",
        ),
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
        "No SDK that is written in Python can report that its process was ended by a signal: no "
        "Python runs any more. The parent knows of it.",
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
            why="The SDK reads log records, and no output.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line='sentry_sdk.capture_message("no more coins", level="error")',
            why="The SDK reads no output, and no log records either unless it is asked to.",
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
            why="It becomes a breadcrumb of the next event. event_level says from where on it is "
            "an event.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_WARNINGS,
            why="The logging integration is off by default: the record is not even a breadcrumb. "
            "Where it is on, event_level says from where on a record is an event.",
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
            why="The logging integration makes an event of it. An ignored logger leaves none.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_LOGS,
            why="The logging integration is off by default. Where it is on, it makes events only "
            "from event_level on.",
        ),
        error="door open",
    ),
)
