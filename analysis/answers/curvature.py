"""Curvature along runs against what each rule bears, and the divergence boundary that it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import THEORY, EndLabel, label_ends, look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, name_of, question_of
from analysis.figures.style import GREY, drawing
from analysis.measures.predicted_boundary import pairs
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.curvature import CurvatureFacts, RateRatio
from analysis.statistics.arrays import Array
from analysis.words import listing, number

__all__ = ["curvature_part", "curvature_reading"]

DETAILED: Final = 1
"""Problems whose runs are drawn in full, an optimizer a panel: those whose curvature changes most."""

AT_THE_EDGE: Final = 1.5
"""Within this factor of its limit a run counts as at the edge of stability."""

PREDICTORS: Final = {
    "predicted": "limit / largest eigenvalue of P⁻¹H at the start",
    "critical": "critical rate at the start",
}
"""What is held against the measured boundary, by the name of its column."""

ALIKE: Final = 1.1
"""Two predictions that are off by factors so close are as good as each other."""


def curvature_part(exhibit: Exhibit[CurvatureFacts]) -> Part:
    """The part on the exhibit ``curvature``."""
    facts, boundary, runs = exhibit.facts, exhibit.table("boundary"), exhibit.table("runs")
    each = pairs(boundary)
    fast = runs[runs["share"] == runs["share"].max()]
    detailed, edged = _changing_most(fast), _by(fast[fast["edge"] > 0], "problem")
    with drawing():
        boundaries = {
            name: boundary_panel(each, f"{name}_lr", called)
            for name, called in PREDICTORS.items()
            if each[f"{name}_lr"].between(0, np.inf, inclusive="neither").any()
        }
        edges = {f"edge-{place}": edge_panel(of, str(name)) for place, (name, of) in enumerate(edged)}
        runs_of = {
            f"runs-{problem}-{optimizer}": sharpness_panel(of, f"{name_of(str(optimizer))} on {problem}")
            for problem in detailed
            for optimizer, of in _by(fast[fast["problem"] == problem], "optimizer")
        }
    share = f"{float(runs['share'].max()):.0%}" if len(runs) else ""
    edge_finds = {f"edge-{place}": _edge_finding(of) for place, (_, of) in enumerate(edged)}
    run_finds = {
        f"runs-{problem}-{optimizer}": _run_finding(of)
        for problem in detailed
        for optimizer, of in _by(fast[fast["problem"] == problem], "optimizer")
    }
    plates = [
        Plate(
            "The learning rate from which on runs no longer end below their start, against what is known before the "
            "first step; a dot is a problem and an optimizer, the median over seeds, an arrow one that no rate tried "
            "made fail. Dashed: as predicted. (a) From the largest eigenvalue of P⁻¹H and the rule's own limit; (b) "
            "from the rate at which the first step would raise the loss.",
            boundaries,
            dict.fromkeys(boundaries, "Measured against predicted boundary, a dot a problem and optimizer"),
            _boundary_findings(facts),
        ),
        Plate(
            f"The largest eigenvalue of P⁻¹H over limit / lr, step by step, at {share} of the largest stable rate; the "
            "median over seeds. Dashed: the edge of stability.",
            edges,
            dict.fromkeys(edges, "Distance from the edge of stability by step, a line an optimizer"),
            edge_finds,
        ),
        Plate(
            "The same runs in full: largest eigenvalue of H (grey) and of P⁻¹H (solid), critical sharpness (dots), and "
            "limit / lr (dashed). Where P is nothing the first two are one.",
            runs_of,
            dict.fromkeys(runs_of, "Curvature by step in three measures, and the limit"),
            run_finds,
        ),
    ]
    return Part(
        name="curvature",
        title="Curvature, and where training fails",
        question=question_of(exhibit),
        answer=curvature_reading(facts),
        plates=[plate for plate in plates if plate.panels],
        tables=[_table(boundary)],
        data={"boundary": boundary, "runs": runs},
    )


def curvature_reading(facts: CurvatureFacts) -> list[str]:
    """What the facts say of predictions and of the edge of stability."""
    said = []
    if facts.measured_over_predicted:
        each = [f"{name_of(name)} {_ratio_text(of)}" for name, of in facts.measured_over_predicted.items()]
        said.append(
            "Curvature at the start predicts the divergence boundary within a factor of 2 for "
            f"{facts.within_twice} of {count(facts.pairs, 'pair')} of problem and optimizer. Measured over predicted "
            f"rate, median and range over problems: {listing(each)}."
        )
    at_edge = [name for name, value in facts.at_the_edge.items() if 1 / AT_THE_EDGE <= value <= AT_THE_EDGE]
    if at_edge:
        values = [f"{name_of(name)} ({number(facts.at_the_edge[name], 2)})" for name in at_edge]
        said.append(
            f"Just below the boundary {listing(values)} train{'s' * (len(values) == 1)} at the edge of stability: the "
            "largest eigenvalue of P⁻¹H ends near limit / lr (the number is their ratio)."
        )
    critical, predicted = facts.measured_over_critical, facts.measured_over_predicted
    passes = f"Critical rates, found by {number(facts.forward_passes)} forward passes,"
    if predicted:
        better = listing([name_of(name) for name in _better(critical, predicted)] or ["no optimizer"])
        said.append(f"{passes} are the better prediction for {better}.")
    alone = [f"{name_of(name)} {_ratio_text(of)}" for name, of in critical.items() if name not in predicted]
    if alone:
        said.append(
            f"{passes} are all there is where a rule has no preconditioner; measured over them: {listing(alone)}."
        )
    return said


def boundary_panel(each: pd.DataFrame, predictor: str, called: str) -> Figure:
    """Draw the measured boundary against the rate ``called`` in column ``predictor``, a dot a pair of ``each``."""
    figure, axes = panel(3.7)
    known = each[np.isfinite(each[predictor]) & (each[predictor] > 0)]
    ends: Array = np.r_[known[predictor], known["measured_lr"], known["largest_stable_lr"]]
    span(axes, "x", ends, margin=2)
    span(axes, "y", ends, margin=2)
    axes.plot(axes.get_xlim(), axes.get_xlim(), **THEORY)
    for optimizer, of in _by(known, "optimizer"):
        look = look_of(str(optimizer))
        found = of[of["measured_lr"].notna()]
        axes.plot(
            found[predictor],
            found["measured_lr"],
            look.marker,
            color=look.color,
            mec="white",
            ms=7,
            label=str(optimizer),
        )
        open_ended = of[of["measured_lr"].isna() & of["largest_stable_lr"].notna()]
        axes.plot(open_ended[predictor], open_ended["largest_stable_lr"], "^", color=look.color, mfc="none", ms=8)
    axes.legend(loc="best", fontsize=7.5)
    write(axes, f"{called} (lr)", "measured boundary (lr)", "Measured against predicted")
    return figure


def edge_panel(fast: pd.DataFrame, problem: str) -> Figure:
    """Draw how far the runs of one problem are from their edge, a line an optimizer; the edge is at 1."""
    figure, axes = panel(3.3)
    labels, known = [], fast[fast["edge"] > 0]
    for optimizer, of in _by(known, "optimizer"):
        look, line = look_of(str(optimizer)), of.groupby("step")["edge"].median()
        axes.plot(line.index + 1, line, color=look.color, ls=look.line, marker=look.marker, ms=4)
        labels.append(EndLabel(0, float(line.iloc[-1]), str(optimizer), look.color))
    axes.axhline(1, **THEORY)
    span(axes, "y", np.r_[known["edge"], 1.0], margin=1.5)
    span(axes, "x", known["step"] + 1, margin=1.0)
    label_ends(axes, labels, size=7.5)
    write(axes, "step + 1", "eigenvalue of P⁻¹H over limit / lr", problem)
    return figure


def sharpness_panel(of: pd.DataFrame, shows: str) -> Figure:
    """Draw the three measures of curvature of one pair's runs by step, and the limit."""
    figure, axes = panel(3.1)
    line = (
        of.replace([np.inf], np.nan)
        .groupby("step")[["sharpness", "preconditioned", "critical", "limit_over_lr"]]
        .median()
    )
    at, color = line.index + 1, look_of(str(of["optimizer"].iloc[0])).color
    axes.plot(at, line["sharpness"], color=GREY, lw=2.6)
    axes.plot(at, line["preconditioned"], color=color)
    axes.plot(at, line["critical"], "o", color=color, ms=4)
    axes.plot(at, line["limit_over_lr"], **THEORY)
    span(axes, "y", line.to_numpy(), margin=1.5)
    span(axes, "x", at, margin=1.0)
    ends = [EndLabel(0, float(line["sharpness"].iloc[-1]), "H", GREY)]
    if line["preconditioned"].notna().any():
        ends.append(EndLabel(0, float(line["preconditioned"].iloc[-1]), "P⁻¹H", color))
        ends.append(EndLabel(0, float(line["limit_over_lr"].iloc[-1]), "limit / lr", "#222222"))
    label_ends(axes, ends, size=7.5)
    write(axes, "step + 1", "curvature", shows)
    return figure


def _boundary_findings(facts: CurvatureFacts) -> dict[str, str]:
    """The titles of the two panels of boundaries."""
    predicted = facts.measured_over_predicted
    if not predicted:
        return {"predicted": "No rule here has a preconditioner", "critical": _critical_finding(facts)}
    nearest = min(predicted, key=lambda name: abs(np.log(predicted[name].median)))
    farthest = max(predicted, key=lambda name: abs(np.log(predicted[name].median)))
    near = f"{capital(name_of(nearest))} fails at {number(predicted[nearest].median, 2)} times the predicted rate"
    far = f", {name_of(farthest)} at {number(predicted[farthest].median, 2)}" if farthest != nearest else ""
    return {"predicted": near + far, "critical": _critical_finding(facts)}


def _critical_finding(facts: CurvatureFacts) -> str:
    critical = facts.measured_over_critical
    if not critical:
        return "No first step lowers the loss"
    nearest = min(critical, key=lambda name: abs(np.log(critical[name].median)))
    ratio = number(critical[nearest].median, 2)
    return f"{capital(name_of(nearest))} fails at {ratio} times the critical rate of its first step"


def _edge_finding(of: pd.DataFrame) -> str:
    last = of[(of["step"] == of["step"].max()) & of["edge"].notna()].groupby("optimizer", sort=False)["edge"].median()
    near = [name_of(str(name)) for name, value in last.items() if 1 / AT_THE_EDGE <= value <= AT_THE_EDGE]
    if not len(last):
        return "No rule here has an edge"
    return (
        f"{capital(listing(near))} {'end' if len(near) > 1 else 'ends'} at the edge"
        if near
        else "Nobody ends at the edge"
    )


def _run_finding(of: pd.DataFrame) -> str:
    """How the largest eigenvalue of the Hessian goes in the runs of one pair."""
    line = of.groupby("step")["sharpness"].median().dropna()
    if not len(line):
        return "Critical sharpness alone is known"
    ratio = float(line.iloc[-1] / line.iloc[0])
    if not ratio > 0:
        return "The Hessian's largest eigenvalue changes its sign"
    return f"The Hessian's largest eigenvalue ends at {number(ratio, 2)} times its first"


def _changing_most(fast: pd.DataFrame) -> list[str]:
    """The problems whose Hessian's largest eigenvalue, where positive, changes by the largest factor along runs."""
    positive = fast[fast["sharpness"] > 0]
    factors = positive.groupby(["problem", "optimizer"], sort=False)["sharpness"].agg(lambda s: s.max() / s.min())
    changes = factors.astype(float).groupby("problem", sort=False).median().sort_values(ascending=False, kind="stable")
    return [str(name) for name in changes.index[:DETAILED]]


def _better(one: Mapping[str, RateRatio], other: Mapping[str, RateRatio]) -> list[str]:
    """The optimizers whose boundary ``one`` predicts better than ``other`` does, by the median."""
    off = {name: abs(float(np.log(of.median))) for name, of in one.items()}
    rival = {name: abs(float(np.log(of.median))) for name, of in other.items()}
    return [name for name, value in off.items() if value + np.log(ALIKE) < rival.get(name, 0.0)]


def _ratio_text(of: RateRatio) -> str:
    if of.n == 1:
        return number(of.median, 2)
    return f"{number(of.median, 2)} [{number(of.low, 2)}, {number(of.high, 2)}]"


def _by(frame: pd.DataFrame, column: str) -> list[tuple[object, pd.DataFrame]]:
    return list(frame.groupby(column, sort=False))


def _table(boundary: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "optimizer": "optimizer",
        "sharpness": "eigenvalue of H",
        "preconditioned": "of P⁻¹H",
        "limit": "limit",
        "predicted_lr": "predicted lr",
        "critical_lr": "critical lr",
        "largest_stable_lr": "largest stable lr",
        "measured_lr": "measured boundary",
    }
    numbers = [key for key in columns if key not in ("problem", "optimizer")]
    each = boundary.groupby(["problem", "optimizer"], sort=False, as_index=False)[numbers].median()
    rows = [{key: number(row[key]) if key in numbers else str(row[key]) for key in columns} for row in table_rows(each)]
    return TextTable(columns, rows, "At the start, medians over seeds.", folded="Every problem and optimizer")
