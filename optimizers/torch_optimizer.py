"""A rule as a drop-in `torch.optim.Optimizer`: parameter groups, closures, ``state_dict``, torch's own lr schedulers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor

from optimizers.rule import Rule
from optimizers.schedule import Schedule

__all__ = ["RuleOptimizer"]


class RuleOptimizer(torch.optim.Optimizer):
    """Trains ``params`` by ``rule``; hyperparameters not given take the rule's defaults.

    ``params`` are tensors or torch's parameter groups, which may set hyperparameters of their own. ``schedules`` maps
    hyperparameter names to `Schedule`; they need ``steps``, the length of the run.

    Raises ``TypeError`` for a hyperparameter the rule does not have and ``ValueError`` for a schedule without ``steps``.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        rule: Rule,
        *,
        schedules: Mapping[str, Schedule] | None = None,
        steps: int | None = None,
        **hyperparameters: float,
    ) -> None:
        self.rule = rule
        self.schedules = dict(schedules or {})
        self.steps = steps
        defaults = rule.defaults()
        unknown = sorted((set(hyperparameters) | set(self.schedules)) - set(defaults))
        if unknown:
            raise TypeError(f"{type(rule).__name__} has no hyperparameter {unknown[0]!r}; it has {', '.join(defaults)}")
        if self.schedules and steps is None:
            raise ValueError("a schedule needs steps, the number of steps of the run")
        super().__init__(params, {**defaults, **hyperparameters})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step on every parameter that has a gradient; return the closure's loss, where one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            base = {name: float(group[name]) for name in self.rule.defaults()}
            for p in group["params"]:
                if p.grad is not None:
                    self._step_parameter(p, base)
        return loss

    def _step_parameter(self, p: Tensor, base: Mapping[str, float]) -> None:
        x = p.detach().reshape(-1)  # a view where p is contiguous
        state = self.state[p]
        if not state:
            state.update(self.rule.init(x), step=0)
        state["step"] += 1
        t: int = state["step"]
        hp = {
            name: self.schedules[name](value, t, self.steps or t) if name in self.schedules else value
            for name, value in base.items()
        }
        self.rule.step_(x, p.grad.detach().reshape(-1), state, hp, t)  # type: ignore[union-attr]
        if not p.is_contiguous():
            p.copy_(x.view_as(p))
