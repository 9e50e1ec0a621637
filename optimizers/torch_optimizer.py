"""A rule as a drop-in `torch.optim.Optimizer`: parameter groups, closures, ``state_dict``, torch's lr schedulers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain, repeat
from typing import Any, Final, overload

import torch
from torch import Tensor

from optimizers.rule import Rule
from optimizers.schedule import Schedule
from optimizers.wrappers import varied

__all__ = ["RuleOptimizer"]

TRAINED: Final = "trained"  # in a state: where the run is, while the parameters hold what it is judged by
BOOKKEEPING: Final = ("params", "param_names", "name")
NOTES: Final = ("initial_", "base_", "max_", "min_", "swa_")  # torch's schedulers keep such keys in the groups


class RuleOptimizer(torch.optim.Optimizer):
    """Trains ``params`` by ``rule``; hyperparameters not given take the rule's defaults.

    ``params`` are tensors or torch's parameter groups, which may set hyperparameters of their own. Every parameter is
    updated as a flat vector of its own precision, whose shape a rule that sees matrices is told. ``schedules`` maps
    hyperparameter names to `Schedule`; they need ``steps``, the length of the run, and start from the group's current
    value at every step. Of torch's lr schedulers those that also cycle a momentum need ``cycle_momentum=False`` where
    the rule has no ``momentum``. A rule without weight decay takes ``weight_decay`` all the same, coupled as in torch
    or with ``decay="decoupled"``; ``maximize`` is uphill. To a rule that is `Rule.joint` the parameters of a group are
    one vector, and those without a gradient rest.

    A rule that is judged by an average of its path has two modes, as schedule-free optimizers have: `eval` puts the
    average into the parameters, `train`, in which it begins, what is trained. Other rules have the same in both.

    Raises ``TypeError`` for a hyperparameter the rule does not have and for parameters that are not real floating-point
    numbers; ``ValueError`` for a value out of its domain, for a schedule without ``steps`` or of another kind than its
    hyperparameter, for a ``decay`` that is not the rule's own. `step` raises ``RuntimeError`` for sparse gradients,
    and in the mode of `eval`.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        rule: Rule,
        *,
        maximize: bool = False,
        schedules: Mapping[str, Schedule] | None = None,
        steps: int | None = None,
        **hyperparameters: Any,
    ) -> None:
        decay = None if "decay" in rule.defaults() else hyperparameters.pop("decay", None)
        self.rule = rule = varied(rule, decay=decay, decays="weight_decay" in hyperparameters, maximize=maximize)
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
            for together in self._vectors(param_group):
                self._rule_of(together)  # which refuses what it cannot train
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
            for together in self._vectors(group):
                if any(p.grad is not None for p in together):
                    self._step_vector(together, base)
        return loss

    @torch.no_grad()
    def eval(self) -> None:
        """Put into the parameters what the run is judged by; nothing changes where they hold it."""
        for x, state, parameters in self._all_states():
            if TRAINED not in state:
                shown = self.rule.shown(x, state)
                if shown is not x:
                    state[TRAINED] = x.clone()
                    _write(shown, parameters)

    @torch.no_grad()
    def train(self) -> None:
        """Put back what is trained, to the bit, after `eval`."""
        for _, state, parameters in self._all_states():
            if TRAINED in state:
                _write(state.pop(TRAINED), parameters)

    def _all_states(self) -> Iterator[tuple[Tensor, dict[str, Any], Sequence[Tensor]]]:
        """Every vector that has a state, with it and with the parameters that it is made of."""
        for group in self.param_groups:
            for together in self._vectors(group):
                if self.state.get(together[0]):
                    yield _flat(together), self.state[together[0]], together

    def _vectors(self, group: Mapping[str, Any]) -> list[list[Tensor]]:
        """The parameters of a group that are one vector to the rule."""
        return [group["params"]] if self.rule.joint and group["params"] else [[p] for p in group["params"]]

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
        number_of = dict(zip(params, numbers))
        vectors = chain.from_iterable(map(self._vectors, self.param_groups))
        return {
            together[0]: self._restored(together, state_dict["state"][number_of[together[0]]])
            for together in vectors
            if number_of.get(together[0]) in state_dict["state"]
        }

    def _restored(self, parameters: Sequence[Tensor], saved: Mapping[str, Any]) -> dict[str, Any]:
        x = _flat(parameters)
        state = self._rule_of(parameters).init(x)
        if sorted({*saved} - {TRAINED}) != sorted([*state, "step"]):
            raise ValueError(f"{type(self.rule).__name__} keeps {sorted(state)}, the saved state has {sorted(saved)}")
        state |= {TRAINED: x.clone()} if TRAINED in saved else {}
        for name, tensor in state.items():
            if saved[name].shape != tensor.shape:
                came, wanted = tuple(saved[name].shape), tuple(tensor.shape)
                raise ValueError(f"the saved state {name!r} has shape {came}, its parameter needs {wanted}")
            tensor.copy_(saved[name])
        return {**state, "step": int(saved["step"])}

    def __getstate__(self) -> dict[str, Any]:
        """What `pickle` and `copy.deepcopy` take along: torch's own part, the rule and the schedules."""
        return {**super().__getstate__(), "rule": self.rule, "schedules": self.schedules, "steps": self.steps}

    def _step_vector(self, parameters: Sequence[Tensor], base: Mapping[str, float]) -> None:
        grads = [p.grad for p in parameters]
        if any(grad is not None and grad.layout != torch.strided for grad in grads):
            raise RuntimeError(f"{type(self.rule).__name__} takes no sparse gradients; make them dense (sparse=False)")
        x = _flat(parameters)
        g = _flat([torch.zeros_like(p) if grad is None else grad for p, grad in zip(parameters, grads, strict=True)])
        state, rule = self.state[parameters[0]], self._rule_of(parameters)
        if not state:
            state.update(rule.init(x), step=0)
        if TRAINED in state:
            raise RuntimeError("the parameters hold an average since eval(); call train() before the next step")
        state["step"] += 1
        t: int = state["step"]
        hp = {
            name: self.schedules[name](value, t, self.steps or t) if name in self.schedules else value
            for name, value in base.items()
        }
        rule.step_(x, g, state, hp, t)
        if len(parameters) > 1 or not parameters[0].is_contiguous():
            _write(x, parameters, [grad is not None for grad in grads])

    def _rule_of(self, parameters: Sequence[Tensor]) -> Rule:
        """The rule as it trains ``parameters`` in one vector: one that sees matrices is told their shapes."""
        return self.rule.bound([p.shape for p in parameters])

    def _check_names(self, names: Iterable[str]) -> None:
        known = self.rule.defaults()
        for name in names:
            if name not in known:
                hint = "".join(f", did you mean {near!r}" for near in get_close_matches(name, known, n=1))
                raise TypeError(
                    f"{type(self.rule).__name__} has no hyperparameter {name!r}{hint}; it has {', '.join(known)}"
                )


def _flat(parameters: Sequence[Tensor]) -> Tensor:
    """The parameters as one vector: of a single one a view, where its memory allows one."""
    flat = [p.detach().reshape(-1) for p in parameters]
    return flat[0] if len(flat) == 1 else torch.cat(flat)


def _write(x: Tensor, parameters: Sequence[Tensor], moving: Iterable[bool] = repeat(True)) -> None:
    """Copy the vector ``x`` into the parameters that it is made of, those of them that are ``moving``."""
    parts = torch.split(x, [p.numel() for p in parameters])
    for part, p, moves in zip(parts, parameters, moving):
        if moves:
            p.copy_(part.view_as(p))
