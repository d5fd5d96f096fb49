"""Stored spins that the code does not expect, found too late and found in time."""

import sentry_sdk

from demo_services.analytics.mongo import Document, Mongo
from demo_services.analytics.rehearsal import rehearse, spin
from demo_services.analytics.spin import Spin
from demo_services.trace import start_span


async def last_spin_unchecked(mongo: Mongo, player: str) -> Document:
    """``response``: return what is stored as it is; the response model sees what is missing."""
    old = spin(player, ["lemon", "bell", "lemon"])
    # Written by an old release without a balance.
    del old["balance"]
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["analytics", "invalid-response"]
    return await stored_again(mongo, old)


async def last_spin_checked(mongo: Mongo, player: str) -> Spin:
    """``document``: read what is stored through the model, which raises ValidationError."""
    imported = spin(player, ["seven", "seven"], win=770)
    # Imported by hand from a spreadsheet.
    imported["win"] = "770 coins"
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["analytics", "invalid-document"]
    document = await stored_again(mongo, imported)
    with start_span(op="analytics.validate", name="validate a stored spin"):
        return Spin.model_validate(document)


async def stored_again(mongo: Mongo, document: Document) -> Document:
    """Store the document, and return what the database has of it."""
    batch = await rehearse(mongo, [document])
    found = await batch.spins.find_one(batch.mine, {"_id": 0, "batch": 0, "stored_at": 0})
    assert found is not None
    sentry_sdk.set_context(
        "validation",
        {
            "model": Spin.__name__,
            "declared": list(Spin.model_fields),
            "stored": list(found),
            "missing": [name for name in Spin.model_fields if name not in found],
        },
    )
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message=f"spin {found['spin_id']} read back",
        data={"fields": list(found)},
    )
    return found
