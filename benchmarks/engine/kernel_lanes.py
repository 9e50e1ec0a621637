"""Lanes advanced by a compiled kernel, and when they are.

A kernel takes time to make the first time, so it is used by amount of work: an estimate from the numbers of lanes,
steps and parameters, never from a clock or from what is in a cache, for what advanced the lanes stands in the record.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from benchmarks.engine.calls import bound_to
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.kernel.kernel import EvaluationKernel, StepKernel
from benchmarks.engine.kernel.making import evaluation_kernel, step_kernel
from benchmarks.engine.kernel.refusal import DiffersError, NotCompiledError
from benchmarks.engine.rule_lanes import RuleLanes, in_chunks
from benchmarks.engine.segments import Segment, stacked
from benchmarks.engine.ways import native_if_known
from benchmarks.naming.blame import in_one_line
from benchmarks.naming.foreign import ForeignSpec
from optimizers import Rule
from problems import Problem

__all__ = ["WORTH_IT", "kernel_lanes", "planned", "seconds_by_torch", "why_not", "worth_it"]

WORTH_IT: Final = 0.6
"""Estimated seconds of torch's work from which on a kernel is made: it takes about that long, once."""

TILE: Final = 8  # the fewest lanes of one seed that a kernel advances together: fewer are filled up with copies
FASTER: Final = 5  # times torch is a kernel of a large network on a full tile
SEGMENT: Final = 256  # steps in one call where no data has to be held
CHUNK: Final = 65536  # lanes that are advanced in one call
KINDS: Final = (torch.float32, torch.float64)


def kernel_lanes(
    training: Training, rule: Rule, configurations: Configurations, start: Tensor, limit: Tensor | None
) -> Sequence[RuleLanes] | None:
    """The lanes of all ``configurations`` over kernels; None where torch is to advance them.

    Warns where `Training.engine` asks for a kernel that cannot be made, and where one gives other numbers than torch.
    """
    if training.engine == "eager" or (training.engine != "kernel" and not worth_it(training, len(configurations))):
        return None
    try:
        _check(training, start)
        step = step_kernel(training.problem, rule, start.dtype, training.schedules)
    except NotCompiledError as why:
        if training.engine == "kernel" or isinstance(why, DiffersError):
            warnings.warn(f"{training!r} is trained without a kernel: {why}", RuntimeWarning, stacklevel=3)
        return None
    evaluate, lanes = None, training.lanes_together
    with suppress(NotCompiledError):  # evaluations are left to torch
        evaluate, lanes = evaluation_kernel(training.problem, start.dtype), training.chunk or CHUNK
    return [
        _KernelLanes(training, rule, configurations[index], index, start, limit, step, evaluate)
        for index in in_chunks(configurations, lanes, len(training.seeds))
    ]


def why_not(problem: Problem, rule: Rule) -> tuple[str | None, str | None]:
    """Why a step of ``rule`` on ``problem`` cannot be compiled, and why its evaluation cannot; None where they can."""
    if (native := native_if_known(problem)) is not None:
        return f"its runs are modules as they are: {native}", None
    reasons = list[str | None]()
    makers: tuple[Callable[[], object], ...] = (
        lambda: step_kernel(problem, bound_to(problem, rule, type(rule).__name__), problem.dtype, ()),
        lambda: evaluation_kernel(problem, problem.dtype),
    )
    for make in makers:
        try:
            make()
        except NotCompiledError as error:
            reasons.append(str(error))
        except (Exception, SystemExit) as error:  # what the problem's own code raises is said by whoever runs it
            reasons.append(in_one_line(error))
        else:
            reasons.append(None)
    return reasons[0], reasons[1]


def seconds_by_torch(problem: Problem, lane_steps: float, calls: float) -> float:
    """A rough estimate of the seconds that torch takes on one core for so many updates of single runs.

    They are made in ``calls`` updates of tensors, each of which costs something however small it is.
    """
    rows = getattr(problem, "batch", 0)
    numbers = problem.dim * (2.2e-9 + 0.13e-9 * (rows if isinstance(rows, int) else 0))
    return lane_steps * (20e-9 + numbers) + calls * 150e-6


def planned(training: Training, lanes: Iterable[int]) -> Training:
    """``training`` as one of several, with so many ``lanes`` each: the engine is chosen once for all."""
    calls, total = 0, 0
    for count in lanes:
        total += count
        calls += -(-count // training.lanes_together)
    seconds = seconds_by_torch(training.problem, total * training.steps, calls * training.steps)
    return training if seconds <= training.planned else replace(training, planned=seconds)


def worth_it(training: Training, configurations: int) -> bool:
    """Whether a kernel is to train so many ``configurations``: for what is planned, else for this training alone.

    Alone, a few configurations of a large network are left to torch, where they would take a kernel longer.
    """
    seeds = len(training.seeds)
    seconds = planned(training, [configurations * seeds]).planned
    filled = -(-configurations // TILE) * TILE * seeds
    by_kernel = seconds_by_torch(training.problem, filled * training.steps, 0) / FASTER
    return seconds >= WORTH_IT and (training.planned > 0 or by_kernel <= seconds)


def _check(training: Training, start: Tensor) -> None:
    """Raise `NotCompiledError` for what no kernel does."""
    if start.device.type != "cpu":
        raise NotCompiledError(f"kernels run on the CPU, not on {start.device}")
    if training.autocast:
        raise NotCompiledError("kernels compute in float32 and float64, not in bfloat16")
    if start.dtype not in KINDS:
        raise NotCompiledError(f"kernels compute in float32 and float64, not in {str(start.dtype)[6:]}")
    if training.keep_updates:
        raise NotCompiledError("the last gradients are to be kept")
    if isinstance(training.optimizer, ForeignSpec):
        raise NotCompiledError("a foreign optimizer steps by itself")


class _KernelLanes(RuleLanes):
    """Lanes of a rule whose steps, and evaluations where ``measure`` is there, are compiled."""

    engine = "kernel"

    def __init__(
        self,
        training: Training,
        rule: Rule,
        configurations: Configurations,
        index: Tensor,
        start: Tensor,
        limit: Tensor | None,
        kernel: StepKernel,
        measure: EvaluationKernel | None,
    ) -> None:
        super().__init__(training, rule, configurations, index, start, limit)
        self.kernel, self.measure = kernel, measure
        self.at_start = True
        self.state = {name: value.contiguous() for name, value in self.state.items()}
        if not any(name.startswith("batch:") for name in kernel.facts.pointers):
            self.segment = SEGMENT

    def advance(self, data: Segment, done: int) -> None:
        if len(self.index) == 0:
            return
        self.at_start = False
        parts = data.parts if data.parts is not None else stacked(data.batches)
        if parts is None or not self.kernel.takes(parts):  # batches of other shapes than the first
            super().advance(data, done)
            return
        self.kernel.advance(
            self.x,
            self.state,
            self.alive,
            self.valid_steps,
            self.limit_of_steps,
            self._by_step(len(data), done),
            parts,
            len(data),
            done,
            self.training.threads,
        )
        self.lane_steps += len(data) * self.alive.numel()

    def metrics(self) -> dict[str, Tensor]:
        if self.measure is None:
            return super().metrics()
        if not self.at_start:
            return self.measure(self.shown(), self.training.threads)
        # all configurations are at one point, and what a kernel says of a lane does not hang on those beside it
        one = self.measure(self.shown()[:1], self.training.threads)
        return {name: value.expand(len(self.index), -1) for name, value in one.items()}

    def _by_step(self, steps: int, done: int) -> dict[str, Tensor]:
        """Every hyperparameter's values ``[c]``, ``[steps, c]`` of one with a schedule, in double precision."""
        count, values = len(self.index), dict[str, Tensor]()
        for name, value in self.values.items():
            schedule = self.training.schedules.get(name)
            if schedule is None:
                values[name] = _spread(value, count)
            else:
                each = [schedule(value, t, self.training.steps) for t in range(done + 1, done + steps + 1)]
                values[name] = torch.stack([_spread(one, count) for one in each])
        return values


def _spread(value: float | Tensor, count: int) -> Tensor:
    """A value a configuration ``[count]``."""
    if isinstance(value, Tensor):
        return value.reshape(-1).contiguous()
    return torch.full((count,), float(value), dtype=torch.float64)
