"""Exercise 2: the ellipse at every angle and condition number: where does a scale for each coordinate stop helping?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from analysis.measures.exhibit_facts import SOLVED, decades_over_angles, helped_until, worst_angle
from analysis.record.exhibits.rotation import RotationFacts
from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import Count
from problems import Batch, Facts, Problem

__all__ = ["Rotation", "TurnedEllipses"]

NAMES: Final = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adagrad-full")
START: Final = (-5.0, -2.0)
CONDITION: Final = 20.0  # the book's
BOOK_STEPS: Final = 20
INVARIANT: Final = 0.01  # decades: what rounding may do to a best loss


@dataclass(frozen=True)
class TurnedEllipses(Problem):
    """Many ellipses trained side by side: seed k is 2 u1² / condition + 2 u2², where u is x turned by its own angle.

    Each starts at u = (-5, -2), turned as the ellipse is: an optimizer that knows no axes takes the same path at every
    angle. ``forms`` lists (angle in degrees, condition); the seeds trained must be 0, 1, … in order, one for each.
    """

    forms: tuple[tuple[float, float], ...]

    facts = Facts(dim=2, minimum=0.0, dtype=torch.float64)

    @cached_property
    def _turned(self) -> tuple[Tensor, Tensor, Tensor]:
        """The cosine and the sine of each angle, and what multiplies the flat direction's square."""
        angle, condition = torch.tensor(self.forms, dtype=torch.float64).unbind(-1)
        return torch.cos(angle.deg2rad()), torch.sin(angle.deg2rad()), 2 / condition

    def start(self, seeds: Sequence[int]) -> Tensor:
        u1, u2 = START
        c, s, _ = (part[: len(seeds)] for part in self._turned)
        return torch.stack([c * u1 - s * u2, s * u1 + c * u2], dim=-1)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - no data
        x1, x2 = x.unbind(-1)
        c, s, flat = (part[: x.shape[-2]] for part in self._turned)
        return flat * (c * x1 + s * x2).square() + 2 * (c * x2 - s * x1).square()


class Rotation(Question):
    """Trains six optimizers at ``points`` learning rates on ellipses of every angle and condition number.

    Losses are looked up after the book's steps and after ``steps``.
    """

    name = "rotation"
    seconds = 12.0

    angles: Annotated[int, Field(ge=3, strict=True)] = 19
    conditions: list[float] = [1.0, 4.0, 20.0, 100.0, 1000.0]
    points: Count = 51
    low: float = 1e-4
    high: float = 10.0
    steps: Annotated[int, Field(gt=BOOK_STEPS, strict=True)] = 1000

    @field_validator("conditions")
    @classmethod
    def _hold_the_books(cls, conditions: list[float]) -> list[float]:
        if CONDITION not in conditions:
            raise ValueError(f"must hold {CONDITION:g}, the book's")
        return conditions

    def problems(self, data: Path | None) -> list[Problem]:  # noqa: ARG002 - no data
        return [TurnedEllipses(self._forms()), make_problem("ellipse"), make_problem("ellipse-rotated")]

    def answer(self, data: Path | None) -> Answer:  # noqa: ARG002
        lr = torch.logspace(math.log10(self.low), math.log10(self.high), self.points, dtype=torch.float64)
        losses, rates = [], []
        for name in NAMES:
            trace = self._train(name, lr)
            for place, steps in enumerate((BOOK_STEPS, self.steps), start=1):
                losses += self._chosen(name, steps, lr, trace, place)
                rates.append(self._rates(name, steps, lr, trace, place))
        table = pd.DataFrame(losses)
        tables = {
            "losses": table,
            "rates": pd.concat(rates, ignore_index=True),
            "book": pd.DataFrame(_book(self.steps)),
        }
        return Answer(tables, self._facts(table), self._method())

    def _forms(self) -> tuple[tuple[float, float], ...]:
        return tuple(product(np.linspace(0, 90, self.angles).tolist(), self.conditions))

    def _train(self, name: str, lr: Tensor) -> Trace:
        problem = TurnedEllipses(self._forms())
        seeds = range(len(problem.forms))
        return train(Training(problem, OPTIMIZERS[name], seeds, self.steps, [BOOK_STEPS]), {"lr": lr})

    def _chosen(self, name: str, steps: int, lr: Tensor, trace: Trace, place: int) -> list[dict[str, Any]]:
        """The loss at the best lr of each ellipse, and at that of the unturned one."""
        found = trace.loss[:, :, place].nan_to_num(torch.inf)
        forms = self._forms()
        best = _steady(found).argmin(0).tolist()
        fixed = {condition: best[k] for k, (angle, condition) in enumerate(forms) if angle == 0}
        rows = []
        for k, (angle, condition) in enumerate(forms):
            for rule, at in (("best", best[k]), ("fixed", fixed[condition])):
                value = float(trace.loss[at, k, place])
                outcome = Outcome.DIVERGED if math.isnan(value) else Outcome.FINISHED
                rows.append(
                    {
                        "optimizer": name,
                        "condition": condition,
                        "angle": angle,
                        "steps": steps,
                        "rule": rule,
                        "lr": float(lr[at]),
                        "status": outcome.word,
                        "loss": value,
                        "share": value / float(trace.loss[at, k, 0]),
                        "at_edge": at in (0, len(lr) - 1),
                    }
                )
        return rows

    def _rates(self, name: str, steps: int, lr: Tensor, trace: Trace, place: int) -> pd.DataFrame:
        """The loss at every lr, unturned and turned by 45 degrees."""
        kept = [k for k, (angle, _) in enumerate(self._forms()) if angle in (0, 45)]
        forms = [self._forms()[k] for k in kept]
        return pd.DataFrame(
            {
                "optimizer": name,
                "condition": np.repeat([condition for _, condition in forms], len(lr)),
                "angle": np.repeat([angle for angle, _ in forms], len(lr)),
                "steps": steps,
                "lr": np.tile(lr.numpy(), len(forms)),
                "loss": trace.loss[:, kept, place].T.flatten().numpy(),
            }
        )

    def _facts(self, losses: pd.DataFrame) -> RotationFacts:
        early = losses[(losses["steps"] == BOOK_STEPS) & (losses["rule"] == "best")]
        book = early[early["condition"] == CONDITION]
        decades = {name: decades_over_angles(early[early["optimizer"] == name]) for name in NAMES}
        invariant = [name for name in NAMES if max(decades[name].values()) <= INVARIANT]
        cost = {name: decades[name][CONDITION] for name in NAMES}
        return RotationFacts(
            angles=tuple(np.linspace(0, 90, self.angles).tolist()),
            conditions=tuple(self.conditions),
            points=self.points,
            low=self.low,
            high=self.high,
            gamma=OPTIMIZERS["rmsprop"].default_values["gamma"],
            worst_angle={name: worst_angle(book, name) for name in NAMES if name not in invariant},
            rotation_cost={name: value if math.isfinite(value) else None for name, value in cost.items()},
            helped_until={name: helped_until(early, name) for name in NAMES[2:]},
            invariant=tuple(invariant),
        )

    def _method(self) -> list[str]:
        return [
            f"2 u1²/κ + 2 u2² from u = (-5, -2), where u is x turned by one of {self.angles} angles, start and all; "
            f"condition numbers κ {', '.join(f'{condition:g}' for condition in self.conditions)}; without noise.",
            f"Every optimizer is trained at {self.points} learning rates from {self.low:g} to {self.high:g} on each of "
            "them, all else at its defaults. Best: for each angle the rate whose loss, and that of both its "
            "neighbours, is smallest at worst, so that a lucky hit of the minimum at a single rate does not count; "
            "chosen anew for each number of steps. Fixed: the rate that is best at angle 0.",
            f"In comparisons a loss below {SOLVED:g} of that at the start counts as that share: it is rounding.",
            "The book's own exercise keeps its start (-5, -2), and its ellipse is twice as steep.",
        ]


def _steady(loss: Tensor) -> Tensor:
    """The largest of each configuration's loss and its neighbours' ``[C, S]``."""
    padded = torch.cat([loss[:1], loss, loss[-1:]])
    return torch.maximum(torch.maximum(padded[:-2], padded[1:-1]), padded[2:])


def _book(steps: int) -> list[dict[str, Any]]:
    """The book's own exercise, turned by 45 degrees and twice as steep, with the chapter's learning rates."""
    rows = []
    for name, lr in (
        ("sgd", 0.4),
        ("sgd", 0.2),
        ("adagrad", 0.4),
        ("adagrad", 2.0),
        ("rmsprop", 0.4),
        ("adagrad-full", 2.0),
    ):
        for problem in ("ellipse", "ellipse-rotated"):
            training = Training(make_problem(problem), OPTIMIZERS[name], [1], steps, [BOOK_STEPS], keep_path=True)
            trace = train(training, {"lr": lr})
            assert trace.path is not None
            run = {"optimizer": name, "problem": problem, "lr": lr}
            for place in (1, 2):
                loss = float(trace.loss[0, 0, place])
                x1, x2 = trace.path[0, 0, place].tolist() if math.isfinite(loss) else (math.nan, math.nan)
                rows.append({**run, "steps": int(trace.step[place]), "x1": x1, "x2": x2, "loss": loss})
    return rows
