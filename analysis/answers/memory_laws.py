"""How the best memory moves with batch size and horizon, over the losses, with the two published laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from analysis.answers.panels import BOOK, EndLabel, label_ends, look_of, matrix, panel, write
from analysis.answers.part import Part, Plate, TextTable, capital, name_of, question_of, seeds_text
from analysis.figures.style import INK, drawing, place_ticks
from analysis.measures.axis import Axis
from analysis.measures.memory_laws import EXPONENTS, SWEEPS, Sweep, law_gammas, memories
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.memory_laws import MemoryLawsFacts
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text, listing, number

__all__ = ["memory_laws_part"]

WORST: Final = 10.0
"""How many times the lowest gap of its column the palest colour of a map is."""

WIDEST: Final = 2.0
"""The largest exponent that is drawn; further ones are at the border."""

LAW_LOOKS: Final = {"samples": (BOOK, "-", "half-life\nin samples"), "refreshes": (INK, "--", "(1 − γ)T\nconstant")}
OUTLINE: Final = [Stroke(linewidth=3.4, foreground="white"), Normal()]
SHOWN: Final[Mapping[Sweep, tuple[str, str]]] = {
    "equal steps": ("batch", "batch size, at equal steps"),
    "horizon": ("steps", "horizon T in steps"),
}
"""The sweeps with a map, what grows in each, and its words: those over which the laws part."""

SAYS: Final = {
    "samples": "the half-life stays constant in samples",
    "refreshes": "(1 − γ)·T stays constant",
    "constant": "the best γ does not move",
    "neither": "the best γ moves by neither law",
    "cannot be told": "no law can be told",
}


def memory_laws_part(exhibit: Exhibit[MemoryLawsFacts]) -> Part:
    """The part on the exhibit ``memory-laws``."""
    tables = {name: exhibit.table(name) for name in ("map", "best", "fits", "verdicts")}
    facts = exhibit.facts
    plates = [_plate(problem, tables, facts) for problem in facts.problems]
    with drawing():
        panels = {f"exponents-{_slug(sweep)}": exponents_panel(tables["fits"], facts, sweep) for sweep in SWEEPS}
    forest = Plate(
        "The exponent of the best memory in what grows, for every problem and optimizer, with an interval over "
        f"resampled seeds that is 90% for the three of a problem together ({seeds_text(facts.seeds) or 'one seed'}). "
        "Vertical lines: the exponents of the laws. Where there is no point the best γ is at an end of the grid.",
        panels,
        dict.fromkeys(panels, "Exponents of the best memory with their intervals, laws as vertical lines"),
        {f"exponents-{_slug(sweep)}": _forest_finding(tables["fits"], sweep) for sweep in SWEEPS},
    )
    return Part(
        name=exhibit.name,
        title="Laws of memory",
        question=question_of(exhibit),
        answer=memory_laws_reading(tables),
        plates=[forest, *plates],
        tables=[_table(tables["fits"], tables["verdicts"])],
        data=tables,
    )


def memory_laws_reading(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Which law holds where, and how much a γ away from the best one costs."""
    rows, found = table_rows(tables["verdicts"]), []
    for verdict, says in SAYS.items():
        where = [f"{name_of(str(row['optimizer']))} on {row['problem']}" for row in rows if row["verdict"] == verdict]
        if where:
            found.append(capital(f"{says} for {listing(where)}."))
    best = tables["best"]
    low, high = (1 - best[end].to_numpy(dtype=np.float64) for end in ("flat_low", "flat_high"))
    flat = np.log10(low / high)
    if np.isfinite(flat).any():
        found.append(
            f"γ may be off: with lr tuned, all γ within {number(float(np.nanmedian(flat)), 2)} decades of "
            "1 − γ (median over the maps) end within 1.1 times the lowest gap."
        )
    edge = tables["map"]["lr_edge"].mean()
    if edge > 0.05:
        found.append(f"At {edge:.0%} of the points the best learning rate is at an end of its grid: widen `lrs`.")
    return found


def _forest_finding(fits: pd.DataFrame, sweep: Sweep) -> str:
    """What the exponents over one sweep come to."""
    part = fits[fits["sweep"] == sweep]
    known = part["exponent"].dropna()
    if known.empty:
        return f"{capital(sweep)}: every best γ is at an end of the grid"
    ends = _signed(float(known.min())), _signed(float(known.max()))
    powers = f"the power {ends[0]}" if len(known) == 1 else f"powers from {ends[0]} to {ends[1]}"
    return f"{capital(sweep)}: {powers}, {len(known)} of {len(part)} known"


def _plate(problem: str, tables: Mapping[str, pd.DataFrame], facts: MemoryLawsFacts) -> Plate:
    """The maps of one problem: for each optimizer over batch and over horizon."""
    panels, says, finds = {}, {}, {}
    of = {name: table[table["problem"] == problem] for name, table in tables.items() if name != "verdicts"}
    with drawing():
        for optimizer in facts.optimizers:
            mine = {name: table[table["optimizer"] == optimizer] for name, table in of.items()}
            for sweep in SHOWN:
                name = f"{_slug(problem)}-{_slug(optimizer)}-{_slug(sweep)}"
                best = mine["best"][mine["best"]["sweep"] == sweep]
                panels[name] = law_map(mine["map"], best, sweep, name_of(optimizer))
                says[name] = f"Gap of {optimizer} on {problem} over γ and {SHOWN[sweep][1]}, with the laws as lines"
                fit = mine["fits"][mine["fits"]["sweep"] == sweep].iloc[0]
                finds[name] = _finding(fit, optimizer)
    return Plate(
        f"{problem}: the mean gap by γ, each column over its lowest, the learning rate tuned at every point "
        f"({seeds_text(facts.seeds) or 'one seed'}). Dots: the best γ with its 90% interval; hollow where it is at an "
        "end of the grid. Lines through the middle of the dots: a half-life constant in samples (solid), and (1 − γ)·T "
        "constant (dashed).",
        panels,
        says,
        finds,
        subject=problem,
    )


def _finding(fit: Any, optimizer: str) -> str:
    """What a map shows."""
    if not np.isfinite(fit["exponent"]):
        return f"{capital(name_of(optimizer))}: the best γ is at an end of the grid"
    told = "half-life" if fit["told"] == "half-life" else "window"
    return f"{capital(name_of(optimizer))}: the {told} goes as the power {_signed(float(fit['exponent']))}"


def law_map(table: pd.DataFrame, best: pd.DataFrame, sweep: Sweep, words: str) -> Figure:
    """Draw the gap over memory and what grows, the best memory with its interval, and the laws through its middle.

    ``table`` and ``best`` are the exhibit's, of one problem and optimizer and, ``best``, of one ``sweep``.
    """
    grows, label = SHOWN[sweep]
    points = set(zip(best["batch"], best["steps"], strict=True))
    kept = table[[pair in points for pair in zip(table["batch"], table["steps"], strict=True)]]
    x, gammas, gaps = matrix(kept, "memory", grows, "gap")
    across, up = Axis(grows, "log", np.nan, x), Axis(str(table["knob"].iloc[0]), "log1m", np.nan, gammas)
    figure, axes = panel(3.4)
    shown = np.ma.masked_invalid(gaps / np.nanmin(np.where(np.isfinite(gaps), gaps, np.nan), axis=0))
    image = axes.pcolormesh(
        across.edges,
        up.edges,
        shown,
        cmap=mpl.colormaps["viridis_r"].with_extremes(bad="#dedede"),
        norm=LogNorm(1, WORST),
        rasterized=True,
    )
    axes.grid(visible=False)
    labels = _laws(axes, best.sort_values("x"), sweep, up)
    _dots(axes, best, up)
    axes.set_xlim(across.edges[0], across.edges[-1])
    axes.set_ylim(up.edges[0], up.edges[-1])
    axes.set_xticks(across.at, [f"{int(each)}" for each in x])
    place_ticks(axes, "y", up)
    bar = figure.colorbar(image, ax=axes, location="top", aspect=40, fraction=0.04, pad=0.1, extend="max")
    bar.set_label(f"{words}: gap over the lowest of its column", fontsize=8)
    bar.set_ticks([1, 2, 5, 10], labels=["1", "2", "5", "10"])
    bar.minorticks_off()
    label_ends(axes, labels, size=7.5)
    write(axes, label, "γ" if up.name == "gamma" else "β₂", "")
    return figure


def _laws(axes: Axes, best: pd.DataFrame, sweep: Sweep, up: Axis) -> list[EndLabel]:
    """Draw both laws through the middle of the best memories that are within the grid; their labels."""
    told = best[(best["edge"] <= 0.5) & best["memory"].notna()]
    if told.empty:
        return []
    x, labels = np.log10(best["x"].to_numpy(dtype=np.float64)), []
    middle = float(np.log10(told["x"]).mean())
    level = float(np.log10(memories(sweep, told["memory"].to_numpy(dtype=np.float64))).mean())
    ends = np.array([x.min() - 0.2, x.max() + 0.2])
    for law, (color, style, text) in LAW_LOOKS.items():
        places = up.place(law_gammas(sweep, 10 ** (level + EXPONENTS[law][sweep] * (ends - middle))))
        axes.plot(ends, places, color=color, ls=style, lw=1.8, path_effects=OUTLINE, zorder=4)
        labels.append(EndLabel(0, float(np.clip(places[-1], up.edges[0], up.edges[-1])), text, color))
    return labels


def _dots(axes: Axes, best: pd.DataFrame, up: Axis) -> None:
    """Draw the best memories with their intervals; hollow where they are censored."""
    for row in table_rows(best):
        at, low, high = up.place([row["memory"], row["low"], row["high"]])
        if not np.isfinite(at):
            continue
        x, censored = np.log10(row["x"]), row["edge"] > 0.5
        axes.vlines(x, low, high, color="white", lw=3.2, zorder=5)
        axes.vlines(x, low, high, color=INK, lw=1.3, zorder=5.1)
        axes.plot(x, at, "o", ms=6, color="none" if censored else INK, mec=INK if censored else "white", zorder=6)


def exponents_panel(fits: pd.DataFrame, facts: MemoryLawsFacts, sweep: Sweep) -> Figure:
    """Draw the exponents over one sweep with their intervals, a row a problem and optimizer; laws as vertical lines."""
    cases = [(problem, optimizer) for problem in facts.problems for optimizer in facts.optimizers]
    figure, axes = panel(0.36 * len(cases) + 1.5)
    values = {law: says[sweep] for law, says in EXPONENTS.items()}
    for value in sorted(set(values.values())):
        names = "\nor ".join(law for law, own in values.items() if own == value)
        axes.axvline(value, color=INK, lw=0.9, ls=":")
        axes.annotate(
            names, (value, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="bottom", fontsize=7.5, annotation_clip=False,
        )  # fmt: skip
    for row in table_rows(fits[fits["sweep"] == sweep]):
        y, color = cases.index((row["problem"], row["optimizer"])), look_of(str(row["optimizer"])).color
        low, at, high = np.clip([row["low"], row["exponent"], row["high"]], -WIDEST, WIDEST)
        axes.hlines(y, low, high, color=color, lw=2.2)
        axes.plot(at, y, "o", color=color, ms=6)
    axes.set_xlim(-WIDEST - 0.05, WIDEST + 0.05)
    axes.set_yticks(range(len(cases)), [f"{name_of(b)}\n{a}" for a, b in cases], fontsize=7)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    write(axes, f"exponent of the {'window over the' if sweep == 'horizon' else 'half-life,'} {sweep}", "", "")
    return figure


def _table(fits: pd.DataFrame, verdicts: pd.DataFrame) -> TextTable:
    columns = {"problem": "problem", "optimizer": "optimizer"}
    columns |= {str(sweep): f"exponent, {sweep}" for sweep in SWEEPS}
    columns |= {"verdict": "verdict", "why": "because"}
    texts = {(row["problem"], row["optimizer"], row["sweep"]): _exponent_text(row) for row in table_rows(fits)}
    rows = [
        {
            "problem": str(row["problem"]),
            "optimizer": name_of(str(row["optimizer"])),
            **{str(sweep): texts[row["problem"], row["optimizer"], sweep] for sweep in SWEEPS},
            "verdict": SAYS[str(row["verdict"])],
            "why": str(row["why"]),
        }
        for row in table_rows(verdicts)
    ]
    said = "; ".join(
        f"{law}: {', '.join(f'{number(says[sweep])} ({sweep})' for sweep in SWEEPS)}" for law, says in EXPONENTS.items()
    )
    return TextTable(columns, rows, f"Exponents of the laws: {said}.", folded="The exponents as a table")


def _exponent_text(fit: Any) -> str:
    """An exponent with its interval, and what was left out."""
    if not np.isfinite(fit["exponent"]):
        return f"– ({int(fit['censored'])} at an end)"
    return estimate_text(Estimate(fit["exponent"], fit["low"], fit["high"], int(fit["seeds"])), _signed)


def _signed(value: float) -> str:
    """An exponent to two decimals."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _slug(text: str) -> str:
    """``text`` as part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
