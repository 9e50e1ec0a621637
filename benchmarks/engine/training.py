"""The one door to the engine: `train`, with the `Training` and the `Configurations` that it takes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from benchmarks.engine.devices import out_of_memory
from benchmarks.engine.driver import Lanes, OnRung, OnSegment, divergence_limit, drive
from benchmarks.engine.foreign_lanes import ForeignLanes
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.kernel_lanes import kernel_lanes
from benchmarks.engine.rule_lanes import rule_lanes
from benchmarks.engine.trace import Trace
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import ForeignSpec
from optimizers import Rule

__all__ = ["Configurations", "Training", "train"]


def train(
    training: Training,
    configurations: Configurations | Mapping[str, Tensor | float],
    on_rung: OnRung | None = None,
    on_segment: OnSegment | None = None,
) -> Trace:
    """Train every configuration on every seed for ``training.steps`` updates.

    A rule trains all of them as lanes of one tensor, a foreign optimizer one lane at a time over the same data, with
    the same evaluations and statuses. A plain mapping is taken as `Configurations`. After each evaluation but the last,
    ``on_rung`` decides which configurations go on. ``on_segment`` is called every few steps with the number of updates
    of single runs that were made, and may break off by an exception.

    Raises `UsageError` for an unknown hyperparameter or unequal lengths, and where a foreign class refuses the values,
    cannot step on a vector, or keeps a scheduled hyperparameter out of its parameter groups, and where memory does not
    suffice.
    """
    given = configurations if isinstance(configurations, Configurations) else Configurations(configurations)
    filled, start = training.filled(given), training.start()
    limit = divergence_limit(training.problem, start) if training.stop_diverged else None
    optimizer, chunks = training.optimizer, list[Lanes]()
    if isinstance(optimizer, ForeignSpec):
        chunks += [ForeignLanes(training, optimizer, filled, start, limit)]
    else:
        rule = optimizer if isinstance(optimizer, Rule) else optimizer.rule
        compiled = kernel_lanes(training, rule, filled, start, limit)
        chunks += compiled if compiled is not None else rule_lanes(training, rule, filled, start, limit)
    try:
        return drive(training, chunks, on_rung, on_segment)
    except RuntimeError as error:
        said = out_of_memory(error, max(lanes.alive.numel() for lanes in chunks))
        if said is None:
            raise
        raise UsageError(f"{training.name} on {training.problem.name or 'the problem'}: {said}") from error
