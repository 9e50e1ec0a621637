"""A rule as a drop-in `torch.optim.Optimizer`: parameter groups, closures, ``state_dict``, torch's lr schedulers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, overload

import torch
from torch import Tensor

from optimizers.rule import Rule
from optimizers.schedule import Schedule

__all__ = ["RuleOptimizer"]

BOOKKEEPING: Final = ("params", "param_names", "name")
NOTES: Final = ("initial_", "base_", "max_", "min_", "swa_")  # torch's schedulers keep such keys in the groups


class RuleOptimizer(torch.optim.Optimizer):
    """Trains ``params`` by ``rule``; hyperparameters not given take the rule's defaults.

    ``params`` are tensors or torch's parameter groups, which may set hyperparameters of their own. Every parameter is
    updated as a flat vector of its own precision, whose shape a rule that sees matrices is told. ``schedules`` maps
    hyperparameter names to `Schedule`; they need ``steps``, the length of the run, and start from the group's current
    value at every step. Of torch's lr schedulers those that also cycle a momentum need ``cycle_momentum=False`` where
    the rule has no ``momentum``.

    Raises ``TypeError`` for a hyperparameter the rule does not have and for parameters that are not real floating-point
    numbers; ``ValueError`` for a value out of its domain, for a schedule without ``steps`` or of another kind than its
    hyperparameter. `step` raises ``RuntimeError`` for sparse gradients.
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
        self._check_names([*hyperparameters, *self.schedules])
        for knob in rule.hyperparameters:
            if knob.name in self.schedules and not self.schedules[knob.name].fits(knob):
                kind, negation = type(self.schedules[knob.name]).__name__, "" if knob.is_memory else "not "
                raise ValueError(f"{kind} is no schedule for {knob.name}, which is {negation}a memory")
        if self.schedules and (steps is None or steps < 1):
            raise ValueError(f"a schedule needs steps, the number of steps of the run, at least 1; got {steps}")
        super().__init__(params, {**rule.defaults(), **hyperparameters})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, which may set hyperparameters of its own; raises as the constructor does."""
        if isinstance(param_group, dict):
            own = [key for key in param_group if key not in BOOKKEEPING and not key.startswith(NOTES)]
            self._check_names(own)
        super().add_param_group(param_group)
        try:
            for knob in self.rule.hyperparameters:
                knob.validate(float(param_group[knob.name]))
            for p in param_group["params"]:
                if not p.is_floating_point():
                    raise TypeError(f"{type(self.rule).__name__} trains real floating-point parameters, got {p.dtype}")
                self._rule_of(p)  # which refuses what it cannot train
        except (TypeError, ValueError):
            self.param_groups.pop()  # a refused group leaves the optimizer as it was
            raise

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step on every parameter that has a gradient; return the closure's loss, where one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            base = {knob.name: float(group[knob.name]) for knob in self.rule.hyperparameters}
            for p in group["params"]:
                if p.grad is not None:
                    self._step_parameter(p, p.grad, base)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`, to the bit: tensors are copied into the precision the rule keeps them in.

        torch itself casts every tensor to the parameter's precision, which would cut running products kept in double.
        Its hooks work as they do there: a pre-hook may return another state, a post-hook finds the loaded one.
        Raises ``ValueError`` where the state was saved by a rule that keeps other tensors, or for other parameters.
        """
        restored: dict[Tensor, dict[str, Any]] = {}

        def read(_: torch.optim.Optimizer, final: dict[str, Any]) -> None:
            restored.update(self._all_restored(final))

        # the last pre-hook sees what the user's have made of the state, the first post-hook completes it for theirs
        before = self.register_load_state_dict_pre_hook(read)
        after = self.register_load_state_dict_post_hook(lambda _: self.state.update(restored), prepend=True)
        try:
            super().load_state_dict(state_dict)  # refuses other groups
        finally:
            before.remove()
            after.remove()

    def _all_restored(self, state_dict: Mapping[str, Any]) -> dict[Tensor, dict[str, Any]]:
        numbers = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        return {
            p: self._restored(p, state_dict["state"][number])
            for number, p in zip(numbers, params)
            if number in state_dict["state"]
        }

    def _restored(self, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
        state = self._rule_of(p).init(p.detach().reshape(-1))
        if sorted(saved) != sorted([*state, "step"]):
            raise ValueError(f"{type(self.rule).__name__} keeps {sorted(state)}, the saved state has {sorted(saved)}")
        for name, tensor in state.items():
            if saved[name].shape != tensor.shape:
                came, wanted = tuple(saved[name].shape), tuple(tensor.shape)
                raise ValueError(f"the saved state {name!r} has shape {came}, its parameter needs {wanted}")
            tensor.copy_(saved[name])
        return {**state, "step": int(saved["step"])}

    def __getstate__(self) -> dict[str, Any]:
        """What `pickle` and `copy.deepcopy` take along: torch's own part, the rule and the schedules."""
        return {**super().__getstate__(), "rule": self.rule, "schedules": self.schedules, "steps": self.steps}

    def _step_parameter(self, p: Tensor, grad: Tensor, base: Mapping[str, float]) -> None:
        if grad.layout != torch.strided:
            raise RuntimeError(f"{type(self.rule).__name__} takes no sparse gradients; make them dense (sparse=False)")
        x = p.detach().reshape(-1)  # a view of p where its memory allows one
        state, rule = self.state[p], self._rule_of(p)
        if not state:
            state.update(rule.init(x), step=0)
        state["step"] += 1
        t: int = state["step"]
        hp = {
            name: self.schedules[name](value, t, self.steps or t) if name in self.schedules else value
            for name, value in base.items()
        }
        rule.step_(x, grad.detach().reshape(-1), state, hp, t)
        if not p.is_contiguous():
            p.copy_(x.view_as(p))

    def _rule_of(self, p: Tensor) -> Rule:
        """The rule as it trains ``p``: one that sees matrices is told its shape."""
        return self.rule.bound([p.shape])

    def _check_names(self, names: Iterable[str]) -> None:
        known = self.rule.defaults()
        for name in names:
            if name not in known:
                hint = "".join(f", did you mean {near!r}" for near in get_close_matches(name, known, n=1))
                raise TypeError(
                    f"{type(self.rule).__name__} has no hyperparameter {name!r}{hint}; it has {', '.join(known)}"
                )
