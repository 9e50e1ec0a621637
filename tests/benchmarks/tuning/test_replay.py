"""Samplers replayed over a landscape: no training, no surprises, and random search as its closed form says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.measures.axis import Axis
from analysis.measures.convergence import measure_of
from analysis.measures.landscape_grid import grid_of, progress
from analysis.measures.random_search import expected_progress, search_table
from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from benchmarks.errors import UsageError
from benchmarks.running.cell_tables import empty_table
from benchmarks.tuning.replay import REPLAYED, _knob, _point, replay, replay_record
from benchmarks.tuning.space import Space

RATES = np.geomspace(1e-4, 1e1, 21)
GAMMAS = 1 - np.geomspace(1, 1e-3, 7)


@pytest.fixture
def write_record(cell_info: CellInfo) -> Callable[..., Path]:
    """A function that writes a record of one cell into a folder, with landscape ``seeds`` or not ``mapped``."""

    def write(folder: Path, seeds: int = 1, mapped: bool = True) -> Path:
        return _write(cell_info, folder, seeds, mapped)

    return write


def _write(info: CellInfo, folder: Path, seeds: int, mapped: bool) -> Path:
    """A record of one cell: a bowl over log lr and log (1 - gamma), its bottom at 0.1 and 0.9; high rates diverge."""
    path = folder / "cells" / info.cell
    path.mkdir(parents=True)
    (folder / "suite.toml").write_text('name = "replays"\n', encoding="utf-8")
    (folder / "environment.json").write_text("{}", encoding="utf-8")
    (path / "cell.json").write_text(json.dumps(info.to_json()), encoding="utf-8")
    lr, gamma, seed = (part.ravel() for part in np.meshgrid(RATES, GAMMAS, np.arange(seeds), indexing="ij"))
    away = (np.log10(lr) + 1) ** 2 + (np.log10(1 - gamma) + 1) ** 2
    loss = 10 ** (away / 2 - 3) * (1 + 0.5 * np.sin(seed + lr))
    frame = pd.DataFrame({"lr": lr, "gamma": gamma, "seed": seed, "stopped_at": 5, "start_loss": 10.0})
    frame["final_loss"] = np.where(lr > 5, np.nan, loss)
    frame["status"], frame["best_loss"] = np.where(lr > 5, "diverged", "finished"), loss
    frame[: None if mapped else 0].to_parquet(path / "landscape.parquet")
    empty_table("curves").to_parquet(path / "curves.parquet")
    empty_table("runs").to_parquet(path / "runs.parquet")
    return folder


def by_repeat(replays: pd.DataFrame) -> np.ndarray:
    """The best so far, one row a repeat and one column a budget."""
    return replays["best"].to_numpy().reshape(replays["repeat"].nunique(), -1)


@pytest.fixture
def cell(tmp_path: Path, write_record: Callable[..., Path]) -> Cell:
    return Cell.load(write_record(tmp_path / "one") / "cells" / "bowl--rmsprop")


def test_replayed_random_search_agrees_with_its_closed_form(tmp_path: Path, write_record: Callable[..., Path]) -> None:
    cell = Cell.load(write_record(tmp_path / "three", seeds=3) / "cells" / "bowl--rmsprop")
    measure = measure_of((cell,))
    grid = grid_of(cell, measure)
    assert grid is not None
    made = progress(measure, by_repeat(replay(cell, "random", budget=8, repeats=300, block=8)))
    exact = expected_progress(search_table(grid), range(1, 9))
    assert (np.abs(made.mean(axis=0) - exact) < 4 * made.std(axis=0) / np.sqrt(300)).all()  # four standard errors


@pytest.mark.parametrize("sampler", [name for name in REPLAYED if name != "gp"])
def test_a_replay_is_a_function_of_its_arguments_and_never_gets_worse(cell: Cell, sampler: str) -> None:
    first = replay(cell, sampler, budget=12, repeats=2, block=4)
    pd.testing.assert_frame_equal(first, replay(cell, sampler, budget=12, repeats=2, block=4))
    wide = by_repeat(first)
    assert (wide[:, 1:] <= wide[:, :-1]).all()
    assert not (wide[0] == wide[1]).all()
    assert not first.equals(replay(cell, sampler, budget=12, repeats=2, block=4, seed=1))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "qmc"])
def test_a_longer_budget_begins_like_a_shorter_one(cell: Cell, sampler: str) -> None:
    short, long = (replay(cell, sampler, budget=budget, repeats=1, block=4) for budget in (8, 16))
    pd.testing.assert_frame_equal(short, long[long["k"] <= 8])


def test_samplers_that_learn_beat_random_search_on_a_bowl(cell: Cell) -> None:
    measure = measure_of((cell,))
    grid = grid_of(cell, measure)
    assert grid is not None
    exact = float(expected_progress(search_table(grid), [24])[0])
    for sampler in ("tpe", "cmaes"):
        found = replay(cell, sampler, budget=24, repeats=8, block=6).query("k == 24")["best"]
        assert progress(measure, found).mean() > exact


def test_gp_is_replayed_too(cell: Cell) -> None:
    found = replay(cell, "gp", budget=5, repeats=1, block=4)
    assert found["best"].to_numpy()[-1] <= found["best"].to_numpy()[0]


def test_every_grid_point_lies_in_its_own_part_of_the_search_range() -> None:
    axes = [Axis("gamma", "log1m", 0.9, GAMMAS), Axis("lr", "log", 0.01, RATES)]
    space = Space(tuple(_knob(axis) for axis in axes), {})
    for row, gamma in enumerate(GAMMAS):
        for column, lr in enumerate(RATES):
            params = space.to_optuna({"gamma": gamma, "lr": lr})
            assert _point(space, params, (GAMMAS.size, RATES.size)) == (row, column)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": "tpee"}, "no sampler 'tpee'.*did you mean"),
        ({"sampler": "grid"}, "no sampler 'grid'"),
        ({"sampler": "tpe", "budget": 0}, "at least 1"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(cell: Cell, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?i){message}"):
        replay(cell, **arguments)  # type: ignore[arg-type]


def test_a_cell_without_a_landscape_cannot_be_replayed(tmp_path: Path, write_record: Callable[..., Path]) -> None:
    folder = write_record(tmp_path / "unmapped", mapped=False)
    with pytest.raises(UsageError, match="has no landscape"):
        replay(Cell.load(folder / "cells" / "bowl--rmsprop"), "tpe")
    with pytest.raises(UsageError, match="has no landscape"):
        replay_record(folder)


def test_a_record_keeps_its_replays_beside_its_tables(tmp_path: Path, write_record: Callable[..., Path]) -> None:
    folder, done = write_record(tmp_path / "kept"), []
    files = replay_record(folder, ["qmc"], budget=4, repeats=2, on_cell=done.append)
    assert done == ["bowl--rmsprop"]
    assert [file.name for file in files] == ["replays.parquet"]
    kept = Cell.load(files[0].parent).replays
    assert kept is not None
    assert list(kept.columns) == ["sampler", "repeat", "k", "best"]
    assert len(kept) == 8
    assert sorted(file.name for file in files[0].parent.iterdir()) == [
        "cell.json",
        "curves.parquet",
        "landscape.parquet",
        "replays.parquet",
        "runs.parquet",
    ]


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a results folder"):
        replay_record(tmp_path)
