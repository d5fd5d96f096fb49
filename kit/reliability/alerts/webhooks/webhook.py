"""A notification as one of Sentry's webhooks: its body, its headers and its signature.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/ documents them. It
gives an answer one second, and says nothing about retries: this code makes none.
"""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from kit.actionable import WorkshopError
from kit.reading.payload import as_str
from kit.reliability.alerts.firings import AlertFiring
from kit.reliability.alerts.occurrences import issue_number

SIGNATURE = "Sentry-Hook-Signature"
REQUEST_ID = "Request-ID"
RESOURCE = "Sentry-Hook-Resource"
TIMESTAMP = "Sentry-Hook-Timestamp"
EVENT_ALERT = "event_alert"
ANSWER_WITHIN_S = 1.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def sign_body(body: bytes, secret: str) -> str:
    """Return the signature of a body: HMAC-SHA256 over the bytes sent, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Return whether a signature matches a body.

    The comparison takes the same time wherever the two differ, so a signature cannot be guessed
    digit by digit.
    """
    given = (signature or "").encode("utf-8", "replace")
    return hmac.compare_digest(given, sign_body(body, secret).encode())


def alert_body(firing: AlertFiring, event: Mapping[str, Any]) -> bytes:
    """Return the body of a webhook for a rule that fired.

    Sentry's also has the URLs of the event and the issue; here no server has such pages.
    """
    issue = issue_number(firing.issue)
    sent = {
        **event,
        "event_id": firing.event_id,
        "issue_id": issue,
        "project": firing.project,
        "title": firing.title,
        "datetime": datetime.fromtimestamp(firing.at, UTC).isoformat().replace("+00:00", "Z"),
    }
    payload = {
        "action": "triggered",
        "actor": {"id": "sentry", "name": "Sentry", "type": "application"},
        "data": {"event": sent, "triggered_rule": firing.rule.name},
        "installation": {"uuid": _INSTALLATION},
    }
    return json.dumps(payload).encode()


_INSTALLATION = str(uuid.uuid5(uuid.NAMESPACE_DNS, "crash-workshop.invalid"))


@dataclass(frozen=True)
class Delivery:
    """A sent webhook: the status of the answer, or why there was none."""

    request_id: str
    rule: str
    status: int | None
    took_s: float
    reason: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether the answer was a success, and in time."""
        return self.status is not None and self.status < 300

    def __str__(self) -> str:
        return f"{self.rule}: {self.status or self.reason} after {1000 * self.took_s:.0f} ms"


class Webhook:
    """Sends webhooks to an address on this machine, signed with a secret.

    Raises WorkshopError for an address on any other machine.
    """

    def __init__(self, url: str, secret: str) -> None:
        if urlsplit(url).hostname not in _LOOPBACK:
            raise WorkshopError(
                f"Webhooks are sent to this machine only, not to {url}: events contain player "
                "data. Give an address such as http://127.0.0.1:8000/sentry."
            )
        self.url = url
        self._secret = secret
        # No connection is reused: a server may close it, and the next webhook would be lost.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(trust_env=False, timeout=ANSWER_WITHIN_S, limits=limits)

    def post(self, firing: AlertFiring, event: Mapping[str, Any]) -> Delivery:
        """Send a notification once, and return the result."""
        return self.send(alert_body(firing, event), firing.rule.name)

    def send(self, body: bytes, rule: str, request_id: str = "") -> Delivery:
        """Sign and send a body; no answer within a second counts as a timeout."""
        request_id = request_id or uuid.uuid4().hex
        headers = {
            "Content-Type": "application/json",
            REQUEST_ID: request_id,
            RESOURCE: EVENT_ALERT,
            TIMESTAMP: str(int(time.time())),
            SIGNATURE: sign_body(body, self._secret),
        }
        began = time.monotonic()
        status, reason = None, ""
        try:
            status = self._http.post(self.url, content=body, headers=headers).status_code
        except httpx.TimeoutException:
            reason = "no answer within a second"
        except httpx.HTTPError as error:
            reason = as_str(error) or type(error).__name__
        return Delivery(request_id, rule, status, time.monotonic() - began, reason)
