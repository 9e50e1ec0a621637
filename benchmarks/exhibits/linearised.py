"""A rule near a minimum: what it multiplies the gradient with, and the largest curvature it bears, told by the rule.

No formula of a rule is written again. A memory of squares is frozen at 1 and a memory of gradients at 0, so that the
rule's own step of a vanishing gradient v is -lr P⁻¹ v, P being its preconditioner at that step; and the rule steps
along parabolas of all curvatures, with P frozen, which shows beyond which one it no longer settles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import torch
from torch import Tensor

from optimizers import Rule
from optimizers.rule import State, Value

__all__ = ["Upcoming", "preconditioner", "stability_limit", "upcoming"]

OF_SQUARES: Final = ("gamma", "beta2")
"""Memories of squared gradients."""

OF_GRADIENTS: Final = ("momentum", "beta1")
"""Memories of gradients."""

TINY: Final = 1e-9
"""A gradient whose square changes no sum of squares."""

LINEAR: Final = 1e-6
"""How far a rule's step of a doubled gradient may be from the doubled step."""

TRIED: Final = 512
"""Curvatures tried at once, twice: over all six decades, then between the two where growth begins."""

STEPS: Final = 512
WINDOW: Final = 64
"""Steps over which a swing is measured, in the middle and at the end."""

BLOWN: Final = 1e4
"""How many times its start a settling swing never reaches; what reaches it changes the sums that should be frozen."""


@dataclass(frozen=True)
class Upcoming:
    """The step that a run is about to take: its ``direction`` ``[..., P]``, the step over lr, and the ``scale``
    ``[..., P]`` by which its preconditioner multiplies gradients, None where the rule has none.
    """

    direction: Tensor
    scale: Tensor | None


def upcoming(rule: Rule, x: Tensor, g: Tensor, state: State, hp: Mapping[str, Value], t: int) -> Upcoming:
    """The step ``t`` of a run at ``x [..., P]`` with ``state``, under the gradient ``g``; all are only read."""
    after, moved = _own(state), x.double().clone()
    rule.step_(moved, g.double(), after, hp, t)
    return Upcoming((moved - x.double()) / hp["lr"], preconditioner(rule, moved, after, hp, t))


def preconditioner(rule: Rule, x: Tensor, state: State, hp: Mapping[str, Value], t: int) -> Tensor | None:
    """The diagonal ``[..., P]`` of P⁻¹ in ``state``, which is only read: what the rule's step has gradients times.

    None where its step is no such product, entry by entry: where it is the sign of something, sees matrices, or depends
    on a memory that cannot be frozen. Weight decay is left out.
    """
    for frozen in _frozen(rule):
        scale = _multiplied(rule, x.double(), state, {**hp, **frozen, "lr": 1.0}, t)
        if scale is not None:
            return scale
    return None


def stability_limit(rule: Rule, hp: Mapping[str, float], t: int) -> float:
    """The largest lr times eigenvalue of P⁻¹H with which ``rule`` still settles on a parabola, its P frozen.

    2 for gradient descent, 2 (1 + momentum) for the heavy ball (Polyak 1964), 2 (1 + β₁) / (1 - β₁) for a leaky average
    of gradients, as Adam's (Cohen et al. 2022, arXiv 2207.14484). Measured on the rule as it is at step ``t``, to four
    digits. NaN where `preconditioner` is None, inf where nothing unsettles it.
    """
    x, rule, hp = torch.ones(TRIED, 1, dtype=torch.float64), rule.bound([(1,)]), {**hp, "weight_decay": 0.0}
    state = rule.init(x)
    rule.step_at(x, x.clone(), state, hp, t)
    remembering: dict[str, Value] = {name: hp[name] for name in OF_GRADIENTS if name in hp}
    for frozen in _frozen(rule):
        still, held = {**hp, **frozen, "lr": 1.0}, _own(state)
        rule.step_at(x, torch.zeros_like(x), held, still, t)  # forgets the gradient of 1
        scale = _multiplied(rule, x, held, still, t)
        if scale is not None:
            return _settles_up_to(rule, scale, held, {**still, **remembering}, t)
    return math.nan


def _settles_up_to(rule: Rule, scale: Tensor, state: State, hp: Mapping[str, Value], t: int) -> float:
    """Where growth begins among products of lr and curvature, even in logarithm."""
    low, high = -2.0, 4.0
    for _ in range(2):
        tried = torch.logspace(low, high, TRIED, dtype=torch.float64)
        growing = _growing(rule, (tried / scale.flatten()).unsqueeze(-1), _own(state), hp, t)
        place = int(growing.int().argmax())
        if place == 0:
            return math.nan if bool(growing[0]) else math.inf
        low, high = (math.log10(float(tried[at])) for at in (place - 1, place))
    return 10 ** ((low + high) / 2)


def _growing(rule: Rule, curvature: Tensor, state: State, hp: Mapping[str, Value], t: int) -> Tensor:
    """Whether the swings along parabolas of each ``curvature [C, 1]`` grow, ``[C]``; ``state`` advances."""
    x = torch.full_like(curvature, TINY)
    middle, last, most = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
    for step in range(STEPS):
        rule.step_(x, curvature * x, state, hp, t)
        size = x.nan_to_num_(nan=math.inf).abs()
        most = torch.maximum(most, size)
        if STEPS // 2 <= step < STEPS // 2 + WINDOW:
            middle = torch.maximum(middle, size)
        if step >= STEPS - WINDOW:
            last = torch.maximum(last, size)
    return ((last > middle) | (most > BLOWN * TINY)).flatten()


def _multiplied(rule: Rule, x: Tensor, state: State, hp: Mapping[str, Value], t: int) -> Tensor | None:
    """What a step under ``hp`` multiplies the gradient with, ``[..., P]``; None where it is no product by entries."""
    tiny = torch.full_like(x, TINY)
    half = tiny.clone()
    half[..., ::2] = 0.0
    held = _own(state)
    once = rule.step_at(x, tiny, held, hp, t).clone()
    twice = rule.step_at(x, 2 * tiny, held, hp, t)
    part = rule.step_at(x, half, _own(state), hp, t)
    size = LINEAR * once.abs()
    linear = ((twice - 2 * once).abs() <= size).all()
    apart = ((part - once)[..., 1::2].abs() <= size[..., 1::2]).all() and (part[..., ::2].abs() <= size[..., ::2]).all()
    return -once / TINY if bool(linear and apart and (once < 0).all()) else None


def _frozen(rule: Rule) -> list[dict[str, float]]:
    """The ways to freeze what the rule remembers of squares, a gradient being forgotten at once."""
    names = {knob.name for knob in rule.hyperparameters}
    still = {name: 0.0 for name in OF_GRADIENTS if name in names}
    squares = [name for name in OF_SQUARES if name in names]
    return [still | dict(zip(squares, of, strict=True)) for of in product((1.0, 0.0), repeat=len(squares))]


def _own(state: State) -> State:
    """A copy of ``state`` in double precision."""
    return {name: value.double().clone() for name, value in state.items()}
