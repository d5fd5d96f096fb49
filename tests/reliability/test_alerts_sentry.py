"""A rule created in a real Sentry, and deleted again: only with a token that was given for it.

``WORKSHOP_TEST_SENTRY_TOKEN`` needs the scope alerts:write; ``WORKSHOP_TEST_SENTRY_ORG`` is the
organization, ``WORKSHOP_TEST_SENTRY_URL`` the server, by default https://us.sentry.io.
"""

import os

import httpx
import pytest

from kit.reliability.alerts.patterns import ALERT_PATTERNS
from kit.reliability.alerts.rule import AlertRule

TOKEN = os.environ.get("WORKSHOP_TEST_SENTRY_TOKEN", "")
ORGANIZATION = os.environ.get("WORKSHOP_TEST_SENTRY_ORG", "")
SERVER = os.environ.get("WORKSHOP_TEST_SENTRY_URL", "https://us.sentry.io")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (TOKEN and ORGANIZATION), reason="no token and organization of a real Sentry are given"
    ),
]


@pytest.mark.parametrize("rule", [each.rule for each in ALERT_PATTERNS], ids=lambda each: each.name)
def test_sentry_takes_a_rule(rule: AlertRule) -> None:
    address = f"{SERVER}/api/0/organizations/{ORGANIZATION}/workflows/"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        created = http.post(address, json={**rule.as_sentry(), "enabled": False})
        assert created.status_code == 201, created.text
        deleted = http.delete(f"{address}{created.json()['id']}/")
        assert deleted.status_code == 204, deleted.text
