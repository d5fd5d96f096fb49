import subprocess
import sys

import pytest

PROGRAM = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
try:
    from kit import Workshop
except KeyboardInterrupt:
    print("interrupted")
from kit import Workshop
for name, module in list(sys.modules.items()):
    for value in list(vars(module).values()):
        if type(value) is type(sys) and value.__name__.partition(".")[0] in {"kit", "sentry_sdk"}:
            assert value is sys.modules[value.__name__], (name, value)
print("whole")
"""


@pytest.mark.parametrize(
    "module",
    ["sentry_sdk.scope", "sentry_sdk.client", "pydantic_core.core_schema", "kit.ingest.store"],
)
def test_an_import_that_was_interrupted_can_be_repeated(module: str) -> None:
    program = [sys.executable, "-c", PROGRAM, module]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert (ended.stdout, ended.stderr) == ("interrupted\nwhole\n", "")
