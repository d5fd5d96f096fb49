"""Forwards envelopes to a real Sentry, without ever slowing down the local system."""

import contextlib
import gzip
import json
import os
import queue
import re
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from sentry_sdk.envelope import parse_json
from sentry_sdk.utils import BadDsn, Dsn
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set
from tenacity.wait import wait_random_exponential

from kit.threads import report_thread_failure

MAX_QUEUED_BYTES = 32 * 1024 * 1024
GIVE_UP_AFTER_S = 300.0
_TIMEOUT_S = 10.0
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_CERTIFICATES = ("ssl_cert_file", "ssl_cert_dir")
# A proxy cannot reach this machine's loopback.
_NOT_PROXIED = dict.fromkeys(["all://localhost", "all://127.0.0.1", "all://[::1]"])


class RelayError(Exception):
    """The relay cannot send anything; the message says why and what to do."""


class Relay:
    """Sends each envelope that it receives to the project of a DSN, in the background.

    Up to ``MAX_QUEUED_BYTES`` wait while that Sentry is down or limits the rate; more are dropped.
    Raises ValueError when ``dsn`` is invalid.
    """

    def __init__(self, dsn: str) -> None:
        try:
            auth = Dsn(dsn).to_auth("crash-workshop/1.0")
            self._url = httpx.URL(auth.get_api_url())
        except (BadDsn, ValueError, httpx.InvalidURL) as error:
            raise ValueError(
                f"SENTRY_DSN is not a DSN: {error}. It looks like https://<key>@<host>/<project>."
            ) from error
        self._headers = {
            "X-Sentry-Auth": auth.to_header(),
            "Content-Type": "application/x-sentry-envelope",
            "Content-Encoding": "gzip",
        }
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._waiting = self._delivered = self._dropped = 0
        self._last_error: str | None = None
        self._closed = False
        self._counting = threading.Condition()
        self._abandon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """The host that it sends to."""
        return self._url.host

    @property
    def waiting(self) -> int:
        """How many envelopes are yet to be delivered."""
        return self._waiting

    @property
    def delivered(self) -> int:
        """How many envelopes that Sentry has accepted."""
        return self._delivered

    @property
    def dropped(self) -> int:
        """How many envelopes were not and will not be delivered."""
        return self._dropped

    @property
    def last_error(self) -> str | None:
        """The error of the latest failed attempt, or None."""
        return self._last_error

    def __call__(self, raw: bytes) -> None:
        """Queue the bytes of an envelope. Never blocks."""
        with self._counting:
            if self._closed or self._queued_bytes + len(raw) > MAX_QUEUED_BYTES:
                self._dropped += 1
            else:
                self._waiting += 1
                self._queued_bytes += len(raw)
                self._queue.put(raw)

    def wait(self, timeout: float) -> bool:
        """Wait until the queue is empty; return False after ``timeout`` seconds."""
        with self._counting:
            return self._counting.wait_for(lambda: not self._waiting, timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Deliver the queue for at most ``timeout`` seconds, and drop the rest."""
        with self._counting:
            if not self._closed:
                self._queue.put(None)
            self._closed = True
        self._thread.join(timeout)
        self._abandon.set()
        self._drop_queued()
        self._queue.put(None)

    def _run(self) -> None:
        client: httpx.Client | None = None
        while (raw := self._queue.get()) is not None:
            is_delivered = False
            try:
                client = client or self._connect()
                is_delivered = self._deliver(client, raw)
            except RelayError as error:
                self._last_error = str(error)
            except Exception as error:
                # Continue: if the thread ended, the queue would wait forever.
                self._last_error = f"{type(error).__name__}: {error}"
                report_thread_failure()
            finally:
                self._settle(raw, is_delivered)
        if client is not None:
            client.close()

    def _connect(self) -> httpx.Client:
        """Return the client for all requests. Raises RelayError."""
        try:
            return httpx.Client(timeout=_TIMEOUT_S, headers=self._headers, mounts=_NOT_PROXIED)
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise RelayError(_explain_settings(error)) from error

    def _deliver(self, client: httpx.Client, raw: bytes) -> bool:
        if self._abandon.is_set():
            return False
        attempts = Retrying(
            retry=retry_if_exception(_is_temporary),
            wait=_wait,
            stop=stop_after_delay(GIVE_UP_AFTER_S) | stop_when_event_set(self._abandon),
            sleep=sleep_using_event(self._abandon),
            reraise=True,
        )
        try:
            attempts(self._post, client, gzip.compress(_without_dsn(raw), compresslevel=6))
        except httpx.HTTPError:
            return False
        return True

    def _post(self, client: httpx.Client, body: bytes) -> None:
        try:
            client.post(self._url, content=body).raise_for_status()
        except httpx.HTTPError as error:
            # httpx's message about a status has a link in a second line.
            self._last_error = str(error).partition("\n")[0] or type(error).__name__
            raise

    def _drop_queued(self) -> None:
        """Empty the queue from outside the thread, which may be stuck in a request."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (raw := self._queue.get_nowait()) is not None:
                    self._settle(raw, False)

    def _settle(self, raw: bytes, is_delivered: bool) -> None:
        with self._counting:
            self._waiting -= 1
            self._queued_bytes -= len(raw)
            if is_delivered:
                self._delivered += 1
            else:
                self._dropped += 1
            self._counting.notify_all()


def _without_dsn(raw: bytes) -> bytes:
    """Return an envelope without the DSN that SDKs put into its header for a tunnel.

    It points at this machine: Sentry refuses an envelope with another DSN than its request.
    """
    line, end, items = raw.partition(b"\n")
    if b'"dsn"' not in line:
        return raw
    headers = parse_json(line)
    headers.pop("dsn", None)
    return json.dumps(headers).encode() + end + items


def _explain_settings(error: Exception) -> str:
    """Return which variable prevents the client from being created, and what to do."""
    if isinstance(error, OSError):  # a certificate file, which the error does not name
        files = (f"{k}={v}" for k, v in os.environ.items() if k.lower() in _CERTIFICATES)
        return f"cannot read {', '.join(files)}: {error}. Correct it, or unset it, and start again"
    # The URL of a proxy may contain a password.
    given = (name for name in os.environ if name.lower() in _PROXIES and os.environ[name])
    names = ", ".join(sorted(given)) or "The proxy of this machine"
    return (
        f"{names}: {_without_addresses(str(error))}. Use the http:// address of the proxy, or "
        "unset it, and start again"
    )


def _without_addresses(text: str) -> str:
    return re.sub(r"\w+://[^\s'\"]+", "…", text.partition(". ")[0].rstrip("."))


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == 429 or error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def _wait(state: RetryCallState) -> float:
    """Return the seconds until the next attempt: Sentry's Retry-After, else exponential backoff."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, httpx.HTTPStatusError):
        asked = _seconds(error.response.headers.get("Retry-After", ""))
        if asked is not None:
            return asked
    return _BACKOFF(state)


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds or a date (RFC 9110, 10.2.3); None for neither."""
    if retry_after.isdecimal():
        # An event cannot wait longer.
        return min(float(retry_after), threading.TIMEOUT_MAX)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max((moment - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return None
