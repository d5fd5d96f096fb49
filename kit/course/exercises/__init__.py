"""The exercises of the course by name; one module per subject."""

from collections.abc import Callable
from typing import Any, Concatenate

from kit.course.exercise import Exercise
from kit.course.exercises import (
    blind_spots,
    budgets,
    chaos,
    concurrency,
    context,
    database,
    events,
    evidence,
    faults,
    flags,
    generations,
    grouping,
    guarding,
    missions,
    on_call,
    own_service,
    paging,
    prediction,
    privacy,
    processes,
    relaying,
    repair,
    resources,
    slowness,
    telemetry,
    tracing,
    validation,
)
from kit.widgets.crash_widget import TriggerFunction

# These fire crashes to check an answer: they get the trigger before the notebook's arguments.
FIRING_EXERCISES: dict[str, Callable[Concatenate[TriggerFunction, ...], Exercise]] = {
    "triage": events.triage,
    "how-it-failed": concurrency.how_it_failed,
    "leak-per-step": resources.leak_per_step,
    "captured-or-not": validation.captured_or_not,
    "cause-by-code": database.cause_by_code,
    "find-n-plus-one": slowness.find_n_plus_one,
    "what-kills-node": processes.what_kills_node,
    "first-look": processes.first_look,
    "root-cause": processes.root_cause,
    "torn-where": tracing.torn_where,
    "the-screenshot": missions.the_screenshot,
    "most-players": missions.most_players,
    "new-since": missions.new_since,
}
OTHER_EXERCISES: dict[str, Callable[..., Exercise]] = {
    "read-the-event": events.read_the_event,
    "one-issue": grouping.one_issue,
    "fingerprint": grouping.fingerprint,
    "start-a-task": concurrency.start_a_task,
    "guilty-function": resources.guilty_function,
    "without-values": validation.context_without_values,
    "misspelt-stage": database.misspelt_stage,
    "one-query": slowness.one_query,
    "start-a-promise": processes.start_a_promise,
    "take-a-dsn-apart": relaying.take_a_dsn_apart,
    "again-or-dropped": relaying.again_or_dropped,
    "reported-or-silent": relaying.reported_or_silent,
    "suspect-flag": flags.suspect_flag,
    "log-line": evidence.log_line,
    "carry-on": tracing.carry_on,
    "right-kind": telemetry.right_kind,
    "guard-a-route": guarding.guard_a_route,
    "keep-it-in": privacy.keep_it_in,
    "which-switch": context.which_switch,
    "own-context": context.own_context,
    "predict-captured": blind_spots.predict_captured,
    "the-one-line": blind_spots.the_one_line,
    "migrate-a-service": generations.migrate_a_service,
    "own-service": own_service.own_service,
    "six-pages": paging.six_pages,
    "verify-the-hook": paging.verify_the_hook,
    "budget-left": budgets.budget_left,
    "a-rule-that-pages": budgets.rule_that_pages,
    "first-clue": on_call.first_clue,
    "write-the-impact": on_call.write_the_impact,
    "see-the-hole": chaos.see_the_hole,
    "smallest-blast": chaos.smallest_blast,
    "tell-look-alikes-apart": repair.tell_look_alikes_apart,
    "read-the-night": repair.read_the_night,
    "no-better-than-chance": prediction.no_better_than_chance,
    "beat-the-threshold": prediction.beat_the_threshold,
    "who-is-hit": faults.who_is_hit,
    "which-fault": faults.which_fault,
}
EXERCISES = (*FIRING_EXERCISES, *OTHER_EXERCISES)


def make_exercise(name: str, trigger: TriggerFunction, *given: Any) -> Exercise:
    """Return the exercise called ``name``; ``given`` are its notebook's arguments.

    Raises KeyError for an unknown name.
    """
    if name in FIRING_EXERCISES:
        return FIRING_EXERCISES[name](trigger, *given)
    return OTHER_EXERCISES[name](*given)
