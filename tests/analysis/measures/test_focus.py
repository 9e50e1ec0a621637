"""One optimizer in focus: whom it beats, by how much, and which names there are to focus on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.focus import Against, against_each, against_frame, focused
from analysis.measures.paired_tests import holm
from analysis.measures.pairs import paired_table
from analysis.measures.pooling import pool
from analysis.record.cells import Record
from analysis.record.errors import RecordError
from analysis.statistics.bootstrap import typical


@pytest.fixture(scope="module")
def lucky(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Record:
    """A record of three studies, each with luck of its own."""
    return Record.load(replace(builder, studies=3, grid=(3, 2)).record(tmp_path_factory.mktemp("focus") / "lucky"))


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Record:
    """A record of three studies that all find the same: what differs is told apart."""
    folder = tmp_path_factory.mktemp("focus") / "sure"
    return Record.load(replace(builder, studies=3, luck=False, seeds=10, grid=(3, 2)).record(folder))


def against(record: Record, mine: str) -> dict[str, Against]:
    return {each.other: each for each in against_each(pool(record), focused(record, mine))}


def test_a_win_of_one_is_a_loss_of_the_other(sure: Record) -> None:
    mine, other = against(sure, "rmsprop")["sgd"], against(sure, "sgd")["rmsprop"]
    assert mine.wins or mine.losses
    assert (mine.wins, mine.ties, mine.losses) == (other.losses, other.ties, other.wins)
    assert sorted([*mine.wins, *mine.ties, *mine.losses]) == sorted(sure.problems)


def test_who_is_lower_wins_where_studies_agree(sure: Record) -> None:
    pooled = pool(sure)
    for label, each in against(sure, "momentum").items():
        for problem in sure.problems:
            ended = {cell.label: typical(cell.tuned.values) for cell in pooled.of_problem(problem) if cell.tuned}
            assert problem not in (each.losses if ended["momentum"] < ended[label] else each.wins)


@pytest.mark.parametrize("mine", ["sgd", "momentum", "rmsprop"])
def test_wins_and_losses_are_corrected_for_all_comparisons_of_the_table(mine: str, lucky: Record, sure: Record) -> None:
    for record in (lucky, sure):
        rows = paired_table(pool(record))
        own = rows[(rows["a"] == mine) | (rows["b"] == mine)]
        told = (holm(own["p"].tolist()) <= 0.05) & (own["verdict"] != "equal")
        found = against(record, mine).values()
        assert sum(len(each.wins) + len(each.losses) for each in found) == int(told.sum())


def test_luck_of_the_search_makes_ties(lucky: Record, sure: Record) -> None:
    ties = [sum(len(each.ties) for each in against(record, "rmsprop").values()) for record in (lucky, sure)]
    assert ties[0] > ties[1]


def test_the_ratio_is_the_median_over_problems_of_the_ratios_of_typical_results(lucky: Record) -> None:
    pooled, ratios = pool(lucky), []
    for problem in lucky.problems:
        measure = pooled.measure(problem)
        assert measure.log
        mine, other = (measure.shown(runs) for runs in pooled.finals(problem)[[2, 0]])
        ratios.append(np.log10(typical(mine) / typical(other)))
    found = against(lucky, "rmsprop")["sgd"]
    assert found.ratio is not None
    assert np.log10(found.ratio.value) == pytest.approx(np.median(ratios))
    assert found.ratio.low <= found.ratio.value <= found.ratio.high
    assert found.ratio.low < found.ratio.high
    assert found.rated == 3


def test_one_problem_is_enough(sure: Record) -> None:
    cells = sure.of_problem("noisy")
    (first, second) = against_each(pool(cells), focused(cells, "sgd"))
    assert len(first.wins + first.ties + first.losses) == 1
    table = against_frame([first, second])
    assert table["other"].tolist() == ["momentum", "rmsprop"]
    assert (table["low"] <= table["ratio"]).all()


def test_one_that_diverged_is_infinitely_many_times_as_high(builder: Any, tmp_path: Path) -> None:
    folder = replace(builder, studies=3, grid=(3, 2)).record(tmp_path / "a")
    for file in sorted((folder / "cells").glob("*--sgd/runs.parquet")):
        runs = pd.read_parquet(file)
        mine = runs["setting"] == "tuned"
        lost = runs["final_loss"].mask(mine, np.nan)
        runs.assign(final_loss=lost, status=runs["status"].mask(mine, "diverged")).to_parquet(file)
    record = Record.load(folder)
    up, down = against(record, "sgd")["rmsprop"].ratio, against(record, "rmsprop")["sgd"].ratio
    assert up is not None
    assert down is not None
    assert up.value == up.low == up.high == np.inf
    assert down.value == down.low == down.high == 0


def test_an_optimizer_is_held_against_those_of_its_schedule(sure: Record) -> None:
    cells = list(sure)
    cosine = [
        replace(cell, info=replace(cell.info, schedule="lr=cosine", cell=f"{cell.name}--lr_cosine")) for cell in cells
    ]
    both = focused([*cells, *cosine], "sgd")
    assert both == ("sgd", "sgd · lr=cosine")
    assert focused([*cells, *cosine], "sgd · lr=cosine") == ("sgd · lr=cosine",)
    assert focused([*cells, *cosine], ["momentum", "sgd · lr=cosine"])[::2] == ("momentum", "sgd · lr=cosine")
    met = [(each.mine, each.other) for each in against_each(pool([*cells, *cosine]), both)]
    assert met == [
        ("sgd", "momentum"),
        ("sgd", "rmsprop"),
        ("sgd · lr=cosine", "momentum · lr=cosine"),
        ("sgd · lr=cosine", "rmsprop · lr=cosine"),
    ]


def test_an_unknown_name_is_answered_with_the_nearest(sure: Record) -> None:
    with pytest.raises(RecordError, match=r"no optimizer 'rmspro' to focus on, did you mean 'rmsprop'\?; .* has sgd"):
        focused(sure, "rmspro")
