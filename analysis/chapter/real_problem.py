"""Part 7, exercise 3: how the learning rate should change on a real problem."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import EndLabel, label_ends, matrix, panel, sequential, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, lost_text, question_of
from analysis.figures.style import GREY, Look, drawing, looks_in_order
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.real_problem import RealProblemFacts
from analysis.record.outcome import Outcome
from analysis.statistics.bootstrap import band
from analysis.words import number

__all__ = ["real_problem_part", "real_problem_reading"]

Looks = dict[str, Look]

WORDS: Final = {
    "inverse-sqrt": "1/√t",
    "linear": "linear to 0",
    "warmup(then='cosine')": "warm-up, then cosine",
}
"""How schedules are called on the page where their own names are code."""


def real_problem_part(exhibit: Exhibit[RealProblemFacts]) -> Part:
    """The part on the exhibit ``real-problem``."""
    grid, choices, curves = (_named(exhibit.table(name)) for name in ("grid", "choices", "curves"))
    looks = looks_in_order(list(choices["schedule"]))
    colors = sequential(len(looks))  # an optimizer's hue means that optimizer
    looks = {name: replace(look, color=color) for (name, look), color in zip(looks.items(), colors, strict=True)}
    facts = exhibit.facts
    seeds = len(facts.test_seeds)
    with drawing():
        panels = {
            "shapes": shape_panel(curves, looks),
            "rates": rate_panel(grid, choices, looks),
            "loss": curve_panel(curves, looks, "loss", "Training loss at each schedule's own η"),
            "accuracy": curve_panel(curves, looks, "heldout_accuracy", "Held-out accuracy"),
        }
    return Part(
        name="real-problem",
        title="Exercise 3: a real problem",
        question=question_of(exhibit),
        answer=real_problem_reading(choices, facts),
        plates=[
            Plate(
                f"{facts.network} on {facts.images}. (a) The schedules at the steps that were evaluated. (b) "
                f"Training loss by base η, mean over {count(len(facts.tuning_seeds), 'tuning seed')}, the chosen "
                f"marked. The chosen ones on {count(seeds, 'fresh test seed')}, median and middle 90%: (c) training "
                "loss, (d) held-out accuracy.",
                panels,
                {
                    "shapes": "Learning rate by step for each schedule",
                    "rates": "Final training loss against base learning rate for each schedule",
                    "loss": "Training loss by step for each schedule",
                    "accuracy": "Held-out accuracy by step for each schedule",
                },
                _finds(choices, curves, facts),
            )
        ],
        tables=[_table(choices)],
        data={"grid": grid, "choices": choices, "curves": curves},
    )


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with its schedules in words."""
    return table.assign(schedule=table["schedule"].replace(WORDS))


def real_problem_reading(choices: pd.DataFrame, facts: RealProblemFacts) -> list[str]:
    """Which schedule ends lowest, by how much, and which has the widest range of good η."""
    if facts.best is None or facts.best_accuracy is None:
        return ["No schedule finished on every test seed: every chosen η is too large for some start."]
    first, sharpest = (WORDS.get(name, name) for name in (facts.best, facts.best_accuracy))
    rows = {str(row["schedule"]): row for row in table_rows(choices)}
    best, accurate = rows[first], rows[sharpest]
    sentences = [
        f"With η chosen for each schedule alike, “{first}” ends lowest: training loss {number(best['median'])} "
        f"[middle 90%: {number(best['low'])}, {number(best['high'])}] over {count(int(best['seeds']), 'test seed')}, "
        f"held-out accuracy {best['heldout_accuracy']:.1%}."
    ]
    if "constant" in rows and first != "constant":
        constant = rows["constant"]
        apart = "the ranges do not overlap" if constant["low"] > best["high"] else "the ranges overlap"
        sentences[0] += f" A constant rate ends at {number(constant['median'])}; {apart}."
    if sharpest != first:
        sentences.append(
            f"Most accurate on images not trained on is “{sharpest}” ({accurate['heldout_accuracy']:.1%})."
        )
    narrow, *_, wide = sorted(rows, key=lambda name: rows[name]["width"])
    sentences.append(
        f"“{wide}” forgives a wrong η most: its loss stays within 1.5 times its best over a factor "
        f"of {number(10 ** rows[wide]['width'], 2)} in η, that of “{narrow}” over "
        f"{number(10 ** rows[narrow]['width'], 2)}."
    )
    edges = [name for name, row in rows.items() if row["at_edge"]]
    if edges:
        sentences.append(
            f"The chosen η lies at the edge of the grid for {', '.join(edges)}: a wider one may do better."
        )
    return sentences


def _finds(choices: pd.DataFrame, curves: pd.DataFrame, facts: RealProblemFacts) -> dict[str, str]:
    """Where the schedules end, which forgives a wrong η most, ends lowest and is most accurate."""
    last = curves[curves["step"] == curves["step"].max()].groupby("schedule")["lr"].first()
    share = last / curves.groupby("schedule")["lr"].max()
    rows = {str(row["schedule"]): row for row in table_rows(choices)}
    wide = max(rows, key=lambda name: rows[name]["width"])
    ends = {}
    if facts.best is not None and facts.best_accuracy is not None:
        low, sharp = (WORDS.get(name, name) for name in (facts.best, facts.best_accuracy))
        ends = {
            "loss": f"{capital(low)} ends lowest: {number(rows[low]['median'])}",
            "accuracy": f"{capital(sharp)} is most accurate: {rows[sharp]['heldout_accuracy']:.1%}",
            "rates": f"{capital(wide)} forgives most: a factor of {number(10 ** rows[wide]['width'], 2)} in η",
        }
    none = dict.fromkeys(("rates", "loss", "accuracy"), "No schedule finished on every test seed")
    return {
        "shapes": f"{int((share < 0.05).sum())} of {count(len(share), 'schedule')} end below a twentieth of their η",
        **none,
        **ends,
    }


def shape_panel(curves: pd.DataFrame, looks: Looks) -> Figure:
    """Draw the learning rate of every schedule by step, over its largest."""
    figure, axes = panel(3.1)
    labels = []
    for schedule, run in curves.groupby("schedule", sort=False):
        one = run[run["seed"] == run["seed"].min()].sort_values("step")
        share, look = one["lr"] / one["lr"].max(), looks[str(schedule)]
        axes.plot(one["step"], share, marker=look.marker, color=look.color, ls=look.line, lw=1, ms=4.5, mew=0)
        labels.append(EndLabel(0, float(share.iloc[-1]), str(schedule), look.color))
    axes.set_xlim(0, float(curves["step"].max()))
    axes.set_ylim(0, 1.05)
    label_ends(axes, labels)
    write(axes, "step", "η of the step / largest η", "The schedules")
    return figure


def rate_panel(grid: pd.DataFrame, choices: pd.DataFrame, looks: Looks) -> Figure:
    """Draw the mean training loss over the tuning seeds by base lr; a rate at which a seed diverged has none."""
    figure, axes = panel(3.1)
    chosen = choices.set_index("schedule")["lr"]
    finished = grid["loss"].where(grid["status"] == Outcome.FINISHED.word, np.nan)
    means = finished.groupby([grid["schedule"], grid["lr"]], sort=False).agg(lambda part: part.mean(skipna=False))
    labels = []
    for schedule in choices["schedule"]:
        line, look = means.loc[schedule].sort_index(), looks[str(schedule)]
        axes.plot(line.index, line, color=look.color, ls=look.line)
        ends = [float(value) for value in line.dropna()]
        labels.append(EndLabel(0, ends[-1] if ends else math.nan, str(schedule), look.color))
        at = int(np.argmin(np.abs(np.log(line.index.to_numpy(dtype=np.float64) / chosen[schedule]))))
        axes.plot(line.index[at], line.iloc[at], look.marker, color=look.color, ms=7.5, mec="white", zorder=5)
    span(axes, "x", grid["lr"])
    span(axes, "y", means, most=10 * float(means.median()), margin=1.2)
    label_ends(axes, labels)
    write(axes, "base learning rate η", "training loss", "How each schedule was tuned")
    return figure


def curve_panel(curves: pd.DataFrame, looks: Looks, column: str, title: str) -> Figure:
    """Draw median and middle 90% over the test seeds of ``column`` by step, a line a schedule."""
    figure, axes = panel(3.1)
    labels, shown = [], []
    for schedule, run in curves.groupby("schedule", sort=False):
        steps, _, values = matrix(run, "seed", "step", column)
        over, look = band(values), looks[str(schedule)]
        axes.fill_between(steps, over.low, over.high, color=look.color, alpha=0.13, lw=0)
        axes.plot(steps, over.median, color=look.color, ls=look.line)
        labels.append(EndLabel(0, float(over.median[-1]), str(schedule), look.color))
        shown.append(over.median)
    axes.set_xlim(0, float(curves["step"].max()))
    if column == "loss":
        span(axes, "y", np.concatenate(shown), margin=1.15)
    else:
        top = float(np.concatenate(shown).max())
        axes.set_ylim(max(0.0, top - 0.25), min(1.0, top + 0.02))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    label_ends(axes, labels)
    write(axes, "step", "training loss" if column == "loss" else "accuracy", title)
    axes.grid(color=GREY, alpha=0.25)
    return figure


def _table(choices: pd.DataFrame) -> TextTable:
    columns = {
        "schedule": "schedule",
        "lr": "η chosen",
        "loss": "training loss, median [middle 90%]",
        "heldout": "held-out loss",
        "accuracy": "held-out accuracy [middle 90%]",
        "width": "decades of η near its best",
    }
    lowest = float(choices["median"].min())
    rows = [
        {
            "schedule": str(row["schedule"]),
            "lr": number(row["lr"]) + (" (edge)" if row["at_edge"] else ""),
            "loss": f"{number(row['median'])} [{number(row['low'])}, {number(row['high'])}]{lost_text(row)}",
            "heldout": number(row["heldout_loss"]),
            "accuracy": f"{row['heldout_accuracy']:.1%} [{row['accuracy_low']:.1%}, {row['accuracy_high']:.1%}]",
            "width": number(row["width"], 2),
            "mark": "best" if row["median"] == lowest else "",
        }
        for row in table_rows(choices)
        if not math.isnan(row["lr"])
    ]
    return TextTable(columns, rows)
