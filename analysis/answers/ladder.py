"""Which ingredient of an optimizer helps: every step of the ladder as a difference, with interval and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import look_of, panel, readable, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, question_of
from analysis.figures.style import GREY, INK, drawing, wrapped
from analysis.measures.ladder import Verdict
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.ladder import LadderFacts
from analysis.words import listing, number

__all__ = ["ladder_part", "ladder_reading"]

ROW: Final = 0.36  # inches of a row
NAME: Final = 26  # letters of a line of a name
TOLD: Final = (Verdict.HELPS, Verdict.HURTS)


def ladder_part(exhibit: Exhibit[LadderFacts]) -> Part:
    """The part on the exhibit ``ladder``."""
    facts, ingredients, rungs = exhibit.facts, exhibit.table("ingredients"), exhibit.table("rungs")
    return Part(
        name="ladder",
        title="The ladder",
        question=question_of(exhibit),
        answer=ladder_reading(ingredients, facts),
        plates=[_plate(place, name, ingredients, rungs, facts) for place, name in enumerate(facts.problems, 1)],
        tables=[_table(ingredients), _found(exhibit.table("found"))],
        data={
            "ingredients": ingredients,
            "rungs": rungs,
            "found": exhibit.table("found"),
            "runs": exhibit.table("runs"),
        },
    )


def ladder_reading(ingredients: pd.DataFrame, facts: LadderFacts) -> list[str]:
    """What every problem says of every ingredient, and what is not to be read out of it."""
    told = [
        f"On {name}, {_said(ingredients[(ingredients['problem'] == name) & (ingredients['way'] == way)], before)}."
        for name in facts.problems
        for way, before in (("added", ""), ("alone", "alone, "))
        if ((ingredients["problem"] == name) & (ingredients["way"] == way)).any()
    ]
    decays = ingredients[ingredients["ingredient"] == "weight decay"]["problem"]
    zero = [name for name in facts.at_zero if name in set(decays)]
    told += [
        f"Weight decay pulls to 0, where the minimum of {listing(zero)} lies: its help there is none elsewhere."
    ] * (len(zero) > 0)
    by_names: dict[tuple[str, ...], list[str]] = {}
    for problem, names in facts.left_out.items():
        by_names.setdefault(names, []).append(problem)
    told += [
        f"{capital(listing(names))} {'needs' if len(names) == 1 else 'need'} matrices and "
        f"{'is' if len(names) == 1 else 'are'} left out on {listing(problems)}."
        for names, problems in by_names.items()
    ]
    return told


def _said(rows: pd.DataFrame, before: str) -> str:
    """What one problem says: what helps and hurts by how many steps, and what it does not tell."""
    by = {verdict: table_rows(rows[rows["verdict"] == verdict.value]) for verdict in Verdict}
    said = []
    for verdict, word in ((Verdict.HELPS, "help"), (Verdict.HURTS, "hurt")):
        if by[verdict]:
            each = [
                f"{row['ingredient']} ({_arrow(row)}, {_steps(row)})"
                for row in sorted(by[verdict], key=lambda row: -abs(row["saved"]))
            ]
            said.append(f"{listing(each)} {word}{'s' if len(each) == 1 else ''}")
    for row in by[Verdict.NOTHING]:
        said.append(f"{_name(row)} adds nothing (at most {count(round(row['at_most']), 'step')})")
    if by[Verdict.SOLVED]:
        each = [_name(row) for row in by[Verdict.SOLVED]]
        said.append(f"the problem is solved to rounding with and without {listing(each)}")
    unsure = [_name(row) for row in by[Verdict.UNDECIDED]]
    if unsure:
        few = (
            f"{len(unsure)} ingredients are"
            if len(unsure) > 3
            else f"{listing(unsure)} {'is' if len(unsure) == 1 else 'are'}"
        )
        said.append(f"{few} undecided: the interval is worth too many steps")
    return before + "; ".join(said)


def _name(row: Any) -> str:
    return f"{row['ingredient']} ({_arrow(row)})"


def _arrow(row: Any) -> str:
    return f"{row['before']} → {row['after']}"


def _steps(row: Any) -> str:
    """What a change is worth: the steps that it saves or costs, of all."""
    saved = round(abs(row["saved"]))
    return f"{'saves' if row['saved'] > 0 else 'costs'} {saved} of {row['steps']} steps"


def _plate(place: int, name: str, ingredients: pd.DataFrame, rungs: pd.DataFrame, facts: LadderFacts) -> Plate:
    """The panels of problem number ``place``."""
    rows, levels = (table[table["problem"] == name] for table in (ingredients, rungs))
    changes, ends, seeds = f"ingredients-{place}", f"levels-{place}", int(rows["seeds"].iloc[0])
    with drawing():
        panels = {changes: steps_panel(rows), ends: levels_panel(levels, facts.measures[name])}
    n = f"{facts.studies} searches, {count(seeds, 'test seed')}"
    lowest = min(table_rows(levels), key=lambda row: row["value"])
    return Plate(
        f"{name}: (a) how much higher an optimizer ends with an ingredient than without; left of the line it helps. "
        f"Bars are 90% intervals ({n}); hollow where it is not told apart. Below the rule, ingredients alone. (b) What "
        "tuning finds of every optimizer, with its interval.",
        panels,
        {
            changes: f"Change of the {facts.measures[name]} for each ingredient on {name}, with intervals",
            ends: f"Typical {facts.measures[name]} of each tuned optimizer on {name}, with intervals",
        },
        {
            changes: _finding(rows, facts),
            ends: f"Lowest after tuning: {lowest['optimizer']}, {number(lowest['value'])}",
        },
    )


def _finding(rows: pd.DataFrame, facts: LadderFacts) -> str:
    """What the steps of one problem show."""
    helped = table_rows(rows[rows["verdict"] == Verdict.HELPS.value])
    if not helped:
        return f"No ingredient is found to help by {facts.studies} searches"
    most = max(helped, key=lambda row: row["saved"])
    return f"{capital(str(most['ingredient']))} helps most: it {_steps(most)}"


def steps_panel(rows: pd.DataFrame) -> Figure:
    """Draw the change of every ingredient with its interval, a row a step; ``rows`` are those of one problem."""
    figure, axes = panel(1.2 + ROW * len(rows), width=6.4)
    reach = np.abs(rows[["low", "high", "change"]].to_numpy(dtype=np.float64))
    reach = float(reach[np.isfinite(reach)].max(initial=0)) or 1.0
    for y, row in enumerate(table_rows(rows)):
        color, told = look_of(row["after"]).color, row["verdict"] in {verdict.value for verdict in TOLD}
        low, high, at = (float(np.clip(row[key], -1.1 * reach, 1.1 * reach)) for key in ("low", "high", "change"))
        axes.hlines(y, low, high, color=color, lw=2.2)
        axes.plot(at, y, "o", color=color if told else "white", mec=color, mew=1.6, ms=6.5)
        text = _verdict_text(row)
        axes.annotate(
            text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=readable(color)
        )
    added = int((rows["way"] == "added").sum())
    if 0 < added < len(rows):
        axes.axhline(added - 0.5, color=GREY, lw=0.8)
    axes.axvline(0, color=INK, lw=0.9)
    names = [f"{row['ingredient']}\n{wrapped(_arrow(row), NAME + 14)}" for row in table_rows(rows)]
    axes.set_yticks(range(len(rows)), names, fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-1.15 * reach, 1.15 * reach)
    axes.grid(visible=False, axis="y")
    unit = str(rows["unit"].iloc[0])
    write(axes, f"change, {unit} (left: ends lower)", "", "Each ingredient, added and alone")
    return figure


def _verdict_text(row: Any) -> str:
    """The verdict with the steps that it is worth, as a few words."""
    if row["verdict"] == Verdict.NOTHING.value:
        return f"adds nothing (≤ {round(row['at_most'])} steps)"
    if row["verdict"] in {verdict.value for verdict in TOLD}:
        return f"{row['verdict']}: {'−' if row['saved'] > 0 else '+'}{round(abs(row['saved']))} steps"
    return str(row["verdict"])


def levels_panel(rows: pd.DataFrame, measure: str) -> Figure:
    """Draw what tuning finds of each optimizer with its interval, a row an optimizer; ``rows`` are one problem's."""
    figure, axes = panel(1.2 + ROW * len(rows))
    ends = rows[["value", "low", "high"]].to_numpy(dtype=np.float64)
    finite = ends[np.isfinite(ends)]
    most = float(finite.max(initial=1.0)) * 2
    for y, row in enumerate(table_rows(rows)):
        color = look_of(row["optimizer"]).color
        low, high, at = (min(row[key], most) for key in ("low", "high", "value"))
        axes.hlines(y, low, high, color=color, lw=2.2)
        axes.plot(at, y, "o" if np.isfinite(row["value"]) else "x", color=color, mec=color, ms=6)
    if (finite > 0).all():
        span(axes, "x", ends, most=most, margin=1.4)
    axes.set_yticks(range(len(rows)), [wrapped(str(name), NAME) for name in rows["optimizer"]], fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    words = "gap to the floor" if measure == "gap" else measure
    write(axes, f"{words} after the last step", "", "Every optimizer, tuned alike")
    return figure


def _table(ingredients: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "way": "ingredient is",
        "name": "ingredient",
        "change": "change [90%]",
        "p": "p (Holm)",
        "verdict": "verdict",
        "saved": "steps saved [90%]",
    }
    rows = [
        {
            "problem": str(row["problem"]),
            "way": str(row["way"]),
            "name": _name(row),
            "change": f"{_signed(row['change'])} [{_signed(row['low'])}, {_signed(row['high'])}] {row['unit']}",
            "p": "exact" if np.isnan(row["p_holm"]) else number(row["p_holm"], 2),
            "verdict": str(row["verdict"]),
            "saved": f"{_signed(row['saved'])} [{_signed(row['saved_low'])}, {_signed(row['saved_high'])}] of "
            f"{row['steps']}",
        }
        for row in table_rows(ingredients)
    ]
    return TextTable(columns, rows, folded="Every ingredient as a table")


def _found(found: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "optimizer": "optimizer",
        "hyperparameter": "hyperparameter",
        "values": "found by the searches",
    }
    rows: list[dict[str, str]] = []
    for (problem, optimizer, name), each in found.groupby(["problem", "optimizer", "hyperparameter"], sort=False):
        values: Sequence[str] = [f"{number(row['value'])}{'!' * bool(row['at_edge'])}" for row in table_rows(each)]
        rows.append(
            {
                "problem": str(problem),
                "optimizer": str(optimizer),
                "hyperparameter": str(name),
                "values": ", ".join(values),
            }
        )
    caption = "An exclamation mark: at the edge of its range."
    return TextTable(columns, rows, caption, folded="The settings that were found")


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{number(abs(value), 2)}"
