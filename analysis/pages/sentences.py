"""What the numbers of a problem say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from analysis.measures.landscape_grid import regret
from analysis.measures.lr_sensitivity import RateCurve
from analysis.measures.paired_tests import FEWEST_STUDIES, resolved, seeds_to_decide
from analysis.measures.results import CellResult, SettingResult
from analysis.problem_results import ProblemResults
from analysis.words import listing, named_first, number, times

__all__ = ["problem_reading"]

MOST_LISTED: Final = 6
"""Optimizers that a sentence names one by one."""


def problem_reading(results: ProblemResults) -> list[str]:
    """The sentences for one problem."""
    return [*([f"{results.beaten}."] if results.beaten else []), *_reading(results)]


def _reading(results: ProblemResults) -> list[str]:
    cells = results.cells
    if results.unequal:
        said = [f"No optimizer is named the best, for {results.unequal}.", _defaults(results), _lost(cells)]
        return [sentence for sentence in said if sentence]
    if not results.best and not results.searched:
        return ["Nothing was tuned here: the landscape says which settings work."]
    if not results.best:
        return ["No tuned setting of any optimizer survived its test seeds: every one diverged or was never found."]
    sentences = [_winner(results), _margin(results.best[0]), _defaults(results), *_searches(results), _lost(cells)]
    return [sentence for sentence in sentences if sentence]


def _winner(results: ProblemResults) -> str:
    best, smallest = results.best, results.measure.smallest
    ended = {cell: cell.tuned for cell in results.cells if cell.tuned is not None and math.isfinite(cell.tuned.value)}
    first = ended[best[0]]
    names = listing([cell.label for cell in best])
    what = "gap to the floor" if results.measure.name == "gap" else "loss"
    if len(best) > 1:
        solved = "reach the floor within rounding" if first.value <= smallest else "end equally low"
        both, value = "both" if len(best) == 2 else "all", best[0].text("tuned", interval=False)
        return f"{names} {both} {solved} ({what} {value})."
    value = best[0].text("tuned")
    sentence = f"{names} ends lowest: {what} {value}{_over(first, exact=results.exact)} at {best[0].hyperparameters}"
    close = [cell.label for cell in results.tied]
    if close and results.exact and first.studies == 1:
        return f"{sentence}; {listing(close)} end{'s' if len(close) == 1 else ''} within 1% of it."
    if close:
        tests = len(ended) - len(best)
        few = _takes(first, tests)
        if len(close) == tests > MOST_LISTED:
            return f"{sentence}, but none of the other {tests} is told apart from it{few}."
        said = listing(close) if len(close) <= MOST_LISTED else named_first(close)
        return f"{sentence}, but {said} {'is' if len(close) == 1 else 'are'} not told apart from it{few}."
    rest = {cell: found.value for cell, found in ended.items() if cell not in best}
    if rest and first.value > 0:
        second = min(rest, key=lambda cell: rest[cell])
        if first.value < smallest < rest[second]:  # no ratio to rounding means anything
            share = 1 - float(regret(results.measure, rest[second], first.value))
            return f"{sentence}; the next, {second.label}, makes {share:.0%} of its progress."
        ratio = rest[second] / max(first.value, smallest)
        return f"{sentence}; the next, {second.label}, ends {times(ratio)} as high."
    return f"{sentence}."


def _over(found: SettingResult, *, exact: bool) -> str:
    """What a tuned result is over, in words: " in the middle of 3 studies, over 10 test seeds"."""
    seeds = "" if exact else f"over {found.n} test seed{'s' if found.n > 1 else ''}"
    if found.studies == 1:
        return f"{' ' if seeds else ''}{seeds}, of the setting found by one study,"
    return f" in the middle of {found.studies} studies{', ' if seeds else ''}{seeds}"


def _takes(found: SettingResult, tests: int) -> str:
    """What it would take to tell optimizers apart, as the end of a sentence; empty where enough is there."""
    if found.studies == 1:
        needed = seeds_to_decide(tests)
        return "" if found.n >= needed else f": that takes {needed} test seeds"
    if found.studies < FEWEST_STUDIES:
        return f": that takes {FEWEST_STUDIES} studies"
    away = number(resolved(found.studies, tests), 2)
    return f": {found.studies} studies find differences of {away} standard deviations among them"


def _margin(best: CellResult) -> str:
    curve = best.rates
    if curve is None or curve.best is None:
        return ""
    near = "twice its best" if curve.measure.log else "a tenth of the way from its best to the start"
    low, high = curve.near_best or (math.nan, math.nan)
    follows = f", with {curve.second} at its best for each rate," if curve.second else ""
    sentence = f"The learning rate of {best.label} may move{follows} "
    sentence += f"from {number(low, 2)} to {number(high, 2)}" if low < high else "by less than a step of the grid"
    sentence += f" and still end within {near}"
    return f"{sentence}; {_limit(curve)}."


def _limit(curve: RateCurve) -> str:
    """What ends the useful rates: runs that end above their start come first where both do."""
    lost, failed = curve.factor_to_divergence, curve.factor_to_failure
    if failed is not None and (lost is None or failed < lost):
        end = "none of the grid diverges" if lost is None else f"at {times(lost)} they diverge"
        return f"from {times(failed)} its best rate on, runs end above their start; {end}"
    if lost is None:
        return "no rate of the grid above the best one diverges"
    return f"{times(lost)} its best rate, runs diverge"


def _defaults(results: ProblemResults) -> str:
    """What it costs to leave each optimizer at its default setting: divergence first, then ratios."""
    lost, costs, solved = [], {}, []
    for cell in results.cells:
        tuned, default = cell.tuned, cell.default
        if default is not None and math.isinf(default.value):
            lost.append(cell.label)
        elif default is not None and tuned is not None and tuned.value < results.measure.smallest < default.value:
            solved.append(f"{cell.label} (default: {number(default.value)})")
        elif default is not None and tuned is not None and 0 < tuned.value < math.inf:
            costs[cell.label] = default.value / max(tuned.value, results.measure.smallest)
    begin = "Staying at the defaults costs"
    solved_text = ""
    if solved:
        solved_text = (
            f" Only where tuned, {listing(solved)} reach{'es' * (len(solved) == 1)} the floor within rounding."
        )
    if lost:
        begin = f"At the default setting{'s' if len(lost) > 1 else ''}, {listing(lost)} diverge"
        begin += "" if len(lost) > 1 else "s"
        if not costs:
            return f"{begin}.{solved_text}"
        begin += "; of the others, staying there costs"
    if not costs:
        return solved_text.strip()
    if len(costs) == len(results.cells) == 1:
        (label,) = costs
        return f"At its default setting, {label} ends {times(costs[label])} as high as tuned."
    least, most = min(costs, key=lambda label: costs[label]), max(costs, key=lambda label: costs[label])
    if costs[most] <= 1.1:
        return f"{begin} nothing.{solved_text}"
    end = "" if len(costs) == 1 else f" and least with {least} ({times(costs[least])})"
    if costs[least] <= 1.1:
        end = f" and nothing with {least}"
    return f"{begin} most with {most} ({times(costs[most])} its tuned value){end}.{solved_text}"


def _searches(results: ProblemResults) -> list[str]:
    """Where search and landscape differ in how low an optimizer can end, the largest differences first."""
    missed = sorted((each for each in results.searches if each.missed), key=lambda each: -each.ratio)
    finer = sorted((each for each in results.searches if each.finer), key=lambda each: each.ratio)
    sentences = []
    if missed:
        said = named_first([f"{each.label} ({each.lower}: {each.lowest})" for each in missed])
        trials = " or ".join(map(str, sorted({each.trials for each in missed})))
        sentences.append(
            f"The search missed what the grid holds for {said}; {trials} trials a study are few for so small a target."
        )
    if finer:
        said = named_first([f"{each.label} ({each.lower})" for each in finer])
        wider = list(dict.fromkeys(name for each in finer for name in each.wider))
        why = f"the search varies {listing(wider)} too" if wider else "good settings lie between its points"
        sentences.append(f"Tuning ends lower than any point of the grid for {said}: {why}.")
    return sentences


def _lost(cells: Sequence[CellResult]) -> str:
    parts = [
        f"the {setting} run of {cell.label}"
        if found.runs == 1
        else f"{found.diverged} of {found.runs} {setting} runs of {cell.label}"
        for cell in cells
        for setting, found in cell.settings.items()
        if found.diverged
    ]
    edges = [f"{cell.label} ({', '.join(cell.at_edge)})" for cell in cells if cell.at_edge]
    sentence = f"Diverged: {listing(parts)}." if parts else ""
    if edges:
        where = f"at the edge of the search range for {listing(edges)}"
        sentence += f" What tuning found lies {where}: a wider range may do better."
    return sentence.strip()
