"""The exercises of the course, by name; a module for each subject."""

from collections.abc import Callable

from kit.course.exercise import Exercise
from kit.course.exercises import (
    concurrency,
    context,
    database,
    events,
    evidence,
    grouping,
    guarding,
    misses,
    missions,
    privacy,
    processes,
    relaying,
    resources,
    slowness,
    tracing,
    validation,
)

# Each is given the workshop's trigger, and what the notebook passes on.
EXERCISES: dict[str, Callable[..., Exercise]] = {
    "read-the-event": events.read_the_event,
    "triage": events.triage,
    "one-issue": grouping.one_issue,
    "fingerprint": grouping.fingerprint,
    "how-it-failed": concurrency.how_it_failed,
    "start-a-task": concurrency.start_a_task,
    "guilty-function": resources.guilty_function,
    "leak-per-step": resources.leak_per_step,
    "captured-or-not": validation.captured_or_not,
    "without-values": validation.without_values,
    "misspelt-stage": database.misspelt_stage,
    "cause-by-code": database.cause_by_code,
    "find-n-plus-one": slowness.find_n_plus_one,
    "one-query": slowness.one_query,
    "what-kills-node": processes.what_kills_node,
    "start-a-promise": processes.start_a_promise,
    "first-look": processes.first_look,
    "root-cause": processes.root_cause,
    "take-a-dsn-apart": relaying.take_a_dsn_apart,
    "again-or-dropped": relaying.again_or_dropped,
    "log-line": evidence.log_line,
    "torn-where": tracing.torn_where,
    "carry-on": tracing.carry_on,
    "the-screenshot": missions.the_screenshot,
    "most-players": missions.most_players,
    "new-since": missions.new_since,
    "guard-a-route": guarding.guard_a_route,
    "keep-it-in": privacy.keep_it_in,
    "which-switch": context.which_switch,
    "own-context": context.own_context,
    "predict-captured": misses.predict_captured,
    "the-one-line": misses.the_one_line,
}
