"""Runs of a module as it is, one at a time: its own tensors, buffers, modes and chance, whatever optimizer steps them.

Everything else (evaluation grid, divergence, rungs, statuses) is `benchmarks.engine.driver`, shared with the lanes of
`benchmarks.engine.rule_lanes`; where a problem can be trained either way, both agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.engine.driver import Lanes, divergence_limit
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.native_calls import draw, evaluation_of_run, gradient_of_run, run_of
from benchmarks.engine.segments import Segment
from benchmarks.engine.stepping import Stepper
from problems.module import ModuleProblem
from problems.module_run import ModuleRun

__all__ = ["MODULE", "NativeLanes"]

MODULE = "the module's parameters"
"""What an optimizer steps on here, in words."""


class NativeLanes(Lanes):
    """Configurations each of whose lanes is a `ModuleRun` with an optimizer of its own; ``x [c, S, 0]`` holds nothing
    but where a path is to be kept.

    A segment of one run is made after another, so that a module stays in the cache, and its random states are taken up
    once.
    """

    engine = "native"
    draws = True

    def __init__(self, training: Training, problem: ModuleProblem, configurations: Configurations) -> None:
        like = torch.empty(0, device=training.device, dtype=training.dtype or problem.dtype)
        super().__init__(training, torch.arange(len(configurations)), like.new_empty(len(training.seeds), 0), None)
        self.module_problem = problem
        self.runs = [[run_of(problem, seed, like) for seed in training.seeds] for _ in range(len(configurations))]
        self.steppers = [
            [_stepper(training, configurations.row(c), run) for run in row] for c, row in enumerate(self.runs)
        ]
        self.at_start = [evaluation_of_run(problem, run) for run in self.runs[0]]
        """The metrics ``[S]`` at the start, which is the same for all configurations; none after the first step."""
        if training.stop_diverged:
            self.limit = divergence_limit(problem, torch.stack([metrics["loss"] for metrics in self.at_start]))
            self.limit_of_steps = self.limit.to(like.dtype)

    def advance(self, data: Segment, done: int) -> None:
        losses = self.x.new_zeros(len(data), *self.alive.shape)
        for c, s in self.alive.nonzero().tolist():
            losses[:, c, s] = self._advanced(c, s, len(data), done)
        self.at_start = []
        self.count_steps(losses)
        self.lane_steps += len(data) * self.alive.numel()

    def metrics(self) -> dict[str, Tensor]:
        rows = [[self._judged(c, s) for s in range(len(row))] for c, row in enumerate(self.runs)]
        if self.training.keep_path:
            self.x = torch.stack([torch.stack([where for _, where in row]) for row in rows])
        names = rows[0][0][0]
        return {name: torch.stack([torch.stack([one[name] for one, _ in row]) for row in rows]) for name in names}

    @property
    def state_bytes(self) -> int:
        return sum(stepper.state_bytes for row in self.steppers for stepper in row)

    def gradient_alone(self) -> None:
        """The loss and the gradient of a step of the first run, which is not made."""
        run = self.runs[0][0]
        with run.at_work():
            draw(self.module_problem, run)
            gradient_of_run(self.module_problem, run, self.training.autocast)

    def keep(self, chosen: Tensor) -> None:
        stays = chosen.tolist()
        self.runs = [row for row, stay in zip(self.runs, stays, strict=True) if stay]
        self.steppers = [row for row, stay in zip(self.steppers, stays, strict=True) if stay]

    def _advanced(self, c: int, s: int, steps: int, done: int) -> Tensor:
        """The losses ``[K]`` before each of ``steps`` updates of one run, NaN from the first that is not valid on."""
        run, stepper, problem = self.runs[c][s], self.steppers[c][s], self.module_problem
        losses = self.x.new_full((steps,), torch.nan)
        limit = None if self.limit_of_steps is None else self.limit_of_steps[s]
        with run.at_work():
            for place in range(steps):
                draw(problem, run)
                loss = gradient_of_run(problem, run, self.training.autocast)
                losses[place] = loss
                if limit is not None and not (loss <= limit and loss.abs() < torch.inf):
                    break
                stepper.schedule(done + 1 + place, self.training.steps)
                stepper.step(self._closure(run, loss) if stepper.needs_closure else None)
        for p in run.parameters.values():
            p.grad = None  # memory that nobody reads while other runs are advanced
        return losses

    def _closure(self, run: ModuleRun, loss: Tensor) -> Callable[[], Tensor]:
        """The loss of a run on its batch as a closure that leaves its gradient in the parameters.

        Its first call gives the ``loss`` at hand, whose gradient is there: no further units are dropped, and no buffer
        moves.
        """
        known = [loss]

        def closure() -> Tensor:
            return known.pop() if known else gradient_of_run(self.module_problem, run, self.training.autocast)

        return closure

    def _judged(self, c: int, s: int) -> tuple[dict[str, Tensor], Tensor]:
        """The metrics of one run and, if kept, its parameters ``[P]``, in the mode of its optimizer that is judged."""
        run, stepper = self.runs[c][s], self.steppers[c][s]
        looked = stepper.has_modes and not self.at_start  # some keep no average before their first step
        trained = [p.detach().clone() for p in stepper.parameters] if looked else []
        if trained:
            stepper.set_mode("eval")
        where = run.flat() if self.training.keep_path else self.x[c, s]
        metrics = self.at_start[s] if self.at_start else evaluation_of_run(self.module_problem, run)
        if trained:
            stepper.set_mode("train")
            stepper.put_back(trained)
        return metrics, where


def _stepper(training: Training, values: dict[str, float], run: ModuleRun) -> Stepper:
    stepper = Stepper(training.optimizer, values, run.parameters, MODULE, training.schedules, training.groups)
    stepper.set_mode("train")
    return stepper
