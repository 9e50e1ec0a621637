"""``stepscape export tables``, ``coco`` and ``ioh``: landscapes as tabular benchmarks, runs in others' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from benchmarks.cli.options import RECORD
from benchmarks.cli.progress import say

__all__ = ["coco", "ioh", "tables"]


@click.command("tables", short_help="Landscapes as tabular benchmarks.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--csv", "as_csv", is_flag=True, help="CSV in place of parquet.")
def tables(folder: Path, out: Path, as_csv: bool) -> None:
    """Write the landscapes of DIR to OUT as tabular benchmarks: a file a cell that pandas alone reads, and tables.json
    with the axes and the optimum after every number of steps.

    \b
    Examples:
      stepscape export tables results/quick quick-tables
    """
    from analysis.record.cells import Record
    from benchmarks.tuning.tabular import export_tables

    files = export_tables(Record.load(folder), out, as_csv=as_csv)
    say(f"{len(files)} tables written to {out}; docs/tables.md says how to read them, or search them by Optuna")


_PROBLEM = click.option("--problem", "problems", multiple=True, metavar="NAME", help="This problem only; repeatable.")


@click.command("coco", short_help="Test runs in COCO's format.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@_PROBLEM
def coco(folder: Path, out: Path, problems: tuple[str, ...]) -> None:
    """Write the test runs of DIR to OUT in COCO's format: a folder an optimizer and setting, the gap to the floor over
    steps. Problems whose floor is not known are refused.

    \b
    Examples:
      stepscape export coco results/quick quick-coco
    """
    _export(folder, out, "coco", problems)


@click.command("ioh", short_help="Test runs in IOHprofiler's format.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@_PROBLEM
def ioh(folder: Path, out: Path, problems: tuple[str, ...]) -> None:
    """Write the test runs of DIR to OUT in IOHprofiler's format: a folder an optimizer and setting, the gap to the
    floor over steps, or the loss where no floor is known.

    \b
    Examples:
      stepscape export ioh results/quick quick-ioh
    """
    _export(folder, out, "ioh", problems)


def _export(folder: Path, out: Path, form: Literal["coco", "ioh"], problems: tuple[str, ...]) -> None:
    from analysis.record.cells import Record
    from benchmarks.tuning.run_logs import COUNTED, export_runs

    folders = export_runs(Record.load(folder), out, form, problems)
    say(f"runs of {len(folders)} optimizers and settings written to {out}; {COUNTED} (docs/tables.md)")
