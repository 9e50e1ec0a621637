"""Rules around a rule: weight decay, maximizing, clipped gradients, slow and averaged weights, a cautious mask.

A wrapper has the hyperparameters of the rule inside and then its own, so that all of them can be searched; its state is
that of the rule with tensors of its own beside it. Nothing of the rule's formula is written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor

from optimizers.rule import Decay, Hyperparameter, Hyperparameters, Rule, State, Value, as_like, divided, norm, total

__all__ = [
    "Cautious",
    "ClippedByNorm",
    "ClippedByValue",
    "Decayed",
    "Maximized",
    "Wrapper",
    "layers",
    "steps_by_update",
    "varied",
]

WEIGHT_DECAY: Final = Hyperparameter("weight_decay", default=0.01, low=0.0, high=0.1)
NORM: Final = Hyperparameter("norm", default=1.0, low=1e-3, high=1e3, scale="log")
VALUE: Final = Hyperparameter("value", default=1.0, low=1e-3, high=1e3, scale="log")


@dataclass(frozen=True)
class Wrapper(Rule):
    """A rule around ``rule``, which gives it another gradient (`seen`), or does something after its step.

    ``says`` and ``source`` tell, in a suite, what it does and who proposed it. Raises ``ValueError`` where both have a
    hyperparameter of one name.
    """

    rule: Rule

    says: ClassVar[str]
    source: ClassVar[str]
    hyperparameters: ClassVar[
        tuple[Hyperparameter, ...]
    ] = ()  # a subclass names its own here; an object has those of the rule before them

    def __post_init__(self) -> None:
        own, inner = type(self).hyperparameters, self.rule.hyperparameters
        for name in {knob.name for knob in own} & {knob.name for knob in inner}:
            raise ValueError(f"{self.rule} has a {name!r} already, so {type(self).__name__} cannot be around it")
        object.__setattr__(self, "hyperparameters", (*inner, *own))
        object.__setattr__(self, "decay", self.rule.decay)
        object.__setattr__(self, "joint", self.joint or self.rule.joint)
        object.__setattr__(self, "to_the_bit", self.rule.to_the_bit)

    @classmethod
    def options(cls) -> dict[str, Any]:
        """What it takes besides the rule inside, with its default: its own hyperparameters, then its fields."""
        own = {knob.name: knob.default for knob in cls.hyperparameters}
        return own | {each.name: each.default for each in fields(cls) if each.repr and each.name != "rule"}

    def init(self, x: Tensor) -> State:
        return self.rule.init(x)

    def bound(self, shapes: Sequence[Sequence[int]]) -> Self:
        inner = self.rule.bound(shapes)
        return self if inner is self.rule else replace(self, rule=inner)

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self.rule.update(self.seen(g, hp), state, hp, t)

    def step_at(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self.rule.step_at(x, self.seen(g, hp), state, hp, t)

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        self.rule.step_(x, self.seen(g, hp), state, hp, t)

    def rate(self, state: State, hp: Hyperparameters) -> Value:
        return self.rule.rate(state, hp)

    def seen(self, g: Tensor, hp: Hyperparameters) -> Tensor:  # noqa: ARG002 - most wrappers leave it as it is
        """The gradient that the rule inside is given for ``g``, which is only read."""
        return g

    def shown(self, x: Tensor, state: State) -> Tensor:
        return self.rule.shown(x, state)


@dataclass(frozen=True)
class Decayed(Wrapper):
    """``rule`` with weight decay, "coupled" or "decoupled" as `Rule` tells; for one that has none of its own.

    Raises ``ValueError`` where it has.
    """

    how: Decay = "coupled"

    says = "weights decay"
    source = "Loshchilov and Hutter 2019"
    hyperparameters = (WEIGHT_DECAY,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.how not in ("coupled", "decoupled"):
            raise ValueError(f"weight decay is 'coupled' or 'decoupled', not {self.how!r}")
        object.__setattr__(self, "decay", self.how)

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        self.rule.step_(x, self.decayed_(x, g, state, hp), state, hp, t)


@dataclass(frozen=True)
class Maximized(Wrapper):
    """``rule`` uphill: the gradient's sign is turned before anything else, weight decay included, as torch does."""

    says = "uphill"
    source = "torch.optim"

    def seen(self, g: Tensor, hp: Hyperparameters) -> Tensor:  # noqa: ARG002
        return -g


@dataclass(frozen=True)
class ClippedByNorm(Wrapper):
    """``rule`` with the gradient scaled by min(1, norm / (|g| + 1e-6)), as torch.nn.utils.clip_grad_norm_ does it.

    |g| is that of the whole vector (Pascanu, Mikolov and Bengio 2013, alg. 1).
    """

    says = "gradients of a bounded norm"
    source = "Pascanu, Mikolov and Bengio 2013; torch.nn.utils.clip_grad_norm_"
    joint = True
    hyperparameters = (NORM,)

    def seen(self, g: Tensor, hp: Hyperparameters) -> Tensor:
        return g * as_like(divided(hp["norm"], norm(g).add_(1e-6)).clamp_(max=1), g)


@dataclass(frozen=True)
class ClippedByValue(Wrapper):
    """``rule`` with every entry of the gradient in [-value, value], as torch.nn.utils.clip_grad_value_ puts it."""

    says = "gradients of bounded entries"
    source = "torch.nn.utils.clip_grad_value_"
    hyperparameters = (VALUE,)

    def seen(self, g: Tensor, hp: Hyperparameters) -> Tensor:
        return g.clamp(as_like(-hp["value"], g), as_like(hp["value"], g))  # type: ignore[arg-type]  # of one kind


@dataclass(frozen=True)
class Cautious(Wrapper):
    """``rule`` without the entries of its step that go up the gradient, the others grown to make up for their number.

    The step of each tensor is divided by the share of its entries that stay, at least 1e-3 (Liang et al. 2024, as in
    timm). Decoupled weight decay is not masked. Raises ``ValueError`` for a rule whose step is more than its update.
    """

    sizes: tuple[int, ...] = field(default=(), kw_only=True, repr=False)
    """How many numbers each tensor in the vector has; none: all is one tensor."""

    says = "no entry of a step goes up the gradient"
    source = "Liang et al. 2024 (arXiv 2411.16085)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not steps_by_update(self.rule):
            raise ValueError(f"{self.rule} does more in a step than update x; put Cautious inside of it")

    def bound(self, shapes: Sequence[Sequence[int]]) -> Self:
        told = replace(self, rule=self.rule.bound(shapes), sizes=tuple(map(prod, shapes)))
        return self if told == self else told

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self._masked(self.rule.update(g, state, hp, t), g)

    def step_at(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self._masked(self.rule.step_at(x, g, state, hp, t), g)

    def _masked(self, step: Tensor, g: Tensor) -> Tensor:
        """The ``step``, which is only read, without its entries that go up ``g``."""
        down = (step.sign() * g < 0).to(g.dtype)
        sizes = list(self.sizes or g.shape[-1:])
        parts = [part / as_like(_share(part), part) for part in torch.split(down, sizes, -1)]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, -1)).mul_(step)

    step_ = Rule.step_


def _share(mask: Tensor) -> Tensor:
    """The share of ones in a tensor of zeros and ones, at least 1e-3: ``[..., 1]``."""
    return total(mask).div_(mask.shape[-1]).clamp_(min=1e-3)


def layers(rule: Rule) -> list[Rule]:
    """``rule``, the one inside of it, and so on: the last one is no wrapper."""
    return [rule, *layers(rule.rule)] if isinstance(rule, Wrapper) else [rule]


def steps_by_update(rule: Rule) -> bool:
    """Whether a step of ``rule`` is weight decay and its update, and nothing besides."""
    return type(rule).step_ in (Rule.step_, Decayed.step_)


def varied(rule: Rule, *, decay: Decay | None = None, decays: bool = False, maximize: bool = False) -> Rule:
    """``rule`` uphill and, or, with weight decay: as ``decay`` says, or, where it ``decays``, its own, else coupled.

    Raises ``ValueError`` for another decay than the rule's own.
    """
    if "weight_decay" in rule.defaults():
        if decay not in (None, rule.decay):
            own = f"{rule.decay} weight decay" if rule.decay else "weight decay"
            raise ValueError(f"{type(rule).__name__} has {own} of its own, which cannot be {decay!r}")
    elif decay is not None or decays:
        rule = Decayed(rule, decay or "coupled")
    return Maximized(rule) if maximize else rule
