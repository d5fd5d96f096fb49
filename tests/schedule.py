"""What CI runs with one SDK alone, and the order in which processes that share tests get them."""

import re
from pathlib import PurePosixPath
from typing import Any

from xdist.scheduler import LoadFileScheduling

# What is asked here has the same answer with every SDK: of drawings made of given payloads, of the
# text of notebooks and documents, of the names and imports of kit, and of what is computed of plans
# and given answers: traffic, budgets, alert rules, drills. CI asks once.
ANY_SDK = {
    *("notebooks/test_solutions.py", "notebooks/test_spoilers.py", "notebooks/test_statements.py"),
    "notebooks/test_structure.py",
    *("reliability/test_alerts.py", "reliability/test_alerts_live.py"),
    *("reliability/test_alerts_views.py", "reliability/test_alerts_webhook.py"),
    *("reliability/test_drill.py", "reliability/test_drill_board.py"),
    *("reliability/test_drill_pages.py", "reliability/test_drill_scenario.py"),
    *("reliability/test_drill_widget.py", "reliability/test_drill_worth.py"),
    *("reliability/test_fault_catalogue.py", "reliability/test_fault_plan.py"),
    *("reliability/test_fault_reconciliation.py", "reliability/test_fault_schedule.py"),
    *("reliability/test_slo_budget.py", "reliability/test_slo_burn.py"),
    *("reliability/test_slo_lint.py", "reliability/test_slo_month.py"),
    *("reliability/test_slo_openslo.py", "reliability/test_slo_views.py"),
    *("reliability/test_traffic_outcomes.py", "reliability/test_traffic_picture.py"),
    *("reliability/test_traffic_plan.py", "reliability/test_traffic_run.py"),
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
# cores, beside three more processes, of a file, of the browser's room, or of a notebook; what is
# not named takes less.
LONG_S = {
    BROWSER: 330,
    "tests/commands/test_bundle.py": 330,
    "tests/ingest/test_bugsink.py": 120,
    "tests/foreign/test_pages.py": 112,
    "09_process_deaths.ipynb": 105,
    "tests/privacy/test_privacy.py": 103,
    "tests/deployment/test_kubernetes.py": 102,
    "tests/test_style.py": 90,
    "tests/system/test_attribution.py": 80,
    "24_on_call.ipynb": 75,
    "21_faults_on_purpose.ipynb": 75,
    "11_the_debug_panel.ipynb": 60,
    "18_from_sdk_2_to_3.ipynb": 60,
    "04_memory_and_cpu.ipynb": 55,
    "tests/deployment/test_shared_sentry.py": 55,
    "tests/reliability/test_drill_system.py": 55,
    "16_what_sentry_misses.ipynb": 50,
    "tests/hard/test_soak.py": 50,
    "tests/ingest/test_retention.py": 45,
    "tests/commands/test_cli.py": 40,
    "tests/frontend/test_frontend.py": 39,
    "08_node_crashes.ipynb": 38,
    "25_chaos_experiments.ipynb": 50,
    "26_repair_by_itself.ipynb": 50,
    "27_what_can_be_predicted.ipynb": 40,
    "tests/reliability/test_experiment_system.py": 60,
    "22_error_budgets.ipynb": 38,
    "17_build_your_own_context.ipynb": 37,
    "tests/services/test_crashes.py": 35,
    "tests/deployment/test_learner.py": 33,
    "tests/deployment/test_users.py": 33,
    "tests/system/test_workshop.py": 33,
    "tests/views/test_gauges.py": 31,
    "tests/hard/test_shell.py": 30,
    "tests/system/test_cashier.py": 30,
    "23_alerts_worth_a_page.ipynb": 28,
    "20_bring_your_own_service.ipynb": 26,
    "tests/card/test_forms.py": 26,
    "19_logs_and_metrics.ipynb": 25,
    "tests/hard/test_endings.py": 25,
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
