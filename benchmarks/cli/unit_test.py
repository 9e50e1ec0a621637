"""The command that puts an optimizer through the unit tests and says its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchmarks.cli.ask import answer
from benchmarks.cli.complete import completing
from benchmarks.cli.options import COUNT, data_option, device_option
from benchmarks.cli.progress import say

if TYPE_CHECKING:
    from analysis.record.exhibits import Exhibit
    from benchmarks.engine.devices import DeviceName

__all__ = ["unit_test", "verdict_lines"]

BESIDE: Final = ("sgd", "momentum", "rmsprop", "adam")
"""What an optimizer stands beside: a test tells something only where some pass and others do not."""
SAMPLE: Final[dict[str, Any]] = {"every": 40, "repetitions": 4, "rates": 8}
"""Options for somebody else's optimizer, whose lanes step one at a time: a sample of the tests in about a minute."""
SHOWN: Final = 5
SILENT: Final = {
    "everybody": "everybody passes {}",
    "nobody": "nobody passes {}",
    "no_way_down": "{} without a way down for SGD",
    "solved": "{} solved at the start",
}
"""What is said of tests that tell nothing."""


@click.command(short_help="Put an optimizer through the unit tests.")
@click.argument("optimizer", metavar="OPTIMIZER", shell_complete=completing("optimizers"))
@click.option("--every", type=COUNT, help="Take each such variant of a function only.  [default: all; 40 of foreign]")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Tests of this group only; repeatable.")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="[default: results/unit-tests-…]")
@device_option
@data_option
def unit_test(
    optimizer: str,
    every: int | None,
    groups: tuple[str, ...],
    plugins: tuple[str, ...],
    out: Path | None,
    device: DeviceName,
    data: Path | None,
) -> None:
    """Put OPTIMIZER, a registered name or my.module:MyRule, through the unit tests, beside sgd, momentum, rmsprop and
    adam, and print its verdicts by group of tests.

    The same as `stepscape ask unit-tests`; docs/questions/unit-tests.md says what the tests are. An optimizer from
    elsewhere, as torch:Adam, steps a lane at a time and is given a sample of the tests.

    \b
    Examples:
      stepscape unit-test my.module:MyRule
      stepscape unit-test lion --group minimax --group delay
      stepscape unit-test torch:Adam --every 100
    """
    from analysis.record.exhibits import Exhibit
    from benchmarks.exhibits import make_question
    from benchmarks.naming.foreign import ForeignSpec
    from benchmarks.naming.plugins import load_plugin_file
    from benchmarks.naming.registry import make_optimizer

    for plugin in plugins:
        load_plugin_file(Path(plugin))
    options: dict[str, Any] = {"optimizers": list(dict.fromkeys([optimizer, *BESIDE]))}
    if isinstance(make_optimizer(optimizer), ForeignSpec):
        options |= SAMPLE
    options |= {name: given for name, given in (("every", every), ("groups", list(groups))) if given}
    page = answer(make_question("unit-tests", options), out, data, device)
    exhibit: Exhibit[Any] = Exhibit.load(page.parent.parent / "exhibits" / "unit-tests")
    for line in verdict_lines(exhibit, optimizer):
        say(line)


def verdict_lines(exhibit: Exhibit[Any], optimizer: str) -> Sequence[str]:
    """The verdicts on ``optimizer`` by group as a table, then tests that it fails and most others pass."""
    from analysis.measures.results import table_rows
    from analysis.measures.unit_verdicts import PASSED, VERDICTS

    lines = []
    counts, groups = exhibit.table("counts"), exhibit.table("groups")
    wide = max(map(len, groups["group"])) + 2
    for choice, chosen in (("one", f"lr {exhibit.facts.one.lr[optimizer]:.3g} in all tests"), ("each", "its best lr")):
        lines += ["", f"{optimizer}, {chosen}: tests that tell, by verdict"]
        lines.append(" " * wide + "".join(f"{verdict:>12}" for verdict in VERDICTS))
        mine = counts[(counts["choice"] == choice) & (counts["optimizer"] == optimizer)]
        tests = {(row["group"], row["verdict"]): int(row["tests"]) for row in table_rows(mine)}
        for row in table_rows(groups[groups["choice"] == choice]):
            numbers = [tests[row["group"], verdict] for verdict in VERDICTS] if row["telling"] else []
            text = "".join(f"{count or '·':>12}" for count in numbers)
            why = ", ".join(words.format(row[name]) for name, words in SILENT.items() if row[name])
            none = f"none of {row['tests']} tells: {why}"
            lines.append(f"{row['group']:<{wide}}{text or none}")
    verdicts = exhibit.table("verdicts")
    verdicts = verdicts[verdicts["choice"] == "each"].assign(passed=lambda rows: rows["verdict"].isin(PASSED))
    share = verdicts.groupby("test", sort=False)["passed"].mean()
    failed = verdicts[(verdicts["optimizer"] == optimizer) & ~verdicts["passed"]].set_index("test")["verdict"]
    worst = share[failed.index].sort_values(ascending=False, kind="stable")
    worst = worst[worst > 0].head(SHOWN)
    if len(worst):
        lines += ["", "Failed at its best lr, and passed by others:"]
        lines += [f"  {failed[test]:<11} {test}" for test in worst.index]
    return lines
