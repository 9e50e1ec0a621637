"""What it costs not to tune: every method's regret on every problem, and how often it diverges."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, question_of
from analysis.figures.style import INK, drawing, wrapped
from analysis.measures.results import table_rows
from analysis.measures.tuning_free import NEAR
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.tuning_free import TuningFreeFacts
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text, listing, named_first, number, times

__all__ = ["tuning_free_part", "tuning_free_reading"]

ROW: Final = 0.34  # inches of a row
NAME: Final = 30  # letters of a line of a name
FAR: Final = 1e9
"""A regret beyond which a figure shows no difference."""
MARKERS: Final = {"rule": "o", "range test": "^", "defaults": "s"}


def tuning_free_part(exhibit: Exhibit[TuningFreeFacts]) -> Part:
    """The part on the exhibit ``tuning-free``."""
    facts, regrets, shares = exhibit.facts, exhibit.table("regrets"), exhibit.table("shares")
    with drawing():
        panels = {"regret": regret_panel(regrets), "divergence": divergence_panel(shares)}
    return Part(
        name="tuning-free",
        title="Without tuning",
        question=question_of(exhibit),
        answer=tuning_free_reading(regrets, shares, exhibit.table("rates"), facts),
        plates=[
            Plate(
                "(a) How many times the optimum's gap, or loss, each method ends at: a mark a problem, the median seed "
                f"by seed (n = {facts.seeds} seeds, one on a deterministic problem); a bar is the median over "
                f"{count(len(facts.problems), 'problem')}. Crosses at the right: half of the runs, or more, are lost. "
                f"Left of the line a method ends below the best of {listing(facts.references)}. (b) The share of "
                "problems on which a run diverged, with its 90% interval.",
                panels,
                {
                    "regret": "Regret of each method, a mark for each problem, on a logarithmic axis",
                    "divergence": "Share of problems on which each method diverges, with intervals",
                },
                {"regret": _finding(shares), "divergence": _lost(shares)},
            )
        ],
        tables=[_table(shares), _optima(exhibit.table("optima"), facts)],
        data={name: exhibit.table(name) for name in ("regrets", "shares", "optima", "rates", "runs")},
    )


def tuning_free_reading(
    regrets: pd.DataFrame, shares: pd.DataFrame, rates: pd.DataFrame, facts: TuningFreeFacts
) -> list[str]:
    """What is best without tuning, what the range tests are worth, and who diverges."""
    n = len(facts.problems)
    best = _best(shares)
    told = [
        f"Without tuning, {best['method']} ends lowest: at {_times(best)} the gap of the best point of a landscape, "
        f"in the median over {count(n, 'problem')}, and within {NEAR:g} times of it on {best['near']}. The luckiest "
        f"choice of a method for each problem would end at {number(_oracle(regrets), 2)} times.",
    ]
    tests = shares[shares["kind"] == "range test"]
    if len(tests):
        first = _best(tests)
        defaults = shares[(shares["kind"] == "defaults") & (shares["optimizer"] == first["optimizer"])].iloc[0]
        told.append(
            f"Of the range tests, that of {first['method'].replace(', range test', '')} does best, {_times(first)}; "
            f"the defaults of {first['optimizer']} are at {_times(defaults)}. {_rates(rates)}"
        )
    lost = shares[shares["diverged"] > 0].sort_values("diverged", ascending=False)
    each = [f"{row['method']} (on {row['diverged']} of {row['problems']})" for row in table_rows(lost)]
    told.append(f"Diverged: {named_first(each)}." if each else "No method diverged on any problem.")
    silent = int(regrets["silent"].sum())
    if silent:
        told.append(f"{count(silent, 'run')} had no learning rate, for the range test ended too soon to suggest one.")
    if facts.without:
        told.append(
            f"On {listing(facts.without)} every point of the landscapes diverged: there is no optimum to compare with."
        )
    return told


def _best(shares: pd.DataFrame) -> Any:
    """The row of the lowest regret."""
    return min(table_rows(shares), key=lambda row: row["regret"])


def _times(row: Any) -> str:
    """A median regret with its interval."""
    return f"{estimate_text(_regret(row), lambda value: number(value, 2))} times"


def _regret(row: Any) -> Estimate:
    return Estimate(row["regret"], row["regret_low"], row["regret_high"], int(row["problems"]))


def _oracle(regrets: pd.DataFrame) -> float:
    """The median over problems of the lowest regret of any method."""
    return float(regrets.groupby("problem")["regret"].min().median())


def _rates(rates: pd.DataFrame) -> str:
    """How far the suggested learning rates lie from the best ones, suggestion by suggestion."""
    found = rates.assign(ratio=rates["lr"] / rates["best_lr"]).groupby("suggestion", sort=False)["ratio"].median()
    each = [f"{way} {number(ratio, 2)}" for way, ratio in found.items()]
    return f"What they suggest over the best learning rate of the landscape, in the median: {listing(each)}."


def _finding(shares: pd.DataFrame) -> str:
    best = _best(shares)
    if not np.isfinite(best["regret"]):
        return "Every method diverges on half of the problems or more"
    if best["regret"] < 1:
        return f"{capital(str(best['method']))} ends below the tuned references"
    return f"{capital(str(best['method']))} comes nearest: {times(float(best['regret']))} the optimum's gap"


def _lost(shares: pd.DataFrame) -> str:
    some = int((shares["diverged"] > 0).sum())
    return f"{some} of {len(shares)} methods diverge somewhere" if some else "No method diverges"


def regret_panel(regrets: pd.DataFrame) -> Figure:
    """Draw the regret of every method, a row a method and a mark a problem, with the median over problems."""
    names = regrets.drop_duplicates("method").sort_values("order")
    figure, axes = panel(1.3 + ROW * len(names), width=6.4)
    finite = regrets["regret"].to_numpy(dtype=np.float64)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    smallest, most = float(finite.min(initial=0.5)), min(float(finite.max(initial=2.0)), FAR)
    for y, row in enumerate(table_rows(names)):
        of = regrets.loc[regrets["method"] == row["method"], "regret"].to_numpy(dtype=np.float64)
        color, lost = look_of(row["optimizer"]).color, np.isinf(of)
        shown = np.clip(of[~lost], smallest, most)
        axes.plot(
            shown, np.full(shown.size, y), MARKERS[row["kind"]], color=color, mec="white", mew=0.5, ms=6, alpha=0.8
        )
        axes.plot(
            np.full(lost.sum(), 4 * most), y + np.linspace(-0.2, 0.2, lost.sum()), "x", color=color, ms=6, mew=1.6
        )
        middle = float(np.median(of))
        axes.plot([min(max(middle, smallest), 4 * most)] * 2, [y - 0.35, y + 0.35], color=color, lw=2.4)
    axes.axvline(1, color=INK, lw=0.9)
    span(axes, "x", [smallest, 4 * most], margin=1.6)
    _names(axes, names)
    write(axes, "gap over the optimum's", "", "○ rule   △ range test   □ defaults   × lost")
    return figure


def divergence_panel(shares: pd.DataFrame) -> Figure:
    """Draw the share of problems on which each method diverged, with its interval."""
    figure, axes = panel(1.3 + ROW * len(shares), width=4.4)
    for y, row in enumerate(table_rows(shares)):
        color = look_of(row["optimizer"]).color
        axes.hlines(y, row["diverged_low"], row["diverged_high"], color=color, lw=2.2)
        axes.plot(row["diverged_share"], y, MARKERS[row["kind"]], color=color, mec="white", ms=6.5)
    axes.set_xlim(-0.03, 1.03)
    _names(axes, shares)
    write(axes, f"share of {shares['problems'].iloc[0]} problems", "", "Problems on which a run diverged")
    return figure


def _names(axes: Any, rows: pd.DataFrame) -> None:
    axes.set_yticks(range(len(rows)), [wrapped(str(name), NAME) for name in rows["method"]], fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _table(shares: pd.DataFrame) -> TextTable:
    columns = {
        "method": "method",
        "regret": "median regret, times [90%]",
        "near": f"problems within {NEAR:g} times",
        "near_share": "share [90%]",
        "diverged": "problems on which it diverged",
        "diverged_share": "share [90%]",
    }
    rows = [
        {
            "method": str(row["method"]),
            "regret": estimate_text(_regret(row), lambda value: number(value, 3)),
            "near": f"{row['near']} of {row['problems']}",
            "near_share": _share(row, "near"),
            "diverged": f"{row['diverged']} of {row['problems']}",
            "diverged_share": _share(row, "diverged"),
        }
        for row in table_rows(shares)
    ]
    caption = "Shares are exact binomial intervals (Clopper and Pearson), as if the problems were drawn at random."
    return TextTable(columns, rows, caption)


def _share(row: Any, name: str) -> str:
    return f"{row[f'{name}_share']:.0%} [{row[f'{name}_low']:.0%}, {row[f'{name}_high']:.0%}]"


def _optima(optima: pd.DataFrame, facts: TuningFreeFacts) -> TextTable:
    columns = {
        "problem": "problem",
        "reference": "reference",
        "value": "median",
        "lr": "lr",
        "second": "second",
        "best": "is",
    }
    rows = [
        {
            "problem": str(row["problem"]),
            "reference": str(row["reference"]),
            "value": f"{facts.measures[row['problem']]} {number(row['value'])}",
            "lr": number(row["lr"]) + "!" * bool(row["at_edge"]),
            "second": number(row["second"], 4),
            "best": "the optimum" if row["best"] else "",
        }
        for row in table_rows(optima)
    ]
    points = listing([f"{number} of {name}" for name, number in facts.points.items()])
    caption = f"The best of {points} points; an exclamation mark: at the edge of the ranges."
    return TextTable(columns, rows, caption, folded="The optima")
