"""The command line. Everything heavy is imported inside the command that needs it, so that ``--help`` is instant.

Exit codes: 0 done, 1 the run failed, 2 the user's mistake (one line on stderr says what to do), 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.ask import ask
from benchmarks.cli.cache import cache
from benchmarks.cli.complete import completing
from benchmarks.cli.implementations import COMMANDS as ON_IMPLEMENTATIONS
from benchmarks.cli.options import COUNT, cell_options, data_option, device_option, machine_options
from benchmarks.cli.plain import encode_anything
from benchmarks.cli.progress import Bar, SuiteProgress, counted, say, terminal_width
from benchmarks.cli.results import COMMANDS
from benchmarks.cli.unit_test import unit_test
from benchmarks.cli.zoom import zoom
from benchmarks.garbage import collect_rarely
from benchmarks.redaction import guard_output

if TYPE_CHECKING:
    from benchmarks.cli.execute import Executed
    from benchmarks.engine.devices import DeviceName
    from benchmarks.suite.suite import Suite

__all__ = ["cli", "main"]

STARTED = time.time()
KINDS = ("problems", "optimizers", "wrappers", "suites", "schedules", "exhibits", "atlas")
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    collect_rarely()
    guard_output()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    encode_anything()
    if "" not in sys.path:  # package.module:OBJECT may be a file in the working folder; last, to shadow nothing
        sys.path.append("")
    try:
        code = cli.main(arguments, prog_name="stepscape", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "stepscape"
        _fail(f"{error.format_message()} (`{where} --help` explains)", 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; what is finished is kept, the same command goes on from there", 130)
    except OSError as error:  # a full disk, a folder that was removed or may not be written
        if error.errno == errno.ENAMETOOLONG:
            _fail(f"{str(error.filename)[:60]}… is too long for a name or a path on this machine", 2)
        _fail(f"{error}; what is finished is kept", 1)
    except Exception as error:
        if not _is_users_mistake(error):
            raise
        _fail(str(error), 2)
    sys.exit(code if isinstance(code, int) else 0)


def _is_users_mistake(error: Exception) -> bool:
    from analysis.measures.pooling import PoolingError
    from analysis.record.errors import RecordError
    from benchmarks.errors import StepscapeError

    if isinstance(error, StepscapeError | RecordError | PoolingError):
        return True
    from problems import DataError

    return isinstance(error, DataError)


def _fail(message: str, code: int) -> None:
    say(f"stepscape: {' '.join(message.split())}", err=True)
    sys.exit(code)


class InOrder(click.Group):
    """Commands in the order a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(cls=InOrder, context_settings=SETTINGS)
@click.version_option(package_name="stepscape", prog_name="stepscape")
def cli() -> None:
    """Benchmarks of gradient optimizers: how they behave as learning rate and memory change, and how sure we are.

    \b
    Start here:
      stepscape run quick                 tune and map five optimizers on six problems, a few minutes
      stepscape landscape ellipse rmsprop a dense lr × gamma map of one optimizer on one problem
      stepscape ui results/quick          browse every run in MLflow
    """


@cli.command("list", short_help="Show problems, optimizers, suites and schedules.")
@click.argument("kind", metavar="|".join(KINDS), type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Everything known, as JSON.")
def list_(kind: str, as_json: bool) -> None:
    """Show every problem, optimizer, wrapper, suite, schedule or exhibit, one line each.

    A problem's parameters are written behind its name wherever a problem is asked for: 'quadratic(dim=10)'. A wrapper
    stands around any optimizer of ours: 'lookahead(rmsprop)', 'clip(adam, norm=1.0)'.
    `stepscape show NAME` tells everything known of one of them.
    """
    from benchmarks.cli import listing as catalog

    for note in catalog.notes(kind):
        say(f"stepscape: {note}", err=True)
    entries = catalog.entries(kind, exact=as_json)
    if as_json:
        import json

        say(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        say(catalog.text(kind, entries, terminal_width() if sys.stdout.isatty() else None))


@cli.command(short_help="Show everything known of one of them.")
@click.argument("name", metavar="NAME", shell_complete=completing())
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show everything known of a problem, an optimizer, a wrapper, a schedule, a suite or an exhibit.

    \b
    Examples:
      stepscape show airfoil
      stepscape show 'rosenbrock(start=(-1, 2))'
      stepscape show rmsprop
      stepscape show 'lookahead(rmsprop)'
      stepscape show torch:Adam --json
    """
    from benchmarks.cli import show as shown

    kind, known = shown.everything(name)
    if as_json:
        import json

        say(json.dumps({"kind": kind.removesuffix("s"), **known}, indent=2, ensure_ascii=False, default=str))
    else:
        say(shown.text(kind, known, terminal_width()))


@cli.command(short_help="Run a suite: tune, test, map, report.")
@click.argument("suite", metavar="SUITE", shell_complete=completing("suites"))
@click.option("--trust", is_flag=True, help="Import what a suite outside the current folder names, without asking.")
@click.option("--shard", metavar="K/N", help="Run the Kth of N parts of about equal cost; `merge` joins them.")
@machine_options
@click.pass_context
def run(context: click.Context, /, suite: str, trust: bool, shard: str | None, **machine: Any) -> None:
    """Run SUITE: a built-in name, or the path of a TOML file of your own.

    Every cell (problem × optimizer × schedule) is tuned by independent Optuna studies, their winners and its defaults
    are trained again on fresh seeds, and its landscape is mapped. Finished cells are kept: the same command goes on
    where it stopped. `stepscape list suites` shows the built-in ones.

    \b
    Examples:
      stepscape run quick
      stepscape run mine.toml --out results/mine --minutes 10
      stepscape run mine.toml --dry-run
      stepscape run mine.toml --shard 3/16 --out results/mine-3
    """
    from benchmarks.cli.trust import check_trusted
    from benchmarks.suite.suite import Suite

    if shard is not None:
        from benchmarks.running.shards import parse_shard

        machine["shard"] = parse_shard(shard)
    loaded = Suite.load(suite)
    if not trust:
        check_trusted(suite, loaded)
    context.exit(_execute(loaded, machine))


@cli.command(short_help="Tune an optimizer on a problem.")
@cell_options
@click.option("--studies", default=3, show_default=True, type=COUNT, help="Independent studies.")
@click.option("--trials", default=64, show_default=True, type=COUNT, help="Configurations tried by each.")
@click.option("--block", default=16, show_default=True, type=COUNT, help="Trials asked at once.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, random, qmc, cmaes, gp (slow), grid.")
@click.option("--seeds", default=4, show_default=True, type=COUNT, help="Tuning seeds.")
@click.option("--test-seeds", default=10, show_default=True, type=COUNT, help="Fresh seeds of the result.")
@click.option(
    "--objective",
    multiple=True,
    default=["final"],
    show_default=True,
    help="final, best, auc (of the log gap), steps-to-target, heldout_loss, heldout_best; twice for two objectives.",
)
@click.option("--aggregate", default="mean", show_default=True, help="Over the seeds: mean, median or as q0.9.")
@click.option("--pruner", help="hyperband, halving, median, none or optuna:NAME.  [default: hyperband]")
@click.option("--widen", default=0, show_default=True, help="Searches again, wider, while the winner is at an edge.")
@machine_options
@click.pass_context
def tune(context: click.Context, /, test_seeds: int, **options: Any) -> None:
    """Tune OPTIMIZER on PROBLEM by independent Optuna studies, and compare the winners with the defaults on fresh
    seeds.

    Several of either are separated by commas; each problem is then tuned with each optimizer, in one report.

    \b
    Examples:
      stepscape tune airfoil rmsprop
      stepscape tune 'quadratic(dim=20)' adam --trials 128 --sampler cmaes --search lr=1e-4:1
      stepscape tune airfoil,ellipse sgd,rmsprop,adam
    """
    from benchmarks.cli.single_cell import single_cell_suite

    names = ("studies", "trials", "block", "sampler", "seeds", "objective", "aggregate", "pruner", "widen")
    tuning = {name: value for name in names if (value := options.pop(name)) is not None}
    tables = {"tuning": tuning, "test": {"seeds": test_seeds}, "landscape": {"enabled": False}}
    context.exit(_execute(single_cell_suite("tune", tables, options), options))


@cli.command(short_help="Map an optimizer over lr and its memory.")
@cell_options
@click.option("--grid", default="64x32", show_default=True, help="Points of lr × points of the second hyperparameter.")
@click.option("--seeds", default=4, show_default=True, type=COUNT, help="Seeds at every point.")
@machine_options
@click.pass_context
def landscape(context: click.Context, /, grid: str, seeds: int, **options: Any) -> None:
    """Map OPTIMIZER on PROBLEM over a dense grid of lr and its second hyperparameter, with the region of divergence.

    Several of either are separated by commas.

    \b
    Examples:
      stepscape landscape ellipse rmsprop
      stepscape landscape airfoil momentum --grid 128x64 --search lr=1e-3:1
    """
    from benchmarks.cli.single_cell import single_cell_suite

    tables = {"tuning": {"enabled": False}, "landscape": {"grid": grid, "seeds": seeds}}
    context.exit(_execute(single_cell_suite("landscape", tables, options), options))


cli.add_command(zoom)
cli.add_command(ask)
cli.add_command(unit_test)


@cli.command(short_help="Measure the engine against a torch loop and JAX.")
@click.argument("problems", nargs=-1, metavar="[PROBLEM]...", shell_complete=completing("problems"))
@click.option("--json", "as_json", is_flag=True, help="The measurements as JSON.")
@click.option("--markdown", is_flag=True, help="The table in Markdown.")
@click.option("--repeats", default=5, show_default=True, type=COUNT, help="Medians are of this many.")
@click.option("--landscape", is_flag=True, help="Time a landscape of a million runs instead.")
@click.option("--check", is_flag=True, help="Exit with 1 where a goal is missed.")
@click.pass_context
def speed(context: click.Context, /, **options: Any) -> None:
    """Measure the engine on one core against a plain torch.optim.RMSprop loop, eager torch and, if installed, JAX.

    On some PROBLEMs or on all, each as a tuning block of 128 lanes and as hundreds or thousands of lanes. Times vary
    from machine to machine and minute to minute; the ratios of one run are what counts. docs/performance.md says what
    is measured; `pip install -e '.[jax]'` adds JAX.
    """
    from benchmarks.cli.speed import measured, said

    results = measured(options["problems"], options["repeats"], options["landscape"])
    say(said(results, as_json=options["as_json"], as_markdown=options["markdown"]))
    context.exit(1 if options["check"] and not all(result.reached for result in results.all) else 0)


@cli.command(short_help="Check a problem or optimizer of your own.")
@click.argument("name", metavar="NAME", shell_complete=completing("problems", "optimizers"))
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own.")
@device_option
@data_option
@click.pass_context
def check(
    context: click.Context, /, name: str, plugins: tuple[str, ...], device: DeviceName, data: Path | None
) -> None:
    """Check that a problem or an optimizer keeps the rules everything here relies on, and explain what does not.

    NAME is a registered name, or package.module:OBJECT of your own.
    """
    from benchmarks.conformance.report import check_name
    from benchmarks.engine.devices import on_device
    from benchmarks.naming.plugins import load_plugin_file

    for plugin in plugins:
        load_plugin_file(Path(plugin))
    with on_device(device), Bar(f"check {name}"):
        result = check_name(name, data)
    say("\n".join(result.lines))
    context.exit(0 if result.ok else 1)


def _execute(suite: Suite, options: dict[str, Any]) -> int:
    """Run a suite, print what came of it; the exit code."""
    from benchmarks.cli.slurm import Slurm

    slurm = Slurm.of(options)
    if options.pop("dry_run"):
        from benchmarks.cli.dry_run import dry_run
        from benchmarks.cli.execute import Machine

        machine = Machine(**options)
        if slurm is not None:
            slurm.check(suite)
        say(dry_run(suite, machine))
        return 0
    from benchmarks.cli.execute import Machine, execute

    machine = Machine(**options, started=STARTED)
    if slurm is not None:
        if not slurm.joined(suite, machine):
            return 0 if slurm.no_wait else 1
        machine = replace(machine, minutes=None)  # which the jobs had
    with SuiteProgress(suite) as progress:
        executed = execute(suite, machine, progress)
    result = executed.result
    for failure in result.failed:
        say(f"stepscape: {failure.title} failed: {failure.error}", err=True)
    if result.unfinished:
        cells = f"{len(result.unfinished)} of {_parts(suite)}"
        say(f"stepscape: time is up before {cells} ended; the same command goes on from there", err=True)
    if not result.ran:
        what = f"all of {machine.shard}" if machine.shard else _parts(suite)
        say(f"{suite.name}: {what} finished already.")
    for warning in executed.warnings:
        say(f"stepscape: {warning}", err=True)
    if executed.page is not None:
        _say_results(executed, executed.page, tracked=not machine.no_tracking and not machine.tracking_uri)
    if machine.shard:
        say(f"record:  {executed.folder} ({machine.shard}; `stepscape merge OUT DIR…` joins them)")
    say(f"{suite.name}: {time.time() - STARTED:.0f} s")
    return executed.exit_code


def _say_results(executed: Executed, page: Path, *, tracked: bool) -> None:
    """Print the results, and where they are; where they can be browsed, if they are ``tracked`` in the folder."""
    from analysis.pages.results_text import text_of

    results = tuple(executed.results.values())
    say(text_of(results, terminal_width()))
    if len(results) == len(results[0].cells) == 1:  # of many cells the report says it
        for advice in results[0].recommendations:
            say(f"\n{textwrap.fill(advice.sentence, terminal_width())}")
    say(f"\nrecord:  {executed.folder}\nreport:  {page.resolve()}")
    if tracked and not executed.warnings:
        say(f"browse:  stepscape ui {executed.folder}")


def _parts(suite: Suite) -> str:
    """The number of cells, and of exhibits where there are any, in words."""
    counts = [counted(len(suite.cells()), "cell"), *([counted(len(suite.exhibits), "exhibit")] * bool(suite.exhibits))]
    return " and ".join(counts)


for command in (*ON_IMPLEMENTATIONS, *COMMANDS, cache):
    cli.add_command(command)
