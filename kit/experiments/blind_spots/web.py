"""Failures behind an HTTP request, in Tornado and in FastAPI."""

from kit.experiments.blind_spots.blind_spot import BlindSpot, SdkVerdict
from kit.experiments.blind_spots.python import EVENTS_OF_LOGS

TORNADO = (
    BlindSpot(
        "tornado/uncaught",
        "A handler that raises",
        """
          class Handler(RequestHandler):
              def get(self):
                  int("ten")
        """,
        "Tornado calls the handler's log_exception(), which the integration wraps.",
        captured=True,
    ),
    BlindSpot(
        "tornado/log-exception",
        "A handler that overrides log_exception()",
        """
          class Handler(RequestHandler):
              def get(self):
                  int("ten")
              def log_exception(self, *error):
        -         logging.warning("failed", exc_info=error)
        +         super().log_exception(*error)
        """,
        "An override of log_exception() replaces the integration's, unless it calls super().",
    ),
    BlindSpot(
        "tornado/http-error",
        "A handler that answers with HTTPError(500)",
        """
          class Handler(RequestHandler):
              def get(self):
        -         raise HTTPError(500, "no reels")
        +         raise RuntimeError("no reels")
        """,
        "The integration treats every HTTPError as a response, whatever its status.",
        error="RuntimeError: no reels",
    ),
    BlindSpot(
        "tornado/set-status",
        "A handler that sets the status 500",
        """
          class Handler(RequestHandler):
              def get(self):
                  self.set_status(500)
        +         sentry_sdk.capture_message("no reels", level="error")
        """,
        "Nothing was raised, and the integration does not check the status.",
        error="no reels",
    ),
    BlindSpot(
        "tornado/after-answer",
        "A handler that fails after its response",
        """
          class Handler(RequestHandler):
              def get(self):
                  self.finish("thank you")
                  int("ten")
        """,
        "The caller got a 200 and sees no error. The integration still covers the whole handler.",
        captured=True,
    ),
    BlindSpot.per_generation(
        "tornado/callback",
        "An event loop callback",
        """
        + ...
          class Handler(RequestHandler):
              def get(self):
                  IOLoop.current().add_callback(int, "ten")
        """,
        in_2=SdkVerdict(
            captured=True,
            line='ignore_logger("tornado.application")',
            why="Tornado logs it as an error, and the logging integration makes an event of that. "
            "The Tornado integration is not involved.",
        ),
        in_3=SdkVerdict(
            captured=False,
            line=EVENTS_OF_LOGS,
            why="Tornado logs it as an error. The Tornado integration is not involved, and the "
            "logging integration is off by default.",
        ),
    ),
)

FASTAPI = (
    BlindSpot(
        "fastapi/uncaught",
        "A route that raises",
        """
          @app.get("/")
          def route():
              int("ten")
        """,
        "It passes through every middleware, and the SDK's is the outermost.",
        captured=True,
    ),
    BlindSpot(
        "fastapi/refused",
        "A request that FastAPI refuses with 422",
        """
          @app.exception_handler(RequestValidationError)
          async def refuse(request, error):
        +     sentry_sdk.capture_exception(error)
              return await request_validation_exception_handler(request, error)
          @app.get("/")
          def route(bet: int): ...
        """,
        "It is the caller's mistake, and FastAPI's own handler answers it.",
        error="RequestValidationError",
    ),
    BlindSpot(
        "fastapi/http-404",
        "A route that raises HTTPException(404)",
        """
        + sentry_sdk.init(integrations=[StarletteIntegration(failed_request_status_codes={404})])
          @app.get("/")
          def route():
              raise HTTPException(404)
        """,
        "An HTTPException is captured from 500 on, unless the option says otherwise.",
        error="HTTPException",
    ),
    BlindSpot(
        "fastapi/http-500",
        "A route that raises HTTPException(500)",
        """
        + sentry_sdk.init(integrations=[StarletteIntegration(failed_request_status_codes=set())])
          @app.get("/")
          def route():
              raise HTTPException(500)
        """,
        "Tornado's counterpart is not captured. The option belongs to Starlette, below FastAPI.",
        error="HTTPException",
        captured=True,
    ),
    BlindSpot(
        "fastapi/returned",
        "A route that returns a 500",
        """
          @app.get("/")
          def route():
        +     sentry_sdk.capture_message("no reels", level="error")
              return JSONResponse({"detail": "no reels"}, 500)
        """,
        "Nothing was raised, and the integration does not check the status.",
        error="no reels",
    ),
    BlindSpot(
        "fastapi/handled",
        "An error with its own exception handler",
        """
          @app.exception_handler(ValueError)
          def answer(request, error):
        +     sentry_sdk.capture_exception(error)
              return JSONResponse({"detail": "no number"}, 500)
          @app.get("/")
          def route():
              int("ten")
        """,
        "A registered handler has caught the exception, even if it responds with a 500.",
    ),
    BlindSpot(
        "fastapi/handled-all",
        "An error with a handler for Exception",
        """
          @app.exception_handler(Exception)
          def answer(request, error):
              return JSONResponse({"detail": "sorry"}, 500)
          @app.get("/")
          def route():
              int("ten")
        """,
        "Only this handler is different: Starlette responds with it and raises the error again.",
        captured=True,
    ),
    BlindSpot(
        "fastapi/task-kept",
        "A task that a route starts and keeps a reference to",
        """
          @app.get("/")
          async def route():
        +     enable_asyncio_integration()
              app.state.task = asyncio.create_task(fail())
              await asyncio.wait([app.state.task])
        """,
        "It is not part of the request, and for asyncio its result may still be retrieved.",
    ),
    BlindSpot(
        "fastapi/background",
        "A background task",
        """
          @app.get("/")
          def route(later: BackgroundTasks):
              later.add_task(int, "ten")
        """,
        "The caller already got a 200. The task runs inside the same call of the application.",
        captured=True,
    ),
    BlindSpot(
        "fastapi/stream",
        "A stream that fails midway",
        """
          @app.get("/")
          def route():
              return StreamingResponse(str(10 // n) for n in (2, 1, 0))
        """,
        "The status 200 is already sent, but it fails inside the call of the application.",
        error="ZeroDivisionError",
        captured=True,
    ),
    BlindSpot.per_generation(
        "fastapi/start-up",
        "An application that cannot start",
        """
          @contextlib.asynccontextmanager
          async def lifespan(app):
              int("ten")
              yield
          app = FastAPI(lifespan=lifespan)
        """,
        in_2=SdkVerdict(
            captured=True,
            why="The SDK's middleware covers startup, too. uvicorn logs the error twice, which "
            "makes two more events.",
        ),
        in_3=SdkVerdict(
            captured=True,
            why="The SDK's middleware covers startup, too. uvicorn logs the error twice, which "
            "makes no events: the logging integration is off by default.",
        ),
    ),
)
