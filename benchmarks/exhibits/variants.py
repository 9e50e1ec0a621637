"""From scratch against concise: the differences between the book's two RMSProp runs, switched on one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from torch import Tensor

from analysis.record.exhibits.variants import Printed, VariantsFacts
from analysis.statistics.bootstrap import bootstrap_mean, spread
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.printed import REGRESSION
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.regression import BookRegression
from benchmarks.naming.registry import OPTIMIZERS
from benchmarks.suite.settings import Count
from problems import Problem
from problems.data import has_airfoil_file

__all__ = ["Variants"]

VALUES: Final = {"lr": 0.01, "gamma": 0.9}
EVERY: Final = 20  # steps between two points of a curve


@dataclass(frozen=True)
class Code:
    """What the two codes differ in; the defaults are the one written from scratch."""

    optimizer: str = "rmsprop"
    doubled: bool = False
    epochs: int = 2
    uniform_bias: bool = False

    @property
    def values(self) -> dict[str, float]:
        return {**OPTIMIZERS[self.optimizer].default_values, **VALUES}

    def train(self, data: Path | None, seeds: Sequence[int]) -> Trace:
        problem = BookRegression(data=data, doubled=self.doubled, uniform_bias=self.uniform_bias)
        return train(Training(problem, OPTIMIZERS[self.optimizer], seeds, 150 * self.epochs, EVERY), VALUES)


SCRATCH: Final = "scratch"
CHANGES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "eps": ("ε = 1e-8 outside the root, not 1e-6 inside", {"optimizer": "rmsprop-torch"}),
    "loss": ("mean squared error without ½: gradients twice as long", {"doubled": True}),
    "epochs": ("four epochs, not two", {"epochs": 4}),
    "bias": ("bias drawn from U(-1/√5, 1/√5), not 0", {"uniform_bias": True}),
}
"""Name, words and effect of each difference, in the order in which they are switched on together."""


class Variants(Question):
    """Trains every difference alone and all together, on ``seeds`` seeds each."""

    name = "variants"
    seconds = 3.5

    seeds: Count = 200

    def problems(self, data: Path | None) -> list[Problem]:
        return [BookRegression(data=data).named("airfoil")]

    def answer(self, data: Path | None) -> Answer:
        seeds = range(1, self.seeds + 1)
        codes = {"alone": {SCRATCH: Code()}, "together": {SCRATCH: Code()}}
        for name, (_, effect) in CHANGES.items():
            codes["alone"][name] = replace(Code(), **effect)
            codes["together"][name] = replace(list(codes["together"].values())[-1], **effect)
        traces = {code: code.train(data, seeds) for of in codes.values() for code in of.values()}
        base = traces[Code()].final_loss[0]
        rows = [
            {"order": order, "mode": mode, **_described(name, code), **_compared(traces[code].final_loss[0], base)}
            for mode, of in codes.items()
            for order, (name, code) in enumerate(of.items())
        ]
        runs = [_runs(mode, name, seeds, traces[code]) for mode, of in codes.items() for name, code in of.items()]
        ends = {SCRATCH: Code(), "bias": codes["together"]["bias"]}
        curves = [row for name, code in ends.items() for row in _curve(name, traces[code])]
        differences = pd.DataFrame(rows)
        tables = {
            "differences": differences,
            "runs": pd.concat(runs, ignore_index=True),
            "curves": pd.DataFrame(curves),
        }
        return Answer(tables, self._facts(differences, data), self._method())

    def _facts(self, differences: pd.DataFrame, data: Path | None) -> VariantsFacts:
        alone = differences[differences["mode"] == "alone"].set_index("name")["shift"].abs()
        printed = {run.name: run.printed[0].value for run in REGRESSION}
        floor = BookRegression(data=data).minimum
        assert floor is not None
        return VariantsFacts(
            floor=floor,
            seeds=self.seeds,
            data="file" if has_airfoil_file(data) else "surrogate",
            largest=str(alone.idxmax()),
            printed=Printed(scratch=printed["airfoil rmsprop"], concise=printed["airfoil rmsprop library"]),
        )

    def _method(self) -> list[str]:
        return [
            f"The book's regression with RMSProp at lr {VALUES['lr']} and γ {VALUES['gamma']}, {self.seeds} seeds; "
            "equal seeds start from the same weights and see the rows in the same order: runs are compared in pairs.",
            "Each difference is switched on alone, and then one after the other until the code is the concise one. "
            "The loss given is always ½ the mean squared error over all rows.",
        ]


def _described(name: str, code: Code) -> dict[str, Any]:
    title = "the book's code from scratch" if name == SCRATCH else CHANGES[name][0]
    return {
        "name": name,
        "title": title,
        "optimizer": code.optimizer,
        **code.values,
        "gradient_factor": 2 if code.doubled else 1,
        "steps": 150 * code.epochs,
    }


def _compared(loss: Tensor, base: Tensor) -> dict[str, float]:
    """How the losses ``[S]`` lie, and by how much their mean differs from ``base``, seed by seed."""
    shift = bootstrap_mean((loss - base).numpy())
    return {**asdict(spread(loss.numpy())), "shift": shift.value, "shift_low": shift.low, "shift_high": shift.high}


def _runs(mode: str, name: str, seeds: Sequence[int], trace: Trace) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "mode": mode,
            "name": name,
            "seed": list(seeds),
            "loss": trace.final_loss[0].numpy(),
            "start_loss": trace.loss[0, :, 0].numpy(),
        }
    )


def _curve(name: str, trace: Trace) -> list[dict[str, Any]]:
    columns = torch.unbind(trace.loss[0], dim=-1)
    return [
        {"name": name, "step": step, **asdict(spread(of.numpy()))}
        for step, of in zip(trace.step.tolist(), columns, strict=True)
    ]
