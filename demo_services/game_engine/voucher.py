"""Vouchers: bought at a till, redeemed for coins."""

from dataclasses import dataclass
from decimal import Decimal

FEES = {"Lyon 3": "0.50", "Trier 1": "0.50", "York 2": "0.45", "Cork 1": "0.50"}


@dataclass(frozen=True)
class Voucher:
    """A voucher; its amounts are text, as the till sent them."""

    player: str
    shop: str
    language: str
    value: str
    limit: str | None

    def facts(self) -> tuple[str, ...]:
        """Return the facts for the log, a line each."""
        return (
            f"sold in {self.shop}",
            f"language of the till: {self.language}",
            f"limit: {self.limit or 'none'}",
        )

    def coins(self) -> Decimal:
        """Return its value after the fee."""
        texts = {
            "value": self.value,
            "fee": FEES.get(self.shop, ""),
            "limit": self.limit or "Infinity",
        }
        amounts = {}
        for name, text in texts.items():
            amounts[name] = Decimal(text)
        return min(amounts["value"] - amounts["fee"], amounts["limit"])
