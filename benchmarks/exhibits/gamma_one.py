"""Exercise 1: γ = 1, where the average of squared gradients never moves, for every variant; and the way there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from torch import Tensor

from analysis.record.exhibits.gamma_one import GammaOneFacts
from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.walk import walk
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import Count
from optimizers import Rule
from optimizers.adagrad import Adagrad
from optimizers.mukkamala_hein import SCAdagrad
from optimizers.sgd import SGD, Momentum
from problems import Problem

__all__ = ["GammaOne"]

LR: Final = 0.4
STEPS: Final = 20
NEARLY: Final = 1 - 1e-8
ROUNDING: Final = 1e-9  # the floor of a root, 1e-19, is a share 1e-11 of torch's eps; twenty steps add up
LIMIT: Final = 1e-5  # the corrected rule at NEARLY is within 20 · 1e-8 of its limit, but 1 - γ^t has eight digits left


@dataclass(frozen=True)
class Case:
    """One variant at γ = ``gamma``, and what it should then be: another rule with lr times ``gain``."""

    optimizer: str
    theory: Rule | None
    words: str
    gain: float = 1.0
    gamma: float = 1.0
    tolerance: float = ROUNDING

    @property
    def lrs(self) -> list[float]:
        """The book's lr, and where another makes it the book's gradient descent, that one."""
        return [LR] if math.isclose(self.gain, 1, rel_tol=1e-6) else [LR, LR / self.gain]


def cases() -> tuple[Case, ...]:
    """Every variant of RMSProp; eps is its own default."""
    inside, outside = 1 / math.sqrt(_eps("rmsprop")), 1 / _eps("rmsprop-torch")
    graves = 1 / math.sqrt(_eps("rmsprop-graves"))
    averaged = Adagrad(eps_inside=False, averaged=True)
    return (
        Case("rmsprop", SGD(), "gradient descent with lr η/√ε", inside),
        Case("rmsprop-torch", SGD(), "gradient descent with lr η/ε", outside),
        Case(
            "rmsprop-tf1",
            SGD(),
            "plain gradient descent: s stays at its start, 1",
            1 / math.sqrt(1 + _eps("rmsprop-tf1")),
        ),
        Case("rmsprop-centered", SGD(), "gradient descent with lr η/ε", outside),
        Case("rmsprop-graves", Momentum(), "heavy ball with lr η/√ε", graves),
        Case("rmsprop-momentum", Momentum(), "heavy ball with lr η/ε", outside),
        Case("rmsprop-amsgrad", SGD(), "gradient descent with lr η/√ε", inside),
        Case("rmsprop-corrected", None, "undefined from the first step: 0/0"),
        Case("rmsprop-corrected", averaged, "averaged Adagrad, the limit γ → 1", gamma=NEARLY, tolerance=LIMIT),
        Case("rmsprop-mh", Adagrad(eps_inside=False), "Adagrad: its memory is 1 - γ/t"),
        Case("sc-rmsprop", SCAdagrad(), "SC-Adagrad: its memory is 1 - γ/t"),
        Case("adadelta", SGD(), "gradient descent with lr η: both averages stay 0"),
    )


class GammaOne(Question):
    """Runs every variant at γ = 1 beside its theory, and four of them on the way to 1 for ``steps`` updates."""

    name = "gamma-one"
    seconds = 1.5

    steps: Count = 1000
    decades: Count = 8

    def problems(self, data: Path | None) -> list[Problem]:  # noqa: ARG002 - no data
        return [make_problem("ellipse")]

    def answer(self, data: Path | None) -> Answer:  # noqa: ARG002
        problem = make_problem("ellipse")
        outcomes: list[dict[str, Any]] = []
        trajectories: list[pd.DataFrame] = []
        for case in cases():
            for lr in case.lrs:
                measured, theory = _run(problem, case, lr)
                outcomes.append(_outcome(case, lr, measured, theory))
                trajectories += [_path(case, lr, "measured", measured), _path(case, lr, "theory", theory)]
        names = ("rmsprop", "rmsprop-torch", "rmsprop-tf1", "rmsprop-corrected")
        approach = [self._approach(problem, name) for name in names]
        tables = {
            "outcomes": pd.DataFrame(outcomes),
            "trajectories": pd.concat(trajectories, ignore_index=True),
            "approach": pd.concat(approach, ignore_index=True),
        }
        return Answer(tables, _facts(problem), self._method())

    def _approach(self, problem: Problem, name: str) -> pd.DataFrame:
        """Losses after the book's steps and after many, for 1 - γ = 1, 0.1, … and 0."""
        forgotten = torch.tensor([*(10.0**-k for k in range(self.decades + 1)), 0.0], dtype=torch.float64)
        training = Training(problem, OPTIMIZERS[name], [1], self.steps, [1, STEPS], keep_path=True)
        trace = train(training, {"lr": LR, "gamma": 1 - forgotten})
        assert trace.path is not None
        first = (trace.path[:, 0, 1, 0] - trace.path[:, 0, 0, 0]).abs() / LR
        parts = [
            pd.DataFrame(
                {
                    "optimizer": name,
                    "lr": LR,
                    "gamma": (1 - forgotten).numpy(),
                    "forgotten": forgotten.numpy(),
                    "steps": int(trace.step[place]),
                    "status": _status(trace, place),
                    "loss": trace.loss[:, 0, place].numpy(),
                    "first_step": first.numpy(),
                }
            )
            for place in range(2, len(trace.step))
        ]
        return pd.concat(parts, ignore_index=True)

    def _method(self) -> list[str]:
        return [
            f"Every variant runs {STEPS} steps on 0.1 x1² + 2 x2² from (-5, -2) at γ = 1, with the book's lr {LR} and "
            "with the lr that should make it the book's gradient descent, beside the rule that theory names; they "
            f"agree where both paths differ by rounding only (relative {ROUNDING:g} at every step; {LIMIT:g} for the "
            "limit, taken at 1 - γ = 1e-8).",
            "A run counts as diverged when its loss exceeds a million times the one at the start; the step of overflow "
            "is that of the same run when nobody stops it.",
            f"The way to 1: losses after {STEPS} and {self.steps} steps for 1 - γ = 1, 0.1, … 1e-{self.decades} and 0.",
        ]


def _run(problem: Problem, case: Case, lr: float) -> tuple[Trace, Trace]:
    """The variant's run, and that of the rule it should be."""
    spec, values = OPTIMIZERS[case.optimizer], {"lr": lr, "gamma": case.gamma}
    measured = _followed(problem, spec, values)
    if case.theory is None:
        return measured, _followed(problem, SGD(), {"lr": math.nan})
    known = case.theory.defaults()
    shared = {name: value for name, value in {**spec.default_values, **values}.items() if name in known}
    return measured, _followed(problem, case.theory, {**shared, "lr": lr * case.gain})


def _followed(problem: Problem, optimizer: AnyOptimizer | Rule, values: Mapping[str, float]) -> Trace:
    """One run of the book's steps, with its path."""
    return train(Training(problem, optimizer, [1], STEPS, evaluate_every=1, keep_path=True), values)


def _outcome(case: Case, lr: float, measured: Trace, theory: Trace) -> dict[str, Any]:
    assert measured.path is not None
    assert theory.path is not None
    valid = 1 + min(int(measured.stopped_at), int(theory.stopped_at))
    error = _distance(measured.path[0, 0, :valid], theory.path[0, 0, :valid])
    title = OPTIMIZERS[case.optimizer].description
    return {
        "optimizer": case.optimizer,
        "title": title,
        "lr": lr,
        "gamma": case.gamma,
        "steps": STEPS,
        **_ended(measured, ""),
        "theory": case.words,
        **_ended(theory, "theory_"),
        "error": error,
        "agrees": error <= case.tolerance and int(measured.stopped_at) == int(theory.stopped_at),
    }


def _distance(x: Tensor, y: Tensor) -> float:
    """The largest distance of two paths ``[T, P]`` over the size of the points; undefined in both counts as equal."""
    apart = (x - y).abs().masked_fill(x.isnan() & y.isnan(), 0).amax(-1)
    return float((apart / torch.maximum(x.abs(), y.abs()).nan_to_num(1).amax(-1)).max())


def _ended(trace: Trace, prefix: str) -> dict[str, Any]:
    assert trace.path is not None
    x1, x2 = trace.path[0, 0, -1].tolist() if int(trace.status) != Outcome.DIVERGED else (math.nan, math.nan)
    return {
        f"{prefix}status": Outcome(int(trace.status)).word,
        f"{prefix}stopped_at": int(trace.stopped_at),
        f"{prefix}x1": x1,
        f"{prefix}x2": x2,
        f"{prefix}loss": float(trace.final_loss),
    }


def _path(case: Case, lr: float, source: str, trace: Trace) -> pd.DataFrame:
    assert trace.path is not None
    points = trace.path[0, 0]
    return pd.DataFrame(
        {
            "optimizer": case.optimizer,
            "lr": lr,
            "gamma": case.gamma,
            "source": source,
            "step": trace.step.numpy(),
            "x1": points[:, 0].numpy(),
            "x2": points[:, 1].numpy(),
            "loss": trace.loss[0, 0].numpy(),
        }
    )


def _status(trace: Trace, place: int) -> list[str]:
    """How each configuration stood at evaluation ``place``."""
    valid = trace.loss[:, 0, place].isfinite().tolist()
    return [(Outcome.FINISHED if each else Outcome.DIVERGED).word for each in valid]


def _facts(problem: Problem) -> GammaOneFacts:
    eps = _eps("rmsprop")
    rmsprop = OPTIMIZERS["rmsprop"]
    book = walk(problem, rmsprop, {"lr": LR, "gamma": 1.0}, 400)
    finite = torch.isfinite(book.x).all(-1).squeeze(-1)
    equivalent = LR * math.sqrt(eps)
    return GammaOneFacts(
        lr=LR,
        eps=eps,
        gain=1 / math.sqrt(eps),
        first_point=_point(book.x[1]),
        first_loss=float(book.loss[1]),
        overflow_step=int(finite.sum()),
        equivalent_lr=equivalent,
        equivalent=_point(walk(problem, rmsprop, {"lr": equivalent, "gamma": 1.0}, STEPS).x[-1]),
        descent=_point(walk(problem, SGD(), {"lr": LR}, STEPS).x[-1]),
    )


def _point(x: Tensor) -> tuple[float, float]:
    x1, x2 = x.flatten().tolist()
    return x1, x2


def _eps(name: str) -> float:
    """The default eps of a registered optimizer."""
    return OPTIMIZERS[name].default_values["eps"]
