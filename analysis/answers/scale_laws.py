"""How the best learning rate moves with batch size, horizon and width, with the laws that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import EndLabel, label_ends, look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, name_of, question_of, seeds_text
from analysis.figures.style import INK, drawing
from analysis.measures.rate_laws import RATE_SWEEPS, RateSweep
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.scale_laws import ScaleLawsFacts
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text, listing, number

__all__ = ["rates_panel", "scale_laws_part", "scale_laws_reading"]

AXES: Final[Mapping[RateSweep, str]] = {
    "batch, equal steps": "batch size, at equal steps",
    "batch, equal samples": "batch size, at equal samples",
    "horizon": "horizon T in steps",
    "width": "width",
}
OWN: Final = ("constant", "square root", "linear", "critical batch", "surge")
"""The laws over batches, as the tables name them."""


def scale_laws_part(exhibit: Exhibit[ScaleLawsFacts]) -> Part:
    """The part on the exhibit ``scale-laws``."""
    tables = {name: exhibit.table(name) for name in ("curves", "best", "fits", "laws")}
    return Part(
        name=exhibit.name,
        title="Laws of scale",
        question=question_of(exhibit),
        answer=scale_laws_reading(tables, exhibit.facts),
        plates=[_plate(problem, tables, exhibit.facts) for problem in exhibit.facts.problems],
        tables=[_table(tables["fits"]), *([_shares(tables["laws"])] if len(tables["laws"]) else [])],
        data=tables,
    )


def scale_laws_reading(tables: Mapping[str, pd.DataFrame], facts: ScaleLawsFacts) -> list[str]:
    """What holds over each sweep, whether muP keeps the best learning rate, and what closed forms say of it."""
    fits, found = tables["fits"], []
    for sweep in RATE_SWEEPS[:3]:
        part = fits[(fits["sweep"] == sweep) & fits["exponent"].notna()]
        groups: dict[str, list[str]] = {}
        for row in table_rows(part):
            groups.setdefault(_verdict(row), []).append(_of(row))
        if groups:
            texts = [f"{verdict} for {listing(cases)}" for verdict, cases in groups.items()]
            found.append(f"Best learning rate over the {AXES[sweep]}: {'; '.join(texts)}.")
    found += _width_sentences(fits[fits["sweep"] == "width"])
    if facts.exact:
        found.append(
            f"Where the best learning rate is known in closed form, gradient descent on the noisy quadratic, the "
            f"measured interval holds it at {facts.exact_inside} of {facts.exact} places."
        )
    edge = (tables["best"]["edge"] > 0.5).mean()
    if edge > 0.05:
        found.append(f"At {edge:.0%} of the places the best learning rate is at an end of its grid, and is left out.")
    return found or ["No best learning rate lies within the grid: widen `lrs`."]


def _width_sentences(fits: pd.DataFrame) -> list[str]:
    """The exponent in the width, under the standard parametrization and under muP."""
    rows = [row for row in table_rows(fits) if np.isfinite(row["exponent"])]
    own = [row for row in rows if row["parametrization"] == "standard"]
    mup = [row for row in rows if row["parametrization"] != "standard"]
    found = []
    if own:
        found.append(f"Over the width it goes as a power: {listing([_of(row) for row in own])}.")
    if mup:
        kept = sum(row["low"] <= 0 <= row["high"] for row in mup)
        cases = listing([_of(row) for row in mup])
        found.append(f"Under muP it stays, to its interval, in {kept} of {len(mup)} cases: {cases}.")
    return found


def _of(row: Mapping[str, Any]) -> str:
    """Whose best learning rate, where, and the power it goes as."""
    return f"{name_of(str(row['optimizer']))} on {row['problem']} (power {_signed(float(row['exponent']))})"


def _verdict(row: Mapping[str, Any]) -> str:
    verdict = str(row["verdict"])
    if verdict in ("neither", "cannot be told"):
        return "no law fits" if verdict == "neither" else "no law can be told"
    return f"{verdict}, N = {number(row['noise_scale'], 2)}" if np.isfinite(row["noise_scale"]) else verdict


def _estimate(row: Mapping[str, Any]) -> str:
    if not np.isfinite(row["exponent"]):
        return f"– ({int(row['censored'])} at an end)"
    return estimate_text(Estimate(row["exponent"], row["low"], row["high"], int(row["seeds"])), _signed)


def _signed(value: float) -> str:
    """An exponent to two decimals."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _plate(problem: str, tables: Mapping[str, pd.DataFrame], facts: ScaleLawsFacts) -> Plate:
    """The best learning rates of one problem, a panel a sweep that it answers."""
    best = tables["best"][tables["best"]["problem"] == problem]
    fits = tables["fits"][tables["fits"]["problem"] == problem]
    panels, says, finds = {}, {}, {}
    with drawing():
        for sweep in RATE_SWEEPS:
            part, fitted = best[best["sweep"] == sweep], fits[fits["sweep"] == sweep]
            if part["lr"].notna().any():
                name = f"{_slug(problem)}-{_slug(sweep)}"
                panels[name] = rates_panel(part, sweep)
                says[name] = f"Best learning rate on {problem} over the {AXES[sweep]}, a line an optimizer"
                finds[name] = _finding(fitted, sweep)
    return Plate(
        f"{problem}: the learning rate of the lowest mean gap, with its 90% interval "
        f"({seeds_text(facts.seeds) or 'one seed'}); hollow at an end of the grid. Dashed: the law nearest to it over "
        "batches, else a power law. Crosses: the exact best one, where it is known. Squares and dotted lines: muP.",
        panels,
        says,
        finds,
        subject=problem,
    )


def _finding(fits: pd.DataFrame, sweep: RateSweep) -> str:
    """What a panel shows: of the optimizer with the steepest law."""
    told = fits[fits["exponent"].notna()]
    if told.empty:
        return "The best learning rate is at an end of its grid"
    if sweep == "width" and (told["parametrization"] != "standard").any():
        size = told.assign(size=told["exponent"].abs()).groupby(told["parametrization"] == "standard")["size"].max()
        if {True, False} <= set(size.index):
            return f"Over width, powers up to {size[True]:.2f}; under muP up to {size[False]:.2f}"
    row = max(table_rows(told), key=lambda row: abs(row["exponent"]))
    grows, power = sweep.split(",")[0], _signed(float(row["exponent"]))
    return f"Up to the power {power} of the {grows}, by {name_of(str(row['optimizer']))}"


def rates_panel(best: pd.DataFrame, sweep: RateSweep) -> Figure:
    """Draw the best learning rates of one problem over one sweep, with intervals, laws and exact places."""
    figure, axes = panel(3.4)
    labels, groups = [], best.groupby(["optimizer", "parametrization"], sort=False)
    for (optimizer, kind), part in groups:
        line, color, plain = part.sort_values("x"), look_of(str(optimizer)).color, kind == "standard"
        for row in table_rows(line[line["lr"].notna()]):
            axes.vlines(row["x"], row["low"], row["high"], color=color, lw=1.6)
            axes.plot(
                row["x"],
                row["lr"],
                "o" if plain else "s",
                color=color,
                mfc="white" if row["edge"] > 0.5 else color,
                ms=5,
            )
        axes.plot(line["x"], line["law"], color=color, lw=1.2, ls=(0, (4, 2)) if plain else ":")
        axes.plot(line["x"], line["exact"], "x", color=INK, ms=7, zorder=5)
        last = line["law"].where(line["law"].notna(), line["lr"]).iloc[-1]
        labels.append(EndLabel(0, float(last), f"{name_of(str(optimizer))}{'' if plain else ', muP'}", color))
    span(axes, "x", best["x"], margin=1.15)
    span(axes, "y", np.r_[best["low"], best["high"], best["exact"].dropna()], margin=1.4)
    axes.set_xticks(sorted(best["x"].unique()), [str(x) for x in sorted(best["x"].unique())])
    axes.minorticks_off()
    label_ends(axes, labels, size=8)
    write(axes, AXES[sweep], "best learning rate", "")
    return figure


def _table(fits: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "optimizer": "optimizer",
        "sweep": "what grows",
        "parametrization": "parametrization",
        "exponent": "exponent [90%]",
        "verdict": "verdict",
        "law": "nearest law",
        "misfit": "off by, decades",
    }
    rows = [
        {
            "problem": str(row["problem"]),
            "optimizer": name_of(str(row["optimizer"])),
            "sweep": str(row["sweep"]),
            "parametrization": str(row["parametrization"]),
            "exponent": _estimate(row),
            "verdict": _verdict(row),
            "law": str(row["law"] or "power law"),
            "misfit": number(row["law_misfit"] if row["law"] else row["misfit"], 2),
        }
        for row in table_rows(fits)
    ]
    return TextTable(columns, rows, folded="Every exponent and law as a table")


def _shares(laws: pd.DataFrame) -> TextTable:
    """In how many resamples each law over batches is the nearest."""
    cases = laws.pivot_table(index=["problem", "optimizer", "sweep"], columns="law", values="share", sort=False)
    columns = {"case": "", **{law: law for law in OWN}}
    rows: Sequence[Mapping[str, str]] = [
        {
            "case": f"{name_of(str(key[1]))} on {key[0]}, {key[2]}",
            **{law: f"{float(case[law]):.0%}" for law in OWN},
        }
        for key, case in ((tuple(map(str, at)), row) for at, row in cases.iterrows())  # type: ignore[call-overload]
    ]
    return TextTable(
        columns, rows, "Share of resamples of the seeds in which a law is the nearest.", folded="Laws over batches"
    )


def _slug(text: str) -> str:
    """``text`` as part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
