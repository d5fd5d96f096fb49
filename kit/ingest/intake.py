"""Reads, stores and relays what the ingest's endpoints receive, within bounds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from kit.ingest import body
from kit.ingest.encoding import IDENTITY, Encoded
from kit.ingest.envelope import BadEnvelope, Envelope, TooLarge, parse
from kit.ingest.store import Received, Store, StoreError

# Envelopes written together; the sender of the first waits for the last.
_MAX_BATCH = 32

Relay = Callable[[bytes], None]


class Intake:
    """Writes received envelopes to a store, then passes the bytes of each to ``relay``.

    ``body_deadline`` limits how long a request may take to send its body, in seconds.
    """

    def __init__(self, store: Store, relay: Relay | None, body_deadline: float) -> None:
        self._store = store
        self._relay = relay
        self._body_deadline = body_deadline
        self._budget = body.Budget(body.MAX_IN_FLIGHT_BYTES)
        self._batch: list[tuple[Received, asyncio.Future[None]]] = []

    async def take_envelope(
        self, request: Request, project_of: Callable[[Mapping[str, Any]], str]
    ) -> Envelope:
        """Store the envelope in a request, for the project that its header belongs to.

        Raises HTTPException.
        """
        with self._budget.share() as take:
            sent, content = await body.read_body(request, take, self._body_deadline)
            envelope = _parse_body(content)
            await self._keep(project_of(envelope.headers), envelope, sent)
        return envelope

    async def take_other(
        self,
        request: Request,
        project: str,
        translate: Callable[[bytes], Awaitable[Sequence[bytes]]],
        *,
        growth: int = 1,
        limit: int = body.MAX_BODY_BYTES,
    ) -> list[Envelope]:
        """Store the envelopes that ``translate`` makes from the body of a request.

        ``growth`` is the factor by which that may be larger than the body. Raises HTTPException.
        """
        with self._budget.share() as take:
            _, content = await body.read_body(request, take, self._body_deadline)
            if len(content) > limit:
                raise HTTPException(413, f"The body is over {limit} bytes; send less at once.")
            take(growth * len(content))
            envelopes = [_parse_body(each) for each in await translate(content)]
            for envelope in envelopes:
                await self._keep(project, envelope, Encoded(IDENTITY, envelope.body))
        return envelopes

    async def _keep(self, project: str, envelope: Envelope, sent: Encoded) -> None:
        try:
            await self._store_received(Received(project, envelope, time.time(), sent))
        except StoreError as error:
            raise HTTPException(503, str(error)) from error
        if self._relay is not None:
            self._relay(envelope.body)

    async def _store_received(self, received: Received) -> None:
        """Wait until an envelope is written, together with those that arrive meanwhile.

        In the loop's own thread: passing it to another takes longer than writing it.
        """
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._write_when_settled, loop, 0)
        written = loop.create_future()
        self._batch.append((received, written))
        await written

    def _write_when_settled(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Write what has arrived, once an iteration of the loop brings nothing more.

        A write costs about the same for one envelope as for many.
        """
        count = len(self._batch)
        if seen < count < _MAX_BATCH:
            loop.call_soon(self._write_when_settled, loop, count)
        else:
            self._write()

    def _write(self) -> None:
        batch, self._batch = self._batch, []
        failure = None
        try:
            self._store.write([received for received, _ in batch])
        except Exception as error:
            # Catch everything: nothing else would report it to those who wait.
            failure = error
        for _, written in batch:
            if written.done():  # its request was cancelled
                continue
            if failure is None:
                written.set_result(None)
            else:
                written.set_exception(failure)


def _parse_body(content: bytes) -> Envelope:
    try:
        return parse(content)
    except TooLarge as error:
        raise HTTPException(413, f"Too large: {error}.") from error
    except BadEnvelope as error:
        raise HTTPException(400, f"Not an envelope: {error}.") from error
