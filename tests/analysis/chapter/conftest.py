"""A record with small exhibits, written by their schema and made with plain numpy: no engine is needed for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.chapter import write_chapter
from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, Exhibit, ExhibitInfo, Facts, check_exhibit
from analysis.record.exhibits.gamma_one import GammaOneFacts
from analysis.record.exhibits.gamma_schedules import GammaSchedulesFacts
from analysis.record.exhibits.memory import MemoryFacts
from analysis.record.exhibits.numbers import NumbersFacts
from analysis.record.exhibits.real_problem import RealProblemFacts
from analysis.record.exhibits.rotation import RotationFacts
from analysis.record.exhibits.stall import StallFacts
from analysis.record.exhibits.variants import Printed, VariantsFacts

Made = tuple[dict[str, pd.DataFrame], Facts]
LR, GAMMA, EPS = 0.4, 0.9, 1e-6
CURVATURE = np.array([0.2, 4.0])


def loss_of(x: np.ndarray) -> np.ndarray:
    return 0.5 * (CURVATURE * x**2).sum(-1)


def walk(optimizer: str, lr: float, gamma: float = GAMMA, steps: int = 20) -> list[dict[str, float]]:
    """One row a step of the ellipse: the point, its loss, and for each coordinate what stands under the root."""
    x, s = np.array([-5.0, -2.0]), np.zeros(2)
    rows = [{"step": 0, "x1": x[0], "x2": x[1], "loss": float(loss_of(x))}]
    for step in range(1, steps + 1):
        g = CURVATURE * x
        s = s + g**2 if optimizer == "adagrad" else gamma * s + (1 - gamma) * g**2
        x = x - lr * (g if optimizer == "sgd" else g / np.sqrt(s + EPS))
        rows.append({"step": step, "x1": x[0], "x2": x[1], "loss": float(loss_of(x)), "g": g, "s": s})
    return rows


def spread(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    middle = {"mean": values.mean(), "deviation": values.std(), "median": median}
    return {**middle, "low": low, "high": high, "seeds": values.size, "diverged": 0}


def draws(centre: float, seed: int, n: int = 20) -> np.ndarray:
    return centre + 0.002 * np.abs(np.random.default_rng(seed).standard_normal(n))


def numbers() -> Made:
    end = walk("rmsprop", LR)[-1]
    none = {"low": np.nan, "high": np.nan, "stored_low": np.nan, "stored_high": np.nan, "place": np.nan}
    own = {
        "section": "12.8",
        "title": "RMSProp on the ellipse",
        "optimizer": "rmsprop",
        "problem": "ellipse",
        "setting": "lr 0.4",
        "edition": "all",
        "digits": 6,
        "kind": "exact",
        "data": "none",
        "mean": 0.0,
        "deviation": 0.0,
        "seeds": 1,
        "reason": "",
        "verdict": "exact",
        **none,
    }
    rows = [
        {**own, "run": "rmsprop 0.4", "quantity": "x1", "printed": -0.010599, "ours": end["x1"]},
        {**own, "run": "rmsprop 0.4", "quantity": "x2", "printed": 0.0, "ours": end["x2"]},
    ]
    outcomes = []
    for name, printed, verdict in (("rmsprop", 0.245, "inside"), ("adam", 0.3, "differs")):
        values = draws(0.243, len(name))
        outcomes += [
            {"run": name, "quantity": "loss", "data": "surrogate", "seed": seed, "value": value}
            for seed, value in enumerate(values)
        ]
        part = {key: value for key, value in spread(values).items() if key not in {"median", "diverged"}}
        rows.append(
            {
                **own,
                **part,
                "run": name,
                "title": name,
                "optimizer": name,
                "problem": "airfoil",
                "quantity": "loss",
                "edition": "newest",
                "printed": printed,
                "digits": 3,
                "kind": "distribution",
                "data": "surrogate",
                "ours": np.median(values),
                "stored_low": 0.242,
                "stored_high": 0.25,
                "place": 0.7,
                "verdict": verdict,
                "reason": "" if verdict == "inside" else "another <rule>",
            }
        )
    sets = [{"run": "rmsprop", "data": "surrogate", **spread(draws(0.243, 7))}]
    tables = {"numbers": rows, "outcomes": outcomes, "data_sets": sets}
    facts = NumbersFacts(
        numbers=4,
        exact=2,
        inside=1,
        differs=1,
        seeds=20,
        floor=0.2417,
        start_loss=0.493,
        limit_lr=0.953,
        data="surrogate",
        has_file=False,
        largest_shift=None,
        shift_errors=None,
        clearest_shift=None,
        clearest_errors=None,
        clearest_run=None,
    )
    return {name: pd.DataFrame(part) for name, part in tables.items()}, facts


def memory() -> Made:
    gammas, ages = (0.7, 0.8, 0.9, 0.95), np.arange(40)
    weights = pd.concat(
        pd.DataFrame(
            {
                "gamma": g,
                "age": ages,
                "weight": (1 - g) * g**ages,
                "theory": (1 - g) * g**ages,
                "cumulative": 1 - g ** (ages + 1),
            }
        )
        for g in gammas
    )
    windows = pd.DataFrame(
        {
            "gamma": g,
            "window": 1 / (1 - g),
            "half_life": math.log(0.5) / math.log(g),
            "claimed_half_life": 1 / g,
            "left_at_half_life": 0.5,
            "left_at_claim": g ** (1 / g),
            "inside_window": 0.65,
        }
        for g in gammas
    )
    return {"weights": weights, "windows": windows}, MemoryFacts(40, 0.0, "rmsprop")


def stall() -> Made:
    paths, states = [], []
    for optimizer, lr in (("sgd", 0.4), ("adagrad", 0.4), ("adagrad", 2.0), ("rmsprop", 0.4)):
        label = {"run": f"{optimizer} {lr:g}", "optimizer": optimizer, "lr": lr}
        for row in walk(optimizer, lr, steps=60):
            paths.append({**label, **{key: row[key] for key in ("step", "x1", "x2", "loss")}})
            if optimizer == "sgd" or row["step"] == 0:
                continue
            for i in (0, 1):
                states.append(
                    {
                        **label,
                        "step": row["step"],
                        "coordinate": i + 1,
                        "gradient": row["g"][i],
                        "s": row["s"][i],
                        "effective_step": lr / math.sqrt(row["s"][i] + EPS),
                    }
                )
    noise = [{key: row[key] for key in row if key != "gradient"} | {"loss": 1.0 / row["step"]} for row in states]
    cycles = [
        {
            "optimizer": "rmsprop",
            "lr": lr,
            "gamma": gamma,
            "x1": lr / 2,
            "x2": lr / 2,
            "loss": 2.1 * lr**2 / 4,
            "x1_theory": lr / 2,
            "x2_theory": lr / 2,
            "loss_theory": 2.1 * lr**2 / 4,
            "cycling": True,
            "steps": 4000,
        }
        for lr, gamma in product((0.1, 0.4), (0.5, 0.9))
    ]
    grid = [
        {"x1": x1, "x2": x2, "loss": float(loss_of(np.array([x1, x2])))}
        for x1, x2 in product(np.linspace(-5.5, 2, 16), np.linspace(-2.6, 2, 12))
    ]
    tables = {"trajectories": paths, "states": states, "noise": noise, "cycles": cycles, "surface": grid}
    facts = StallFacts(
        lr=LR,
        gamma=GAMMA,
        eps=EPS,
        steps=60,
        book_steps=20,
        losses={},
        limit_loss=0.083997375,
        limit_loss_theory=0.083997375,
        largest_error=1e-7,
        sum_growth=1.52,
        noisy_sum_slope=1.03,
        noisy_problem="bowl-noisy",
        seeds=20,
    )
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}, facts


def variants() -> Made:
    names = (("scratch", "the book's own code"), ("eps", "ε outside the root"), ("epochs", "four epochs, not two"))
    shift = {"scratch": 0.0, "eps": 1e-6, "epochs": -4e-4}
    rows = [
        {
            "order": order,
            "mode": mode,
            "name": name,
            "title": title,
            "optimizer": "rmsprop",
            "lr": 0.01,
            "gamma": 0.9,
            "eps": EPS,
            "gradient_factor": 1,
            "steps": 300,
            **spread(draws(0.244 + shift[name], 3)),
            "shift": shift[name],
            "shift_low": shift[name] - 1e-4,
            "shift_high": shift[name] + 1e-4,
        }
        for mode in ("alone", "together")
        for order, (name, title) in enumerate(names)
    ]
    runs = [{"mode": "alone", "name": "scratch", "seed": 1, "loss": 0.244, "start_loss": 0.49}]
    curves = [
        {"name": name, "step": step, **spread(draws(0.2417 + 0.2 / (step + 1), step))}
        for name in ("scratch", "bias")
        for step in range(0, 300, 50)
    ]
    facts = VariantsFacts(
        floor=0.2417, seeds=20, data="surrogate", largest="epochs", printed=Printed(scratch=0.245, concise=0.246)
    )
    return {"differences": pd.DataFrame(rows), "runs": pd.DataFrame(runs), "curves": pd.DataFrame(curves)}, facts


def gamma_one() -> Made:
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


def gamma_schedules() -> Made:
    """γ matters without correction only; on the second problem a schedule wins."""
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
    ends = (
        ("airfoil", "constant", 1.0),
        ("airfoil", "gamma=rising", 1.0),
        ("digits", "constant", 1.0),
        ("digits", "gamma=rising", 0.1),
        ("digits", "lr=linear", 0.05),
    )
    schedules = [
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
        "sensitivity": sensitivity,
        "shares": shares,
        "schedules": schedules,
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


EXHIBITS: dict[str, Callable[[], Made]] = {
    "numbers": numbers, "memory": memory, "stall": stall, "variants": variants, "gamma-one": gamma_one,
    "rotation": rotation, "real-problem": real_problem, "gamma-schedules": gamma_schedules,
}  # fmt: skip


def write_exhibit(record: Path, name: str, position: int = 0, **facts: Any) -> Exhibit:
    """Write the exhibit ``name`` into a record, with changes to its facts, and load it."""
    tables, made = EXHIBITS[name]()
    made = replace(made, **facts)
    check_exhibit(name, tables, made)
    folder = record / "exhibits" / name
    folder.mkdir(parents=True)
    for table, frame in tables.items():
        frame.to_parquet(folder / f"{table}.parquet")
    info = ExhibitInfo(
        schema=EXHIBIT_VERSION,
        exhibit=name,
        position=position,
        question=SCHEMAS[name].question,
        method=("It was measured <so>.",),
        options={"seeds": 20},
        fingerprint=f"f-{name}",
        facts=made,
        seconds=0.5,
    )
    (folder / "exhibit.json").write_text(json.dumps(info.to_json()), encoding="utf-8")
    return Exhibit.load(folder)


@pytest.fixture
def exhibit(tmp_path: Path) -> Callable[..., Exhibit]:
    """A function that writes one exhibit, with changes to its facts, and loads it."""
    return partial(write_exhibit, tmp_path)


@pytest.fixture(scope="session")
def chapter_record(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Path:
    """A record of two small problems with two optimizers each, and every exhibit."""
    folder = builder.record(tmp_path_factory.mktemp("chapter") / "record", optimizers=("sgd", "rmsprop"))
    with (folder / "suite.toml").open("a", encoding="utf-8") as suite:
        suite.write('report = "chapter"\n')
    for position, name in enumerate(EXHIBITS):
        write_exhibit(folder, name, position)
    return folder


@pytest.fixture(scope="session")
def chapter_page(chapter_record: Path) -> Path:
    """The chapter's page of `chapter_record`."""
    return write_chapter(chapter_record)
