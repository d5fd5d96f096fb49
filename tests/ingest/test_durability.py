import gzip
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from kit.ingest.store import Store
from tests.ingest.sending import KEY, PATIENCE_S, child_ingest, error, new_id

pytestmark = [pytest.mark.system, pytest.mark.slow]

ENVELOPES, CONNECTIONS = 2000, 16

WRITER = """
import sys
from pathlib import Path
from kit.ingest.store import Store
from tests.ingest.sending import error, store_away

store = Store(Path(sys.argv[1]))
for number in range(300):
    store_away(store, error("a" * 32, number=number), project=sys.argv[2])
store.close()
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    traces = [new_id() for _ in range(ENVELOPES)]
    with child_ingest(path) as child:
        url = f"{child.url}/api/1/envelope/"

        def send(share: list[str]) -> list[int]:
            headers = {**KEY, "Content-Encoding": "gzip"}
            with httpx.Client(trust_env=False, timeout=PATIENCE_S, headers=headers) as http:
                bodies = (gzip.compress(error(trace, blob=trace * 100)) for trace in share)
                return [http.post(url, content=each).status_code for each in bodies]

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            shares = [traces[start::CONNECTIONS] for start in range(CONNECTIONS)]
            statuses = [status for answered in pool.map(send, shares) for status in answered]
        child.process.kill()
        child.process.wait(PATIENCE_S)
    assert statuses == [200] * ENVELOPES
    with closing(Store(path)) as store:
        found = store.items(limit=ENVELOPES + 1)
        assert [item.trace_ids for item in store.items(trace_id=traces[0])] == [{traces[0]}]
    assert sorted(item.payload["blob"] for item in found) == sorted(t * 100 for t in traces)


def test_several_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    names = ["one", "two", "three", "four"]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.PIPE)
        for name in names
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors.decode()
    with closing(Store(path)) as store:
        for name in names:
            written = [item.payload["number"] for item in store.items(project=name)]
            assert written == list(reversed(range(300)))
