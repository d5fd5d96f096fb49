"""A rule created in a real Sentry, and deleted again: only with a token that was given for it.

``WORKSHOP_TEST_SENTRY_TOKEN`` needs the scope alerts:write; ``WORKSHOP_TEST_SENTRY_ORG`` is the
organization, ``WORKSHOP_TEST_SENTRY_URL`` the server, by default https://us.sentry.io.
"""

import os

import httpx
import pytest

from kit.reliability.alerts.patterns import ALERT_PATTERNS
from kit.reliability.alerts.rule import AlertRule

SERVER = os.environ.get("WORKSHOP_TEST_SENTRY_URL", "https://us.sentry.io")


@pytest.mark.real_sentry
@pytest.mark.slow
@pytest.mark.parametrize("rule", [each.rule for each in ALERT_PATTERNS], ids=lambda each: each.name)
def test_sentry_takes_a_rule(rule: AlertRule) -> None:
    token, organization = (os.environ[f"WORKSHOP_TEST_SENTRY_{name}"] for name in ("TOKEN", "ORG"))
    address = f"{SERVER}/api/0/organizations/{organization}/workflows/"
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        created = http.post(address, json={**rule.as_sentry(), "enabled": False})
        assert created.status_code == 201, created.text
        deleted = http.delete(f"{address}{created.json()['id']}/")
        assert deleted.status_code == 204, deleted.text
