"""What must hold of a problem whose runs are modules as they are: checks of its runs, in place of those of lanes.

As in `benchmarks.conformance.problems`, the docstring of a check is the requirement and its complaint says what came.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.conformance.randomness import global_random_state
from benchmarks.errors import UsageError
from problems import Problem
from problems.module import ModuleProblem
from problems.module_run import ModuleRun

__all__ = ["NATIVE_CHECKS"]

SEEDS = (0, 1)
STEPS = 4
STEP = 1e-3  # of a plain descent, in units of the gradient's norm
NEARBY = 1e-5  # of the parameters: how far a difference goes
SLOPE = 1e-3  # relative, in float64, of a loss whose kinks may lie in between


def runs_are_repeatable(problem: Problem) -> str | None:
    """A run again under its seed has the same losses to the bit, and another seed others."""
    first, again, other = (_losses([_run(problem, seed)])[0] for seed in (0, 0, 1))
    if not torch.equal(first, again):
        return (
            "two runs of seed 0 differ; draw random numbers from the global generators only, and keep none between runs"
        )
    return (
        "seeds 0 and 1 have the same losses; is the start the same, and the order of data?"
        if first.equal(other)
        else None
    )


def runs_do_not_meet(problem: Problem) -> str | None:
    """A run that is advanced in turns with another has the losses that it has alone."""
    alone = [_losses([_run(problem, seed)])[0] for seed in SEEDS]
    beside = _losses([_run(problem, seed) for seed in SEEDS])
    if all(map(torch.equal, alone, beside)):
        return None
    return "a run beside another differs; let module, loss and data keep nothing that runs share"


def looking_changes_nothing(problem: Problem) -> str | None:
    """Evaluation leaves a run as it was, and gives the same numbers when it is asked again."""
    watched, plain = _run(problem, 0), _run(problem, 0)
    if watched.evaluate() != watched.evaluate():
        return "two evaluations of one run differ; in eval mode a module keeps nothing and draws nothing of its own"
    if not torch.equal(*_losses([watched]), *_losses([plain])):
        return "a run that was evaluated goes on otherwise; in eval mode a module must keep nothing"
    return None


def gradients_of_runs_are_right(problem: Problem) -> str | None:
    """The gradient of a run agrees with a central difference along itself in float64."""
    run = _run(problem, 0)
    with run.at_work():
        run.draw()
        run.loss().backward()  # type: ignore[no-untyped-call]
    x, parts = run.flat(), run.parameters.values()
    g = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad.to_dense()).reshape(-1) for p in parts])
    norm = float(g.norm())
    if not 0 < norm < torch.inf:
        return f"the gradient of a run has norm {norm}; make the loss differentiable at the start"
    reach = NEARBY * float(x.norm().clamp_min(1.0))
    ends = [_loss_at(problem, x + sign * reach * g / norm) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * reach)
    if abs(slope - norm) <= SLOPE * norm:
        return None
    return f"the loss rises by {slope:.6g} along the gradient, whose norm is {norm:.6g}; look for detach() or no_grad()"


def the_world_is_left_alone(problem: Problem) -> str | None:
    """No run draws from, or reseeds, the global random state of Python, NumPy or torch that others have."""
    before = global_random_state()
    run = _run(problem, 0)
    _losses([run])
    run.evaluate()
    return None if global_random_state() == before else "the global random state changed while a run was advanced"


NATIVE_CHECKS: tuple[Callable[[Problem], str | None], ...] = (
    runs_are_repeatable,
    runs_do_not_meet,
    looking_changes_nothing,
    gradients_of_runs_are_right,
    the_world_is_left_alone,
)
"""The checks of a problem that is trained natively, besides those of its facts, starts and evaluations."""


def _run(problem: Problem, seed: int) -> ModuleRun:
    if not isinstance(problem, ModuleProblem):
        raise UsageError(f"{problem!r} states that it is trained natively, which only a ModuleProblem can be")
    return problem.run(seed, dtype=torch.float64)


def _losses(runs: list[ModuleRun]) -> list[Tensor]:
    """The losses ``[STEPS]`` of each of ``runs``, advanced in turns by a plain descent."""
    losses: list[list[Tensor]] = [[] for _ in runs]
    for _ in range(STEPS):
        for run, seen in zip(runs, losses, strict=True):
            with run.at_work():
                run.draw()
                loss = run.loss()
                found = torch.autograd.grad(loss, list(run.parameters.values()), allow_unused=True)
                with torch.no_grad():
                    for p, g in zip(run.parameters.values(), found, strict=True):
                        if g is not None:
                            p.sub_(STEP * g)
            seen.append(loss.detach())
    return [torch.stack(seen) for seen in losses]


def _loss_at(problem: Problem, x: Tensor) -> float:
    """The first training loss of a run of seed 0 that stands at ``x [P]``: dropout and data are the same each time."""
    run = _run(problem, 0)
    run.put_(x)
    with run.at_work():
        run.draw()
        return float(run.loss().detach())
