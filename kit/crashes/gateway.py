"""The crash types of the gateway."""

from kit.crashes.common import NO_ADDRESS, NO_LOAD, local
from kit.crashes.crash_type import Captured, CrashType, ExpectedError

GATEWAY_CRASHES: tuple[CrashType, ...] = (
    CrashType(
        id="gateway/panic",
        title="The gateway panics",
        severity="fatal",
        route="/debug/panic",
        happens=(
            "The gateway picks an instance by the player's name, modulo the number of healthy "
            "ones, and all of them are down for an upgrade. Only the outermost handler catches "
            "the ZeroDivisionError: it answers 500, and the gateway keeps running."
        ),
        status=500,
        errors=(ExpectedError(("ZeroDivisionError",), "starlette", level="fatal"),),
        captured=(
            local("available", "An empty list: the reason, without a line of logging."),
            Captured("contexts.gateway.upstreams", "The upstreams as the gateway saw them."),
            Captured('tags."http.route"', "The route as a tag: the same for every player."),
        ),
        not_captured=(
            NO_ADDRESS,
            NO_LOAD,
        ),
        contexts=("process", "fastapi", "gateway", "trace", "runtime"),
        spans=("gateway.routing",),
        fix="Decide what happens when nothing is healthy: answer 503 with Retry-After.",
    ),
)
