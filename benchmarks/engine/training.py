"""The one door to the engine: `train`, with the `Training` and the `Configurations` that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from benchmarks.engine.devices import out_of_memory
from benchmarks.engine.driver import Lanes, OnRung, OnSegment, divergence_limit, drive
from benchmarks.engine.foreign_lanes import ForeignLanes
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.kernel_lanes import kernel_lanes
from benchmarks.engine.native_lanes import NativeLanes
from benchmarks.engine.rule_lanes import rule_lanes
from benchmarks.engine.trace import Trace
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import ForeignSpec
from problems.module import ModuleProblem

__all__ = ["Configurations", "Training", "lanes_of", "train"]


def train(
    training: Training,
    configurations: Configurations | Mapping[str, Tensor | float],
    on_rung: OnRung | None = None,
    on_segment: OnSegment | None = None,
) -> Trace:
    """Train every configuration on every seed for ``training.steps`` updates.

    A rule trains all of them as lanes of one tensor, a foreign optimizer one lane at a time over the same data, and a
    module that is trained natively is a run at a time, all with the same evaluations and statuses. A plain mapping is
    taken as `Configurations`. After each evaluation but the last, ``on_rung`` decides which configurations go on.
    ``on_segment`` is called every few steps with the number of updates of single runs that were made, and may break off
    by an exception.

    Raises `UsageError` for an unknown hyperparameter or unequal lengths, where a rule cannot train tensors of the
    problem's shapes, and where a foreign class refuses the values, cannot step on a vector, or keeps a scheduled
    hyperparameter out of its parameter groups; for parameter groups that match nothing, or of a problem that is no
    module; for ``keep_updates`` of a module that is trained natively; and where memory does not suffice.
    """
    given = configurations if isinstance(configurations, Configurations) else Configurations(configurations)
    filled, chunks = training.filled(given), list[Lanes]()
    try:
        chunks += lanes_of(training, filled)
        return drive(training, chunks, on_rung, on_segment)
    except RuntimeError as error:
        every = len(filled) * len(training.seeds)
        together = max((lanes.alive.numel() for lanes in chunks), default=every)
        said = out_of_memory(error, together, modules=training.native is not None)
        if said is None:
            raise
        raise UsageError(f"{training.name} on {training.problem.name or 'the problem'}: {said}") from error


def lanes_of(training: Training, filled: Configurations) -> Sequence[Lanes]:
    """The lanes of all configurations, ``filled`` with every hyperparameter, at their start; raises as `train` does."""
    problem, optimizer, native = training.problem, training.optimizer, training.native
    if native is not None and isinstance(problem, ModuleProblem):
        if training.keep_updates:
            raise UsageError(f"{training!r} is trained natively ({native}), where no rule's state is kept")
        return [NativeLanes(training, problem, filled)]
    start = training.start()
    limit = divergence_limit(problem, training.start_loss) if training.stop_diverged else None
    if isinstance(optimizer, ForeignSpec):
        return [ForeignLanes(training, optimizer, filled, start, limit)]
    compiled = kernel_lanes(training, training.rule, filled, start, limit)
    return compiled if compiled is not None else rule_lanes(training, training.rule, filled, start, limit)
