"""What the numbers of a problem say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.measures.lr_sensitivity import RateCurve
from analysis.measures.paired_tests import seeds_to_decide
from analysis.words import interval_text, listing, number, times

__all__ = ["problem_reading"]

Row = Mapping[str, Any]


def problem_reading(rows: Sequence[Row], curves: Mapping[str, RateCurve]) -> list[str]:
    """Return the sentences for one problem from its rows of the results table and its learning-rate curves by label."""
    if rows[0]["unequal"]:
        said = [f"No optimizer is named the best, for {rows[0]['unequal']}.", _defaults(rows), _lost(rows)]
        return [sentence for sentence in said if sentence]
    best = [row for row in rows if row["best"]]
    if not best and not any(row["trials"] for row in rows):
        return ["Nothing was tuned here: the landscape says which settings work."]
    if not best:
        return ["No tuned setting of any optimizer survived its test seeds: every one diverged or was never found."]
    sentences = [_winner(best, rows), _margin(best[0], curves.get(best[0]["label"])), _defaults(rows), _lost(rows)]
    return [sentence for sentence in sentences if sentence]


def _winner(best: Sequence[Row], rows: Sequence[Row]) -> str:
    first = best[0]
    names = listing([row["label"] for row in best])
    what = "gap to the floor" if first["measure"] == "gap" else "loss"
    if len(best) > 1:
        solved = "reach the floor within rounding" if first["tuned"] <= first["smallest"] else "end equally low"
        both, value = "both" if len(best) == 2 else "all", interval_text(first, "tuned", interval=False)
        return f"{names} {both} {solved} ({what} {value})."
    seeds = "" if first["exact"] else f" over {first['tuned_n']} test seed{'s' if first['tuned_n'] > 1 else ''}"
    value = interval_text(first, "tuned", interval=not first["exact"])
    sentence = f"{names} ends lowest: {what} {value}{seeds} at {first['hyperparameters']}"
    close = [row["label"] for row in rows if row["tied"]]
    if close and first["exact"]:
        return f"{sentence}; {listing(close)} end{'s' if len(close) == 1 else ''} within 1% of it."
    if close:
        needed = seeds_to_decide(sum(math.isfinite(row["tuned"]) for row in rows) - len(best))
        few = "" if first["tuned_n"] >= needed else f": that takes {needed} test seeds"
        return f"{sentence}, but {listing(close)} {'is' if len(close) == 1 else 'are'} not told apart from it{few}."
    rest = [row for row in rows if not row["best"] and math.isfinite(row["tuned"])]
    if rest and first["tuned"] > 0:
        second = min(rest, key=lambda row: row["tuned"])
        ratio = second["tuned"] / max(first["tuned"], first["smallest"])
        return f"{sentence}; the next, {second['label']}, ends {times(ratio)} as high."
    return f"{sentence}."


def _margin(best: Row, curve: RateCurve | None) -> str:
    if curve is None or curve.best is None:
        return ""
    near = "twice its best" if curve.measure.log else "a tenth of the way from its best to the start"
    low, high = curve.near_best or (math.nan, math.nan)
    follows = f", with {curve.second} at its best for each rate," if curve.second else ""
    sentence = f"The learning rate of {best['label']} may move{follows} "
    sentence += f"from {number(low, 2)} to {number(high, 2)}" if low < high else "by less than a step of the grid"
    sentence += f" and still end within {near}"
    return f"{sentence}; {_limit(curve)}."


def _limit(curve: RateCurve) -> str:
    """Return what ends the useful rates: runs that end above their start come first where both do."""
    lost, failed = curve.factor_to_divergence, curve.factor_to_failure
    if failed is not None and (lost is None or failed < lost):
        end = "none of the grid diverges" if lost is None else f"at {times(lost)} they diverge"
        return f"from {times(failed)} its best rate on, runs end above their start; {end}"
    if lost is None:
        return "no rate of the grid above the best one diverges"
    return f"{times(lost)} its best rate, runs diverge"


def _defaults(rows: Sequence[Row]) -> str:
    """Return what it costs to leave each optimizer at its default setting: divergence first, then ratios."""
    lost = [row["label"] for row in rows if row["default_n"] and math.isinf(row["default"])]
    costs = {
        row["label"]: row["default"] / max(row["tuned"], row["smallest"])
        for row in rows
        if row["default_n"] and math.isfinite(row["default"]) and math.isfinite(row["tuned"]) and row["tuned"] > 0
    }
    begin = "Staying at the defaults costs"
    if lost:
        begin = f"At the default setting{'s' if len(lost) > 1 else ''}, {listing(lost)} diverge"
        begin += "" if len(lost) > 1 else "s"
        if not costs:
            return f"{begin}."
        begin += "; of the others, staying there costs"
    if not costs:
        return ""
    if len(costs) == len(rows) == 1:
        (label,) = costs
        return f"At its default setting, {label} ends {times(costs[label])} as high as tuned."
    least, most = min(costs, key=lambda label: costs[label]), max(costs, key=lambda label: costs[label])
    if costs[most] <= 1.1:
        return f"{begin} nothing."
    end = "" if len(costs) == 1 else f" and least with {least} ({times(costs[least])})"
    if costs[least] <= 1.1:
        end = f" and nothing with {least}"
    return f"{begin} most with {most} ({times(costs[most])} its tuned value){end}."


def _lost(rows: Sequence[Row]) -> str:
    parts = [
        f"the {setting} run of {row['label']}"
        if row[f"{setting}_n"] == 1
        else f"{row[f'{setting}_diverged']} of {row[f'{setting}_n']} {setting} runs of {row['label']}"
        for row in rows
        for setting in ("tuned", "default")
        if row[f"{setting}_diverged"]
    ]
    edges = [f"{row['label']} ({row['at_edge']})" for row in rows if row["at_edge"]]
    sentence = f"Diverged: {listing(parts)}." if parts else ""
    if edges:
        sentence += (
            f" The winner lies at the edge of the search range for {listing(edges)}: a wider range may do better."
        )
    return sentence.strip()
