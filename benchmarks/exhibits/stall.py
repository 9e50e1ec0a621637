"""Why Adagrad stalls and RMSProp does not, and where RMSProp ends: what stands under the root, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor

from analysis.measures.exhibit_facts import noisy_sum_slope
from analysis.record.exhibits.stall import PlaneFunction, StallFacts
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.walk import Walk, walk
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record.surface import surface_table
from benchmarks.suite.settings import Count
from problems import Problem

__all__ = ["Stall", "cycle_radius"]

BOOK: Final = {"lr": 0.4, "gamma": 0.9}
BOOK_STEPS: Final = 20
RUNS: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "gd 0.4": ("sgd", {"lr": 0.4}),
    "momentum 0.6": ("momentum", {"lr": 0.6, "momentum": 0.5}),
    "adagrad 0.4": ("adagrad", {"lr": 0.4}),
    "adagrad 2": ("adagrad", {"lr": 2.0}),
    "adagrad-averaged 0.4": ("adagrad-averaged", {"lr": 0.4}),
    "rmsprop 0.4": ("rmsprop", BOOK),
}
"""The book's trajectories on the ellipse, and the average between Adagrad's sum and RMSProp's leaky average."""

ADAPTIVE: Final = ("adagrad 0.4", "adagrad-averaged 0.4", "rmsprop 0.4")
NOISY: Final = "bowl-noisy"
CYCLES: Final = ("rmsprop", "rmsprop-torch")
EXPLORED: Final = ("rosenbrock", "beale", "himmelblau", "styblinski-tang", "saddle")
EXPLORERS: Final = ("rmsprop-centered", "rmsprop-momentum", "adam")
"""Functions and optimizers of the page's explorer besides the book's."""

CURVATURES: Final = (0.2, 4.0)  # of the ellipse's two coordinates


class Stall(Question):
    """Follows the book's runs for ``steps`` updates, without noise and with (``seeds`` times), and RMSProp to its end.

    That end is a two-cycle, looked up after ``cycle_steps`` for every one of ``lrs`` and ``gammas``.
    """

    name = "stall"
    seconds = 4.0

    steps: Annotated[int, Field(gt=BOOK_STEPS, strict=True)] = 1000
    seeds: Count = 20
    cycle_steps: Count = 4000
    lrs: list[float] = [0.05, 0.1, 0.2, 0.4, 0.8]
    gammas: list[float] = [0.5, 0.9, 0.99]

    @field_validator("lrs", "gammas")
    @classmethod
    def _hold_the_books(cls, values: list[float], info: ValidationInfo) -> list[float]:
        book = BOOK[str(info.field_name).removesuffix("s")]
        if book not in values:
            raise ValueError(f"must hold {book:g}, the book's")
        return values

    def problems(self, data: Path | None) -> list[Problem]:  # noqa: ARG002 - no data
        return [make_problem("ellipse"), make_problem(NOISY)]

    def answer(self, data: Path | None) -> Answer:  # noqa: ARG002
        problem = make_problem("ellipse")
        walks = {run: walk(problem, OPTIMIZERS[name], values, self.steps) for run, (name, values) in RUNS.items()}
        trajectories = [
            path.table(run=run, optimizer=RUNS[run][0], lr=RUNS[run][1]["lr"]) for run, path in walks.items()
        ]
        states = [_states(run, path) for run, path in walks.items() if "s" in path.states]
        noise = pd.concat([self._noisy(run) for run in ADAPTIVE], ignore_index=True)
        cycles = pd.concat([self._cycles(problem, name) for name in CYCLES], ignore_index=True)
        surface = surface_table(problem)
        assert surface is not None
        tables = {
            "trajectories": pd.concat(trajectories, ignore_index=True),
            "states": pd.concat(states, ignore_index=True),
            "noise": noise,
            "cycles": cycles,
            "surface": surface,
        }
        return Answer(tables, self._facts(walks, noise, cycles), self._method())

    def _noisy(self, run: str) -> pd.DataFrame:
        """What stands under the root when gradients never vanish: means over seeds."""
        (name, values), seeds = RUNS[run], range(1, self.seeds + 1)
        path = walk(make_problem(NOISY), OPTIMIZERS[name], values, self.steps, seeds)
        table = _states(run, path).drop(columns="gradient")
        return table.assign(loss=path.loss[1:].mean(-1).repeat_interleave(2).numpy())

    def _cycles(self, problem: Problem, name: str) -> pd.DataFrame:
        """Where every lr and gamma ends, and where theory says it does."""
        lr, gamma = torch.cartesian_prod(
            torch.tensor(self.lrs, dtype=torch.float64), torch.tensor(self.gammas, dtype=torch.float64)
        ).unbind(-1)
        spec, last = OPTIMIZERS[name], self.cycle_steps
        eps = spec.default_values["eps"]
        trace = train(
            Training(problem, spec, [1], last, [last - 2, last - 1], keep_path=True), {"lr": lr, "gamma": gamma}
        )
        assert trace.path is not None
        *_, before, between, end = trace.path[:, 0].unbind(1)
        theory = torch.stack([cycle_radius(lr, c, eps, inside=name == "rmsprop") for c in CURVATURES], dim=-1)
        return pd.DataFrame(
            {
                "optimizer": name,
                "lr": lr.numpy(),
                "gamma": gamma.numpy(),
                "x1": end[:, 0].abs().numpy(),
                "x2": end[:, 1].abs().numpy(),
                "loss": trace.final_loss[:, 0].numpy(),
                "x1_theory": theory[:, 0].numpy(),
                "x2_theory": theory[:, 1].numpy(),
                "loss_theory": problem.loss(theory, None).numpy(),
                "cycling": (_same(end, before) & _same(end, -between)).numpy(),
                "steps": last,
            }
        )

    def _facts(self, walks: Mapping[str, Walk], noise: pd.DataFrame, cycles: pd.DataFrame) -> StallFacts:
        at = [step for step in (BOOK_STEPS, 100, 400) if step < self.steps] + [self.steps]
        sums = walks["adagrad 0.4"].states["s"]
        book = cycles.query("optimizer == 'rmsprop' and lr == @BOOK['lr'] and gamma == @BOOK['gamma']").iloc[0]
        errors = (cycles["loss"] / cycles["loss_theory"] - 1).abs()
        return StallFacts(
            lr=BOOK["lr"],
            gamma=BOOK["gamma"],
            eps=OPTIMIZERS["rmsprop"].default_values["eps"],
            steps=self.steps,
            book_steps=BOOK_STEPS,
            losses={run: {str(step): float(path.loss[step, 0]) for step in at} for run, path in walks.items()},
            limit_loss=float(book["loss"]),
            limit_loss_theory=float(book["loss_theory"]),
            largest_error=float(errors.max()),
            sum_growth=float((sums[-1] / sums[BOOK_STEPS - 1]).max()),
            noisy_sum_slope=noisy_sum_slope(noise),
            noisy_problem=NOISY,
            seeds=self.seeds,
            functions=tuple(_plane(name) for name in EXPLORED),
            eps_of=tuple((name, OPTIMIZERS[name].default_values["eps"]) for name in EXPLORERS),
        )

    def _method(self) -> list[str]:
        return [
            f"The book's runs on 0.1 x1² + 2 x2² from (-5, -2), without noise, for {self.steps} updates instead of "
            f"{BOOK_STEPS}; s is what stands under the root: sum, mean or leaky average of squared gradients.",
            f"With noise: x1² + 2 x2² with N(0, 1) on every gradient entry, means over {self.seeds} seeds.",
            f"The two-cycles are read off after {self.cycle_steps} updates, for {len(self.lrs)} learning rates and "
            f"{len(self.gammas)} memories, with eps inside the root and outside.",
            "Theory: at x and -x in turn, s has settled at the squared gradient (c x)², and one step must be 2x long: "
            "lr c |x| / √((c x)² + eps) = 2 |x|, so x² = lr²/4 - eps/c² with eps inside, |x| = lr/2 - eps/c outside.",
        ]


def _plane(name: str) -> PlaneFunction:
    """What the explorer has to know of the registered function ``name``."""
    facts, (start,) = (problem := make_problem(name)).facts, problem.start([0]).tolist()
    assert facts.minimum is not None, "its gap is drawn"
    assert facts.frame is not None, "it has two variables"
    at = tuple((float(x1), float(x2)) for x1, x2 in facts.minimisers)
    return PlaneFunction(name, (start[0], start[1]), facts.minimum, at, facts.frame)


def cycle_radius(lr: Tensor, curvature: float, eps: float, *, inside: bool) -> Tensor:
    """Half the length of the two-cycle at ``lr`` ``[C]`` in a coordinate of second derivative ``curvature``; 0 if none.

    ``inside`` says whether ``eps`` is added under the root.
    """
    if inside:
        return (lr.square() / 4 - eps / curvature**2).clamp_min(0).sqrt()
    return (lr / 2 - eps / curvature).clamp_min(0)


def _same(x: Tensor, y: Tensor) -> Tensor:
    """Whether points ``[C, 2]`` agree to rounding."""
    return torch.isclose(x, y, rtol=1e-6, atol=1e-12).all(-1)


def _states(run: str, path: Walk) -> pd.DataFrame:
    """What stands under the root, and the effective step, for each step and coordinate; means over seeds."""
    name, values = RUNS[run]
    steps = torch.arange(1, len(path.g) + 1, dtype=torch.float64)
    s = path.states["s"] / steps[:, None, None] if name == "adagrad-averaged" else path.states["s"]
    eps = OPTIMIZERS[name].default_values["eps"]
    count = len(steps)
    return pd.DataFrame(
        {
            "run": run,
            "optimizer": name,
            "lr": values["lr"],
            "step": np.repeat(np.arange(1, count + 1), 2),
            "coordinate": np.tile([1, 2], count),
            "gradient": path.g.mean(1).flatten().numpy(),
            "s": s.mean(1).flatten().numpy(),
            "effective_step": (values["lr"] / (s + eps).sqrt()).mean(1).flatten().numpy(),
        }
    )
