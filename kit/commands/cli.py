"""The ``workshop`` command."""

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kit.actionable import ActionableError
from kit.commands.platforms import BUNDLE_PLATFORMS
from kit.home import COURSE, IN_CHECKOUT, course_folder, default_home
from kit.words import count_noun

if TYPE_CHECKING:
    from rich.status import Status
    from rich.table import Table

    from kit.course.progress import Journal
    from kit.reliability.patterns.recordings import Recordings

RELAY_DEADLINE_S = 30.0
T = TypeVar("T")


class WorkshopGroup(click.Group):
    """Commands that report an error with a known next step in one line."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the program, even when its output goes to a file or pipe in a legacy encoding."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ActionableError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=WorkshopGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crash-workshop")
def main() -> None:
    """Learn error monitoring with Sentry by crashing a real system."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(jupyter_options: tuple[str, ...]) -> None:
    """Open the course in JupyterLab; further options go to JupyterLab.

    In a checkout this opens its notebooks/, elsewhere the copy that workshop notebooks makes.
    """
    course = COURSE if IN_CHECKOUT else _copy_course(None)
    from jupyterlab.labapp import LabApp

    from kit.commands.lab import lab_options, read_our_config

    read_our_config()
    LabApp.launch_instance([*lab_options(course, default_home()), *jupyter_options])
    # JupyterLab and its kernels have ended, but sometimes a thread of AnyIO's still waits forever,
    # and Python would wait for it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def notebooks(folder: Path | None) -> None:
    """Copy the course into FOLDER, or update the copy there.

    Notebooks that you changed stay, with the newer version beside them; notebooks that you deleted
    come back. FOLDER is ./crash-workshop by default, or the copy that you are in.
    """
    _copy_course(folder)


def _copy_course(folder: Path | None) -> Path:
    """Copy the course for a learner, report it, and return the folder of its notebooks."""
    from kit.commands.course_copy import copy_course, copy_place

    folder = (folder or copy_place()).absolute()
    for line in copy_course(COURSE, folder):
        click.echo(line)
    return folder / "notebooks"


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--run",
    "names",
    multiple=True,
    metavar="NAME",
    help="Run this notebook, and print those not named without outputs. Repeatable.",
)
def site(folder: Path, names: tuple[str, ...]) -> None:
    """Run the course and print it into FOLDER as a static site, for those who only read.

    It opens from a file, without a network. Running all of the course takes about ten minutes.
    """
    from kit.commands.site.edition import make_site

    first = make_site(COURSE, folder.absolute(), names, click.echo)
    click.echo(f"The site is made. Its first page is {first}.")


@main.command()
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--faults", is_flag=True, help="Check the injected faults instead.")
@click.option("--experiments", is_flag=True, help="Check the chaos experiments instead.")
@click.option("--all", "everything", is_flag=True, help="Run all three checks in parallel.")
def check(as_object: bool, faults: bool, experiments: bool, everything: bool) -> None:
    """Trigger every crash type and check that everything it declares is captured. Exit 1 if not.

    With --faults, inject every fault for a few spins and check that it hits and that it shows.
    With --experiments, run every chaos experiment briefly and compare its verdict. --all runs all
    three at once, each in its own workshop.
    """
    if everything:
        _check_all(as_object=as_object)
        return
    if experiments:
        _check_experiments(as_object=as_object)
        return
    if faults:
        _check_faults(as_object=as_object)
        return
    from rich.console import Console

    from kit.commands.checks import crashes as checks
    from kit.crashes.catalogue import CRASHES
    from kit.workshop import Workshop

    console = Console(stderr=True)
    with Workshop.start(report=console.print) as workshop, console.status("") as progress:
        rows = [
            checks.check_crash(workshop, crash)
            for crash in _each(CRASHES, lambda crash: crash.full_id, progress)
        ]
        if workshop.relay:
            progress.update(f"relaying to {workshop.relay.host}")
            workshop.flush()
            workshop.relay.wait(RELAY_DEADLINE_S)
    said = checks.complaints(rows) or ["Nothing is missing."]
    _tell(checks.as_json(rows), [checks.as_table(rows), *said], as_object=as_object)


def _check_faults(*, as_object: bool) -> None:
    from rich.console import Console

    from kit.commands.checks import faults as checks
    from kit.reliability.faults.catalogue import FAULTS
    from kit.reliability.faults.probe import Probe
    from kit.workshop import Workshop

    console = Console(stderr=True)
    with Workshop.start(report=console.print) as workshop, console.status("") as progress:
        probe = Probe(workshop.url())
        rows = [
            checks.check_fault(workshop, probe, fault)
            for fault in _each(FAULTS, lambda fault: fault.name, progress)
        ]
    _tell(checks.faults_as_json(rows), [checks.faults_as_table(rows)], as_object=as_object)


def _check_experiments(*, as_object: bool) -> None:
    from rich.console import Console

    from kit.commands.checks import experiments as checks
    from kit.workshop import Workshop

    console = Console(stderr=True)
    with Workshop.start(report=console.print) as workshop, console.status("") as progress:
        rows = [
            checks.check_experiment(workshop, declared)
            for declared in _each(checks.holding_last(), lambda each: each.name, progress)
        ]
    said = [*checks.experiment_complaints(rows)] or ["Everything is as declared."]
    found = checks.experiments_as_json(rows)
    _tell(found, [checks.experiments_as_table(rows), *said], as_object=as_object)


def _check_all(*, as_object: bool) -> None:
    from rich.console import Console

    from kit.commands.checks import everything as checks

    console = Console(stderr=True)
    with console.status(f"{len(checks.CHECKS)} checks running in parallel …"):
        found = checks.run_checks(
            lambda name, ok: console.print(f"{'✓' if ok else '✗'} {name}"), checks.CHECKS
        )
    rows = sum(map(checks.count_rows, found["checks"].values()))
    said = [*checks.disagreements(found)] or ["Everything is as declared."]
    _tell(found, [f"{rows} rows checked.", *said], as_object=as_object)


def _each(things: Sequence[T], name: Callable[[T], str], progress: "Status") -> Iterator[T]:
    """Yield the things, and show in the progress which one is current."""
    for number, thing in enumerate(things, 1):
        progress.update(f"{number} of {len(things)}: {name(thing)}")
        yield thing


def _tell(found: Mapping[str, Any], shown: Sequence["Table | str"], *, as_object: bool) -> None:
    """Print a check's result, as an object or as a table and lines. Exit 1 when it is not ok."""
    if as_object:
        click.echo(json.dumps(found, indent=2))
    else:
        _show(shown)
    if not found["ok"]:
        sys.exit(1)


def _show(shown: Sequence["Table | str"]) -> None:
    from rich.console import Console

    for each in shown:
        if isinstance(each, str):
            click.echo(each)
        else:
            Console().print(each)


@main.command()
def prepare() -> None:
    """Install everything that comes from npm, so that no start has to wait for it.

    It goes to the folder that WORKSHOP_CACHE names: your own, or a shared one that all users can
    read.
    """
    from kit.commands.npm_packages import NPM_PACKAGES
    from kit.hosting import node
    from kit.hosting.server import ServerError

    for name, package in NPM_PACKAGES.items():
        try:
            packages = node.install_packages(package, node.find_node(), click.echo)
        except ServerError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{name}: its packages are in {packages}")


@main.command()
@click.argument("project", default="my-app")
def serve(project: str) -> None:
    """Run the services in the foreground, for curl, your own frontend or your program.

    Your program reports as PROJECT, by default my-app.
    """
    from kit.commands.snippets import snippets
    from kit.workshop import Workshop

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with Workshop.start(report=click.echo) as workshop:
        click.echo(f"\nYour program can report here, as {project}. Lines to paste:")
        click.echo("\n".join(snippets(workshop.dsn(project))))
        click.echo(f"\nDebug routes require the header  X-Debug-Token: {workshop.token}")
        click.echo("Press Ctrl-C to stop.")
        try:
            # With a timeout, because on Windows a bare wait cannot be interrupted.
            while not ended.wait(1.0):
                pass
        except KeyboardInterrupt:
            click.echo("\nStopping.")


@main.command()
@click.argument("project")
def dsn(project: str) -> None:
    """Print the DSN with which your program reports as PROJECT.

    It stays the same across starts while its port is free.
    """
    from kit.system.dsn import find_dsn

    home = default_home()
    address, answers = find_dsn(home, project)
    click.echo(address)
    if not answers:
        click.echo(
            f"No workshop runs on {home}, so nothing listens there yet. Run Workshop.start() in a "
            "notebook, or workshop serve.",
            err=True,
        )


@main.command()
def mcp() -> None:
    """Let an agent read what was captured, over stdio (Model Context Protocol); read-only."""
    try:
        from kit.commands.mcp_server import make_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise click.ClickException(
            "The MCP server needs a package that is not installed. Run: "
            'pip install "crash-workshop[mcp]"'
        ) from error
    if sys.stdin.isatty():
        click.echo("Waiting for an MCP client on stdin. Press Ctrl-C to stop.", err=True)
    make_server(default_home()).run()


@main.command()
@click.option("--token", "with_token", is_flag=True, help="Show the debug routes' token, too.")
def status(with_token: bool) -> None:
    """List the workshops that run on this folder. Exit 1 if there are none."""
    from kit.system.dsn import dsn_lines
    from kit.system.status import find_running

    home = default_home()
    workshops = find_running(home)
    for workshop in workshops:
        click.echo("\n".join([*workshop.lines(with_token=with_token), *dsn_lines(home, workshop)]))
    if not workshops:
        click.echo(
            f"No workshop runs on {home}. Run Workshop.start() in a notebook, or workshop serve."
        )
        sys.exit(1)


@main.command()
def doctor() -> None:
    """Check this machine: what is there, what is missing, how to get it. Exit 1 if anything is."""
    from kit.commands.doctor import examine_machine

    missing = 0
    for finding in examine_machine(default_home(), course_folder()):
        click.echo(f"{'✓' if finding.ok else '✗'} {finding.what}")
        if not finding.ok:
            missing += 1
            click.echo(f"  → {finding.remedy}")
    sys.exit(1 if missing else 0)


@main.command()
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--reset", is_flag=True, help="Reset all exercises to not tried; asks first.")
@click.option("--yes", is_flag=True, help="With --reset: do not ask.")
def progress(as_object: bool, reset: bool, yes: bool) -> None:
    """Show which exercises were solved in this workshop folder."""
    from rich.console import Console

    from kit.course.exercises import EXERCISES
    from kit.course.notebooks import read_course
    from kit.course.progress import Journal, read_progress

    home = default_home()
    found = read_progress(Journal(home), read_course(course_folder()), EXERCISES)
    if reset:
        _reset_progress(Journal(home), found.solved, sure=yes)
    elif as_object:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        Console().print(found.as_table())
        click.echo(f"{found.solved} of {found.total} solved, in {home}")
        click.echo(found.remark, nl=bool(found.remark))


def _reset_progress(journal: "Journal", solved: int, *, sure: bool) -> None:
    question = (
        f"Reset {count_noun(solved, 'solved exercise')} and all attempts in {journal.path}? "
        "This cannot be undone. Your notebooks stay as they are."
    )
    if not sure:
        click.confirm(question, abort=True)
    try:
        journal.reset()
    except OSError as error:
        raise click.ClickException(
            f"Could not reset progress: {error}. Delete {journal.path} by hand."
        ) from error
    click.echo("Progress reset. All exercises count as not tried.")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--stored", is_flag=True, help="Use events that are already stored; trigger nothing.")
def patterns(folder: Path, stored: bool) -> None:
    """Write the library of error patterns into FOLDER, as web pages.

    Every crash type and fault that leaves an event is triggered once, so that its page shows one.
    """
    from contextlib import closing

    from kit.ingest.store import ReadOnlyStore
    from kit.reliability.patterns.recordings import StoredRecordings, record_all
    from kit.workshop import Workshop

    if stored:
        with closing(ReadOnlyStore(default_home() / "captured.sqlite3")) as store:
            _write_patterns(folder, StoredRecordings(store))
        return
    with Workshop.start(report=_say_aside) as workshop:
        _write_patterns(folder, record_all(workshop, _say_aside))


def _say_aside(line: str) -> None:
    click.echo(line, err=True)


def _write_patterns(folder: Path, recordings: "Recordings") -> None:
    from kit.reliability.patterns.library import Patterns, Practices
    from kit.reliability.patterns.site import write_site

    try:
        written = write_site(folder, Patterns(recordings), Practices(recordings))
    except OSError as error:
        raise click.ClickException(f"Could not write to {folder}: {error}") from error
    click.echo(f"{count_noun(len(written), 'page')} in {folder}. Open {written[0]}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice(list(BUNDLE_PLATFORMS)),
    help="A platform to install on; repeat for more.  [default: this one]",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="X.Y",
    help="A Python to install with; repeat for more.  [default: this one]",
)
def bundle(folder: Path, platforms: tuple[str, ...], pythons: tuple[str, ...]) -> None:
    """Put everything an offline class needs into FOLDER, with an install.py."""
    from rich.console import Console
    from rich.markup import escape

    from kit.commands import bundle as bundles

    console = Console(stderr=True)

    def say(step: str) -> None:
        spinner.update(escape(step))
        console.print(f"• {escape(step)}")

    with console.status("") as spinner:
        wanted = bundles.targets(platforms, pythons)
        bundles.make(folder, wanted, say, lambda line: spinner.update(escape(line[:70])))
    click.echo(
        f"{folder}: {bundles.folder_bytes(folder) / 1e6:.0f} MB. Copy it to each machine, and run"
    )
    click.echo(f"\n    python {folder.name}/{bundles.INSTALLER}")


@main.command(hidden=True)
@click.argument("archive", type=click.Path(path_type=Path))
def unpack(archive: Path) -> None:
    """Install npm packages from an ARCHIVE of a bundle."""
    from kit.commands.npm_packages import package_in
    from kit.hosting import node
    from kit.hosting.server import ServerError

    package = package_in(archive)
    if package is None:
        raise click.ClickException(f"{archive} is not an archive from a bundle. Name one that is.")
    try:
        node.unpack_packages(package, node.find_node(), archive, click.echo)
    except (ServerError, OSError) as error:  # not an archive: an OSError too
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
