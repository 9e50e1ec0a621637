"""What a batch of runs leaves behind: losses and metrics at the evaluations, and how every lane ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

__all__ = ["DIVERGED", "FINISHED", "PRUNED", "STATUS", "Trace"]

FINISHED: Final = 0


DIVERGED: Final = 1


PRUNED: Final = 2


STATUS: Final = ("finished", "diverged", "pruned")
"""The names of the codes in `Trace.status`."""


@dataclass(frozen=True)
class Trace:
    """What a batch of runs left behind.

    ``step [E]`` are the evaluated steps, from 0; ``metrics`` maps ``"loss"`` and the problem's further metrics to
    ``[C, S, E]`` in float64, NaN from a lane's divergence or pruning on. ``status [C, S]`` are codes of `STATUS`;
    ``stopped_at [C, S]`` counts the updates a lane made while its loss was valid, all of them where it finished.
    ``path [C, S, E, P]`` are the parameters at the evaluations, kept on request. ``lane_steps`` is the number of
    updates made in all; ``seconds`` is wall time.
    """

    step: Tensor
    metrics: dict[str, Tensor]
    status: Tensor
    stopped_at: Tensor
    seconds: float
    lane_steps: int
    path: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """The full-data loss ``[C, S, E]``."""
        return self.metrics["loss"]

    @property
    def final_loss(self) -> Tensor:
        """The loss after the last step ``[C, S]``, NaN unless the lane finished."""
        return self.loss[..., -1]
