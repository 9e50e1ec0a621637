"""What a study is made of: trials, the blocks in which they are asked, the winner, and the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.tuning.space import Space

if TYPE_CHECKING:
    import optuna

__all__ = ["Asked", "Block", "State", "Study", "Trial", "Winner"]


class State(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    DIVERGED = "diverged"
    PRUNED = "pruned"

    @property
    def told(self) -> optuna.trial.TrialState:
        """The state Optuna is told: a diverged trial is complete there, worth ``inf``."""
        from optuna.trial import TrialState

        return TrialState.PRUNED if self is State.PRUNED else TrialState.COMPLETE


@dataclass(frozen=True)
class Trial:
    """A finished trial: its objectives, ``inf`` where a seed diverged and NaN where it was pruned, and the searched
    values ``{name: value}``.
    """

    number: int
    state: State
    objectives: tuple[float, ...]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Asked:
    """The trials of a block before they are trained: numbers, searched values, and Optuna's live trials (none for a
    grid).
    """

    numbers: Sequence[int]
    values: Sequence[Mapping[str, float]]
    handles: Sequence[optuna.Trial]


@dataclass(frozen=True)
class Block:
    """Trials asked together: their numbers, searched values ``{name: [C]}``, objectives ``[C, K]`` and the trace of
    their lanes.

    An objective is ``inf`` where a seed diverged and NaN where the trial was pruned.
    """

    number: int
    trial_numbers: Sequence[int]
    values: Mapping[str, Tensor]
    objective: Tensor
    trace: Trace

    @property
    def diverged(self) -> Tensor:
        """The number of diverged seeds of each trial ``[C]``."""
        return (self.trace.status == Outcome.DIVERGED).sum(-1)

    @property
    def states(self) -> list[State]:
        """How each trial ended."""
        pruned = (self.trace.status == Outcome.PRUNED).any(-1) & (self.diverged == 0)
        return [
            State.PRUNED if is_pruned else State.DIVERGED if value == torch.inf else State.COMPLETE
            for is_pruned, value in zip(pruned.tolist(), self.objective[:, 0].tolist(), strict=True)
        ]

    @property
    def trials(self) -> list[Trial]:
        """The same, trial by trial."""
        columns = {name: column.tolist() for name, column in self.values.items()}
        return [
            Trial(number, state, tuple(objectives), {name: column[place] for name, column in columns.items()})
            for place, (number, state, objectives) in enumerate(
                zip(self.trial_numbers, self.states, self.objective.tolist(), strict=True)
            )
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
    other processes told a shared study; ``sampling_seconds`` is what asking and telling took; ``before`` is 1 where the
    first trial is a given setting, beside those asked for.
    """

    space: Space
    blocks: Sequence[Block]
    winner: Winner | None
    widened: int
    sampling_seconds: float
    others: Sequence[Trial] = ()
    before: int = 0

    @property
    def trials(self) -> list[Trial]:
        """Every finished trial: its own, then those of other processes."""
        return [*(trial for block in self.blocks for trial in block.trials), *self.others]

    @property
    def seconds(self) -> float:
        """What training its blocks and sampling took, whenever and wherever that was."""
        return self.sampling_seconds + sum(block.trace.seconds for block in self.blocks)

    @property
    def asked(self) -> int:
        """The number of finished trials that were asked of the sampler."""
        return len(self.trials) - self.before
