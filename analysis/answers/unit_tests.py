"""Unit tests of optimizers: verdicts by group of tests, by learning rate, and which tests tell nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from analysis.answers.panels import look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, name_of, question_of
from analysis.figures.style import GREY, INK, drawing, luminance
from analysis.measures.unit_verdicts import FLAGS, PASSED, VERDICTS
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.unit_tests import Choice, UnitTestsFacts
from analysis.words import listing, number

__all__ = ["unit_tests_part", "unit_tests_reading"]

COLORS: Final = dict(zip(VERDICTS, ("#0072B2", "#009E73", "#F0E442", "#CC79A7", "#E69F00", "#D55E00"), strict=True))
"""Okabe and Ito's (2008), which dichromats tell apart; bars have one order besides."""
TELLING: Final = "tells optimizers apart"
FLAG_COLORS: Final = dict(zip((TELLING, *FLAGS), ("#0072B2", "#5b6570", "#b9bfc6", "#56B4E9", "#E69F00"), strict=True))
WAYS: Final = {"each": "a learning rate for each test", "one": "one learning rate for all tests"}
MOST: Final = 6
"""Optimizers named in a sentence."""


def unit_tests_part(exhibit: Exhibit[UnitTestsFacts]) -> Part:
    """The part on the exhibit ``unit-tests``."""
    facts, counts, groups = exhibit.facts, exhibit.table("counts"), exhibit.table("groups")
    rates = exhibit.table("rates")
    n = f"{facts.repetitions} repetitions of {facts.steps} steps"
    with drawing():
        panels = {
            choice: verdict_panel(counts[counts["choice"] == choice], groups[groups["choice"] == choice], facts, way)
            for choice, way in WAYS.items()
        }
        further = {"rates": rate_panel(rates, facts), "flags": flag_panel(facts)}
    return Part(
        name="unit-tests",
        title="Unit tests of optimizers",
        question=question_of(exhibit),
        answer=unit_tests_reading(facts),
        plates=[
            Plate(
                "(a) Every test at the learning rate that ends lowest in it, (b) all tests at the one that passes most "
                "of them. Bars are the shares of verdicts among the tests of a group that tell optimizers apart, as "
                "many as stand behind its name; numbers are the shares passed, green and blue together. A test may be "
                f"in two groups. {n} at each learning rate; 1 is the gain of the best of {facts.reference_rates} SGD "
                "learning rates.",
                panels,
                {choice: f"Shares of verdicts by group of tests and optimizer, {way}" for choice, way in WAYS.items()},
                {choice: _finding(getattr(facts, choice), way) for choice, way in WAYS.items()},
            ),
            Plate(
                "(a) Share of the tests with a way down that are passed at each learning rate: wide is easy to tune, "
                "high is able. (b) Tests that tell nothing, and why, under both choices of the learning rate.",
                further,
                {
                    "rates": "Share of tests passed against the learning rate, a line an optimizer",
                    "flags": "Numbers of tests that tell optimizers apart and of those that do not, by reason",
                },
                {"rates": _rate_finding(rates), "flags": _flag_finding(facts)},
            ),
        ],
        tables=[_share_table(facts), _group_table(groups)],
        data={name: exhibit.table(name) for name in ("tests", "verdicts", "groups", "counts", "rates")},
    )


def unit_tests_reading(facts: UnitTestsFacts) -> list[str]:
    """Who passes most under either choice, and how many tests tell anything."""
    sentences = []
    for choice, way in ((facts.one, "With one learning rate for all tests"), (facts.each, "With one for each test")):
        if choice.telling:
            first, *others = _order(choice)
            rest = listing([f"{name_of(name)} {_share(choice, name)}" for name in others[: MOST - 1]])
            sentences.append(
                f"{way} {name_of(first)} passes most, {_share(choice, first)} of the {choice.telling:,} tests that "
                f"tell these optimizers apart; {rest}."
            )
        else:
            sentences.append(f"{way} no test tells these optimizers apart.")
    flagged = facts.each.flagged
    sentences.append(
        f"Of {facts.tests:,} tests {flagged['solved']:,} are solved at their start and {flagged['no way down']:,} have "
        f"no way down for SGD; with a learning rate for each test everybody passes {flagged['everybody']:,} and nobody "
        f"{flagged['nobody']:,}, with one for all {facts.one.flagged['everybody']:,} and "
        f"{facts.one.flagged['nobody']:,}. Those tell nothing and are not counted."
    )
    if facts.not_run:
        sentences.append(f"Not run: {facts.not_run}.")
    return sentences


def verdict_panel(counts: pd.DataFrame, groups: pd.DataFrame, facts: UnitTestsFacts, way: str) -> Figure:
    """Draw the shares of verdicts as a bar in every cell, groups down and optimizers across."""
    rows, columns = list(groups["group"]), facts.optimizers
    figure, axes = panel(1.5 + 0.36 * len(rows), max(4.9, 1.6 + 0.62 * len(columns)))
    tests = counts.set_index(["optimizer", "group", "verdict"])["tests"]
    for y, group in enumerate(rows):
        telling = int(groups["telling"].iloc[y])
        for x, optimizer in enumerate(columns):
            if not telling:
                axes.text(x, y, "none tells", ha="center", va="center", fontsize=6.5, color=GREY)
                continue
            shares = [tests[optimizer, group, verdict] / telling for verdict in VERDICTS]
            left = x - 0.44
            for share, color in zip(shares, COLORS.values(), strict=True):
                axes.add_patch(Rectangle((left, y + 0.08), 0.88 * share, 0.32, facecolor=color, linewidth=0))
                left += 0.88 * share
            passed = sum(share for share, verdict in zip(shares, VERDICTS, strict=True) if verdict in PASSED)
            axes.text(x, y - 0.17, f"{passed:.0%}", ha="center", va="center", fontsize=7.5, color=INK)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    labels = [f"{group} ({telling} of {all_})" for group, telling, all_ in groups[["group", "telling", "tests"]].values]
    axes.set_yticks(range(len(rows)), labels)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    handles = [Patch(facecolor=color, label=verdict) for verdict, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    write(axes, "", "group (tests that tell, of all)", capital(way))
    return figure


def rate_panel(rates: pd.DataFrame, facts: UnitTestsFacts) -> Figure:
    """Draw the share of tests passed against the learning rate."""
    figure, axes = panel()
    for optimizer in facts.optimizers:
        line, look = _passed_by_rate(rates[rates["optimizer"] == optimizer]), look_of(optimizer)
        axes.plot(line.index, line, color=look.color, ls=look.line, marker=look.marker, ms=4, label=optimizer)
    span(axes, "x", rates["lr"])
    axes.set_ylim(0, 1)
    axes.legend(loc="best")
    write(axes, "learning rate", "share of tests passed", f"n = {int(_totals(rates).max()):,} tests with a way down")
    return figure


def flag_panel(facts: UnitTestsFacts) -> Figure:
    """Draw how many tests tell, and why the others do not, a bar a choice."""
    figure, axes = panel(2.4)
    for y, choice in enumerate((facts.each, facts.one)):
        left = 0
        for why, count in {TELLING: choice.telling, **choice.flagged}.items():
            axes.barh(y, count, left=left, color=FLAG_COLORS[why], height=0.6, label=why if y == 0 else None)
            if count > 0.06 * facts.tests:
                axes.text(
                    left + count / 2,
                    y,
                    f"{count:,}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=_ink_on(FLAG_COLORS[why]),
                )
            left += count
    axes.set_yticks([0, 1], ["one for each", "one for all"])
    axes.set_ylim(1.5, -0.5)
    axes.set_xlim(0, facts.tests)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=3)
    write(axes, "tests", "learning rate", f"What each of {facts.tests:,} tests tells")
    return figure


def _ink_on(color: str) -> str:
    """Black or white, whichever can be read on ``color``."""
    return "white" if luminance(mpl.colors.to_rgb(color)) < 0.2 else INK


def _order(choice: Choice) -> list[str]:
    return sorted(choice.passed, key=lambda name: -choice.passed[name])


def _share(choice: Choice, name: str) -> str:
    return f"{choice.passed[name]:.0%} [{choice.low[name]:.0%}, {choice.high[name]:.0%}]"


def _finding(choice: Choice, way: str) -> str:
    if not choice.telling:
        return f"With {way} no test tells optimizers apart"
    best = _order(choice)[0]
    return f"With {way} {name_of(best)} passes most, {choice.passed[best]:.0%} of {choice.telling:,} tests"


def _totals(rates: pd.DataFrame) -> pd.Series[float]:
    return rates.groupby(["optimizer", "lr"])["tests"].sum().astype(float)


def _passed_by_rate(rates: pd.DataFrame) -> pd.Series[float]:
    """The share of tests passed by learning rate, of one optimizer."""
    passed = rates[rates["verdict"].isin(PASSED)].groupby("lr")["tests"].sum()
    return passed / rates.groupby("lr")["tests"].sum()


def _rate_finding(rates: pd.DataFrame) -> str:
    """Who passes half of its best over most decades."""
    spans = {}
    for optimizer, of in rates.groupby("optimizer", sort=False):
        line = _passed_by_rate(of)
        good = line[line >= line.max() / 2].index.to_numpy()
        spans[str(optimizer)] = float(good.max() / good.min()) if line.max() > 0 else 1.0
    widest = max(spans, key=lambda name: spans[name])
    factor = number(spans[widest], 2)
    return f"{capital(name_of(widest))} passes half of its best over a factor of {factor} in learning rate"


def _flag_finding(facts: UnitTestsFacts) -> str:
    return (
        f"{facts.each.telling:,} of {facts.tests:,} tests tell optimizers apart that are tuned test by test, "
        f"{facts.one.telling:,} with one learning rate"
    )


def _share_table(facts: UnitTestsFacts) -> TextTable:
    columns = {"optimizer": "optimizer", "one": "passed, one lr [90%]", "lr": "that lr", "each": "passed, own lr [90%]"}
    rows = [
        {
            "optimizer": name,
            "one": _share(facts.one, name) if facts.one.telling else "–",
            "lr": number(facts.one.lr[name]),
            "each": _share(facts.each, name) if facts.each.telling else "–",
        }
        for name in (_order(facts.one) if facts.one.telling else facts.optimizers)
    ]
    caption = (
        "Shares of the tests that tell optimizers apart. Intervals resample functions, for variants of one are alike: "
        f"n = {facts.functions} functions."
    )
    return TextTable(columns, rows, caption)


def _group_table(groups: pd.DataFrame) -> TextTable:
    shown: Sequence[str] = ("tests", "telling", "everybody", "nobody", "no_way_down", "solved")
    columns = {"group": "group", "choice": "learning rate", **{name: name.replace("_", " ") for name in shown}}
    rows = [
        {"group": str(row.group), "choice": str(row.choice), **{name: f"{getattr(row, name):,}" for name in shown}}
        for row in groups.itertuples()
    ]
    return TextTable(columns, rows, folded="Which tests tell nothing, by group")
