"""What an update of one lane costs at least: its operations and its bytes, counted off the problem and the rule.

A count, not a model of a processor: an update of a few lanes is made once by eager torch and every operation it calls
is counted. A matrix product of m × k by k × n is 2 m k n; everything else is one for each number it makes, or sums up:
an addition as a root or an exponential, which take a processor several times as long. Moving numbers is free. So a
problem full of roots stays well below the limit, and a compiler that saves operations eager torch makes may pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.engine.inputs import Training
from benchmarks.engine.segments import SEGMENT
from benchmarks.engine.speed.machine import Machine

__all__ = ["Limit", "Work", "work_of"]

LANES: Final = 16  # counted together, so that what they share is shared
REGISTERS: Final = 16  # numbers of a lane that can stay where they are from update to update
FREE: Final = frozenset({
    "_local_scalar_dense", "_to_copy", "arange", "cat", "clone", "copy_", "detach", "detach_", "empty", "empty_like",
    "empty_strided", "fill_", "full", "full_like", "gather", "index", "lift_fresh", "new_zeros", "new_empty", "ones",
    "ones_like", "resize_", "scalar_tensor", "scatter", "select_backward", "slice_backward", "stack", "unfold_backward",
    "zero_", "zeros", "zeros_like", "embedding", "new_empty_strided", "new_full",
})  # fmt: skip
"""Operations that make or move numbers without computing any."""
SEVERAL: Final[Mapping[str, int]] = {"_log_softmax": 4, "_softmax": 4, "_log_softmax_backward_data": 3}
"""Operations that are several for every number: the largest, a difference, an exponential, a sum."""


@dataclass(frozen=True)
class Limit:
    """The least seconds that a lane-step takes on a machine, and what they are spent on."""

    seconds: float
    of: str


@dataclass(frozen=True)
class Work:
    """The work of a lane-step: operations, and the numbers of ``bytes`` each that a lane keeps (x and the state)."""

    operations: float
    numbers: float
    bytes: int

    def limit(self, machine: Machine) -> Limit:
        """What bounds it on ``machine``: its operations, or its numbers, read and written once.

        Few numbers stay in registers and pass memory once a segment; more are read from a cache at every update.
        """
        once = 2 * self.numbers * self.bytes
        parts = [
            Limit(self.operations / machine.operations[self.bytes], "flops"),
            Limit(once / SEGMENT / machine.memory, "memory"),
            Limit(once / machine.cache if self.numbers > REGISTERS else 0.0, "cache"),
        ]
        return max(parts, key=lambda limit: limit.seconds)


def work_of(training: Training) -> Work:
    """The work of a step of one lane of ``training``, of its first seed, by a rule of ours."""
    problem, rule = training.problem, training.rule
    seed = training.seeds[:1]
    x = problem.start(seed).to(problem.dtype).expand(LANES, 1, -1).clone().requires_grad_()
    hyperparameters = {
        name: torch.full((LANES, 1, 1), value, dtype=torch.float64) for name, value in rule.defaults().items()
    }
    batch = next(iter(problem.batches(seed, 1)))
    state = rule.init(x.detach())
    with _Counting() as counting:
        (g,) = torch.autograd.grad(problem.loss(x, batch).sum(), x)
        with torch.no_grad():
            rule.step_(x, g, state, hyperparameters, 1)
            problem.project_(x)
    numbers = sum(part.numel() for part in (x, *state.values()))
    return Work(counting.operations / LANES, numbers / LANES, problem.dtype.itemsize)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that torch carries out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        product: Callable[..., float] | None = flop_registry.get(func.overloadpacket)
        if product is not None:
            self.operations += product(*args, **(kwargs or {}), out_val=out)
        elif name not in FREE and not func.is_view:
            tensors = [part for part in (*args, out) if isinstance(part, Tensor)]
            self.operations += SEVERAL.get(name, 1) * max((part.numel() for part in tensors), default=0)
        return out
