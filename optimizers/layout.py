"""Rules that see matrices: they are told which tensors lie in the flat vector, and take their step tensor by tensor.

A `LayoutRule` defines the state and the step of one tensor. It sees a vector as ``[..., n]`` and whatever has more axes
as a matrix ``[..., out, in]``, all axes after the first as one; the axes before are lanes, as ever, and how many
``axes`` are the tensor's own, 1 or 2, is told. What is kept of all tensors under one name lies in one flat vector a
lane, ``[..., N]``, so that the engine, records and checkpoints hold a state as they hold any other.

`LayoutRule.bound` tells the shapes: the engine those of a problem's layout, `optimizers.torch_optimizer` each
parameter's own. A rule that is told none takes the vector as one 1-D parameter.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

import torch
from torch import Tensor

from optimizers.rule import Hyperparameters, Rule, State, root_

__all__ = ["LayoutRule", "norm", "ones_of_lane", "product", "rms"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayoutRule(Rule):
    """A rule of tensors: subclasses define `init_tensor` and `step_tensor`, and may refuse shapes in `check`."""

    layout: tuple[Shape, ...] = field(default=(), kw_only=True, repr=False)
    """The shapes of the tensors in the vector, in order, each of one or two axes; none: all is one vector."""

    @abstractmethod
    def init_tensor(self, w: Tensor, axes: int) -> State:
        """The state of the tensor ``w``, whose last ``axes`` are its own: tensors with the same axes before theirs."""

    @abstractmethod
    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:
        """Advance ``state`` in place by the gradient ``g``; return the step for ``w``. Both are only read."""

    def check(self, shape: Shape) -> None:
        """Raise ``ValueError`` for a tensor that this rule cannot train."""

    def bound(self, shapes: Sequence[Sequence[int]]) -> Self:
        layout = tuple(_seen(shape) for shape in shapes)
        for shape in layout:
            self.check(shape)
        return self if layout == self.layout else replace(self, layout=layout)

    def init(self, x: Tensor) -> State:
        made: dict[str, list[Tensor]] = {}
        for part in _parts(self, x.shape[-1]):
            for name, value in self.init_tensor(part.of(x), part.axes).items():
                made.setdefault(name, []).append(value.flatten(x.dim() - 1))
        return {name: torch.cat(values, -1) for name, values in made.items()}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        """No way to step: raises ``TypeError``, for the step of a tensor may hang on where it is."""
        raise TypeError(f"{type(self).__name__} steps by step_at, which is told where x is, and not by update")

    def step_at(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        of_matrices = {name: value.unsqueeze(-1) if isinstance(value, Tensor) else value for name, value in hp.items()}
        steps = []
        for part in _parts(self, x.shape[-1]):
            given = hp if part.axes == 1 else of_matrices
            step = self.step_tensor(part.of(x), part.of(g), part.state_in(state), given, t, part.axes)
            steps.append(step.flatten(x.dim() - 1))
        return steps[0] if len(steps) == 1 else torch.cat(steps, -1)


def norm(v: Tensor, axes: int) -> Tensor:
    """The Euclidean norm of each lane's tensor, whose last ``axes`` are its own and stay as axes of 1."""
    return root_(_sum_of_squares(v, axes))


def rms(v: Tensor, axes: int) -> Tensor:
    """The root of the mean square of each lane's tensor, as `norm`."""
    return root_(_sum_of_squares(v, axes).div_(math.prod(v.shape[-axes:])))


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b``, as a batch also of one: a single product may be made by other code, which rounds otherwise."""
    return a @ b if a.dim() > 2 else (a.unsqueeze(0) @ b.unsqueeze(0)).squeeze(0)


def ones_of_lane(w: Tensor, axes: int) -> Tensor:
    """Ones in double precision with ``axes`` own axes of 1: where a tensor's running products of decays start."""
    return w.new_ones((*w.shape[: w.dim() - axes], *[1] * axes), dtype=torch.float64)


def _sum_of_squares(v: Tensor, axes: int) -> Tensor:
    total = (v * v).flatten(-axes).sum(-1, keepdim=True)
    return total if axes == 1 else total.unsqueeze(-1)


@dataclass(frozen=True)
class _Place:
    """A tensor's numbers in a flat vector: from the first to before the last, and its own axes."""

    first: int
    last: int
    shape: Shape

    def of(self, v: Tensor) -> Tensor:
        """The tensor in ``v [..., N]`` as a view ``[..., *shape]``."""
        part = v[..., self.first : self.last]
        return part if len(self.shape) == 1 else torch.unflatten(part, -1, self.shape)


@dataclass(frozen=True)
class _Part(_Place):
    """A tensor in the vector of parameters, and what is kept of it, by name."""

    kept: Mapping[str, _Place]

    @property
    def axes(self) -> int:
        return len(self.shape)

    def state_in(self, state: State) -> State:
        """Its own part of ``state``, as views."""
        return {name: place.of(state[name]) for name, place in self.kept.items()}


@cache
def _parts(rule: LayoutRule, numbers: int) -> tuple[_Part, ...]:
    """The tensors in a vector of so many ``numbers``, as ``rule`` sees them."""
    layout, parts, first = rule.layout or ((numbers,),), list[_Part](), 0
    filled = dict[str, int]()
    if sum(map(math.prod, layout)) != numbers:
        raise ValueError(f"tensors of {list(layout)} are no vector of {numbers} numbers")
    for shape in layout:
        kept = {}
        for name, value in rule.init_tensor(torch.empty(shape, device="meta"), len(shape)).items():
            before = filled.get(name, 0)
            filled[name] = before + value.numel()
            kept[name] = _Place(before, filled[name], tuple(value.shape))
        parts.append(_Part(first, first + math.prod(shape), shape, kept))
        first += math.prod(shape)
    return tuple(parts)


def _seen(shape: Sequence[int]) -> Shape:
    """A shape as a rule sees it: a vector, or a matrix with all axes after the first as one."""
    numbers = math.prod(shape)
    return (numbers,) if len(shape) < 2 or not numbers else (shape[0], numbers // shape[0])
