"""What it costs not to tune: rules that find the size of their steps, range tests and defaults, against the best point
of a dense landscape of reference optimizers on the same test seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from analysis.measures.measure import Measure
from analysis.measures.range_test import suggested
from analysis.measures.tuning_free import judged, shares_of
from analysis.record.exhibits.tuning_free import TuningFreeFacts
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.range_run import HIGH, LOW, range_run
from benchmarks.exhibits.trial_run import run_seconds
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import make_optimizer, make_problem
from benchmarks.suite.settings import FIRST_LANDSCAPE_SEED, FIRST_TEST_SEED, FIRST_TUNING_SEED, Count, Grid, Searching
from benchmarks.tuning.space import Space
from optimizers import OptimizerSpec
from problems import Problem

__all__ = ["TuningFree"]

Suggestion = Literal["valley", "steep", "minimum"]
Columns = Mapping[str, torch.Tensor]

DEARER: Final = 2.0  # a step of a rule that finds its size, over one of momentum
UNTRAINED: Final = "untrained"
KEPT: Final = ("method", "kind", "optimizer", "order")


@dataclass(frozen=True)
class Method:
    """A way to train without tuning: its name and kind as in the tables, and the optimizer that trains."""

    name: str
    kind: str
    optimizer: str
    suggestion: str = ""


@dataclass(frozen=True, eq=False)
class Reference:
    """An optimizer whose landscape is known: its ``space``, the ``best`` point, that point's ``median`` loss on the
    landscape's seeds, and its losses ``[S]`` on the test seeds, NaN where a run diverged.
    """

    space: Space
    best: Mapping[str, float]
    median: float
    tested: Array


class TuningFree(Question):
    """Trains ``optimizers`` on each of ``on`` at their defaults, or at ``settings`` where their authors say so, on
    ``seeds`` test seeds; and each of ``references`` at the best point of a landscape of ``grid`` points, at its
    defaults and at what range tests of ``range_steps`` steps suggest.

    ``steps`` are updates of a run, by default the problem's own. The best point is chosen on ``landscape_seeds`` other
    seeds. Every test run has a range test of its own, on another seed.
    """

    name = "tuning-free"
    seconds = 90.0

    on: list[str] = [
        "quadratic(dim=20)",
        "ellipsoid-rotated",
        "rosenbrock",
        "airfoil",
        "diabetes",
        "breast-cancer",
        "robust-huber",
        "phase-retrieval",
    ]
    optimizers: list[str] = [
        "prodigy",
        "dadapt-adam",
        "average(dog)",
        "mechanic(sgd)",
        "mechanic(adam)",
        "schedule-free-sgd",
        "schedule-free-adamw",
        "adadelta",
    ]
    settings: dict[str, dict[str, float]] = {"mechanic(sgd)": {"lr": 1.0}, "mechanic(adam)": {"lr": 1.0}}
    references: Annotated[list[str], Field(min_length=1)] = ["momentum", "adam"]
    suggestions: list[Suggestion] = ["valley", "steep", "minimum"]
    grid: Grid = (32, 6)
    landscape_seeds: Count = 2
    seeds: Count = 10
    steps: Count | None = None
    range_steps: Annotated[Count, Field(ge=20)] = 100

    def problems(self, data: Path | None) -> list[Problem]:
        found = [make_problem(name, data) for name in self.on]
        for method in self._methods:
            spec = make_optimizer(method.optimizer)
            if method.suggestion and not (isinstance(spec, OptimizerSpec) and "lr" in spec.default_values):
                raise UsageError(f"a range test needs a rule of ours with an lr, and {spec.name} is none; adam is one")
        for optimizer, values in self.settings.items():
            known = make_optimizer(optimizer).default_values
            if strange := sorted(set(values) - set(known)):
                raise UsageError(f"settings: {optimizer} has no {', '.join(strange)}; it has {', '.join(known)}")
        for problem in found:
            if problem.native is not None and self.suggestions:
                raise UsageError(
                    f"{problem.name} is trained natively, where no range test can be made; ask with "
                    "--set suggestions=[], or of another problem, as airfoil"
                )
        return found

    def estimate(self, data: Path | None) -> float:
        """From the time of each landscape, and of a run for each method."""
        found = 0.0
        for problem in self.problems(data):
            steps, points = self.steps or problem.steps, self.grid[0] * self.grid[1]
            few = _seeds(problem, FIRST_LANDSCAPE_SEED, self.landscape_seeds)
            found += sum(run_seconds(problem, make_optimizer(name), points, few, steps) for name in self.references)
            tests = _seeds(problem, FIRST_TEST_SEED, self.seeds)
            run = run_seconds(problem, make_optimizer(self.references[0]), 1, tests, steps)
            found += DEARER * len(self._methods) * run
        return found

    def answer(self, data: Path | None) -> Answer:
        tables: dict[str, list[pd.DataFrame]] = {name: [] for name in ("regrets", "optima", "rates", "runs")}
        measures, points, without = {}, dict[str, int](), list[str]()
        for problem in self.problems(data):
            references = {name: self._reference(problem, name, points) for name in self.references}
            if all(np.isinf(each.median) for each in references.values()):
                without.append(problem.name)
                continue
            suggested_rates = {name: self._rates(problem, name) for name in self.references} if self.suggestions else {}
            losses = [self._losses(problem, method, suggested_rates) for method in self._methods]
            silent = [self._silent(method, suggested_rates) for method in self._methods]
            measure = _measure(problem, self._start(problem), [*losses, *(each.tested for each in references.values())])
            measures[problem.name] = measure.name
            best = min(references, key=lambda name: references[name].median)
            made = {
                "regrets": self._regrets(problem, losses, silent, measure(references[best].tested), measure),
                "optima": _optima(references, best, measure),
                "rates": self._rate_rows(problem, suggested_rates, references),
                "runs": self._runs(problem, losses, silent),
            }
            for table, frame in made.items():
                tables[table].append(frame.assign(problem=problem.name))
        if not measures:
            raise UsageError(
                f"no point of the landscape of {' or '.join(self.references)} finished on {', '.join(without)}: "
                "there is no optimum to hold anything against; ask with fewer steps, or give another reference"
            )
        joined = {table: pd.concat(frames, ignore_index=True) for table, frames in tables.items()}
        kinds = joined["regrets"].drop_duplicates("method").set_index("method")
        shares = shares_of(joined["regrets"])
        joined["shares"] = shares.assign(**{key: shares["method"].map(kinds[key]) for key in ("kind", "optimizer")})
        facts = TuningFreeFacts(
            problems=tuple(measures),
            measures=measures,
            without=tuple(without),
            references=tuple(self.references),
            points=points,
            landscape_seeds=self.landscape_seeds,
            seeds=self.seeds,
            range_steps=self.range_steps,
        )
        return Answer(joined, facts, self._method())

    @property
    def _methods(self) -> list[Method]:
        """Every method, in the order of the tables."""
        return [
            *(Method(name, "rule", name) for name in self.optimizers),
            *(
                Method(f"{name}, range test: {way}", "range test", name, way)
                for name in self.references
                for way in self.suggestions
            ),
            *(Method(f"{name}, its defaults", "defaults", name) for name in self.references),
        ]

    def _training(self, problem: Problem, spec: AnyOptimizer, first: int, seeds: int) -> Training:
        """Runs on ``seeds`` seeds from ``first`` on; one says all of a deterministic problem."""
        return Training(problem, spec, _seeds(problem, first, seeds), self.steps or problem.steps)

    def _start(self, problem: Problem) -> float:
        """The loss at the start, median over the test seeds."""
        x = problem.start(_seeds(problem, FIRST_TEST_SEED, self.seeds)).to(problem.dtype)
        return float(problem.evaluate(x)["loss"].double().median())

    def _reference(self, problem: Problem, name: str, points: dict[str, int]) -> Reference:
        """The best point of the landscape of ``name``, tested; ``points`` is told how many there are."""
        spec = make_optimizer(name)
        space = Space.of(spec, Searching())
        axes = [
            knob.grid(count) for knob, count in zip(space.searched, [self.grid[0], *[self.grid[1]] * 9], strict=False)
        ]
        pairs = torch.cartesian_prod(*(torch.tensor(axis, dtype=torch.float64) for axis in axes)).view(-1, len(axes))
        points[name] = len(pairs)
        columns = {knob.name: pairs[:, place] for place, knob in enumerate(space.searched)}
        mapped = train(self._training(problem, spec, FIRST_LANDSCAPE_SEED, self.landscape_seeds), columns).final_loss
        medians = np.median(np.nan_to_num(mapped.numpy(), nan=np.inf), axis=1)
        at = int(medians.argmin())
        best = {key: float(column[at]) for key, column in columns.items()}
        tested = train(self._training(problem, spec, FIRST_TEST_SEED, self.seeds), best).final_loss[0].numpy()
        return Reference(space, best, float(medians[at]), tested)

    def _rates(self, problem: Problem, name: str) -> pd.DataFrame:
        """What the range tests of ``name`` suggest: a row a test seed, a column a suggestion."""
        spec = make_optimizer(name)
        assert isinstance(spec, OptimizerSpec), "problems() has looked"
        ran = range_run(problem, spec, _seeds(problem, FIRST_TUNING_SEED, self.seeds), self.range_steps)
        return pd.DataFrame(
            {way: [suggested(way, ran.lrs, losses) for losses in ran.losses] for way in self.suggestions}
        )

    def _losses(self, problem: Problem, method: Method, rates: Mapping[str, pd.DataFrame]) -> Array:
        """The final loss ``[S]`` of the test runs of ``method``, NaN where one diverged or has no learning rate."""
        spec = make_optimizer(method.optimizer)
        training = self._training(problem, spec, FIRST_TEST_SEED, self.seeds)
        if not method.suggestion:
            given = self.settings.get(method.optimizer, {}) if method.kind == "rule" else {}
            return np.asarray(train(training, given).final_loss[0].numpy())
        own = rates[method.optimizer][method.suggestion].to_numpy(dtype=np.float64)
        every = np.unique(own[np.isfinite(own)])
        losses = np.full(own.size, np.nan)
        if every.size:
            trained = train(training, {"lr": torch.from_numpy(every)}).final_loss.numpy()
            for seed, rate in enumerate(own):
                if np.isfinite(rate):
                    losses[seed] = trained[int(np.searchsorted(every, rate)), seed]
        return losses

    def _silent(self, method: Method, rates: Mapping[str, pd.DataFrame]) -> Array:
        """For which test seeds ``[S]`` the range test of ``method`` suggested nothing; none of a method without one."""
        if not method.suggestion:
            return np.zeros(0, dtype=bool)
        return np.asarray(rates[method.optimizer][method.suggestion].isna())

    def _regrets(
        self, problem: Problem, losses: Sequence[Array], silent: Sequence[Array], optimum: Array, measure: Measure
    ) -> pd.DataFrame:
        """A row a method."""
        rows: list[dict[str, Any]] = []
        for order, (method, own, none) in enumerate(zip(self._methods, losses, silent, strict=True)):
            runs = measure(own)
            found = judged(optimum, runs, measure, exact=problem.deterministic)
            named = dict(zip(KEPT, (method.name, method.kind, method.optimizer, order), strict=True))
            regret = {"regret": found.regret.value, "low": found.regret.low, "high": found.regret.high}
            lost = int(none.sum())
            counts = {"diverged": found.diverged - lost, "silent": lost, "above": found.above, "runs": found.runs}
            rows.append({**named, **regret, **counts, "value": float(np.median(measure.shown(runs)))})
        return pd.DataFrame(rows)

    def _rate_rows(
        self, problem: Problem, rates: Mapping[str, pd.DataFrame], references: Mapping[str, Reference]
    ) -> pd.DataFrame:
        """A row a range test and suggestion."""
        seeds = _seeds(problem, FIRST_TUNING_SEED, self.seeds)
        columns = ["reference", "suggestion", "seed", "lr", "best_lr"]
        return pd.DataFrame(
            [
                (name, way, seed, rate, references[name].best["lr"])
                for name, table in rates.items()
                for way in self.suggestions
                for seed, rate in zip(seeds, table[way], strict=True)
            ],
            columns=columns,
        )

    def _runs(self, problem: Problem, losses: Sequence[Array], silent: Sequence[Array]) -> pd.DataFrame:
        """A row a test run of a method."""
        seeds = _seeds(problem, FIRST_TEST_SEED, self.seeds)
        every = np.concatenate(losses)
        none = np.concatenate([of if of.size else np.zeros(len(seeds), dtype=bool) for of in silent])
        ended = np.where(np.isnan(every), Outcome.DIVERGED.word, Outcome.FINISHED.word)
        return pd.DataFrame(
            {
                "method": np.repeat([method.name for method in self._methods], len(seeds)),
                "seed": np.tile(seeds, len(losses)),
                "status": np.where(none, UNTRAINED, ended),
                "loss": every,
            }
        )

    def _method(self) -> list[str]:
        tests = [
            f"A range test is fastai's: {self.range_steps} steps from lr {LOW:g} towards {HIGH:g}, batch losses "
            f"smoothed, ended at 4 times the lowest; read by {', '.join(self.suggestions)}. Its steps are not charged. "
            "Each test run has its own, on another seed, with the reference's defaults for all but lr; one that ends "
            "too soon to suggest anything counts as the worst result, and not as a divergence.",
        ] * bool(self.suggestions)
        return [
            f"The optimum is the best point of a landscape of {self.grid[0]} learning rates × {self.grid[1]} values of "
            f"the second hyperparameter of {' and '.join(self.references)}, by the median of {self.landscape_seeds} "
            f"seeds, the lower of the references, trained again on the {self.seeds} test seeds that all methods have "
            "(one on a deterministic problem).",
            "Regret: gap of the method over gap of the optimum, median seed by seed. A rule has its authors' defaults"
            + "".join(
                f"; {name} {', '.join(f'{key} {value:g}' for key, value in values.items())}"
                for name, values in self.settings.items()
                if name in self.optimizers
            )
            + ".",
            *tests,
        ]


def _seeds(problem: Problem, first: int, count: int) -> list[int]:
    return list(range(first, first + (1 if problem.deterministic else count)))


def _measure(problem: Problem, start: float, losses: Sequence[Array]) -> Measure:
    """What ``problem`` is judged by."""
    return Measure.of(problem.minimum, start, float(np.fmin.reduce(np.concatenate(losses))))


def _optima(references: Mapping[str, Reference], best: str, measure: Measure) -> pd.DataFrame:
    """A row a reference."""
    rows = []
    for name, of in references.items():
        others = [value for key, value in of.best.items() if key != "lr"]
        rows.append(
            {
                "reference": name,
                "best": name == best,
                "value": float(np.median(measure.shown(measure(of.tested)))),
                "lr": of.best.get("lr", np.nan),
                "second": others[0] if others else np.nan,
                "at_edge": bool(of.space.at_edge(of.best)),
            }
        )
    return pd.DataFrame(rows)
