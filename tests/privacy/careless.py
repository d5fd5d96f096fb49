"""Code that handles secrets and fails: under the client of each service in Python."""

import logging
from dataclasses import dataclass

import httpx
import sentry_sdk

from demo_services.trace import start_span
from kit.course.exercises.leaking_shop import card

from .planting import Secrets, pem


@dataclass
class Account:
    name: str
    password: str


class Vault:
    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"<Vault private_key={self.key}>"


def fail(secrets: Secrets, closed_port: int) -> None:
    """Leave secrets wherever code leaves them, and report an error, a message and a log record."""
    new = secrets.new
    with start_span(op="task", name="careless"):
        sentry_sdk.add_breadcrumb(
            message=f"asked https://shop.example/?access_token={new('breadcrumb message')}",
            data={"request": [{"headers": {"X-Api-Key": new("breadcrumb data")}}]},
        )
        sentry_sdk.set_context("upstream", {"options": {"secret": new("nested context")}})
        sentry_sdk.set_tag("bearer", f"Bearer {new('tag')}")
        sentry_sdk.set_extra("config", {"db": {"password": new("nested extra")}})
        sentry_sdk.set_user({"id": "1", "session_token": new("user")})
        with start_span(op="db", name=f"AUTH password='{new('span name')}'") as span:
            span.set_attribute("login.password", new("span attribute"))
            span.set_attribute("login", {"credentials": {"pin": new("nested span attribute")}})
        call(secrets, closed_port)
        logging.getLogger("careless").error(
            "login of %s failed", "ada", extra={"csrf_token": new("log extra")}
        )
        logging.getLogger("careless").warning("password=%s is too weak", new("log message"))
        sentry_sdk.logger.info(
            f"login with password={new('structured log')}",
            attributes={"api_key": new("attribute of a log")},
        )
        sentry_sdk.metrics.count("logins", 1, attributes={"token": new("attribute of a metric")})
        try:
            locals_of_all_kinds(secrets)
        except RuntimeError:
            sentry_sdk.capture_exception()
        sentry_sdk.capture_message(f"refused: secret={new('message')}")


def call(secrets: Secrets, closed_port: int) -> None:
    """Call another service, which is not there."""
    new = secrets.new
    host = f"ada:{new('user info of a call')}@127.0.0.1:{closed_port}"
    url = f"http://{host}/?api_key={new('query of a call')}"
    headers = {"Authorization": f"Bearer {new('header of a call')}"}
    try:
        httpx.get(url, headers=headers, trust_env=False)
    except httpx.TransportError as error:
        sentry_sdk.capture_exception(error)


def locals_of_all_kinds(secrets: Secrets) -> None:
    password = secrets.new("local password")
    config = {"db": [{"options": {"passwd": secrets.new("nested local")}}]}
    account = Account("ada", secrets.new("repr of a dataclass"))
    vault = Vault(secrets.new("repr of our own"))
    headers = [(b"authorization", secrets.new("pair of bytes").encode())]
    line = f"Cookie: theme=dark; sid={secrets.new('line of text')}"
    key = pem(secrets.new("private key in a local"))
    number = int(secrets.new("card as a number", card))
    assert all((password, config, account, vault, headers, line, key, number))
    raise RuntimeError(f"login failed with password={secrets.new('message of an exception')!r}")
