"""Runs pieces of code one after another, each like a program, and reports when each is done.

``python -P fire.py JOBS`` reads a list of jobs from the JSON file JOBS. Each has a ``runtime``, a
``path`` with the code, and a ``release`` for all its events. For each job it first sends everything
that the code reported, then a client report that names the release, and then prints a line:
``{"release": …, "status": the HTTP status of the response or null}``.

It imports nothing from the kit, so that it starts fast and is like any other program.
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
    # The SDK installs its hooks once per process. After that a hook checks the client of the
    # current job for its integration.
    sentry_sdk.init(integrations=[UnraisablehookIntegration()])
    hooks = sys.excepthook, sys.unraisablehook
    for job in json.loads(Path(path).read_text("utf-8")):
        os.environ["SENTRY_RELEASE"] = job["release"]
        # Code that fails before it sets up the SDK must not report as the previous job.
        sentry_sdk.get_global_scope().set_client(None)
        # In a separate context, so that no job's scopes affect the next.
        with warnings.catch_warnings():
            status = contextvars.Context().run(RUN[job["runtime"]], job["path"])
            gc.collect()
        sys.excepthook, sys.unraisablehook = hooks
        # Freeze survivors: scanning them again after every job would take longest of all.
        gc.freeze()
        _send_all(job["release"])
        print(json.dumps({"release": job["release"], "status": status}), file=say, flush=True)


def _send_all(release: str) -> None:
    """Flush the queue, then send a report through it that nothing is left."""
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
    """Run it as the interpreter does: an uncaught exception goes to the exception hook."""
    _execute(path)


def _execute(path: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(Path(path).read_text("utf-8"), path, "exec"), names)  # noqa: S102 - our own
    except SystemExit:
        pass
    except BaseException as error:
        # Without this frame: the stack of a real program begins with its own code.
        kept = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(kept), kept)
    # A program's modules live until it ends.
    KEPT.append(names)
    return names


def run_fastapi(path: str) -> int | None:
    """Serve its ``app`` with uvicorn, and request /."""
    try:
        return asyncio.run(_ask_fastapi(_execute(path)["app"]))
    except SystemExit:  # uvicorn exits this way when the application does not start
        return None


async def _ask_fastapi(app: Any) -> int | None:
    import uvicorn

    listener = _listener()
    # A fixed parser, not whatever is installed: its types show up in an event's local variables.
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
    """Serve its ``Handler``, and request /."""
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
    # In a separate context: the caller's request must not leave a breadcrumb with the server.
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
    # Leftover objects must not be reported at the end, as if they belonged to the last job.
    os._exit(0)
