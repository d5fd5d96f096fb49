import json
from typing import Any

import pytest
from sentry_sdk.attachments import Attachment

from demo_services.payment import HOME
from demo_services.redaction import redact, redact_event

# The payment service, in JavaScript, is held to the same.
CASES = json.loads((HOME / "test" / "redaction.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_no_secret_is_left_and_all_else_is(given: Any, expected: Any) -> None:
    assert redact(given) == expected
    # What was looked at once may be looked at again.
    assert redact(redact(given)) == expected


def test_an_attached_text_is_looked_at_and_others_are_left_alone() -> None:
    text = Attachment(bytes=b"token=91e0", filename="stderr.txt")
    picture = Attachment(bytes=b"token=91e0", filename="a.png")
    hint: dict[str, Any] = {"attachments": [text, picture]}
    assert redact_event({"message": "token=91e0"}, hint) == {"message": "token=[Filtered]"}
    assert [each.bytes for each in hint["attachments"]] == [b"token=[Filtered]", b"token=91e0"]
    # Others may still hold what was attached.
    assert text.bytes == b"token=91e0"
