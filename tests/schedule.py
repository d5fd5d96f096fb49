"""What CI runs with one SDK alone, and the order in which processes that share tests get them."""

import re
from pathlib import PurePosixPath
from typing import Any

from xdist.scheduler import LoadFileScheduling

# What is asked here has the same answer with every SDK: of drawings made of given payloads, of the
# text of notebooks and documents, of the names and imports of kit. CI asks once.
ANY_SDK = {
    *("notebooks/test_spoilers.py", "notebooks/test_statements.py", "notebooks/test_structure.py"),
    *("unit/test_documentation.py", "unit/test_face.py", "unit/test_rooms.py"),
    *("views/test_direction.py", "views/test_drawings.py", "views/test_flame.py"),
    *("views/test_gauges.py", "views/test_html.py", "views/test_issues.py"),
    *("views/test_logs.py", "views/test_profile_forms.py", "views/test_span_forms.py"),
    *("views/test_stored_items.py", "views/test_waterfall.py"),
}
# Its tests share one JupyterLab, one browser and one kernel, so one process runs them all.
BROWSER = "tests/browser"
# Each notebook has a kernel of its own, so any process may run it.
NOTEBOOKS = re.compile(r"(tests/notebooks/test_outputs\.py)::.*\[(\w+\.ipynb)\]$")
# What takes long begins first, so that no process works alone at the end. These are seconds on two
# quiet cores, of a file, of the browser's room, or of a notebook; what is not named takes less.
LONG_S = {
    BROWSER: 300,
    "tests/commands/test_bundle.py": 140,
    "18_from_sdk_2_to_3.ipynb": 93,
    "tests/notebooks/test_solutions.py": 90,
    "04_memory_and_cpu.ipynb": 60,
    "tests/ingest/test_bugsink.py": 53,
    "tests/system/test_attribution.py": 52,
    "21_faults_on_purpose.ipynb": 48,
    "tests/test_style.py": 48,
    "tests/privacy/test_privacy.py": 45,
    "09_process_deaths.ipynb": 42,
    "tests/hard/test_soak.py": 42,
    "tests/commands/test_cli.py": 40,
    "11_the_debug_panel.ipynb": 39,
    "24_on_call.ipynb": 40,
    "tests/frontend/test_frontend.py": 39,
    "tests/deployment/test_shared_sentry.py": 38,
    "17_build_your_own_context.ipynb": 35,
    "tests/services/test_crashes.py": 35,
    "22_error_budgets.ipynb": 35,
    "16_what_sentry_misses.ipynb": 34,
    "tests/deployment/test_learner.py": 33,
    "tests/deployment/test_users.py": 33,
    "tests/system/test_workshop.py": 33,
    "tests/hard/test_shell.py": 30,
    "23_alerts_worth_a_page.ipynb": 26,
    "tests/hard/test_endings.py": 25,
    "08_node_crashes.ipynb": 24,
    "tests/experiments/test_blind_spots.py": 22,
    "tests/notebooks/test_kernels.py": 21,
    "tests/ingest/test_ingest.py": 21,
}


def scope_of(nodeid: str) -> str:
    """Return what one process runs at once: a file, the browser's room, or a notebook."""
    if nodeid.startswith(f"{BROWSER}/"):
        return BROWSER
    if notebook := NOTEBOOKS.match(nodeid):
        return "/".join(notebook.groups())
    return nodeid.partition("::")[0]


def expected_seconds(scope: str) -> float:
    """Return how long a scope takes, 0 when that is not known to be long."""
    return LONG_S.get(scope, LONG_S.get(PurePosixPath(scope).name, 0))


class LongestFirst(LoadFileScheduling):
    """A process gets all tests of a scope at once; the longest scopes are given out first."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        longest = max(self.workqueue, key=expected_seconds)
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
