"""What the title of a figure says: what was found, in a few words; what is plotted stands below it in grey."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import wrapped
from analysis.measures.budget import BudgetCurve, BudgetResult, ReplayCurve
from analysis.measures.landscape_grid import progress
from analysis.measures.profiles import Profile
from analysis.measures.ranking import Ranking
from analysis.measures.transfer import RobustSetting
from analysis.problem_results import ProblemResults
from analysis.statistics.bootstrap import ALPHA
from analysis.words import listing, named_first, number, times

__all__ = [
    "TITLES",
    "budget_finding",
    "finding_of",
    "profiles_finding",
    "ranks_finding",
    "replay_finding",
    "titled",
    "transfer_finding",
]

TITLES: Final = {
    "outcome": "outcome on the test seeds",
    "convergence": "convergence",
    "sensitivity": "sensitivity to the learning rate",
    "landscape": "landscape of the two hyperparameters",
    "horizons": "best setting after fewer steps",
    "trajectory": "trajectories on the contours of the loss",
    "budget": "what tuning buys",
    "replay": "samplers replayed over the landscape",
    "ranks": "mean ranks",
    "profiles": "how soon targets are reached",
    "transfer": "what a setting is worth on another problem",
    "transfer-matrix": "what each problem's setting gives away on each other",
}

SOFT: Final = "#5b6470"
SIZE: Final = 10.5
PAD: Final = 0.04167
"""Inches that a layout leaves above a title, by matplotlib's defaults."""


def titled(figure: Figure, subject: str, name: str, finding: str = "") -> Figure:
    """``figure`` with its title: the ``finding``, and below it in grey what it is of and what it shows; these are the
    title where nothing was found.
    """
    width = int(figure.get_figwidth() / 0.1)
    plain = wrapped(f"{subject}: {TITLES[name]}", width)
    lead = wrapped(finding, int(0.92 * width)) if finding else plain
    text = f"{lead}\n" + " " * bool(finding) if finding else lead
    figure.suptitle(text, x=0.01, ha="left", fontsize=SIZE, fontweight="bold")
    if finding:
        down = PAD + (1 + lead.count("\n")) * 1.25 * SIZE / 72
        figure.text(
            0.01, 1 - down / figure.get_figheight(), plain.split("\n", 1)[0], va="top", fontsize=8.5, color=SOFT
        )
    return figure


def finding_of(results: ProblemResults, name: str) -> str:
    """What the figure ``name`` of a problem shows, as a title; empty where that is nothing to be said in a line."""
    found = FINDINGS.get(name)
    return "" if found is None or results.unequal else found(results)


def _outcome(results: ProblemResults) -> str:
    if not results.best:
        return ""
    best, measure = results.best, results.measure
    names = listing([cell.label for cell in best])
    ended = sorted(cell.tuned.value for cell in results.cells if cell.tuned and cell not in best)
    lowest = best[0].tuned.value if best[0].tuned else math.inf
    if results.undecided:
        return f"Nobody is told apart from the lowest, {names}"
    if len(best) > 1 and lowest <= measure.smallest:
        return f"{names} reach the floor within rounding"
    if results.tied:
        return f"{names} ends lowest, not told apart from {named_first([cell.label for cell in results.tied])}"
    if not ended or not measure.log or lowest < measure.smallest or math.isinf(ended[0]):
        return f"{names} end{'s' * (len(best) == 1)} lowest"
    return f"{names} end{'s' * (len(best) == 1)} lowest; the next is {times(ended[0] / lowest)} as high"


def _convergence(results: ProblemResults) -> str:
    """Who is half-way to the best result first and last: half of its progress, of the typical tuned run."""
    measure = results.measure
    curves = {cell.label: cell.convergence["tuned"] for cell in results.cells if "tuned" in cell.convergence}
    made = {label: progress(measure, np.nan_to_num(curve.band.median, nan=np.inf)) for label, curve in curves.items()}
    goal = max((float(each[-1]) for each in made.values()), default=0.0) / 2
    if goal <= 0:
        return ""
    at = {
        label: float(curves[label].steps[np.argmax(each >= goal)]) if (each >= goal).any() else math.inf
        for label, each in made.items()
    }
    first, last = min(at, key=lambda label: at[label]), max(at, key=lambda label: at[label])
    steps = max(int(curve.steps[-1]) for curve in curves.values())
    text = f"{first} is half-way to the best result after {at[first]:.0f} of {steps:,} steps"
    if len(at) == 1 or at[first] == at[last]:
        return text
    never = [label for label, step in at.items() if math.isinf(step)]
    return f"{text}, {named_first(never)} never" if never else f"{text}, {last} after {at[last]:.0f}"


def _sensitivity(results: ProblemResults) -> str:
    """Whose learning rate may be wrong by most and by least."""
    wide = {cell.label: cell.rates.near_best_decades for cell in results.cells if cell.rates and cell.rates.near_best}
    steps = {
        cell.label: float(np.log10(cell.rates.rates[1] / cell.rates.rates[0]))
        for cell in results.cells
        if cell.rates and cell.rates.rates.size > 1
    }
    if not wide:
        return ""
    most, least = max(wide, key=lambda label: wide[label]), min(wide, key=lambda label: wide[label])

    def decades(label: str) -> str:
        one = wide[label] <= 1.01 * steps.get(label, 0.0)
        return f"at most {number(wide[label], 2)} (one step)" if one else number(wide[label], 2)

    if most == least or wide[most] <= 1.01 * wide[least]:
        return f"The learning rate may move by {decades(most)} decades" + (", for all alike" if len(wide) > 1 else "")
    return f"{most} forgives {decades(most)} decades of learning rate, {least} {decades(least)}"


def _landscape(results: ProblemResults) -> str:
    """Whose map is safe for most and for least of its area."""
    area = {one.label: one.area.value for one in results.stability if one.second}
    if not area:
        return ""
    most, least = max(area, key=lambda label: area[label]), min(area, key=lambda label: area[label])
    text = f"{most} ends no higher than it began on {area[most]:.0%} of its map"
    return text if most == least else f"{text}, {least} on {area[least]:.0%}"


def _horizons(results: ProblemResults) -> str:
    """Who led before, and who does at the end."""
    leads = results.leads
    if not leads:
        return ""
    if len(leads) == 1:
        return f"{leads[0].label} has the lowest point after {leads[0].first:,} steps, and at every later look"
    if len(leads) == 2:
        before, after = leads
        return f"{before.label} leads up to {before.last:,} steps, {after.label} from {after.first:,} on"
    first, last = leads[0].label, leads[-1]
    to = f"and is {last.label}'s again" if first == last.label else f"from {first} to {last.label}"
    return f"The lead changes {len(leads) - 1} times, {to} after {last.first:,} steps"


def _trajectory(results: ProblemResults) -> str:
    """Whose tuned path is straightest, and whose goes the longest way."""
    ways = {
        label: path.detour
        for label, both in results.paths.items()
        for path in both
        if path.setting == "tuned" and math.isfinite(path.detour)
    }
    if not ways:
        return ""
    least, most = min(ways, key=lambda label: ways[label]), max(ways, key=lambda label: ways[label])
    text = f"{least} goes {number(ways[least], 2)} times the straight way to where it ends"
    return text if ways[most] <= 1.01 * ways[least] else f"{text}, {most} {number(ways[most], 2)} times"


FINDINGS: Final[Mapping[str, Callable[[ProblemResults], str]]] = {
    "outcome": _outcome,
    "convergence": _convergence,
    "sensitivity": _sensitivity,
    "landscape": _landscape,
    "horizons": _horizons,
    "trajectory": _trajectory,
}


def budget_finding(found: Sequence[BudgetResult]) -> str:
    """Who is most likely lowest with few trials and with many."""
    if len(found) < 2:
        return ""
    budgets = found[0].curve.budgets
    few, many = (max(found, key=lambda one: float(one.win[at])).label for at in (0, -1))
    trials = f"{budgets[0]} trial{'' if budgets[0] == 1 else 's'}"
    if few == many:
        return f"{few} is most likely lowest after {trials}, and still after {budgets[-1]}"
    return f"{few} is most likely lowest after {trials}, {many} after {budgets[-1]}"


def replay_finding(panels: Mapping[str, tuple[BudgetCurve, Sequence[ReplayCurve]]]) -> str:
    """For how many optimizers each sampler ends below random search after the most trials, beyond both intervals."""
    below: dict[str, list[bool]] = {}
    trials = 0
    for exact, replays in panels.values():
        for curve in replays:
            common = np.intersect1d(curve.budgets, exact.budgets)
            if common.size:
                trials = max(trials, last := int(common[-1]))
                high, low = curve.high[curve.budgets == last][0], exact.low[exact.budgets == last][0]
                below.setdefault(curve.sampler, []).append(bool(high < low))
    if not below:
        return ""
    order = sorted(below, key=lambda name: -sum(below[name]) / len(below[name]))
    lead = f"After {trials} trials"
    if not any(below[order[0]]):
        return f"{lead} no sampler lies below random search"
    counts = [f"for {sum(below[name])} of {len(below[name])}" for name in order]
    first = f"{lead} {order[0]} lies below random search {counts[0]} optimizers"
    return first if len(order) == 1 else f"{first}, {order[-1]} {counts[-1]}"


def ranks_finding(ranking: Ranking) -> str:
    """Whether the problems rank the optimizers."""
    order = sorted(range(len(ranking.labels)), key=lambda i: ranking.ranks[i].value)
    best = ranking.ranks[order[0]].value
    behind = [ranking.labels[i] for i in order if ranking.ranks[i].value - best >= ranking.critical]
    if behind and not ranking.p_value > ALPHA:
        return f"{ranking.labels[order[0]]} ranks significantly before {named_first(behind)}"
    return f"{ranking.problems} problems cannot separate these {len(order)}"


def profiles_finding(curves: Sequence[Profile]) -> str:
    """Who reaches most targets in the end, and who fewest."""
    share = dict(zip(curves[0].labels, curves[0].value[:, -1].tolist(), strict=True))
    most, least = max(share, key=lambda label: share[label]), min(share, key=lambda label: share[label])
    text = f"{most} reaches {share[most]:.0%} of the targets"
    return text if most == least else f"{text}, {least} {share[least]:.0%}"


def transfer_finding(settings: Sequence[RobustSetting]) -> str:
    """What the most careful single setting costs where it costs most."""
    best = min(settings, key=lambda one: one.regrets[one.worst].value)
    cost = best.regrets[best.worst].value
    lead = "No single setting works: the safest" if cost > 0.5 else "One setting serves all: the safest"
    return f"{lead}, of {best.label}, gives away {cost:.0%} of the progress on {best.worst}"
