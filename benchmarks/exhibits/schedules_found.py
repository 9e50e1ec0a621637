"""Schedules found by search: which lr(t), and which memory over time, and what the usual ones lose against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from analysis.measures.best_rates import best_rates, expected_loss
from analysis.record.exhibits.schedules_found import FREE, LR_FOUND, OPTIMUM, SchedulesFoundFacts
from analysis.record.outcome import Outcome
from benchmarks.engine.kernel_lanes import seconds_by_torch
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.exhibits.knot_search import Freedom, knot_name, search, shaped
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer, make_problem, make_schedules
from benchmarks.suite.settings import FIRST_TEST_SEED, Count
from benchmarks.tuning.samplers import seed_of
from optimizers import OptimizerSpec, Schedule
from optimizers.lr_schedules import Knots
from optimizers.memory_schedules import GammaKnots
from optimizers.schedule import Constant, check_knots
from optimizers.sgd import SGD
from problems import Problem
from problems.quadratic import Moments, NoisyQuadratic, Quadratic

__all__ = ["SchedulesFound"]

DRAWN: Final = 60
"""Steps of a run at which schedules are kept, at most, besides the last."""
BY_KERNEL: Final = 0.5
"""What kernels, and large batches of lanes, leave of torch's time, about."""
KEPT: Final = 3
"""The best schedules of every search that are drawn."""


@dataclass(frozen=True)
class _Winner:
    """What a way chose in one study: its ``schedules`` from ``base`` values on, the ``loss`` it had on the tuning seeds
    as number ``rank`` of ``tried``, and, of a search, the ``values`` at the knots.
    """

    way: str
    study: int
    rank: int
    text: str
    schedules: Mapping[str, Schedule]
    base: Mapping[str, float]
    loss: float
    tried: int
    values: Mapping[str, float] | None = None


class SchedulesFound(Question):
    """Tunes the base lr of every one of ``shapes``, and searches the values of lr, and of a memory, at ``knots``.

    Everything is done in ``studies`` of their own tuning seeds, each way with ``population`` × ``generations``
    configurations, and what each study chose is tested on the same fresh seeds.
    """

    name = "schedules-found"
    seconds = 85.0

    on: Annotated[list[str], Field(min_length=1)] = ["noisy-quadratic", "airfoil"]
    optimizers: Annotated[list[str], Field(min_length=1)] = ["sgd", "rmsprop"]
    shapes: Annotated[list[str], Field(min_length=1)] = ["constant", "linear", "cosine", "warmup-stable-decay"]
    knots: list[float] = [0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0]
    population: Annotated[int, Field(ge=4)] = 16
    generations: Annotated[int, Field(ge=2)] = 48
    studies: Annotated[int, Field(ge=2)] = 3
    tuning_seeds: Count = 4
    test_seeds: Count = 24
    steps: Count | None = None

    @field_validator("knots")
    @classmethod
    def _rise(cls, knots: list[float]) -> list[float]:
        check_knots(knots)
        return knots

    def problems(self, data: Path | None) -> list[Problem]:
        for name in self.optimizers:
            self._spec(name)
        for shape in self.shapes:
            if strange := make_schedules(shape).keys() - {"lr"}:
                raise UsageError(
                    f"{self.name} holds the search against schedules of lr, not of {min(strange)}: {shape}"
                )
        return [make_problem(name, data) for name in self.on]

    def estimate(self, data: Path | None) -> float:
        ways = sum(len(self.shapes) + len(self._freedoms(self._spec(name))) for name in self.optimizers)
        seconds = 0.0
        for problem in self.problems(data):
            steps, seeds = self.steps or problem.steps, len(self._tuning_seeds(problem, 1))
            updates = self.population * self.generations * seeds * steps
            seconds += seconds_by_torch(problem, updates, self.generations * steps)
        return BY_KERNEL * self.studies * ways * seconds

    def answer(self, data: Path | None) -> Answer:
        chosen, curves, runs, exact = [], [], [], []
        floors, steps, optimum, starts = {}, {}, {}, dict[str, float]()
        for name, problem in zip(self.on, self.problems(data), strict=True):
            steps[name], floors[name] = self.steps or problem.steps, problem.minimum
            rates, optimum[name] = _optimum(problem, steps[name])
            for optimizer in self.optimizers:
                spec, labels = self._spec(optimizer), {"problem": name, "optimizer": optimizer}
                winners = self._winners(problem, spec, steps[name])
                sgd = rates is not None and spec.rule == SGD()
                for winner in winners:
                    curves.append(_curve(winner, spec, steps[name]).assign(**labels))
                    if winner.rank:
                        continue
                    chosen.append({**labels, **_chosen(winner, spec)})
                    trace = self._tested(problem, spec, winner, steps[name])
                    starts.setdefault(name, float(trace.loss[..., 0].mean()))
                    runs.append(_runs(winner, trace, self._test_seeds(problem)).assign(**labels))
                    if sgd:
                        expected = _expected(_moments(problem), _rates(winner, steps[name]))
                        row = {"way": winner.way, "study": winner.study, "expected": expected}
                        exact.append({**labels, **row, "optimum": optimum[name]})
                if sgd and rates is not None:
                    best = _every(steps[name])
                    curves.append(_sampled(OPTIMUM, 1, 0, best, rates[best - 1], np.nan).assign(**labels))
        tables = {
            "choices": pd.DataFrame(chosen),
            "schedules": pd.concat(curves, ignore_index=True),
            "runs": pd.concat(runs, ignore_index=True),
            "expected": pd.DataFrame(exact, columns=["problem", "optimizer", "way", "study", "expected", "optimum"]),
        }
        facts = SchedulesFoundFacts(
            problems=tuple(self.on),
            optimizers=tuple(self.optimizers),
            shapes=tuple(self.shapes),
            memories={name: _memory(self._spec(name)) for name in self.optimizers},
            floors=floors,
            starts=starts,
            steps=steps,
            knots=tuple(self.knots),
            studies=self.studies,
            tried=self.population * self.generations,
            tuning_seeds=self.tuning_seeds,
            test_seeds=self.test_seeds,
            optimum={name: loss for name, loss in optimum.items() if loss is not None},
        )
        return Answer(tables, facts, self._method())

    def _spec(self, name: str) -> OptimizerSpec:
        """The optimizer called ``name``; raises `UsageError` where its learning rate cannot be searched in lanes."""
        spec = make_optimizer(name)
        able = f"ask it of a rule of ours, as {', '.join(list(OPTIMIZERS)[:2])} or rmsprop"
        if not isinstance(spec, OptimizerSpec):
            raise UsageError(f"{self.name} trains a schedule a lane, which {name} from elsewhere cannot do; {able}")
        if not any(knob.name == "lr" and knob.scale == "log" for knob in spec.hyperparameters):
            raise UsageError(f"{self.name} searches a learning rate, and {name} has none; {able}")
        return spec

    def _tuning_seeds(self, problem: Problem, study: int) -> list[int]:
        first = 1 + (study - 1) * self.tuning_seeds
        return [first] if problem.deterministic else list(range(first, first + self.tuning_seeds))

    def _test_seeds(self, problem: Problem) -> list[int]:
        count = 1 if problem.deterministic else self.test_seeds
        return list(range(FIRST_TEST_SEED, FIRST_TEST_SEED + count))

    def _winners(self, problem: Problem, spec: OptimizerSpec, steps: int) -> list[_Winner]:
        """What every way chose in every study, and the next best of the searches."""
        found = []
        for study in range(1, 1 + self.studies):
            training = Training(problem, spec, self._tuning_seeds(problem, study), steps)
            found += [self._tuned(training, spec, shape, study) for shape in self.shapes]
            for way, freedom in self._freedoms(spec).items():
                found += self._searched(training, spec, way, freedom, study)
        return found

    def _freedoms(self, spec: OptimizerSpec) -> dict[str, Freedom]:
        """What each search may choose, by the name of its way."""
        at, memory = tuple(self.knots), _memory(spec)
        ways = {LR_FOUND: Freedom(at, ("lr",))}
        if memory is not None:
            ways[FREE[0]] = Freedom(at, ("lr",), (memory,))
            ways[FREE[1]] = Freedom(at, ("lr", memory))
        return ways

    def _tuned(self, training: Training, spec: OptimizerSpec, shape: str, study: int) -> _Winner:
        """The best base lr of a shape, among as many as a search tries."""
        knob, schedules = spec.hyperparameter("lr"), make_schedules(shape)
        rates = torch.tensor(knob.grid(self.population * self.generations), dtype=torch.float64)
        asked = Training(training.problem, spec, training.seeds, training.steps, schedules=schedules)
        losses = train(asked, {**spec.default_values, "lr": rates}).final_loss.mean(-1).nan_to_num(torch.inf)
        at = int(losses.argmin())
        base = {**spec.default_values, "lr": float(rates[at])}
        return _Winner(shape, study, 0, shape, schedules, base, float(losses[at]), len(rates))

    def _searched(
        self, training: Training, spec: OptimizerSpec, way: str, freedom: Freedom, study: int
    ) -> list[_Winner]:
        seed = seed_of(f"{training.problem.name} {spec.name} {way}", study)
        found = search(training, spec, freedom, self.population, self.generations, seed, KEPT)
        return [
            _Winner(way, study, rank, *_as_schedules(spec, freedom, values), loss, found.tried, values)
            for rank, (values, loss) in enumerate(zip(found.values, found.losses, strict=True))
        ]

    def _tested(self, problem: Problem, spec: OptimizerSpec, winner: _Winner, steps: int) -> Trace:
        """The winner's runs on the test seeds."""
        training = Training(problem, spec, self._test_seeds(problem), steps)
        if winner.values is not None:
            return train(*shaped(training, spec, self._freedoms(spec)[winner.way], [winner.values]))
        return train(Training(problem, spec, training.seeds, steps, schedules=winner.schedules), winner.base)

    def _method(self) -> list[str]:
        tried, knots = self.population * self.generations, ", ".join(f"{at:g}" for at in self.knots)
        return [
            f"{', '.join(self.shapes)}: of {tried} base lr over the optimizer's whole range that of lowest mean loss "
            f"at the end on {self.tuning_seeds} tuning seeds.",
            f"Found: values at {len(self.knots)} knots ({knots} of the run), straight lines between, by CMA-ES on the "
            f"same seeds: {self.generations} generations of {self.population}, the first of constant and falling "
            "lines; a run that diverges makes its configuration the worst.",
            f"All of it {self.studies} times, each study with tuning seeds and searches of its own; what each chose is "
            f"trained on {self.test_seeds} seeds that nothing was chosen on, the same for all.",
            "The optimum of SGD on a quadratic with additive noise is computed from its expected loss (Zhang et al. "
            "2019), a learning rate a step, by minimisation; along one eigenvector it is known in closed form.",
        ]


def _memory(spec: OptimizerSpec) -> str | None:
    """The memory among the axes of an optimizer's landscape."""
    axis = spec.axes[1]
    return axis if axis is not None and spec.hyperparameter(axis).is_memory else None


def _as_schedules(
    spec: OptimizerSpec, freedom: Freedom, values: Mapping[str, float]
) -> tuple[str, dict[str, Schedule], dict[str, float]]:
    """What was found as a suite has it: the text of its schedules, they themselves, and the base values."""
    at, parts, schedules = list(freedom.at), [], dict[str, Schedule]()
    base = {**spec.default_values, **{name: values[name] for name in freedom.still}}
    for name in freedom.moving:
        here = [values[knot_name(name, share)] for share in freedom.at]
        if name == "lr":
            base[name] = max(here)
            here = [value / base[name] for value in here]
            schedules[name], kind, of = Knots(here, at), "knots", "factors"
        else:
            schedules[name], kind, of = GammaKnots(here, at), "gamma-knots", "values"
        written = ", ".join(f"{value:.6g}" for value in here)
        parts.append(f"{name}={kind}({of}=[{written}], at={at})")
    return " ".join(parts), schedules, base


def _chosen(winner: _Winner, spec: OptimizerSpec) -> dict[str, object]:
    """A row of ``choices``."""
    memory, knob = _memory(spec), spec.hyperparameter("lr")
    return {
        "way": winner.way,
        "study": winner.study,
        "schedule": winner.text,
        "lr": winner.base["lr"],
        "memory": np.nan if memory is None or memory in winner.schedules else winner.base[memory],
        "loss": winner.loss,
        "at_edge": winner.values is None and winner.base["lr"] in (knob.low, knob.high),
        "tried": winner.tried,
    }


def _every(steps: int) -> np.ndarray:
    """The steps at which schedules are kept."""
    return np.unique(np.linspace(1, steps, min(steps, DRAWN + 1)).round().astype(int))


def _rates(winner: _Winner, steps: int) -> np.ndarray:
    """The learning rate of every step ``[T]``."""
    change = winner.schedules.get("lr", Constant())
    return np.array([float(change(winner.base["lr"], t, steps)) for t in range(1, 1 + steps)])


def _curve(winner: _Winner, spec: OptimizerSpec, steps: int) -> pd.DataFrame:
    """The learning rate and the memory over the run."""
    memory, kept = _memory(spec), _every(steps)
    of_memory = np.full(len(kept), np.nan)
    if memory is not None:
        change = winner.schedules.get(memory, Constant())
        of_memory = np.array([float(change(winner.base[memory], int(t), steps)) for t in kept])
    return _sampled(winner.way, winner.study, winner.rank, kept, _rates(winner, steps)[kept - 1], of_memory)


def _sampled(
    way: str, study: int, rank: int, step: np.ndarray, lr: np.ndarray, memory: np.ndarray | float
) -> pd.DataFrame:
    return pd.DataFrame({"way": way, "study": study, "rank": rank, "step": step, "lr": lr, "memory": memory})


def _runs(winner: _Winner, trace: Trace, seeds: Sequence[int]) -> pd.DataFrame:
    """A row a test run."""
    loss: Tensor = trace.final_loss[0]
    status = [Outcome(int(code)).word for code in trace.status[0]]
    return pd.DataFrame(
        {"way": winner.way, "study": winner.study, "seed": list(seeds), "status": status, "loss": loss.numpy()}
    )


def _moments(problem: Problem) -> Moments | None:
    """What decides SGD's expected loss on ``problem``; None where that is not known."""
    return problem.moments if isinstance(problem, NoisyQuadratic | Quadratic) else None


def _expected(moments: Moments | None, rates: np.ndarray) -> float:
    assert moments is not None, "whoever asks has looked"
    return expected_loss(rates, moments.curvature, moments.noise, moments.start)


def _optimum(problem: Problem, steps: int) -> tuple[np.ndarray | None, float | None]:
    """SGD's best learning rates ``[T]`` and their expected loss; None where they cannot be computed."""
    moments = _moments(problem)
    return (None, None) if moments is None else best_rates(moments.curvature, moments.noise, moments.start, steps)
