"""The ten findings of docs/findings.md, each computed from a record of suite `family`; `findings.py` writes the page.

Everywhere a ratio is of end results as the report has them (gap to the floor, else loss; never below what rounding
leaves), and what ended above its start or diverged counts as where it started.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.families import color_of
from analysis.figures.style import GREY, INK, drawing, log_axis, new_figure, put_title
from analysis.measures.landscape_grid import grid_of
from analysis.measures.pairs import paired_table
from analysis.measures.pooling import Pool
from analysis.measures.results import CellResult
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Record
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import median
from analysis.words import listing, number

__all__ = [
    "CLOSE",
    "EARLY",
    "Family",
    "Finding",
    "adagrad",
    "bars",
    "times",
    "defaults",
    "gammas",
    "listed",
    "middle",
    "strip",
    "variants",
]

GAMMAS: Final = (0.9, 0.99, 0.999)
"""The values of γ that libraries have as defaults, and a longer one."""

CLOSE: Final = 2.0
"""Results within this factor are as good as each other to a user: that of the report's "near the best"."""

EARLY: Final = 0.1
"""The horizon, as a share of all steps, at which a run is looked at early."""


@dataclass(frozen=True)
class Finding:
    """One finding: a file name, what it says, in a line and in sentences with its numbers, its limits, its figure."""

    name: str
    title: str
    sentences: Sequence[str]
    limits: str
    caption: str
    draw: Callable[[], Figure]


class Family:
    """A record of the suite, with what its findings share."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.results: Mapping[str, ProblemResults] = results_of(record)
        self.pool = Pool.of([cell for found in self.results.values() for cell in found.cells])
        self.problems, self.labels = self.pool.problems, self.pool.labels

    def cell(self, problem: str, label: str) -> CellResult:
        """The cell of an optimizer on a problem."""
        return self.pool.cells[problem, label]

    def ended(self, problem: str, label: str, setting: str = "tuned") -> float:
        """Where a setting ends: the median, no lower than rounding and no higher than the start."""
        cell = self.cell(problem, label)
        found, measure = cell.settings.get(setting), cell.measure
        value = math.inf if found is None or math.isnan(found.value) else found.value
        return float(np.clip(value, measure.smallest, measure.start))

    def table(self, labels: Sequence[str], setting: str = "tuned") -> pd.DataFrame:
        """Where ``labels`` end, a row a problem and a column a label."""
        return pd.DataFrame({name: [self.ended(p, name, setting) for p in self.problems] for name in labels}).set_index(
            pd.Index(self.problems)
        )

    @property
    def rmsprops(self) -> list[str]:
        """The variants of RMSProp whose root is one, without momentum of their own."""
        others = ("rmsprop-graves", "rmsprop-momentum", "rmsprop-mh")
        return [name for name in self.labels if name.startswith("rmsprop") and name not in others]

    @property
    def budget(self) -> str:
        """How much each was tuned, as a sentence."""
        counts = [cell.info.protocol.trials for cell in self.pool.cells.values()]
        return f"Each was tuned by three studies of {min(counts)} to {max(counts)} settings."

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair of the variants of RMSProp and Adagrad on every problem, by the report's test."""
        chosen = {*self.rmsprops, "adagrad"}
        return paired_table(Pool.of([cell for (_, label), cell in self.pool.cells.items() if label in chosen]))

    def memory(self, label: str, problem: str) -> pd.Series[float]:
        """The lowest median of the landscape at any learning rate, by γ (its index), over the lowest of all."""
        grid = grid_of(self.cell(problem, label).cell, self.cell(problem, label).measure)
        if grid is None or grid.y is None:
            return pd.Series(dtype=float)
        typical = np.where(grid.diverged.any(axis=0), np.inf, grid.median).min(axis=1)
        shown = np.clip(typical, grid.measure.smallest, float(np.median(grid.start)))
        return pd.Series(shown / shown.min(), index=grid.y.values)


def times(ratio: float) -> str:
    """A ratio as a user reads it."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{number(ratio, 2)} times"


def middle(values: Sequence[float] | Array) -> float:
    """The median; infinite values are values."""
    return float(median(np.asarray(values, dtype=np.float64)))


def strip(columns: Mapping[str, Sequence[float]], words: str, title: str, *, color: bool = True) -> Figure:
    """A dot a problem for every optimizer on a log axis, medians as bars, lowest first."""
    names = sorted(columns, key=lambda name: middle(columns[name]), reverse=True)
    with drawing():
        figure = new_figure(6.4, 0.5 + 0.27 * len(names) + 0.5)
        axes = figure.subplots()
        finite = [v for name in names for v in columns[name] if math.isfinite(v)]
        for place, name in enumerate(names):
            values = np.asarray(columns[name], dtype=np.float64)
            shift = np.linspace(-0.22, 0.22, values.size) if values.size > 1 else np.zeros(1)
            tint = color_of(name) if color else GREY
            axes.plot(values[np.argsort(values)], place + shift, "o", ms=3.4, color=tint, alpha=0.75, mew=0)
            axes.plot([middle(values)] * 2, [place - 0.36, place + 0.36], color=INK, lw=2)
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", visible=False)
        log_axis(axes, "x", min(finite) / 1.25, max(finite) * 1.25)
        axes.set_xlabel(words)
        put_title(axes, title)
    return figure


def variants(family: Family) -> Finding:
    """Which variant of RMSProp to use."""
    table = family.table(family.rmsprops)
    ratio = table.div(table.min(axis=1), axis=0)
    order = sorted(ratio.columns, key=lambda name: (middle(ratio[name]), ratio[name].mean()))
    best, worst = order[0], order[-1]
    near, most = near_of(ratio), most_often_near(family)
    count = len(family.problems)
    apart = verdicts(family, most)
    memories = [family.memory(most, problem) for problem in family.problems]
    short = middle([nearest(memory, GAMMAS[0]) for memory in memories if len(memory)])
    return Finding(
        "variants",
        f"Tuned, `{most}` is the RMSProp to take: within twice the best variant on {near[most]} of {count} problems",
        [
            f"Of the {len(order)} variants that differ in how the square is averaged and rooted, `{most}` ends "
            f"within twice the lowest on "
            f"{near[most]} of {count} problems, `{worst}` on {near[worst]}; at the median problem `{best}` ends "
            f"{times(middle(ratio[best]))} as high as the best of them and `{worst}` {times(middle(ratio[worst]))}.",
            f"The report's own test, with Holm's correction for all pairs of these and Adagrad, tells `{most}` from "
            f"another of them as lower on {count_of(apart, 'worse')} and as higher on {count_of(apart, 'better')} of "
            f"{len(apart)} pairs of problem and variant; for comparison, {GAMMAS[0]:g} in place of the best γ costs "
            f"{times(short)} the lowest at the median problem.",
        ],
        f"Momentum and growing memories are left out here: they have another knob. {family.budget}",
        f"End result of every tuned variant over that of the best of them, a dot a problem (n = {count}), the bar "
        f"their median.",
        lambda: strip(
            {name: list(ratio[name]) for name in order},
            "times as high as the best variant",
            "Variants of RMSProp, tuned",
        ),
    )


def near_of(ratio: pd.DataFrame) -> dict[str, int]:
    """On how many problems each column is close to the lowest."""
    return {str(name): int((ratio[name] <= CLOSE).sum()) for name in ratio}


def most_often_near(family: Family) -> str:
    """The variant of RMSProp that is close to the best of them on most problems, tuned."""
    table = family.table(family.rmsprops)
    ratio = table.div(table.min(axis=1), axis=0)
    near = near_of(ratio)
    return max(near, key=lambda name: (near[name], -middle(ratio[name])))


def verdicts(family: Family, label: str) -> pd.DataFrame:
    """The report's verdicts on the other variants of RMSProp beside ``label``: "worse" is higher than it."""
    table = family.pairs
    others = [name for name in family.rmsprops if name != label]
    ahead = table[(table["a"] == label) & table["b"].isin(others)]
    behind = table[(table["b"] == label) & table["a"].isin(others)]
    turned = behind.assign(
        verdict=behind["verdict"].map({"worse": "better", "better": "worse"}).fillna(behind["verdict"])
    )
    return pd.concat([ahead, turned])


def count_of(table: pd.DataFrame, verdict: str) -> int:
    """How many rows have the ``verdict``."""
    return int((table["verdict"] == verdict).sum())


def gammas(family: Family) -> Finding:
    """Which γ to use."""
    label = most_often_near(family)
    found = {problem: family.memory(label, problem) for problem in family.problems}
    found = {problem: ratio for problem, ratio in found.items() if len(ratio)}
    near = {gamma: sum(nearest(ratio, gamma) <= CLOSE for ratio in found.values()) for gamma in GAMMAS}
    costs = {gamma: middle([nearest(ratio, gamma) for ratio in found.values()]) for gamma in GAMMAS}
    best = max(near, key=lambda gamma: (near[gamma], -costs[gamma]))
    fewest, largest = min(map(len, found.values())), max(map(len, found.values()))
    noisy = [p for p in found if not family.cell(p, label).exact]
    exact = [p for p in found if family.cell(p, label).exact]
    longest = {p: float(found[p].idxmin()) for p in found}
    words = {
        kind: number(middle([1 / (1 - min(longest[p], 1 - 1e-9)) for p in group]), 2)
        for kind, group in (("noisy", noisy), ("exact", exact))
        if group
    }
    return Finding(
        "gamma",
        f"No γ is safe: the best single value, {best:g}, is within twice the best γ on {near[best]} of {len(found)} "
        "problems",
        [
            f"With the learning rate best for each γ, `{label}` is within twice its lowest at "
            + listing([f"γ = {gamma:g} on {near[gamma]}" for gamma in GAMMAS])
            + f" of {len(found)} problems; at the median problem those cost "
            + listing([times(costs[gamma]) for gamma in GAMMAS])
            + " the lowest result.",
            f"The best memory 1/(1 − γ) is {words.get('noisy', '–')} steps at the median of the {len(noisy)} "
            f"problems with noise and {words.get('exact', '–')} at that of the {len(exact)} without.",
        ],
        f"The landscapes have {fewest} to {largest} values of γ and a seed or two: what is within twice is not told "
        f"apart.",
        f"For every problem the γ whose best learning rate ends within twice the lowest of the landscape (lines), "
        f"and the lowest (dots); `{label}`.",
        lambda: memory_figure(found, label),
    )


def nearest(ratio: pd.Series[float], gamma: float) -> float:
    """The value at the grid's γ next to ``gamma``, by its memory."""
    index = np.asarray(ratio.index, dtype=np.float64)
    at = int(np.argmin(np.abs(np.log(np.maximum(1 - index, 1e-12)) - math.log(1 - gamma))))
    return float(ratio.iloc[at])


def memory_figure(found: Mapping[str, pd.Series[float]], label: str) -> Figure:
    """The memories near the best of every problem, as lines over a log axis."""
    with drawing():
        figure = new_figure(6.4, 0.9 + 0.22 * len(found))
        axes = figure.subplots()
        order = sorted(found, key=lambda problem: float(found[problem].idxmin()))
        for place, problem in enumerate(order):
            ratio = found[problem]
            memory = 1 / np.maximum(1 - np.asarray(ratio.index, dtype=np.float64), 1e-12)
            good = ratio.to_numpy() <= CLOSE
            axes.plot(memory, np.full(memory.size, place), "-", color="#e4e4e4", lw=1)
            axes.plot(memory[good], np.full(int(good.sum()), place), "|", color=color_of(label), ms=9, mew=2)
            axes.plot(memory[int(ratio.to_numpy().argmin())], place, "o", color=INK, ms=5)
        for gamma in GAMMAS:
            axes.axvline(1 / (1 - gamma), color=GREY, lw=0.8, ls="--")
            axes.text(1 / (1 - gamma), len(order) - 0.3, f"γ = {gamma:g}", ha="center", va="bottom", fontsize=8)
        axes.set_yticks(range(len(order)), order)
        axes.set_ylim(-0.7, len(order) + 0.4)
        axes.grid(axis="y", visible=False)
        log_axis(axes, "x", 0.8, 1.3e4)
        axes.set_xlabel("memory 1/(1 − γ), steps")
        put_title(axes, "The γ that are near the best, with lr best for each")
    return figure


def defaults(family: Family) -> Finding:
    """Which defaults are worth keeping."""
    tuned, default = family.table(family.labels), family.table(family.labels, "default")
    ratio = default / tuned
    near = (ratio <= CLOSE).sum()
    keep = sorted(near.index, key=lambda name: (-near[name], middle(ratio[name])))
    count = len(family.problems)
    useless = (
        default.ge(pd.Series({p: family.cell(p, family.labels[0]).measure.start for p in family.problems}), axis=0)
    ).sum()
    lost = max(useless.index, key=lambda name: useless[name])
    return Finding(
        "defaults",
        f"No default is worth keeping blindly: the best, `{keep[0]}`'s, is within twice its tuned result on "
        f"{near[keep[0]]} of {count} problems",
        [
            f"Defaults end within twice the tuned result on {near[keep[0]]} of {count} problems for `{keep[0]}`, "
            f"{near[keep[1]]} for `{keep[1]}` and {near[keep[-1]]} for `{keep[-1]}`.",
            f"At the median problem the default of `{keep[0]}` ends {times(middle(ratio[keep[0]]))} as high as "
            f"tuned, that of `{keep[-1]}` "
            f"{times(middle(ratio[keep[-1]]))}; the default of `{lost}` gains nothing on {useless[lost]} problems.",
        ],
        "Defaults are those of the registry (`stepscape show NAME`), which are the authors' or the framework's; "
        "problems are small.",
        f"End result of the default over that of the tuned setting, a dot a problem (n = {count}), the bar their "
        f"median.",
        lambda: strip(
            {name: list(ratio[name]) for name in family.labels},
            "default, times as high as tuned",
            "What the defaults cost",
        ),
    )


def adagrad(family: Family) -> Finding:
    """When Adagrad beats RMSProp."""
    a, b = "adagrad", "rmsprop"
    table = family.table([a, b])
    ratio = (table[b] / table[a]).sort_values()
    rows = family.pairs[(family.pairs["a"] == a) & (family.pairs["b"] == b)].set_index("problem")
    wins = [p for p in family.problems if rows.loc[p, "verdict"] == "worse"]
    losses = [p for p in family.problems if rows.loc[p, "verdict"] == "better"]
    ahead = ratio[ratio > CLOSE]
    behind = ratio[ratio < 1 / CLOSE]
    return Finding(
        "adagrad",
        f"Adagrad ends below half of RMSProp on {len(ahead)} of {len(ratio)} problems, RMSProp below half of Adagrad "
        f"on {len(behind)}",
        [
            f"Tuned, Adagrad ends at least {CLOSE:g} times lower on {listed(ahead.index)}"
            + f"; RMSProp on {listed(behind.index)}.",
            f"The report's test tells Adagrad as lower on {len(wins)} ({listed(wins)}) and RMSProp on {len(losses)} "
            f"({listed(losses)}); "
            f"on the other {len(ratio) - len(wins) - len(losses)} three studies a side do not tell them apart.",
        ],
        "Constant lr for both; with a schedule that lowers lr the order may be another (suite `learning`).",
        "How many times as high tuned RMSProp ends as tuned Adagrad, by problem; to the right Adagrad is ahead.",
        lambda: bars(ratio, "RMSProp over Adagrad", "When Adagrad beats RMSProp", (color_of(b), color_of(a))),
    )


def listed(names: Sequence[str]) -> str:
    """Names as code, or that there is none."""
    return listing([f"`{name}`" for name in names]) if len(names) else "none"


def bars(ratio: pd.Series[float], words: str, title: str, colors: tuple[str, str]) -> Figure:
    """A bar a problem from 1 to its ratio on a log axis."""
    with drawing():
        figure = new_figure(6.4, 0.9 + 0.22 * len(ratio))
        axes = figure.subplots()
        for place, value in enumerate(ratio):
            axes.plot([1, value], [place, place], color=colors[int(value > 1)], lw=5, solid_capstyle="butt")
        axes.axvline(1, color=INK, lw=0.8)
        axes.set_yticks(range(len(ratio)), ratio.index)
        axes.grid(axis="y", visible=False)
        log_axis(axes, "x", float(ratio.min()) / 1.3, float(ratio.max()) * 1.3)
        axes.set_xlabel(f"{words}, end results")
        put_title(axes, title)
    return figure
