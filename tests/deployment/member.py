"""One learner of a class: a kernel that crashes services when it is told to, in steps.

It says ``up`` when the kernel runs. Each line of standard input starts the next step, whose result
it prints as a line of JSON: first what runs and what was captured, then whether it still works.
"""

from tests.notebooks.kernels import kernel

CRASH = """
import json
from kit import Workshop
from kit.crashes.catalogue import variants
from kit.crashes.expectation import is_watchdog

def events():
    stored = [item.payload for item in workshop.store.items(type="event")]
    return [event for event in stored if not is_watchdog(event)]

workshop = Workshop.start(report=lambda line: None)
wanted = ["game-engine/crash", "payment/crash", "analytics/crash"]
ids = [each for each in wanted if not workshop.unavailable(variants(each)[0])]
outcomes = [workshop.trigger(each) for each in ids]
workshop.flush()
system = workshop._system
print(json.dumps({
    "crashed": ids,
    "missing": [name for outcome in outcomes for name in outcome.missing],
    "traces": [outcome.trace_id for outcome in outcomes],
    "stored": [event["contexts"]["trace"]["trace_id"] for event in events()],
    "urls": {name: server.url for name, server in system.servers.items()},
    "database": system.database.url if "analytics/crash" in ids else None,
    "dsn": system.clients["gateway"].client.options["dsn"],
    "token": workshop.token,
    "home": str(system.home),
}))
"""
AGAIN = """
count = len(events())
assert not workshop.trigger("game-engine/crash").missing
print(json.dumps({"before": count, "after": len(events())}))
"""


def main() -> None:
    with kernel() as running:
        print("up", flush=True)
        for step in (CRASH, AGAIN):
            input()
            print(running.run(step).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
