"""The ``workshop`` command."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import click
from rich.console import Console

COURSE = Path(__file__).resolve().parent.parent / "notebooks"
JUPYTER_CONFIG = Path(__file__).resolve().parent / "jupyter"
RELAY_DEADLINE_S = 30.0
FIRST_NOTEBOOK = "00_start_here.ipynb"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crash-workshop")
def main() -> None:
    """Learn error monitoring with Sentry by crashing a real system."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(jupyter_options: tuple[str, ...]) -> None:
    """Open JupyterLab on the course; further options go to JupyterLab."""
    from jupyterlab.labapp import LabApp

    if not COURSE.is_dir():
        raise click.ClickException(
            f"There is no course at {COURSE}. Install from a checkout: pip install -e ."
        )
    # No question covers the first page, and nothing asks the network for news.
    own, others = str(JUPYTER_CONFIG), os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [own, others]))
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={COURSE}",
            f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
            *jupyter_options,
        ]
    )


@main.command()
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object instead of a table.")
def check(as_object: bool) -> None:
    """Trigger every crash type and see that all it declares is captured. Exit 1 if not."""
    from kit import check as checks
    from kit.catalogue import CRASHES
    from kit.workshop import Workshop

    console = Console(stderr=True)
    with Workshop.start(report=console.print) as workshop, console.status("") as progress:
        rows = []
        for number, crash in enumerate(CRASHES, 1):
            progress.update(f"{number} of {len(CRASHES)}: {crash.row_id}")
            rows.append(checks.check(workshop, crash))
        if workshop.relay:
            progress.update(f"relaying to {workshop.relay.host}")
            workshop.flush()
            workshop.relay.wait(RELAY_DEADLINE_S)
    if as_object:
        click.echo(json.dumps(checks.as_json(rows), indent=2))
    else:
        Console().print(checks.as_table(rows))
        click.echo("\n".join(checks.complaints(rows) or ["Nothing is missing."]))
    if not all(row.ok for row in rows):
        sys.exit(1)


@main.command()
def serve() -> None:
    """Run the services in the foreground, for curl or a frontend of your own."""
    from kit.workshop import Workshop

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with Workshop.start(report=click.echo) as workshop:
        click.echo(f"\nDebug routes want the header  X-Debug-Token: {workshop.token}")
        click.echo("Press Ctrl-C to stop.")
        try:
            # With a time-out, because on Windows a bare wait cannot be interrupted.
            while not ended.wait(1.0):
                pass
        except KeyboardInterrupt:
            click.echo("\nStopping.")


@main.command()
def doctor() -> None:
    """Say what this machine has, what it lacks, and how to get it. Exit 1 if it lacks anything."""
    from kit.doctor import examine
    from kit.workshop import default_home

    lacks = 0
    for finding in examine(default_home(), COURSE):
        click.echo(f"{'✓' if finding.ok else '✗'} {finding.what}")
        if not finding.ok:
            lacks += 1
            click.echo(f"  → {finding.remedy}")
    sys.exit(1 if lacks else 0)


if __name__ == "__main__":
    main()
