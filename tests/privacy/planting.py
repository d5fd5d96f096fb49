"""Thirty and more secrets, new at each run, and where each is planted."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kit.course.exercises.leaking_shop import card


def opaque() -> str:
    return secrets.token_hex(12)


def jwt() -> str:
    return f"eyJhbGciOiJIUzI1NiJ9.{secrets.token_hex(12)}.{secrets.token_hex(12)}"


@dataclass
class Secrets:
    """The value of each place, made when it is first asked for."""

    # Not in repr(): Sentry shows local variables by it, and here it would hold all of them.
    values: dict[str, str] = field(default_factory=dict, repr=False)

    def new(self, place: str, make: Callable[[], str] = opaque) -> str:
        return self.values.setdefault(place, make())

    def found_in(self, stored: bytes) -> set[str]:
        """The places whose secrets are in what was stored."""
        return {place for place, value in self.values.items() if value.encode() in stored}

    def basic(self, place: str) -> str:
        return self.new(place, lambda: base64.b64encode(f"ada:{opaque()}".encode()).decode())

    def headers(self) -> dict[str, str]:
        new = self.new
        return {
            "Authorization": f"Bearer {new('header Authorization')}",
            "Proxy-Authorization": f"Basic {self.basic('header Proxy-Authorization')}",
            "Cookie": f"theme=dark; session={new('cookie session')}; sid={new('cookie sid')}",
            "X-Api-Key": new("header X-Api-Key"),
            "X-Auth-Token": new("header X-Auth-Token"),
            "X-Csrf-Token": new("header X-Csrf-Token"),
            "X-Client-Secret": new("header X-Client-Secret"),
            "X-Forwarded-Authorization": f"Bearer {new('JWT in a header', jwt)}",
            "Referer": f"https://shop.example/reset?reset_token={new('query of the Referer')}",
            "User-Agent": f"bot (https://ada:{new('user info in the User-Agent')}@bot.example)",
            "baggage": f"api_key={new('baggage')},plan=gold",
        }

    def query(self) -> dict[str, str]:
        new = self.new
        return {
            "token": new("query token"),
            "api_key": new("query api_key"),
            "back": f"https://ada:{new('user info in a query')}@shop.example/?x=1",
            "q": new("card in a query", card),
            "hint": new("JWT in a query", jwt),
        }

    def body(self) -> dict[str, Any]:
        new = self.new
        cards = [{"holder": "ada", "number": new("card in a nested body", card)}]
        return {
            "player": "ada",
            "password": new("body password"),
            "client": {"auth": {"client_secret": new("body nested client_secret")}},
            "payment": [{"cards": [{**cards[0], "cvv": new("body nested cvv")}]}],
            "credentials": ["ada", new("list under credentials")],
            "note": f"see {new('JWT in a body', jwt)}",
            "source": f"postgres://ada:{new('connection string in a body')}@db.example/shop",
            "attachment": pem(new("private key in a body")),
            "raw": f'{{"access_token": "{new("JSON text in a body")}"}}',
        }

    def form(self) -> dict[str, str]:
        new = self.new
        return {"player": "ada", "passwd": new("form passwd"), "refresh_token": new("form token")}

    def path(self) -> str:
        return self.new("JWT in the path", jwt)


def pem(inner: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{inner}\n-----END PRIVATE KEY-----\n"
