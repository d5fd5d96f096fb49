"""The crash types of the frontend: the notebook itself."""

from demo_services.game_engine.reels import TABLE_LIMIT
from demo_services.services import GAME_ENGINE
from kit.crashes.common import local, no_globals
from kit.crashes.crash_type import (
    Assertion,
    Captured,
    CrashType,
    ExpectedError,
    NotCaptured,
)

FRONTEND_CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="frontend/error",
        title="The notebook trips over an unexpected response",
        severity="error",
        route="/api/v1/spin",
        calls=GAME_ENGINE,
        method="POST",
        body={"player": "ada", "bet": TABLE_LIMIT + 1},
        happens=(
            f"A handler of the notebook bets one more than the table limit of {TABLE_LIMIT}. The "
            "game engine refuses with 422, as it should. The handler does not check the status, "
            "reads the reels of a response that has none, and raises KeyError. All services "
            "are healthy: the only event is the frontend's."
        ),
        status=422,
        errors=(ExpectedError(("KeyError",), "notebook"),),
        captured=(
            local("result", "What the handler mistook for a result: the refusal, in words."),
            Captured("contexts.upstream.status", "The status that the handler did not check."),
            Captured("contexts.spin.bet", "The bet: one more than spin.table_limit beside it."),
            Captured(
                "breadcrumbs.values[?category=='httplib'] | [-1].data.reason",
                "The request that led here, and its response; the SDK recorded it by itself.",
            ),
        ),
        not_captured=(
            NotCaptured(
                "The game engine's side of it",
                "A refusal is a response, not an error: the game engine reports nothing.",
                "Follow the trace: the service spans of gateway and game engine say 422.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
            NotCaptured(
                "A request",
                "The frontend serves none. It makes requests: those are breadcrumbs and spans.",
                "Read the breadcrumb of type http.",
                "request",
            ),
            no_globals("announce", "hook._cells"),
        ),
        contexts=("process", "jupyter", "spin", "upstream", "trace", "runtime"),
        spans=("http.client",),
        fix="Check the status before the body: answer.raise_for_status(), or show the detail.",
    ),
)
