"""The command line. Everything heavy is imported inside the command that needs it, so that ``--help`` is instant.

Exit codes: 0 done, 1 the run failed, 2 the user's mistake (one line on stderr says what to do), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchmarks.suite import Suite

__all__ = ["cli", "main"]

KINDS = ("problems", "optimizers", "suites", "schedules")
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        code = cli.main(arguments, prog_name="stepscape", standalone_mode=False)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "stepscape"
        _fail(f"{error.format_message()} (`{where} --help` explains)", 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; what is finished is kept, the same command goes on from there", 130)
    except Exception as error:
        if not _is_users_mistake(error):
            raise
        _fail(str(error), 2)
    sys.exit(code if isinstance(code, int) else 0)


def _is_users_mistake(error: Exception) -> bool:
    from analysis.tables import RecordError
    from benchmarks.errors import StepscapeError

    return isinstance(error, StepscapeError | RecordError)


def _fail(message: str, code: int) -> None:
    click.echo(f"stepscape: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="stepscape", prog_name="stepscape")
def cli() -> None:
    """Benchmarks of gradient optimizers: how they behave as learning rate and memory change, and how sure we are.

    \b
    Start here:
      stepscape run quick                 tune and map five optimizers on six problems, two minutes
      stepscape landscape ellipse rmsprop a dense lr × gamma map of one optimizer on one problem
      stepscape ui results/quick          browse every run in MLflow
    """


def _machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where and how a suite runs; they never change its results."""
    for option in reversed(
        (
            click.option("--out", type=click.Path(path_type=Path), help="Results folder.  [default: results/<suite>]"),
            click.option("--jobs", "-j", type=click.IntRange(1), help="Processes.  [default: one a core]"),
            click.option(
                "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), envvar="STEPSCAPE_DATA",
                help="Folder with data files of your own, as airfoil_self_noise.dat.  [env: STEPSCAPE_DATA]",
            ),
            click.option("--tracking-uri", metavar="URI", help="MLflow store.  [default: SQLite in the results folder]"),
            click.option("--no-tracking", is_flag=True, help="Write no MLflow runs."),
            click.option(
                "--children", default="12", metavar="N|all|none", show_default=True,
                help="Trials of a cell that become MLflow runs of their own: the best N.",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def _study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a single problem and optimizer."""
    for option in reversed(
        (
            click.argument("problem"),
            click.argument("optimizer"),
            click.option("--steps", type=click.IntRange(1), help="Updates a run.  [default: the problem's]"),
            click.option("--schedule", default="constant", show_default=True, help="As cosine, or 'lr=linear gamma=…'."),
            click.option("--search", multiple=True, metavar="NAME=LOW:HIGH", help="Search this range; repeatable."),
            click.option("--fix", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter fixed; repeatable."),
            click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own."),
        )
    ):
        command = option(command)
    return command


@cli.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Everything known, as JSON.")
def list_(kind: str, as_json: bool) -> None:
    """Show every problem, optimizer, suite or schedule, one line each.

    A problem's parameters are written behind its name wherever a problem is asked for: 'quadratic(dim=10)'.
    """
    from benchmarks import catalog

    for note in catalog.notes(kind):
        click.echo(f"stepscape: {note}", err=True)
    entries = catalog.entries(kind)
    if as_json:
        import json

        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        click.echo(catalog.text(kind, entries, width=_width()))


@cli.command()
@click.argument("suite", metavar="SUITE")
@_machine_options
@click.pass_context
def run(context: click.Context, suite: str, **machine: Any) -> None:
    """Run SUITE: a built-in name, or the path of a TOML file of your own.

    Every cell (problem × optimizer × schedule) is tuned by an Optuna study, its winner and its defaults are trained again
    on fresh seeds, and its landscape is mapped. Finished cells are kept: the same command goes on where it stopped.
    """
    from benchmarks.suite import Suite

    context.exit(_run_suite(Suite.load(suite), **machine))


@cli.command()
@_study_options
@click.option("--trials", default=64, show_default=True, type=click.IntRange(1), help="Configurations tried.")
@click.option("--block", default=16, show_default=True, type=click.IntRange(1), help="Trials asked at once.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, random, qmc, cmaes, gp (slow), grid.")
@click.option("--seeds", default=4, show_default=True, type=click.IntRange(1), help="Tuning seeds.")
@click.option("--test-seeds", default=10, show_default=True, type=click.IntRange(1), help="Fresh seeds of the result.")
@click.option("--objective", default="final", show_default=True, help="final or best loss, averaged over the seeds.")
@_machine_options
@click.pass_context
def tune(context: click.Context, trials: int, block: int, sampler: str, seeds: int, test_seeds: int, objective: str,
         **rest: Any) -> None:  # fmt: skip
    """Tune OPTIMIZER on PROBLEM with an Optuna study, and compare the winner with the defaults on fresh seeds.

    \b
    Examples:
      stepscape tune airfoil rmsprop
      stepscape tune 'quadratic(dim=20)' adam --trials 128 --sampler cmaes --search lr=1e-4:1
    """
    tuning = {"trials": trials, "block": block, "sampler": sampler, "seeds": seeds, "objective": objective}
    suite, machine = _single("tune", {"tuning": tuning, "test": {"seeds": test_seeds}, "landscape": {"enabled": False}}, rest)
    context.exit(_run_suite(suite, **machine))


@cli.command()
@_study_options
@click.option("--grid", default="64x32", show_default=True, help="Points of lr × points of the second hyperparameter.")
@click.option("--seeds", default=4, show_default=True, type=click.IntRange(1), help="Seeds at every point.")
@_machine_options
@click.pass_context
def landscape(context: click.Context, grid: str, seeds: int, **rest: Any) -> None:
    """Map OPTIMIZER on PROBLEM over a dense grid of lr and its second hyperparameter, with the region of divergence.

    \b
    Examples:
      stepscape landscape ellipse rmsprop
      stepscape landscape airfoil momentum --grid 128x64 --search lr=1e-3:1
    """
    tables = {"tuning": {"enabled": False}, "landscape": {"grid": grid, "seeds": seeds}}
    suite, machine = _single("landscape", tables, rest)
    context.exit(_run_suite(suite, **machine))


@cli.command()
@click.argument("folder", metavar="DIR")
@click.option("--out", type=click.Path(path_type=Path), help="Where the report goes.  [default: DIR/report]")
@click.option("--tracking-uri", metavar="URI", help="MLflow store of an experiment given as mlflow:NAME.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes.  [default: one a core]")
def report(folder: str, out: Path | None, tracking_uri: str | None, jobs: int | None) -> None:
    """Write the report of the results folder DIR again: one HTML file, figures as PNG and SVG, tables as CSV.

    DIR may be mlflow:EXPERIMENT: the record is then fetched from MLflow into results/EXPERIMENT first.
    """
    source = Path(folder)
    if folder.startswith("mlflow:"):
        from benchmarks.errors import UsageError
        from benchmarks.fetch import fetch

        if tracking_uri is None:
            raise UsageError("mlflow:EXPERIMENT needs --tracking-uri, the store the experiment is in")
        source = fetch(folder.removeprefix("mlflow:"), tracking_uri, Path("results") / folder.removeprefix("mlflow:"))
    click.echo(f"report: {_write_report(source, jobs, out)}")


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--open/--no-open", "open_browser", default=False, help="Open a browser.")
def ui(folder: Path, port: int, open_browser: bool) -> None:
    """Browse the runs of the results folder DIR in MLflow's own UI, on this machine only (127.0.0.1)."""
    from benchmarks.ui import serve

    serve(folder, port=port, open_browser=open_browser, on_ready=lambda url: click.echo(f"{url}\nCtrl-C stops it."))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="The measurements as JSON.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1), help="Medians are of this many.")
@click.option("--check", is_flag=True, help="Exit with 1 where a goal is missed.")
@click.pass_context
def speed(context: click.Context, as_json: bool, repeats: int, check: bool) -> None:
    """Measure the lanes engine against a plain torch.optim.RMSprop loop, one thread each, in one run.

    Times vary from machine to machine and minute to minute; the ratio of the two is what counts.
    """
    from benchmarks import speed as measure

    results = measure.all_speeds(repeats)
    if as_json:
        import json

        click.echo(json.dumps([result.as_dict() for result in results], indent=2))
    else:
        click.echo(measure.text(results))
    context.exit(1 if check and not all(result.reached for result in results) else 0)


@cli.command()
@click.argument("name", metavar="NAME")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own.")
@click.pass_context
def check(context: click.Context, name: str, plugins: tuple[str, ...]) -> None:
    """Check that a problem or an optimizer keeps the rules everything here relies on, and explain what does not.

    NAME is a registered name, or package.module:OBJECT of your own.
    """
    from benchmarks.registry import load_plugin_file
    from benchmarks.testing import check_name

    for plugin in plugins:
        load_plugin_file(Path(plugin))
    result = check_name(name)
    click.echo("\n".join(result.lines))
    context.exit(0 if result.ok else 1)


def _single(kind: str, tables: dict[str, Any], options: dict[str, Any]) -> tuple[Suite, dict[str, Any]]:
    """A suite of one cell from a command's options, named by what it is; and the machine options that are left."""
    import hashlib
    import json
    import re

    from benchmarks.errors import UsageError
    from benchmarks.suite import Suite

    problem, optimizer = options.pop("problem"), options.pop("optimizer")
    search, fixed = {}, {}
    for text in options.pop("search"):
        name, _, bounds = text.partition("=")
        try:
            search[name] = [float(bound) for bound in bounds.split(":")]
        except ValueError:
            raise UsageError(f"--search is written NAME=LOW:HIGH, as lr=1e-4:1, got {text!r}") from None
    for text in options.pop("fix"):
        name, _, value = text.partition("=")
        try:
            fixed[name] = float(value)
        except ValueError:
            raise UsageError(f"--fix is written NAME=VALUE, as eps=1e-8, got {text!r}") from None
    definition: dict[str, Any] = {
        "problems": [problem], "optimizers": [optimizer], "schedules": [options.pop("schedule")],
        "plugins": [str(Path(plugin).resolve()) for plugin in options.pop("plugins")],
        "steps": options.pop("steps"), **tables, "optimizer": {optimizer: {"search": search, "fixed": fixed}},
    }  # fmt: skip
    short = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:6]
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in (kind, problem, optimizer, short))
    return Suite.checked({"name": "-".join(parts), **definition}, "the command"), options


def _run_suite(
    suite: Suite, *, out: Path | None, jobs: int | None, data: Path | None, tracking_uri: str | None, no_tracking: bool,
    children: str,
) -> int:  # fmt: skip
    """Run, mirror, report and print; the exit code."""
    import time

    from benchmarks import runner
    from benchmarks.workers import default_jobs

    folder = out or Path("results") / suite.name
    jobs = jobs or default_jobs()
    began = time.perf_counter()
    mirror = None if no_tracking else _open_tracker(tracking_uri, suite, folder, children)
    with _Progress(suite) as progress:
        result = runner.run(
            suite, folder, jobs=jobs, data=data, on_start=progress.start, on_cell=progress.cell,
            mirror=mirror.log_cell_folder if mirror else None,
        )  # fmt: skip
    for failure in result.failed:
        click.echo(f"stepscape: cell {failure.name} failed: {failure.error}", err=True)
    if not result.ran:
        click.echo(f"{suite.name}: all {len(result.kept)} cells were finished already.")
    if len(result.failed) == len(suite.cells()):
        return 1
    page = folder / "report" / "index.html"
    if result.ran or not page.is_file():
        page = _write_report(folder, jobs)
        if mirror is not None and not result.warnings:
            result.warnings += _attempt(lambda: mirror.log_report(folder))
    _print_results(folder, page, suite, result.warnings, time.perf_counter() - began)
    return 1 if result.failed else 0


def _print_results(folder: Path, page: Path, suite: Suite, warnings: list[str], seconds: float) -> None:
    from analysis.report import results_table, results_text
    from analysis.tables import Record

    click.echo(results_text(results_table(Record.load(folder)), _width()))
    for warning in warnings:
        click.echo(f"stepscape: {warning}", err=True)
    click.echo(f"\nrecord:  {folder}\nreport:  {page.resolve()}\nbrowse:  stepscape ui {folder}\n{suite.name}: {seconds:.0f} s")


def _write_report(folder: Path, jobs: int | None, out: Path | None = None) -> Path:
    from tqdm import tqdm

    from analysis.report import write_report
    from benchmarks.workers import default_jobs

    with tqdm(desc="report", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return write_report(folder, out, progress=show, jobs=jobs or default_jobs())


def _open_tracker(uri: str | None, suite: Suite, folder: Path, children: str) -> Any:
    from benchmarks.errors import UsageError
    from benchmarks.tracking import Tracker, default_uri

    if children not in ("all", "none") and not children.isdigit():
        raise UsageError(f"--children is a number, all or none, got {children!r}")
    count: Any = int(children) if children.isdigit() else children
    return Tracker(uri or default_uri(folder), suite.name, folder, children=count)


def _attempt(work: Callable[[], None]) -> list[str]:
    """Do the work; a mistake or an outage becomes a warning."""
    from benchmarks.errors import StepscapeError

    try:
        work()
    except StepscapeError as error:
        return [str(error)]
    return []


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


class _Progress:
    """A bar over the estimated work with the remaining time; without a terminal, a line for each finished cell."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.cells, self.done = len(suite.cells()), 0

    def __enter__(self) -> _Progress:
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left"
        self.bar = tqdm(total=1.0, desc=self.suite.name, disable=None, bar_format=form, leave=False)
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def start(self, cost: float, kept: int) -> None:
        self.done = kept
        self.bar.total = cost
        self.bar.refresh()

    def cell(self, cell: Any, cost: float) -> None:
        self.done += 1
        self.bar.set_description(f"{self.suite.name} {self.done}/{self.cells} cells", refresh=False)
        self.bar.update(cost)
        if self.bar.disable:
            click.echo(f"[{self.done}/{self.cells}] {cell.name} {cell.seconds:.1f} s", err=True)
