"""What a study is made of: blocks of trials asked together, the winner, and the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.tuning.space import Space

__all__ = ["Block", "Study", "Winner"]


@dataclass(frozen=True)
class Block:
    """Trials asked together: numbers, searched values ``{name: [C]}``, objectives ``[C, K]`` and the trace of their
    lanes.

    An objective is ``inf`` where a seed diverged and NaN where the trial was pruned.
    """

    number: int
    trials: Sequence[int]
    values: Mapping[str, Tensor]
    objective: Tensor
    trace: Trace

    @property
    def diverged(self) -> Tensor:
        """The number of diverged seeds of each trial ``[C]``."""
        return (self.trace.status == Outcome.DIVERGED).sum(-1)

    @property
    def states(self) -> list[str]:
        """How each trial ended: complete, diverged or pruned."""
        pruned = (self.trace.status == Outcome.PRUNED).any(-1) & (self.diverged == 0)
        return [
            "pruned" if is_pruned else "diverged" if value == torch.inf else "complete"
            for is_pruned, value in zip(pruned.tolist(), self.objective[:, 0].tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Winner:
    """The best trial of a study, with every hyperparameter's value."""

    trial: int
    objective: float
    values: Mapping[str, float]
    at_edge: list[str]


@dataclass(frozen=True)
class Study:
    """A finished study. ``space`` is the last one searched, ``widened`` how often it grew; ``others`` are the trials
    other processes told a shared study; ``sampling_seconds`` is what asking and telling took.
    """

    space: Space
    blocks: Sequence[Block]
    winner: Winner | None
    widened: int
    sampling_seconds: float
    others: Sequence[Mapping[str, Any]] = ()
