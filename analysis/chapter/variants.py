"""Part 4: why the book's two RMSProp runs, from scratch and concise, are not the same algorithm."""

from __future__ import annotations

import textwrap
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import panel, sequential, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, question_of
from analysis.figures.style import GREY, INK, drawing
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.variants import VariantsFacts
from analysis.words import number

__all__ = ["variants_part", "variants_reading"]

DARK, LIGHT = sequential(2)  # an optimizer's hue means that optimizer
MODES: Final = {"alone": (DARK, "o", -0.14), "together": (LIGHT, "s", 0.14)}


def variants_part(exhibit: Exhibit[VariantsFacts]) -> Part:
    """The part on the exhibit ``variants``."""
    table, curves = exhibit.table("differences"), exhibit.table("curves")
    facts = exhibit.facts
    with drawing():
        panels = {
            "shifts": shift_panel(table),
            "outcomes": outcome_panel(table, facts),
            "curves": curve_panel(curves, facts.floor),
        }
    n = facts.seeds
    return Part(
        name="variants",
        title="From scratch against concise",
        question=question_of(exhibit),
        answer=variants_reading(table, facts),
        plates=[
            Plate(
                "(a) What each difference does to the final loss, alone and together with all before it: mean over "
                f"{n} seeds, paired seed by seed, with 90% bootstrap intervals. (b) Where the runs end: bars hold the "
                "middle 90% of the seeds, signs as in (a) are medians, red diamonds the book's numbers, the dotted "
                "line the lowest reachable loss. (c) The two programs step by step, median and middle 90%.",
                panels,
                {
                    "shifts": "Shift of the mean final loss for each difference, with intervals",
                    "outcomes": "Range of final losses for each difference",
                    "curves": "Median gap by step of the two programs",
                },
                _finds(table, curves, facts),
            )
        ],
        tables=[_table(table)],
        data={"differences": table, "runs": exhibit.table("runs"), "curves": curves},
    )


def variants_reading(table: pd.DataFrame, facts: VariantsFacts) -> list[str]:
    """Which difference matters, and where both programs end beside the book's numbers."""
    alone = table[(table["mode"] == "alone") & (table["order"] > 0)]
    together = table[table["mode"] == "together"].sort_values("order")
    start = table[table["order"] == 0].iloc[0]
    most = alone[alone["name"] == facts.largest].iloc[0]
    rest = float(alone[alone["name"] != facts.largest]["shift"].abs().max())
    last = together.iloc[-1]
    spread = abs(float(last["shift"])) / max(float(start["deviation"]), 1e-12)
    blind = " One printed number of each cannot tell them apart." if spread < 1 else ""
    seeds = f", {number(spread, 2)} standard deviations between seeds" if start["deviation"] > 0 else ""
    unsure = ", which may be none" if most["shift_low"] <= 0 <= most["shift_high"] else ""
    return [
        f"The two programs share a name, γ and η, and differ in {count(len(alone), 'thing')}. The one that alone "
        f"moves the final loss most is “{most['title']}”: {_signed(most['shift'])} "
        f"[{_signed(most['shift_low'])}, {_signed(most['shift_high'])}] in the mean{unsure}; no other "
        f"by more than {number(rest, 2)}.",
        *_doubled(alone),
        f"From scratch the loss ends at {number(start['mean'], 4)} in the mean (the book prints "
        f"{facts.printed.scratch}), concise at {number(last['mean'], 4)} ({facts.printed.concise}): "
        f"all differences together shift it by {_signed(last['shift'])} "
        f"[{_signed(last['shift_low'])}, {_signed(last['shift_high'])}]{seeds}.{blind}",
    ]


def _doubled(alone: pd.DataFrame) -> list[str]:
    """Why longer gradients change nothing, where they do not: a shift far below the spread of the seeds."""
    rows = [row for row in table_rows(alone[alone["name"] == "loss"]) if abs(row["shift"]) < 0.01 * row["deviation"]]
    return [
        f"Gradients twice as long move it by {_signed(row['shift'])}: RMSProp divides a gradient by its own size, and "
        "only ε notices the difference."
        for row in rows
    ]


def _finds(table: pd.DataFrame, curves: pd.DataFrame, facts: VariantsFacts) -> dict[str, str]:
    """What each difference does, whether the book's two numbers are like ours, and how far the two programs part."""
    most = table[(table["mode"] == "alone") & (table["name"] == facts.largest)].iloc[0]
    together = table[(table["mode"] == "together") | (table["order"] == 0)].sort_values("order")
    ends = zip((together.iloc[0], together.iloc[-1]), (facts.printed.scratch, facts.printed.concise), strict=True)
    like = sum(row["low"] <= printed <= row["high"] for row, printed in ends)
    both = {name: line.set_index("step")["median"] - facts.floor for name, line in curves.groupby("name")}
    found = {
        "shifts": f"“{capital(str(most['title']))}” moves the loss most: {_signed(most['shift'])}",
        "outcomes": f"{('Neither', 'One', 'Both')[like]} of the book's two numbers lies within our spread"
        if like < 2
        else "Both of the book's numbers lie within our spread",
        "curves": "The two programs step by step",
    }
    if {"scratch", "bias"} <= both.keys():
        ratio = (both["bias"] / both["scratch"]).dropna()
        apart = float((ratio - 1).abs().max())
        found["curves"] = (
            f"Up to step {int(ratio.index[-1])} the gaps of the two programs differ by at most {apart:.1%}"
        )
    return found


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value), 2)}"


def shift_panel(table: pd.DataFrame) -> Figure:
    """Draw the paired shift of the mean with its interval, a row a difference, alone and together."""
    figure, axes = panel(3.5)
    rows = _titles(table)
    for mode, (color, marker, offset) in MODES.items():
        part = table[(table["mode"] == mode) & (table["order"] > 0)]
        y = part["order"].to_numpy(dtype=np.float64) + offset
        axes.hlines(y, 1e3 * part["shift_low"], 1e3 * part["shift_high"], color=color, lw=2.2)
        axes.plot(1e3 * part["shift"], y, marker, color=color, mec="white", ms=7, label=mode)
    axes.axvline(0, color=INK, lw=0.9)
    axes.set_yticks(list(rows), list(rows.values()))
    axes.set_ylim(max(rows) + 0.6, 0.4)
    axes.margins(x=0.12)
    axes.legend(loc="best")
    axes.grid(visible=False, axis="y")
    write(
        axes, "shift of the mean final loss, thousandths", "", "Each difference alone, and together with those before"
    )
    return figure


def outcome_panel(table: pd.DataFrame, facts: VariantsFacts) -> Figure:
    """Draw median and range of the final loss of the book's code and of every difference, both modes."""
    figure, axes = panel(3.5)
    rows = {0: "from scratch", **_titles(table)}
    for mode, (color, marker, offset) in MODES.items():
        part = table[table["mode"] == mode]
        y = part["order"].to_numpy(dtype=np.float64) + offset
        axes.hlines(y, part["low"], part["high"], color=color, lw=2.2, alpha=0.6)
        axes.plot(part["median"], y, marker, color=color, mec="white", ms=6.5)
    printed = [(0, facts.printed.scratch), (max(rows), facts.printed.concise)]
    axes.plot([value for _, value in printed], [row for row, _ in printed], "D", color="#c00000", mec="white", ms=7)
    axes.axvline(facts.floor, color=GREY, ls=":", lw=1.2)
    axes.set_yticks(list(rows), list(rows.values()))
    axes.set_ylim(max(rows) + 0.6, -0.6)
    axes.grid(visible=False, axis="y")
    write(axes, "loss at the end", "", f"Where the runs end (n = {facts.seeds} seeds)")
    return figure


def curve_panel(curves: pd.DataFrame, floor: float) -> Figure:
    """Draw median and middle 90% of the gap by step of the two programs."""
    figure, axes = panel()
    words = {"scratch": "from scratch", "bias": "concise"}
    for (name, word), color in zip(words.items(), (DARK, LIGHT), strict=True):
        line = curves[curves["name"] == name].sort_values("step")
        if line.empty:
            continue
        axes.fill_between(line["step"], line["low"] - floor, line["high"] - floor, color=color, alpha=0.18, lw=0)
        axes.plot(line["step"], line["median"] - floor, color=color, label=word)
    span(axes, "y", np.r_[curves["median"], curves["low"], curves["high"]] - floor, margin=1.3)
    axes.set_xlim(0, float(curves["step"].max()))
    axes.legend(loc="upper right")
    write(axes, "step", "gap to the lowest loss", "The two programs step by step")
    return figure


def _titles(table: pd.DataFrame) -> dict[int, str]:
    """The words of every difference by its place, broken in two lines where they are long."""
    named = table[table["order"] > 0].drop_duplicates("order").sort_values("order")
    return {int(row["order"]): _broken(str(row["title"])) for row in table_rows(named)}


def _broken(text: str, width: int = 22) -> str:
    return "\n".join(textwrap.wrap(text, width))


def _table(table: pd.DataFrame) -> TextTable:
    columns = {
        "title": "what is changed",
        "mode": "switched on",
        "optimizer": "optimizer",
        "steps": "steps",
        "mean": "mean loss",
        "range": "middle 90%",
        "shift": "shift of the mean [90%]",
    }
    rows = [
        {
            "title": str(row["title"]),
            "mode": str(row["mode"]) if row["order"] else "–",
            "optimizer": str(row["optimizer"]),
            "steps": str(int(row["steps"])),
            "mean": f"{row['mean']:.5f}",
            "range": f"{row['low']:.4f} … {row['high']:.4f}",
            "shift": f"{_signed(row['shift'])} [{_signed(row['shift_low'])}, {_signed(row['shift_high'])}]"
            if row["order"]
            else "–",
        }
        for row in table_rows(table.sort_values(["mode", "order"]))
    ]
    return TextTable(columns, rows, folded="Every difference as a table")
