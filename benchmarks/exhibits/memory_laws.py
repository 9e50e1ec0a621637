"""How the best memory of squared gradients changes with batch size and horizon, the learning rate tuned out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from analysis.measures.memory_laws import EACH, EXPONENTS, SWEEPS, Sweep, law_gammas, memories, memory_verdict
from analysis.measures.scaling import Places, exponent, judge, places, tuned_out
from analysis.record.exhibits.memory_laws import MemoryLawsFacts
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate
from benchmarks.errors import UsageError
from benchmarks.exhibits.question import Answer, Question, rising
from benchmarks.exhibits.scaled import check_parameter, floor_of, grid_of, losses_at, seconds_of, varied
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer
from benchmarks.suite.settings import FIRST_LANDSCAPE_SEED, Count
from problems import Problem

__all__ = ["MemoryLaws", "knob_of"]

KNOBS: Final = ("gamma", "beta2")
"""What optimizers call the memory of squared gradients."""

Gamma = Annotated[float, Field(gt=0, lt=1)]
Point = tuple[int, int]
"""A batch size and a horizon."""


@dataclass(frozen=True, eq=False)
class Swept:
    """The losses ``[K, S, G, L]`` along one sweep, at ``points`` ``[K]``; ``x`` ``[K]`` is what grows."""

    sweep: Sweep
    points: list[Point]
    losses: Array

    @property
    def x(self) -> Array:
        """What grows."""
        return np.array([steps if self.sweep == "horizon" else batch for batch, steps in self.points], dtype=np.float64)


class MemoryLaws(Question):
    """Maps memory × lr at every one of ``batches`` and ``horizons`` on the problems ``on``, and judges two laws.

    Batches are compared at equal steps, the longest horizon, and at equal samples, those of the smallest batch over the
    longest horizon; horizons at the batch size in the middle of ``batches``.
    """

    name = "memory-laws"
    seconds = 60.0

    on: list[str] = Field(default=["noisy-quadratic(dim=20)", "digits-mlp"], min_length=1)
    optimizers: list[str] = Field(default=["rmsprop", "rmsprop-corrected", "adam"], min_length=1)
    seeds: Count = 8
    batches: list[Count] = Field(default=[8, 16, 32, 64], min_length=1)
    horizons: list[Count] = Field(default=[32, 64, 128, 256], min_length=1)
    gammas: list[Gamma] = Field(default=[0.5, 0.75, 0.87, 0.94, 0.97, 0.984, 0.992, 0.996, 0.998], min_length=3)
    lrs: list[Annotated[float, Field(gt=0)]] = Field(
        default=[0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32], min_length=1
    )

    _rising = field_validator("batches", "horizons", "gammas", "lrs")(rising)

    def problems(self, data: Path | None) -> list[Problem]:
        for optimizer in self.optimizers:
            knob_of(make_optimizer(optimizer))
        for name in self.on:
            check_parameter(name, ("batch",), "batch size", self.name)
        return [varied(name, data, batch=batch) for name in self.on for batch in self.batches]

    def estimate(self, data: Path | None) -> float:
        found = 0.0
        for name in self.on:
            for optimizer in map(make_optimizer, self.optimizers):
                grid = grid_of(**{knob_of(optimizer): self.gammas, "lr": self.lrs})
                for batch in self.batches:
                    looks = [*self.horizons, self._steps(batch)]
                    found += seconds_of(varied(name, data, batch=batch), optimizer, grid, self._seeds, looks)
        return found

    def answer(self, data: Path | None) -> Answer:
        self.problems(data)
        maps, best, fits, verdicts = [], [], [], []
        for name in self.on:
            for optimizer in self.optimizers:
                labels = {"problem": name, "optimizer": optimizer}
                floor, losses = self._measured(name, make_optimizer(optimizer), data)
                knob = knob_of(make_optimizer(optimizer))
                maps += self._map_rows({**labels, "knob": knob}, floor, losses)
                told: dict[Sweep, Estimate] = {}
                for sweep in SWEEPS:
                    swept = self._swept(sweep, losses)
                    at = np.log10(memories(sweep, np.array(self.gammas)))
                    found = places(at, swept.losses, floor, np.log10(self.lrs))
                    best += _best_rows(labels, swept, found)
                    row, estimate = self._fit_row(labels, swept, found)
                    fits.append(row)
                    if estimate is not None:
                        told[sweep] = estimate
                verdict = memory_verdict(told)
                inside = ", ".join(verdict.inside)
                verdicts.append({**labels, "verdict": verdict.word, "inside": inside, "why": verdict.why})
        tables = {
            "map": pd.DataFrame(maps),
            "best": pd.DataFrame(best),
            "fits": pd.DataFrame(fits),
            "verdicts": pd.DataFrame(verdicts),
        }
        words = {
            name: {str(row["optimizer"]): str(row["verdict"]) for row in verdicts if row["problem"] == name}
            for name in self.on
        }
        facts = MemoryLawsFacts(tuple(self.on), tuple(self.optimizers), self.seeds, words)
        return Answer(tables, facts, self._method())

    @property
    def _seeds(self) -> range:
        return range(FIRST_LANDSCAPE_SEED, FIRST_LANDSCAPE_SEED + self.seeds)

    @property
    def _samples(self) -> int:
        """What is equal at equal samples: the smallest batch over the longest horizon."""
        return self.batches[0] * self.horizons[-1]

    def _steps(self, batch: int) -> int:
        """The updates of ``batch`` rows that see `_samples`."""
        return max(1, round(self._samples / batch))

    def _measured(self, name: str, optimizer: AnyOptimizer, data: Path | None) -> tuple[float, dict[Point, Array]]:
        """The floor, and the losses ``[S, G, L]`` at every batch size and horizon that is looked at."""
        grid = grid_of(**{knob_of(optimizer): self.gammas, "lr": self.lrs})
        found: dict[Point, Array] = {}
        for batch in self.batches:
            problem = varied(name, data, batch=batch)
            floor = floor_of(problem)
            looks = {*self.horizons, self._steps(batch)}
            for steps, losses in losses_at(problem, optimizer, grid, self._seeds, looks).items():
                found[batch, steps] = losses.reshape(self.seeds, len(self.gammas), len(self.lrs))
        return floor, found

    def _swept(self, sweep: Sweep, losses: Mapping[Point, Array]) -> Swept:
        middle = self.batches[len(self.batches) // 2]
        points = {
            "equal samples": [(batch, self._steps(batch)) for batch in self.batches],
            "equal steps": [(batch, self.horizons[-1]) for batch in self.batches],
            "horizon": [(middle, steps) for steps in self.horizons],
        }[sweep]
        return Swept(sweep, points, np.stack([losses[point] for point in points]))

    def _map_rows(self, labels: Mapping[str, str], floor: float, losses: Mapping[Point, Array]) -> list[dict[str, Any]]:
        rows = []
        for (batch, steps), runs in losses.items():
            gaps = runs.mean(axis=0) - floor  # [G, L]
            chosen, values = np.argmin(gaps, axis=-1), tuned_out(gaps.clip(max=1e300), np.log10(self.lrs))
            for place, gamma in enumerate(self.gammas):
                at = int(chosen[place])
                where = {"batch": batch, "steps": steps, "memory": gamma, "lr": self.lrs[at]}
                edge = len(self.lrs) > 1 and at in (0, len(self.lrs) - 1)
                rows.append(
                    {
                        **labels,
                        **where,
                        "lr_edge": edge,
                        "gap": float(values[place]) if np.isfinite(gaps[place, at]) else np.inf,
                        "seeds": self.seeds,
                    }
                )
        return rows

    def _fit_row(
        self, labels: Mapping[str, str], swept: Swept, found: Places
    ) -> tuple[dict[str, Any], Estimate | None]:
        fitted = exponent(found, np.log10(swept.x), EACH)
        estimate, misfit = (None, np.nan) if fitted is None else fitted
        used = int(found.told.sum())
        values = {law: says[swept.sweep] for law, says in EXPONENTS.items()}
        censored = len(swept.points) - used
        row = {
            **labels,
            "sweep": swept.sweep,
            "told": "window" if swept.sweep == "horizon" else "half-life",
            "exponent": np.nan if estimate is None else estimate.value,
            "low": np.nan if estimate is None else estimate.low,
            "high": np.nan if estimate is None else estimate.high,
            "misfit": misfit,
            "used": used,
            "censored": censored,
            "verdict": judge(estimate, _distinct(values), censored).word,
            "seeds": self.seeds,
        }
        return row, estimate

    def _method(self) -> list[str]:
        middle = self.batches[len(self.batches) // 2]
        return [
            f"At every batch size a grid of {len(self.gammas)} memories × {len(self.lrs)} learning rates is trained on "
            f"{self.seeds} seeds, and looked at after {', '.join(map(str, self.horizons))} steps: no schedule tells a "
            "run how long it will be. At each memory the lowest mean gap over learning rates counts.",
            "It and the best memory are read between grid points by parabolas through the logarithm of the gap; "
            "intervals resample the seeds. A best memory at an end of the grid is left out.",
            f"Batch sizes are compared at equal steps ({self.horizons[-1]}) and at equal samples ({self._samples}), "
            f"horizons at batch {middle}. The exponent is that of the half-life over the batch size, and of the window "
            "1 / (1 − γ) over the horizon.",
        ]


def knob_of(optimizer: AnyOptimizer) -> str:
    """The name of an optimizer's memory of squared gradients; raises `UsageError` that says which have one."""
    known = [knob.name for knob in optimizer.hyperparameters]
    for knob in KNOBS:
        if knob in known:
            return knob
    having = [spec.name for spec in OPTIMIZERS.loaded if {knob.name for knob in spec.hyperparameters} & set(KNOBS)]
    raise UsageError(
        f"memory-laws: the optimizer {optimizer.name!r} has no memory gamma or beta2; those that have one are "
        f"{', '.join(having)}"
    )


def _distinct(values: Mapping[str, float]) -> dict[str, float]:
    """Laws by exponent, those that say the same under one name."""
    by_value: dict[float, list[str]] = {}
    for law, value in values.items():
        by_value.setdefault(value, []).append(law)
    return {" or ".join(laws): value for value, laws in by_value.items()}


def _best_rows(labels: Mapping[str, str], swept: Swept, found: Places) -> list[dict[str, Any]]:
    """A row a place of a sweep."""

    def gamma(place: float) -> float:
        return float(law_gammas(swept.sweep, np.array(10.0**place)))

    return [
        {
            **labels,
            "sweep": swept.sweep,
            "batch": batch,
            "steps": steps,
            "x": int(swept.x[k]),
            "memory": gamma(found.best[k]),
            "low": gamma(found.low[k]),
            "high": gamma(found.high[k]),
            "steps_back": float(10.0 ** found.best[k]),
            "edge": float(found.edge[k]),
            "flat_low": gamma(found.flat_low[k]),
            "flat_high": gamma(found.flat_high[k]),
            "gap": float(found.value[k]),
        }
        for k, (batch, steps) in enumerate(swept.points)
    ]
