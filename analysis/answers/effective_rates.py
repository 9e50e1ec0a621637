"""Effective learning rates, update-to-weight ratios and the noise of gradients, beside how the loss goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.answers.panels import THEORY, EndLabel, label_ends, look_of, panel, span, write
from analysis.answers.part import Part, Plate, TextTable, capital, count, name_of, question_of
from analysis.figures.style import drawing
from analysis.measures.results import table_rows
from analysis.record.exhibits import Exhibit
from analysis.record.exhibits.effective_rates import EffectiveRatesFacts
from analysis.words import listing, number, times

__all__ = ["effective_rates_part", "effective_rates_reading"]

COLUMNS = {
    "loss": "loss",
    "update_ratio": "|Δx| / |x|",
    "step_middle": "effective step",
    "signal_to_noise": "|G| / √tr Σ",
    "noise_scale": "noise scale, examples",
}
"""What is drawn of a problem, a panel each, with the name of its axis."""


def effective_rates_part(exhibit: Exhibit[EffectiveRatesFacts]) -> Part:
    """The part on the exhibit ``effective-rates``."""
    rates = exhibit.table("rates").replace([np.inf, -np.inf], np.nan)
    seeds = rates.groupby("problem")["seed"].nunique()
    plates = []
    with drawing():
        for place, (problem, of) in enumerate(rates.groupby("problem", sort=False)):
            shown = [column for column in COLUMNS if (of[column] > 0).any()]
            panels = {f"{place}-{column}": line_panel(of, column, str(problem)) for column in shown}
            finds = {f"{place}-{column}": FINDINGS[column](of) for column in shown}
            caption = (
                f"{problem}, each optimizer at its best learning rate of those tried: the median over "
                f"{count(int(seeds[problem]), 'seed')}. The band around an effective step is the 5% "
                "to the 95% quantile over coordinates; dashed, the batch that is trained with."
            )
            says = dict.fromkeys(panels, "A line an optimizer, by step, on logarithmic axes")
            plates.append(Plate(caption, panels, says, finds))
    return Part(
        name="effective-rates",
        title="Effective learning rates",
        question=question_of(exhibit),
        answer=effective_rates_reading(exhibit.facts),
        plates=plates,
        tables=[_table(rates)],
        data={"rates": exhibit.table("rates")},
    )


def effective_rates_reading(facts: EffectiveRatesFacts) -> list[str]:
    """What the facts say of steps, of weights and of noise, at the end of the runs."""
    said = []
    if facts.over_lr:
        each = [
            f"{name_of(name)} {number(over, 2)}{_apart_text(facts.apart.get(name, 1.0))}"
            for name, over in facts.over_lr.items()
        ]
        said.append(
            f"A coordinate's step over its gradient, in units of lr, at the end of the runs: {listing(each)}. For "
            "gradient descent it is lr by definition."
        )
    if facts.update_ratio:
        each = [f"{name_of(name)} {number(ratio, 2)}" for name, ratio in facts.update_ratio.items()]
        said.append(f"An update moves the weights by this share of their length then: {listing(each)}.")
    scales = [
        f"from {number(of.first, 2)} to {number(of.last, 2)} on {problem} (trained with {of.batch})"
        for problem, of in facts.noise_scale.items()
    ]
    if scales:
        said.append(f"The batch at which signal and noise are equal, the gradient noise scale, goes {listing(scales)}.")
    return said


def line_panel(of: pd.DataFrame, column: str, problem: str) -> Figure:
    """Draw ``column`` of one problem's table ``rates`` by step, a line an optimizer: the medians over seeds."""
    figure, axes = panel(3.1)
    labels, most = [], [1.0]
    for optimizer, runs in of.groupby("optimizer", sort=False):
        look, line = look_of(str(optimizer)), runs.groupby("step")[column].median()
        axes.plot(line.index, line, color=look.color, ls=look.line, marker=look.marker, ms=3.5)
        if column == "step_middle":
            low, high = (runs.groupby("step")[end].median() for end in ("step_low", "step_high"))
            axes.fill_between(line.index, low, high, color=look.color, alpha=0.12, lw=0)
        labels.append(EndLabel(0, float(line.iloc[-1]), str(optimizer), look.color))
        most.append(float(runs["step"].max()))
    values = of[["step_low", "step_middle", "step_high"]] if column == "step_middle" else of[column]
    span(axes, "y", values.to_numpy(), margin=1.4)
    span(axes, "x", most, margin=1.0)
    if column == "noise_scale":
        axes.axhline(float(of["batch"].iloc[0]), **THEORY)
    label_ends(axes, labels, size=7.5)
    write(axes, "step", COLUMNS[column], problem)
    return figure


def _last(of: pd.DataFrame, column: str) -> pd.Series[float]:
    """The value of ``column`` at the last step for each optimizer that has one, the median over seeds."""
    last: pd.Series[float] = of[of["step"] == of["step"].max()].groupby("optimizer", sort=False)[column].median()
    return last.dropna()


def _lowest_loss(of: pd.DataFrame) -> str:
    last = _last(of, "loss")
    return (
        f"{capital(name_of(str(last.idxmin())))} ends lowest, at {number(float(last.min()), 2)}" if len(last) else "–"
    )


def _ratio_finding(of: pd.DataFrame) -> str:
    last = _last(of, "update_ratio")
    if not len(last):
        return "No run finished"
    ends = f"{number(float(last.min()), 2)} ({name_of(str(last.idxmin()))})"
    return f"Updates end between {ends} and {number(float(last.max()), 2)} of x ({name_of(str(last.idxmax()))})"


def _step_finding(of: pd.DataFrame) -> str:
    apart = (_last(of, "step_high") / _last(of, "step_low")).dropna()
    if not len(apart):
        return "No run finished"
    widest = str(apart.idxmax())
    return f"{capital(name_of(widest))}'s coordinates end furthest apart, {times(float(apart.max()))}"


def _signal_finding(of: pd.DataFrame) -> str:
    first, last = (float(of[of["step"] == end]["signal_to_noise"].median()) for end in of["step"].agg(["min", "max"]))
    return f"A batch's gradient is {number(first, 2)} parts signal to one of noise at first, {number(last, 2)} at last"


def _scale_finding(of: pd.DataFrame) -> str:
    first, last = (float(of[of["step"] == end]["noise_scale"].median()) for end in of["step"].agg(["min", "max"]))
    goes = "grows" if last > first else "falls"
    return f"The noise scale {goes} from {number(first, 2)} to {number(last, 2)}"


FINDINGS: dict[str, Callable[[pd.DataFrame], str]] = {
    "loss": _lowest_loss,
    "update_ratio": _ratio_finding,
    "step_middle": _step_finding,
    "signal_to_noise": _signal_finding,
    "noise_scale": _scale_finding,
}
"""What each panel shows, in words."""


def _apart_text(apart: float) -> str:
    return f" (its coordinates {times(apart)} apart)" if apart > 1.05 else ""


def _table(rates: pd.DataFrame) -> TextTable:
    columns = {
        "problem": "problem",
        "optimizer": "optimizer",
        "lr": "lr",
        "loss": "loss",
        "update_ratio": "|Δx| / |x|",
        "step_low": "effective step, 5%",
        "step_middle": "median",
        "step_high": "95%",
        "coordinate_signal_to_noise": "a coordinate's |G| / σ",
        "noise_scale": "noise scale",
    }
    numbers = [key for key in columns if key not in ("problem", "optimizer")]
    last = rates[rates["step"] == rates["step"].max()]
    each = last.groupby(["problem", "optimizer"], sort=False, as_index=False)[numbers].median()
    rows = [{key: number(row[key]) if key in numbers else str(row[key]) for key in columns} for row in table_rows(each)]
    return TextTable(columns, rows, "At the last step, medians over seeds.", folded="Every problem and optimizer")
