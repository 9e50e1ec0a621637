"""A small record of real runs: three numpy optimizers on three problems, written by the schema of
``analysis.record.cells``.

It is independent of the engine: plain numpy lanes ``[C, S, P]``, so that these tests need no other folder of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.record.anytime import packed
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
from analysis.record.columns import COLUMNS

HORIZONS = (1, 3, 10, 22)
"""Steps after which the runs of landscapes are kept, besides those at the end."""

LR = HyperparameterInfo("lr", 0.01, 1e-4, 10.0, "log")


@dataclass(frozen=True)
class Tuned:
    """What the toy optimizers' landscapes span: the learning rate and, but for one of them, a second ``knob``."""

    knob: HyperparameterInfo | None = None

    @property
    def axes(self) -> tuple[str, str | None]:
        return LR.name, self.knob.name if self.knob else None


OPTIMIZERS = {
    "sgd": Tuned(),
    "momentum": Tuned(HyperparameterInfo("momentum", 0.9, 0.0, 0.999, "log1m")),
    "rmsprop": Tuned(HyperparameterInfo("gamma", 0.9, 0.0, 0.999, "log1m")),
}


@dataclass(frozen=True)
class Toy:
    """A quadratic with curvatures ``scales``, noisy gradients; ``floor`` None hides the minimum, adds an accuracy."""

    name: str
    scales: tuple[float, ...]
    start: tuple[float, ...]
    noise: float
    floor: float | None
    offset: float = 0.0

    def loss(self, x: np.ndarray) -> np.ndarray:
        return 0.5 * (np.array(self.scales) * x**2).sum(-1) + self.offset

    def gradient(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.array(self.scales) * x + self.noise * rng.standard_normal((1, *x.shape[1:]))


TOYS = (
    Toy("ellipse", (0.2, 4.0), (-5.0, -2.0), 0.0, 0.0),
    Toy("noisy", (1.0, 0.3, 0.1, 3.0), (2.0, 2.0, 2.0, 2.0), 0.5, 0.25, offset=0.25),
    Toy("classes", (2.0, 1.0, 0.5), (1.0, 1.0, 1.0), 0.2, None, offset=0.05),
)

FLAT = {
    "starts at its minimum": Toy("flat", (1.0, 4.0), (0.0, 0.0), 0.0, 0.0),
    "starts at a raised minimum": Toy("flat", (1.0, 4.0), (0.0, 0.0), 0.0, 2.0, offset=2.0),
    "constant": Toy("flat", (0.0, 0.0), (1.0, 1.0), 0.0, None, offset=1.0),
    "constant at zero": Toy("flat", (0.0, 0.0), (1.0, 1.0), 0.0, None),
    "constant below zero": Toy("flat", (0.0, 0.0), (1.0, 1.0), 0.0, None, offset=-100.0),
    "minimum stated too high": Toy("flat", (0.2, 4.0), (-5.0, -2.0), 0.0, 1.0),
    "minimum stated above the start": Toy("flat", (1.0, 4.0), (1.0, 1.0), 0.0, 9.0),
}
"""Problems whose map is flat at its floor, or below it."""


def step(name: str, g: np.ndarray, state: np.ndarray, lr: np.ndarray, knob: np.ndarray) -> np.ndarray:
    if name == "sgd":
        return -lr * g
    state *= knob
    if name == "momentum":
        state += g
        return -lr * state
    state += (1 - knob) * g**2
    return -lr * g / np.sqrt(state + 1e-6)


def train(toy: Toy, name: str, knobs: tuple[np.ndarray, np.ndarray], seeds: list[int], steps: int) -> np.ndarray:
    """Points ``[E, C, S, P]`` after 0 … ``steps`` updates; NaN from divergence on."""
    lr, knob = knobs
    lanes = (lr.size, len(seeds), len(toy.start))
    x, state = np.broadcast_to(np.array(toy.start), lanes).copy(), np.zeros(lanes)
    rng = np.random.default_rng(seeds)
    points = [x.copy()]
    with np.errstate(all="ignore"):
        for _ in range(steps):
            x += step(name, toy.gradient(x, rng), state, lr[:, None, None], knob[:, None, None])
            x[toy.loss(x) > 1e8] = np.nan
            points.append(x.copy())
    return np.stack(points)


def run_rows(toy: Toy, points: np.ndarray, seeds: list[int]) -> pd.DataFrame:
    """One row a run ``[C * S]`` with the columns that runs and landscape share."""
    losses = toy.loss(points)
    flat = losses.reshape(losses.shape[0], -1)
    valid = np.isfinite(flat).sum(axis=0) - 1
    finished = np.isfinite(flat[-1])
    return pd.DataFrame(
        {
            "seed": np.tile(seeds, losses.shape[1]),
            "status": np.where(finished, "finished", "diverged"),
            "stopped_at": valid,
            "start_loss": flat[0],
            "final_loss": flat[-1],
            "best_loss": np.nanmin(flat, axis=0),
        }
    )


def curve_rows(toy: Toy, points: np.ndarray, seeds: list[int], every: int) -> pd.DataFrame:
    losses = toy.loss(points)[::every, 0, :]
    step_of, seed_of = np.meshgrid(np.arange(0, points.shape[0], every), seeds, indexing="ij")
    frame = pd.DataFrame({"seed": seed_of.ravel(), "step": step_of.ravel(), "loss": losses.ravel()})
    return frame if toy.floor is not None else frame.assign(accuracy=np.exp(-2 * frame["loss"]))


@dataclass(frozen=True)
class Builder:
    """Writes records; each field is a knob of a test. Of several ``studies`` each has draws of its own, but without
    ``luck``.
    """

    steps: int = 40
    grid: tuple[int, int] = (13, 6)
    seeds: int = 5
    trials: int = 12
    studies: int = 1
    luck: bool = True

    def record(
        self, folder: Path, toys: tuple[Toy, ...] = TOYS, optimizers: tuple[str, ...] = tuple(OPTIMIZERS)
    ) -> Path:
        (folder / "cells").mkdir(parents=True)
        (folder / "suite.toml").write_text(
            'name = "toy <suite>"\ndescription = "Toys & <b>tests</b>"\n', encoding="utf-8"
        )
        (folder / "environment.json").write_text(json.dumps({"python": "3.11", "machine": "test"}), encoding="utf-8")
        for position, (toy, name) in enumerate(product(toys, optimizers)):
            self.cell(folder / "cells" / f"{toy.name}--{name}", toy, name, position)
        return folder

    def cell(self, folder: Path, toy: Toy, name: str, position: int, fixed: dict[str, float] | None = None) -> Path:
        """Write one cell; ``fixed`` gives every winner, else the best of a random search wins."""
        folder.mkdir(parents=True)
        names = [axis for axis in OPTIMIZERS[name].axes if axis is not None]
        test = list(range(100, 100 + (self.seeds if toy.noise else 1)))
        tables, studies = self._tables(toy, name, names, test, fixed)
        info = self._info(toy, name, names, test, position, studies)
        (folder / "cell.json").write_text(json.dumps(info.to_json()), encoding="utf-8")
        for table, frame in tables.items():
            assert set(COLUMNS[table]) <= set(frame.columns), table
            frame.to_parquet(folder / f"{table}.parquet")
        return folder

    def _tables(
        self, toy: Toy, name: str, names: list[str], test: list[int], fixed: dict[str, float] | None
    ) -> tuple[dict[str, pd.DataFrame], tuple[StudyInfo, ...]]:
        searched = [self._study(toy, name, names, study, fixed) for study in range(self.studies)]
        settings = [("tuned", study, winner.hyperparameters) for study, (*_, winner) in enumerate(searched)]
        settings.append(("default", None, {"lr": 0.01, **({names[1]: 0.9} if len(names) > 1 else {})}))
        runs = [runs.assign(setting="trial", study=study) for study, (_, runs, _) in enumerate(searched)]
        parts: dict[str, list[pd.DataFrame]] = {"runs": runs, "curves": [], "paths": []}
        for setting, study, values in settings:
            second = values.get(names[-1], 0.0) if len(names) > 1 else 0.0
            points = train(toy, name, (np.array([values["lr"]]), np.array([second])), test, self.steps)
            of = {"setting": setting, "study": np.nan if study is None else study, "trial": np.nan}
            parts["runs"].append(run_rows(toy, points, test).assign(**of))
            parts["curves"].append(curve_rows(toy, points, test, 4).assign(**of))
            steps = np.arange(points.shape[0])
            flat = {"seed": test[0], "step": steps, "x1": points[:, 0, 0, 0], "x2": points[:, 0, 0, 1]}
            parts["paths"].append(pd.DataFrame(flat).assign(**of))
        tables = {key: pd.concat(frames, ignore_index=True) for key, frames in parts.items()}
        tables["trials"] = pd.concat([trials for trials, *_ in searched], ignore_index=True)
        tables["landscape"], tables["anytime"] = self._landscape(toy, name, names)
        if len(toy.start) == 2:
            x1, x2 = np.meshgrid(np.linspace(-6, 6, 41), np.linspace(-4, 4, 31))
            loss_there = toy.loss(np.stack([x1, x2], -1)).ravel()
            tables["surface"] = pd.DataFrame({"x1": x1.ravel(), "x2": x2.ravel(), "loss": loss_there})
        else:
            del tables["paths"]
        return tables, tuple(
            StudyInfo(study, (0, 1), self.trials, widened=0, winner=winner)
            for study, (*_, winner) in enumerate(searched)
        )

    def _study(
        self, toy: Toy, name: str, names: list[str], study: int, fixed: dict[str, float] | None
    ) -> tuple[pd.DataFrame, pd.DataFrame, WinnerInfo]:
        rng = np.random.default_rng(len(toy.name) + len(name) + 100 * study * self.luck)
        lr, knob = 10 ** rng.uniform(-4, 1, self.trials), 1 - 10 ** -rng.uniform(0, 3, self.trials)
        trial_runs = run_rows(toy, train(toy, name, (lr, knob), [0, 1], self.steps), [0, 1])
        trial_runs.insert(0, "trial", np.repeat(np.arange(self.trials), 2))
        loss = trial_runs["final_loss"].fillna(np.inf).groupby(trial_runs["trial"]).median()
        trials = pd.DataFrame(
            {"study": study, "trial": loss.index, "block": loss.index // 4, "objective": loss, "seeds": 2}
        )
        trials["state"] = np.where(np.isfinite(loss), "complete", "diverged")
        trials["diverged"] = trial_runs["status"].eq("diverged").groupby(trial_runs["trial"]).sum()
        best = int(loss.argmin())
        chosen = fixed or dict(zip(names, (float(lr[best]), float(knob[best])), strict=False))
        at_edge = tuple(key for key in names if key == "lr" and chosen["lr"] > 5)
        return trials, trial_runs, WinnerInfo(best, float(loss[best]), chosen, at_edge)

    def _landscape(self, toy: Toy, name: str, names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        seeds = [10, 11, 12] if toy.noise else [10]
        columns, rows = np.logspace(-4, 1, self.grid[0]), 1 - np.logspace(0, -3, self.grid[1])
        rows = rows if len(names) > 1 else rows[:1]
        lr, knob = (axis.ravel() for axis in np.meshgrid(columns, rows))
        points = train(toy, name, (lr, knob), seeds, self.steps)
        frame = run_rows(toy, points, seeds)
        kept = toy.loss(points)[[step for step in HORIZONS if step < self.steps]] - (toy.floor or 0.0)
        anytime = pd.DataFrame({str(step): packed(loss.ravel()) for step, loss in zip(HORIZONS, kept, strict=False)})
        if len(names) > 1:
            frame.insert(0, names[1], np.repeat(knob, len(seeds)))
        frame.insert(0, "lr", np.repeat(lr, len(seeds)))
        return frame, anytime

    def _info(
        self, toy: Toy, name: str, names: list[str], test: list[int], position: int, studies: tuple[StudyInfo, ...]
    ) -> CellInfo:
        knob = OPTIMIZERS[name].knob
        return CellInfo(
            cell=f"{toy.name}--{name}",
            suite="toy",
            position=position,
            problem=ProblemInfo(
                name=toy.name,
                description=f"toy <{toy.name}>",
                dim=len(toy.start),
                minimum=toy.floor,
                target=None if toy.floor is None else toy.floor + 1e-3,
                steps=self.steps,
                tags=("toy",),
                deterministic=toy.noise == 0,
                fingerprint=f"f-{toy.name}",
                start_loss=float(toy.loss(np.array(toy.start))),
                metrics=("accuracy",) if toy.floor is None else (),
                sharpness=None,
                minimisers=(),
            ),
            optimizer=OptimizerInfo(
                name=name,
                description=name,
                reference="a book",
                axes=OPTIMIZERS[name].axes,
                searched=tuple(names),
                fixed={},
                hyperparameters=(LR, *([knob] if knob else [])),
                fingerprint=f"o-{name}",
            ),
            schedule="constant",
            protocol=Protocol(
                studies=self.studies,
                sampler="random",
                trials=self.trials,
                block=4,
                objectives=("final",),
                aggregate="median",
                pruner="none",
                tuning_seeds=(0, 1),
                test_seeds=tuple(test),
                landscape_seeds=(10, 11, 12) if toy.noise else (10,),
                grid=self.grid,
                steps=self.steps,
                evaluate_every=4,
            ),
            studies=studies,
            defaults={LR.name: LR.default, **({knob.name: knob.default} if knob else {})},
            seconds=Seconds(tuning=0.5, sampling=0.1, test=0.1, landscape=0.2),
            lane_steps=1000,
            engines=("eager",),
            device="cpu",
            dtype="float64",
            cost=StepCost(seconds=2e-4, optimizer_share=0.25, state_bytes=16),
        )


@pytest.fixture(scope="session")
def builder() -> Builder:
    return Builder()


@pytest.fixture(scope="session")
def record_folder(tmp_path_factory: pytest.TempPathFactory, builder: Builder) -> Path:
    return builder.record(tmp_path_factory.mktemp("record") / "toy")


@pytest.fixture(scope="session")
def record(record_folder: Path) -> Record:
    return Record.load(record_folder)


@pytest.fixture
def edited_cell(tmp_path: Path, builder: Builder) -> Callable[..., Cell]:
    """A function that writes one toy's cell, with changes to its ``cell.json`` and tables, and loads it."""
    count = iter(range(99))

    def edit(toy: int, name: str, info: dict[str, Any] | None = None, **tables: Any) -> Cell:
        folder = builder.cell(tmp_path / f"cell{next(count)}", TOYS[toy], name, 0)
        content = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
        for key, value in (info or {}).items():
            content[key] = {**content[key], **value} if isinstance(value, dict) else value
        (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
        for table, change in tables.items():
            file = folder / f"{table}.parquet"
            change(pd.read_parquet(file)).to_parquet(file)
        if "landscape" in tables and "anytime" not in tables:  # whose rows are those of the landscape
            (folder / "anytime.parquet").unlink()
        return Cell.load(folder)

    return edit


QUICKLY_TRIED = ("starts at its minimum",)  # a report takes seconds: of the others the slow tests write one


@pytest.fixture(params=[name if name in QUICKLY_TRIED else pytest.param(name, marks=pytest.mark.slow) for name in FLAT])
def flat_record(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A small record of a healthy problem and of one that is flat."""
    builder = Builder(grid=(5, 4), seeds=3, trials=6)
    return builder.record(tmp_path / "record", (TOYS[0], FLAT[request.param]), ("sgd", "rmsprop"))
