"""The payment service (Express on Node.js): charges bets, pays wins, and breaks in eight ways.

It is written in JavaScript; this is what the Python side needs to know about it. It also runs
alone, in this folder: ``npm ci && SENTRY_DSN=... npm start``.
"""

import json
from pathlib import Path

from demo_services.bounds import Bounds

HOME = Path(__file__).parent
"""The folder of its package.json."""

_NUMBERS = json.loads((HOME / "bounds.json").read_text(encoding="utf-8"))
LEAK_MB = Bounds(**_NUMBERS["mb"])
BLOCK_MS = Bounds(**_NUMBERS["ms"])
START_BALANCE: int = _NUMBERS["start_balance"]
VIP_BALANCE: int = _NUMBERS["vip_balance"]
