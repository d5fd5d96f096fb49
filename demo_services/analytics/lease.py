"""A lease that allows one report at a time, and a holder that died with it."""

import asyncio

import sentry_sdk
from sentry_sdk import logger

from demo_services.analytics.mongo import LEASES, Collection, Mongo
from demo_services.trace import start_span

RETRY_S = 0.05
REPORT = "month-end"
LAST_HOLDER = "report-worker-7"


async def write_report(mongo: Mongo, player: str) -> None:
    """Write the report as soon as the lease is free."""
    leases = await mongo.collection(LEASES)
    # The lease of the process that wrote the last report.
    await leases.update_one({"_id": REPORT}, {"$setOnInsert": {"holder": LAST_HOLDER}}, upsert=True)
    with start_span(op="analytics.lease", name="wait for the lease"):
        tries = await take(leases, f"report for {player}")
    sentry_sdk.add_breadcrumb(category="analytics", message=f"lease taken after {tries} tries")


async def take(leases: Collection, holder: str) -> int:
    """Wait until the lease is free, take it, and return how many tries that took."""
    tries = 0
    while True:
        tries += 1
        lease = await leases.find_one_and_update(
            {"_id": REPORT, "holder": None}, {"$set": {"holder": holder}}
        )
        if lease is not None:
            return tries
        if tries == 1:
            logger.warning("waiting for the lease {lease}", lease=REPORT)
        await asyncio.sleep(RETRY_S)
