"""How much memory the process of the tests has, with the services that run in it."""

import gc

import psutil

from demo_services.game_engine.memory import give_back


def resident_mb() -> float:
    """Return the resident memory in MiB, without what earlier tests left to be freed.

    Otherwise that would be freed or used again meanwhile, and what a service keeps is not seen.
    """
    gc.collect()
    give_back()
    return float(psutil.Process().memory_info().rss) / 2**20
