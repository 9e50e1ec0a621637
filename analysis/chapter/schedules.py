"""Part 8, exercise 4: should γ change, and what γ's influence is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import EndLabel, floored, label_ends, look_of, panel, sequential, span, write
from analysis.answers.part import Part, Plate, TextTable, count, lost_text, question_of
from analysis.figures.style import GREY, INK, drawing, place_ticks
from analysis.measures.axis import Axis
from analysis.measures.changing_gamma import Contest, contests, contests_frame
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.gamma_schedules import GammaSchedulesFacts
from analysis.words import estimate_text, listing, number, times, value_text

__all__ = ["explained_text", "schedules_part", "schedules_reading"]

RULES: Final = {
    "plain": ("as in the book", look_of("rmsprop").color),
    "corrected": ("bias-corrected", look_of("rmsprop-corrected").color),
}
KINDS: Final = dict(zip(("constant", "gamma=", "lr="), zip(sequential(3), "osD", strict=True), strict=True))
"""A constant γ, one that changes, a constant one under a learning rate that changes: how their schedules begin."""
ANSWERS: Final = {"better": "yes", "worse": "no", "equal": "no (equal within 1%)", "undecided": "not decided"}
"""Should γ change? By the verdict on the way of changing it."""


def schedules_part(exhibit: Exhibit[GammaSchedulesFacts]) -> Part:
    """The part on the exhibit ``gamma-schedules``."""
    tables = {name: exhibit.table(name) for name in ("sensitivity", "shares", "schedules", "threshold")}
    held = _contests(exhibit)
    sensitivity, problem = tables["sensitivity"], str(exhibit.table("sensitivity")["problem"].iloc[0])
    one = sensitivity[sensitivity["problem"] == problem]
    ends = one["gap"].replace(np.inf, np.nan).dropna()
    limits = (float(ends.min()), float(ends.quantile(0.97))) if len(ends) else (1.0, 1.0)
    with drawing():
        shares = {
            f"{rule}": gamma_panel(one[one["rule"] == rule], limits, words)
            for rule, words in (
                ("plain", "Gap by γ, as in the book"),
                ("corrected", "Gap by γ, bias-corrected, all else equal"),
            )
        }
        shares["shares"] = share_panel(tables["shares"])
        shares["threshold"] = threshold_panel(tables["threshold"])
        chosen = {
            f"schedules-{name}": schedule_panel(tables["schedules"][tables["schedules"]["problem"] == name], name)
            for name in exhibit.facts.problems
            if (tables["schedules"]["problem"] == name).any()
        }
    return Part(
        name="gamma-schedules",
        title="Exercise 4: should γ change?",
        question=question_of(exhibit),
        answer=schedules_reading(exhibit),
        plates=[
            Plate(
                f"Gap on {problem} against γ, a line a learning rate, mean over {int(one['seeds'].max())} seeds: (a) "
                "as in the book, (b) with bias correction and nothing else changed. (c) γ's influence there, the "
                "variance over γ of the logarithm of the gap. (d) Where γ itself decides: a sum of n functions that "
                "RMSProp with short memory climbs instead of descending "
                f"({count(int(tables['threshold']['seeds'].max()), 'seed')}).",
                shares,
                {
                    "plain": "Gap against gamma without correction",
                    "corrected": "Gap against gamma with correction",
                    "shares": "Variance over gamma, plain and corrected, by learning rate",
                    "threshold": "Share of seeds that find the minimum against gamma",
                },
                _share_finds(one, tables["shares"], exhibit.facts.thresholds),
            ),
            Plate(
                "γ kept constant against γ that changes, each with its η and γ chosen on tuning seeds: median and "
                "middle 90% of the gap on test seeds. Circles: γ constant (hollow: bias-corrected; dotted line: the "
                "better of both); squares: γ changes; diamonds: γ constant and the learning rate changes.",
                chosen,
                {name: f"Gap of every γ schedule: {name}" for name in chosen},
                _chosen_finds(tables["schedules"], held),
            ),
        ],
        tables=[*([_contest_table(held, tables["schedules"])] if held else []), _table(tables["schedules"])],
        data={**tables, **({"paired": contests_frame(held)} if held else {})},
    )


def schedules_reading(exhibit: Exhibit[GammaSchedulesFacts]) -> list[str]:
    """Whether γ should change, what its influence is made of, whether a schedule of γ wins anywhere, and where γ has a
    threshold.
    """
    facts, shares = exhibit.facts, exhibit.table("shares")
    sentences = [explained_text(shares)] if shares["explained"].notna().any() else []
    return [
        *_should_change(_contests(exhibit)),
        *sentences,
        *_changing(exhibit),
        *_threshold(facts.thresholds, float(exhibit.table("threshold")["gamma"].min())),
    ]


def _contests(exhibit: Exhibit[GammaSchedulesFacts]) -> list[Contest]:
    """γ that changes against γ that does not, a problem at a time, from the recorded runs."""
    schedules = exhibit.table("schedules")
    floors = (schedules["median"] - schedules["gap"]).groupby(schedules["problem"]).median()
    known = {name: float(floors.get(name, np.nan)) for name in exhibit.facts.problems}
    return contests(exhibit.table("runs"), {name: floor for name, floor in known.items() if np.isfinite(floor)})


def _should_change(found: Sequence[Contest]) -> list[str]:
    """Yes or no, on which problems, and by how much the gaps differ."""
    if not found:
        return []
    answers: dict[str, list[str]] = {}
    for each in found:
        ends = f"{each.problem} ({estimate_text(each.ratio)} times the gap)"
        answers.setdefault(ANSWERS[each.verdict].split(" (")[0], []).append(ends)
    text = ", ".join(
        f"{answer} on {listing(answers[answer])}" for answer in ("yes", "no", "not decided") if answer in answers
    )
    seeds = listing([str(n) for n in sorted({each.ratio.n for each in found})])
    return [
        f"{text[0].upper()}{text[1:]}: the way of changing γ that the tuning seeds choose, against the constant γ that "
        f"they choose, paired seed by seed on {seeds} test seeds."
    ]


def _contest_table(found: Sequence[Contest], schedules: pd.DataFrame) -> TextTable:
    """Each contest with what met in it, its ratio and its p-value."""
    titles = schedules.set_index(["problem", "schedule", "rule"])["title"]
    columns = {
        "problem": "problem",
        "changing": "γ that changes",
        "constant": "γ that stays",
        "ratio": "ratio of gaps",
        "seeds": "test seeds",
        "p": "p",
        "answer": "should γ change?",
    }
    rows = [
        {
            "problem": each.problem,
            "changing": str(titles[(each.problem, *each.changing)]),
            "constant": str(titles[(each.problem, *each.constant)]),
            "ratio": estimate_text(each.ratio),
            "seeds": str(each.ratio.n),
            "p": "exact" if np.isnan(each.adjusted) else number(each.adjusted, 2),
            "answer": ANSWERS[each.verdict],
        }
        for each in found
    ]
    return TextTable(
        columns,
        rows,
        "γ that changes against γ that stays constant (with or without bias correction), of each the way of lowest "
        "mean loss on the tuning seeds: median over the test seeds of the ratio of their gaps [its interval by the "
        "sign test: 90%, less where seeds are few], and p by Wilcoxon's signed-rank test, corrected for "
        f"{count(len(found), 'problem')} (Holm).",
    )


def _changing(exhibit: Exhibit[GammaSchedulesFacts]) -> list[str]:
    """What the correction costs or brings once all is tuned, and what a schedule of γ and one of lr do."""
    schedules = exhibit.table("schedules")
    corrected, wins, level, falling = [], [], [], []
    for name in exhibit.facts.problems:
        whole = schedules[(schedules["problem"] == name) & (schedules["diverged"] == 0)]
        rows = table_rows(whole.sort_values("median"))
        held = [row for row in rows if row["schedule"] == "constant"]
        if not held:
            continue  # every constant γ lost a seed: nothing to compare with
        changing = [row for row in rows if str(row["schedule"]).startswith("gamma=")]
        clear = [row for row in changing if row["high"] < held[0]["low"]]
        if clear:
            wins.append(f"{name} (“{clear[0]['title']}”)")
        elif changing:
            level.append(str(name))
        gaps = {str(row["rule"]): row["gap"] for row in held}
        if len(gaps) == len(RULES):
            corrected.append(f"{number(gaps['corrected'] / gaps['plain'], 2)} on {name}")
        falling += [
            f"{number(held[0]['gap'] / row['gap'], 2)} on {name}" for row in rows if str(row["schedule"]) == "lr=linear"
        ]
    sentences = []
    if corrected:
        sentences.append(
            "Without correction a step is longer by 1/√(1 − γᵗ): a schedule of η in disguise. With "
            f"η and γ tuned on both sides the correction multiplies the gap by {listing(corrected)}."
        )
    if wins:
        sentences.append(f"Changing γ beats the best constant γ beyond the spread of the seeds on {listing(wins)}.")
    if level:
        sentences.append(
            f"On {listing(level)} no schedule of γ beats a constant one beyond the spread of the seeds (the middle "
            "90% of single runs)."
        )
    if falling:
        sentences.append(
            f"To let the learning rate fall on a line instead, at constant γ, divides the gap by {listing(falling)}."
        )
    return sentences


def _threshold(thresholds: Mapping[str, float | None], least: float) -> list[str]:
    """From which γ on the finite sum's minimum is found, where not from the ``least`` one tried."""
    found = [
        f"{value_text(float(value), 'log1m')} for n = {n}"
        for n, value in thresholds.items()
        if value is not None and value > least
    ]
    if not found:
        return []
    return [
        f"But γ can decide everything: on a finite sum of n functions RMSProp goes to the minimum only from γ = "
        f"{listing(found)} on, to a step of the grid; below that it walks away."
    ]


def explained_text(shares: pd.DataFrame) -> str:
    """How much of γ's influence is the missing bias correction, for every problem of ``shares``."""
    whole = table_rows(shares[(shares["over"] == "all") & shares["explained"].notna()])
    near = shares[shares["over"] == "sensible"].set_index("problem")["explained"]
    parts = []
    for row in whole:
        share, low, high = (f"{max(0.0, row[f'explained{end}']):.0%}" for end in ("", "_low", "_high"))
        text = f"{share} [{low}, {high}] on {row['problem']}"
        sensible = float(near.get(row["problem"], np.nan))
        parts.append(text + (f" ({sensible:.0%} at sensible η)" if abs(row["explained"] - sensible) > 0.02 else ""))
    least, most = (pick(row["explained"] for row in whole) for pick in (min, max))
    begin = (
        "Most of γ's influence on the final gap is the missing bias correction"
        if least > 0.5
        else "The missing bias correction is part of γ's influence on the final gap"
        if most > 0.5
        else "Little of γ's influence on the final gap is the missing bias correction"
    )
    return f"{begin}: of the variance over γ it explains {listing(parts)}."


def _share_finds(one: pd.DataFrame, shares: pd.DataFrame, thresholds: Mapping[str, float | None]) -> dict[str, str]:
    """How far γ moves the gap with and without correction, what share of that is the correction, and the thresholds."""
    finite = one[np.isfinite(one["gap"]) & (one["gap"] > 0)].groupby(["rule", "lr"])["gap"]
    moves = (finite.max() / finite.min()).groupby("rule").max()  # a rule whose runs all diverge is not in it
    problem = str(one["problem"].iloc[0])
    share = shares[(shares["over"] == "all") & (shares["problem"] == problem)]["explained"].dropna()
    sums = {n: value for n, value in thresholds.items() if value is not None}
    most = max(sums, key=lambda n: sums[n], default=None)
    return {
        "plain": f"As in the book, γ moves the gap by up to {times(float(moves['plain']))}"
        if "plain" in moves
        else "As in the book, every run diverges",
        "corrected": f"Bias-corrected, it moves it by up to {times(float(moves['corrected']))}"
        if "corrected" in moves
        else "Bias-corrected, every run diverges",
        "shares": f"The missing correction is {max(0.0, float(share.iloc[0])):.0%} of γ's influence"
        if len(share)
        else "γ's influence, plain and corrected",
        "threshold": "No γ tried finds the minimum of a finite sum"
        if most is None
        else f"A sum of {most} functions needs γ from {value_text(sums[most], 'log1m')} on",
    }


def _chosen_finds(schedules: pd.DataFrame, held: Sequence[Contest]) -> dict[str, str]:
    """Whether γ should change on each problem."""
    found = {
        f"schedules-{name}": f"Every γ schedule on {name}" + ("" if np.isfinite(gaps).any() else " diverges")
        for name, gaps in schedules.groupby("problem", sort=False)["gap"]
    }
    for each in held:
        does = {"better": "helps", "worse": "hurts", "equal": "changes nothing"}.get(each.verdict, "is not told apart")
        told = f": {number(each.ratio.value)} times the gap" if np.isfinite(each.ratio.value) else ""
        found[f"schedules-{each.problem}"] = f"Changing γ {does} on {each.problem}{told}"
    return found


def gamma_panel(table: pd.DataFrame, limits: tuple[float, float], title: str) -> Figure:
    """Draw the gap against γ, a line a learning rate; both panels share ``limits``."""
    figure, axes = panel()
    axis = Axis("γ", "log1m", float("nan"), np.sort(table["gamma"].unique()))
    labels = []
    rates = table.groupby("lr")
    for color, (rate, run) in zip(sequential(rates.ngroups), rates, strict=True):
        line = run.sort_values("gamma")
        axes.plot(axis.place(line["gamma"]), line["gap"], "o-", color=color, ms=4.5, mew=0)
        labels.append(EndLabel(0, float(line["gap"].iloc[-1]), f"η = {number(float(str(rate)))}", color))
    span(axes, "y", np.clip(table["gap"], *limits), margin=1.4)
    axes.set_ylim(limits[0] / 1.4, limits[1] * 1.4)
    axes.set_xlim(float(axis.at.min()), float(axis.at.max()))
    place_ticks(axes, "x", axis)
    label_ends(axes, labels)
    write(axes, "γ", "gap to the lowest loss", title)
    return figure


def share_panel(shares: pd.DataFrame) -> Figure:
    """Draw the variance over γ of the log gap at every learning rate, plain and corrected."""
    figure, axes = panel()
    part = shares[(shares["problem"] == shares["problem"].iloc[0]) & (shares["over"] == "one")].sort_values("lr")
    for column, (_, color) in RULES.items():
        axes.plot(part["lr"], floored(part[column], 1e-9), "o-", color=color, ms=4.5, mew=0)
    span(axes, "x", part["lr"])
    span(axes, "y", np.r_[floored(part["plain"], 1e-9), floored(part["corrected"], 1e-9)], margin=2)
    label_ends(axes, [EndLabel(0, float(max(part[rule].iloc[-1], 1e-9)), *words) for rule, words in RULES.items()])
    write(axes, "learning rate η", "variance of log₁₀ gap over γ", "Variance over γ at every η")
    return figure


def threshold_panel(threshold: pd.DataFrame) -> Figure:
    """Draw the share of seeds that find the finite sum's minimum against γ, a line a number of components."""
    figure, axes = panel()
    plain = threshold[threshold["rule"] == "plain"]
    axis = Axis("γ", "log1m", float("nan"), np.sort(plain["gamma"].unique()))
    sums = plain.groupby("n")
    for color, marker, (n, line) in zip(sequential(sums.ngroups), cycle("os^Dv"), sums, strict=False):
        ordered = line.sort_values("gamma")
        axes.plot(axis.place(ordered["gamma"]), ordered["found"], marker + "-", color=color, label=f"n = {n}")
    axes.set_ylim(-0.04, 1.06)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="center left")
    place_ticks(axes, "x", axis)
    write(axes, "γ", "seeds that find the minimum", "A finite sum of n functions")
    return figure


def schedule_panel(table: pd.DataFrame, problem: str) -> Figure:
    """Draw median and middle 90% of the gap of every γ schedule on one problem, plain filled, corrected hollow."""
    names = [textwrap.fill(title, 24) for title in table["title"]]
    figure, axes = panel(0.38 * len(names) + 1.2)
    for y, row in enumerate(table_rows(table)):
        plain = row["rule"] == "plain"
        color, marker = next(look for begin, look in KINDS.items() if str(row["schedule"]).startswith(begin))
        low, middle, high = floored([row["gap_low"], row["gap"], row["gap_high"]], 1e-12)
        axes.hlines(y, low, high, color=color, lw=2.2, alpha=0.7)
        axes.plot(middle, y, marker, color=color, mfc=color if plain else "white", mec=color, ms=6.5, zorder=4)
    span(axes, "x", floored(np.r_[table["gap_low"], table["gap"], table["gap_high"]], 1e-12), margin=1.3)
    best = float(max(table.loc[table["schedule"] == "constant", "gap"].min(), 1e-12))
    axes.axvline(best, color=INK if np.isfinite(best) else GREY, lw=0.9, ls=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    write(axes, f"gap, {count(int(table['seeds'].max()), 'test seed')}", "", problem)
    return figure


def _table(schedules: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "title": "γ",
        "rule": "rule",
        "gamma": "base γ",
        "lr": "η",
        "gap": "gap, median [middle 90%]",
        "n": "n",
    }
    rows = [
        {
            "problem": str(row["problem"]),
            "title": str(row["title"]),
            "rule": str(row["rule"]),
            "gamma": "–" if pd.isna(row["gamma"]) else value_text(row["gamma"], "log1m"),
            "lr": number(row["lr"]),
            "gap": f"{number(row['gap'])} [{number(row['gap_low'])}, {number(row['gap_high'])}]{lost_text(row)}",
            "n": str(int(row["seeds"])),
        }
        for row in table_rows(schedules)
    ]
    return TextTable(columns, rows, folded="Every γ schedule as a table")
