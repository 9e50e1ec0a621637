"""``stepscape export tables``: landscapes as tabular benchmarks."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import RECORD
from benchmarks.cli.progress import say

__all__ = ["tables"]


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
