"""Effective learning rates: how far each coordinate moves for its gradient, for its weight, and amid which noise."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from analysis.measures.effective_steps import at_the_end, noise_scales
from analysis.record.exhibits.effective_rates import EffectiveRatesFacts
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.curvature import rule_named
from benchmarks.exhibits.gradient_noise import gradient_noise
from benchmarks.exhibits.hessian import require_gradients
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import make_problem
from benchmarks.suite.settings import Count
from optimizers import Rule
from optimizers.rule import Value
from problems import Problem

__all__ = ["EffectiveRates", "effective_steps"]

FEW: Final = 10
"""Steps by which the time is estimated."""

SECONDS_A_PAIR: Final = 0.3
STATES: Final = 1.0
"""What an update of these optimizers costs beside gradient descent's, with all that is looked at."""

QUANTILES: Final = {"low": 0.05, "middle": 0.5, "high": 0.95}
"""Of the effective steps over coordinates, by the end of their column's name."""


class EffectiveRates(Question):
    """What updates of the ``optimizers`` come to on the problems ``on``, at the best of ``rates`` learning rates.

    Runs of ``steps`` steps on ``seeds`` seeds (one where seeds change nothing) are looked at about ``evaluations``
    times; the noise of gradients is estimated from ``draws`` batches each time.
    """

    name = "effective-rates"
    seconds = 20.0

    on: list[str] = ["quadratic(dim=20)", "breast-cancer", "two-spirals"]
    optimizers: list[str] = ["sgd", "momentum", "adagrad", "rmsprop", "adam"]
    seeds: Count = 3
    steps: Count = 300
    evaluations: Annotated[Count, Field(le=1000)] = 12
    rates: Annotated[Count, Field(ge=2, le=1000)] = 25
    draws: Annotated[Count, Field(ge=2, le=100_000)] = 64

    def problems(self, data: Path | None) -> list[Problem]:
        for name in self.optimizers:
            rule_named(name, "effective-rates")
        problems = [make_problem(name, data) for name in self.on]
        for problem in problems:
            require_gradients(problem)
        return problems

    def estimate(self, data: Path | None) -> float:
        """From the time of one update of all learning rates on each problem."""
        each = 0.0
        for problem in self.problems(data):
            lrs = {"lr": torch.full((self.rates,), 1e-6, dtype=torch.float64)}
            training = Training(problem, rule_named("sgd", self.name), list(range(self.seeds)), FEW)
            train(training, lrs)  # draws the data
            began = time.process_time()  # which does not count who else is at work
            train(training, lrs)
            each += SECONDS_A_PAIR + (time.process_time() - began) / FEW * self.steps * STATES
        return each * len(self.optimizers)

    def answer(self, data: Path | None) -> Answer:
        rows = [
            row
            for name, problem in zip(self.on, self.problems(data), strict=True)
            for row in self._of_problem(problem, name)
        ]
        table = pd.concat(rows, ignore_index=True)
        lrs = table.drop_duplicates(["problem", "optimizer"])
        facts = EffectiveRatesFacts(
            problems=tuple(self.on),
            optimizers=tuple(self.optimizers),
            lrs=dict(zip(lrs["problem"] + " " + lrs["optimizer"], lrs["lr"].tolist(), strict=True)),
            over_lr=at_the_end(table.assign(over=table["step_middle"] / table["lr"]), "over"),
            apart=at_the_end(table.assign(apart=table["step_high"] / table["step_low"]), "apart"),
            update_ratio=at_the_end(table, "update_ratio"),
            noise_scale=noise_scales(table),
        )
        return Answer({"rates": table}, facts, self._method())

    def _of_problem(self, problem: Problem, name: str) -> list[pd.DataFrame]:
        """The rows of every optimizer on one problem."""
        seeds = [1] if problem.deterministic else list(range(1, 1 + self.seeds))
        steps = sorted({round(step) for step in np.geomspace(1, self.steps, self.evaluations)})
        seen = sorted({at for step in steps for at in (step - 1, step)})
        rows, points = [], []
        for optimizer in self.optimizers:
            spec = rule_named(optimizer, "effective-rates")
            knob = next(knob for knob in spec.hyperparameters if knob.name == "lr")
            grid = torch.tensor(knob.grid(self.rates), dtype=torch.float64)
            ends = train(Training(problem, spec, seeds, self.steps), {"lr": grid}).final_loss
            lr = float(grid[int(ends.nan_to_num(torch.inf).amax(-1).argmin())])
            values = {**spec.default_values, "lr": lr}
            training = Training(problem, spec, seeds, self.steps, seen, keep_path=True, keep_updates=True)
            trace = train(training, values)
            assert trace.path is not None
            places = [trace.step.tolist().index(step) for step in steps]
            points.append(trace.path[0][:, places].transpose(0, 1))  # [E, S, P]
            rows.append(_updates(training.rule, trace, values, steps, seeds).assign(problem=name, optimizer=optimizer))
        noise = gradient_noise(problem, torch.stack(points), seeds, self.steps, self.draws)
        columns = {
            "gradient": noise.signal,
            "gradient_noise": noise.noise,
            "signal_to_noise": noise.ratio,
            "coordinate_signal_to_noise": noise.coordinate_ratio,
            "noise_scale": noise.scale,
        }
        return [
            row.assign(**{key: value[place].flatten().numpy() for key, value in columns.items()}, batch=noise.batch)
            for place, row in enumerate(rows)
        ]

    def _method(self) -> list[str]:
        return [
            f"Each optimizer trains at the best of {self.rates} learning rates over its range, by the worst final loss "
            f"over {self.seeds} seeds (one where seeds change nothing); all else about it is at its defaults.",
            "Effective step: the length of a coordinate's step over that of its gradient, computed anew in double "
            "precision from the gradient and the state that the run had; quantiles over coordinates with a gradient. "
            "Update over weights: |Δx| / |x|, all that the update did to x.",
            f"Gradient noise from {self.draws} batches that the runs have not seen: √tr Σ of a batch's gradient beside "
            "|G| of all data, and the simple noise scale tr Σ / |G|² of one example (McCandlish et al. 2018).",
        ]


def _updates(
    rule: Rule, trace: Trace, hp: Mapping[str, Value], steps: Sequence[int], seeds: Sequence[int]
) -> pd.DataFrame:
    """What the updates that led to each of ``steps`` came to, a row a step and seed, seeds fastest."""
    assert trace.path is not None
    assert trace.gradient is not None
    assert trace.state is not None
    at = {step: place for place, step in enumerate(trace.step.tolist())}
    rows = []
    for step in steps:
        before, after = (trace.path[0, :, at[which]].double() for which in (step - 1, step))
        state = {name: value[0, :, at[step - 1]].double() for name, value in trace.state.items()}
        moved = effective_steps(rule, before, trace.gradient[0, :, at[step]].double(), state, hp, step)
        quantiles = {f"step_{end}": _quantile(moved, share).numpy() for end, share in QUANTILES.items()}
        rows.append(
            pd.DataFrame(
                {
                    "lr": hp["lr"],
                    "seed": seeds,
                    "step": step,
                    "loss": trace.loss[0, :, at[step]].numpy(),
                    "update_ratio": ((after - before).norm(dim=-1) / before.norm(dim=-1)).numpy(),
                    **quantiles,
                }
            ).replace({"update_ratio": np.inf}, np.nan)
        )
    return pd.concat(rows)


def effective_steps(
    rule: Rule, x: Tensor, g: Tensor, state: Mapping[str, Tensor], hp: Mapping[str, Value], t: int
) -> Tensor:
    """|stepᵢ| / |gᵢ| of every coordinate ``[..., P]`` in step ``t`` from ``x``, NaN where its gradient is 0.

    Gradient descent's is lr. Decoupled weight decay, which is no answer to a gradient, is left out; ``state`` is only
    read.
    """
    step = rule.step_at(x, g, {name: value.clone() for name, value in state.items()}, hp, t)
    return torch.where(g == 0, torch.nan, step.abs() / g.abs())


def _quantile(values: Tensor, share: float) -> Tensor:
    """The quantile over the last axis of what is finite; an entry that occurred."""
    return values.nanquantile(share, dim=-1, interpolation="nearest")
