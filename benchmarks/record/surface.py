"""The loss on a grid of the plane, as records of 2-D problems keep it."""

from __future__ import annotations

import pandas as pd
import torch

from problems import Problem

__all__ = ["SURFACE_POINTS", "surface_table"]

SURFACE_POINTS = 121  # along each axis: fine enough for contours, 15,000 rows


def surface_table(problem: Problem) -> pd.DataFrame | None:
    """The full-data loss on a grid over the frame of ``problem``; None for problems without one.

    Columns are x1, x2 and loss, as `analysis.record.columns` documents them.
    """
    if problem.dim != 2 or problem.frame is None:
        return None
    x1, x2 = (torch.linspace(low, high, SURFACE_POINTS, dtype=torch.float64) for low, high in problem.frame)
    points = torch.cartesian_prod(x1, x2)
    loss = problem.evaluate(points.to(problem.dtype))["loss"].double()
    return pd.DataFrame({"x1": points[:, 0].numpy(), "x2": points[:, 1].numpy(), "loss": loss.numpy()})
