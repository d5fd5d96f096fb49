"""Requests that nobody would send on purpose: any answer but a failure, and nothing half stored."""

import gzip
import json
import re
import select
import socket
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.envelope import CONTAINERS, JSON_TYPES
from tests.ingest.sending import KEY, Child, body, child_ingest, client, error, item, new_id
from tests.ingest.target import CORPUS, Target

pytestmark = pytest.mark.system

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    # What shrinks is sent too; a request that hangs would be sent for a very long time.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PATIENCE_S = 0.3
GROWTH_BYTES = 150_000_000


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """An ingest that must answer, in sound health and bounded memory, after all that it got."""
    path: Path = tmp_path_factory.mktemp("fuzz") / "captured.sqlite3"
    with child_ingest(path) as child:
        child.path = path
        assert post(child, error(new_id())) == 200
        before = child.peak_bytes()
        yield child
        assert post(child, error(new_id())) == 200
        assert child.peak_bytes() - before < GROWTH_BYTES
        assert one(child, "PRAGMA integrity_check") == "ok"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with closing(Target(tmp_path / "captured.sqlite3")) as target:
        yield target


def test_the_corpus_is_answered_as_its_names_say(target: Target) -> None:
    bodies = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    assert len(bodies) <= 100
    assert sum(map(len, bodies.values())) <= 300_000
    for name, data in bodies.items():
        status = target.check(data).status
        if name.startswith(("python", "node", "minimal", "good")):
            assert status == 200, name
        elif name.startswith(("bad", "no-")):
            assert status == 400, name
        elif name.startswith("bomb"):
            assert status == 413, name


def test_the_corpus_holds_what_both_sdks_send(target: Target) -> None:
    for path in CORPUS.glob("[np][oy][dt]*"):
        target.check(path.read_bytes())
    stored = target.store.items(limit=1000)
    platforms = {item.payload.get("platform") for item in stored if item.type == "event"}
    assert platforms == {"python", "node"}


def test_the_corpus_holds_nothing_of_the_machine_it_was_made_on(target: Target) -> None:
    for path in CORPUS.iterdir():
        plain = target.check(path.read_bytes()).accepted or path.read_bytes()
        assert not re.search(rb"/(work|home|root|tmp|usr)\b|(?i:password|secret)", plain), path.name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
ids = st.sampled_from([new_id(), new_id().upper(), "zz", ""]) | json_values
payloads = st.fixed_dictionaries(
    {},
    optional={
        "event_id": ids,
        "contexts": json_values
        | st.fixed_dictionaries({"trace": st.fixed_dictionaries({"trace_id": ids})}),
        "transaction": json_values | st.fixed_dictionaries({"trace_id": ids}),
        "items": json_values | st.lists(st.fixed_dictionaries({"trace_id": ids}) | json_values),
        "message": json_values,
    },
)
kinds = st.sampled_from(sorted(JSON_TYPES | CONTAINERS | {"attachment", "statsd", "new"}))
items = st.builds(
    lambda kind, payload, headers: item(kind, payload, **headers),
    kinds | st.text(max_size=10),
    payloads | json_values | st.binary(max_size=200),
    st.dictionaries(st.sampled_from(["filename", "content_type", "length"]), json_values),
)
envelopes = st.builds(
    lambda parts, headers: body(*parts, **headers),
    st.lists(items, max_size=4),
    st.fixed_dictionaries({}, optional={"event_id": ids, "trace": json_values, "dsn": json_values}),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An envelope that is cut, doubled or overwritten somewhere."""
    whole = draw(envelopes)
    at = draw(st.integers(0, len(whole)))
    until = draw(st.integers(at, len(whole)))
    return (
        whole[:at]
        + draw(st.sampled_from([b"", b"\n", whole]) | st.binary(max_size=9))
        + whole[until:]
    )


bodies = envelopes | damaged() | st.binary(max_size=300)


@EXAMPLES
@given(bodies)
def test_any_body_is_stored_whole_or_refused(target: Target, data: bytes) -> None:
    target.check(data)


ENDPOINTS = {
    "/api/1/store/": ["application/json"],
    "/api/1/security/": ["application/csp-report", "application/reports+json"],
    "/api/1/minidump/": ["application/x-dmp", "multipart/form-data; boundary=x"],
    "/api/1/cron/nightly/": ["application/json", "text/plain"],
    "/api/1/integration/otlp/v1/traces": ["application/json", "application/x-protobuf"],
    "/api/1/integration/otlp/v1/logs": ["application/json", "application/x-protobuf"],
    "/tunnel": ["text/plain"],
    "/api/store/": ["application/x-sentry-envelope"],
}
names = st.sampled_from(
    [
        *("event_id", "type", "status", "check_in_id", "csp-report", "body", "blocked-uri"),
        *("effective-directive", "blockedURL", "resourceSpans", "scopeSpans", "spans", "resource"),
        *("attributes", "key", "value", "stringValue", "intValue", "traceId", "spanId", "kind"),
        *("startTimeUnixNano", "resourceLogs", "scopeLogs", "logRecords", "links", "events"),
    ]
)
leaves = json_values | st.sampled_from(["csp-violation", "ok", "script-src", new_id(), "c" * 16])
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=30,
).map(lambda value: json.dumps(value).encode())
parts = st.builds(
    lambda name, filename, content: (
        b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (name.encode(), b"; filename=a.dmp" * filename, content)
    ),
    st.sampled_from(["upload_file_minidump", "sentry", "sentry[a][b]", "sentry[]", "x"]),
    st.booleans(),
    st.binary(max_size=30) | st.just(b"MDMP") | documents,
)
forms = st.lists(parts, max_size=4).map(lambda some: b"".join(some) + b"--x--\r\n")
# Valid protobuf is rare among bytes; what is cut or changed of it is what a parser trips over.
EXPORT = bytes.fromhex(
    "0a3d0a170a150a0c736572766963652e6e616d6512050a0373686f7012220a0012"
    "1e0a105b8efff798038103d269b633813fc60c1208eee19b7ec3c1b1732a00"
)
exports = st.builds(
    lambda at, byte: EXPORT[:at] + byte + EXPORT[at:][len(byte) :],
    st.integers(0, len(EXPORT)),
    st.binary(max_size=3),
)


@pytest.mark.slow
@settings(EXAMPLES, max_examples=200)
@given(
    st.sampled_from([(path, kind) for path, kinds in ENDPOINTS.items() for kind in kinds]),
    st.sampled_from(["POST"] * 5 + ["GET"]),
    st.sampled_from(["", "status=ok", "status=ok&duration=1e999", "sentry_data={}"]),
    documents | forms | exports | bodies,
)
def test_any_body_is_answered_at_any_endpoint(
    target: Target, where: tuple[str, str], method: str, query: str, data: bytes
) -> None:
    target.check_request(method, where[0], query, where[1], data)


COMPRESSORS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "identity": bytes,
}
big = st.sampled_from([MAX_BODY_BYTES - 100, MAX_BODY_BYTES + 1, 2 * MAX_BODY_BYTES]).map(bytes)
encodings = st.sampled_from(sorted(COMPRESSORS))


@pytest.mark.slow
@EXAMPLES
@given(st.one_of(*[bodies] * 9, big), encodings, encodings, st.integers(0, 12), st.booleans())
def test_any_encoding_is_answered(
    child: Child, data: bytes, encoding: str, said: str, cut: int, chunked: bool
) -> None:
    sent = COMPRESSORS[encoding](data)
    sent = sent[: len(sent) - cut]
    before = count(child)
    status = post(child, iter([sent[:100], sent[100:]]) if chunked else sent, said)
    assert status in {200, 400, 413}
    if status != 200:
        assert count(child) == before
    elif (encoding, said) == ("identity", "identity"):
        assert newest(child) == sent


printable = st.characters(codec="latin-1", min_codepoint=32, exclude_characters="\x7f")
tokens = st.text(printable, max_size=30)
keys = st.sampled_from(["Sentry sentry_key=key-1", "sentry sentry_key", "Bearer x"])
keys |= tokens | tokens.map("Sentry {}".format) | tokens.map("Sentry sentry_key={}".format)
paths = st.sampled_from(
    [
        *["/api/1/envelope/"] * 8,
        *("/stream", "/api/%00/envelope/", "/api/é", "//api//1/store", "/tunnel", "/api/store/"),
        *("/api/1/cron/a/key-1?status=ok", "/api/1/minidump?sentry_key=key-1&sentry_version=x"),
    ]
)
lengths = st.sampled_from(["0", "10", "99999999999999999999", "-1", "x", "", "1, 2"])
RIGHT = "right"  # stands for the real length
framings = st.one_of(
    st.just({}),
    st.just({"Content-Length": RIGHT}),
    st.builds(lambda n: {"Content-Length": n}, lengths),
    st.just({"Transfer-Encoding": "chunked"}),
    st.builds(lambda n: {"Transfer-Encoding": "chunked", "Content-Length": n}, lengths),
)
headers = st.dictionaries(
    st.sampled_from(
        ["Content-Encoding", "Origin", "Content-Type", "Expect", "Connection", "Authorization"]
    ),
    tokens,
)


@pytest.mark.slow
@settings(EXAMPLES, max_examples=200)
@given(
    st.sampled_from([*["POST"] * 8, "GET", "OPTIONS", "BREW"]),
    paths,
    keys,
    framings,
    headers,
    bodies,
)
def test_any_request_is_answered_or_cut_off(
    child: Child,
    method: str,
    path: str,
    key: str,
    framing: dict[str, str],
    more: dict[str, str],
    data: bytes,
) -> None:
    head = {"Host": "127.0.0.1", "X-Sentry-Auth": key, **framing, **more}
    if head.get("Content-Length") == RIGHT:
        head["Content-Length"] = str(len(data))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    answer = exchange(child, "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + data)
    # A caller who hangs up half-way through its body need not get an answer.
    assert not answer or re.match(rb"HTTP/1\.1 [1-4]\d\d ", answer), answer
    assert not re.search(rb"HTTP/1\.1 5\d\d ", answer), answer


def exchange(child: Child, request: bytes) -> bytes:
    """Send bytes, say that there are no more, and return all that comes back."""
    # Who hangs up gets no answer; who does not, while the server waits for more, waits with it.
    address = urlsplit(child.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        try:
            connection.sendall(request)
            select.select([connection], [], [], PATIENCE_S)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return b""


def post(child: Child, content: bytes | Iterator[bytes], encoding: str = "identity") -> int:
    with client() as http:
        response = http.post(
            f"{child.url}/api/1/envelope/",
            content=content,
            headers={**KEY, "Content-Encoding": encoding},
        )
    assert isinstance(response.json(), dict)
    return response.status_code


def count(child: Child) -> int:
    return int(one(child, "SELECT count(*) FROM envelopes"))


def newest(child: Child) -> bytes:
    return bytes(one(child, "SELECT body FROM envelopes ORDER BY id DESC LIMIT 1"))


def one(child: Child, query: str) -> Any:
    with closing(sqlite3.connect(child.path)) as db:
        return db.execute(query).fetchone()[0]
