"""Schedules: how a hyperparameter changes over a run. Pure functions of the base value and the step.

A schedule is called with the base value (a float, or a tensor with one value a lane), the step ``t`` = 1, 2, … and the
number of steps of the run, and returns the value for that step, of the same kind. It serves lr and gamma alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from optimizers.rule import Value

__all__ = ["Constant", "Schedule"]


class Schedule(ABC):
    """How one hyperparameter changes over a run. Subclasses are frozen dataclasses whose fields are its parameters."""

    @abstractmethod
    def __call__(self, value: Value, t: int, steps: int) -> Value:
        """The value at step ``t`` (from 1) of ``steps``, from the base ``value``; never writes ``value``."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The base value throughout."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return value
