"""Which ingredient of an optimizer helps: rules that differ in one, tuned with the same budget, tested on fresh seeds.

A step of the ladder is written ``sgd -> momentum``; without an arrow it starts at the optimizer written before it.
The settings of every search are the same quasi-random points of its ranges, whatever the optimizer, and the defaults
are not among them: all are given as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from analysis.measures.ladder import ENOUGH, Tuned, climb
from analysis.measures.measure import Measure
from analysis.record.exhibits.ladder import LadderFacts
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import estimate_of_studies, typical
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.trial_run import run_seconds
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import make_optimizer, make_problem
from benchmarks.suite.settings import FIRST_TEST_SEED, Count, Sampler, Searching, Trials, Tuning
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study, Winner
from optimizers import OptimizerSpec
from optimizers.adafactor import Adafactor
from optimizers.muon import Muon
from optimizers.shampoo import SOAP, Shampoo
from optimizers.wrappers import layers
from problems import Problem

__all__ = ["Ladder"]

ARROW: Final = "->"
TESTING: Final = 0.3  # seconds: the test runs of an optimizer, and sampling
POINTS: Final = 50  # evaluations of a test run, between which steps are interpolated
DECAYED_SGD: Final = "sgd(weight_decay=0.01, decay='decoupled')"

INGREDIENTS: Final = {
    ("sgd", "momentum"): "momentum",
    ("sgd", "momentum-ema"): "an average of gradients",
    ("sgd", "adagrad"): "a scale for each coordinate",
    ("adagrad", "rmsprop"): "forgetting",
    ("rmsprop", "rmsprop-corrected"): "bias correction",
    ("rmsprop-corrected", "adam"): "an average of gradients",
    ("adam", "adamw"): "weight decay",
    ("sgd", DECAYED_SGD): "weight decay",
    ("adamw", "adamw-cautious"): "caution",
    ("momentum", "cautious(momentum)"): "caution",
    ("adam", "schedule-free-adamw"): "a mean of the path for momentum",
    ("sgd", "schedule-free-sgd"): "a mean of the path",
    ("adamw", "soap"): "the eigenbasis of Shampoo",
    ("momentum", "muon"): "orthogonal steps",
    ("sgd", "shampoo"): "a matrix for each side",
}
"""What the second optimizer has that the first lacks, in words."""

Matrices: Final = (Shampoo, SOAP, Muon, Adafactor)


@dataclass(frozen=True)
class Step:
    """One step of the ladder: an optimizer without an ingredient and one with it."""

    way: str
    order: int
    before: str
    after: str

    @property
    def ingredient(self) -> str:
        """What is added, in words."""
        return INGREDIENTS.get((self.before, self.after), f"{self.after} for {self.before}")


@dataclass(frozen=True, eq=False)
class Rung:
    """An optimizer tuned on a problem: the winners of its studies (None where every setting diverged) and the losses
    ``[K, S, E]`` of their test runs, NaN where a run diverged or there is none.
    """

    space: Space
    winners: Sequence[Winner | None]
    steps: np.ndarray
    losses: np.ndarray

    def tuned(self, measure: Measure) -> Tuned:
        """The same as the measure of the problem."""
        return Tuned(self.steps, measure(self.losses))


class Ladder(Question):
    """Tunes every optimizer of the ladder on each of ``on`` by ``studies`` searches of ``trials`` settings each, on
    ``tuning_seeds`` seeds, and tests what they found on ``seeds`` fresh ones.

    ``optimizers`` are the steps of the ladder and ``alone`` those of single ingredients. ``steps`` are updates of a
    run, by default the problem's own. An ingredient that can be worth no more than the share ``enough`` of them adds
    nothing.
    """

    name = "ladder"
    seconds = 90.0

    on: list[str] = ["quadratic(dim=20, noise='none', rotated=True)", "airfoil", "deep-linear(depth=2)"]
    optimizers: list[str] = [
        "sgd -> momentum",
        "sgd -> adagrad",
        "rmsprop",
        "rmsprop-corrected",
        "adam",
        "adamw",
        "adamw-cautious",
        "adam -> schedule-free-adamw",
        "adamw -> soap",
        "momentum -> muon",
    ]
    alone: list[str] = [
        "sgd -> momentum-ema",
        f"sgd -> {DECAYED_SGD}",
        "momentum -> cautious(momentum)",
        "sgd -> schedule-free-sgd",
    ]
    sampler: Sampler = "qmc"
    studies: Annotated[Count, Field(le=1000)] = 5
    trials: Trials = 16
    tuning_seeds: Count = 2
    seeds: Annotated[Count, Field(ge=2)] = 10
    steps: Count | None = None
    enough: Annotated[float, Field(gt=0, le=1)] = ENOUGH

    def problems(self, data: Path | None) -> list[Problem]:
        found = [make_problem(name, data) for name in self.on]
        specs = {name: make_optimizer(name) for name in self._named}
        for problem in found:
            if not self._answered(problem, specs):
                raise UsageError(
                    f"every step of this ladder needs matrices, and {problem.name} has none; "
                    "digits-mlp, deep-linear and matrix-factorization have"
                )
        return found

    def estimate(self, data: Path | None) -> float:
        """From the time of a search by an optimizer of each problem, and by one that sees matrices."""
        specs, found = {name: make_optimizer(name) for name in self._named}, 0.0
        for problem in self.problems(data):
            names = dict.fromkeys(name for step in self._answered(problem, specs) for name in (step.before, step.after))
            seeds = list(range(1, 1 + (1 if problem.deterministic else self.tuning_seeds)))
            for matrices in (False, True):
                alike = [specs[name] for name in names if _sees_matrices(specs[name]) == matrices]
                if alike:
                    each = run_seconds(problem, alike[0], self.trials, seeds, self._steps(problem))
                    found += len(alike) * (self.studies * each + TESTING)
        return found

    def answer(self, data: Path | None) -> Answer:
        specs = {name: make_optimizer(name) for name in self._named}
        rows: dict[str, list[pd.DataFrame]] = {}
        left_out, at_zero = dict[str, tuple[str, ...]](), list[str]()
        measures, steps = dict[str, str](), dict[str, int]()
        for problem in self.problems(data):
            ladder = self._answered(problem, specs)
            names = list(dict.fromkeys(name for step in ladder for name in (step.before, step.after)))
            rungs = {name: self._tuned(problem, specs[name]) for name in names}
            measure = _measure(problem, list(rungs.values()))
            made = {
                "ingredients": self._ingredients(problem, ladder, rungs, measure),
                "rungs": pd.DataFrame([_rung(i, *each, measure) for i, each in enumerate(rungs.items())]),
                "found": pd.DataFrame([row for each in rungs.items() for row in _found(*each)], columns=FOUND),
                "runs": pd.concat([self._runs(problem, *each) for each in rungs.items()]),
                "curves": pd.concat([_curve(*each, measure) for each in rungs.items()]),
            }
            for table, frame in made.items():
                rows.setdefault(table, []).append(frame.assign(problem=problem.name))
            measures[problem.name], steps[problem.name] = measure.name, self._steps(problem)
            without = tuple(name for name in self._named if name not in rungs)
            left_out |= {problem.name: without} if without else {}
            at_zero += [problem.name] if any(not any(x) for x in problem.minimisers) else []
        tables = {table: pd.concat(frames, ignore_index=True) for table, frames in rows.items()}
        facts = LadderFacts(
            problems=tuple(measures),
            measures=measures,
            steps=steps,
            left_out=left_out,
            at_zero=tuple(at_zero),
            sampler=self.sampler,
            studies=self.studies,
            trials=self.trials,
            tuning_seeds=self.tuning_seeds,
            enough=self.enough,
        )
        return Answer(tables, facts, self._method())

    @property
    def _named(self) -> list[str]:
        """Every optimizer of the ladder, once."""
        return list(dict.fromkeys(name for step in self._ladder for name in (step.before, step.after)))

    @property
    def _ladder(self) -> list[Step]:
        """The steps as they are written; raises `UsageError` where one has no start or no end."""
        return [*_steps_of("added", self.optimizers), *_steps_of("alone", self.alone)]

    def _answered(self, problem: Problem, specs: dict[str, AnyOptimizer]) -> list[Step]:
        """The steps that ``problem`` can answer: without matrices, none to or from a rule that needs them."""
        if any(len(shape) > 1 and min(shape) > 1 for _, shape in problem.layout):
            return self._ladder
        return [step for step in self._ladder if not any(_sees_matrices(specs[n]) for n in (step.before, step.after))]

    def _steps(self, problem: Problem) -> int:
        return self.steps or problem.steps

    def _tuned(self, problem: Problem, spec: AnyOptimizer) -> Rung:
        """``spec`` tuned on ``problem`` and tested."""
        tuning = Tuning(
            sampler=self.sampler,
            trials=self.trials,
            block=self.trials,
            studies=self.studies,
            pruner="none",
            seeds=1 if problem.deterministic else self.tuning_seeds,
        )
        space, steps = Space.of(spec, Searching()), self._steps(problem)
        studies: list[Study] = []
        for number in range(self.studies):
            name = f"ladder {problem.name} {number + 1}"  # the same for all optimizers: the same points are tried
            studies.append(tune(name, Training(problem, spec, tuning.seeds_of(number), steps), space, tuning))
        seeds = _test_seeds(problem, self.seeds)
        training = Training(problem, spec, seeds, steps, max(1, steps // POINTS))
        winners = [study.winner for study in studies]
        losses = np.full((len(winners), len(seeds), len(training.evaluations)), np.nan)
        places = [place for place, winner in enumerate(winners) if winner]
        if places:
            losses[places] = _tested(training, [winner for winner in winners if winner]).loss.numpy()
        return Rung(space, winners, np.asarray(training.evaluations, dtype=np.float64), losses)

    def _ingredients(
        self, problem: Problem, ladder: Sequence[Step], rungs: dict[str, Rung], measure: Measure
    ) -> pd.DataFrame:
        """A row a step of the ladder."""
        tuned = {name: rung.tuned(measure) for name, rung in rungs.items()}
        pairs = [(tuned[step.before], tuned[step.after]) for step in ladder]
        found = climb(pairs, measure, exact=problem.deterministic, enough=self.enough)
        return pd.DataFrame(
            {
                "way": step.way,
                "order": step.order,
                "ingredient": step.ingredient,
                "before": step.before,
                "after": step.after,
                "unit": "decades" if measure.log else measure.name,
                "change": each.difference.change.value,
                "low": each.difference.change.low,
                "high": each.difference.change.high,
                "p_holm": each.p_holm,
                "verdict": each.verdict.value,
                "saved": each.steps,
                "saved_low": each.steps_low,
                "saved_high": each.steps_high,
                "at_most": each.at_most,
                "steps": self._steps(problem),
                "studies": self.studies,
                "seeds": each.difference.change.n,
            }
            for step, each in zip(ladder, found, strict=True)
        )

    def _runs(self, problem: Problem, optimizer: str, rung: Rung) -> pd.DataFrame:
        """A row a test run."""
        loss, seeds = rung.losses[..., -1], _test_seeds(problem, self.seeds)
        return pd.DataFrame(
            {
                "optimizer": optimizer,
                "study": np.repeat(np.arange(self.studies), len(seeds)),
                "seed": np.tile(seeds, self.studies),
                "status": np.where(np.isnan(loss.ravel()), Outcome.DIVERGED.word, Outcome.FINISHED.word),
                "loss": loss.ravel(),
            }
        )

    def _method(self) -> list[str]:
        return [
            f"Every optimizer is tuned on every problem by {self.studies} independent searches of {self.trials} "
            f"settings ({self.sampler}; the same points of its ranges for all, none of them its defaults, nothing "
            f"pruned), each on {self.tuning_seeds} tuning seeds of its own; what they found is tested on {self.seeds} "
            "fresh seeds, the same for all; one seed says all of a deterministic problem.",
            "A step of the ladder is a difference of two optimizers, search by search, in the mean over searches: "
            "Student's interval and test as in the protocol, adjusted by Holm's method for all steps of a problem. "
            "Searched are the axes of each optimizer's landscape; whatever else it has stands at its default.",
            "In steps: how much earlier the lower of the two was where the other one ends, read off the typical run. "
            f"What is not told apart adds nothing if its interval is worth at most {self.enough:.0%} of the steps, and "
            "is undecided otherwise.",
        ]


FOUND: Final = ["optimizer", "study", "hyperparameter", "value", "at_edge"]


def _steps_of(way: str, written: Sequence[str]) -> list[Step]:
    steps, last = list[Step](), ""
    for text in written:
        parts = [part.strip() for part in text.split(ARROW)]
        if len(parts) == 1 and not last:
            last = parts[0]
            continue
        before, after = parts if len(parts) == 2 else (last, parts[0])
        if len(parts) > 2 or not before or not after:
            raise UsageError(f"a step of the ladder is written sgd -> momentum, got {text!r}")
        steps.append(Step(way, len(steps), before, after))
        last = after
    if way == "added" and not steps:
        raise UsageError("a ladder has two optimizers at least: give one more, or a step as sgd -> momentum")
    return steps


def _sees_matrices(spec: AnyOptimizer) -> bool:
    return isinstance(spec, OptimizerSpec) and isinstance(layers(spec.rule)[-1], Matrices)


def _test_seeds(problem: Problem, count: int) -> list[int]:
    return list(range(FIRST_TEST_SEED, FIRST_TEST_SEED + (1 if problem.deterministic else count)))


def _tested(training: Training, winners: Sequence[Winner]) -> Trace:
    names = winners[0].values
    return train(
        training, {name: torch.tensor([own.values[name] for own in winners], dtype=torch.float64) for name in names}
    )


def _measure(problem: Problem, rungs: Sequence[Rung]) -> Measure:
    """What ``problem`` is judged by, from its floor and all runs."""
    every = np.concatenate([rung.losses.ravel() for rung in rungs])
    starts = np.concatenate([rung.losses[..., 0].ravel() for rung in rungs])
    if np.isnan(every).all():
        raise UsageError(
            f"no setting of any optimizer finished on {problem.name}; ask with fewer steps or other ranges"
        )
    return Measure.of(problem.minimum, float(np.nanmedian(starts)), float(np.nanmin(every)))


def _rung(order: int, optimizer: str, rung: Rung, measure: Measure) -> dict[str, Any]:
    ends = measure(rung.losses[..., -1])
    found = estimate_of_studies(measure.shown(ends))
    return {
        "optimizer": optimizer,
        "order": order,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "searched": len(rung.space.searched),
        "diverged": int(np.isinf(ends).sum()),
        "runs": ends.size,
    }


def _found(optimizer: str, rung: Rung) -> list[dict[str, Any]]:
    return [
        dict(zip(FOUND, (optimizer, study, knob.name, winner.values[knob.name], knob.name in winner.at_edge)))
        for study, winner in enumerate(rung.winners)
        if winner
        for knob in rung.space.searched
    ]


def _curve(optimizer: str, rung: Rung, measure: Measure) -> pd.DataFrame:
    values = typical(rung.tuned(measure).runs)
    return pd.DataFrame({"optimizer": optimizer, "step": rung.steps.astype(np.int64), "value": measure.shown(values)})
