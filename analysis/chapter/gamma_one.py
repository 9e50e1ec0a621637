"""Part 5, exercise 1: what happens at γ = 1, and why, for every variant of RMSProp."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import THEORY, EndLabel, floored, label_ends, panel, readable, sequential, span, write
from analysis.answers.part import Part, Plate, TextTable, count, exactly, name_of, question_of
from analysis.figures.style import GREY, Look, drawing, looks_of
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.gamma_one import GammaOneFacts
from analysis.record.outcome import Outcome
from analysis.words import listing, number

__all__ = ["gamma_one_part", "gamma_one_reading"]

SMALLEST: Final = 1e-16
LARGEST: Final = 1e12
"""Losses beyond which a diverging run is not followed: the frame would hold nothing else."""


def gamma_one_part(exhibit: Exhibit[GammaOneFacts]) -> Part:
    """The part on the exhibit ``gamma-one``."""
    outcomes, paths, approach = (exhibit.table(name) for name in ("outcomes", "trajectories", "approach"))
    looks, lr = looks_of(list(approach["optimizer"])), exhibit.facts.lr
    with drawing():
        panels = {
            "runs": run_panel(paths[paths["lr"] == lr], f"γ = 1 with the book's η = {number(lr)}"),
            "scaled": run_panel(paths[paths["lr"] != lr], "γ = 1 with η made as small as ε asks"),
            "approach": approach_panel(approach, looks),
            "first-step": first_step_panel(approach, looks),
        }
    return Part(
        name="gamma-one",
        title="Exercise 1: γ = 1",
        question=question_of(exhibit),
        answer=gamma_one_reading(exhibit),
        plates=[
            Plate(
                "Every variant at γ = 1, measured (colour) and what theory says it should do (dashes); a cross is "
                "divergence: (a) with the book's η, (b) with η made so small that it is gradient descent with the "
                "book's η. The way there, as 1 − γ goes to 0: (c) the loss after 20 steps, and (d) the first step, "
                "which gets longer by 1/√(1 − γ) (dashes) where s starts at 0 and is not corrected.",
                panels,
                {
                    "runs": "Loss by step at gamma 1 with the learning rate of the book, theory over measurement",
                    "scaled": "Loss by step at gamma 1 with scaled learning rates, theory over measurement",
                    "approach": "Loss after 20 steps against 1 minus gamma",
                    "first-step": "Length of the first step against 1 minus gamma",
                },
                _finds(outcomes, approach, lr),
            )
        ],
        tables=[_table(outcomes)],
        data={"outcomes": outcomes, "trajectories": paths, "approach": approach},
    )


def gamma_one_reading(exhibit: Exhibit[GammaOneFacts]) -> list[str]:
    """What the exhibit says about the book's rule, its twin in gradient descent, and the other variants."""
    facts, outcomes = exhibit.facts, exhibit.table("outcomes")
    x1, x2 = facts.first_point
    agreeing = int(outcomes["agrees"].astype(bool).sum())
    lost = int((outcomes["status"] == Outcome.DIVERGED.word).sum())
    return [
        f"At γ = 1 no squared gradient ever enters s, so it stays at its start. Where that is 0, the step is "
        f"g · η/√ε: plain gradient descent, {number(facts.gain)} times as fast. With the book's η = "
        f"{number(facts.lr)} one step ends at ({number(x1)}, {number(x2, 4)}), loss {number(facts.first_loss)}; "
        f"at step {facts.overflow_step} the square of a gradient is more than a floating-point number holds.",
        f"The proof: with η = {number(facts.equivalent_lr)} it ends at {_point(facts.equivalent)}, gradient "
        f"descent with η = {number(facts.lr)} at {_point(facts.descent)}.",
        f"Where the average starts at 1 (TensorFlow 1) γ = 1 is plain gradient descent at η itself, and the limit of "
        f"the bias-corrected rule is averaged Adagrad. {agreeing} of {len(outcomes)} runs "
        f"follow their theory to rounding; {lost} of them {'diverges' if lost == 1 else 'diverge'}.",
    ]


def _finds(outcomes: pd.DataFrame, approach: pd.DataFrame, lr: float) -> dict[str, str]:
    """How many diverge at γ = 1 and on the way, how many follow theory, and whose first step grows."""
    own, scaled = outcomes[outcomes["lr"] == lr], outcomes[outcomes["lr"] != lr]
    lost, agreeing = int((own["status"] == Outcome.DIVERGED.word).sum()), int(scaled["agrees"].astype(bool).sum())
    way = approach[(approach["steps"] == approach["steps"].min()) & (approach["forgotten"] > 0)]
    gone = [name_of(name) for name in dict.fromkeys(way.loc[way["status"] == Outcome.DIVERGED.word, "optimizer"])]
    longest = way.loc[way["first_step"].idxmax()]
    ends = "no variant diverges" if not gone else f"{listing(gone)} diverge{'s' if len(gone) == 1 else ''}"
    return {
        "runs": f"With the book's η, {lost} of {count(len(own), 'run')} {'diverges' if lost == 1 else 'diverge'}",
        "scaled": f"With η made small, {agreeing} of {count(len(scaled), 'run')} follow theory to rounding",
        "approach": f"On the way to γ = 1 {ends}",
        "first-step": f"The first step of {name_of(str(longest['optimizer']))} grows to "
        f"{number(float(longest['first_step']))} times η",
    }


def _point(point: tuple[float, float]) -> str:
    return f"({exactly(point[0], 6)}, {exactly(point[1], 6)})"


def run_panel(paths: pd.DataFrame, title: str) -> Figure:
    """Draw the loss by step of every run in ``paths``, equal ones as one line; theory dashed over it."""
    figure, axes = panel(3.5)
    same: dict[tuple[float, ...], list[str]] = {}
    for (optimizer, source, _, gamma), run in paths.groupby(["optimizer", "source", "lr", "gamma"], sort=False):
        loss = floored(run.sort_values("step")["loss"], SMALLEST)
        if source == "theory":
            axes.plot(loss, **THEORY)
        else:
            same.setdefault(tuple(np.round(np.log10(loss[np.isfinite(loss)]), 6)), []).append(
                str(optimizer) if float(str(gamma)) == 1 else f"{optimizer} (γ → 1)"
            )
    labels, crosses = [], []
    for color, (powers, names) in zip(sequential(len(same)), same.items(), strict=True):
        loss = 10.0 ** np.array(powers)
        axes.plot(loss, color=color, lw=4, alpha=0.5)
        if len(powers) > int(paths["step"].max()):
            labels.append(EndLabel(0, float(loss[-1]), _names(names), color))
            continue
        end = len(powers) - 1, float(loss[-1])
        axes.plot(*end, "X", color=color, ms=9, mec="white", zorder=6)
        lost = f"{'diverge' if len(names) > 1 else 'diverges'}: {_names(names)}"
        crosses.append((lost, end, readable(color)))
    span(axes, "y", floored(paths["loss"], SMALLEST), margin=3)
    middle = math.prod(axes.get_ylim()) ** 0.5
    for text, end, color in crosses:  # beside the cross; over it, where there is room above
        over = {"xytext": (9, 9)} if end[1] < middle else {"xytext": (11, 0), "va": "center"}
        axes.annotate(text, end, textcoords="offset points", fontsize=7.5, color=color, weight="bold", **over)
    axes.set_xlim(0, float(paths["step"].max()))
    label_ends(axes, labels, size=7.5)
    write(axes, "step", "loss", title)
    return figure


def _names(optimizers: list[str]) -> str:
    """The names of variants that do the same, a line each two."""
    short = [name.removeprefix("rmsprop-") for name in dict.fromkeys(optimizers)]
    return ",\n".join(", ".join(short[i : i + 2]) for i in range(0, len(short), 2))


def approach_panel(approach: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """Draw the loss after the fewer steps against 1 - γ, one line a variant.

    ``approach`` is the exhibit's table of that name; ``looks`` are those of the variants, by optimizer.
    """
    figure, axes = panel(3.3)
    steps = int(approach["steps"].min())
    shown = approach[(approach["steps"] == steps) & (approach["forgotten"] > 0)]
    labels = []
    span(axes, "y", floored(shown["loss"], SMALLEST), most=LARGEST, margin=3)
    top = axes.get_ylim()[1]
    groups = shown.groupby("optimizer", sort=False)
    for size, (optimizer, line) in zip(np.linspace(11, 6, groups.ngroups), groups, strict=True):
        ordered, look = line.sort_values("forgotten"), looks.get(str(optimizer), Look(GREY, "-", "o"))
        loss = floored(ordered["loss"], SMALLEST)
        axes.plot(ordered["forgotten"], loss, color=look.color, ls=look.line)
        lost = ordered["forgotten"][~np.isfinite(loss)]
        axes.plot(lost, np.full(lost.size, top), "X", color=look.color, mec="white", ms=size, clip_on=False)
        labels.append(EndLabel(0, float(loss[0]) if np.isfinite(loss[0]) else top, str(optimizer), look.color))
    span(axes, "x", shown["forgotten"], margin=1.1)
    axes.invert_xaxis()
    label_ends(axes, labels, size=7.5)
    write(axes, "1 − γ", f"loss after {steps} steps", "Loss as 1 − γ goes to 0")
    return figure


def first_step_panel(approach: pd.DataFrame, looks: dict[str, Look]) -> Figure:
    """Draw the length of the first step in units of lr against 1 - γ, and 1/√(1 - γ)."""
    figure, axes = panel(3.3)
    shown = approach[(approach["steps"] == approach["steps"].min()) & (approach["forgotten"] > 0)]
    labels = []
    for optimizer, line in shown.groupby("optimizer", sort=False):
        ordered, look = line.sort_values("forgotten"), looks.get(str(optimizer), Look(GREY, "-", "o"))
        axes.plot(ordered["forgotten"], ordered["first_step"], color=look.color, ls=look.line)
        labels.append(EndLabel(0, float(ordered["first_step"].iloc[0]), str(optimizer), look.color))
    forgotten = np.unique(shown["forgotten"])
    axes.plot(forgotten, 1 / np.sqrt(forgotten), **THEORY)
    span(axes, "x", shown["forgotten"], margin=1.1)
    span(axes, "y", np.r_[shown["first_step"].to_numpy(), 1 / np.sqrt(forgotten)], margin=1.5)
    axes.invert_xaxis()
    label_ends(axes, labels, size=7.5)
    write(axes, "1 − γ", "length of the first step, in η", "The first step as 1 − γ goes to 0")
    return figure


def _table(outcomes: pd.DataFrame) -> TextTable:
    columns = {
        "optimizer": "optimizer",
        "title": "variant",
        "lr": "η",
        "end": "what it does",
        "theory": "what it should be",
        "agrees": "theory",
    }
    rows = [
        {
            "optimizer": name_of(str(row["optimizer"])),
            "title": str(row["title"]),
            "lr": number(row["lr"]),
            "end": f"diverges after {count(int(row['stopped_at']), 'step')}"
            if row["status"] == Outcome.DIVERGED.word
            else f"({exactly(row['x1'], 6)}, {exactly(row['x2'], 6)}) after {int(row['steps'])}",
            "theory": str(row["theory"]),
            "agrees": "agrees" if row["agrees"] else f"differs by {number(row['error'], 2)}",
            "mark": "exact" if row["agrees"] else "differs",
        }
        for row in table_rows(outcomes)
    ]
    return TextTable(columns, rows)
