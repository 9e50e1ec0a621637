"""Part 6, exercise 2: where a scale for each coordinate stops helping when the problem is turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from analysis.answers.panels import EndLabel, floored, label_ends, look_of, matrix, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, exactly, name_of, question_of
from analysis.figures.style import INK, drawing
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.rotation import RotationFacts
from analysis.statistics.arrays import Array
from analysis.words import listing, number, times

__all__ = ["alone_text", "leads", "rotation_part", "rotation_reading"]

SMALLEST = 1e-16
"""Share of the start's loss that counts as solved: double precision leaves nothing below."""
BOOK_CONDITION = 20.0
LOST = 1e3
"""Share of the start's loss that a diverged run counts as."""
COMPARED = frozenset({"sgd", "rmsprop"})
ADAGRADS = ("adagrad-full", "adagrad")
MOST_DECADES = 6.0
"""Decades either way that colours tell apart."""
AHEAD = 10.0
"""How many times lower a loss must be to count as help: twenty steps leave no smaller lead to chance of the lr grid."""


def rotation_part(exhibit: Exhibit[RotationFacts]) -> Part:
    """The part on the exhibit ``rotation``."""
    losses, book = exhibit.table("losses"), exhibit.table("book")
    best = losses[losses["rule"] == "best"]
    fewer, more = (int(losses["steps"].agg(which)) for which in ("min", "max"))
    with drawing():
        panels = {
            "best": angle_panel(best, fewer, f"Best η at every angle, {fewer} steps"),
            "fixed": angle_panel(losses[losses["rule"] == "fixed"], fewer, f"η chosen at 0°, {fewer} steps"),
            "long": angle_panel(best, more, f"Best η at every angle, {more} steps"),
            "help": help_panel(best, fewer),
        }
    return Part(
        name="rotation",
        title="Exercise 2: the turned problem",
        question=question_of(exhibit),
        answer=rotation_reading(exhibit),
        plates=[
            Plate(
                f"Final loss as a share of the start's against the rotation, condition number {BOOK_CONDITION:g}: (a) "
                "η chosen anew at every angle, what the method can do at all; (b) η kept from 0°, what happens to "
                f"somebody who did not know; (c) as (a) after {more} steps. (d) Decades by which RMSProp ends below "
                "(blue) or above (red) gradient descent, both at their best η, for every condition number."
                f"{alone_text(best, fewer)}",
                panels,
                {
                    "best": "Loss against rotation angle, learning rate tuned at every angle",
                    "fixed": "Loss against rotation angle, learning rate tuned at angle 0",
                    "long": "Loss against rotation angle after many steps",
                    "help": "Map of RMSProp against gradient descent over angle and condition number",
                },
                _finds(losses),
            )
        ],
        tables=[*([_lead_table(losses)] if set(losses["optimizer"]) >= COMPARED else []), _table(book)],
        data={"losses": losses, "rates": exhibit.table("rates"), "book": book},
    )


def leads(losses: pd.DataFrame, steps: int) -> tuple[Array, dict[float, Array]]:
    """The angles ``[N]`` and, by condition number, how many times as high as RMSProp gradient descent ends at each.

    ``losses`` is the exhibit's table of that name; ``steps`` selects its rows. Both at their best η. A diverged run
    counts as `LOST` times its start, less than `SMALLEST` of it as solved.
    """
    sides = []
    for optimizer in ("sgd", "rmsprop"):
        part = losses[(losses["rule"] == "best") & (losses["steps"] == steps) & (losses["optimizer"] == optimizer)]
        angles, conditions, share = matrix(part[part["condition"] > 1], "condition", "angle", "share")
        sides.append(np.nan_to_num(floored(share, SMALLEST), nan=LOST))
    return angles, dict(zip(conditions.tolist(), sides[0] / sides[1], strict=True))


def rotation_reading(exhibit: Exhibit[RotationFacts]) -> list[str]:
    """Where RMSProp leads gradient descent, early and late, who does not notice the rotation, and the book's.

    Of those who do not, full-matrix Adagrad is compared with Adagrad.
    """
    losses = exhibit.table("losses")
    calm = [name_of(name) for name in exhibit.facts.invariant]
    sentences = []
    if set(losses["optimizer"]) >= COMPARED:
        fewer, more = (int(losses["steps"].agg(which)) for which in ("min", "max"))
        sentences = [_early(losses, fewer), _late(losses, more)]
    if calm:
        sentences.append(f"Turning the problem does not change what {listing(calm)} can reach.")
    if set(losses["optimizer"]) >= set(ADAGRADS):
        sentences.append(_full_matrix(losses, int(losses["steps"].min())))
    return [*sentences, *_book(exhibit.table("book"))]


def _early(losses: pd.DataFrame, steps: int) -> str:
    """The lead along the axes and across them, and at how many angles it is worth having."""
    angles, lead = leads(losses, steps)
    line, middle, worst = lead[BOOK_CONDITION], int(np.argmin(np.abs(angles - 45))), max(lead)
    text = (
        f"After {steps} steps, both at their best η, gradient descent ends {times(float(line[0]))} as high as RMSProp "
        f"at 0° and {times(float(line[middle]))} as high at {number(angles[middle])}°. RMSProp leads {AHEAD:g} times "
        f"at {np.sum(line >= AHEAD)} of {len(angles)} angles"
    )
    if worst == BOOK_CONDITION:
        return f"{text}."
    return f"{text}; at condition number {number(worst)}, at {np.sum(lead[worst] >= AHEAD)}."


def _finds(losses: pd.DataFrame) -> dict[str, str]:
    """At how many angles RMSProp leads gradient descent, and what η kept from 0° costs it."""
    fewer, more = (int(losses["steps"].agg(which)) for which in ("min", "max"))
    if not set(losses["optimizer"]) >= COMPARED:
        return dict.fromkeys(("best", "fixed", "long", "help"), "Loss by angle")
    (angles, early), (_, late) = leads(losses, fewer), leads(losses, more)
    line, worst = early[BOOK_CONDITION], max(early)
    mine = losses[(losses["condition"] == BOOK_CONDITION) & (losses["steps"] == fewer)]
    mine = mine[mine["optimizer"] == "rmsprop"].sort_values("angle")
    shares = (mine.loc[mine["rule"] == rule, "share"] for rule in ("fixed", "best"))
    fixed, best = (np.nan_to_num(floored(share, SMALLEST), nan=LOST) for share in shares)
    return {
        "best": f"RMSProp leads gradient descent tenfold at {np.sum(line >= AHEAD)} of {len(angles)} angles",
        "fixed": f"η kept from 0° costs RMSProp up to {times(float((fixed / best).max()))} the loss",
        "long": f"After {more} steps RMSProp leads gradient descent at {np.sum(late[BOOK_CONDITION] > 1)} of "
        f"{len(angles)} angles",
        "help": f"At condition number {number(worst)} RMSProp leads tenfold at "
        f"{np.sum(early[worst] >= AHEAD)} of {len(angles)} angles",
    }


def _late(losses: pd.DataFrame, steps: int) -> str:
    """At how many angles RMSProp leads at all in the long run."""
    angles, lead = leads(losses, steps)
    ahead, worst = {at: int(np.sum(line > 1)) for at, line in lead.items()}, max(lead)
    text = f"After {steps} steps it leads at {ahead[BOOK_CONDITION]} of {len(angles)} angles"
    if ahead[BOOK_CONDITION] == 0:
        text += ", for a constant η keeps it in its two-cycle while descent goes on"
    return f"{text}." if worst == BOOK_CONDITION else f"{text}; at condition number {number(worst)}, at {ahead[worst]}."


def _full_matrix(losses: pd.DataFrame, steps: int) -> str:
    """What Adagrad's matrix reaches at every angle, and its diagonal alone."""
    part = losses[(losses["rule"] == "best") & (losses["steps"] == steps) & (losses["condition"] == BOOK_CONDITION)]
    full, diagonal = (part[part["optimizer"] == name].sort_values("angle") for name in ADAGRADS)
    solved = [int((side["share"] <= SMALLEST).sum()) for side in (full, diagonal)]
    worst = [number(float(side["share"].fillna(np.inf).max()), 2) for side in (full, diagonal)]
    return (
        f"Adagrad with the full matrix in place of its diagonal scales directions, not coordinates: after {steps} "
        f"steps at its best η it has solved f, to double precision, at {solved[0]} of {len(full)} angles and ends at "
        f"{worst[0]} of the start's loss at the worst; with the diagonal alone at {solved[1]}, and at {worst[1]}."
    )


def _lead_table(losses: pd.DataFrame) -> TextTable:
    """At how many angles RMSProp leads gradient descent, for each condition number."""
    fewer, more = (int(losses["steps"].agg(which)) for which in ("min", "max"))
    (angles, early), (_, late) = leads(losses, fewer), leads(losses, more)
    columns = {
        "condition": "condition number",
        "tenfold": f"angles of {len(angles)} with a lead of {AHEAD:g} times, {fewer} steps",
        "early": f"with any lead, {fewer} steps",
        "late": f"with any lead, {more} steps",
    }
    rows = [
        {
            "condition": number(at),
            "tenfold": f"{np.sum(early[at] >= AHEAD)}",
            "early": f"{np.sum(early[at] > 1)}",
            "late": f"{np.sum(late[at] > 1)}",
        }
        for at in early
    ]
    return TextTable(columns, rows, "RMSProp against gradient descent, both at their best η.")


def _book(book: pd.DataFrame) -> list[str]:
    steps = int(book["steps"].min())
    rows = book[(book["optimizer"] == "rmsprop") & (book["steps"] == steps)].drop_duplicates("problem")
    ends = rows.set_index("problem")["loss"]
    if not {"ellipse", "ellipse-rotated"} <= set(ends.index):
        return []
    flat, turned = float(ends["ellipse"]), float(ends["ellipse-rotated"])
    if not turned < np.inf:
        return [f"The exercise itself, RMSProp at η = {number(float(rows['lr'].iloc[0]))}, diverges on the turned f."]
    return [
        f"The exercise itself, RMSProp at η = {number(float(rows['lr'].iloc[0]))}: loss {number(flat, 2)} after "
        f"{steps} steps on f, {number(turned, 4)} on the turned f, {times(turned / flat)} as much "
        "(the exercise's function is f turned by 45° and twice as steep)."
    ]


def alone_text(best: pd.DataFrame, steps: int) -> str:
    """What the field where RMSProp does worst is worth, where it is unlike all around it; else nothing."""
    angles, found = leads(best, steps)
    conditions, lead = list(found), np.log10(list(found.values()))
    row, column = np.unravel_index(int(np.argmin(lead)), lead.shape)
    near = lead[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    if near.size == 1 or lead[row, column] > -1 or np.sort(near, axis=None)[1] - lead[row, column] < 1:
        return ""
    return (
        f" The field of condition number {number(conditions[row])} at {number(angles[column])}° stands alone, a factor "
        "of ten and more from every neighbour: no η of the grid suits RMSProp there, and a finer one might."
    )


def angle_panel(losses: pd.DataFrame, steps: int, title: str) -> Figure:
    """Draw the share of the start's loss against the angle at the book's condition number, a line an optimizer."""
    figure, axes = panel()
    part = losses[(losses["condition"] == BOOK_CONDITION) & (losses["steps"] == steps)]
    span(axes, "y", floored(part["share"], SMALLEST), most=100.0, margin=2.5)
    labels, top = [], axes.get_ylim()[1]
    for optimizer, line in part.groupby("optimizer", sort=False):
        ordered, look = line.sort_values("angle"), look_of(str(optimizer))
        share = floored(ordered["share"], SMALLEST)
        axes.plot(ordered["angle"], share, color=look.color, marker=look.marker, ms=4, mew=0)
        lost = ordered["angle"][~np.isfinite(share)]
        axes.plot(lost, np.full(lost.size, top), "X", color=look.color, mec="white", ms=7, clip_on=False)
        end = float(share[-1]) if np.isfinite(share[-1]) else top
        labels.append(EndLabel(90, end, name_of(str(optimizer)), look.color))
    axes.axhline(1, color=INK, lw=0.8, ls=":")
    axes.set_xlim(0, 90)
    axes.set_xticks([0, 15, 30, 45, 60, 75, 90])
    label_ends(axes, labels)
    write(axes, "rotation, degrees", "loss, share of the start's", title)
    return figure


def help_panel(best: pd.DataFrame, steps: int) -> Figure:
    """Draw decades of loss between gradient descent and RMSProp over angle and condition number."""
    import seaborn as sns

    figure, axes = panel()
    angles, found = leads(best, steps)
    lead = -np.log10(list(found.values()))
    most = min(max(float(np.abs(lead).max()), 0.1), MOST_DECADES)
    fields = pd.DataFrame(lead, index=[number(value) for value in found], columns=[number(angle) for angle in angles])
    bar = {"pad": 0.02, "extend": _beyond(lead, most), "label": "log₁₀ (RMSProp / descent)"}
    sns.heatmap(fields[::-1], ax=axes, cmap="RdBu_r", norm=TwoSlopeNorm(0, -most, most), xticklabels=3, cbar_kws=bar)
    axes.tick_params(labelrotation=0)
    write(axes, "rotation, degrees", "condition number", f"RMSProp against gradient descent, {steps} steps")
    return figure


def _beyond(lead: Array, most: float) -> str:
    """At which ends a colour scale of ``most`` decades either way holds not all of ``lead``, in matplotlib's words."""
    low, high = bool((lead < -most).any()), bool((lead > most).any())
    return "both" if low and high else "min" if low else "max" if high else "neither"


def _table(book: pd.DataFrame) -> TextTable:
    columns = {"optimizer": "optimizer", "problem": "problem", "lr": "η", "steps": "steps", "x": "x", "loss": "loss"}
    rows = [
        {
            "optimizer": name_of(str(row["optimizer"])),
            "problem": str(row["problem"]),
            "lr": number(row["lr"]),
            "steps": str(int(row["steps"])),
            "x": "diverged" if np.isnan(row["loss"]) else f"({exactly(row['x1'], 6)}, {exactly(row['x2'], 6)})",
            "loss": number(row["loss"], 4),
        }
        for row in table_rows(book)
    ]
    return TextTable(columns, rows, folded="The exercise as the book sets it, every optimizer")
