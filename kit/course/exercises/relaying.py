"""What a DSN says, and what becomes of an envelope on its way to a real Sentry."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sentry_sdk.utils import Dsn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kit.course.exercise import Exercise, FunctionExercise, NotTried, Wrong, require_choices
from kit.hosting.server import Server, serve_asgi
from kit.ingest.relay import Relay
from kit.system.clients import sentry_off

DELIVERED, AGAIN, DROPPED = "delivered", "sent again", "dropped"
# What Sentry's servers say with each: https://develop.sentry.dev/sdk/foundations/transport/
ANSWERS = {"200": 200, "401": 401, "413": 413, "429": 429, "503": 503}
PATIENCE_S = 20.0


@contextmanager
def fake_sentry(*answers: int, port: int = 0) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that answers as told, then with 200; give its DSN and the bodies it was sent.

    Only pretends to be a Sentry: it looks at nothing, and the bodies stay compressed.
    """
    left, bodies = list(answers), list[bytes]()

    async def envelope(request: Request) -> Response:
        bodies.append(await request.body())
        return Response(status_code=left.pop(0) if left else 200)

    routes = [Route("/api/1/envelope/", envelope, methods=["POST"])]
    make_app = serve_asgi(lambda: Starlette(routes=routes))
    server = Server("pretended-sentry", make_app, port=port, context=sentry_off)
    server.launch().wait()
    try:
        yield f"http://key@127.0.0.1:{server.port}/1", bodies
    finally:
        server.stop()


def fate(status: int) -> str:
    """Return what the relay does with an envelope that is answered with ``status`` at first."""
    with fake_sentry(status) as (dsn, bodies):
        relay = Relay(dsn)
        relay(b"{}\n")
        if not relay.wait(PATIENCE_S):
            raise TimeoutError(f"the relay did not settle a {status} in {PATIENCE_S:g} s")
        relay.close()
        if relay.dropped:
            return DROPPED
        return DELIVERED if len(bodies) == 1 else AGAIN


def again_or_dropped() -> Exercise:
    """Predict what the relay does after each answer; it is sent to a server that gives it."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, ANSWERS, (DELIVERED, AGAIN, DROPPED))
        for name, status in ANSWERS.items():
            seen = fate(status)
            if answer[name] != seen:
                raise Wrong(
                    f"A server answered {name}, and the envelope was not {answer[name]}. "
                    "Would the same bytes be welcome a minute later?"
                )
        return f"Each of the {len(ANSWERS)} was tried on the relay, and it did as you said."

    return Exercise(
        "again-or-dropped",
        verify,
        "What is wrong with the envelope or the key stays wrong. What is wrong with the server, "
        "or with the moment, may pass. The status says which: 4xx or 5xx, with one exception.",
        "answer = {\n"
        '    "200": "delivered",\n'
        '    "401": "dropped",\n'
        '    "413": "dropped",\n'
        '    "429": "sent again",\n'
        '    "503": "sent again",\n'
        "}",
    )


def take_a_dsn_apart() -> Exercise:
    """Write a function that says where a DSN sends to, and with which key."""

    def verify(answer: Callable[[str], object]) -> str:
        dsns = list(_dsns())
        for dsn in dsns:
            _check_destination(answer(dsn), dsn)
        return f"Tried on {len(dsns)} new DSNs. You could post an envelope by hand now."

    return FunctionExercise(
        "take-a-dsn-apart",
        verify,
        "urllib.parse.urlsplit(dsn) takes it apart: username is the key. The last part of the path "
        "is the project. What stands before it belongs to the server, and stays in front of /api/.",
        "from urllib.parse import urlsplit\n\n\n"
        "def answer(dsn):\n"
        "    parts = urlsplit(dsn)\n"
        '    host = parts.netloc.rpartition("@")[2]\n'
        '    prefix, _, project = parts.path.rpartition("/")\n'
        '    url = f"{parts.scheme}://{host}{prefix}/api/{project}/envelope/"\n'
        "    return url, parts.username",
        function="destination",
    )


def _dsns() -> Iterator[str]:
    key = uuid4().hex
    yield f"https://{key}@o4505.ingest.us.sentry.io/4507"
    yield f"http://{key}@127.0.0.1:8000/1"
    yield f"https://{key}@errors.example.com/behind/a/proxy/12"
    # Old ones have a secret as well, which nothing needs any more.
    yield f"https://{key}:{uuid4().hex}@sentry.example.com/7"


def _check_destination(given: object, dsn: str) -> None:
    if given == (..., ...):
        raise NotTried
    if not isinstance(given, tuple) or len(given) != 2:
        raise Wrong(f"For {dsn} the function returned {given!r}; a URL and a key are wanted.")
    parts = Dsn(dsn)
    expected = str(parts.to_auth().get_api_url()), parts.public_key
    for what, mine, right in zip(("URL", "key"), given, expected, strict=True):
        if mine != right:
            raise Wrong(f"The {what} of {dsn} is not {mine!r}.")
