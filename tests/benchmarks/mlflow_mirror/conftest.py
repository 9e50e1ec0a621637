"""Small records of made-up runs, and an empty MLflow store whose copies tests start from."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.record.cell_info import (
    CellInfo,
    HyperparameterInfo,
    OptimizerInfo,
    ProblemInfo,
    Protocol,
    Seconds,
    StepCost,
    StudyInfo,
    WinnerInfo,
)
from analysis.record.cells import Cell, Record
from benchmarks.mlflow_mirror import overview
from benchmarks.mlflow_mirror import store as mlflow_store
from benchmarks.mlflow_mirror import tracker as tracking

SUITE = 'name = "toy"\ndescription = "Two optimizers on a toy problem."\n'
KNOBS = {
    "sgd": (HyperparameterInfo("lr", 0.1, 1e-3, 10.0, "log"),),
    "rmsprop": (
        HyperparameterInfo("lr", 0.01, 1e-3, 10.0, "log"),
        HyperparameterInfo("gamma", 0.9, 0.0, 0.999, "log1m"),
    ),
}
LIMIT = 3.0  # learning rates above diverge, at the fourth evaluation


@dataclass(frozen=True)
class RecordBuilder:
    """Writes a record of made-up runs: loss 0.25 + exp(-lr * step / 100), slightly different on every seed.

    Of several ``studies`` each has learning rates, tuning seeds and a winner of its own.
    """

    trials: int = 10
    studies: int = 1
    seeds: int = 2
    test_seeds: int = 3
    evaluations: int = 5

    def record(self, folder: Path, optimizers: tuple[str, ...] = ("sgd", "rmsprop"), **changes: Any) -> Record:
        """Write the record with one cell for each optimizer; ``changes`` are fields of every `CellInfo`."""
        folder.mkdir(parents=True)
        (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps({"git_commit": "c0ffee"}), encoding="utf-8")
        for position, optimizer in enumerate(optimizers):
            self.cell(folder / "cells" / f"toy--{optimizer}", optimizer, position, **changes)
        return Record.load(folder)

    def cell(self, folder: Path, optimizer: str, position: int, *, rates: Any = None, **changes: Any) -> Cell:
        """Write one cell whose trials have the learning rates ``rates``, by default from 0.01 to 9."""
        folder.mkdir(parents=True)
        knobs = KNOBS[optimizer]
        lr = np.geomspace(0.01, 9.0, self.trials) if rates is None else np.asarray(rates, dtype=np.float64)
        searched = [self._study(knobs, lr * 0.9**study, position, study) for study in range(self.studies)]
        infos = tuple(info for *_, info in searched)
        parts = [part for _, curves, _ in searched for part in curves]
        tested = [("default", pd.NA, knobs[0].default)]
        tested += [("tuned", of.study, of.winner.hyperparameters["lr"]) for of in infos if of.winner]
        for setting, study, rate in tested:
            own = {"setting": setting, "study": study, "trial": np.nan}
            parts.append(self._curves(rate, self.test_seeds, first=1001, **own))
        curves = pd.concat([part.astype({"study": "Int64"}) for part in parts], ignore_index=True)
        trials = pd.concat([values for values, *_ in searched], ignore_index=True)
        tables = {"trials": trials, "curves": curves, "runs": _runs(curves)}
        axes = [np.geomspace(0.01, 0.9, 4) for _ in knobs]
        points = [axis.ravel() for axis in np.meshgrid(*axes)]
        grid = pd.DataFrame({knob.name: values for knob, values in zip(knobs, points, strict=True)})
        one = tables["runs"].drop(columns=["setting", "study", "trial"]).iloc[[0] * len(grid)].reset_index(drop=True)
        tables["landscape"] = pd.concat([grid, one], axis=1)
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        info = replace(self._info(folder.name, optimizer, position, infos), **changes)
        (folder / "cell.json").write_text(json.dumps(info.to_json()), encoding="utf-8")
        return Cell.load(folder)

    def _study(
        self, knobs: tuple[HyperparameterInfo, ...], rates: np.ndarray, position: int, study: int
    ) -> tuple[pd.DataFrame, list[pd.DataFrame], StudyInfo]:
        """One study's trials, their curves, and what ``cell.json`` says of it."""
        lr = np.random.default_rng(position + 100 * study).permutation(rates)
        values = pd.DataFrame({"study": study, "trial": np.arange(lr.size), "lr": lr})
        if len(knobs) > 1:
            values["gamma"] = np.linspace(0.5, 0.99, lr.size)
        first = 1 + 10_000 * study
        parts = [
            self._curves(rate, self.seeds, first=first, setting="trial", study=study, trial=trial)
            for trial, rate in enumerate(lr)
        ]
        curves = pd.concat(parts, ignore_index=True)
        final = curves.groupby(["trial", "seed"])["loss"].last(skipna=False)
        told = final.fillna(np.inf).groupby("trial").median()
        values["block"] = values["trial"] // 4
        values["objective"] = told.to_numpy()
        values["state"] = np.where(np.isfinite(values["objective"]), "complete", "diverged")
        values["seeds"] = self.seeds
        values["diverged"] = final.isna().groupby("trial").sum().to_numpy()
        best = values.loc[values["objective"].idxmin()]
        winner = None
        if np.isfinite(best["objective"]):
            chosen = {knob.name: float(best[knob.name]) for knob in knobs}
            winner = WinnerInfo(int(best["trial"]), float(best["objective"]), chosen, at_edge=())
        seeds = tuple(range(first, first + self.seeds))
        return values, parts, StudyInfo(study, seeds, lr.size, widened=0, winner=winner)

    def _curves(self, lr: float, seeds: int, *, first: int = 1, **columns: Any) -> pd.DataFrame:
        steps, seed = np.arange(self.evaluations) * 10, np.arange(first, first + seeds)
        loss = 0.25 + np.exp(-lr * steps[None] / 100) * (1 + 0.01 * (seed[:, None] % 7))
        if lr > LIMIT:
            loss[:, 3:] = np.nan
        frame = pd.DataFrame({"seed": seed.repeat(steps.size), "step": np.tile(steps, seeds), "loss": loss.ravel()})
        return frame.assign(accuracy=1 / (1 + frame["loss"]), **columns)

    def _info(self, name: str, optimizer: str, position: int, studies: tuple[StudyInfo, ...]) -> CellInfo:
        knobs = KNOBS[optimizer]
        names = tuple(knob.name for knob in knobs)
        steps = (self.evaluations - 1) * 10
        return CellInfo(
            cell=name,
            suite="toy",
            position=position,
            problem=ProblemInfo(
                name="toy",
                description="An exponential.",
                dim=3,
                minimum=0.25,
                target=None,
                steps=steps,
                tags=("stochastic", "convex"),
                deterministic=False,
                fingerprint="f00dcafef00dcafe",
                start_loss=1.25,
                metrics=("accuracy",),
                sharpness=None,
                minimisers=(),
            ),
            optimizer=OptimizerInfo(
                name=optimizer,
                description=f"The {optimizer} rule.",
                reference="a book",
                axes=("lr", names[1] if len(names) > 1 else None),
                searched=names,
                fixed={},
                hyperparameters=knobs,
                fingerprint="c0dec0dec0dec0de",
            ),
            schedule="constant",
            protocol=Protocol(
                studies=len(studies),
                sampler="random",
                trials=self.trials,
                block=4,
                objectives=("final",),
                aggregate="median",
                pruner="none",
                tuning_seeds=tuple(range(1, 1 + self.seeds)),
                test_seeds=tuple(range(1001, 1001 + self.test_seeds)),
                landscape_seeds=(2001,),
                grid=(4, 1),
                steps=steps,
                evaluate_every=10,
            ),
            studies=studies,
            defaults={knob.name: knob.default for knob in knobs},
            seconds=Seconds(tuning=0.5, sampling=0.1, test=0.1, landscape=0.2),
            lane_steps=1000,
            engines=("eager",),
            device="cpu",
            dtype="float64",
            cost=StepCost(seconds=2e-4, optimizer_share=0.25, state_bytes=16),
        )


def _runs(curves: pd.DataFrame) -> pd.DataFrame:
    keys = ["setting", "study", "trial", "seed"]
    loss = curves.groupby(keys, dropna=False)["loss"]
    runs = pd.DataFrame({"start_loss": loss.first(), "final_loss": loss.last(skipna=False), "best_loss": loss.min()})
    runs["status"] = np.where(runs["final_loss"].isna(), "diverged", "finished")
    runs["stopped_at"] = np.where(runs["final_loss"].isna(), 25, 40)
    return runs.reset_index()


@pytest.fixture(scope="session")
def builder() -> RecordBuilder:
    return RecordBuilder()


def _empty_picture(cell: Cell, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Figure(figsize=(1, 1)).savefig(path)


@pytest.fixture(scope="session", autouse=True)
def _plain_overview() -> Iterator[None]:
    """An empty picture in place of a cell's overview, which takes a third of a second to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "draw_overview", _empty_picture)
        patch.setattr(overview, "draw_overview", _empty_picture)
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without experiments of ours: its migrations take two seconds, so they run once."""
    uri = mlflow_store.default_uri(tmp_path_factory.mktemp("store"))
    with mlflow_store.reported(uri):
        mlflow_store.connect(uri).get_experiment_by_name("toy")
    path = Path(uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it into the one file that is copied
    return path


@pytest.fixture
def record(tmp_path: Path, builder: RecordBuilder, empty_store: Path) -> Record:
    """A record of two cells whose store is empty."""
    record = builder.record(tmp_path / "toy")
    shutil.copy(empty_store, record.path / "mlflow.db")
    return record


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory, builder: RecordBuilder, empty_store: Path) -> Record:
    """A record whose cells are mirrored in its store, with three trials each; for tests that leave both as they are."""
    record = builder.record(tmp_path_factory.mktemp("logged") / "toy")
    shutil.copy(empty_store, record.path / "mlflow.db")
    tracker = tracking.Tracker(mlflow_store.default_uri(record.path), "toy", record.path, children=3)
    for cell in record:
        tracker.log_cell(cell)
    return record
