"""The counterexample of a finite sum: above which γ does RMSProp go to the minimum, and not away from it?"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import torch

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import make_problem, make_schedules
from optimizers import Rule

__all__ = ["thresholds", "walking_away"]

LR: Final = 0.1
FORGOTTEN: Final = np.geomspace(0.5, 1e-3, 19)  # 1 - γ


def walking_away(n: int, name: str, rule: Rule, steps: int, seeds: int) -> pd.DataFrame:
    """Where x goes at every γ: end points, and the drift over the last half in units of the learning rate."""
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
    low, high = torch.quantile(drift, torch.tensor([0.05, 0.95], dtype=torch.float64), dim=-1)
    return pd.DataFrame(
        {
            "n": n, "rule": name, "gamma": gamma.numpy(), "steps": steps, "x": end.median(-1).values.numpy(),
            "drift": drift.mean(-1).numpy(), "drift_low": low.numpy(), "drift_high": high.numpy(),
            "found": (drift < 0).double().mean(-1).numpy(), "seeds": seeds,
        }
    )  # fmt: skip


def thresholds(table: pd.DataFrame) -> dict[str, float | None]:
    """For each n the lowest γ from which on the mean drift of the plain rule is to the minimum, None where none is."""
    found: dict[str, float | None] = {}
    for n in table["n"].unique().tolist():
        of = table[(table["n"] == n) & (table["rule"] == "plain")].sort_values("gamma", ascending=False)
        good = of["gamma"][(of["drift"] < 0).cummin()]
        found[str(n)] = float(good.min()) if len(good) else None
    return found
