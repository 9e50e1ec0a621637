"""Which way a run goes: as a lane of one tensor, or natively, a module of its own; decided by problem and optimizer."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.engine.calls import raise_as_own
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.groups import ParameterGroup
from optimizers import Rule
from problems import Problem
from problems.module import ModuleProblem

__all__ = ["is_module", "native_by_optimizer", "native_if_known", "why_native"]

FOREIGN = "a foreign optimizer steps on the module's own tensors"
GROUPED = "parameters are trained in groups"


def is_module(problem: Problem) -> bool:
    """Whether the runs of ``problem`` can be modules of their own."""
    return isinstance(problem, ModuleProblem)


def native_if_known(problem: Problem) -> str | None:
    """Why the runs of ``problem`` are modules of their own; None also where its own code fails to say."""
    try:
        return problem.native
    except (Exception, SystemExit):  # which is said by whoever runs it
        return None


def native_by_optimizer(optimizer: AnyOptimizer | Rule) -> str | None:
    """Why runs of ``optimizer`` on any module are modules of their own, None where that is the problem's to say."""
    return FOREIGN if isinstance(optimizer, ForeignSpec) else None


def why_native(
    problem: Problem, optimizer: AnyOptimizer | Rule, groups: Sequence[ParameterGroup] = (), *, asked: bool = False
) -> str | None:
    """Why the runs of ``optimizer`` on ``problem`` are modules of their own, in words; None where they are lanes.

    ``asked`` says that whoever runs them would have it so. Raises `UsageError` for groups where there are no names.
    """
    try:
        own = problem.native
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "facts", error)
        raise
    if not is_module(problem):
        if groups:
            called = problem.name or type(problem).__name__
            raise UsageError(
                f"{called!r} has one vector of parameters, without names; groups of parameters are for problems made "
                "of a module"
            )
        return None
    if own is not None:
        return own
    if groups:
        return GROUPED
    return native_by_optimizer(optimizer) or ("it is asked for" if asked else None)
