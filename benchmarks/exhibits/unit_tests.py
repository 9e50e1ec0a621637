"""Unit tests of optimizers: every variant of every function beside the others, at a grid of learning rates.

All variants of a function, all repetitions of each and all learning rates are lanes of one `train`: a variant and its
repetition take the place of a seed (`problems.unit_tests`), so that the tests run at the speed of lanes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from analysis.measures.unit_results import Outcomes, unit_results
from analysis.measures.unit_verdicts import VERDICTS
from analysis.record.exhibits.unit_tests import UnitTestsFacts
from analysis.statistics.arrays import Array, Mask
from benchmarks.engine.segments import batch_like
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError, nearest
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer
from benchmarks.suite.settings import Count
from optimizers.delayed import Delayed
from problems import Problem
from problems.unit_list import GROUPS, STRESSES, Unit, stressed_units, units_of_the_paper
from problems.unit_tests import Units, variants_together

__all__ = ["UnitTests", "solved_at_start"]

SGD: Final = "sgd"
REFERENCE: Final = (1e-10, 1.0)
"""Ends of the learning rates of the SGD that all are measured by: the authors'."""
DELAY: Final = "delay"
SCANNED: Final = (2.0, 1e3)
"""How far either way a lower value than the start's is looked for."""

OVERHEAD: Final = 0.045
"""Measured seconds of a function's 100 steps, however few its lanes."""
LANE_STEP: Final = {1: 8e-8, 2: 1.6e-7, 10: 6e-7}
"""Measured seconds of a step of a lane by its number of variables."""
FOREIGN_STEP: Final = 4e-5
"""Measured seconds of a step of a foreign optimizer, whose lanes step one at a time."""


class UnitTests(Question):
    """Tests ``optimizers`` on the variants of the unit tests' functions, at ``rates`` learning rates in ``lrs``.

    ``every`` takes each such variant of a function only; ``groups`` takes tests of these groups only. SGD at
    ``reference_rates`` learning rates is what all are measured by, and is always among them.
    """

    name = "unit-tests"
    seconds = 70.0

    optimizers: list[str] = [SGD, "momentum", "adagrad", "rmsprop", "adam"]
    groups: list[str] = list(GROUPS)
    every: Count = 1
    steps: Count = 100
    repetitions: Count = 10
    rates: Count = 15
    lrs: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)] = [1e-6, 10.0]
    reference_rates: Count = 34

    @field_validator("groups")
    @classmethod
    def _known_groups(cls, groups: list[str]) -> list[str]:
        for group in groups:
            if group not in GROUPS:
                raise ValueError(f"there is no group {group!r}{nearest(group, GROUPS)}; there are {', '.join(GROUPS)}")
        return groups

    def problems(self, data: Path | None) -> list[Problem]:  # noqa: ARG002 - no data
        return list(self._together(self._specs()))

    def estimate(self, data: Path | None) -> float:  # noqa: ARG002
        specs = self._specs()
        seconds = 0.0
        for problem in self._together(specs):
            lanes = len(problem.units) * self.repetitions
            for rates, foreign in [
                (self.reference_rates, False),
                *((self.rates, isinstance(spec, ForeignSpec)) for name, spec in specs.items() if name != SGD),
            ]:
                step = FOREIGN_STEP if foreign else LANE_STEP[problem.dim]
                seconds += self.steps * (OVERHEAD / 100 + lanes * rates * step)
        return seconds

    def answer(self, data: Path | None) -> Answer:  # noqa: ARG002
        specs = self._specs()
        together = self._together(specs)
        own, of_sgd = (
            torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64)
            for (low, high), count in ((self.lrs, self.rates), (REFERENCE, self.reference_rates))
        )
        best = self._outcome(OPTIMIZERS[SGD], together, of_sgd)
        outcomes = {name: best if name == SGD else self._outcome(spec, together, own) for name, spec in specs.items()}
        units = [unit for problem in together for unit in problem.units]
        solved = np.concatenate([solved_at_start(each) for each in together])
        found = unit_results(_described(units), solved, best, outcomes, GROUPS)
        facts = UnitTestsFacts(
            optimizers=tuple(specs),
            tests=len(units),
            functions=len({unit.function for unit in units}),
            steps=self.steps,
            repetitions=self.repetitions,
            rates=self.rates,
            reference_rates=self.reference_rates,
            each=found.each,
            one=found.one,
            not_run=self._not_run(specs),
        )
        return Answer(found.tables, facts, self._method(len(units)))

    def _specs(self) -> dict[str, AnyOptimizer]:
        names = dict.fromkeys([*self.optimizers, SGD])  # measured anyway, and nobody is told apart from nobody
        specs = {name: make_optimizer(name) for name in names}
        for name, spec in specs.items():
            if "lr" not in spec.default_values:
                raise UsageError(f"{name} has no lr, and unit tests are tried at learning rates")
        return specs

    def _together(self, specs: Mapping[str, AnyOptimizer]) -> list[Units]:
        """The tests that are run, by function."""
        left_out = {DELAY} if self._not_run(specs) else set[str]()
        wanted = {*self.groups} - left_out
        every = [[unit for unit in problem.units if wanted & {*unit.groups}][:: self.every] for problem in _every()]
        if not any(every):
            raise UsageError(f"no unit test is in {', '.join(self.groups)}: {self._not_run(specs)}")
        return [Units(tuple(units)).named(units[0].name) for units in every if units]

    def _not_run(self, specs: Mapping[str, AnyOptimizer]) -> str:
        foreign = [name for name, spec in specs.items() if isinstance(spec, ForeignSpec)]
        if not foreign or DELAY not in self.groups:
            return ""
        return f"{DELAY}, for gradients are delayed around rules, and {foreign[0]} is somebody else's optimizer"

    def _outcome(self, spec: AnyOptimizer, together: Sequence[Units], rates: Tensor) -> Outcomes:
        return Outcomes(np.concatenate([self._run(spec, problem, rates) for problem in together]), rates.numpy())

    def _run(self, spec: AnyOptimizer, problem: Units, rates: Tensor) -> Array:
        """The values ``[V, L, R]`` where the runs of one function's variants end."""
        delay = STRESSES[problem.units[0].stress].delay
        if delay and not isinstance(spec, ForeignSpec):
            spec = spec.wrapped(Delayed, spec.name, by=delay)
        training = Training(
            problem,
            spec,
            range(len(problem.units) * self.repetitions),
            self.steps,
            keep_path=True,
            stop_diverged=False,  # lanes are judged where they end, by the authors' limit
            engine="eager",  # a kernel for each of the functions would take longer than their steps
        )
        trace = train(training, {"lr": rates})
        assert trace.path is not None, "it was asked for"
        *_, last = training.data.segments()
        ends = trace.path[:, :, -1]
        value = problem.judged(ends, batch_like(last.batches[-1], ends))
        return value.view(len(rates), len(problem.units), self.repetitions).transpose(0, 1).numpy()

    def _method(self, tests: int) -> list[str]:
        return [
            f"{tests:,} tests (Schaul, Antonoglou and Silver 2014, and stressors of ours): {self.steps} steps, "
            f"{self.repetitions} repetitions, {self.rates} learning rates from {self.lrs[0]:g} to {self.lrs[1]:g}, all "
            "other hyperparameters at their defaults. All optimizers and learning rates see the same noise.",
            f"A run is judged by the function as it stands at the end, without noise. 1 is the gain of the best of "
            f"{self.reference_rates} SGD learning rates from {REFERENCE[0]:g} to {REFERENCE[1]:g}.",
            "The learning rates of (a), and the one of (b), are chosen on the runs that are shown, as the best SGD is.",
            *(f"{verdict.capitalize()}: {meaning}." for verdict, meaning in VERDICTS.items()),
        ]


@cache
def _every() -> Sequence[Units]:
    """All tests there are, by function."""
    return variants_together([*units_of_the_paper(), *stressed_units()])


def _described(units: Sequence[Unit]) -> pd.DataFrame:
    """A row a test: what it is, and its value at the start."""
    return pd.DataFrame(
        {
            "test": [unit.name for unit in units],
            "groups": [";".join(unit.groups) for unit in units],
            **{name: [getattr(unit, name) for unit in units] for name in ("function", "noise", "scale", "change")},
            "stress": [unit.stress for unit in units],
            "dim": [unit.dim for unit in units],
            "start": [float(sum(abs(height) for height, _ in unit.scales)) for unit in units],
        }
    )


def solved_at_start(problem: Units) -> Mask:
    """Which variants ``[V]`` of a function of one variable have no lower value than the start's, far and near."""
    count = len(problem.units)
    if problem.dim > 1:
        return np.zeros(count, dtype=bool)
    x = torch.cat([torch.linspace(-end, end, 2001, dtype=torch.float64) for end in SCANNED])
    value = problem.evaluate(x.view(-1, 1, 1).expand(-1, count, 1))["loss"]
    start = problem.evaluate(problem.start(range(count)))["loss"]
    return (value >= start - 1e-12 * start).all(0).numpy()
