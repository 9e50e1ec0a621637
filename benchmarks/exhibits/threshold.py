"""The counterexample of a finite sum: above which γ does RMSProp go to the minimum, and not away from it?"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import torch

from analysis.statistics.bootstrap import band
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import make_problem, make_schedules
from optimizers import Rule

__all__ = ["walking_away"]

LR: Final = 0.1
FORGOTTEN: Final = np.geomspace(0.5, 1e-3, 19)  # 1 - γ


def walking_away(n: int, name: str, rule: Rule, steps: int, seeds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Where x goes at every γ: end points, and the drift over the last half of the steps in units of the learning rate.

    ``n`` is the number of components of the finite sum; ``name`` calls the ``rule`` in the tables; ``seeds`` counts
    the seeds, from 1. Returns a row a γ and a row a run: the tables ``threshold`` and ``threshold_runs``.
    """
    gamma = torch.from_numpy(1 - FORGOTTEN)
    problem, half = make_problem(f"finite-sum(n={n})"), steps // 2
    training = Training(
        problem, rule, range(1, seeds + 1), steps, [half], make_schedules("inverse-sqrt"), keep_path=True
    )
    trace = train(training, {"lr": LR, "gamma": gamma})
    assert trace.path is not None
    _, middle, end = trace.path[..., 0].unbind(-1)
    moved = LR / torch.arange(half + 1, steps + 1, dtype=torch.float64).sqrt()
    drift = (end - middle) / moved.sum()
    lying = band(drift.T.numpy())
    summary = pd.DataFrame(
        {
            "n": n,
            "rule": name,
            "gamma": gamma.numpy(),
            "steps": steps,
            "x": end.median(-1).values.numpy(),
            "drift": drift.mean(-1).numpy(),
            "drift_low": lying.low,
            "drift_high": lying.high,
            "found": (drift < 0).double().mean(-1).numpy(),
            "seeds": seeds,
        }
    )
    runs = pd.DataFrame(
        {
            "n": n,
            "rule": name,
            "gamma": np.repeat(gamma.numpy(), seeds),
            "seed": np.tile(np.arange(1, seeds + 1), len(gamma)),
            "x": end.flatten().numpy(),
            "drift": drift.flatten().numpy(),
        }
    )
    return summary, runs
