"""The page on the league says what the record that comes with the suite says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.measures.focus import against_each
from analysis.measures.pooling import Pool, met_all
from analysis.problem_results import results_of
from analysis.record.cells import Record
from benchmarks.record.archive import opened

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
