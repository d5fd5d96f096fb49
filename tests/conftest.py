import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Notebooks run in kernels that inherit this: what they capture stays out of the checkout.
os.environ["WORKSHOP_HOME"] = tempfile.mkdtemp(prefix="workshop-tests-")
os.environ.pop("SENTRY_DSN", None)

from kit.workshop import Workshop


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A running workshop with a store of its own, for the tests of a module."""
    home: Path = tmp_path_factory.mktemp("home")
    with Workshop.start(home=home, report=lambda line: None) as running:
        yield running
