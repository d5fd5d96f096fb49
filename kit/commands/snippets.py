"""Lines to paste so that your own program reports to the workshop."""

from collections.abc import Iterator
from urllib.parse import urlsplit

# By heading. JSON's string literals are valid in Python, JavaScript and most other languages.
_LINES = {
    "any SDK": "export SENTRY_DSN={dsn}",
    "Python": 'import sentry_sdk; sentry_sdk.init(dsn="{dsn}", traces_sample_rate=1.0)',
    "JavaScript": 'Sentry.init({{ dsn: "{dsn}", tracesSampleRate: 1 }});',
    "without a DSN": "export SENTRY_SPOTLIGHT={site}/stream",
    "curl": (
        """printf '{{}}\\n{{"type":"event"}}\\n{{"message":"Hello"}}\\n' | """
        "curl --data-binary @- '{site}/api/{number}/envelope/?sentry_key={key}'"
    ),
    "container": "docker run --network=host -e SENTRY_DSN={dsn} ...",
}


def snippets(dsn: str) -> Iterator[str]:
    """Yield lines to paste for a DSN, each with a heading.

    A container reaches this machine's loopback only with --network=host.
    """
    parts = urlsplit(dsn)
    values = {
        "dsn": dsn,
        "site": f"http://{parts.hostname}:{parts.port}",
        "number": parts.path.strip("/"),
        "key": parts.username,
    }
    width = max(map(len, _LINES))
    for heading, line in _LINES.items():
        yield f"  {heading:<{width}}  {line.format(**values)}"
