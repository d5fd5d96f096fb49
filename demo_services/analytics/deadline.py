"""Ends work once its caller no longer waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

# How long the caller says it waits, in milliseconds.
DEADLINE_HEADER = "X-Deadline-Ms"


@asynccontextmanager
async def while_caller_waits(request: Request, limit_s: float) -> AsyncIterator[None]:
    """Cancel the block when the caller hangs up, and at the latest after ``limit_s``.

    Raises TimeoutError then, from the CancelledError that ended the block wherever it was. Only
    for requests whose body has been read, or that have none.
    """
    async with asyncio.timeout(limit_s) as deadline:
        watching = asyncio.create_task(end_on_hang_up(request, deadline))
        try:
            yield
        finally:
            watching.cancel()


async def end_on_hang_up(request: Request, deadline: asyncio.Timeout) -> None:
    """Let the deadline pass at once when the connection is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    deadline.reschedule(asyncio.get_running_loop().time())
