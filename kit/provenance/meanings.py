"""The meanings of values that our own code puts into an event, by their paths."""

# The logger and the mechanism of an event about the death of a process.
SUPERVISOR = "supervisor"

OURS = {
    "tags/learner": "Whose workshop this is, for a class that shares one Sentry: search there for "
    "learner:<name>.",
    "contexts/process/uptime_s": "Seconds since the process was started: a crash right after a "
    "start has other causes than one after days.",
    "contexts/process/rss_mb": "Resident memory in MiB: what the operating system counts, the heap "
    "in use and memory outside of it. It shrinks late or never.",
    "contexts/process/heap_used_mb": "MiB of V8's heap that hold objects, including garbage that "
    "is not collected yet.",
    "contexts/process/heap_total_mb": "MiB that V8 has reserved for its heap so far.",
    "contexts/process/heap_limit_mb": "MiB at which V8 gives up and ends the process; set by "
    "--max-old-space-size, to which the space for young objects is added.",
    "contexts/process/external_mb": "MiB outside of V8's heap that belong to objects in it, such "
    "as buffers. They do not count towards the heap limit.",
    "contexts/process/cpu_s": "Seconds of processor time so far, of all threads, user and system.",
    "contexts/process/event_loop_lag_ms": "The longest delay of the event loop in milliseconds, "
    "since the last reading. All requests waited that long.",
    "contexts/process/event_loop_utilization": "The share of time, 0 to 1, in which the event loop "
    "was busy, since the last reading. Near 1 the only thread is at its limit.",
    "contexts/express/version": "Which Express served the request, from its package.json.",
    "contexts/express/handler": "The name of the function that handles the route. Anonymous "
    "functions cannot be told apart here: give handlers names.",
    "contexts/express/method": "The method that the route takes.",
    "contexts/express/route": "The route's pattern, without the values that came in.",
    "contexts/payment/id": "Identifies this payment in the books and in the logs.",
    "contexts/payment/kind": "charge takes from the player, payout gives.",
    "contexts/payment/player": "Whose balance it changes.",
    "contexts/payment/amount": "How much money was at stake.",
    "contexts/payment/spin_id": "Which spin it belongs to: it ties this event to the game engine.",
    "contexts/payment/balance": "The player's balance afterwards; null until something is booked.",
    "contexts/payment/stage": "How far the payment got. All earlier stages need undoing.",
    "contexts/memory/start_heap_mb": "MiB on V8's heap before the leak.",
    "contexts/memory/peak_heap_mb": "MiB on V8's heap after the last step.",
    "contexts/memory/start_rss_mb": "Resident MiB before the leak.",
    "contexts/memory/peak_rss_mb": "Resident MiB after the last step.",
    "contexts/memory/held_mb": "How much was kept and not released.",
    "contexts/memory/cap_mb": "Where the service itself stops, before V8 would.",
    "contexts/memory/step_mb": "How much each step adds.",
}

# The path of a value gives its meaning, else that of its nearest parent.
DEATH = {
    "event_id": "A random UUID, made by the supervisor's SDK.",
    "level": "fatal: the process is gone.",
    "timestamp": "The supervisor's clock, just after the death.",
    "platform": "Set by hand: Python's SDK sends this, but a Node.js process died.",
    "logger": "Says who wrote the event: the supervisor, not the service.",
    "fingerprint": "Overrides the grouping: all deaths of one kind of a service are one issue. "
    "Without a stack trace Sentry would have little else to group by.",
    "exception/values/type": "How it ended: HeapExhausted when V8 said so, ProcessKilled after a "
    "signal, ProcessExited after an exit code. There was no error object.",
    "exception/values/value": "The exit code or signal, and the most telling line of its stderr.",
    "exception/values/mechanism": "The supervisor saw the process end without having requested "
    "it. No code in the process could report that: it was gone.",
    "exception": "No error was thrown: this is the form that Sentry shows and groups best.",
    "contexts/process/exit_code": "What the process returned to the operating system. Node.js "
    "returns 1 after an uncaught error. null when a signal ended it.",
    "contexts/process/signal": "The signal that ended it. SIGABRT is what V8 sends to itself when "
    "its heap is full; SIGKILL cannot be caught, and comes from outside, such as from the system "
    "when memory runs out. null when the process ended by itself.",
    "contexts/process/pid": "Its process id, to find it in the logs of the machine.",
    "contexts/process/started_at": "When this process was started.",
    "contexts/process/uptime_s": "How many seconds it lived.",
    "contexts/process/restarts": "How often the supervisor had already restarted it.",
    "contexts/process/was_ready": "Whether it ever accepted requests. false: it died while "
    "starting, so look at what was deployed, not at the requests.",
    "contexts/process/memory_mb": "Its resident memory in MiB, measured from outside at most a "
    "quarter of a second before it died.",
    "contexts/process": "The process that died, as it looked from outside.",
    "contexts/node/version": "Its version of Node.js, as it reported when it was ready.",
    "contexts/node/options": "The options on its command line. --max-old-space-size is the limit "
    "of the heap for objects that live long, in MiB.",
    "contexts/node/heap_limit_mb": "That limit, read from the options, not measured.",
    "contexts/node/heap_exhausted": "Whether its last lines on stderr say that the heap was full.",
    "contexts/node": "What it ran on.",
    "contexts/runtime": "Set by hand: the SDK that sends this would name the supervisor's Python.",
    "contexts/device/memory_size": "All memory of the machine, in bytes.",
    "contexts/device/free_memory": "Memory of the machine, in bytes, that was available just after "
    "the death: if plenty was left, it was not the machine that ran out.",
    "contexts/device": "The machine, which the supervisor shares with the process.",
    "contexts/os": "The system, which the supervisor shares with the process.",
    "contexts/stderr": "The last lines that it wrote to stderr; up to 60 are in the attachment "
    "stderr.txt. When no SDK can run any more, this is all that the process said.",
    "contexts/trace/trace_id": "That of the request in flight: so the death is in the trace of "
    "its caller.",
    "contexts/trace/parent_span_id": "The span of the request in the process that died. It never "
    "ended, so it was never sent.",
    "contexts/trace": "From what the process had sent the supervisor about the request.",
    "tags/death": "Its kind, as a tag, so that Sentry can search and count by it.",
    "tags/signal": "The signal, as a tag, so that Sentry can search and count by it.",
    "tags/exit_code": "The exit code, as a tag, so that Sentry can search and count by it.",
    "tags": "Tags: indexed, so that Sentry can search and count events by them.",
    "transaction": "The request that was in flight, if there was one.",
    "transaction_info": "Empty: no transaction was running in the supervisor.",
    "request": "The last request without a response when the process died. It need not be the one "
    "to blame: all requests in flight died with it.",
    "breadcrumbs": "None: those of the process died with it. They are kept in memory.",
    "extra/sys.argv": "The command line of the supervisor's process, not of the one that died.",
    "modules": "The Python packages of the supervisor's process, not those of the one that died.",
    "release": "The release of the service that died; the supervisor reports in its name.",
    "environment": "Where it died, so that an alert can exclude rehearsals.",
    "server_name": "The service that died; the supervisor reports in its name.",
    "sdk": "The SDK of the supervisor, which is written in Python.",
}

# Why an SDK inside the process could not report this, by the type of the event.
SDK_BLIND_BECAUSE = {
    "HeapExhausted": "When the heap is full, V8 ends the process on the spot: no handler and no "
    "finally block runs any more, so an SDK in JavaScript cannot send anything.",
    "ProcessKilled": "A signal ended the process between two instructions: an SDK inside it could "
    "not send anything.",
    "ProcessExited": "An SDK inside may have sent the error that led here, as a separate event. "
    "It could not report how the process then ended.",
}
