"""Slopes by central differences in float64: they tell a right gradient from a wrong one, and a minimum from a slope."""

from __future__ import annotations

import torch
from torch import Tensor

from problems import Batch, Problem

__all__ = ["feasible_slope", "wrong_slope"]

COORDINATES = 64  # of a minimiser looked along: enough for a wrong one to show, little enough for large problems
DIGITS = 0.1  # of the difference step, 1e-6 (1 + |x|): how far from its minimiser a coordinate may be stated
STEPS = (1e-6, 1e-8)  # of differences: the longer drowns fewer digits, the shorter crosses fewer kinks; one must fit
DIFFERENCE = 1e-5  # what a step of 1e-6 leaves of a smooth function's slope, and rounding of one of 1e-8


def wrong_slope(problem: Problem, x: Tensor, batch: Batch, g: Tensor, direction: Tensor) -> str | None:
    """The two slopes along ``direction``, by ``g`` and by central differences, where they disagree; else None.

    ``g`` is the gradient of the loss on ``batch`` at ``x``; all are ``[..., S, P]``, directions of length 1.
    """
    wrong = [_at_step(problem, x, batch, g, direction, step=step) for step in STEPS]
    return wrong[0] if all(wrong) else None


def feasible_slope(problem: Problem, x: Tensor) -> float:
    """The steepest descent of the full-data loss at ``x [1, 1, P]`` along a coordinate, as far as x is free to move.

    Central differences, so that it serves evaluations without a gradient and gives 0 at a symmetric kink. What a
    minimum less than `DIGITS` away explains is taken off: a coordinate is stated with so many digits only.
    """
    coordinates = torch.linspace(0, problem.dim - 1, min(problem.dim, COORDINATES)).long()
    h = 1e-5 * (1 + x.flatten()[coordinates].abs())
    sides = torch.zeros(len(coordinates), 1, problem.dim, dtype=x.dtype)  # one coordinate a lane
    sides[torch.arange(len(coordinates)), 0, coordinates] = h
    below, here, above = (problem.evaluate(x + sign * sides)["loss"].flatten() for sign in (-1, 0, 1))
    g, curvature = (above - below) / (2 * h), (above - 2 * here + below) / h.square()
    moved = x - torch.sign(g).view(-1, 1, 1) * sides
    problem.project_(moved)
    freedom = (x - moved).abs().amax((-2, -1)) / h
    explained = curvature.clamp_min(0) * DIGITS * h
    return float((freedom * (g.abs() - explained)).max())


def _at_step(problem: Problem, x: Tensor, batch: Batch, g: Tensor, direction: Tensor, *, step: float) -> str | None:
    """What autograd and central differences say of the slope along ``direction``, where they disagree."""
    h = step * (1 + x.norm(dim=-1))
    above, below = (problem.loss(x + sign * h.unsqueeze(-1) * direction, batch).detach() for sign in (1, -1))
    slope, expected = (g * direction).sum(-1), (above - below) / (2 * h)
    allowed = DIFFERENCE * g.norm(dim=-1) + 1e-15 * (above.abs() + below.abs()) / h + 1e-12
    excess = ((slope - expected).abs() - allowed).flatten()
    if bool((excess <= 0).all()):
        return None
    came, want = (value.flatten()[excess.argmax()].item() for value in (slope, expected))
    return f"autograd gives slope {came:.9g}, differences give {want:.9g}"
