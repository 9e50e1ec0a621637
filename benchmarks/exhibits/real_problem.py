"""Exercise 3: RMSProp on images, and how its learning rate should change: six schedules, each tuned on its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
import torch

from analysis.measures.exhibit_facts import lowest_way
from analysis.record.exhibits.real_problem import RealProblemFacts
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import spread
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import OPTIMIZERS, make_problem, make_schedules
from benchmarks.suite.settings import FIRST_TEST_SEED, Count
from problems import Problem
from problems.download import cache_folder
from problems.images import FASHION_MNIST, FASHION_MNIST_FILES, MNIST_5K

__all__ = ["RealProblem", "fashion_at_hand"]

OPTIMIZER: Final = "rmsprop"
SCHEDULES: Final = ("constant", "inverse-sqrt", "step", "cosine", "warmup(then='cosine')", "linear")
METRICS: Final = ("heldout_loss", "heldout_accuracy")
GOOD: Final = 1.5  # times the best training loss: so much worse is still a usable learning rate


class RealProblem(Question):
    """Tunes the base lr of every schedule on ``tuning_seeds`` seeds and tests it on ``test_seeds`` fresh ones.

    ``images`` are Fashion-MNIST's where all of its files are in the cache folder, and MNIST's otherwise; or as named.
    """

    name = "real-problem"
    seconds = 16.0

    images: Literal["auto", "fashion-mnist", "mnist"] = "auto"
    network: Literal["mlp", "lenet"] = "mlp"
    hidden: Count = 32
    batch: Count = 32
    steps: Count = 375
    lrs: list[float] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    tuning_seeds: Count = 2
    test_seeds: Count = 8
    evaluations: Count = 10

    def problems(self, data: Path | None) -> list[Problem]:
        return [make_problem(self._problem(), data)]

    def answer(self, data: Path | None) -> Answer:
        problem = make_problem(self._problem(), data)
        lr = torch.tensor(self.lrs, dtype=torch.float64)
        tuning = range(1, 1 + self.tuning_seeds)
        test = range(FIRST_TEST_SEED, FIRST_TEST_SEED + self.test_seeds)
        every = max(1, self.steps // self.evaluations)
        grid, choices, curves = [], [], []
        for schedule in SCHEDULES:
            chances = self._train(problem, schedule, {"lr": lr}, list(tuning), self.steps)
            chosen = _choose(self.lrs, chances)
            trace = self._train(problem, schedule, {"lr": chosen["lr"]}, list(test), every)
            grid.append(_runs(schedule, self.lrs, list(tuning), chances))
            choices.append({"schedule": schedule, **chosen, **_tested(trace)})
            curves.append(self._curves(schedule, chosen["lr"], list(test), trace))
        table = pd.DataFrame(choices)
        tables = {
            "grid": pd.concat(grid, ignore_index=True),
            "choices": table,
            "curves": pd.concat(curves, ignore_index=True),
        }
        return Answer(tables, self._facts(problem, table), self._method(problem))

    def _problem(self) -> str:
        images = self.images
        if images == "auto":
            images = "fashion-mnist" if fashion_at_hand() else "mnist"
        size = f"hidden={self.hidden}, " if self.network == "mlp" else ""
        return f"{images}-{self.network}({size}batch={self.batch})"

    def _train(
        self, problem: Problem, schedule: str, values: Mapping[str, Any], seeds: list[int], evaluate_every: int
    ) -> Trace:
        """The runs of every learning rate in ``values`` on every seed."""
        schedules = make_schedules(schedule)
        return train(Training(problem, OPTIMIZERS[OPTIMIZER], seeds, self.steps, evaluate_every, schedules), values)

    def _curves(self, schedule: str, lr: float, seeds: list[int], trace: Trace) -> pd.DataFrame:
        """The test runs at every evaluation, with the learning rate of the step that led there (the first, at 0)."""
        change = make_schedules(schedule).get("lr")
        steps = trace.step.tolist()
        rates = [lr if change is None else float(change(lr, max(1, step), self.steps)) for step in steps]
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "schedule": schedule,
                        "seed": seed,
                        "step": steps,
                        "lr": rates,
                        **{name: trace.metrics[name][0, s].numpy() for name in ("loss", *METRICS)},
                    }
                )
                for s, seed in enumerate(seeds)
            ],
            ignore_index=True,
        )

    def _facts(self, problem: Problem, choices: pd.DataFrame) -> RealProblemFacts:
        fashion = problem.name.startswith("fashion")
        ranked = choices.set_index("schedule")
        accuracy = ranked.assign(median=-ranked["heldout_accuracy"])
        return RealProblemFacts(
            problem=problem.name,
            images="Fashion-MNIST" if fashion else "MNIST",
            network="LeNet" if self.network == "lenet" else f"784-{self.hidden}-10 with ReLU",
            dim=problem.dim,
            optimizer=OPTIMIZER,
            gamma=OPTIMIZERS[OPTIMIZER].default_values["gamma"],
            batch=self.batch,
            steps=self.steps,
            epochs=self.steps * self.batch / (FASHION_MNIST if fashion else MNIST_5K).rows,
            tuning_seeds=tuple(range(1, 1 + self.tuning_seeds)),
            test_seeds=tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + self.test_seeds)),
            rates=tuple(self.lrs),
            best=lowest_way(ranked),
            best_accuracy=lowest_way(accuracy),
        )

    def _method(self, problem: Problem) -> list[str]:
        return [
            f"RMSProp with γ 0.9 on {problem.name}, {self.steps} steps. Every schedule is tuned on its own: the base "
            f"lr of lowest mean training loss at the end, among {len(self.lrs)} on {self.tuning_seeds} tuning seeds.",
            f"The winner is trained again on {self.test_seeds} fresh seeds, and only those runs are reported. All "
            "schedules see the same starts and the same order of images.",
        ]


def fashion_at_hand() -> bool:
    """Whether every file of Fashion-MNIST is in the cache folder."""
    folder = cache_folder() / "fashion-mnist"
    return all((folder / name).is_file() for name in FASHION_MNIST_FILES)


def _choose(lrs: list[float], trace: Trace) -> dict[str, Any]:
    """The learning rate of lowest mean final loss, whether it is an end of the list, and how wide the good ones lie."""
    means = trace.final_loss.mean(-1).nan_to_num(math.inf).tolist()
    best = means.index(min(means))
    good = [lr for lr, mean in zip(lrs, means, strict=True) if mean <= GOOD * means[best]]
    return {
        "lr": lrs[best],
        "at_edge": best in (0, len(lrs) - 1),
        "width": math.log10(max(good) / min(good)),
    }


def _runs(schedule: str, lrs: list[float], seeds: list[int], trace: Trace) -> pd.DataFrame:
    """One row a tuning run."""
    rows = []
    for c, lr in enumerate(lrs):
        for s, seed in enumerate(seeds):
            ended = {name: float(trace.metrics[name][c, s, -1]) for name in ("loss", *METRICS)}
            status = Outcome(int(trace.status[c, s])).word
            rows.append({"schedule": schedule, "lr": lr, "seed": seed, "status": status, **ended})
    return pd.DataFrame(rows)


def _tested(trace: Trace) -> dict[str, float]:
    """How the test runs ended."""
    held, accuracy = (spread(trace.metrics[name][0, :, -1].numpy()) for name in METRICS)
    return {
        **asdict(spread(trace.final_loss[0].numpy())),
        "heldout_loss": held.median,
        "heldout_accuracy": accuracy.median,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
    }
