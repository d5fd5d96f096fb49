"""Who may send: the key of a DSN, in each of the places where Sentry's Relay looks for it.

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
    """Knows the projects by id: each has a name, and a key without which nothing gets in."""

    def __init__(self, projects: Mapping[str, tuple[str, str]]) -> None:
        self._projects = projects

    def admit(self, project_id: str, key: str | None) -> str:
        """Return the name of a project for its id and its key. Raises HTTPException."""
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
                401, f"The key is not that of project {project_id}; use the DSN of this run."
            )
        return name

    def admit_key(self, key: str | None) -> str:
        """Return the name of the project that has a key, for paths that name none.

        Raises HTTPException.
        """
        keys = (number for number, (_, right) in self._projects.items() if right == key)
        if key is not None and (project_id := next(keys, None)) is not None:
            return self.admit(project_id, key)
        raise HTTPException(401, "The key is missing, or is that of no project; use a DSN.")

    def admit_envelope(self, headers: Mapping[str, Any], project_id: str | None) -> str:
        """Return the name of the project whose DSN an envelope has in its header.

        SDKs put it there for a tunnel. Its host is that of the Sentry which the user meant, and is
        not compared. ``project_id`` is what the path says, if it says one. Raises HTTPException.
        """
        dsn = _dsn(headers)
        if dsn is None:
            if project_id is not None:
                return self.admit(project_id, None)
            raise HTTPException(
                401,
                "The envelope has no dsn in its header; set the option dsn of the SDK beside its "
                "option tunnel.",
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
    """Return the key that a request gives; None when it gives none.

    It stands in one place: a second one is refused, be it the same, as Relay does. The secret of
    old DSNs is not looked at. Raises HTTPException.
    """
    given = list(_given(request))
    if len(given) > 1:
        places = " and ".join(place for place, _ in given)
        raise HTTPException(401, f"The key is given twice, by {places}; give it once.")
    return given[0][1] if given else None


def _given(request: Request) -> Iterator[tuple[str, str]]:
    """Yield each key of a request, after the place where it stands."""
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
    # Digits beyond are no version of anything, and no int.
    if len(version) > 3 or int(version) > NEWEST_PROTOCOL:
        raise HTTPException(
            400, f"sentry_version {version[:20]} is not known; use {NEWEST_PROTOCOL}."
        )
    if "sentry_key" in fields:
        yield place, fields["sentry_key"]


def _decoded(text: str) -> str:
    try:
        return b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _dsn(headers: Mapping[str, Any]) -> Dsn | None:
    """Return the DSN in the header of an envelope. Raises HTTPException when it is not one."""
    given = headers.get("dsn")
    if given is None:
        return None
    try:
        if not isinstance(given, str):
            raise BadDsn("it is no text")
        return Dsn(given)
    except (BadDsn, ValueError) as error:
        raise HTTPException(
            400, f"The dsn in the envelope's header is not one: {error}."
        ) from error


def _mismatch(what: str, request: str | None, envelope: str) -> HTTPException:
    return HTTPException(
        400,
        f"The request and the dsn in the envelope's header name different DSNs: the {what} is "
        f"{request}, and {envelope}.",
    )
