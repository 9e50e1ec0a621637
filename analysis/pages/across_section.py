"""The part of a report across problems: what may be pooled, what it says, and why the rest is refused."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from analysis.figures.problem import MOST_COLOURED
from analysis.figures.profiles import profiles_figure
from analysis.figures.ranks import ranks_figure
from analysis.figures.style import Form, Look, among
from analysis.figures.titles import profiles_finding, ranks_finding, titled, transfer_finding
from analysis.figures.transfer import matrices_shown, transfer_figure, transfer_matrix_figure
from analysis.measures.comparable import check_budgets
from analysis.measures.pairs import improvement_matrix, paired_table
from analysis.measures.pooling import Pool, PoolingError, met_all
from analysis.measures.profiles import Profile, profiles, running_time_table
from analysis.measures.ranking import Ranking, Standing, ranking, ranking_frame, standings
from analysis.measures.results import CellResult
from analysis.measures.schedule_order import ScheduleOrder, schedule_order_frame, schedule_orders
from analysis.measures.transfer import (
    CommonGrid,
    RobustSetting,
    Transfer,
    TuningGain,
    robust_setting,
    suite_setting,
    transfer,
    tuning_gain,
)
from analysis.pages.problem_section import Picture, picture_of
from analysis.problem_results import ProblemResults
from analysis.statistics.bootstrap import ALPHA, Estimate
from analysis.words import hyperparameter_text, listing, number

__all__ = ["SUBJECT", "Across", "RobustRow", "across_of"]

SUBJECT: Final = "Across problems"
HALF: Final = 0.5
"""Share of the progress given away above which a setting does not work."""


@dataclass(frozen=True)
class RobustRow:
    """One setting of an optimizer for all problems, the setting as ``text``, and what tuning for each would bring."""

    setting: RobustSetting
    text: str
    gain: TuningGain

    @property
    def worst_regret(self) -> Estimate:
        """What it gives away on the problem it costs most on."""
        return self.setting.regrets[self.setting.worst]


@dataclass
class Across:
    """What a page says across problems. ``refused`` are the sentences on what could not be pooled or transferred.

    ``ranked`` are the contenders, best rank first, and ``ranking`` their ranks, where they could be pooled; ``robust``
    each optimizer's setting for all problems; ``tables`` become CSV files; ``settings`` (of each optimizer) and
    ``suite_setting`` (of any) go into ``recommendation.json``.
    """

    reading: list[str] = field(default_factory=list)
    ranked: list[Standing] = field(default_factory=list)
    robust: list[RobustRow] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    suite_setting: RobustSetting | None = None
    ranking: Ranking | None = None

    @property
    def settings(self) -> list[RobustSetting]:
        """Each optimizer's setting for all problems."""
        return [row.setting for row in self.robust]


def across_of(
    results: Mapping[str, ProblemResults], looks: Mapping[str, Look], forms: Collection[Form] = ()
) -> Across | None:
    """The part across the problems of a record, its figures as SVG and in the further ``forms``; None where it has only
    one problem.

    Nothing here raises for a record that cannot be pooled: the part then says why.
    """
    if len(results) < 2:
        return None
    found, cells = Across(), [cell for one in results.values() for cell in one.cells]
    try:
        complete, left_out = met_all(cells)
        _add_pooled(found, Pool.of(complete), looks, forms)
        found.reading += [left_out] if left_out else []
    except PoolingError as error:
        found.refused.append(f"No ranks and profiles: {error}.")
    _add_schedules(found, cells)
    _add_transfer(found, cells, looks, forms)
    return found


def _add_pooled(found: Across, pooled: Pool, looks: Mapping[str, Look], forms: Collection[Form]) -> None:
    """Add ranks, profiles, pairs and running times; raises `PoolingError` where no cell was tuned."""
    ranked = ranking(pooled)
    contenders = standings(pooled, ranked)
    if len(looks) > MOST_COLOURED and not any(look.grey for look in looks.values()):
        looks = among(looks, [standing.label for standing in contenders[:MOST_COLOURED]])
    found.tables |= {
        "ranking": ranking_frame(contenders),
        "pairs": paired_table(pooled),
        "improvement": _improvement_table(pooled),
        "running_time": running_time_table(pooled),
    }
    found.ranked, found.ranking = contenders, ranked
    found.reading += _reading(ranked)
    if len(pooled.labels) > 1:
        figure = titled(ranks_figure(ranked, looks), SUBJECT, "ranks", ranks_finding(ranked))
        found.pictures.append(picture_of("across", "ranks", figure, forms))
    curves = profiles(pooled)
    if curves:
        found.tables["profiles"] = pd.concat([_profile_table(curve) for curve in curves], ignore_index=True)
        figure = titled(profiles_figure(curves, looks), SUBJECT, "profiles", profiles_finding(curves))
        found.pictures.append(picture_of("across", "profiles", figure, forms))


def _add_schedules(found: Across, cells: Sequence[CellResult]) -> None:
    """Add what the order of the optimizers owes to the schedule, where there are several schedules."""
    orders = schedule_orders(cells)
    if orders:
        found.tables["schedule_order"] = schedule_order_frame(orders)
        found.reading += [_schedule_text(order) for order in orders]


def _schedule_text(order: ScheduleOrder) -> str:
    """The sentence on one schedule beside another."""
    count, changed = len(order.problems), len(order.other_best)
    alike = "" if math.isnan(order.tau) else f"; Kendall's tau of the mean ranks is {number(order.tau, 2)}"
    if changed:
        verdict = f"another optimizer is best on {changed} of {count} problems ({listing(order.other_best)}){alike}"
        text = f"The order hangs on the schedule: under {order.b} instead of {order.a} {verdict}."
    else:
        text = f"Under {order.b} instead of {order.a} the same optimizers are best on all {count} problems{alike}."
    typical = [
        float(np.median(known)) if (known := each[np.isfinite(each)]).size else math.nan for each in order.ratio.T
    ]
    named = [(ratio, name) for ratio, name in zip(typical, order.optimizers, strict=True) if not math.isnan(ratio)]
    if len(named) > 1:
        (low, gains), (high, least) = min(named), max(named)
        text += f" Under it {gains} gains most ({number(low, 2)} times as high, median over problems), {least} least"
        text += f" ({number(high, 2)} times)."
    return text


def _add_transfer(
    found: Across, cells: Sequence[CellResult], looks: Mapping[str, Look], forms: Collection[Form]
) -> None:
    """Add transfer matrices and robust settings of every optimizer that has a common grid."""
    groups: dict[str, list[CellResult]] = {}
    for cell in cells:
        if cell.grid is not None:
            groups.setdefault(cell.label, []).append(cell)
    grids: dict[str, CommonGrid] = {}
    for label, group in groups.items():
        try:
            grids[label] = CommonGrid.of(group)
        except PoolingError as error:
            found.refused.append(f"No transfer of {label}: {error}.")
    if not grids:
        return
    matrices = [transfer(grid) for grid in grids.values()]
    settings = [robust_setting(grid) for grid in grids.values()]
    _add_suite_setting(found, groups, grids)
    found.tables["transfer"] = pd.concat([_transfer_table(matrix) for matrix in matrices], ignore_index=True)
    gains = [tuning_gain(grid) for grid in grids.values()]
    found.tables["tuning_gain"] = _gain_table(gains)
    found.robust = [
        RobustRow(one, hyperparameter_text(groups[one.label][0].cell, one.setting), gain)
        for one, gain in zip(settings, gains, strict=True)
    ]
    figure = titled(transfer_figure(matrices, looks), SUBJECT, "transfer", transfer_finding(settings))
    found.pictures.append(picture_of("across", "transfer", figure, forms))
    figure = titled(transfer_matrix_figure(matrices_shown(matrices)), SUBJECT, "transfer-matrix")
    found.pictures.append(picture_of("across", "transfer-matrix", figure, forms))


def _add_suite_setting(found: Across, groups: Mapping[str, list[CellResult]], grids: Mapping[str, CommonGrid]) -> None:
    """Add the one setting, of any optimizer, that costs least where it costs most; or why there is none."""
    if len(grids) < 2:
        return
    try:
        for problem in next(iter(grids.values())).progress:
            mapped = [cell.cell for label in grids for cell in groups[label] if cell.problem == problem]
            check_budgets(mapped, ("steps", "landscape_seeds"))
        setting = suite_setting(list(grids.values()))
    except PoolingError as error:
        found.refused.append(f"No one setting of all optimizers: {error}.")
        return
    found.suite_setting = setting
    cost = setting.regrets[setting.worst].value
    lead = "No single setting works" if cost > HALF else "One setting serves all"
    where = hyperparameter_text(groups[setting.label][0].cell, setting.setting)
    found.reading.append(
        f"{lead}: the best loses {cost:.0%} on {setting.worst} ({setting.label} with {where}; of the progress that the "
        "best setting of any optimizer makes there)."
    )


def _reading(ranked: Ranking) -> list[str]:
    """The sentences on the ranks."""
    order = sorted(range(len(ranked.labels)), key=lambda i: ranked.ranks[i].value)
    if len(order) < 2:
        return []
    first = ranked.ranks[order[0]]
    best = [label for label, rank in zip(ranked.labels, ranked.ranks, strict=True) if rank.value == first.value]
    text = f"Over {ranked.problems} problems {listing(best)} {'has' if len(best) == 1 else 'have'} the best mean rank"
    sentences = [f"{text}: {number(first.value, 2)} of {len(order)} [{number(first.low, 2)}, {number(first.high, 2)}]."]
    far = [ranked.labels[i] for i in order if ranked.ranks[i].value - first.value >= ranked.critical]
    if not math.isnan(ranked.p_value):
        verb = "tells the optimizers apart" if ranked.p_value <= ALPHA else "does not tell the optimizers apart"
        sentences.append(f"Friedman's test {verb} (p = {number(ranked.p_value, 2)}).")
    if far and not ranked.p_value > ALPHA:
        sentences.append(f"{listing(far)} {'ranks' if len(far) == 1 else 'rank'} significantly lower.")
    elif ranked.p_value <= ALPHA:
        sentences.append("Nemenyi's test, pair by pair, tells none from the best.")
    else:
        sentences.append(f"{ranked.problems} problems are too few to carry these ranks over to others.")
    return [" ".join(sentences)]


def _improvement_table(pooled: Pool) -> pd.DataFrame:
    """The probability that ``a`` ends lower than ``b``, one row an ordered pair, with its interval."""
    value, low, high = improvement_matrix(pooled)
    rows = [
        {"a": a, "b": b, "probability": value[i, j], "low": low[i, j], "high": high[i, j]}
        for i, a in enumerate(pooled.labels)
        for j, b in enumerate(pooled.labels)
        if i != j
    ]
    return pd.DataFrame(rows, columns=["a", "b", "probability", "low", "high"])


def _profile_table(profile: Profile) -> pd.DataFrame:
    """A profile as rows: one a contender and place."""
    parts = [
        pd.DataFrame(
            {
                "profile": profile.name,
                "label": label,
                "over": profile.over,
                "share": profile.value[i],
                "low": profile.low[i],
                "high": profile.high[i],
            }
        )
        for i, label in enumerate(profile.labels)
    ]
    return pd.concat(parts, ignore_index=True)


def _gain_table(gains: Sequence[TuningGain]) -> pd.DataFrame:
    """What tuning for every problem brings each optimizer, with its interval: one row an optimizer."""
    return pd.DataFrame(
        {
            "label": [one.label for one in gains],
            "tuned_for_each": [one.each for one in gains],
            "one_for_all": [one.one for one in gains],
            "hyperparameter_sensitivity": [one.gain.value for one in gains],
            "low": [one.gain.low for one in gains],
            "high": [one.gain.high for one in gains],
            "problems": [one.problems for one in gains],
            "n": [one.gain.n for one in gains],
        }
    )


def _transfer_table(matrix: Transfer) -> pd.DataFrame:
    """A transfer matrix as rows: the regret on problem ``on`` of the best setting of problem ``of``."""
    rows = [
        {
            "label": matrix.label,
            "of": a,
            "on": b,
            "regret": matrix.regret[i, j],
            "low": matrix.low[i, j],
            "high": matrix.high[i, j],
        }
        for i, a in enumerate(matrix.problems)
        for j, b in enumerate(matrix.problems)
    ]
    return pd.DataFrame(rows)
