"""What notebooks say of an SDK, and no cell of theirs fires."""

import os
import subprocess
from typing import Any

import pytest
import sentry_sdk
from pymongo import MongoClient
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from demo_services.payment import HOME
from demo_services.sdk import GENERATION
from kit.hosting.node import find_node, install_packages
from kit.system.clients import use_client
from kit.workshop import Workshop

VALUE = "value-4711"


class Kept(Transport):
    """Keeps error events instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        if event := envelope.get_event():
            self.events.append(event)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "in_clear"),
    [
        ({}, GENERATION >= 3),
        ({"data_collection": {}}, True),
        ({"data_collection": {"database_query_data": False}}, False),
    ],
    ids=["default", "data_collection", "database_query_data off"],
)
def test_the_values_of_a_query_are_sent_unless_switched_off(
    workshop: Workshop, options: dict[str, Any], in_clear: bool
) -> None:
    kept = Kept()
    client = sentry_sdk.Client("http://key@127.0.0.1:9/1", transport=kept, **options)
    with use_client(client), MongoClient[Any](workshop.database_url) as database:
        list(database["claims"]["spins"].find({"player": VALUE}))
        sentry_sdk.capture_message("next")
    (event,) = kept.events
    queries = [each for each in event["breadcrumbs"]["values"] if each["category"] == "query"]
    assert "find" in str(queries)
    assert (VALUE in str(queries)) is in_clear


@pytest.mark.slow
def test_node_ignores_a_hook_for_transactions_with_a_warning() -> None:
    program = """
      const Sentry = require('@sentry/node');
      const beforeSendTransaction = (transaction) => { console.log('called'); };
      Sentry.init({ dsn: 'http://key@127.0.0.1:9/1', tracesSampleRate: 1, beforeSendTransaction });
      Sentry.startSpan({ name: 'work' }, () => {});
      Sentry.flush(2000);
    """
    node = find_node()
    environment = {
        **os.environ,
        "NODE_OPTIONS": "",
        "NODE_PATH": str(install_packages(HOME, node, print)),
    }
    done = subprocess.run(
        [node.path, "-e", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "`beforeSendTransaction`" in done.stderr + done.stdout
    assert "are ignored" in done.stderr + done.stdout
    assert "called" not in done.stdout
