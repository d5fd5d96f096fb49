"""The game engine's cache that only grows."""

import json
import subprocess
import sys

from demo_services.game_engine.memory import STEP_MB

# Of itself glibc gives back nothing of what is freed below: something small lies behind each
# recording, and after the first, of 31 MB, it keeps what is smaller.
GROW = f"""
import json
import psutil
from demo_services.game_engine.memory import STEP_BYTES, STEP_MB, ReplayCache

def rss_mb():
    return psutil.Process().memory_info().rss / 2**20

first = bytearray(b"1") * (31 * 2**20)
del first
freed = [(bytearray(b"1") * STEP_BYTES, bytearray(200_000)) for _ in range(10)]
small = [kept for _, kept in freed]
del freed

cache, sizes = ReplayCache({6 * STEP_MB}), [rss_mb()]
for _ in range(6):
    cache.record()
    sizes.append(rss_mb())
cache.clear()
print(json.dumps([*sizes, rss_mb()]))
"""


def test_the_process_grows_by_what_is_recorded_and_gives_it_back() -> None:
    command = [sys.executable, "-c", GROW]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *sizes, cleared = json.loads(printed)
    assert [round((size - sizes[0]) / STEP_MB) for size in sizes] == list(range(7))
    assert round((cleared - sizes[0]) / STEP_MB) == 0
