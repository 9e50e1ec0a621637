"""The explorer of the page: the run that it starts with, as an SVG that needs no JavaScript."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.chapter.part import exactly
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.stall import StallFacts
from analysis.words import number

__all__ = ["Explorer", "explorer_of"]

Pair = tuple[float, float]

FRAME: Final = ((-5.7, 2.7), (-2.8, 2.8))
"""What is shown of (x1, x2): as wide to high as the SVG of 600 x 400, so that a turned ellipse keeps its shape."""
SIZE: Final = (600.0, 400.0)
STEEP: Final = 2.0
CONDITION: Final = 20.0
"""The ellipse is 2 u1² / condition + 2 u2²; both are checked against the losses of the record."""
DEEPEST: Final = -16
HIGHEST: Final = 2

NAMES: Final = {
    "gd": "gradient descent",
    "momentum": "momentum",
    "adagrad": "Adagrad",
    "rmsprop": "RMSProp",
    "rmsprop-corrected": "RMSProp, bias-corrected",
}
TURNED: Final = {"angle": 45, "steep": 2}
"""Exercise 2's 0.1 (x1 + x2)² + 2 (x1 - x2)² seen from the ellipse: turned by so many degrees, and twice the loss."""


@dataclass(frozen=True)
class Explorer:
    """What the template of the explorer needs; lengths are in units of its SVG."""

    facts: str
    names: Mapping[str, str]
    contours: Sequence[Pair]
    centre: Pair
    start: Pair
    end: Pair
    path: str
    dots: str
    losses: str
    loss_ticks: Sequence[tuple[float, str]]
    across_ticks: Sequence[tuple[float, str]]
    down_ticks: Sequence[tuple[float, str]]
    lr: float
    gamma: float
    steps: int
    place: Mapping[str, float]
    presets: Sequence[tuple[str, str]]
    readout: str


def explorer_of(exhibit: Exhibit[StallFacts]) -> Explorer | None:
    """The explorer for the exhibit ``stall``; None where it has no run of the book's RMSProp on the ellipse."""
    facts, paths = exhibit.facts, exhibit.table("trajectories")
    lr, gamma, steps = facts.lr, facts.gamma, facts.book_steps
    mine = (paths["optimizer"] == "rmsprop") & ((paths["lr"] - lr).abs() < 1e-12) & (paths["step"] <= steps)
    run = paths[mine].sort_values("step")
    if run.empty or not _is_ellipse(run):
        return None
    points = [_pixel(x1, x2) for x1, x2 in zip(run["x1"], run["x2"], strict=True)]
    end = table_rows(run)[-1]
    return Explorer(
        facts=json.dumps(
            {
                "start": [float(run["x1"].iloc[0]), float(run["x2"].iloc[0])],
                "condition": CONDITION,
                "eps": facts.eps,
                "frame": FRAME,
                "names": NAMES,
            }
        ),
        names=NAMES,
        contours=_contours(float(run["loss"].max())),
        centre=_pixel(0, 0),
        start=points[0],
        end=points[-1],
        path=_line(points),
        dots="".join(_line([point, point]) for point in points),
        losses=_line(
            [(64 + 328 * step / steps, _height(loss)) for step, loss in zip(run["step"], run["loss"], strict=True)]
        ),
        across_ticks=[(_pixel(at, 0)[0], str(at).replace("-", "−")) for at in (-4, -2, 0, 2)],
        down_ticks=[(_pixel(0, at)[1], str(at).replace("-", "−")) for at in (-2, -1, 0, 1, 2)],
        loss_ticks=[(_height(10.0**power), f"1e{power}") for power in range(DEEPEST, HIGHEST + 1, 6)],
        lr=lr,
        gamma=gamma,
        steps=steps,
        place={"lr": math.log10(lr), "memory": -math.log10(1 - gamma), "steps": math.log10(steps)},
        presets=_presets(facts),
        readout=f"RMSProp after {steps} steps: x = ({exactly(end['x1'], 6)}, {exactly(end['x2'], 6)}), "
        f"loss {number(end['loss'], 4)}.",
    )


def _is_ellipse(run: pd.DataFrame) -> bool:
    """Whether the losses of a run are those of the function that the explorer trains on."""
    expected = STEEP / CONDITION * run["x1"] ** 2 + STEEP * run["x2"] ** 2
    return bool((expected - run["loss"]).abs().max() <= 1e-9 * float(run["loss"].max()))


def _presets(facts: StallFacts) -> list[tuple[str, str]]:
    """The buttons: the book's run, what it hides, and the exercises that the plane can show."""
    book = {
        "optimizer": "rmsprop",
        "lr": facts.lr,
        "memory": facts.gamma,
        "steps": facts.book_steps,
        "angle": 0,
        "steep": 1,
    }
    buttons = {
        "the book's run": book,
        "1000 steps: the two-cycle": {**book, "steps": 1000},
        "Adagrad stalls": {**book, "optimizer": "adagrad"},
        "exercise 1: γ = 1": {**book, "lr": facts.lr * math.sqrt(facts.eps), "memory": 1},
        "exercise 2: turned by 45°, twice as steep": {**book, **TURNED},
        "γ = 0.99": {**book, "memory": 0.99},
        "γ = 0.99, bias-corrected": {**book, "memory": 0.99, "optimizer": "rmsprop-corrected"},
    }
    return [(text, json.dumps(values)) for text, values in buttons.items()]


def _contours(highest: float) -> list[Pair]:
    """The half axes of the ellipses of equal loss, at even distances of the logarithm."""
    levels = [highest * 10 ** (-power / 3) for power in range(-1, 9)]
    unit = SIZE[0] / (FRAME[0][1] - FRAME[0][0])
    return [
        (round(unit * math.sqrt(level * CONDITION / STEEP), 2), round(unit * math.sqrt(level / STEEP), 2))
        for level in levels
    ]


def _pixel(x1: float, x2: float) -> Pair:
    (left, right), (low, high) = FRAME
    return round(SIZE[0] * (x1 - left) / (right - left), 2), round(SIZE[1] * (high - x2) / (high - low), 2)


def _height(loss: float) -> float:
    """The height of a loss in the lower SVG: 10² at 20, 1e-16 at 360."""
    power = min(max(math.log10(max(loss, 1e-300)), DEEPEST), HIGHEST + 0.9)
    return round(20 + 340 * (HIGHEST - power) / (HIGHEST - DEEPEST), 2)


def _line(points: Sequence[Pair]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
