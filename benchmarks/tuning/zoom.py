"""Zooms into the boundary of divergence: windows of trained lanes in float64, each a tenth of the one before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from analysis.measures.fractal import Level, Window, Zoom, nearest_cell, richest_cell
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from benchmarks.engine.calls import loss_of
from benchmarks.engine.kernel_lanes import planned
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.errors import UsageError, nearest
from benchmarks.tuning.landscape import group_size
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter, Rule

__all__ = ["LAST", "Plane", "zoom"]

LAST: Final = 20
"""A run converged where the mean of so many last losses is below the first, as in arXiv 2402.06184."""

LOOKS: Final = 24
"""Even evaluations along a run, besides its last ones: what its colour is made of."""

SPACINGS: Final = 8
"""Two neighbours are told apart where so many floating-point numbers lie between them at least."""

TIMED: Final = 24  # points a side of the window that is timed for an estimate

OnSegment = Callable[[int], None]


@dataclass(frozen=True)
class Plane:
    """Two hyperparameters, ``x`` and ``y``, with their ranges, over which ``training`` is watched; the others have the
    values ``held``. Windows have ``size`` cells a side: ``size + 1`` points.
    """

    training: Training
    x: Hyperparameter
    y: Hyperparameter
    held: Mapping[str, float]
    size: int

    @classmethod
    def of(
        cls, training: Training, space: Space, axes: tuple[str | None, str | None], size: int, levels: int = 1
    ) -> Plane:
        """The plane of ``axes``, by default those of the optimizer's landscape, in the ranges of ``space``.

        The training is made one in float64 over one seed, planned for so many ``levels``. Raises `UsageError` where an
        axis is missing or not searched, for runs that are no lanes, and for a problem that has no float64.
        """
        spec, problem = training.optimizer, training.problem
        if isinstance(spec, Rule):
            raise UsageError(f"a zoom needs an optimizer that names its axes, got the bare rule {training.name}")
        known = [knob.name for knob in spec.hyperparameters]
        for name in axes:
            if name is not None and name not in known:
                raise UsageError(f"optimizer {spec.name!r} has no hyperparameter {name!r}{nearest(name, known)}")
        names = [given or own for given, own in zip(axes, spec.axes, strict=True)]
        ranged = {knob.name: knob for knob in space.searched}
        others = [name for name in known if name != names[0]]
        if names[1] is None:
            has = f"give --y, one of {', '.join(others)}" if others else "it has one only: sgd(weight_decay=0) has two"
            raise UsageError(f"a zoom needs two hyperparameters of {spec.name}: {has}")
        if names[0] == names[1] or not {*names} <= {*ranged}:
            raise UsageError(
                f"a zoom of {spec.name} needs two different hyperparameters with ranges, got {names[0]} and "
                f"{names[1]}; {', '.join(ranged)} have one, and --search NAME=LOW:HIGH gives one"
            )
        if training.native is not None:
            raise UsageError(
                f"{problem.name} with {spec.name} cannot be zoomed: a zoom needs lanes ({training.native})"
            )
        double = replace(
            training, seeds=training.seeds[:1], dtype=torch.float64, evaluate_every=_evaluations(training.steps)
        )
        _check_double(double)
        x, y = (ranged[str(name)] for name in names)
        whole = planned(double, [(size + 1) ** 2] * levels)
        return cls(whole, x, y, space.defaults(spec), size)

    @property
    def updates(self) -> int:
        """The updates of single runs in a window."""
        return (self.size + 1) ** 2 * self.training.steps

    def values(self, window: Window) -> tuple[Array, Array]:
        """The values of both hyperparameters at the points of ``window``, rising."""
        spans = ((self.x, window.x), (self.y, window.y))
        x, y = (np.array([knob.at(at) for at in np.linspace(*span, self.size + 1)]) for knob, span in spans)
        return x, y

    def cell_of(self, values: tuple[float, float], window: Window) -> tuple[float, float]:
        """Where ``values`` of x and y lie among the cells of ``window``: (row, column), not whole numbers.

        Raises `UsageError` for a value beyond the range it begins with.
        """
        found = []
        for knob, value, (low, high) in ((self.y, values[1], window.y), (self.x, values[0], window.x)):
            if not knob.low <= value <= knob.high:
                raise UsageError(f"{knob.name} {value:g} is beyond its range, {knob.low:g} to {knob.high:g}")
            found.append((knob.position(value) - low) / (high - low) * self.size - 0.5)
        return found[0], found[1]

    def unresolved(self, window: Window) -> str:
        """Why the points of ``window`` cannot be told apart in float64; nothing where they can."""
        for knob, values in zip((self.x, self.y), self.values(window), strict=True):
            apart = float(np.diff(values).min() / np.spacing(np.abs(values).max()))
            if apart < SPACINGS:
                return (
                    f"neighbours in {knob.name} would lie {max(0, round(apart))} floating-point numbers apart, and "
                    f"below {SPACINGS} float64 tells rounding, not the boundary"
                )
        return ""

    def level(self, window: Window, on_segment: OnSegment | None = None) -> Level:
        """``window``, trained in groups that bound memory."""
        x, y = self.values(window)
        ys, xs = (torch.from_numpy(each.ravel()) for each in np.meshgrid(y, x, indexing="ij"))
        every = Configurations({**self.held, self.x.name: xs, self.y.name: ys})
        size = group_size(self.training)
        parts = [
            _ends(train(self.training, every[first : first + size], on_segment=on_segment))
            for first in range(0, len(every), size)
        ]
        converged, slowness = (np.concatenate(each).reshape(len(y), len(x)) for each in zip(*parts, strict=True))
        return Level(window, x, y, converged.astype(np.bool_), slowness)

    def seconds(self, levels: int) -> float:
        """How long so many windows take, from a small one; what is compiled once is compiled then."""
        few = replace(self, size=min(self.size, TIMED))
        replace(self, size=1).level(Window())
        began = time.perf_counter()
        few.level(Window())
        return (time.perf_counter() - began) * levels * self.updates / few.updates


def zoom(
    plane: Plane,
    depth: int,
    at: tuple[float, float] | None = None,
    on_segment: OnSegment | None = None,
) -> Zoom:
    """The whole of ``plane`` and ``depth`` windows, each a tenth of the one before around a cell on the boundary.

    That cell is the one next to ``at``, values of x and y; without it the one around which most of the boundary lies.
    Fewer windows where float64 cannot tell their points apart, or no boundary is left: `Zoom.stopped` says so. Raises
    `UsageError` for ``at`` beyond the ranges, and as `train` does.
    """
    window, levels, stopped = Window(), list[Level](), ""
    if at is not None:
        plane.cell_of(at, window)  # says now what is wrong with it
    for number in range(depth + 1):
        stopped = plane.unresolved(window)
        if stopped:
            break
        level = plane.level(window, on_segment)
        levels.append(level)
        if not level.count:
            every = "every run converged" if level.converged.all() else "no run converged"
            stopped = f"there is no boundary in window {number}: {every}"
            break
        if number < depth:
            cells = level.boundary
            cell = richest_cell(cells) if at is None else nearest_cell(cells, plane.cell_of(at, window))
            window = window.around(cell, plane.size)
    if stopped:
        stopped = f"stopped after {max(0, len(levels) - 1)} decades of {depth}: {stopped}"
    return Zoom(plane.x.name, plane.y.name, tuple(levels), stopped)


def _evaluations(steps: int) -> list[int]:
    """The steps evaluated of a run: even ones, and the last `LAST`."""
    even = {round(steps * place / LOOKS) for place in range(LOOKS)}
    return sorted(even | set(range(max(1, steps - LAST + 1), steps)))


def _ends(trace: Trace) -> tuple[Array, Array]:
    """Of each lane of one seed whether it converged, and how slowly: as `Level` has them."""
    loss, step = trace.loss[:, 0].numpy(), trace.step.numpy()
    last, start, steps = loss[:, -LAST:].mean(-1), loss[:, 0], int(step[-1])
    converged = last < start  # not where NaN
    scale = np.maximum(np.abs(start), np.finfo(np.float64).tiny)
    mean = np.trapezoid(loss, step, axis=-1) / steps
    with np.errstate(over="ignore", invalid="ignore"):
        late = steps + 1 / (1 + np.maximum(last - start, 0) / scale)  # it stayed: the higher, the sooner it would
    lost = (trace.status[:, 0] == int(Outcome.DIVERGED)).numpy()
    slowness = np.where(converged, mean, np.where(lost, trace.stopped_at[:, 0].numpy(), late))
    return converged, slowness.astype(np.float64)


def _check_double(training: Training) -> None:
    """Raise `UsageError` where the loss of the problem is not computed in float64."""
    problem = training.problem
    batch = next(training.data.segments(1)).batches[0]
    try:
        kind = str(loss_of(problem, training.start()[None], batch).dtype)
    except RuntimeError as error:  # torch's, of float32 numbers that the problem keeps
        kind = str(error).strip().splitlines()[0]
    if kind != "torch.float64":
        raise UsageError(f"{problem.name or 'the problem'} cannot be computed in float64, which a zoom needs: {kind}")
