"""What a slot machine shows and leaves behind."""

import re
import threading
from typing import Any
from uuid import uuid4

import httpx

from kit import Workshop
from kit.frontend.slot_machine import SlotMachine
from kit.ingest.store import StoredItem

DEADLINE_S = 60.0


def shown(slots: SlotMachine) -> str:
    """Return the text of the slot machine's face."""
    (face, *_) = [child for child in slots.cabinet.children if hasattr(child, "value")]
    html = re.sub(r"<style>.*?</style>", "", face.value, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def last_trace(slots: SlotMachine) -> str:
    """Return the trace of the last spin."""
    found = re.search(r'<code title="(\w{32})"', slots.cabinet.children[0].value)
    assert found
    return found[1]


def errors(workshop: Workshop, **wanted: Any) -> list[StoredItem]:
    """Return the error events of the frontend."""
    workshop.flush()
    return workshop.store.items(type="event", project="frontend", **wanted)


def empty_purse(workshop: Workshop, player: str) -> None:
    """Take all money of a player."""
    url, key = workshop.url("payment"), uuid4().hex
    with httpx.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as http:
        balance = http.get(f"/api/v1/balance/{player}").json()["balance"]
        charge = {"player": player, "amount": balance, "spin_id": key}
        answer = http.post("/api/v1/charge", json=charge, headers={"Idempotency-Key": key})
        answer.raise_for_status()


def autoplay_ended(slots: SlotMachine) -> bool:
    """Wait until no thread plays."""
    for thread in threading.enumerate():
        if thread.name == "slot-machine":
            thread.join(DEADLINE_S)
    return not slots.autoplay.value
