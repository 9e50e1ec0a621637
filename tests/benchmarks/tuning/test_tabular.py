"""Landscapes as tables: the numbers are those of the record, and Optuna finds the optimum that is stated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from analysis.measures.results import cell_results
from analysis.record.anytime import ACCURACY
from analysis.record.cells import Record
from benchmarks.errors import UsageError
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from benchmarks.tuning.tabular import TableObjective, export_tables


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    suite = {
        "name": "tabled",
        "problems": ["quadratic(dim=4)"],
        "optimizers": ["sgd", "rmsprop"],
        "steps": 64,
        "tuning": {"enabled": False},
        "landscape": {"grid": "9x5", "evaluations": 3, "seeds": 3},
    }
    return Record.load(run(Suite.checked(suite, "test"), tmp_path_factory.mktemp("tabled") / "record").folder)


@pytest.fixture(scope="module", params=[False, True], ids=["parquet", "csv"])
def folder(record: Record, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables") / "out"
    export_tables(record, out, as_csv=request.param)
    return out


def test_a_table_has_the_rows_of_the_landscape_after_every_number_of_steps(record: Record, folder: Path) -> None:
    index = json.loads((folder / "tables.json").read_text())
    assert list(index) == [cell.name for cell in record]
    for cell in record:
        file = folder / index[cell.name]["file"]
        table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
        assert table["step"].unique().tolist() == index[cell.name]["steps"] == [4, 16, 64]
        last = table[table["step"] == 64].reset_index(drop=True)
        gap = cell.landscape["final_loss"] - (cell.floor or 0.0)
        np.testing.assert_allclose(last["value"], gap, rtol=1e-12)
        np.testing.assert_allclose(last["lr"], cell.landscape["lr"], rtol=1e-15)
        kept = cell.anytime
        assert kept is not None
        np.testing.assert_allclose(table[table["step"] == 4]["value"], kept[4], rtol=ACCURACY)


def test_the_stated_optimum_is_the_lowest_median_and_a_grid_search_finds_it(record: Record, folder: Path) -> None:
    for result in cell_results(record):
        for step in (None, 4, 16, 40):
            objective = TableObjective(folder, result.cell.name, step)
            assert objective.kept == {None: 64, 40: 16}.get(step, step)
            assert objective.optimum is not None
            assert objective.optimum["value"] == pytest.approx(float(objective.grid.min()), rel=1e-9)
            assert objective.value(objective.optimum) == pytest.approx(objective.optimum["value"], rel=1e-9)


def test_a_table_is_an_objective_of_optuna(folder: Path) -> None:
    (cell,) = (name for name in json.loads((folder / "tables.json").read_text()) if "rmsprop" in name)
    objective = TableObjective(folder, cell)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=64)
    assert set(study.best_params) == {"lr", "1 - gamma"}
    assert objective.optimum is not None
    assert study.best_value >= objective.optimum["value"] * (1 - 1e-9)
    best = {"lr": study.best_params["lr"], "gamma": 1 - study.best_params["1 - gamma"]}
    assert objective.value(best) == study.best_value


def test_seeds_are_the_noise_and_their_median_the_value(folder: Path) -> None:
    name = next(iter(json.loads((folder / "tables.json").read_text())))
    whole = TableObjective(folder, name)
    each = [TableObjective(folder, name, seed=seed).value({"lr": 0.1}) for seed in whole.info.seeds]
    assert len(set(each)) == 3
    assert whole.value({"lr": 0.1}) == float(np.median(each))


def test_what_is_not_there_is_said(record: Record, folder: Path) -> None:
    name = next(iter(json.loads((folder / "tables.json").read_text())))
    with pytest.raises(UsageError, match="has no cell 'nothing'; it has "):
        TableObjective(folder, "nothing")
    with pytest.raises(UsageError, match="has the seeds 2001, 2002, 2003, not 7"):
        TableObjective(folder, name, seed=7)
    with pytest.raises(UsageError, match="was kept from step 4 on, not at 2"):
        TableObjective(folder, name, step=2)
    with pytest.raises(UsageError, match="exists already; give a folder that does not"):
        export_tables(record, folder)
