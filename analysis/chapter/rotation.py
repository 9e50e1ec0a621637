"""Part 6, exercise 2: where a scale for each coordinate stops helping when the problem is turned."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from analysis.axes import number
from analysis.chapter.panels import EndLabel, floored, label_ends, look_of, matrix, panel, span, write
from analysis.chapter.part import Part, Plate, TextTable, exactly, name_of, question_of
from analysis.exhibits import Exhibit
from analysis.reading import listing, times
from analysis.results import table_rows
from analysis.style import INK, drawing

__all__ = ["rotation_part", "rotation_reading", "share_at"]

SMALLEST = 1e-16
"""Share of the start's loss that counts as solved: double precision leaves nothing below."""
BOOK_CONDITION = 20.0
AHEAD = 10.0
"""How many times lower a loss must be to count as help: twenty steps leave no smaller lead to chance of the lr grid."""


def rotation_part(exhibit: Exhibit) -> Part:
    """Return the part on the exhibit ``rotation``."""
    losses, book = exhibit.table("losses"), exhibit.table("book")
    best = losses[losses["rule"] == "best"]
    fewer, more = (int(losses["steps"].agg(which)) for which in ("min", "max"))
    with drawing():
        panels = {
            "best": angle_panel(best, fewer, f"Best η at every angle, {fewer} steps"),
            "fixed": angle_panel(losses[losses["rule"] == "fixed"], fewer, f"η chosen at 0°, {fewer} steps"),
            "long": angle_panel(best, more, f"Best η at every angle, {more} steps"),
            "help": help_panel(best, fewer),
        }
    return Part(
        name="rotation",
        title="Exercise 2: the turned problem",
        question=question_of(exhibit),
        answer=rotation_reading(exhibit),
        plates=[
            Plate(
                f"Final loss as a share of the start's against the rotation, condition number {BOOK_CONDITION:g}. "
                "Where η is chosen anew at every angle a curve shows what the method can do at all; where it is kept "
                "from 0°, what happens to somebody who did not know. Last: decades by which RMSProp ends below (blue) "
                "or above (red) gradient descent, both at their best η, for every condition number.",
                panels,
                {
                    "best": "Loss against rotation angle, learning rate tuned at every angle",
                    "fixed": "Loss against rotation angle, learning rate tuned at angle 0",
                    "long": "Loss against rotation angle after many steps",
                    "help": "Map of RMSProp against gradient descent over angle and condition number",
                },
            )
        ],
        tables=[_table(book)],
        data={"losses": losses, "rates": exhibit.table("rates"), "book": book},
    )


def share_at(losses: pd.DataFrame, optimizer: str, angle: float, condition: float, steps: int) -> float:
    """Return the best loss of ``optimizer`` there, as a share of the start's; inf where it diverged."""
    row = losses[
        (losses["optimizer"] == optimizer)
        & (losses["angle"] == angle)
        & (losses["condition"] == condition)
        & (losses["steps"] == steps)
        & (losses["rule"] == "best")
    ]
    value = float(row["share"].iloc[0])
    return value if np.isfinite(value) else float("inf")


def rotation_reading(exhibit: Exhibit) -> list[str]:
    """Return who does not notice the rotation, what it costs RMSProp, and where it stops helping."""
    facts, losses = exhibit.facts, exhibit.table("losses")
    steps = int(losses["steps"].min())
    calm = [name_of(name) for name in facts["invariant"]]
    cost = {name: float(value) for name, value in facts["rotation_cost"].items()}
    sentences = _stops(losses, steps)
    if "rmsprop" in cost:
        flat, turned = (share_at(losses, "rmsprop", angle, BOOK_CONDITION, steps) for angle in (0.0, 45.0))
        sentences.append(
            f"After {steps} steps at its best η RMSProp keeps "
            f"{number(flat, 2)} of the starting loss at 0° and {number(turned, 2)} at 45°; over all angles its best "
            f"result varies by {number(cost['rmsprop'], 2)} decades."
        )
    if calm:
        sentences.append(f"Turning the problem does not change what {listing(calm)} can reach.")
    return [*sentences, *_book(exhibit.table("book"))]


def _stops(losses: pd.DataFrame, steps: int) -> list[str]:
    """Return between which angles RMSProp is less than ten times ahead of gradient descent, and at other conditions."""
    if not {"sgd", "rmsprop"} <= set(losses["optimizer"]):
        return []
    angles = sorted(float(angle) for angle in losses["angle"].unique())
    ahead = {
        float(condition): [
            share_at(losses, "sgd", angle, float(condition), steps)
            / max(share_at(losses, "rmsprop", angle, float(condition), steps), SMALLEST)
            for angle in angles
        ]
        for condition in sorted(losses["condition"].unique())
        if condition > 1
    }
    lead = ahead.get(BOOK_CONDITION, [])
    lost = [angle for angle, factor in zip(angles, lead, strict=False) if factor < AHEAD]
    if not lost:
        return [f"It stays {AHEAD:g} times ahead of gradient descent at every angle ({steps} steps, both at best η)."]
    helped = [f"{sum(factor >= AHEAD for factor in line)} at {number(at)}" for at, line in ahead.items()]
    least, most = min(f for f in lead if f < AHEAD), max(f for f in lead if f < AHEAD)
    return [
        f"A scale for each coordinate stops helping between {number(lost[0])}° and {number(lost[-1])}°: there gradient "
        f"descent ends {number(least, 2)} to {number(most, 2)} times as high as RMSProp, both at their best η. It is "
        f"{AHEAD:g} times ahead at so many of {len(angles)} angles, by condition number: {listing(helped)}."
    ]


def _book(book: pd.DataFrame) -> list[str]:
    steps = int(book["steps"].min())
    rows = book[(book["optimizer"] == "rmsprop") & (book["steps"] == steps)].drop_duplicates("problem")
    ends = rows.set_index("problem")["loss"]
    if not {"ellipse", "ellipse-rotated"} <= set(ends.index):
        return []
    flat, turned = float(ends["ellipse"]), float(ends["ellipse-rotated"])
    return [
        f"The exercise itself, RMSProp at η = {number(float(rows['lr'].iloc[0]))}: loss {number(flat, 2)} after "
        f"{steps} steps on f, {number(turned, 4)} on the turned f, {times(turned / flat)} as much."
    ]


def angle_panel(losses: pd.DataFrame, steps: int, title: str) -> Figure:
    """Draw the share of the start's loss against the angle at the book's condition number, a line an optimizer."""
    figure, axes = panel()
    part = losses[(losses["condition"] == BOOK_CONDITION) & (losses["steps"] == steps)]
    span(axes, "y", floored(part["share"], SMALLEST), most=100.0, margin=2.5)
    labels, top = [], axes.get_ylim()[1]
    for optimizer, line in part.groupby("optimizer", sort=False):
        ordered, look = line.sort_values("angle"), look_of(str(optimizer))
        share = floored(ordered["share"], SMALLEST)
        axes.plot(ordered["angle"], share, color=look.color, marker=look.marker, ms=4, mew=0)
        lost = ordered["angle"][~np.isfinite(share)]
        axes.plot(lost, np.full(lost.size, top), "X", color=look.color, mec="white", ms=7, clip_on=False)
        end = float(share[-1]) if np.isfinite(share[-1]) else top
        labels.append(EndLabel(90, end, name_of(str(optimizer)), look.color))
    axes.axhline(1, color=INK, lw=0.8, ls=":")
    axes.set_xlim(0, 90)
    axes.set_xticks([0, 15, 30, 45, 60, 75, 90])
    label_ends(axes, labels)
    write(axes, "rotation, degrees", "loss, share of the start's", title)
    return figure


def help_panel(best: pd.DataFrame, steps: int) -> Figure:
    """Draw decades of loss between gradient descent and RMSProp over angle and condition number."""
    figure, axes = panel()
    sides = []
    for optimizer in ("sgd", "rmsprop"):
        part = best[(best["optimizer"] == optimizer) & (best["steps"] == steps) & (best["condition"] > 1)]
        angles, conditions, share = matrix(part, "condition", "angle", "share")
        sides.append(np.log10(np.nan_to_num(floored(share, SMALLEST), nan=1e3)))
    lead = np.clip(sides[1] - sides[0], -6, 6)
    most = max(float(np.abs(lead).max()), 0.1)
    colors = mpl.colormaps["RdBu_r"]
    image = axes.pcolormesh(
        angles, np.arange(conditions.size), lead, cmap=colors, norm=TwoSlopeNorm(0, -most, most), shading="nearest",
        rasterized=True,
    )  # fmt: skip
    axes.set_yticks(range(conditions.size), [number(value) for value in conditions])
    axes.set_xticks([0, 15, 30, 45, 60, 75, 90])
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("log₁₀ (RMSProp / descent)")
    write(axes, "rotation, degrees", "condition number", f"Where RMSProp helps, {steps} steps")
    return figure


def _table(book: pd.DataFrame) -> TextTable:
    columns = {"optimizer": "optimizer", "problem": "problem", "lr": "η", "steps": "steps", "x": "x", "loss": "loss"}
    rows = [
        {
            "optimizer": name_of(str(row["optimizer"])),
            "problem": str(row["problem"]),
            "lr": number(row["lr"]),
            "steps": str(int(row["steps"])),
            "x": f"({exactly(row['x1'], 6)}, {exactly(row['x2'], 6)})",
            "loss": number(row["loss"], 4),
        }
        for row in table_rows(book)
    ]
    return TextTable(columns, rows, folded="The exercise as the book sets it, every optimizer")
