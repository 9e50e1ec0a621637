"""``stepscape plan``: what it takes to claim a difference, by the variance that a record has."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import RECORD
from benchmarks.cli.progress import say

__all__ = ["plan"]


@click.command(short_help="How many studies and seeds a claim takes.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.option(
    "--effect",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    help="Percentage by which a result is lower that is to be told apart.",
)
@click.option(
    "--power",
    default=80.0,
    show_default=True,
    type=click.FloatRange(5, 100, min_open=True, max_open=True),
    help="Percentage of the times that it is to be found.",
)
@click.option("--csv", "as_csv", is_flag=True, help="All columns as CSV.")
def plan(folder: Path, effect: float, power: float, as_csv: bool) -> None:
    """Say how many studies and test seeds it takes to claim a difference, from how the results in DIR vary.

    The test is that of the report: studies are the units, all pairs of a problem are corrected for. What an effect is
    worth in steps is read off the curve of the best optimizer.

    \b
    Examples:
      stepscape plan results/quick
      stepscape plan results/quick --effect 10 --csv
    """
    from analysis.measures.power import plan_frame
    from analysis.pages.plan_text import plan_text
    from analysis.problem_results import results_of
    from analysis.record.cells import Record
    from benchmarks.errors import UsageError

    frame = plan_frame([each.cells for each in results_of(Record.load(folder)).values()], effect / 100, power / 100)
    if frame.empty:
        raise UsageError(
            f"{folder} has no problem with two tuned optimizers and two studies of each: what varies is not known; "
            "run it with tuning.studies = 3"
        )
    if as_csv:
        say(frame.to_csv(index=False).rstrip("\n"))
        return
    say(plan_text(frame, effect / 100, power / 100))
