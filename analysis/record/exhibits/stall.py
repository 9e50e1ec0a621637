"""Why Adagrad stalls, and RMSProp does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, POINT, ExhibitSchema, Facts

__all__ = ["STALL", "PlaneFunction", "StallFacts"]


@dataclass(frozen=True)
class PlaneFunction:
    """A registered function of two variables, for the explorer of the chapter's page."""

    name: str
    """Registered name."""
    start: tuple[float, float]
    """Where runs start."""
    minimum: float
    """Its lowest value."""
    minimisers: tuple[tuple[float, float], ...]
    """Where it takes it."""
    frame: tuple[tuple[float, float], tuple[float, float]]
    """What is shown of x1 and of x2."""


@dataclass(frozen=True)
class StallFacts(Facts):
    """The facts of the exhibit ``stall``."""

    lr: float
    """The book's learning rate, 0.4."""
    gamma: float
    """The book's gamma, 0.9."""
    eps: float
    """The book's eps."""
    steps: int
    """Length of the long runs, in updates."""
    book_steps: int
    """The book's number of steps, 20."""
    losses: Mapping[str, Mapping[str, float]]
    """``{run: {step: loss}}`` at steps 20, 100, 400 and the last."""
    limit_loss: float
    """Loss of RMSProp at the end."""
    limit_loss_theory: float
    """Loss of the two-cycle in theory."""
    largest_error: float
    """Largest relative abs(loss - loss_theory) over ``cycles``."""
    sum_growth: float
    """Adagrad's s of the last step over that of step 20, the larger of the two coordinates."""
    noisy_sum_slope: float
    """Growth a step of Adagrad's s under noise of variance 1, over the last half of the run."""
    noisy_problem: str
    """Registered name of the problem with noise."""
    seeds: int
    """Seeds under noise."""
    functions: tuple[PlaneFunction, ...] = ()
    """What the explorer trains on besides the ellipse."""
    eps_of: tuple[tuple[str, float], ...] = ()
    """The default eps of the registered optimizers that the explorer has besides the book's."""


STALL: Final = ExhibitSchema(
    name="stall",
    page="chapter",
    question="Why does Adagrad stall, and RMSProp not?",
    tables={
        "trajectories": {
            "run": "name of the run, as rmsprop 0.4",
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "step": "updates made",
            **POINT,
            "loss": "loss there",
        },
        "states": {
            "run": "as in trajectories",
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "step": "step t, from 1",
            "coordinate": "1 | 2",
            "gradient": "its gradient at step t",
            "s": "what stands under the root: sum, mean or leaky average of squared gradients",
            "effective_step": "what the gradient is multiplied by: lr / √(s + eps)",
        },
        "noise": {
            "run": "as in trajectories",
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "step": "step t, from 1",
            "coordinate": "1 | 2",
            "s": "as in states, under gradient noise: mean over seeds",
            "effective_step": "as in states: mean over seeds",
            "loss": "clean loss after step t: mean over seeds",
        },
        "cycles": {
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "gamma": "memory",
            "x1": "|x1| at the end",
            "x2": "|x2| at the end",
            "loss": "loss at the end",
            "x1_theory": "radius of the two-cycle in theory",
            "x2_theory": "radius in theory",
            "loss_theory": "loss in theory",
            "cycling": "whether the last two steps end where they began",
            "steps": "updates made",
        },
        "surface": {**POINT, "loss": "loss on a grid of the plane, for contours"},
    },
    facts=StallFacts,
)
