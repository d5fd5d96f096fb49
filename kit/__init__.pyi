# The public API: all that a notebook may import from kit, and the module of each name.

from .actionable import WorkshopError as WorkshopError
from .commands.checks.crashes import check_crash as check_crash
from .commands.doctor import examine_machine as examine_machine
from .commands.installer import this_platform as this_platform
from .commands.installer import this_python as this_python

# Kinds of machine, by name.
from .commands.platforms import BUNDLE_PLATFORMS as BUNDLE_PLATFORMS
from .course.exercises import leaking_shop as leaking_shop

# Failures to predict.
from .course.exercises.blind_spots import SIX_BLIND_SPOTS as SIX_BLIND_SPOTS

# One to fix with one line.
from .course.exercises.blind_spots import TICKETS_BLIND_SPOT as TICKETS_BLIND_SPOT
from .course.exercises.faults import play_rollouts as play_rollouts

# One to migrate to SDK 3.
from .course.exercises.generations import OLD_SERVICE as OLD_SERVICE
from .course.exercises.relaying import fake_sentry as fake_sentry
from .course.exercises.simulated_evening import simulated_evening as simulated_evening
from .course.exercises.slowness import temporary_collection as temporary_collection
from .course.exercises.teaching import three_hours as three_hours
from .course.exercises.tracing import wait_for_entry as wait_for_entry
from .course.exercises.tracing import whole_trace as whole_trace
from .course.notebooks import read_course as read_course
from .crashes.catalogue import variants as variants
from .experiments.blind_spots.blind_spot import BlindSpot as BlindSpot

# The pattern of a card number.
from .experiments.context.switches import CARD_NUMBER as CARD_NUMBER

# The switches of the context laboratory, by name.
from .experiments.context.switches import SWITCHES as SWITCHES
from .experiments.context.switches import drop_event as drop_event
from .experiments.context.switches import redact_card as redact_card
from .home import course_folder as course_folder
from .home import default_home as default_home
from .hosting.child import free_port as free_port
from .hosting.node import find_node as find_node
from .hosting.node import node_command as node_command
from .hosting.node import node_modules as node_modules
from .hosting.server import Server as Server
from .hosting.server import serve_asgi as serve_asgi

# Exits a minute after which restarts are slowed down.
from .hosting.supervisor import EXITS_A_MINUTE as EXITS_A_MINUTE

# Seconds of the first pause before a restart.
from .hosting.supervisor import FIRST_PAUSE_S as FIRST_PAUSE_S

# Seconds of the longest pause.
from .hosting.supervisor import LONGEST_PAUSE_S as LONGEST_PAUSE_S

# Failed starts in a row after which the supervisor gives up.
from .hosting.supervisor import MAX_FAILED_STARTS as MAX_FAILED_STARTS

# Seconds of retrying before an envelope is dropped.
from .ingest.relay import GIVE_UP_AFTER_S as GIVE_UP_AFTER_S

# Bytes that may wait for a real Sentry.
from .ingest.relay import MAX_QUEUED_BYTES as MAX_QUEUED_BYTES
from .ingest.relay import Relay as Relay
from .outcome import Event as Event
from .outcome import make_event as make_event
from .reading.grouping import by_default as by_default
from .reading.grouping import simulated_issue as simulated_issue
from .reading.server.cuts import server_cuts as server_cuts
from .reading.spans import segments as segments
from .reading.spans import spans as spans
from .reliability.prediction.judgement import adjusted_coin as adjusted_coin
from .reliability.prediction.judgement import judge_forecast as judge_forecast
from .reliability.prediction.simulation import simulate_memory as simulate_memory
from .reliability.prediction.story import follow_series as follow_series
from .reliability.prediction.trend import robust_slope as robust_slope

# The rules of Google's workbook, for a month.
from .reliability.slo.burn import GOOGLE as GOOGLE
from .reliability.slo.burn import BurnRule as BurnRule
from .reliability.slo.burn import RuleSet as RuleSet
from .reliability.traffic.outcomes import judge_answer as judge_answer
from .system.clients import sentry_off as sentry_off
from .system.clients import use_client as use_client
from .views.difference import Difference as Difference
from .views.gauges import watch as watch
from .views.waterfall import waterfall as waterfall
from .workshop import Workshop as Workshop
