"""Coverage-guided fuzzing of the ingest: python -m tests.ingest.fuzz [seconds [option]...].

Options are those of libFuzzer. Each input is the body of a request, compressed or not. It goes
through the whole ingest, from the ASGI message to the row in the store, and what was accepted is
read again. Inputs that reach new code are kept in the folder that is printed; those worth keeping
go into ``corpus``, which the tests replay. An input that fails is printed and kept beside it.
Needs Linux and atheris: ``pip install -e ".[fuzz]"``.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

# What is to be watched must be imported in here first.
with atheris.instrument_imports(include=["kit", "sentry_sdk.envelope", "sentry_sdk.utils", "json"]):
    from tests.ingest.target import CORPUS, Target

MAX_INPUT_BYTES = 16_384
DICTIONARY = Path(__file__).with_name("envelope.dict")


def main(seconds: str = "60", *options: str) -> None:
    """Run until the time is over or an input fails; libFuzzer then ends the process."""
    folder = Path(tempfile.mkdtemp(prefix="workshop-fuzz-"))
    found = folder / "found"
    found.mkdir()
    print(f"inputs that reach new code: {found}", flush=True)
    target = Target(folder / "captured.sqlite3")
    given = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-dict={DICTIONARY}",
        f"-artifact_prefix={folder}{os.sep}",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
    ]
    # libFuzzer writes into the first folder.
    atheris.Setup([sys.argv[0], *given, *options, str(found), str(CORPUS)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
