"""Part 2: how far back the leaky average of squared gradients looks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import BOOK, THEORY, EndLabel, label_ends, panel, readable, sequential, write
from analysis.answers.part import Part, Plate, TextTable, question_of
from analysis.figures.style import INK, drawing
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.memory import MemoryFacts
from analysis.statistics.arrays import Array
from analysis.words import number, value_text

__all__ = ["memory_part", "memory_reading"]


def memory_part(exhibit: Exhibit[MemoryFacts]) -> Part:
    """The part on the exhibit ``memory``."""
    weights, windows = exhibit.table("weights"), exhibit.table("windows").sort_values("gamma")
    with drawing():
        panels = {"weights": weights_panel(weights, windows), "half-life": half_life_panel(windows)}
    return Part(
        name="memory",
        title="The memory of γ",
        question=question_of(exhibit),
        answer=memory_reading(windows, exhibit.facts.largest_error),
        plates=[
            Plate(
                "(a) An impulse sent through the rule; lines are measured, dashes are (1 − γ) γᵏ, the dot is the "
                "half-life. (b) When a weight has really halved, the window (all weight over that of the newest), "
                "and the half-life of γ⁻¹ steps that the book gives.",
                panels,
                {
                    "weights": "Weight of a squared gradient by its age, one falling curve for each γ",
                    "half-life": "Half-life and window against γ, both far above the book's claim",
                },
                _finds(windows),
            )
        ],
        tables=[_table(windows)],
        data={"weights": weights, "windows": windows},
    )


def memory_reading(windows: pd.DataFrame, error: float) -> list[str]:
    """What the windows say, at the book's γ and about its claim; ``error`` is measurement against theory."""
    at = min(table_rows(windows), key=lambda row: abs(row["gamma"] - 0.9))
    gamma = value_text(at["gamma"], "log1m")
    return [
        f"At γ = {gamma} the window 1/(1 − γ) is {number(at['window'])} steps, which hold {at['inside_window']:.0%} of "
        f"the weight; a weight has halved after {number(at['half_life'])} steps, ln ½ / ln γ.",
        f"The half-life of γ⁻¹ = {number(at['claimed_half_life'])} steps in the book is wrong: by then "
        f"{at['left_at_claim']:.0%} of a weight are left, not half.",
        f"The weights of the rule itself and (1 − γ) γᵏ differ by at most {number(error, 1)}.",
    ]


def _finds(windows: pd.DataFrame) -> dict[str, str]:
    """What the panels show, at the book's γ."""
    at = min(table_rows(windows), key=lambda row: abs(row["gamma"] - 0.9))
    return {
        "weights": f"At γ = {value_text(at['gamma'], 'log1m')} a weight halves in {number(at['half_life'], 2)} steps",
        "half-life": f"The book's half-life is not one: {at['left_at_claim']:.0%} of a weight are left by then",
    }


def weights_panel(weights: pd.DataFrame, windows: pd.DataFrame) -> Figure:
    """Draw the weight of a squared gradient by its age, one line a γ, theory over it, the half-life marked.

    ``weights`` and ``windows`` are the exhibit's tables of these names.
    """
    figure, axes = panel()
    labels = []
    groups = weights.sort_values("age").groupby("gamma", sort=True)
    for color, (gamma, line) in zip(sequential(groups.ngroups), groups, strict=True):
        value = float(str(gamma))
        axes.plot(line["age"], line["weight"], color=color, lw=3, alpha=0.55)
        axes.plot(line["age"], line["theory"], **{**THEORY, "lw": 0.9})
        half = float(windows.loc[np.isclose(windows["gamma"], value), "half_life"].iloc[0])
        axes.plot(half, (1 - value) / 2, "o", color=color, mec="white", ms=7, zorder=6)
        labels.append((value, color))
    top = float(weights["weight"].max())
    for rank, (value, color) in enumerate(reversed(labels)):
        text = f"γ = {value_text(value, 'log1m')}"
        axes.text(
            0.97, 0.93 - 0.09 * rank, text, transform=axes.transAxes, ha="right", color=readable(color), weight="bold"
        )
    axes.set_xlim(0, float(weights["age"].max()))
    axes.set_ylim(0, top * 1.05)
    write(axes, "age of the squared gradient, steps", "its weight in s", "The weight of a squared gradient by its age")
    return figure


def half_life_panel(windows: pd.DataFrame) -> Figure:
    """Draw true half-life, window and claimed half-life against γ; curves are theory, points the exhibit's."""
    figure, axes = panel()
    gammas: Array = np.linspace(0.5, max(0.96, 0.2 + 0.8 * float(windows["gamma"].max())), 200)
    window, true = sequential(2)
    curves = (
        ("window 1/(1 − γ)", 1 / (1 - gammas), "window", window),
        ("true half-life", math.log(0.5) / np.log(gammas), "half_life", true),
        ("the book's γ⁻¹", 1 / gammas, "claimed_half_life", BOOK),
    )
    for _, theory, column, color in curves:
        axes.plot(gammas, theory, color=color, lw=1.4)
        axes.plot(windows["gamma"], windows[column], "o", color=color, mec="white", ms=6.5, zorder=4)
    axes.set_xlim(float(gammas[0]), float(gammas[-1]))
    axes.set_ylim(0, 1.05 * float(1 / (1 - gammas[-1])))
    label_ends(axes, [EndLabel(1, float(theory[-1]), text, color) for text, theory, _, color in curves])
    axes.axvline(0.9, color=INK, lw=0.7, ls=":")
    write(axes, "γ", "steps", "Steps that γ remembers, three ways to count")
    return figure


def _table(windows: pd.DataFrame) -> TextTable:
    columns = {
        "gamma": "γ",
        "window": "window 1/(1 − γ)",
        "half_life": "true half-life",
        "claimed_half_life": "the book's γ⁻¹",
        "left_at_claim": "weight left by then",
        "inside_window": "weight within the window",
    }
    shares = ("left_at_claim", "inside_window")
    rows = [
        {key: f"{row[key]:.0%}" if key in shares else number(row[key]) for key in columns}
        for row in table_rows(windows)
    ]
    return TextTable(columns, rows)
