"""How the best learning rate changes with batch size, horizon and width, and which published law that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator

from analysis.measures.batch_laws import LAWS, choose_law
from analysis.measures.rate_laws import RATE_EXPONENTS, RATE_SWEEPS, RateSweep
from analysis.measures.scaling import Places, exponent, judge, places
from analysis.record.exhibits.scale_laws import ScaleLawsFacts
from analysis.statistics.arrays import Array
from benchmarks.errors import UsageError
from benchmarks.exhibits.question import Answer, Question, rising
from benchmarks.exhibits.scaled import floor_of, grid_of, losses_at, parameter_of, problems_with, seconds_of, varied
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.registry import make_optimizer, make_problem, parse_call
from benchmarks.suite.settings import FIRST_LANDSCAPE_SEED, Count
from optimizers import Rule
from problems import Problem
from problems.quadratic import NoisyQuadratic

__all__ = ["ScaleLaws", "exact_rate", "mup_of"]

WIDTHS: Final = ("hidden", "width", "filters", "channels")
"""What problems call the width of their network."""

FEWEST_STEPS: Final = 8
"""At equal samples, a batch size that leaves fewer steps than this is left out."""


@dataclass(frozen=True, eq=False)
class Swept:
    """The losses ``[K, S, L]`` along one sweep, after ``steps`` ``[K]``, ``x`` ``[K]`` what grows."""

    sweep: RateSweep
    parametrization: str
    x: Array
    steps: Sequence[int]
    losses: Array
    floor: float
    exact: Array
    """Best learning rates ``[K]`` in closed form, NaN where none is known."""


class ScaleLaws(Question):
    """Tries a grid of learning rates, ``per_decade`` over each optimizer's own range, at every one of ``batches``,
    ``horizons`` and ``widths`` on the problems ``on``; of ``sweeps``, each problem answers those it has parameters for.
    """

    name = "scale-laws"
    seconds = 90.0

    on: list[str] = Field(default=["noisy-quadratic(dim=20)", "digits-mlp"], min_length=1)
    optimizers: list[str] = Field(default=["sgd", "rmsprop", "adam"], min_length=1)
    sweeps: list[RateSweep] = Field(default=list(RATE_SWEEPS), min_length=1)
    seeds: Count = 4
    batches: list[Count] = Field(default=[4, 8, 16, 32, 64, 128], min_length=1)
    horizons: list[Count] = Field(default=[8, 16, 32, 64], min_length=1)
    widths: list[Count] = Field(default=[8, 16, 32, 64, 128], min_length=1)
    lrs: list[Annotated[float, Field(gt=0)]] = []
    """The learning rates of every optimizer, in place of its own range."""
    per_decade: Count = 5

    _rising = field_validator("batches", "horizons", "widths", "lrs")(rising)

    def problems(self, data: Path | None) -> list[Problem]:
        for optimizer in self.optimizers:
            make_optimizer(optimizer)
        found = []
        for name in self.on:
            answered = self._answered(name)
            if not answered:
                what, names = ("width", WIDTHS) if "width" in self.sweeps else ("batch size", ("batch",))
                having = ", ".join(problems_with(names))
                raise UsageError(f"{self.name}: the problem {name!r} has no {what}; those that have one are {having}")
            if any(sweep.startswith("batch") for sweep in answered):
                found += [varied(name, data, batch=batch) for batch in self.batches]
            if "horizon" in answered:
                found.append(make_problem(name, data))
            if "width" in answered:
                found += [
                    varied(name, data, **{self._width(name): width}, **_kind(name, kind))
                    for kind in self._kinds(name)
                    for width in self.widths
                ]
        return found

    def estimate(self, data: Path | None) -> float:
        found, longest = 0.0, self.horizons[-1]
        for optimizer in map(make_optimizer, self.optimizers):
            grid = grid_of(lr=self._rates(optimizer).tolist())
            found += sum(seconds_of(each, optimizer, grid, self._seeds, [longest]) for each in self.problems(data))
        return found

    def answer(self, data: Path | None) -> Answer:
        self.problems(data)
        curves, best, fits, laws = [], [], [], []
        for name in self.on:
            for called in self.optimizers:
                optimizer = make_optimizer(called)
                rates = self._rates(optimizer)
                for swept in self._swept(name, optimizer, rates, data):
                    labels = {"problem": name, "optimizer": called, "sweep": swept.sweep}
                    kind = {"parametrization": swept.parametrization}
                    found = places(np.log10(rates), swept.losses[..., None], swept.floor)
                    curves += _curve_rows({**labels, **kind}, swept, rates)
                    row, law, shares = _fitted(swept, found)
                    fits.append({**labels, **kind, **row, "seeds": self.seeds})
                    laws += [{**labels, "law": each, "share": share} for each, share in shares.items()]
                    best += _best_rows({**labels, **kind}, swept, found, law)
        tables = {
            "curves": pd.DataFrame(curves),
            "best": pd.DataFrame(best),
            "fits": pd.DataFrame(fits),
            "laws": pd.DataFrame(laws, columns=["problem", "optimizer", "sweep", "law", "share"]),
        }
        known = tables["best"].dropna(subset=["exact"])
        inside = (known["low"] <= known["exact"]) & (known["exact"] <= known["high"])
        without = {name: tuple(sweep for sweep in self.sweeps if sweep not in self._answered(name)) for name in self.on}
        facts = ScaleLawsFacts(
            problems=tuple(self.on),
            optimizers=tuple(self.optimizers),
            seeds=self.seeds,
            steps=self.horizons[-1],
            exact=len(known),
            exact_inside=int(inside.sum()),
            without={name: sweeps for name, sweeps in without.items() if sweeps},
        )
        return Answer(tables, facts, self._method())

    def _answered(self, name: str) -> list[RateSweep]:
        """The sweeps that the problem called ``name`` has parameters for."""
        has = {
            "horizon": True,
            "width": parameter_of(name, WIDTHS) is not None,
            "batch, equal steps": parameter_of(name, ("batch",)) is not None,
            "batch, equal samples": parameter_of(name, ("batch",)) is not None,
        }
        return [sweep for sweep in self.sweeps if has[sweep]]

    @property
    def _seeds(self) -> range:
        return range(FIRST_LANDSCAPE_SEED, FIRST_LANDSCAPE_SEED + self.seeds)

    def _width(self, name: str) -> str:
        return parameter_of(name, WIDTHS) or "hidden"

    def _kinds(self, name: str) -> list[str]:
        """The parametrizations that some optimizer is trained under on the problem called ``name``."""
        own = [mup_of(make_optimizer(each)) for each in self.optimizers]
        return list(dict.fromkeys(kind for each in own for kind in _kinds_of(name, each)))

    def _rates(self, optimizer: AnyOptimizer) -> Array:
        if self.lrs:
            return np.array(self.lrs)
        knob = next((knob for knob in optimizer.hyperparameters if knob.name == "lr"), None)
        if knob is None:
            raise UsageError(f"{self.name}: the optimizer {optimizer.name!r} has no learning rate lr")
        low, high = np.log10([knob.low, knob.high])
        return np.asarray(np.logspace(low, high, 1 + round((high - low) * self.per_decade)))

    def _swept(self, name: str, optimizer: AnyOptimizer, rates: Array, data: Path | None) -> Iterator[Swept]:
        """Every sweep that the problem called ``name`` answers; its longest is trained once for those that share it."""
        grid = grid_of(lr=rates.tolist())
        seeds = self._seeds
        answered, longest = self._answered(name), self.horizons[-1]
        if "horizon" in answered:
            problem = make_problem(name, data)
            losses = losses_at(problem, optimizer, grid, seeds, self.horizons)
            exact = [exact_rate(problem, optimizer, steps) for steps in self.horizons]
            yield _along("horizon", "standard", self.horizons, self.horizons, list(losses.values()), problem, exact)
        batches = [sweep for sweep in answered if sweep.startswith("batch")]
        if batches:
            yield from self._over_batches(name, optimizer, grid, seeds, batches, data)
        if "width" in answered:
            for kind in _kinds_of(name, mup_of(optimizer)):
                found = []
                for width in self.widths:
                    problem = varied(name, data, **{self._width(name): width}, **_kind(name, kind))
                    found.append(losses_at(problem, optimizer, grid, seeds, [longest])[longest])
                steps = [longest] * len(self.widths)
                yield _along("width", kind, self.widths, steps, found, problem, [np.nan] * len(steps))

    def _over_batches(
        self,
        name: str,
        optimizer: AnyOptimizer,
        grid: Mapping[str, torch.Tensor],
        seeds: Sequence[int],
        sweeps: Sequence[RateSweep],
        data: Path | None,
    ) -> Iterator[Swept]:
        longest = self.horizons[-1]
        fewer = {batch: round(self.batches[0] * longest / batch) for batch in self.batches}
        problems = {batch: varied(name, data, batch=batch) for batch in self.batches}
        losses = {
            batch: losses_at(problem, optimizer, grid, seeds, {longest, max(fewer[batch], 1)})
            for batch, problem in problems.items()
        }
        for sweep in sweeps:
            steps = fewer if sweep == "batch, equal samples" else dict.fromkeys(self.batches, longest)
            kept = [batch for batch in self.batches if steps[batch] >= min(FEWEST_STEPS, longest)]
            yield _along(
                sweep,
                "standard",
                kept,
                [steps[batch] for batch in kept],
                [losses[batch][steps[batch]] for batch in kept],
                problems[self.batches[0]],
                [exact_rate(problems[batch], optimizer, steps[batch]) for batch in kept],
            )

    def _method(self) -> list[str]:
        lacking = [
            f"{name} has no parameter to answer for: {'; '.join(missing)}."
            for name in self.on
            if (missing := [sweep for sweep in self.sweeps if sweep not in self._answered(name)])
        ]
        return [
            f"Learning rates, {'listed' if self.lrs else f'{self.per_decade} a decade of the optimizer’s range'}, on "
            f"{self.seeds} seeds; the other hyperparameters are the defaults. The best is that of the lowest mean "
            "gap, read between grid points by a parabola through its logarithm; intervals resample the seeds.",
            f"Batches are compared after {self.horizons[-1]} steps and after as many samples as the smallest batch has "
            f"in them, widths after {self.horizons[-1]} steps.",
            f"Over batches the laws compared are {', '.join(law.name for law in LAWS)}, by Akaike's criterion in every "
            "resample; a law is the verdict that is nearest in nine of ten.",
            *lacking,
        ]


def exact_rate(problem: Problem, optimizer: AnyOptimizer, steps: int) -> float:
    """The learning rate of the lowest expected loss after ``steps``, where that is known in closed form: plain gradient
    descent on the noisy quadratic; else NaN.
    """
    if not isinstance(problem, NoisyQuadratic) or optimizer.name != "sgd":
        return float("nan")
    low, high = 1e-4, 2.0  # beyond 2 the steepest direction diverges
    for _ in range(3):
        rates = np.geomspace(low, high, 81)
        at = int(np.argmin([problem.expected_loss(float(lr), steps) for lr in rates]))
        low, high = rates[max(at - 1, 0)], rates[min(at + 1, 80)]
    return float(rates[at])


def mup_of(optimizer: AnyOptimizer) -> str | None:
    """The maximal update parametrization for an optimizer: for a rule whose first step does not grow with the gradient,
    "mup"; for one whose step doubles with it, "mup-sgd"; None for any other, and for a foreign optimizer.
    """
    if isinstance(optimizer, ForeignSpec):
        return None
    rule, hp, g = optimizer.rule, optimizer.default_values, torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    try:
        one, two = (_first_step(rule, hp, factor * g) for factor in (1.0, 2.0))
    except (RuntimeError, ValueError, AssertionError):  # a rule that must be told matrices or the parameters
        return None
    ratio = float(two.norm() / one.norm())
    return "mup" if abs(ratio - 1) < 0.01 else "mup-sgd" if abs(ratio - 2) < 0.01 else None


def _first_step(rule: Rule, hp: Mapping[str, float], g: torch.Tensor) -> torch.Tensor:
    return rule.update(g, rule.init(torch.zeros_like(g)), dict(hp), 1)


def _kind(name: str, kind: str) -> dict[str, str]:
    """The parameter of the problem called ``name`` that says its parametrization, where it has one."""
    return {"parametrization": kind} if parameter_of(name, ("parametrization",)) else {}


def _kinds_of(name: str, mup: str | None) -> list[str]:
    """The parametrizations of the problem called ``name`` that an optimizer is trained under."""
    if "parametrization" in parse_call(name)[1] or not parameter_of(name, ("parametrization",)) or mup is None:
        return ["standard"]
    return ["standard", mup]


def _along(
    sweep: RateSweep,
    kind: str,
    x: Sequence[int],
    steps: Sequence[int],
    losses: Sequence[Array],
    problem: Problem,
    exact: Sequence[float],
) -> Swept:
    return Swept(
        sweep, kind, np.array(x, dtype=np.float64), steps, np.stack(losses), floor_of(problem), np.array(exact)
    )


def _fitted(swept: Swept, found: Places) -> tuple[dict[str, Any], Array, dict[str, float]]:
    """The row of a fit, its rates ``[K]``, and the share of the resamples where each law over batches is nearest."""
    fitted = exponent(found, np.log10(swept.x))
    estimate, misfit = (None, np.nan) if fitted is None else fitted
    told = found.told
    censored = int((~told).sum())
    verdict = judge(estimate, RATE_EXPONENTS[swept.sweep], censored).word
    curve, law, scale, law_misfit, shares = np.full(swept.x.size, np.nan), "", np.nan, np.nan, dict[str, float]()
    if estimate is not None:
        along = np.log10(swept.x)
        curve = 10 ** (found.best[told].mean() + estimate.value * (along - along[told].mean()))
    choice = choose_law(found, swept.x) if swept.sweep.startswith("batch") else None
    if choice is not None:
        curve, verdict, law = np.array(choice.curve), choice.word, choice.best
        scale, law_misfit, shares = choice.noise_scale, choice.misfit, dict(choice.shares)
    row = {
        "exponent": np.nan if estimate is None else estimate.value,
        "low": np.nan if estimate is None else estimate.low,
        "high": np.nan if estimate is None else estimate.high,
        "misfit": misfit,
        "used": int(told.sum()),
        "censored": censored,
        "verdict": verdict,
        "law": law,
        "noise_scale": scale,
        "law_misfit": law_misfit,
    }
    return row, curve, shares


def _curve_rows(labels: Mapping[str, str], swept: Swept, rates: Array) -> list[dict[str, Any]]:
    rows = []
    for k, x in enumerate(swept.x):
        lost = np.isinf(swept.losses[k]).sum(axis=0)
        gaps = swept.losses[k].mean(axis=0) - swept.floor
        rows += [
            {
                **labels,
                "x": int(x),
                "steps": swept.steps[k],
                "lr": float(lr),
                "gap": float(gap),
                "diverged": int(gone),
                "seeds": swept.losses.shape[1],
            }
            for lr, gap, gone in zip(rates, gaps, lost, strict=True)
        ]
    return rows


def _best_rows(labels: Mapping[str, str], swept: Swept, found: Places, law: Array) -> list[dict[str, Any]]:
    return [
        {
            **labels,
            "x": int(x),
            "steps": swept.steps[k],
            "lr": float(10 ** found.best[k]),
            "low": float(10 ** found.low[k]),
            "high": float(10 ** found.high[k]),
            "edge": float(found.edge[k]),
            "gap": float(found.value[k]),
            "law": float(law[k]),
            "exact": float(swept.exact[k]),
        }
        for k, x in enumerate(swept.x)
    ]
