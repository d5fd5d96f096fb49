"""What values mean that our own code puts into an event, by their paths."""

# Who signs an event about the death of a process: its logger and its mechanism.
SUPERVISOR = "supervisor"

OURS = {
    "tags/learner": "Whose workshop this is, for a class that shares one Sentry: search there for "
    "learner:<name>.",
    "contexts/process/uptime_s": "Seconds since the process was started: a crash right after a "
    "start has other causes than one after days.",
    "contexts/process/rss_mb": "Resident memory in MiB: what the operating system counts, all of "
    "the heap in use and what lies outside of it. It shrinks late or never.",
    "contexts/process/heap_used_mb": "MiB of V8's heap that hold objects, those included that "
    "nobody needs any more but that are not collected yet.",
    "contexts/process/heap_total_mb": "MiB that V8 has reserved for its heap so far.",
    "contexts/process/heap_limit_mb": "MiB at which V8 gives up and ends the process; set by "
    "--max-old-space-size, to which the space for young objects is added.",
    "contexts/process/external_mb": "MiB outside of V8's heap that belong to objects in it, such "
    "as buffers. The heap's limit does not count them.",
    "contexts/process/cpu_s": "Seconds of processor time so far, of all threads, user and system.",
    "contexts/process/event_loop_lag_ms": "By how many milliseconds the event loop was late at "
    "worst, since the last reading. All requests waited that long.",
    "contexts/process/event_loop_utilization": "The share of time, 0 to 1, in which the event loop "
    "had work, since the last reading. Near 1 the only thread is full.",
    "contexts/express/version": "Which Express served the request, from its package.json.",
    "contexts/express/handler": "The name of the function that handles the route. Anonymous "
    "functions cannot be told apart here: give handlers names.",
    "contexts/express/method": "The method that the route takes.",
    "contexts/express/route": "The route's pattern, without the values that came in.",
    "contexts/payment/id": "Finds this very payment in the books and in the logs.",
    "contexts/payment/kind": "charge takes from the player, payout gives.",
    "contexts/payment/player": "Whose balance it moves.",
    "contexts/payment/amount": "How much money was at stake.",
    "contexts/payment/spin_id": "Which spin it belongs to: it ties this event to the game engine.",
    "contexts/payment/balance": "What the player had afterwards; null while nothing has moved.",
    "contexts/payment/stage": "How far the payment had come. All before it needs undoing.",
    "contexts/memory/start_heap_mb": "MiB on V8's heap before the leak.",
    "contexts/memory/peak_heap_mb": "MiB on V8's heap after the last step.",
    "contexts/memory/start_rss_mb": "Resident MiB before the leak.",
    "contexts/memory/peak_rss_mb": "Resident MiB after the last step.",
    "contexts/memory/held_mb": "How much was kept and not released.",
    "contexts/memory/cap_mb": "Where the service itself says stop, before V8 would.",
    "contexts/memory/step_mb": "How much each step adds.",
}

# The path of a value gives its meaning, else that of what it is a part of.
DEATH = {
    "event_id": "A random UUID, made by the SDK of the supervisor.",
    "level": "fatal: the process is gone.",
    "timestamp": "The supervisor's clock, just after the death.",
    "platform": "Written by hand: the SDK that sends this is Python's, what died was Node.js.",
    "logger": "Says who wrote the event: the supervisor, not the service.",
    "fingerprint": "Overrides the grouping: all deaths of a service of one kind are one issue. "
    "Without a stack trace Sentry would have had little else to go by.",
    "exception/values/type": "How it ended: HeapExhausted when V8 said so, ProcessKilled when a "
    "signal did it, ProcessExited when it returned an exit code. There was no error object.",
    "exception/values/value": "The exit code or signal, and the line of its stderr that says most.",
    "exception/values/mechanism": "The supervisor saw the process end without having been asked "
    "to. Nobody in it could report that: it was gone.",
    "exception": "Not an error that was thrown: the form in which Sentry shows and groups best.",
    "contexts/process/exit_code": "What the process returned to the operating system. Node.js "
    "returns 1 after an uncaught error. null when a signal ended it.",
    "contexts/process/signal": "The signal that ended it. SIGABRT is what V8 sends to itself when "
    "its heap is full; SIGKILL cannot be caught, and comes from outside, such as from the system "
    "when memory runs out. null when the process ended by itself.",
    "contexts/process/pid": "Its process id, to find it in the logs of the machine.",
    "contexts/process/started_at": "When this process was started.",
    "contexts/process/uptime_s": "How many seconds it lived.",
    "contexts/process/restarts": "How often the supervisor had already started it again before.",
    "contexts/process/was_ready": "Whether it ever accepted requests. false: it died while "
    "starting, so look at what was deployed, not at what was asked.",
    "contexts/process/memory_mb": "Its resident memory in MiB, looked at from outside at most a "
    "quarter of a second before it died.",
    "contexts/process": "The process that died, as it looked from outside.",
    "contexts/node/version": "The Node.js that it ran on, as it said itself when it was ready.",
    "contexts/node/options": "The options on its command line. --max-old-space-size is the limit "
    "of the heap for objects that live long, in MiB.",
    "contexts/node/heap_limit_mb": "That limit, read from the options. No measurement.",
    "contexts/node/heap_exhausted": "Whether its last lines on stderr say that the heap was full.",
    "contexts/node": "What it ran on.",
    "contexts/runtime": "Written by hand: the SDK that sends this would name the Python of the "
    "supervisor.",
    "contexts/device/memory_size": "All memory of the machine, in bytes.",
    "contexts/device/free_memory": "Memory of the machine, in bytes, that was to be had just after "
    "the death: with plenty left it was not the machine that ran out.",
    "contexts/device": "The machine, which the supervisor shares with the process.",
    "contexts/os": "The system, which the supervisor shares with the process.",
    "contexts/stderr": "The last lines that it wrote to stderr; up to 60 are in the attachment "
    "stderr.txt. When no SDK can speak any more, this is all that the process said.",
    "contexts/trace/trace_id": "That of the request that was in flight: the death stands in the "
    "trace of whoever asked.",
    "contexts/trace/parent_span_id": "The span of the request in the process that died. It never "
    "ended, so it was never sent.",
    "contexts/trace": "Taken from what the process had told the supervisor about the request.",
    "tags/death": "Its kind, as a tag: so that Sentry can search and count by it.",
    "tags/signal": "The signal, as a tag: so that Sentry can search and count by it.",
    "tags/exit_code": "The exit code, as a tag: so that Sentry can search and count by it.",
    "tags": "Tags: indexed, so that Sentry can search and count events by them.",
    "transaction": "The request that was in flight, if there was one.",
    "transaction_info": "Empty: no transaction was running in the supervisor.",
    "request": "The last request that had no answer when the process died. It need not be the one "
    "to blame: all that were in flight died with it.",
    "breadcrumbs": "None: those of the process died with it. They are kept in memory.",
    "extra/sys.argv": "The command line of the supervisor's process, not of the one that died.",
    "modules": "The Python packages of the supervisor's process, not what the dead one had loaded.",
    "release": "The release of the service that died; the supervisor reports in its name.",
    "environment": "Where it died, so that an alert can leave rehearsals out.",
    "server_name": "The service that died; the supervisor reports in its name.",
    "sdk": "The SDK of the supervisor, which is written in Python.",
}

# What no SDK inside of a process can tell, by the type of the event.
SDK_BLIND_BECAUSE = {
    "HeapExhausted": "When the heap is full, V8 ends the process on the spot: no handler and no "
    "finally runs any more, so an SDK in JavaScript has no turn to send anything.",
    "ProcessKilled": "A signal ended the process from one instruction to the next: an SDK inside "
    "had no turn to send anything.",
    "ProcessExited": "An SDK inside may have sent the error that led here, as an event of its own. "
    "How the process then ended it could not.",
}
