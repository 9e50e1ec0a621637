"""Curvature along runs, and what it says of the learning rate at which training stops getting anywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from analysis.measures.predicted_boundary import by_optimizer, edge_ratios, within
from analysis.measures.stability import row_boundary
from analysis.record.exhibits.curvature import CURVATURE, CurvatureFacts
from analysis.record.outcome import Outcome
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.exhibits.hessian import (
    TOGETHER,
    critical_rates,
    full_gradient,
    largest_eigenvalue,
    require_gradients,
)
from benchmarks.exhibits.linearised import stability_limit, upcoming
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import make_optimizer, make_problem
from benchmarks.suite.settings import Count
from optimizers import OptimizerSpec, Rule
from optimizers.rule import State
from problems import Problem

__all__ = ["Curvature", "rule_named"]

DECADES: Final = ((-2.0, 3.0), (-7.0, 7.0))
"""Where the boundary is sought, in decades from the rate that curvature predicts: where most are, then far and wide."""

EACH_DECADE: Final = 12
"""Rates a decade of that search, and of the finer one between the two at the boundary for each of these."""

MOST: Final = 61
"""Rates of the finer search, where seeds disagree by decades."""


SECONDS_A_PAIR: Final = 1.0
PRODUCTS: Final = 3.0
"""Gradients that the products of one iteration cost, of the Hessian and of the preconditioned one."""

UNSCALED: Final = 1e-9
"""How far from 1 a preconditioner may be and still be none."""


@dataclass(frozen=True)
class _Pair:
    """One rule on one problem: the configuration that is trained, at its default values but for lr."""

    problem: Problem
    on: str
    optimizer: str
    rule: Rule
    values: Mapping[str, float]
    seeds: Sequence[int]
    steps: int
    curved: bool

    def training(self, evaluate_every: Sequence[int] | None = None) -> Training:
        kept = evaluate_every is not None
        return Training(
            self.problem, self.rule, self.seeds, self.steps, evaluate_every, keep_path=kept, keep_updates=kept
        )


@dataclass(frozen=True)
class _Measured:
    """What is known at points ``[..., P]`` of the step about to be taken, each ``[...]``; NaN where it is not."""

    sharpness: Tensor
    preconditioned: Tensor
    critical: Tensor
    residual: Tensor
    passes: int


class Curvature(Question):
    """The curvature of the problems ``on`` along runs of the ``optimizers``, and how far each is from divergence.

    Runs are on ``seeds`` seeds (one where seeds change nothing), of ``steps`` steps, at these ``shares`` of the largest
    stable rate, measured at about ``evaluations`` of their steps. ``iterations`` are products with the Hessian for an
    eigenvalue.
    """

    name = "curvature"
    seconds = 50.0

    on: list[str] = ["ellipse", "rosenbrock", "quadratic(dim=20)", "breast-cancer", "two-spirals"]
    optimizers: list[str] = ["sgd", "momentum", "adagrad", "rmsprop", "adam"]
    seeds: Count = 2
    steps: Count = 200
    evaluations: Annotated[Count, Field(le=100)] = 10
    shares: list[Annotated[float, Field(gt=0, le=1)]] = [0.1, 0.9]
    iterations: Annotated[Count, Field(le=1000)] = 20

    def problems(self, data: Path | None) -> list[Problem]:
        problems = [make_problem(name, data) for name in self.on]
        for problem in problems:
            require_gradients(problem)
        for name in self.optimizers:
            rule_named(name, "curvature")
        return problems

    def estimate(self, data: Path | None) -> float:
        """From the time of a gradient of each problem at its start."""
        lanes, each = (self.evaluations + 1) * len(self.shares) * self.seeds, 0.0
        for problem in self.problems(data):
            x = problem.start([1]).double().expand(TOGETHER, -1)
            full_gradient(problem, x)  # loads the data
            gradient = min(_seconds(problem, x) for _ in range(3)) / TOGETHER
            each += SECONDS_A_PAIR + lanes * self.iterations * PRODUCTS * gradient
        return each * len(self.optimizers)

    def answer(self, data: Path | None) -> Answer:
        boundaries, runs, passes, residuals = [], [], list[int](), list[float]()
        for name, problem in zip(self.on, self.problems(data), strict=True):
            curved = require_gradients(problem)
            seeds = [1] if problem.deterministic else list(range(1, 1 + self.seeds))
            for optimizer in self.optimizers:
                spec = rule_named(optimizer, "curvature")
                rule = Training(problem, spec, seeds, 1).rule
                values = dict(spec.default_values)
                pair = _Pair(problem, name, optimizer, rule, values, seeds, self.steps, curved)
                found, start = self._boundary(pair)
                boundaries.append(found)
                along, measured = self._runs(pair, found)
                runs.append(along)
                passes += [each.passes for each in (start, *measured)]
                residuals += [_largest(each.residual / each.sharpness.abs()) for each in (start, *measured)]
        tables = {
            "boundary": pd.concat(boundaries, ignore_index=True),
            "runs": pd.concat([of for of in runs if len(of)] or runs[:1], ignore_index=True),
        }
        facts = CurvatureFacts(
            problems=tuple(self.on),
            optimizers=tuple(self.optimizers),
            measured_over_predicted=by_optimizer(tables["boundary"], "predicted_lr"),
            measured_over_critical=by_optimizer(tables["boundary"], "critical_lr"),
            within_twice=within(tables["boundary"], "predicted_lr", 2.0),
            pairs=len(self.on) * len(self.optimizers),
            at_the_edge=edge_ratios(tables["runs"]),
            forward_passes=float(np.median(passes)),
            largest_residual=float(np.nanmax([*residuals, 0.0])),
        )
        return Answer(tables, facts, self._method())

    def _boundary(self, pair: _Pair) -> tuple[pd.DataFrame, _Measured]:
        """The predicted and the measured boundary of every seed, a row each; and what was measured at the start."""
        x = pair.problem.start(pair.seeds).double()
        start = _measured(pair, x, pair.rule.init(x), pair.values["lr"], 0, self.iterations)
        limit = math.nan
        if bool(start.preconditioned.isfinite().any()):
            limit = stability_limit(pair.rule, pair.values, pair.steps)
        predicted = torch.where(start.preconditioned > 0, limit / start.preconditioned, math.nan)
        critical = 2 / start.critical
        largest, first = _stable_between(pair, predicted, critical)
        table = pd.DataFrame(
            {
                "problem": pair.on,
                "optimizer": pair.optimizer,
                "seed": pair.seeds,
                "sharpness": start.sharpness.numpy(),
                "preconditioned": start.preconditioned.numpy(),
                "limit": limit,
                "predicted_lr": predicted.numpy(),
                "critical_lr": critical.numpy(),
                "largest_stable_lr": largest,
                "first_unstable_lr": first,
                "measured_lr": np.where(np.isfinite(first), np.sqrt(largest * first), np.nan),
                "steps": pair.steps,
            }
        )
        return table, start

    def _runs(self, pair: _Pair, boundary: pd.DataFrame) -> tuple[pd.DataFrame, list[_Measured]]:
        """The curvature along runs at every share of the largest stable rate, a row an evaluation."""
        stable = float(boundary["largest_stable_lr"].min())
        if not math.isfinite(stable):
            return pd.DataFrame(columns=list(CURVATURE.tables["runs"])), []
        rates = torch.tensor([share * stable for share in self.shares], dtype=torch.float64)
        at = sorted({round(step) for step in np.geomspace(1, pair.steps, self.evaluations)})
        trace = train(pair.training(at), {**pair.values, "lr": rates})
        assert trace.path is not None
        assert trace.state is not None
        limit, rows, measured = float(boundary["limit"].iloc[0]), [], []
        for place, step in enumerate(trace.step.tolist()):
            state = {name: value[:, :, place] for name, value in trace.state.items()}
            found = _measured(pair, trace.path[:, :, place], state, rates.view(-1, 1, 1), step, self.iterations)
            measured.append(found)
            columns = {
                "loss": trace.loss[..., place],
                "sharpness": found.sharpness,
                "preconditioned": found.preconditioned,
                "critical": found.critical,
            }
            lr = rates.repeat_interleave(len(pair.seeds)).numpy()
            row = pd.DataFrame(
                {
                    "problem": pair.on,
                    "optimizer": pair.optimizer,
                    "share": np.repeat(self.shares, len(pair.seeds)),
                    "lr": lr,
                    "seed": np.tile(pair.seeds, len(rates)),
                    "step": step,
                    **{name: value.flatten().numpy() for name, value in columns.items()},
                    "limit_over_lr": limit / lr,
                }
            )
            rows.append(row.assign(edge=row["preconditioned"] / row["limit_over_lr"]))
        return pd.concat(rows), measured

    def _method(self) -> list[str]:
        return [
            f"Largest eigenvalues of the Hessian of the full-data loss by Lanczos's method, {self.iterations} products "
            "with it at most, in double precision; preconditioned ones of P⁻¹H, P being what divides the gradient in "
            "the step about to be taken, read off the rule itself.",
            "Critical sharpness: 2/η, η being the rate at which a step along the rule's own direction begins to raise "
            "the full-data loss (Kalra et al. 2026), by forward passes alone, to 1%.",
            "Each rule's limit is measured on the rule: the largest lr × curvature with which it settles on a parabola "
            "while its P is held.",
            f"A rate is stable where a run of {self.steps} steps finishes and ends no higher than it started; the "
            "boundary is the end of the unbroken stable rates, within "
            f"{100 * (10 ** (1 / EACH_DECADE**2) - 1):.2g}%. Predicted from the start alone: limit / eigenvalue of "
            "P⁻¹H, P that of the first step. All hyperparameters but lr are at their defaults.",
            f"Runs on {self.seeds} seeds, one where seeds change nothing; of a pair the median over seeds counts.",
        ]


def rule_named(name: str, question: str) -> OptimizerSpec:
    """The optimizer called ``name``, if its state is known.

    Raises `UsageError` for one that keeps its state to itself, or is judged elsewhere than where it steps.
    """
    spec = make_optimizer(name)
    ours = "one of the suite's own rules, as rmsprop or adam, can answer"
    if not isinstance(spec, OptimizerSpec):
        raise UsageError(f"{question} cannot be asked of {name!r}, for a foreign optimizer keeps its state; {ours}")
    if _is_judged_elsewhere(spec.rule):
        raise UsageError(
            f"{question} cannot be asked of {name!r}, which is judged by an average of its path; "
            f"{ours.replace('own rules', 'rules that is judged where it steps from')}"
        )
    return spec


def _is_judged_elsewhere(rule: Rule) -> bool:
    """Whether runs of ``rule`` are judged at another point than where they stand, after a step away from the start."""
    x = torch.zeros(2, dtype=torch.float64)
    hp = rule.defaults()
    bound = rule.bound([(2,)])
    state = bound.init(x)
    for t in (1, 2):
        bound.step_(x, torch.ones_like(x), state, hp, t)
    return not torch.equal(bound.shown(x, state), x)


def _measured(pair: _Pair, x: Tensor, state: State, lr: float | Tensor, step: int, iterations: int) -> _Measured:
    """What is known at ``x [..., S, P]`` of the step after ``step`` updates, under the full-data gradient."""
    ahead = upcoming(pair.rule, x, full_gradient(pair.problem, x), state, {**pair.values, "lr": lr}, step + 1)
    rate = torch.as_tensor(lr, dtype=torch.float64).expand(*x.shape[:-1], 1).squeeze(-1)
    found = critical_rates(pair.problem, x, ahead.direction, rate)
    none = torch.full_like(rate, math.nan)
    if not pair.curved:
        return _Measured(none, none, 2 / found.rate, none, found.passes)
    plain = largest_eigenvalue(pair.problem, x, None, iterations)
    if ahead.scale is None:
        return _Measured(plain.value, none, 2 / found.rate, plain.residual, found.passes)
    plainly = bool((ahead.scale - 1).abs().max() < UNSCALED)
    scaled = plain if plainly else largest_eigenvalue(pair.problem, x, ahead.scale, iterations)
    return _Measured(plain.value, scaled.value, 2 / found.rate, plain.residual, found.passes)


def _stable_between(pair: _Pair, predicted: Tensor, critical: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The largest stable rate ``[S]`` of each seed and the first unstable one above it (inf: none was found)."""
    known = torch.cat([predicted[predicted.isfinite()], critical[critical.isfinite() & (critical > 0)]])
    middle = float(known[:1].log10()) if len(known) else math.log10(pair.values["lr"])
    for low, high in DECADES:
        count = round((high - low) * EACH_DECADE) + 1
        rates = torch.logspace(middle + low, middle + high, count, dtype=torch.float64)
        largest, first = _row_boundaries(pair, rates)
        inside = np.isfinite(largest) & np.isfinite(first)
        if inside.all():
            break
    if not inside.any():
        return largest, first
    ends = math.log10(largest[inside].min()), math.log10(first[inside].max())
    finer = torch.logspace(*ends, min(round((ends[1] - ends[0]) * EACH_DECADE**2) + 1, MOST), dtype=torch.float64)
    fine_largest, fine_first = _row_boundaries(pair, finer)
    kept = inside & np.isfinite(fine_largest) & np.isfinite(fine_first)
    return np.where(kept, fine_largest, largest), np.where(kept, fine_first, first)


def _row_boundaries(pair: _Pair, rates: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The two rates ``[S]`` between which each seed stops being stable among ``rates``, rising."""
    trace = train(pair.training(), {**pair.values, "lr": rates})
    stable = ((trace.status == int(Outcome.FINISHED)) & (trace.final_loss <= trace.loss[..., 0])).numpy()
    found = [row_boundary(rates.numpy(), of) for of in stable.T]
    largest, first = zip(*found, strict=True)
    return np.array(largest), np.array(first)


def _seconds(problem: Problem, x: Tensor) -> float:
    """Processor time of a gradient, which does not count who else is at work."""
    began = time.process_time()
    full_gradient(problem, x)
    return time.process_time() - began


def _largest(values: Tensor) -> float:
    known = values[values.isfinite()]
    return float(known.max()) if len(known) else 0.0
