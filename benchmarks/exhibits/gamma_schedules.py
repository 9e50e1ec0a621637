"""Exercise 4: should γ change? Its influence with and without bias correction, schedules against constants, and a
problem on which γ itself decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from analysis.measures.exhibit_facts import lowest_way, thresholds
from analysis.record.exhibits.gamma_schedules import GammaSchedulesFacts
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import spread
from analysis.statistics.influence import SENSIBLE, explained_share, sensible_rates
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.question import Answer, Question
from benchmarks.exhibits.threshold import walking_away
from benchmarks.naming.registry import make_problem, make_schedules
from benchmarks.suite.settings import FIRST_TEST_SEED, Count
from optimizers import Rule
from optimizers.rmsprop import RMSProp
from problems import Problem

__all__ = ["GammaSchedules"]

RULES: Final[Mapping[str, Rule]] = {"plain": RMSProp(), "corrected": RMSProp(corrected=True)}
GAMMAS: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)


@dataclass(frozen=True)
class Way:
    """One way for γ to go: as a schedule of ours, in words, under which rule, and whether a base γ is chosen."""

    schedule: str
    title: str
    rule: str = "plain"
    chooses: bool = True


WAYS: Final = (
    Way("constant", "constant γ"),
    Way("constant", "constant γ, bias-corrected", "corrected"),
    Way("gamma=capped-average", "plain mean first, then constant γ"),
    Way("gamma=one-minus-inverse", "1 - 1/t: never forgets (averaged Adagrad)", chooses=False),
    Way("gamma=one-minus-power", "1 - t^-0.8 (Adafactor)", chooses=False),
    Way("gamma=gamma-linear(final=0.9999)", "γ rises on a line to 0.9999"),
    Way("gamma=gamma-cosine(final=0.9999)", "γ rises on a cosine to 0.9999"),
    Way("gamma=gamma-linear(final=0.5)", "γ falls on a line to 0.5"),
    Way("lr=linear", "constant γ, and lr falls to 0"),
)


class GammaSchedules(Question):
    """Maps lr × γ on ``problems``, tunes and tests every way for γ to go, and looks for the threshold of ``sums``.

    Problems listed in ``few`` are slow to train: their maps get an eighth of the ``seeds``, their tuning an eighth of
    the ``tuning_seeds``. What was chosen is tested on ``seeds`` fresh ones everywhere, for that decides.
    """

    name = "gamma-schedules"
    seconds = 23.0

    on: list[str] = ["airfoil", "quadratic(dim=20)", "digits-mlp"]
    few: list[str] = ["digits-mlp"]
    seeds: Count = 40
    tuning_seeds: Count = 4
    lrs: list[float] = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]
    tuned_lrs: list[float] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
    gammas: list[float] = [0.5, 0.9, 0.99, 0.999]
    sums: list[int] = [5, 10, 20]
    sum_steps: Count = 4000
    sum_seeds: Count = 16

    def problems(self, data: Path | None) -> list[Problem]:
        sums = [make_problem(f"finite-sum(n={n})") for n in self.sums]
        return [*(make_problem(name, data) for name in self.on), *sums]

    def answer(self, data: Path | None) -> Answer:
        sensitivity, shares, schedules, runs = [], [], [], []
        for name in self.on:
            problem = make_problem(name, data)
            maps = {rule: self._map(problem, name, rule) for rule in RULES}
            sensitivity += [row for rule in RULES for row in self._map_rows(problem, name, rule, maps[rule])]
            shares += self._shares(problem, name, maps)
            runs += [self._map_runs(name, rule, maps[rule]) for rule in RULES]
            tuned = [self._tuned(problem, name, way) for way in WAYS]
            schedules += [row for row, _ in tuned]
            runs += [of for _, of in tuned]
        away = [walking_away(n, rule, RULES[rule], self.sum_steps, self.sum_seeds) for n in self.sums for rule in RULES]
        tables = {
            "sensitivity": pd.DataFrame(sensitivity),
            "shares": pd.DataFrame(shares),
            "schedules": pd.DataFrame(schedules),
            "threshold": pd.concat([summary for summary, _ in away], ignore_index=True),
            "runs": pd.concat(runs, ignore_index=True),
            "threshold_runs": pd.concat([of for _, of in away], ignore_index=True),
        }
        return Answer(tables, self._facts(tables), self._method())

    def _seeds(self, name: str, count: int) -> int:
        return max(2, count // 8) if name in self.few else count

    def _seeds_text(self, count: int, kind: str = "") -> str:
        fewer = ", ".join(f"{name}: {self._seeds(name, count)}" for name in self.few)
        return f"{count} {kind}seeds{f' ({fewer})' if fewer else ''}"

    def _map(self, problem: Problem, name: str, rule: str) -> Tensor:
        """The final loss ``[lr, gamma, S]`` at every pair."""
        seeds = range(1, 1 + self._seeds(name, self.seeds))
        losses = _train(problem, RULES[rule], "constant", _grid(self.lrs, GAMMAS), seeds)
        return losses.view(len(self.lrs), len(GAMMAS), -1)

    def _map_rows(self, problem: Problem, name: str, rule: str, losses: Tensor) -> list[dict[str, Any]]:
        rows = []
        for i, lr in enumerate(self.lrs):
            for j, gamma in enumerate(GAMMAS):
                lying = spread(losses[i, j].numpy())
                gap = lying.mean - _floor(problem)
                rows.append({"problem": name, "rule": rule, "lr": lr, "gamma": gamma, **asdict(lying), "gap": gap})
        return rows

    def _map_runs(self, name: str, rule: str, losses: Tensor) -> pd.DataFrame:
        """A row a run of a map."""
        seeds, labels = range(1, 1 + losses.shape[-1]), {"problem": name, "part": "map", "schedule": "constant"}
        return _runs(losses.flatten(0, 1), _grid(self.lrs, GAMMAS), seeds, **labels, rule=rule)

    def _shares(self, problem: Problem, name: str, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """How much of γ's influence goes with the correction: for each lr, for all, and for the sensible ones."""
        gaps = {rule: (losses - _floor(problem)).numpy() for rule, losses in maps.items()}
        sensible = sensible_rates(gaps["plain"], gaps["corrected"])
        every = [([i], lr, "one") for i, lr in enumerate(self.lrs)]
        every += [(list(range(len(self.lrs))), np.nan, "all"), (np.flatnonzero(sensible).tolist(), np.nan, "sensible")]
        found = [explained_share(gaps["plain"][of], gaps["corrected"][of]) for of, _, _ in every]
        return [
            {"problem": name, "lr": lr, "over": over, **asdict(share)}
            for share, (_, lr, over) in zip(found, every, strict=True)
        ]

    def _tuned(self, problem: Problem, name: str, way: Way) -> tuple[dict[str, Any], pd.DataFrame]:
        """The best lr and γ on the tuning seeds and how they do on fresh ones, as a row; and every run behind it."""
        grid = _grid(self.tuned_lrs, self.gammas if way.chooses else [RMSProp().defaults()["gamma"]])
        tuning = range(1, 1 + self._seeds(name, self.tuning_seeds))
        tuned = _train(problem, RULES[way.rule], way.schedule, grid, tuning)
        at = int(tuned.mean(-1).nan_to_num(torch.inf).argmin())
        values = {key: column[at : at + 1] for key, column in grid.items()}
        fresh = range(FIRST_TEST_SEED, FIRST_TEST_SEED + self.seeds)
        tested = _train(problem, RULES[way.rule], way.schedule, values, fresh)
        lying = spread(tested[0].numpy())
        gaps = {
            f"gap{end}": getattr(lying, key) - _floor(problem)
            for end, key in (("", "median"), ("_low", "low"), ("_high", "high"))
        }
        row = {
            "problem": name,
            "schedule": way.schedule,
            "title": way.title,
            "rule": way.rule,
            "gamma": float(grid["gamma"][at]) if way.chooses else np.nan,
            "lr": float(grid["lr"][at]),
            **asdict(lying),
            **gaps,
            "tried": len(tuned),
        }
        parts = {"tuning": (tuned, grid, tuning), "test": (tested, values, fresh)}
        runs = pd.concat(
            _runs(*of, problem=name, part=part, schedule=way.schedule, rule=way.rule) for part, of in parts.items()
        )
        return row, runs if way.chooses else runs.assign(gamma=np.nan)

    def _facts(self, tables: Mapping[str, pd.DataFrame]) -> GammaSchedulesFacts:
        shares, schedules = tables["shares"], tables["schedules"]

        def explained(over: str) -> dict[str, float]:
            of = shares[shares["over"] == over].set_index("problem")["explained"]
            return {name: float(of[name]) for name in self.on}

        return GammaSchedulesFacts(
            problems=tuple(self.on),
            explained=explained("all"),
            explained_sensible=explained("sensible"),
            best={name: lowest_way(schedules[schedules["problem"] == name].set_index("title")) for name in self.on},
            thresholds=thresholds(tables["threshold"]),
        )

    def _method(self) -> list[str]:
        return [
            f"RMSProp (ε 1e-6 inside the root) with and without bias correction, all else equal, at {len(self.lrs)} "
            f"learning rates × {len(GAMMAS)} γ on {', '.join(self.on)}: mean final losses over "
            f"{self._seeds_text(self.seeds)}.",
            "Share explained: 1 - variance over γ of the log gap with correction / without it, added over learning "
            f"rates; its interval by resampling seeds. Sensible rates: best gap over γ within {SENSIBLE:g} times the "
            "best of all.",
            f"Each way for γ to go is tuned on its own, over the learning rates "
            f"{', '.join(f'{lr:g}' for lr in self.tuned_lrs)} and, where it has a base γ, over "
            f"γ {', '.join(f'{gamma:g}' for gamma in self.gammas)}, on "
            f"{self._seeds_text(self.tuning_seeds, 'tuning ')}, and tested on {self.seeds} fresh seeds, the same for "
            "all; ways without a base γ are tried at fewer settings.",
            f"The finite sum: lr 0.1/√t for {self.sum_steps} steps, {self.sum_seeds} seeds. Far from the minimum the "
            "gradients do not depend on x, so a steady drift, per unit of lr, tells where x goes in the end.",
        ]


def _grid(lrs: Sequence[float], gammas: Sequence[float]) -> dict[str, Tensor]:
    """Every lr with every gamma, as columns ``[C]``, gamma fastest."""
    pairs = torch.cartesian_prod(torch.tensor(lrs, dtype=torch.float64), torch.tensor(gammas, dtype=torch.float64))
    return {"lr": pairs[:, 0], "gamma": pairs[:, 1]}


def _train(problem: Problem, rule: Rule, schedule: str, grid: Mapping[str, Tensor], seeds: Sequence[int]) -> Tensor:
    """The final loss ``[C, S]``, NaN where it diverged."""
    training = Training(problem, rule, seeds, problem.steps, schedules=make_schedules(schedule))
    return train(training, grid).final_loss


def _runs(losses: Tensor, grid: Mapping[str, Tensor], seeds: Sequence[int], **labels: str) -> pd.DataFrame:
    """A row a run of ``losses [C, S]``, seeds fastest: the labels, lr, gamma, seed, how it ended and its loss."""
    loss = losses.flatten().numpy()
    columns = {name: np.repeat(grid[name].numpy(), len(seeds)) for name in ("lr", "gamma")}
    status = np.where(np.isnan(loss), Outcome.DIVERGED.word, Outcome.FINISHED.word)
    return pd.DataFrame({**labels, **columns, "seed": np.tile(seeds, len(losses)), "status": status, "loss": loss})


def _floor(problem: Problem) -> float:
    """The problem's floor; 0 where it is not known."""
    return problem.minimum or 0.0
