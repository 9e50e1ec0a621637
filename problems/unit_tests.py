"""Unit tests of optimizers as problems: one test, or all variants of one function as lanes beside each other.

Value and slope come from formulas, not from autograd: a test may hand an optimizer a gradient that is that of no
function (curl, minimax, rounding), and a piece that is not taken may overflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from problems.noise import Array, blocks, rotation
from problems.problem import Batch, Facts, Problem, ProblemSpec
from problems.unit_list import CHANGES, STRESSES, Unit
from problems.unit_pieces import Chain, Corner, Parabola, chain_of

__all__ = ["EVERY", "SPECS", "Units", "unit", "variants_together"]

EVERY: Final = 10
"""Steps after which what changes is drawn anew."""
SCALE_CHANGE: Final = 0.1
NOISE_CHANGE: Final = 0.5
OFFSET_CHANGE: Final = 0.1

DRAWS: Final = {
    "noise": "standard_normal",
    "heavy noise": "standard_cauchy",
    "mask": "random",
    "sparsity": "random",
    "changes": "standard_normal",
}
"""What is drawn for what, as numpy's generators call it."""

SOURCE: Final = "Schaul, Antonoglou and Silver 2014"

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numbers of V variants of one function over D variables, each ``[V, 1, D]``, and the chains made of them."""

    chains: Sequence[tuple[int, Chain]]
    """How many variables in a row each chain is for."""
    height: Tensor
    additive: Tensor
    cauchy: Tensor
    multiplicative: Tensor
    masked: Tensor
    changes: Mapping[str, Tensor]
    """By what changes: 1 for the variants in which it does, else 0."""
    stretch: Tensor
    """``[D]``."""


@dataclass(frozen=True)
class Units(Problem):
    """V variants of one function, R repetitions of each, as the S = V R seeds of one problem.

    Seeds go variant by variant: those of the first stand for the repetitions of all, so that all variants see the same
    draws; of a single test they are seeds as everywhere. A point is ``x [..., S, D]``.

    Raises ``ValueError`` where the variants differ in more than noise, scale and change.
    """

    units: tuple[Unit, ...]

    def __post_init__(self) -> None:
        kinds = {(each.function, each.rotated, each.curled, each.stress) for each in self.units}
        if len(kinds) != 1:
            raise ValueError(f"variants of one function are evaluated together, got {len(kinds)} functions")

    @cached_property
    def facts(self) -> Facts:
        lowest = _lowest(self)
        random = any(each.random for each in self.units)
        return Facts(
            dim=self.units[0].dim,
            minimum=lowest[0] if lowest else None,
            minimisers=(lowest[1],) if lowest else (),
            steps=100,
            tags=frozenset({"analytic", "stochastic" if random else "deterministic"}),
            deterministic=not random,
            dtype=torch.float64,
        )

    def definition(self) -> Mapping[str, Any]:
        return {"units": [each.name for each in self.units]}

    def first_losses(self, seeds: Sequence[int], steps: int) -> list[float]:
        every = range(len(seeds) * len(self.units)) if len(self.units) > 1 else seeds
        x = self.start(every).to(self.dtype)
        losses: list[float] = self.evaluate(x)["loss"].tolist()
        for batch in self.batches(every, steps):
            losses += self.loss(x, batch).tolist()
        return losses

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), self.units[0].dim, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            value, slope = self._seen(x, self._parts_of(batch))
        loss: Tensor = _Given.apply(x, value, slope)  # type: ignore[no-untyped-call]  # torch's
        return loss

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": self._seen(x, {})[0].to(x)}

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """Of each step, what `_parts` names, each ``[S, D]``: drawn once a repetition, scaled for every variant."""
        if not self._parts:
            yield from super().batches(seeds, steps)
            return
        repetitions, dim = seeds[: len(seeds) // len(self.units)], self.units[0].dim
        draws = {
            purpose: blocks(repetitions, steps, f"unit {purpose}", partial(_drawn, kind, dim))
            for purpose, kind in DRAWS.items()
        }
        change = walked = torch.zeros(len(repetitions), dim, dtype=torch.float64)
        for first in range(0, steps, EVERY):
            if first:
                change = next(draws["changes"])
                walked = walked + change
            until = min(first + EVERY, steps)
            made = self._made(draws, change, walked, torch.arange(first + 1, until + 1))
            yield from zip(*(part.flatten(1, 2) for part in made), strict=True)

    def judged(self, x: Tensor, batch: Batch) -> Tensor:
        """The value ``[..., S]`` at ``x [..., S, D]`` of the function as it stands in ``batch``, without noise."""
        parts = {name: part for name, part in self._parts_of(batch).items() if name in ("gain", "shift")}
        return self._seen(x, parts)[0]

    def _made(
        self, draws: Mapping[str, Iterator[Tensor]], change: Tensor, walked: Tensor, steps: Tensor
    ) -> Sequence[Tensor]:
        """The parts ``[K, V, R, D]`` of some ``steps [K]`` between two changes."""
        n, stress, steps = self._numbers, STRESSES[self.units[0].stress], steps.view(-1, 1, 1, 1)

        def drawn(purpose: str) -> Tensor:
            return torch.stack([next(draws[purpose]) for _ in steps]).unsqueeze(1)

        made: dict[str, Tensor] = {}
        if {"add", "mul"} & {*self._parts}:
            z, wild = drawn("noise"), torch.exp(NOISE_CHANGE * n.changes["noise"] * change)
            if "add" in self._parts:
                made["add"] = wild * (n.additive * z + n.cauchy * drawn("heavy noise"))
            if "mul" in self._parts:
                made["mul"] = torch.exp(wild * n.multiplicative * z) * (drawn("mask") >= n.masked)
        if "gain" in self._parts:
            made["gain"] = torch.exp(SCALE_CHANGE * n.changes["scale"] * change)
        if "shift" in self._parts:
            made["shift"] = OFFSET_CHANGE * n.changes["offset"] * walked + stress.drift * steps
        if "seen" in self._parts:
            made["seen"] = (drawn("sparsity") < stress.seen).to(walked)
        shape = (len(steps), len(self.units), *walked.shape)
        return [made[part].expand(shape) for part in self._parts]

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        """What there is in a batch, so that nothing is computed for nothing."""
        n, stress = self._numbers, STRESSES[self.units[0].stress]
        there = {
            "add": bool((n.additive + n.cauchy).any()),
            "mul": bool((n.multiplicative + n.masked).any()),
            "gain": bool(n.changes["scale"].any()),
            "shift": bool(n.changes["offset"].any()) or stress.drift > 0,
            "seen": stress.seen < 1,
        }
        return tuple(name for name, is_there in there.items() if is_there)

    def _parts_of(self, batch: Batch) -> dict[str, Tensor]:
        """The parts of a batch by name, each ``[V, R, D]``; none where there is no batch, which is the plain test."""
        if not isinstance(batch, tuple):
            return {}
        shape = (len(self.units), -1, self.units[0].dim)
        return {name: part.reshape(shape) for name, part in zip(self._parts, batch, strict=True)}

    @cached_property
    def _numbers(self) -> _Numbers:
        return _numbers_of(self.units, torch.device("cpu"))

    @cached_property
    def _elsewhere(self) -> dict[torch.device, _Numbers]:
        """The numbers by device, made when first asked for."""
        return {}

    def _numbers_on(self, device: torch.device) -> _Numbers:
        if device.type == "cpu":
            return self._numbers
        if device not in self._elsewhere:
            self._elsewhere[device] = _numbers_of(self.units, device)
        return self._elsewhere[device]

    def _seen(self, x: Tensor, parts: Mapping[str, Tensor]) -> Pair:
        """Value ``[..., S]`` and gradient ``[..., S, D]`` at ``x`` as an optimizer sees them under ``parts``."""
        unit, stress, n = self.units[0], STRESSES[self.units[0].stress], self._numbers_on(x.device)
        x = x.reshape(*x.shape[:-2], len(self.units), -1, unit.dim)
        turn = rotation(unit.dim).to(x) if unit.rotated else None
        z = x if turn is None else x @ turn.T
        if stress.stretch != 1:
            z = z * n.stretch
        if "shift" in parts:
            z = z - parts["shift"]
        value, slope = _of_each(n, z)
        if "gain" in parts:
            value, slope = n.height + parts["gain"] * (value - n.height), parts["gain"] * slope
        if "mul" in parts:
            value, slope = parts["mul"] * value, parts["mul"] * slope
        if "add" in parts:
            value, slope = value + parts["add"] * z, slope + parts["add"]
        if unit.dim > 1:
            slope, value = value.sign() * slope, value.abs()
        if stress.stretch != 1:
            slope = slope * n.stretch
        if turn is not None:
            slope = slope @ turn
        slope = self._handed(slope, x)
        if "seen" in parts:
            slope = parts["seen"] * slope
        return value.sum(-1).flatten(-2), slope.flatten(-3, -2)

    def _handed(self, slope: Tensor, x: Tensor) -> Tensor:
        """The gradient with what makes it that of no function: curl, coupling, rounding."""
        stress = STRESSES[self.units[0].stress]
        if self.units[0].curled:
            slope = slope + _quarter_turn(x)
        if stress.coupling:
            slope = slope + stress.coupling * _quarter_turn(x - 0.5)  # about the bottoms of the bowls
        if stress.rounded:
            slope = stress.rounded * torch.round(slope / stress.rounded)
        if stress.signs:
            slope = slope.sign()
        return slope


def _of_each(n: _Numbers, z: Tensor) -> Pair:
    """Value and slope of every variable's own function."""
    if len(n.chains) == 1:
        return n.chains[0][1].at(z)
    counts = [count for count, _ in n.chains]
    found = [chain.at(part) for (_, chain), part in zip(n.chains, torch.split(z, counts, -1), strict=True)]
    return torch.cat([value for value, _ in found], -1), torch.cat([slope for _, slope in found], -1)


def _numbers_of(units: Sequence[Unit], device: torch.device) -> _Numbers:
    """The numbers of ``units`` on ``device``."""

    def tensor(numbers: object) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float64, device=device)

    first = units[0]
    scales = tensor([each.scales for each in units]).unsqueeze(1)
    height, slope = scales.unbind(-1)
    chains, at = [], 0
    for names, of in groupby(first.functions):
        count = len(list(of))
        chains.append((count, chain_of(names, height[..., at : at + count], slope[..., at : at + count])))
        at += count

    def noise(kind: str) -> Tensor:
        numbers = [[getattr(of, kind) for of in each.noises] for each in units]
        return tensor(numbers).unsqueeze(1)

    def changing(kind: str) -> Tensor:
        return tensor([each.change == kind for each in units]).view(-1, 1, 1)

    half = STRESSES[first.stress].stretch ** 0.5
    exponents = torch.linspace(-1, 1, first.dim, dtype=torch.float64, device=device)
    return _Numbers(
        chains,
        height,
        noise("additive"),
        noise("cauchy"),
        noise("multiplicative"),
        noise("masked"),
        {kind: changing(kind) for kind in CHANGES},
        half**exponents,
    )


class _Given(torch.autograd.Function):
    """A loss whose value and gradient are given; it has no second derivative, and asking torch for one raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope.to(x))  # torch looks at signatures, for a quarter of a step, where this is apart
        return value.to(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return g.unsqueeze(-1) * slope, None, None


def _drawn(kind: str, dim: int, numbers: np.random.Generator, count: int) -> Array:
    """``[count, dim]`` numbers of a kind that numpy's generators draw."""
    drawn: Array = getattr(numbers, kind)((count, dim))
    return drawn


def _quarter_turn(x: Tensor) -> Tensor:
    """(x1, x2) as (-x2, x1), for every pair of variables."""
    first, second = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
    return torch.stack((-second, first), -1).flatten(-2)


def _lowest(problem: Units) -> tuple[float, tuple[float, ...]] | None:
    """The minimum of a single test and where it is taken, of those that are bowls of one piece in every variable."""
    first = problem.units[0]
    if len(problem.units) > 1 or first.rotated or first.curled or STRESSES[first.stress].stretch != 1:
        return None
    bottoms, value = list[float](), 0.0
    for count, chain in problem._numbers.chains:
        piece = chain.pieces[0]
        if len(chain.pieces) > 1 or not isinstance(piece, Parabola | Corner):
            return None
        rises = piece.curvature if isinstance(piece, Parabola) else torch.minimum(-piece.before, piece.after)
        if not bool((rises > 0).all()):
            return None
        bottom = piece.middle if isinstance(piece, Parabola) else piece.tip
        bottoms += bottom.flatten().tolist()
        value += float(chain.at(bottom)[0].sum())
        assert bottom.shape[-1] == count
    return value, tuple(bottoms)


def variants_together(units: Sequence[Unit]) -> list[Units]:
    """The problems in which ``units`` are trained: those that differ only in noise, scale and change are together."""
    together: dict[tuple[object, ...], list[Unit]] = {}
    for each in units:
        together.setdefault((each.function, each.rotated, each.curled, each.stress), []).append(each)
    return [Units(tuple(of)) for of in together.values()]


def unit(
    function: str = "quad_bowl",
    noise: str = "gauss_add_normal",
    scale: str = "normal",
    rotated: bool = False,
    curled: bool = False,
    change: str = "none",
    stress: str = "none",
) -> Units:
    """One unit test. Evaluated without noise, as the function stands before anything changes.

    Raises ``ValueError`` for what there is not, and for a delay, which is around an optimizer: ``delayed(sgd, by=3)``.
    """
    one = Unit(function, noise, scale, rotated, curled, change, stress)
    if by := STRESSES[stress].delay:
        raise ValueError(f"a delay is not the function's: train the optimizer delayed(…, by={by}) without that stress")
    return Units((one,))


SPECS: tuple[ProblemSpec, ...] = (ProblemSpec("unit", unit, "one of the unit tests of optimizers", SOURCE),)
