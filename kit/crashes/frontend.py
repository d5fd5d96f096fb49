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
        title="The notebook trips over an answer that it did not expect",
        severity="error",
        route="/api/v1/spin",
        calls=GAME_ENGINE,
        method="POST",
        body={"player": "ada", "bet": TABLE_LIMIT + 1},
        happens=(
            f"A handler of the notebook bets one more than the table limit of {TABLE_LIMIT}. The "
            "game engine refuses with 422, as it should. The handler does not look at the status, "
            "reads the reels of an answer that has none, and a KeyError leaves it. All services "
            "are well: the only event is the frontend's."
        ),
        status=422,
        errors=(ExpectedError(("KeyError",), "notebook"),),
        captured=(
            local("result", "What the handler took for a result: the refusal, in words."),
            Captured("contexts.upstream.status", "The status that nobody looked at."),
            Captured("contexts.spin.bet", "The bet: one more than spin.table_limit beside it."),
            Captured(
                "breadcrumbs.values[?category=='httplib'] | [-1].data.reason",
                "The request that led here, and its answer; the SDK noted it on its own.",
            ),
        ),
        not_captured=(
            NotCaptured(
                "What the game engine thought of it",
                "A refusal is an answer, not an error: the game engine reports nothing.",
                "Follow the trace: the service spans of gateway and game engine say 422.",
                asserted=Assertion.NO_OTHER_EVENT,
            ),
            NotCaptured(
                "A request",
                "The frontend serves none. It makes them, and those are breadcrumbs and spans.",
                "Read the breadcrumb of type http.",
                "request",
            ),
            no_globals("announce", "hook._cells"),
        ),
        contexts=("process", "jupyter", "spin", "upstream", "trace", "runtime"),
        spans=("http.client",),
        fix="Look at the status before the body: answer.raise_for_status(), or show the detail.",
    ),
)
