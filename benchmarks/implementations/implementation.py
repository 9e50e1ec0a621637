"""An optimizer as it is compared with another: what was written, what it makes, at which values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.engine.try_out import try_on_vector
from benchmarks.errors import UsageError, nearest
from benchmarks.naming.call_syntax import import_object, parse_call
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.registry import OF_ANY_RULE, OPTIMIZERS, make_optimizer
from optimizers import WRAPPERS, OptimizerSpec, Rule
from problems import Problem

__all__ = ["Implementation", "Runnable", "implementation_of", "on_a_vector"]


class Runnable(Protocol):
    """Whatever can be run: it has values, may be given others, and makes an optimizer over ``x [P]``."""

    @property
    def name(self) -> str:
        """What it is called in errors."""

    @property
    def values(self) -> Mapping[str, float]:
        """The hyperparameters by our names."""

    def optimizer(self, x: Tensor, values: Mapping[str, float]) -> torch.optim.Optimizer:
        """The optimizer over ``x [P]`` at ``values``."""


@dataclass(frozen=True)
class Implementation:
    """One of the two that are compared: ``name`` as it was written, and the ``values`` of its hyperparameters.

    ``numbers`` are all numbers it was given by whatever name, its hyperparameters among them.
    """

    name: str
    spec: AnyOptimizer
    values: Mapping[str, float] = field(default_factory=dict)

    def optimizer(self, x: Tensor, values: Mapping[str, float]) -> torch.optim.Optimizer:
        """The optimizer over ``x [P]`` at ``values``."""
        return self.spec.torch([x], **values)

    @property
    def numbers(self) -> dict[str, float]:
        """Every number it runs at, by the names that its class uses where they are not ours."""
        if not isinstance(self.spec, ForeignSpec):
            return dict(self.values)
        numeric = (int, float)
        options = {k: float(v) for k, v in self.spec.options.items() if isinstance(v, numeric) and type(v) is not bool}
        return {**options, **self.values}


def implementation_of(text: str, held: Mapping[str, float] | None = None) -> Implementation:
    """What ``text`` names, with its settings in brackets: ``rmsprop(gamma=0.99)``, ``torch:RMSprop(alpha=0.9)``.

    Of our rules both hyperparameters and static options may be given. ``held`` values, by our names, replace its own
    where it has such a hyperparameter. Raises `UsageError` for an unknown name or option, and for a value it refuses.
    """
    name, given = text.partition("(")[0].strip(), dict[str, Any]()
    if name not in WRAPPERS:
        name, given = parse_call(text)
    spec = _spec(text, name, given)
    values = {**spec.default_values}
    if isinstance(spec, OptimizerSpec):
        values |= {key: _number(text, key, value) for key, value in given.items() if key in values}
    values |= {key: value for key, value in (held or {}).items() if key in values}
    made = Implementation(text.strip(), spec, values)
    _check(made)
    return made


def on_a_vector(problem: Problem) -> Problem:
    """The problem, if an optimizer can be led along it; raises `UsageError` where only whole modules are trained."""
    if problem.native is not None:
        name = problem.name or type(problem).__name__
        raise UsageError(f"{name!r} has no parameter vector to compare on, for {problem.native}; take another problem")
    return problem


def _spec(text: str, name: str, given: Mapping[str, Any]) -> AnyOptimizer:
    """The entry that ``text`` means, with the static options of a rule that are ``given``."""
    if name in WRAPPERS:
        return make_optimizer(text)
    thing = import_object(name) if ":" in name and not name.startswith("torch:") else None
    is_rule = isinstance(thing, type) and issubclass(thing, Rule)
    if ":" in name and not is_rule and not isinstance(thing, Rule | OptimizerSpec):
        return make_optimizer(text)
    spec = OPTIMIZERS[name] if ":" not in name else make_optimizer(name)
    if not isinstance(spec, OptimizerSpec):  # a rule's class, or a specimen, which make_optimizer makes an entry of
        return spec
    options = {each.name: given[each.name] for each in fields(spec.rule) if each.name in given}  # type: ignore[arg-type]
    known = [*spec.default_values, *(each.name for each in fields(spec.rule))]  # type: ignore[arg-type]
    of_any = {key: given[key] for key in OF_ANY_RULE if key in given and key not in known}
    for key in given:
        if key not in known and key not in of_any:
            raise UsageError(f"{name!r} has no setting {key!r}{nearest(key, known)}; it has {', '.join(known)}")
    try:
        made = replace(spec, name=text.strip(), rule=replace(spec.rule, **options))  # type: ignore[type-var]
        return made.varied(text.strip(), **of_any) if of_any else made
    except (TypeError, ValueError) as error:
        raise UsageError(f"{text!r}: {error}") from error


def _number(text: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{text!r}: {key} is a number, got {value!r}")
    return float(value)


def _check(made: Implementation) -> None:
    """Raise `UsageError` where the values cannot be, or where the class cannot step on a vector."""
    if isinstance(made.spec, ForeignSpec):
        try_on_vector(made.spec, made.values, {})
        return
    for knob in made.spec.hyperparameters:
        try:
            knob.validate(made.values[knob.name])
        except ValueError as error:
            raise UsageError(f"{made.name}: {error}") from error
