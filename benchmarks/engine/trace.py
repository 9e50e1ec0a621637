"""What a batch of runs leaves behind: losses and metrics at the evaluations, and how every lane ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.engines import Used

__all__ = ["Trace"]


@dataclass(frozen=True, repr=False)
class Trace:
    """What a batch of runs left behind.

    ``step [E]`` are the evaluated steps, from 0; ``metrics`` maps ``"loss"`` and the problem's further metrics to
    ``[C, S, E]`` in float64, NaN from a lane's divergence or pruning on. ``status [C, S]`` are codes of
    `analysis.record.outcome.Outcome`; ``stopped_at [C, S]`` counts the updates a lane made while its loss was valid,
    all of them where it finished. ``lane_steps`` is the number of updates made in all; ``seconds`` is wall time.
    ``engine`` is what advanced the lanes: torch, an operation at a time; a compiled kernel; or a foreign optimizer.

    Kept on request: ``path [C, S, E, P]``, the parameters at the evaluations; ``gradient [C, S, E, P]`` of the last
    update before each (NaN at the start), and ``state``, the rule's at each, by name: ``[C, S, E, P]``, or a last axis
    of 1.
    """

    step: Tensor
    metrics: dict[str, Tensor]
    status: Tensor
    stopped_at: Tensor
    seconds: float
    lane_steps: int
    engine: Used = "eager"
    path: Tensor | None = None
    gradient: Tensor | None = None
    state: Mapping[str, Tensor] | None = None

    def __repr__(self) -> str:
        configurations, seeds = self.status.shape
        ended = {outcome.word: int((self.status == int(outcome)).sum()) for outcome in Outcome}
        said = ", ".join(f"{count} {word}" for word, count in ended.items() if count)
        return (
            f"<Trace of {configurations} configurations × {seeds} seeds: {said}; {', '.join(self.metrics)} at "
            f"{len(self.step)} steps up to {int(self.step[-1])}; {self.seconds:.3g} s>"
        )

    @property
    def loss(self) -> Tensor:
        """The full-data loss ``[C, S, E]``."""
        return self.metrics["loss"]

    def of(self, place: int) -> Trace:
        """The trace ``[1, S]`` of configuration number ``place``; times and counts are its share."""
        one, count = slice(place, place + 1), len(self.status)

        def part(kept: Tensor | None) -> Tensor | None:
            return None if kept is None else kept[one]

        return Trace(
            self.step,
            {name: metric[one] for name, metric in self.metrics.items()},
            self.status[one],
            self.stopped_at[one],
            self.seconds / count,
            self.lane_steps // count,
            self.engine,
            part(self.path),
            part(self.gradient),
            None if self.state is None else {name: value[one] for name, value in self.state.items()},
        )

    @property
    def updates(self) -> int:
        """The updates of single runs that it stands for, those of lanes that have left among them."""
        return self.status.numel() * int(self.step[-1])

    @property
    def final_loss(self) -> Tensor:
        """The loss after the last step ``[C, S]``, NaN unless the lane finished."""
        return self.loss[..., -1]
