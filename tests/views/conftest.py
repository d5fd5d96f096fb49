from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.ingest.store import Store
from tests.ingest.sending import Ingest, running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "captured.sqlite3")
    yield store
    store.close()


@pytest.fixture
def ingest(store: Store) -> Iterator[Ingest]:
    with running(store) as ingest:
        yield ingest
