"""The page on the league says what the record that comes with the suite says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch

from analysis.measures.focus import against_each
from analysis.measures.pooling import Pool, met_all
from analysis.problem_results import results_of
from analysis.record.cells import Record
from benchmarks.record.archive import opened
from benchmarks.suite.suite import Suite

PAGE = (Path(__file__).parents[2] / "docs" / "league.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_number_of_the_verdict_is_the_records() -> None:
    record = Record.load(opened("atlas:league"))
    assert record.suite["focus"] == ["rmsprop-torch", "adam", "momentum"]
    cells = [cell for one in results_of(record).values() for cell in one.cells]
    rows = against_each(Pool.of(met_all(cells)[0]), record.suite["focus"])
    said = re.findall(r"^\| (\S+) \| (\S+) \| ([\d.]+) \[([\d.]+), ([\d.]+)\] \|$", PAGE, re.MULTILINE)
    lower = sorted(
        (row for row in rows if row.ratio.low > 1),
        key=lambda row: (record.suite["focus"].index(row.mine), -row.ratio.value),
    )
    assert said == [
        (row.mine, row.other, f"{row.ratio.value:.2f}", f"{row.ratio.low:.2f}", f"{row.ratio.high:.2f}")
        for row in lower
    ]
    won = {label: sum(len(row.wins) for row in rows if row.mine == label) for label in record.suite["focus"]}
    assert (
        "gives RMSProp {rmsprop-torch} wins and no loss, Adam {adam} and none, momentum {momentum}".format(**won)
        in PAGE
    )
    assert not any(row.losses for row in rows)
    assert f"all {len(rows)} comparisons" in PAGE


def test_every_published_optimizer_is_in_the_league_or_left_out_with_a_reason() -> None:
    package = pytest.importorskip("pytorch_optimizer", reason="the extra [league] brings it")
    kinds = {name for name, kind in vars(package).items() if inspect.isclass(kind) and _is_optimizer(kind)}
    league = Suite.load("league").optimizers
    theirs = [name.partition(":")[2] for name in league if name.startswith("pytorch_optimizer:")]
    left_out = [
        name for row in re.findall(r"^\| (`.*`) \| \w.* \|$", PAGE, re.MULTILINE) for name in row.split("`")[1::2]
    ]
    assert sorted([*theirs, *left_out]) == sorted(kinds)
    torchs = {name for name, kind in vars(torch.optim).items() if inspect.isclass(kind) and _is_optimizer(kind)}
    assert torchs == {name[6:].partition("(")[0] for name in league if name.startswith("torch:")}
    assert f"{len(theirs)} optimizers of the package" in PAGE
    assert f"Three problems at {len(league)} optimizers" in PAGE


def _is_optimizer(kind: type) -> bool:
    return issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
