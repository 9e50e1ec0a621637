"""The findings of docs/findings.md on learning rates, horizons and what tuning buys; the others are in "
"`findings_of`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
from findings_of import (
    EARLY,
    Family,
    Finding,
    adagrad,
    bars,
    defaults,
    gammas,
    listed,
    middle,
    strip,
    times,
    variants,
)

from analysis.figures.families import color_of
from analysis.measures.pooling import PoolingError
from analysis.measures.transfer import CommonGrid, RobustSetting, robust_setting
from analysis.words import hyperparameter_text, listing, number

__all__ = ["FINDINGS"]

TURNED: Final = ("ellipsoid", "ellipsoid-rotated")
"""A problem, and the same with its axes along no coordinate."""


def headroom(family: Family) -> Finding:
    """How far the best learning rate is from divergence."""
    factors: dict[str, list[float]] = {name: [] for name in family.labels}
    for problem in family.problems:
        for name in family.labels:
            curve = family.cell(problem, name).rates
            if curve is not None and curve.best is not None:
                worse = curve.factor_to_failure or math.inf
                factors[name].append(min(worse, curve.factor_to_divergence or math.inf))
    edge = {name: sum(value <= 3 for value in values) for name, values in factors.items()}
    order = sorted(factors, key=lambda name: middle(factors[name]))
    near, far = order[0], order[-1]
    highest = max(value for values in factors.values() for value in values if math.isfinite(value))
    shown = {name: [min(value, 2 * highest) for value in values] for name, values in factors.items()}
    count = len(family.problems)
    return Finding(
        "headroom",
        f"`{near}` is best {times(middle(factors[near]))} below the learning rate that fails, `{far}` "
        f"{far_text(middle(factors[far]))}",
        [
            f"From the best lr to the next of the grid that ends above its start or diverges is a factor of "
            f"{number(middle(factors[near]), 2)} "
            f"at the median problem for `{near}`, of {number(middle(factors['rmsprop']), 2)} for `rmsprop` and "
            f"{far_text(middle(factors[far]))} for `{far}`.",
            f"Three times the best lr already fails on {edge['sgd']} of {count} problems for `sgd`, "
            f"{edge['momentum']} for `momentum`, "
            f"{edge['rmsprop']} for `rmsprop` and {edge['adagrad']} for `adagrad`.",
        ],
        "Neighbours of the grid are about a factor of two apart, so that factors are that coarse; the second knob is "
        "best for each lr.",
        f"Factor from the best lr to the first that fails, a dot a problem (n = {count}), the bar their median; at "
        f"the right edge: none of the grid fails.",
        lambda: strip(shown, "factor from the best lr to failure", "How far from divergence the best learning rate is"),
    )


def far_text(factor: float) -> str:
    """A factor, or that the grid holds none."""
    return f"a factor of {number(factor, 2)}" if math.isfinite(factor) else "more than the grid holds"


def tuning(family: Family) -> Finding:
    """What tuning buys, beside what the choice of the optimizer buys."""
    tuned, default = family.table(family.labels), family.table(family.labels, "default")
    gain = {name: list(default[name] / tuned[name]) for name in family.labels}
    best = tuned.min(axis=1)
    choice = {name: list(tuned[name] / best) for name in family.labels}
    bought = middle([value for values in gain.values() for value in values])
    chosen = middle([value for values in choice.values() for value in values])
    rms, left = middle(gain["rmsprop"]), middle(choice["rmsprop"])
    first = min(choice, key=lambda name: middle(choice[name]))
    return Finding(
        "tuning",
        f"Tuning buys {'more' if bought > chosen else 'less'} than the right optimizer does: {times(bought)} "
        f"against {times(chosen)}",
        [
            f"Over all {len(family.labels)} optimizers and {len(family.problems)} problems, tuning lowers the end "
            f"result {times(bought)} at the median; "
            f"tuned, what the best optimizer of the problem has ahead is {times(chosen)}.",
            f"Tuning `rmsprop` buys {times(rms)} at the median problem and leaves {times(left)} to the best of "
            f"all; `{first}` leaves least, {times(middle(choice[first]))}.",
        ],
        f"Every optimizer had the same number of trials, whatever number of knobs it has. {family.budget}",
        f"End result of every tuned optimizer over the lowest of its problem, a dot a problem (n = "
        f"{len(family.problems)}), the bar their median.",
        lambda: strip(
            choice, "times as high as the best optimizer, both tuned", "What is left when everybody is tuned"
        ),
    )


def forgiving(family: Family) -> Finding:
    """How wide a range of learning rates is near the best."""
    widths: dict[str, list[float]] = {name: [] for name in family.labels}
    for problem in family.problems:
        for name in family.labels:
            curve = family.cell(problem, name).rates
            if curve is not None and curve.best is not None:
                widths[name].append(10**curve.near_best_decades)
    order = sorted(widths, key=lambda name: -middle(widths[name]))
    first, last = order[0], order[-1]
    count = len(family.problems)
    return Finding(
        "forgiving",
        f"`{first}` forgives a factor of {number(middle(widths[first]), 2)} of learning rate, `{last}` one of "
        f"{number(middle(widths[last]), 2)}",
        [
            f"The learning rates within twice the best result span a factor of {number(middle(widths[first]), 2)} "
            f"for `{first}` at the median problem, "
            f"{number(middle(widths['rmsprop']), 2)} for `rmsprop`, {number(middle(widths['adam']), 2)} for `adam`, "
            f"{number(middle(widths['momentum']), 2)} for `momentum` and {number(middle(widths['sgd']), 2)} for "
            f"`sgd`.",
            f"A grid of learning rates a decade apart misses that range on "
            f"{sum(value < 10 for value in widths['rmsprop'])} of {count} problems for `rmsprop` and on "
            f"{sum(value < 10 for value in widths['sgd'])} for `sgd`: search in steps of three.",
        ],
        "The second knob is best for each lr; held at its default the ranges are narrower. A grid point counts as "
        "one step of the grid.",
        f"Width of the learning rates within twice the best result, as a factor; a dot a problem (n = {count}), the "
        f"bar their median.",
        lambda: strip(widths, "width of the good learning rates, a factor", "How wide a learning rate is forgiven"),
    )


def robust(family: Family) -> Finding:
    """What one setting for all problems costs."""
    found: list[RobustSetting] = []
    for name in family.labels:
        try:
            found.append(robust_setting(CommonGrid.of([family.cell(problem, name) for problem in family.problems])))
        except PoolingError:  # grids without a common part
            continue
    regrets = {one.label: [100 * each.value + 0.1 for each in one.regrets.values()] for one in found}
    means = {one.label: one.mean for one in found}
    order = sorted(found, key=lambda one: means[one.label])
    best, last = order[0], order[-1]
    half = {one.label: sum(each.value > 0.5 for each in one.regrets.values()) for one in found}
    where = hyperparameter_text(family.cell(family.problems[0], best.label).cell, best.setting)
    return Finding(
        "transfer",
        f"No setting serves all problems: the most robust, `{best.label}`'s, loses {best.mean:.0%} of the progress "
        f"on average",
        [
            f"The one setting of `{best.label}` that costs least at worst ({where}) misses {best.mean:.0%} of the "
            f"progress of its own best setting "
            f"on average and {best.regrets[best.worst].value:.0%} on `{best.worst}`; that of `{last.label}` misses "
            f"{last.mean:.0%}.",
            f"Even so it loses more than half of the progress on {half[best.label]} of {len(family.problems)} "
            f"problems ({half[last.label]} for `{last.label}`): tune lr for every problem anew.",
        ],
        "Progress is decades of the gap from the start, or the loss that was lost where no floor is known. A "
        "setting is a point of the grid that an optimizer's landscapes share.",
        f"Share of the progress that the most robust setting of each optimizer misses on each problem, in percent (n "
        f"= {len(family.problems)}).",
        lambda: strip(regrets, "progress missed by one setting for all, %", "What one setting for all problems costs"),
    )


def horizons(family: Family) -> Finding:
    """Who leads early and who leads at the end."""
    changed, early_lr, kept = list[str](), dict[str, float](), 0
    for problem, found in family.results.items():
        if not found.leads:
            continue
        kept += 1
        steps = found.leads[-1].last
        early = next(
            (lead.label for lead in found.leads if lead.first <= EARLY * steps <= lead.last), found.leads[0].label
        )
        if early != found.leads[-1].label:
            changed.append(problem)
        at = family.cell(problem, "rmsprop").horizons
        if len(at) > 1:
            looked = min(at, key=lambda one: abs(math.log(one.step / (EARLY * steps))))
            early_lr[problem] = looked.rate / at[-1].rate
    ratio = pd.Series(early_lr).dropna().sort_values()
    higher = int((ratio > 1.5).sum())
    return Finding(
        "horizons",
        f"Whoever leads after a tenth of the run is overtaken on {len(changed)} of {kept} problems",
        [
            f"The optimizer with the lowest point of its landscape after {EARLY:.0%} of the steps is not the one "
            f"that has it at the end on "
            f"{len(changed)} of {kept} problems ({listed(changed[:6])}{' and others' if len(changed) > 6 else ''}).",
            f"The best lr of `rmsprop` after {EARLY:.0%} of the steps is {times(middle(list(ratio)))} that at the "
            f"end at the median problem, "
            f"and higher by half or more on {higher} of {len(ratio)}: short runs choose learning rates that are too "
            f"high for long ones.",
        ],
        "Leads are of landscapes, which are lowest points of few seeds, and pass by one per cent or more; the "
        "horizons are those looked at.",
        "Best lr of `rmsprop` after a tenth of the steps over that after all, by problem.",
        lambda: bars(
            ratio,
            "best lr early over best lr late",
            "Short runs choose other learning rates",
            (color_of("momentum"), color_of("rmsprop")),
        ),
    )


def turned(family: Family) -> Finding:
    """What turning the axes costs."""
    straight, rotated = TURNED
    lost = pd.Series(
        {name: family.ended(rotated, name) / family.ended(straight, name) for name in family.labels}
    ).sort_values()
    rest = [name for name in ("sgd", "momentum", "nesterov") if name in lost.index]
    adaptive = [name for name in lost.index if name not in ("sgd", "momentum", "momentum-ema", "nesterov")]
    worst = lost.index[-1]
    ahead = {problem: min(family.labels, key=lambda name: family.ended(problem, name)) for problem in TURNED}
    return Finding(
        "turned",
        f"Turn the axes and adaptive steps lose: `{worst}` ends {times(lost[worst])} as high, `sgd` "
        f"{times(lost['sgd'])}",
        [
            f"On `{rotated}`, which is `{straight}` with its axes along no coordinate, "
            + listing(
                [
                    f"`{name}` ends {times(lost[name])} as high"
                    for name in (*rest, "rmsprop", "adam", "adagrad")
                    if name in lost.index
                ]
            )
            + f" as on `{straight}`; the median of the {len(adaptive)} that scale coordinates is "
            f"{times(middle(list(lost[adaptive])))}.",
            f"Lowest is `{ahead[straight]}` while the axes are the coordinates and `{ahead[rotated]}` when they are "
            f"not: what a diagonal preconditioner gains, it gains from axes that happen to be the coordinates.",
        ],
        "One pair of problems, ten parameters, condition 1e6, without noise.",
        f"End result on `{rotated}` over that on `{straight}`, both tuned, by optimizer.",
        lambda: bars(
            lost, "turned over straight", "What turning the axes costs", (color_of("momentum"), color_of("rmsprop"))
        ),
    )


FINDINGS: Final[Sequence[Callable[[Family], Finding]]] = (
    variants,
    gammas,
    defaults,
    adagrad,
    headroom,
    tuning,
    forgiving,
    robust,
    horizons,
    turned,
)
"""In the order of the page."""
