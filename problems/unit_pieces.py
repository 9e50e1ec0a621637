"""The pieces that the unit tests of optimizers are made of, and functions of one variable chained from them.

A piece spans ``begin`` to ``end``. It is given its ``height`` and its ``slope`` where it begins, and goes on as its
formula says, so that in a chain both the value and the slope are continuous at every joint. Numbers of a piece are
tensors that broadcast against the points, so that variants of one function, which differ in height and slope, are
evaluated together.

Definitions: Schaul, Antonoglou and Silver, "Unit Tests for Stochastic Optimization" (ICLR 2014), read in their code
(factories/prototypes_functions.lua of optimBench, 2015); the formulas are written anew.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

__all__ = ["PIECES", "Chain", "Corner", "Parabola", "Piece", "chain_of"]

ALMOST_FLAT: Final = -1e-7
"""The slope given to a bell or a peak that follows a plateau: neither can begin with none."""
CLIFF: Final = -10.0
RIDGE: Final = 10.0


class Piece(ABC):
    """A formula of one variable with the numbers of all its variants."""

    @abstractmethod
    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at ``x``, each shaped like it."""


@dataclass(frozen=True, eq=False)
class Line(Piece):
    """A straight line."""

    begin: float
    height: Tensor
    slope: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.height + self.slope * (x - self.begin), self.slope.expand_as(x)


@dataclass(frozen=True, eq=False)
class Corner(Piece):
    """Two straight lines that meet at ``tip``, where the slope counts as 0."""

    tip: Tensor
    height: Tensor
    """At the tip."""
    before: Tensor
    after: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        beyond = x - self.tip
        slope = torch.where(beyond > 0, self.after, self.before)
        return self.height + slope * beyond, torch.where(beyond == 0, 0.0, slope)


@dataclass(frozen=True, eq=False)
class Parabola(Piece):
    """½ curvature (x - middle)² above ``lowest`` (or below it, where the curvature is negative)."""

    middle: Tensor
    lowest: Tensor
    curvature: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        beyond = x - self.middle
        slope = self.curvature * beyond
        return self.lowest + 0.5 * slope * beyond, slope


@dataclass(frozen=True, eq=False)
class Fading(Piece):
    """A slope that falls exponentially, at ``rate``."""

    begin: float
    height: Tensor
    slope: Tensor
    rate: float

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        left = torch.exp(-self.rate * (x - self.begin))
        return self.height + self.slope / self.rate * (1 - left), self.slope * left


@dataclass(frozen=True, eq=False)
class Bell(Piece):
    """A Gaussian dip, or hill where ``depth`` is negative: level - depth exp(-((x - middle) / width)²)."""

    middle: Tensor
    width: Tensor
    level: Tensor
    depth: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = (x - self.middle) / self.width
        dip = self.depth * torch.exp(-u * u)
        return self.level - dip, 2 / self.width * u * dip


@dataclass(frozen=True, eq=False)
class Peak(Piece):
    """A Laplacian dip, or hill where ``depth`` is negative: level - depth exp(-abs(x - middle) / width)."""

    middle: Tensor
    width: Tensor
    level: Tensor
    depth: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = (x - self.middle) / self.width
        dip = self.depth * torch.exp(-u.abs())
        return self.level - dip, u.sign() / self.width * dip


@dataclass(frozen=True, eq=False)
class Place:
    """Where a piece stands: from ``begin`` to ``end``, at ``height`` with ``slope`` where it begins.

    ``steep`` is the last slope before it that was not 0, which a bend takes up again; ``slope`` where it is the first.
    """

    begin: float
    end: float
    height: Tensor
    slope: Tensor
    steep: Tensor

    @property
    def span(self) -> float:
        return self.end - self.begin

    def corner(self, before: Tensor, after: Tensor) -> Corner:
        """Two lines of which the same length, as measured along the graph, lies in the span."""
        lengths = torch.sqrt((1 + before * before) / (1 + after * after))
        tip = self.begin + self.span / (1 + lengths)
        return Corner(tip, self.height + before * (tip - self.begin), before, after)

    def parabola(self, middle: Tensor) -> Parabola:
        """The parabola about ``middle`` with this height and slope."""
        curvature = self.slope / (self.begin - middle)
        return Parabola(middle, self.height - 0.5 * self.slope * (self.begin - middle), curvature)

    def bell(self, width: float, middle: Tensor) -> Bell:
        """The Gaussian of ``width`` about ``middle`` with this height and slope."""
        u = (self.begin - middle) / width
        share = torch.exp(-u * u)
        depth = width * self._tilted / (2 * u * share)
        return Bell(middle, torch.full_like(middle, width), self.height + depth * share, depth)

    def peak(self, width: float, middle: Tensor) -> Peak:
        """The Laplacian of ``width`` about ``middle`` with this height and slope."""
        u = (self.begin - middle) / width
        share = torch.exp(-u.abs())
        depth = width * self._tilted / (u.sign() * share)
        return Peak(middle, torch.full_like(middle, width), self.height + depth * share, depth)

    def between(self, up: float, down: float) -> Tensor:
        """A point: ``up`` where the slope is positive, ``down`` where it is not."""
        uphill = (self.slope > 0).to(self.slope)  # a choice between two floats would be in single precision
        return up * uphill + down * (1 - uphill)

    @property
    def _tilted(self) -> Tensor:
        return torch.where(self.slope == 0, ALMOST_FLAT, self.slope)


def _quad_convex(p: Place) -> Piece:
    """The slope goes to a tenth on the way down, to ten times on the way up."""
    return p.parabola(p.between(p.begin - p.span / 9, p.begin + p.span / 0.9))


def _gauss_nonconvex(p: Place) -> Piece:
    """From four widths before the middle to where the curvature turns, on the way down; from there on, uphill."""
    width = 2 * p.span / (8 - math.sqrt(2))
    return p.bell(width, p.between(p.end - 4 * width, p.begin + 4 * width))


def _gauss_convex(p: Place) -> Piece:
    """From where the curvature turns to a tenth of a width before the middle, or back."""
    width = 10 * p.span / (5 * math.sqrt(2) - 1)
    return p.bell(width, p.between(p.begin - 0.1 * width, p.end + 0.1 * width))


def _laplace_nonconvex(p: Place) -> Piece:
    """From eight widths before the middle to one, or back."""
    width = p.span / 7
    return p.peak(width, p.between(p.begin - width, p.begin + 8 * width))


def _laplace_convex(p: Place) -> Piece:
    """From one width before the middle to a tenth, or back."""
    width = p.span / 0.9
    return p.peak(width, p.between(p.begin - 0.1 * width, p.begin + width))


def _middle(p: Place) -> Tensor:
    return torch.full_like(p.slope, (p.begin + p.end) / 2)


PIECES: Final[Mapping[str, Callable[[Place], Piece]]] = {
    "line": lambda p: Line(p.begin, p.height, p.slope),
    "relu": lambda p: p.corner(p.slope, torch.zeros_like(p.slope)),
    "abs": lambda p: p.corner(p.slope, -p.slope),
    "bend": lambda p: p.corner(torch.zeros_like(p.slope), p.steep),
    "cliff": lambda p: p.corner(p.slope, CLIFF * p.slope),
    "ridge": lambda p: p.corner(p.slope, RIDGE * p.slope),
    "exponential": lambda p: Fading(p.begin, p.height, p.slope, math.log(1000) / p.span),
    "quad_convex": _quad_convex,
    "quad_bowl": lambda p: p.parabola(_middle(p)),
    "gauss_nonconvex": _gauss_nonconvex,
    "gauss_convex": _gauss_convex,
    "gauss_bowl": lambda p: p.bell(5 * p.span, _middle(p)),
    "laplace_nonconvex": _laplace_nonconvex,
    "laplace_convex": _laplace_convex,
    "laplace_bowl": lambda p: p.peak(5 * p.span, _middle(p)),
}
"""How each piece is fitted in its place, by the name that the authors gave it. Slopes fall to a thousandth over an
``exponential``; bowls end as high as they begin, a Gaussian or Laplacian one a tenth of a width about the middle."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Pieces one after another; the first goes on to the left of its span, the last to the right.

    ``joints`` are where every piece but the first begins.
    """

    pieces: Sequence[Piece]
    joints: Sequence[float]

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at ``x``, each shaped like it."""
        value, slope = self.pieces[-1].at(x)
        for piece, joint in zip(self.pieces[-2::-1], self.joints[::-1], strict=True):
            left = x < joint
            before, falls = piece.at(x)
            value, slope = torch.where(left, before, value), torch.where(left, falls, slope)
        return value, slope


def chain_of(names: Sequence[str], height: Tensor, slope: Tensor, begin: float = 0.0, end: float = 1.0) -> Chain:
    """The chain of the pieces called ``names``, of equal spans from ``begin`` to ``end``, for all variants at once.

    ``height`` and ``slope`` are value and slope at ``begin``, of equal shapes. Raises ``KeyError`` for an unknown name.
    """
    span = (end - begin) / len(names)
    pieces: list[Piece] = []
    joints = [begin + span * number for number in range(1, len(names))]
    steep = slope
    for name, left, right in zip(names, [begin, *joints], [*joints, end], strict=True):
        pieces.append(PIECES[name](Place(left, right, height, slope, steep)))
        steep = torch.where(slope == 0, steep, slope)
        height, slope = pieces[-1].at(torch.full_like(height, right))
    return Chain(pieces, joints)
