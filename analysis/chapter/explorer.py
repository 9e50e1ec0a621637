"""The explorer of the page: the run that it starts with, as an SVG that needs no JavaScript."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.answers.part import exactly
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.stall import PlaneFunction, StallFacts
from analysis.words import number

__all__ = ["Explorer", "explorer_of"]

Pair = tuple[float, float]

FRAME: Final = ((-5.7, 2.7), (-2.8, 2.8))
"""What is shown of (x1, x2): as wide to high as the SVG of 600 x 400, so that a turned ellipse keeps its shape."""
SIZE: Final = (600.0, 400.0)
STEEP: Final = 2.0
CONDITION: Final = 20.0
"""The ellipse is 2 u1² / condition + 2 u2²; both are checked against the losses of the record."""
NAMES: Final = {
    "gd": "gradient descent",
    "momentum": "momentum",
    "adagrad": "Adagrad",
    "rmsprop": "RMSProp",
    "rmsprop-corrected": "RMSProp, bias-corrected",
    "rmsprop-centered": "RMSProp, centred",
    "rmsprop-momentum": "RMSProp with momentum",
    "adam": "Adam",
}
TITLES: Final = {
    "ellipse": "the chapter's ellipse",
    "rosenbrock": "Rosenbrock's valley",
    "beale": "Beale's function",
    "himmelblau": "Himmelblau's function",
    "styblinski-tang": "Styblinski and Tang's",
    "saddle": "a saddle",
}
"""What sentences call the functions."""
MOMENTUM: Final = 0.9
"""Where the control of momentum stands at first."""
LATER: Final = ("rmsprop-centered", "rmsprop-momentum", "adam")
"""Those that the explorer has only where the record says their eps."""
TURNED: Final = {"angle": 45, "steep": 2}
"""Exercise 2's 0.1 (x1 + x2)² + 2 (x1 - x2)² seen from the ellipse: turned by so many degrees, and twice the loss."""


@dataclass(frozen=True)
class Explorer:
    """What the template of the explorer needs; lengths are in units of its SVG."""

    facts: str
    names: Mapping[str, str]
    functions: Mapping[str, str]
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
    momentum: float
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
    highest, lowest = _decades(run["loss"])
    eps = dict(facts.eps_of)
    names = {key: name for key, name in NAMES.items() if key in eps or key not in LATER}
    titles = {name: TITLES[name] for name in ("ellipse", *(one.name for one in facts.functions))}
    return Explorer(
        facts=json.dumps(
            {
                "functions": {"ellipse": _ellipse(run)} | {one.name: _function(one) for one in facts.functions},
                "condition": CONDITION,
                "eps": {name: eps.get(name, facts.eps) for name in names},
                "names": names,
                "titles": titles,
            }
        ),
        names=names,
        functions=titles,
        contours=_contours(float(run["loss"].max())),
        centre=_pixel(0, 0),
        start=points[0],
        end=points[-1],
        path=_line(points),
        dots="".join(_line([point, point]) for point in points),
        losses=_line(
            [
                (64 + 328 * step / steps, _height(loss, highest, lowest))
                for step, loss in zip(run["step"], run["loss"], strict=True)
            ]
        ),
        across_ticks=[(_pixel(at, 0)[0], str(at).replace("-", "−")) for at in (-4, -2, 0, 2)],
        down_ticks=[(_pixel(0, at)[1], str(at).replace("-", "−")) for at in (-2, -1, 0, 1, 2)],
        loss_ticks=[
            (_height(10.0**power, highest, lowest), f"1e{power}")
            for power in range(highest, lowest - 1, -math.ceil((highest - lowest) / 5))
        ],
        lr=lr,
        gamma=gamma,
        momentum=MOMENTUM,
        steps=steps,
        place={
            "momentum": -math.log10(1 - MOMENTUM),
            "lr": math.log10(lr),
            "memory": -math.log10(1 - gamma),
            "steps": math.log10(steps),
        },
        presets=[(text, json.dumps(values)) for text, values in _presets(facts).items()],
        readout=f"RMSProp after {steps} steps: x = ({exactly(end['x1'], 6)}, {exactly(end['x2'], 6)}), "
        f"loss {number(end['loss'], 4)}.",
    )


def _is_ellipse(run: pd.DataFrame) -> bool:
    """Whether the losses of a run are those of the function that the explorer trains on."""
    expected = STEEP / CONDITION * run["x1"] ** 2 + STEEP * run["x2"] ** 2
    return bool((expected - run["loss"]).abs().max() <= 1e-9 * float(run["loss"].max()))


def _ellipse(run: pd.DataFrame) -> dict[str, object]:
    """The ellipse as the page's script takes it."""
    start = [float(run["x1"].iloc[0]), float(run["x2"].iloc[0])]
    return {"start": start, "minimum": 0.0, "minimisers": [[0.0, 0.0]], "frame": FRAME}


def _function(one: PlaneFunction) -> dict[str, object]:
    """A function as the page's script takes it; its frame is made as wide to high as the picture."""
    (left, right), (low, high) = one.frame
    unit = max((right - left) / SIZE[0], (high - low) / SIZE[1]) / 2
    middle, centre = (left + right) / 2, (low + high) / 2
    wide, tall = unit * SIZE[0], unit * SIZE[1]
    frame = [[middle - wide, middle + wide], [centre - tall, centre + tall]]
    return {"start": one.start, "minimum": one.minimum, "minimisers": one.minimisers, "frame": frame}


def _presets(facts: StallFacts) -> dict[str, dict[str, object]]:
    """The buttons by what they teach: the book's run, what it hides, the exercises, and other functions."""
    book: dict[str, object] = {
        "function": "ellipse",
        "optimizer": "rmsprop",
        "lr": facts.lr,
        "memory": facts.gamma,
        "momentum": MOMENTUM,
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
    valley = {**book, "function": "rosenbrock", "lr": 0.001, "steps": 500}
    saddle = {**book, "function": "saddle", "lr": 0.1, "steps": 20}
    others = {
        "a valley: gradient descent creeps": {**valley, "optimizer": "gd"},
        "a valley: momentum runs ahead": {**valley, "optimizer": "momentum"},
        "a saddle: gradient descent stays": {**saddle, "optimizer": "gd"},
        "a saddle: RMSProp leaves at once": saddle,
        "momentum over RMSProp overshoots": {**book, "optimizer": "rmsprop-momentum"},
    }
    known, rules = {"ellipse", *(one.name for one in facts.functions)}, {key for key, _ in facts.eps_of}
    shown = {
        text: values
        for text, values in others.items()
        if values["function"] in known and (values["optimizer"] not in LATER or values["optimizer"] in rules)
    }
    return buttons | shown


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


def _decades(losses: pd.Series) -> tuple[int, int]:
    """The powers of ten between which a run's losses lie: above the highest, below the lowest."""
    highest = math.ceil(math.log10(float(losses.max())))
    return highest, min(highest - 1, max(math.floor(math.log10(max(float(losses.min()), 1e-300))), highest - 20))


def _height(loss: float, highest: int, lowest: int) -> float:
    """The height of a loss in the SVG of losses: 10 to the ``highest`` at 20, to the ``lowest`` at 360."""
    power = max(math.log10(max(loss, 1e-300)), lowest)
    return round(20 + 340 * (highest - power) / (highest - lowest), 2)


def _line(points: Sequence[Pair]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
