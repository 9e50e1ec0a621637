"""Calls of a module's run as the engine makes them: what raises in the module, its loss or its data is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from benchmarks.engine.calls import OF_A_MODULE, complain, name_of
from benchmarks.engine.devices import out_of_memory
from benchmarks.errors import OwnCodeError
from benchmarks.naming.blame import blame
from problems.module import ModuleProblem
from problems.module_run import ModuleRun

__all__ = ["draw", "evaluation_of_run", "gradient_of_run", "run_of"]


def run_of(problem: ModuleProblem, seed: int, like: Tensor) -> ModuleRun:
    """The run of ``seed``, on the device and in the precision of ``like``."""
    with _asked(problem, "the module"):
        return problem.run(seed, like.device, like.dtype)


def gradient_of_run(problem: ModuleProblem, run: ModuleRun, autocast: bool = False) -> Tensor:
    """The loss of ``run`` on the batch it has drawn, detached, its gradient left in its parameters; where ``autocast``,
    with matrix products in bfloat16.
    """
    with _asked(problem, "loss"), torch.enable_grad():
        with torch.autocast(run.device.type, torch.bfloat16) if autocast else nullcontext():
            loss = run.loss()
        if not loss.requires_grad:
            raise complain(problem, "loss", "a tensor without a gradient (detached, or computed outside of torch)")
        for p in run.parameters.values():
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        run.clip_()
    return loss.detach()


def draw(problem: ModuleProblem, run: ModuleRun) -> None:
    """Let ``run`` draw its next batch."""
    with _asked(problem, "data"):
        run.draw()


def evaluation_of_run(problem: ModuleProblem, run: ModuleRun) -> dict[str, Tensor]:
    """The full-data loss and the other metrics of ``run``, each a number in double precision."""
    with _asked(problem, "evaluate"):
        return run.evaluate()


@contextmanager
def _asked(problem: ModuleProblem, what: str) -> Iterator[None]:
    """Raise `OwnCodeError` for what the user's code raises."""
    try:
        yield
    except OwnCodeError:
        raise
    except (Exception, SystemExit) as error:
        if out_of_memory(error, 1) is not None:  # which is nobody's mistake
            raise
        blame(error, f"{name_of(problem)}: {what}", OF_A_MODULE, problem)
        raise
