"""What an update rule is: a small value with two pure functions and named hyperparameters. Read this first.

A rule is arithmetic on tensors whose last axis is the parameter vector ``[P]``; whatever axes come before it
(configurations ``[C]``, seeds ``[S]``) broadcast. The same rule therefore trains one model as a `torch.optim.Optimizer`
(`optimizers.torch_optimizer`) and thousands of lanes at once (`benchmarks.engine.rule_lanes`).

Four habits keep a lane equal, to the bit, to the same run alone:

* one elementary operation at a time (no fused ``addcmul``, ``lerp`` or ``pow``: their rounding depends on the shape);
* hyperparameters arrive in double precision, are combined there (``1 - gamma`` loses nothing) and are cast by
  `as_like` only where they meet a parameter-sized tensor; a float over a tensor is `divided`, not written with ``/``;
* a root is `root_`, `sqrt` or `sqrt_`, never torch's, which differs by machine in the last place;
* powers such as gamma^t are kept as running products in the state, which also makes them right under schedules.

And one keeps it fast: at most two temporaries the size of the parameters live at a time. With a third the allocator
gives memory back and asks for it again at every step, measured 5 times slower at 150,000 numbers.

Rules that need the shapes of the tensors in the vector are in `optimizers.layout`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # there is no public name; nor of the next
from torch.utils._python_dispatch import _get_current_dispatch_mode

__all__ = [
    "SMALLEST",
    "Decay",
    "Hyperparameter",
    "Hyperparameters",
    "Rule",
    "Scale",
    "State",
    "Value",
    "as_like",
    "divided",
    "leaky_average_",
    "leaky_square_",
    "norm",
    "ones_column",
    "root_",
    "sqrt",
    "sqrt_",
    "total",
]

Value = float | Tensor
"""A hyperparameter's value: a float, or a float64 tensor that broadcasts against ``[C, S, P]``, as ``[C, 1, 1]``."""
Hyperparameters = Mapping[str, Value]
State = dict[str, Tensor]
Scale = Literal["linear", "log", "log1m"]
Decay = Literal["coupled", "decoupled"]

SMALLEST: Final = torch.finfo(torch.float32).tiny  # a normal number in single and in double precision


@dataclass(frozen=True)
class Hyperparameter:
    """One knob of a rule: its default, the range searched, and the scale on which that range is even.

    ``log1m`` means that 1 - value is log-uniform, which is how memories such as gamma are searched: .9, .99 and .999
    are equally far apart. Raises ``ValueError`` for an empty range or one its scale cannot hold.
    """

    name: str
    default: float
    low: float
    high: float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"{self.name}: the range needs low < high, both finite, got {self.low} and {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.name}: a log range needs low > 0, got {self.low}")
        if self.scale == "log1m" and self.high >= 1:
            raise ValueError(f"{self.name}: a log1m range needs high < 1, got {self.high}")

    def at(self, position: float) -> float:
        """The value at ``position`` in [0, 1] of the range, on its scale; 0 is ``low`` and 1 is ``high`` exactly."""
        if position <= 0:
            return self.low
        if position >= 1:
            return self.high
        if self.scale == "log":
            value = math.exp((1 - position) * math.log(self.low) + position * math.log(self.high))
        elif self.scale == "log1m":
            value = 1 - math.exp((1 - position) * math.log(1 - self.low) + position * math.log(1 - self.high))
        else:
            value = (1 - position) * self.low + position * self.high
        return min(max(value, self.low), self.high)  # rounding must not leave the range

    def position(self, value: float) -> float:
        """The place of ``value`` in the range, on its scale: the inverse of `at`; outside [0, 1] if out of range.

        Raises ``ValueError`` for a value the scale cannot hold: 0 on a log scale, 1 on a log1m scale.
        """
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        if self.scale == "log1m":
            return math.log((1 - value) / (1 - self.low)) / math.log((1 - self.high) / (1 - self.low))
        return (value - self.low) / (self.high - self.low)

    def grid(self, count: int) -> list[float]:
        """``count`` values over the whole range, ends included, even on the scale; the middle where count is 1."""
        if count == 1:
            return [self.at(0.5)]
        return [self.at(index / (count - 1)) for index in range(count)]

    @property
    def is_memory(self) -> bool:
        """Whether this is the decay of an average or of a momentum, at most 1 and searched as 1 - value."""
        return self.scale == "log1m"

    def validate(self, value: float) -> None:
        """Raise ``ValueError`` for a value no rule can take: negative, not finite, or a memory above 1.

        The search range is no limit: gamma = 1 is allowed, though no search goes there.
        """
        if not 0 <= value < math.inf:
            raise ValueError(f"{self.name} must be finite and at least 0, got {value}")
        if self.is_memory and value > 1:
            raise ValueError(f"{self.name} is a memory and must be in [0, 1], got {value}")


class Rule(ABC):
    """An update rule. Subclasses are frozen dataclasses whose fields are static options such as ``eps_inside``.

    ``decay`` says how the hyperparameter ``weight_decay`` acts, if a rule has it: "coupled" adds weight_decay x to the
    gradient, "decoupled" first shrinks x by the share lr weight_decay (Loshchilov and Hutter 2019); None where the
    rule's own formula has it. ``joint`` says that a norm or a mean over all parameters enters, so that a model's
    tensors must be one vector to it. ``to_the_bit`` says that a lane equals the same run alone to the bit; rules that
    multiply matrices promise rounding.
    """

    hyperparameters: ClassVar[tuple[Hyperparameter, ...]]
    decay: ClassVar[Decay | None] = None
    joint: ClassVar[bool] = False
    to_the_bit: ClassVar[bool] = True

    @abstractmethod
    def init(self, x: Tensor) -> State:
        """The state before the first step: named tensors ``[..., N]``, most like ``x`` or with a last axis of 1."""

    @abstractmethod
    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        """Advance ``state`` in place by gradient ``g`` ``[..., P]`` at step ``t`` = 1, 2, …; return the step for x.

        Never writes ``g``. The state changes in place because fresh tensors cost page faults. The returned step may be
        a tensor of the state: read it, do not write it.
        """

    def step_at(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        """`update` of a rule that looks at ``x`` too, which it only reads; all others need not define it."""
        return self.update(g, state, hp, t)

    def bound(self, shapes: Sequence[Sequence[int]]) -> Self:  # noqa: ARG002 - elementwise rules see no shapes
        """This rule for a vector in which tensors of these ``shapes`` lie one after another; see `optimizers.layout`.

        Raises ``ValueError`` where it cannot train them.
        """
        return self

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        """Take one whole step: ``x`` and ``state`` change in place. The engine and `RuleOptimizer` both call this."""
        g = self.decayed_(x, g, state, hp)
        x.add_(self.step_at(x, g, state, hp, t))

    def decayed_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters) -> Tensor:
        """The gradient, with coupled weight decay in it; decoupled decay shrinks ``x`` in place."""
        if self.decay == "coupled":
            return g + x * as_like(hp["weight_decay"], x)
        if self.decay == "decoupled":
            x.mul_(as_like(1 - self.rate(state, hp) * hp["weight_decay"], x))
        return g

    def rate(self, state: State, hp: Hyperparameters) -> Value:  # noqa: ARG002 - that of some stands in their state
        """The learning rate in force, by which decoupled decay is measured."""
        return hp["lr"]

    def shown(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002 - most are judged where they step from
        """The point by which a run at ``x`` is judged: ``x``, or an average of its path. To be read, not written."""
        return x

    def defaults(self) -> dict[str, float]:
        """The default value of every hyperparameter."""
        return {knob.name: knob.default for knob in self.hyperparameters}


def as_like(value: Value, like: Tensor) -> Value:
    """``value`` in the precision of ``like``; a float stays a float (torch rounds it to the tensor's precision)."""
    return value.to(like.dtype) if isinstance(value, Tensor) else value


def ones_column(x: Tensor) -> Tensor:
    """Ones in double precision shaped like ``x`` with a last axis of 1: where a running product of decays starts."""
    return torch.ones_like(x[..., :1], dtype=torch.float64)


def total(v: Tensor) -> Tensor:
    """The sum over the parameter vector, in double precision: ``[..., 1]``."""
    return v.sum(-1, keepdim=True, dtype=torch.float64)


def norm(v: Tensor) -> Tensor:
    """The Euclidean norm of the parameter vector, in double precision: ``[..., 1]``."""
    return root_(total(v * v))


def divided(value: Value, by: Tensor) -> Tensor:
    """``value / by``, rounded once: torch takes a float over a tensor as a product with the reciprocal."""
    return torch.as_tensor(value, dtype=by.dtype, device=by.device) / by


def leaky_average_(m: Tensor, v: Tensor, decay: Value) -> Tensor:
    """m <- decay m + (1 - decay) v, in place; ``v`` is only read."""
    return m.mul_(as_like(decay, m)).add_(v * as_like(1 - decay, m))


def leaky_square_(s: Tensor, v: Tensor, decay: Value) -> Tensor:
    """s <- decay s + (1 - decay) v², in place; ``v`` is only read."""
    squares = v * v
    return s.mul_(as_like(decay, s)).add_(squares.mul_(as_like(1 - decay, s)))


def sqrt_(v: Tensor) -> Tensor:
    """The square root in place, with input raised to about 1e-38; in half precision to its smallest positive number.

    A second moment of a vanished gradient decays into the denormal range, where ``sqrt`` is some 30 times slower; and
    half precision rounds eps to 0, so that nothing else would keep a root from being 0.
    """
    return root_(v.clamp_(min=_floor(v)))


def sqrt(v: Tensor) -> Tensor:
    """The square root as `sqrt_` takes it, of a tensor that is kept."""
    return root_(v.clamp(min=_floor(v)))


def root_(v: Tensor) -> Tensor:
    """The square root in place, rounded once as IEEE 754 asks, so that it is the same on every machine.

    That is numpy's: torch's on the CPU is one unit in the last place off in 1.4% of the numbers in double and 20% in
    single precision, which of them depends on the machine, and takes longer. Torch's is taken for other devices and
    precisions, for what autograd follows, and while a step is traced or compiled.
    """
    if _is_plain(v):
        numbers = v.numpy()
        np.sqrt(numbers, out=numbers)
        return v
    return v.sqrt_()


def _is_plain(v: Tensor) -> bool:
    """Whether ``v`` is nothing but numbers of a precision of numpy's, which nobody watches."""
    return (
        type(v) is Tensor
        and v.dtype in (torch.float32, torch.float64)
        and v.device.type == "cpu"
        and v.layout is torch.strided
        and not v.requires_grad
        and _get_current_dispatch_mode() is None
        and not torch.compiler.is_compiling()
        and not is_functorch_wrapped_tensor(v)
    )


def _floor(v: Tensor) -> float:
    info = torch.finfo(v.dtype)
    return max(SMALLEST, info.tiny * info.eps)
