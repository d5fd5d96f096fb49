"""Runs pieces of code one after another, as the program that each would be, and says when done.

``python -P fire.py JOBS`` reads a list of jobs from the JSON file JOBS. Each has a ``runtime``, a
``path`` with the code, and a ``release``, which all events of it carry. Of each it prints a line:
``{"release": …, "status": the HTTP status of the answer or null}``. Before that everything the code
reported is sent, and a client report after it that names the release.

It imports nothing of the kit, so that it starts at once and is a program as others are.
"""

import asyncio
import contextvars
import gc
import http.client
import json
import os
import socket
import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.integrations.unraisablehook import UnraisablehookIntegration

FLUSH_S = 20.0
ANSWER_S = 20.0

KEPT: list[dict[str, Any]] = []


def run_jobs(path: str) -> None:
    """Run all jobs of the file at ``path``."""
    say, sys.stdout = sys.stdout, sys.stderr
    # The SDK puts its hooks in place once in a process. From then on a hook asks the client of the
    # job whether its integration is on.
    sentry_sdk.init(integrations=[UnraisablehookIntegration()])
    hooks = sys.excepthook, sys.unraisablehook
    for job in json.loads(Path(path).read_text("utf-8")):
        os.environ["SENTRY_RELEASE"] = job["release"]
        # Code that fails before it has set up the SDK must not report as the job before.
        sentry_sdk.get_global_scope().set_client(None)
        # A context of its own: nothing that one job leaves on its scopes meets the next.
        with warnings.catch_warnings():
            status = contextvars.Context().run(RUN[job["runtime"]], job["path"])
            gc.collect()
        sys.excepthook, sys.unraisablehook = hooks
        # What is left stays: to look through it again after every job would take longest of all.
        gc.freeze()
        _send_all(job["release"])
        print(json.dumps({"release": job["release"], "status": status}), file=say, flush=True)


def _send_all(release: str) -> None:
    """Send what is queued, and after it, in the same queue, a report that nothing is left."""
    if not sentry_sdk.is_initialized():
        sentry_sdk.init()
    transport = sentry_sdk.get_client().transport
    assert transport is not None
    report = {"discarded_events": [], "release": release}
    item = Item(type="client_report", payload=PayloadRef(json=report))
    sentry_sdk.flush(FLUSH_S)
    transport.capture_envelope(Envelope(items=[item]))
    sentry_sdk.flush(FLUSH_S)


def run_program(path: str) -> None:
    """Run it as the interpreter does: what nobody catches is the exception hook's."""
    _execute(path)


def _execute(path: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(Path(path).read_text("utf-8"), path, "exec"), names)  # noqa: S102 - our own
    except SystemExit:
        pass
    except BaseException as error:
        # Without this frame here: what the interpreter runs begins with the code.
        kept = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(kept), kept)
    # The modules of a program live as long as it does.
    KEPT.append(names)
    return names


def run_fastapi(path: str) -> int | None:
    """Serve its ``app`` with uvicorn, and ask it for /."""
    try:
        return asyncio.run(_ask_fastapi(_execute(path)["app"]))
    except SystemExit:  # so uvicorn ends when the application did not start
        return None


async def _ask_fastapi(app: Any) -> int | None:
    import uvicorn

    listener = _listener()
    # Not what happens to be installed: the local variables of an event show a parser's own types.
    config = uvicorn.Config(app, http="h11", timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)

    async def ask() -> int | None:
        while not server.started:
            await asyncio.sleep(0.001)
        status = await _ask(listener.getsockname()[1])
        server.should_exit = True
        return status

    asking = asyncio.create_task(ask())
    await server.serve(sockets=[listener])
    return await asking


def run_tornado(path: str) -> int | None:
    """Serve its ``Handler``, and ask it for /."""
    return asyncio.run(_ask_tornado(_execute(path)["Handler"]))


async def _ask_tornado(handler: Any) -> int | None:
    from tornado.httpserver import HTTPServer
    from tornado.web import Application

    listener = _listener()
    listener.setblocking(False)
    server = HTTPServer(Application([("/", handler)]))
    server.add_sockets([listener])
    status = await _ask(listener.getsockname()[1])
    server.stop()
    await server.close_all_connections()
    return status


def _listener() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


async def _ask(port: int) -> int | None:
    # In a context of its own: what the caller does leaves no breadcrumb with who answers.
    return await asyncio.get_running_loop().run_in_executor(
        None, contextvars.Context().run, _get, port
    )


def _get(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
    except http.client.IncompleteRead:
        return response.status
    except OSError:
        return None
    finally:
        connection.close()
    return response.status


def run_notebook(path: str) -> None:
    """Run it as a cell of a kernel."""
    client = _kernel()
    events = client.kernel.shell.events
    before = {name: list(callbacks) for name, callbacks in events.callbacks.items()}
    client.execute(Path(path).read_text("utf-8"))
    events.callbacks.update(before)


@cache
def _kernel() -> Any:
    """Return the client of a kernel in this process."""
    manager: Any = import_module("ipykernel.inprocess").InProcessKernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    return client


RUN: dict[str, Callable[[str], int | None]] = {
    "python": run_program,
    "fastapi": run_fastapi,
    "tornado": run_tornado,
    "notebook": run_notebook,
}

if __name__ == "__main__":
    run_jobs(sys.argv[1])
    # What was kept must not be reported at last, as if it were of the last job.
    os._exit(0)
