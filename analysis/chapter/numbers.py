"""Part 1: every number printed in the chapter's family, ours beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.answers.panels import BOOK, panel, write
from analysis.answers.part import Part, Plate, Row, TextTable, capital, count, exactly, question_of, seeds_text
from analysis.figures.style import GREY, PALETTE, drawing, wrapped
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.numbers import NumbersFacts
from analysis.words import listing, number

__all__ = ["numbers_part", "numbers_reading"]

SAME: Final = 0.5
"""Standard deviations between seeds within which the means of two data sets tell the same story."""
MOST_ROWS: Final = 12
"""Runs that one panel shows; more are shown in two, so that panels beside each other are about as high."""
DIAMOND: Final[dict[str, Any]] = {"marker": "D", "mec": "white", "ms": 5.5}
SYMBOLS: Final = {"x1": "x₁", "x2": "x₂"}
COLUMNS: Final = {
    "section": "d2l",
    "title": "run",
    "setting": "setting",
    "quantity": "of",
    "printed": "the book",
    "ours": "ours",
    "verdict": "verdict",
}


def numbers_part(exhibit: Exhibit[NumbersFacts]) -> Part:
    """The part on the exhibit ``numbers``."""
    table, facts = exhibit.table("numbers"), exhibit.facts
    draws = table[table["kind"] == "distribution"]
    regression = draws[(draws["quantity"] == "loss") & (draws["data"] == facts.data)]
    with drawing():
        halves = _halves(regression)
        panels = {name: range_panel(half, "Regression", facts.floor, regression) for name, half in halves.items()}
        finds = {name: _inside(half, "losses") for name, half in halves.items()}
        if len(halves) > 1:
            finds = {name: f"{_ends(half)}: {finds[name]}" for name, half in halves.items()}
        noisy = draws[draws["quantity"].isin(["x1", "x2"])]
        if len(noisy):
            panels["noisy"] = range_panel(noisy, "Noisy descent", 0.0)
            finds["noisy"] = _inside(noisy, "end points of noisy descent")
    differing = [_row(row) for row in table_rows(table[table["verdict"] == "differs"])]
    tables = [TextTable({**COLUMNS, "reason": "why"}, differing, "What differs, and why.")] if differing else []
    if facts.has_file:
        tables.append(_data_table(exhibit.table("data_sets"), _run_labels(table)))
    every = TextTable(
        COLUMNS, [_row(row) for row in table_rows(table)], folded=f"All {len(table)} numbers, ours beside the book's"
    )
    data = {"numbers": table, "outcomes": exhibit.table("outcomes"), "data_sets": exhibit.table("data_sets")}
    return Part(
        name="numbers",
        title="The book's numbers",
        question=question_of(exhibit),
        answer=numbers_reading(table, facts, data["data_sets"]),
        plates=[
            Plate(
                f"Runs that draw random numbers, as distributions over seeds: the bar holds the middle 90% of "
                f"{facts.seeds} seeds for a regression, the dot is the median. Red: what the book prints (diamond: "
                "newest edition; tick: older ones; thin line: lowest to highest printout of all editions). Dotted: the "
                "lowest reachable loss, or the minimum.",
                panels,
                {
                    **dict.fromkeys(halves, "Final loss of regressions, range over seeds, the book's numbers marked"),
                    "noisy": "End points of noisy descent, range over seeds, with the book's numbers marked",
                },
                finds,
            )
        ],
        tables=[*tables, every],
        data={name: frame for name, frame in data.items() if len(frame)},
    )


def numbers_reading(table: pd.DataFrame, facts: NumbersFacts, sets: pd.DataFrame) -> list[str]:
    """How many numbers come out, the chapter's own, and what the surrogate data are worth.

    ``table`` is the exhibit's table ``numbers``, ``sets`` its ``data_sets``.
    """
    sentences = [
        f"Of {count(facts.numbers, 'printed number')}, {facts.exact} come out to the last printed digit, "
        f"{facts.inside} lie within the middle 90% of our seeds, and {facts.differs} do neither"
        + (", each for a reason given below." if facts.differs else ".")
    ]
    own = table[(table["optimizer"] == "rmsprop") & (table["problem"] == "ellipse")]
    points = {row["quantity"]: row for row in table_rows(own)}
    if {"x1", "x2"} <= points.keys():
        ours, book = (
            ", ".join(exactly(points[which][column], int(points[which]["digits"])) for which in ("x1", "x2"))
            for column in ("ours", "printed")
        )
        sentences.append(f"RMSProp on the ellipse ends at ({ours}); the book prints ({book}).")
    loss = table[(table["optimizer"] == "rmsprop") & (table["quantity"] == "loss") & (table["edition"] == "newest")]
    if len(loss):
        first = table_rows(loss)[0]
        sentences.append(
            f"A printed regression loss is one draw: RMSProp's {exactly(first['printed'], int(first['digits']))} lies "
            f"{'inside' if first['verdict'] == 'inside' else 'outside'} the middle 90% of ours, "
            f"[{first['low']:.4f}, {first['high']:.4f}], at the {first['place']:.0%} point of "
            f"{count(int(first['seeds']), 'seed')}; no loss below {facts.floor:.4f} can be reached at all."
        )
    return [*sentences, *_data(facts, sets, _run_labels(table))]


def _halves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of ``table`` as panels: half of the runs each where they are more than `MOST_ROWS`."""
    runs = list(dict.fromkeys(table["run"]))
    if len(runs) <= MOST_ROWS:
        return {"regression": table}
    first = table["run"].isin(runs[: (len(runs) + 1) // 2])
    return {"regression": table[first], "regression-more": table[~first]}


def _ends(runs: pd.DataFrame) -> str:
    """From which run to which ``runs`` go."""
    return capital(f"{runs['title'].iloc[0]} to {runs['title'].iloc[-1]}")


def _inside(table: pd.DataFrame, what: str) -> str:
    """How many of the numbers that the newest edition prints lie within the range over our seeds."""
    newest = table[table["edition"] != "older"]
    within = int(((newest["low"] <= newest["printed"]) & (newest["printed"] <= newest["high"])).sum())
    return f"{within} of {len(newest)} printed {what} lie within our middle 90%"


def _data(facts: NumbersFacts, sets: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """Whether the surrogate tells the same story as the real file, where that was at hand."""
    if not facts.has_file:
        return [
            "The regression here runs on the surrogate, rows with exactly the second moments of the airfoil data; with "
            "the real file at hand (--data) this part sets the two beside each other."
        ]
    shifts = {
        labels[str(one["run"])]: abs(one["mean"] - other["mean"]) / max(other["deviation"], 1e-12)
        for one, other in _pairs(sets)
    }
    same, apart = ({run: shift for run, shift in shifts.items() if (shift < SAME) == near} for near in (True, False))
    text = f"On {len(same)} of {count(len(shifts), 'run')} the surrogate tells the same story as the real file: "
    text += (
        f"the means differ by at most {number(max(same.values(), default=0.0), 2)} standard deviations between seeds"
    )
    others = [f"{run} ({number(shift, 2)})" for run, shift in apart.items()]
    return [f"{text}; by more on {listing(others)}." if others else f"{text}."]


def _pairs(sets: pd.DataFrame) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every run on the surrogate with the same on the file."""
    files = {row["run"]: row for row in table_rows(sets[sets["data"] == "file"])}
    ours = table_rows(sets[sets["data"] == "surrogate"])
    return [(row, files[row["run"]]) for row in ours if row["run"] in files]


def _data_table(sets: pd.DataFrame, labels: Mapping[str, str]) -> TextTable:
    columns = {"run": "run", "surrogate": "surrogate, mean ± sd", "file": "real file, mean ± sd", "n": "seeds"}
    rows = [
        {
            "run": labels[str(one["run"])],
            "surrogate": f"{one['mean']:.5f} ± {one['deviation']:.5f}",
            "file": f"{other['mean']:.5f} ± {other['deviation']:.5f}",
            "n": str(int(one["seeds"])),
        }
        for one, other in _pairs(sets)
    ]
    return TextTable(columns, rows, folded=f"The surrogate beside the real file, {count(len(rows), 'run')}")


def _row(row: Mapping[str, Any]) -> Row:
    """A number as text, ours to the book's digits where it is exact, else as a range."""
    digits, spread = int(row["digits"]), row["kind"] == "distribution"
    ours = exactly(row["ours"], digits)
    if spread:
        ours, low, high = (exactly(row[key], min(digits + 1, 4)) for key in ("ours", "low", "high"))
        ours = f"{ours} [{low}, {high}]"
    verdicts = {"exact": "exact", "inside": "inside the 90% range", "differs": "differs"}
    edition = "" if row["edition"] in {"all", "newest"} else f" ({row['edition']})"
    return {
        "section": str(row["section"]),
        "title": str(row["title"]) + (" (real file)" if row["data"] == "file" else ""),
        "setting": str(row["setting"]),
        "quantity": SYMBOLS.get(row["quantity"], str(row["quantity"])),
        "printed": exactly(row["printed"], digits) + edition,
        "ours": ours,
        "verdict": verdicts[str(row["verdict"])],
        "reason": str(row["reason"]),
        "mark": str(row["verdict"]),
    }


def range_panel(table: pd.DataFrame, title: str, floor: float, whole: pd.DataFrame | None = None) -> Figure:
    """Draw one row a run and quantity: middle 90% and median of ours, the book's printouts, and the ``floor``.

    ``whole`` is the table whose values the axis spans, and whose titles tell its runs apart.
    """
    runs = table.drop_duplicates(["run", "quantity"])
    figure, axes = panel(0.31 * len(runs) + 1.6)
    for y, row in enumerate(table_rows(runs)):
        printed = table[(table["run"] == row["run"]) & (table["quantity"] == row["quantity"])]
        axes.hlines(y, row["low"], row["high"], color=PALETTE[0], lw=5, alpha=0.35)
        axes.plot(row["ours"], y, "o", color=PALETTE[0], mec="white", ms=6)
        if np.isfinite(row["stored_low"]):
            axes.hlines(y + 0.3, row["stored_low"], row["stored_high"], color=BOOK, lw=1)
        for edition, sign in (("older", {"marker": "|", "ms": 7, "mew": 1.2}), ("newest", DIAMOND)):
            values = printed[(printed["edition"] == "older") == (edition == "older")]["printed"]
            axes.plot(values, np.full(len(values), y + 0.3), color=BOOK, ls="none", **sign)
    axes.axvline(floor, color=GREY, ls=":", lw=1.2)
    every = runs if whole is None else whole.drop_duplicates(["run", "quantity"])
    named = dict(zip(every.index, _labels(table_rows(every)), strict=True))
    axes.set_yticks(range(len(runs)), [wrapped(named[at], 26) for at in runs.index], fontsize=8)
    spanned = (table if whole is None else whole)[["low", "high", "printed", "stored_low", "stored_high"]].to_numpy()
    low, high = (float(pick([pick(spanned[np.isfinite(spanned)]), floor])) for pick in (np.min, np.max))
    axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    axes.set_ylim(len(runs) - 0.3, -0.7)
    axes.grid(visible=False, axis="y")
    ours = Line2D(
        [], [], color=PALETTE[0], marker="o", mec="white", label=f"ours, {seeds_text(int(runs['seeds'].max()))}"
    )
    book = Line2D([], [], color=BOOK, lw=1, label="the book", **DIAMOND)
    figure.legend(handles=[ours, book], loc="outside lower center", ncols=2)
    write(axes, "loss at the end" if "loss" in set(runs["quantity"]) else "coordinate at the end", "", title)
    return figure


def _run_labels(table: pd.DataFrame) -> dict[str, str]:
    """What the figure calls the regressions, by their names in the record."""
    runs = table_rows(table[table["quantity"] == "loss"].drop_duplicates("run"))
    return dict(zip((str(row["run"]) for row in runs), _labels(runs), strict=True))


def _labels(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The titles of runs; with the start of their setting where a title occurs twice, or with a coordinate."""
    titles = [str(row["title"]) for row in runs]
    labels = []
    for row, title in zip(runs, titles, strict=True):
        if row["quantity"] in SYMBOLS:
            labels.append(f"{title}: {SYMBOLS[row['quantity']]}")
        else:
            lead = ", ".join(str(row["setting"]).split(", ")[:2])
            labels.append(f"{title}, {lead}" if titles.count(title) > 1 else title)
    return labels
