"""Authentication: the key of a DSN, in any of the places where Sentry's Relay looks for it.

https://develop.sentry.dev/sdk/foundations/transport/authentication/ and Relay's
relay-server/src/extractors/request_meta.rs
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sentry_sdk.utils import BadDsn, Dsn
from starlette.exceptions import HTTPException
from starlette.requests import Request

NEWEST_PROTOCOL = 7


class Gatekeeper:
    """Admits requests to projects: each project has an id, a name and the key it requires."""

    def __init__(self, projects: Mapping[str, tuple[str, str]]) -> None:
        self._projects = projects

    def admit(self, project_id: str, key: str | None) -> str:
        """Return the name of the project with this id and key. Raises HTTPException."""
        project = self._projects.get(project_id)
        if project is None:
            known = ", ".join(self._projects)
            raise HTTPException(401, f"There is no project {project_id}; there are: {known}.")
        name, right = project
        if key is None:
            raise HTTPException(
                401, "The key is missing; send X-Sentry-Auth: Sentry sentry_key=<key of the DSN>."
            )
        if key != right:
            raise HTTPException(
                401, f"The key does not belong to project {project_id}; use this run's DSN."
            )
        return name

    def admit_key(self, key: str | None) -> str:
        """Return the name of the project with this key, for paths without a project id.

        Raises HTTPException.
        """
        keys = (number for number, (_, right) in self._projects.items() if right == key)
        if key is not None and (project_id := next(keys, None)) is not None:
            return self.admit(project_id, key)
        raise HTTPException(401, "The key is missing or belongs to no project; use a DSN.")

    def admit_envelope(self, headers: Mapping[str, Any], project_id: str | None) -> str:
        """Return the name of the project whose DSN is in an envelope's header.

        SDKs put it there for a tunnel. Its host is the Sentry that the user meant, so it is not
        compared. ``project_id`` is the one in the path, if any. Raises HTTPException.
        """
        dsn = _dsn(headers)
        if dsn is None:
            if project_id is not None:
                return self.admit(project_id, None)
            raise HTTPException(
                401,
                "The envelope has no dsn in its header; set the SDK's option dsn in addition to "
                "its option tunnel.",
            )
        if project_id not in (None, dsn.project_id):
            raise _mismatch("project", project_id, dsn.project_id)
        return self.admit(dsn.project_id, dsn.public_key)


def check_envelope_dsn(headers: Mapping[str, Any], project_id: str, key: str) -> None:
    """Refuse an envelope whose header names another DSN than its request, as Relay does."""
    dsn = _dsn(headers)
    if dsn is None:
        return
    if dsn.project_id != project_id:
        raise _mismatch("project", project_id, dsn.project_id)
    if dsn.public_key != key:
        raise _mismatch("key", "that of the request", "another one")


def request_key(request: Request) -> str | None:
    """Return the key of a request, or None.

    Only one place may have it: as in Relay, a second one is refused even if it is the same. The
    secret of old DSNs is ignored. Raises HTTPException.
    """
    given = list(_given(request))
    if len(given) > 1:
        places = " and ".join(place for place, _ in given)
        raise HTTPException(401, f"The key is given twice, by {places}; give it once.")
    return given[0][1] if given else None


def _given(request: Request) -> Iterator[tuple[str, str]]:
    """Yield each place in a request that has a key, and the key."""
    headers = request.headers
    for name in ("X-Sentry-Auth", "Authorization"):
        scheme, _, fields = headers.get(name, "").partition(" ")
        if scheme.lower() == "sentry":
            pairs = (field.strip().partition("=") for field in fields.split(","))
            yield from _keys(name, ((key, value) for key, _, value in pairs))
        elif (scheme.lower(), name) == ("basic", "Authorization"):
            user, colon, _ = _decoded(fields).partition(":")
            if colon:
                yield "Authorization", user
    query = request.scope["query_string"]
    if b"sentry_" in query:
        yield from _keys("the query", parse_qsl(query.decode("latin-1")))
    if (key := request.path_params.get("sentry_key")) is not None:
        yield "the path", key


def _keys(place: str, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    fields = dict(pairs)
    version = fields.get("sentry_version", "7").partition(".")[0]
    if not version.isdecimal():
        raise HTTPException(401, f"sentry_version in {place} is not a number.")
    # More digits are not a version, and too many for int().
    if len(version) > 3 or int(version) > NEWEST_PROTOCOL:
        raise HTTPException(
            400, f"sentry_version {version[:20]} is unknown; use {NEWEST_PROTOCOL}."
        )
    if "sentry_key" in fields:
        yield place, fields["sentry_key"]


def _decoded(text: str) -> str:
    try:
        return b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _dsn(headers: Mapping[str, Any]) -> Dsn | None:
    """Return the DSN in the header of an envelope. Raises HTTPException when it is invalid."""
    given = headers.get("dsn")
    if given is None:
        return None
    try:
        if not isinstance(given, str):
            raise BadDsn("it is not a string")
        return Dsn(given)
    except (BadDsn, ValueError) as error:
        raise HTTPException(
            400, f"The dsn in the envelope's header is invalid: {error}."
        ) from error


def _mismatch(what: str, request: str | None, envelope: str) -> HTTPException:
    return HTTPException(
        400,
        f"The request and the dsn in the envelope's header name different DSNs: the {what} is "
        f"{request}, and {envelope}.",
    )
