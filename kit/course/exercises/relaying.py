"""The parts of a DSN, and what happens to an envelope on its way to a real Sentry."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import sentry_sdk
from sentry_sdk.utils import Dsn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, FunctionExercise, NotTried, Wrong
from kit.hosting.server import Server, serve_asgi
from kit.ingest.envelope import parse
from kit.ingest.relay import Relay
from kit.system.clients import open_client, sentry_off, use_client

DELIVERED, AGAIN, DROPPED = "delivered", "sent again", "dropped"
# Their meanings: https://develop.sentry.dev/sdk/foundations/transport/
ANSWERS = {"200": 200, "401": 401, "413": 413, "429": 429, "503": 503}
PATIENCE_S = 20.0


@contextmanager
def fake_sentry(
    *answers: int, port: int = 0, limits: str = ""
) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that gives these answers, then 200; yield its DSN and the received bodies.

    It only pretends to be a Sentry: it checks nothing, and the bodies stay compressed. With each
    429 it sends ``limits`` as the header X-Sentry-Rate-Limits, such as ``60:error:key``.
    """
    left, bodies = list(answers), list[bytes]()

    async def envelope(request: Request) -> Response:
        bodies.append(await request.body())
        status = left.pop(0) if left else 200
        told = {"X-Sentry-Rate-Limits": limits} if status == 429 and limits else {}
        return Response(status_code=status, headers=told)

    routes = [Route("/api/1/envelope/", envelope, methods=["POST"])]
    make_app = serve_asgi(lambda: Starlette(routes=routes))
    server = Server("pretended-sentry", make_app, port=port, context=sentry_off)
    server.launch().wait()
    try:
        yield f"http://key@127.0.0.1:{server.port}/1", bodies
    finally:
        server.stop()


def fate(status: int) -> str:
    """Return what the relay does with an envelope whose first answer is ``status``."""
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
    """Predict what the relay does after each answer; the check sends to a server that gives it."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, ANSWERS, (DELIVERED, AGAIN, DROPPED))
        wrong = [
            f"A server answered {name}, and the envelope was not {answer[name]}."
            for name, status in ANSWERS.items()
            if answer[name] != fate(status)
        ]
        if wrong:
            wrong.append("Would the server accept the same bytes a minute later?")
        raise_all(wrong)
        return f"All {len(ANSWERS)} were tried on the relay, and it did what you predicted."

    return Exercise(
        "again-or-dropped",
        verify,
        "A bad envelope or key stays bad. A problem of the server or of the moment may pass. The "
        "status says which: 4xx or 5xx, with one exception.",
        "answer = {\n"
        '    "200": "delivered",\n'
        '    "401": "dropped",\n'
        '    "413": "dropped",\n'
        '    "429": "sent again",\n'
        '    "503": "sent again",\n'
        "}",
    )


@dataclass(frozen=True)
class Loss:
    """A way to lose the last of some errors: the SDK's options, and the server's answers."""

    options: dict[str, Any] = field(default_factory=dict)
    answers: tuple[int, ...] = ()
    errors: int = 1

    def is_reported(self) -> bool:
        """Lose it in an SDK, and return whether a client report counted an error."""
        with fake_sentry(*self.answers, limits="60:error:key") as (dsn, bodies):
            # Uncompressed, because the bodies are parsed here.
            plain = {"transport_compression_level": 0}
            client = open_client(dsn=dsn, _experiments=plain, **self.options)
            with use_client(client):
                for number in range(self.errors):
                    sentry_sdk.capture_exception(ArithmeticError(f"error {number}"))
                    client.flush(timeout=PATIENCE_S)
            client.close(timeout=PATIENCE_S)
            items = [item for body in bodies for item in parse(body).items]
        reports = [item.payload for item in items if item.type == "client_report"]
        return any(each["category"] == "error" for r in reports for each in r["discarded_events"])


REPORTED, SILENT = "reported", "silent"
LOSSES = {
    "before_send": Loss({"before_send": lambda event, hint: None}),
    "sample_rate": Loss({"sample_rate": 0.0}),
    "ignore_errors": Loss({"ignore_errors": [ArithmeticError]}),
    "answered with 429": Loss(answers=(429,)),
    "after the 429": Loss(answers=(429,), errors=2),
    "answered with 503": Loss(answers=(503,)),
}


def reported_or_silent() -> Exercise:
    """Predict which lost errors the SDK counts in a client report; the check loses each one."""

    def verify(answer: Mapping[str, Any]) -> str:
        require_choices(answer, LOSSES, (REPORTED, SILENT))
        seen = {name: REPORTED if loss.is_reported() else SILENT for name, loss in LOSSES.items()}
        wrong = [
            f"{name!r} is not {answer[name]!r}: the check just tried it."
            for name in LOSSES
            if answer[name] != seen[name]
        ]
        if wrong:
            wrong.append(
                "Who knows about the loss, only the SDK or also the server? And which option is "
                "not a callback?"
            )
        raise_all(wrong)
        return f"All {len(LOSSES)} were lost on purpose, and reported or not as you predicted."

    return Exercise(
        "reported-or-silent",
        verify,
        "The SDK reports losses that only it knows about. The server itself counts an error that "
        "it refused with 429. And one option makes the SDK ignore errors without counting them.",
        "answer = {\n"
        '    "before_send": "reported",\n'
        '    "sample_rate": "reported",\n'
        '    "ignore_errors": "silent",\n'
        '    "answered with 429": "silent",\n'
        '    "after the 429": "reported",\n'
        '    "answered with 503": "reported",\n'
        "}",
    )


def take_a_dsn_apart() -> Exercise:
    """Write a function that returns the URL that a DSN sends to, and the key."""

    def verify(answer: Callable[[str], object]) -> str:
        dsns = list(_dsns())
        for dsn in dsns:
            _check_destination(answer(dsn), dsn)
        return f"Tried on {len(dsns)} new DSNs. Now you could post an envelope by hand."

    return FunctionExercise(
        "take-a-dsn-apart",
        verify,
        "urllib.parse.urlsplit(dsn) splits it: username is the key. The last part of the path is "
        "the project. The path before it belongs to the server, and stays in front of /api/.",
        "from urllib.parse import urlsplit\n\n\n"
        "def destination(dsn):\n"
        "    parts = urlsplit(dsn)\n"
        '    host = parts.netloc.rpartition("@")[2]\n'
        '    prefix, _, project = parts.path.rpartition("/")\n'
        '    url = f"{parts.scheme}://{host}{prefix}/api/{project}/envelope/"\n'
        "    return url, parts.username",
        answer_name="destination",
    )


def _dsns() -> Iterator[str]:
    key = uuid4().hex
    yield f"https://{key}@o4505.ingest.us.sentry.io/4507"
    yield f"http://{key}@127.0.0.1:8000/1"
    yield f"https://{key}@errors.example.com/behind/a/proxy/12"
    # Old DSNs also have a secret, which is no longer needed.
    yield f"https://{key}:{uuid4().hex}@sentry.example.com/7"


def _check_destination(given: object, dsn: str) -> None:
    if given == (..., ...):
        raise NotTried
    if not isinstance(given, tuple) or len(given) != 2:
        raise Wrong(f"For {dsn} the function returned {given!r}; it must return a URL and a key.")
    parts = Dsn(dsn)
    expected = str(parts.to_auth().get_api_url()), parts.public_key
    raise_all(
        f"The {what} of {dsn} is not {mine!r}{_say_difference(mine, right)}."
        for what, mine, right in zip(("URL", "key"), given, expected, strict=True)
        if mine != right
    )


def _say_difference(given: object, right: str) -> str:
    # The final slash of a URL is easily forgotten.
    return ": check the slash at its end" if str(given).rstrip("/") == right.rstrip("/") else ""
