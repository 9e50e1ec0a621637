"""The exhibits on the chapter's exercises, by their schema, made by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
from runs_by_hand import EPS, GAMMA, LR, draws, spread, walk

from analysis.record.exhibits import Facts
from analysis.record.exhibits.gamma_one import GammaOneFacts
from analysis.record.exhibits.gamma_schedules import GammaSchedulesFacts
from analysis.record.exhibits.real_problem import RealProblemFacts
from analysis.record.exhibits.rotation import RotationFacts

Made = tuple[dict[str, pd.DataFrame], Facts]
Row = dict[str, object]


def outcomes_and_paths() -> tuple[list[Row], list[Row]]:
    """RMSProp diverges at the book's rate, and is gradient descent at another; TensorFlow's is at the book's."""
    ends = (
        ("rmsprop", LR, "diverged", np.nan),
        ("rmsprop", 4e-4, "finished", 0.089),
        ("rmsprop-tf1", LR, "finished", 0.089),
    )
    outcomes, paths = [], []
    for optimizer, lr, status, loss in ends:
        outcomes.append(
            {
                "optimizer": optimizer,
                "title": optimizer,
                "lr": lr,
                "gamma": 1.0,
                "steps": 20,
                "status": status,
                "stopped_at": 1 if math.isnan(loss) else 20,
                "x1": -0.943467,
                "x2": -0.000073,
                "loss": loss,
                "theory": "gradient descent",
                "theory_status": status,
                "theory_stopped_at": 1,
                "theory_x1": -0.943467,
                "theory_x2": -0.000073,
                "theory_loss": loss,
                "error": 0.0,
                "agrees": True,
            }
        )
        for source, row in product(("measured", "theory"), walk("sgd", LR)):
            at = row["loss"] if row["step"] == 0 or not math.isnan(loss) else np.nan
            paths.append(
                {
                    "optimizer": optimizer,
                    "lr": lr,
                    "gamma": 1.0,
                    "source": source,
                    "step": row["step"],
                    "x1": row["x1"],
                    "x2": row["x2"],
                    "loss": at,
                }
            )
    return outcomes, paths


def gamma_one() -> Made:
    outcomes, paths = outcomes_and_paths()
    approach = [
        {
            "optimizer": optimizer,
            "lr": LR,
            "gamma": 1 - 10.0**-k,
            "forgotten": 10.0**-k,
            "steps": steps,
            "status": "finished",
            "loss": 10.0**-k,
            "first_step": 10.0 ** (k / 2),
        }
        for optimizer, steps, k in product(("rmsprop", "rmsprop-tf1"), (20, 1000), range(5))
    ]
    facts = GammaOneFacts(
        lr=LR,
        eps=EPS,
        gain=1000.0,
        first_point=(395.0, 3198.0),
        first_loss=2.05e7,
        overflow_step=49,
        equivalent_lr=4e-4,
        equivalent=(-0.943467, -0.000073),
        descent=(-0.943467, -0.000073),
    )
    tables = {"outcomes": outcomes, "trajectories": paths, "approach": approach}
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}, facts


def rotation() -> Made:
    """RMSProp is far ahead at 0° and 90° and level with descent between; Adam diverges at one angle."""
    angles, conditions, optimizers = range(0, 91, 15), (1.0, 4.0, 20.0), ("sgd", "rmsprop", "adam")
    losses = []
    for optimizer, condition, angle, steps, rule in product(
        optimizers, conditions, angles, (20, 1000), ("best", "fixed")
    ):
        share = 1e-8 if optimizer == "rmsprop" and angle in {0, 90} else 1e-2
        lost = optimizer == "adam" and angle == 30
        losses.append(
            {
                "optimizer": optimizer,
                "condition": condition,
                "angle": float(angle),
                "steps": steps,
                "rule": rule,
                "lr": LR,
                "status": "diverged" if lost else "finished",
                "loss": np.nan if lost else 10.5 * share,
                "share": np.nan if lost else share,
                "at_edge": False,
            }
        )
    rates = [{"optimizer": "sgd", "condition": 20.0, "angle": 0.0, "steps": 20, "lr": LR, "loss": 0.1}]
    book = [
        {"optimizer": "rmsprop", "problem": problem, "lr": LR, "steps": 20, "x1": 0.0, "x2": 0.0, "loss": loss}
        for problem, loss in (("ellipse", 1e-5), ("ellipse-rotated", 0.33933))
    ]
    facts = RotationFacts(
        angles=tuple(float(angle) for angle in angles),
        conditions=conditions,
        points=9,
        low=1e-3,
        high=10.0,
        gamma=GAMMA,
        worst_angle={"rmsprop": 45.0},
        rotation_cost={"rmsprop": 6.0, "adam": None},
        helped_until={"rmsprop": {"20": 0.0, "1": None}},
        invariant=("sgd",),
    )
    return {"losses": pd.DataFrame(losses), "rates": pd.DataFrame(rates), "book": pd.DataFrame(book)}, facts


def real_problem() -> Made:
    scale = {"constant": 0.3, "cosine": 0.1}
    grid = [
        {
            "schedule": name,
            "lr": lr,
            "seed": seed,
            "status": "diverged" if lr > 0.5 else "finished",
            "loss": np.nan if lr > 0.5 else scale[name] * (1 + abs(math.log10(lr / 0.01))),
            "heldout_loss": 0.4,
            "heldout_accuracy": 0.9,
        }
        for name, lr, seed in product(scale, (0.001, 0.01, 0.1, 1.0), (0, 1))
    ]
    choices = [
        {
            "schedule": name,
            "lr": 0.01,
            "at_edge": name == "constant",
            **spread(draws(value, 5)),
            "heldout_loss": 0.4,
            "heldout_accuracy": 1 - value / 2,
            "accuracy_low": 0.8,
            "accuracy_high": 0.97,
            "width": 1 + value,
        }
        for name, value in scale.items()
    ]
    curves = [
        {
            "schedule": name,
            "seed": seed,
            "step": step,
            "lr": 0.01,
            "loss": 2.3 * value ** (step / 40),
            "heldout_loss": 0.4,
            "heldout_accuracy": 1 - 0.9 * value ** (step / 40),
        }
        for (name, value), seed, step in product(scale.items(), (7, 8), (0, 20, 40))
    ]
    facts = RealProblemFacts(
        problem="mlp",
        images="MNIST",
        network="An MLP",
        dim=100,
        optimizer="rmsprop",
        gamma=GAMMA,
        batch=100,
        steps=40,
        epochs=1.0,
        tuning_seeds=(0, 1),
        test_seeds=(7, 8),
        rates=(0.001, 0.01, 0.1, 1.0),
        best="cosine",
        best_accuracy="cosine",
    )
    return {"grid": pd.DataFrame(grid), "choices": pd.DataFrame(choices), "curves": pd.DataFrame(curves)}, facts


def influence_of_gamma() -> dict[str, list[Row]]:
    """γ matters without correction only."""
    sensitivity = [
        {
            "problem": "airfoil",
            "rule": rule,
            "lr": lr,
            "gamma": gamma,
            **spread(draws(0.243, 2)),
            "gap": lr * (1 - math.log10(1 - gamma) if rule == "plain" else 1),
        }
        for rule, lr, gamma in product(("plain", "corrected"), (0.001, 0.01, 0.1), (0.0, 0.9, 0.99))
    ]
    shares = [
        {
            "problem": "airfoil",
            "lr": lr,
            "plain": 0.4,
            "corrected": 0.04,
            "explained": 0.9,
            "plain_decades": 1.0,
            "corrected_decades": 0.1,
            "explained_low": 0.85,
            "explained_high": 0.95,
            "over": "all" if math.isnan(lr) else "one",
        }
        for lr in (0.001, 0.01, 0.1, np.nan)
    ]
    return {"sensitivity": sensitivity, "shares": shares}


def ways_for_gamma() -> list[Row]:
    """On the second problem a schedule of γ wins."""
    ends = (
        ("airfoil", "constant", 1.0),
        ("airfoil", "gamma=rising", 1.0),
        ("digits", "constant", 1.0),
        ("digits", "gamma=rising", 0.1),
        ("digits", "lr=linear", 0.05),
    )
    return [
        {
            "problem": problem,
            "schedule": name,
            "title": f"γ {name}",
            "rule": "plain",
            "gamma": 0.9,
            "lr": 0.01,
            "mean": end,
            "deviation": 0.0,
            "low": 0.9 * end,
            "median": end,
            "high": 1.1 * end,
            "seeds": 20,
            "diverged": 0,
            "gap": end,
            "gap_low": 0.9 * end,
            "gap_high": 1.1 * end,
            "tried": 9,
        }
        for problem, name, end in ends
    ]


def gamma_schedules() -> Made:
    threshold = [
        {
            "n": n,
            "rule": "plain",
            "gamma": gamma,
            "steps": 1000,
            "x": -2.0 if gamma >= least else 4.0,
            "found": float(gamma >= least),
            "seeds": 5,
            "drift": 0.0,
            "drift_low": 0.0,
            "drift_high": 0.0,
        }
        for (n, least), gamma in product(((5, 0.9), (10, 0.99)), (0.5, 0.9, 0.99))
    ]
    runs = [
        {
            "problem": "airfoil",
            "part": "map",
            "schedule": "constant",
            "rule": "plain",
            "lr": 0.01,
            "gamma": 0.9,
            "seed": 1,
            "status": "finished",
            "loss": 0.25,
        }
    ]
    threshold_runs = [{"n": 5, "rule": "plain", "gamma": 0.9, "seed": 1, "x": -2.0, "drift": 0.0}]
    tables = {
        **influence_of_gamma(),
        "schedules": ways_for_gamma(),
        "threshold": threshold,
        "runs": runs,
        "threshold_runs": threshold_runs,
    }
    facts = GammaSchedulesFacts(
        problems=("airfoil", "digits"),
        explained={"airfoil": 0.9},
        explained_sensible={"airfoil": 0.8},
        best={"airfoil": "constant", "digits": "rising"},
        thresholds={"5": 0.9, "10": 0.99},
    )
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}, facts
