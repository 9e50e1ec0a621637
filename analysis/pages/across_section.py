"""The part of a report across problems: what may be pooled, what it says, and why the rest is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.figures.across import profiles_figure, ranks_figure, transfer_figure
from analysis.figures.problem import titled
from analysis.figures.style import Look
from analysis.measures.comparable import check_budgets
from analysis.measures.convergence import measure_of
from analysis.measures.pairs import improvement_matrix, paired_table
from analysis.measures.pooling import Pool, PoolingError, pool
from analysis.measures.profiles import Profile, profiles, running_time_table
from analysis.measures.ranking import Ranking, ranking, ranking_table
from analysis.measures.results import cell_label, table_rows
from analysis.measures.transfer import (
    CommonGrid,
    RobustSetting,
    Transfer,
    common_grid,
    robust_setting,
    suite_setting,
    transfer,
)
from analysis.pages.problem_section import Picture, picture_of
from analysis.record.cells import Cell, Record
from analysis.statistics.bootstrap import ALPHA
from analysis.words import hyperparameter_text, listing, number

__all__ = ["Across", "across_of"]

SUBJECT: Final = "Across problems"


@dataclass
class Across:
    """What a page says across problems. ``refused`` are the sentences on what could not be pooled or transferred.

    ``ranked`` are rows of the ranking, ``robust`` of settings for all problems; ``tables`` become CSV files;
    ``settings`` (of each optimizer) and ``suite_setting`` (of any) go into ``recommendation.json``.
    """

    reading: list[str] = field(default_factory=list)
    ranked: list[dict[str, Any]] = field(default_factory=list)
    robust: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    settings: list[dict[str, Any]] = field(default_factory=list)
    suite_setting: dict[str, Any] | None = None


def across_of(figures: Path, record: Record, looks: Mapping[str, Look]) -> Across | None:
    """Return the part across the problems of ``record``; None where it has only one. Writes its figures to ``figures``.

    Nothing here raises for a record that cannot be pooled: the part then says why.
    """
    if len(record.problems) < 2:
        return None
    found = Across()
    try:
        _add_pooled(found, figures, pool(record), looks)
    except PoolingError as error:
        found.refused.append(f"No ranks and profiles: {error}.")
    _add_transfer(found, figures, record)
    return found


def _add_pooled(found: Across, figures: Path, pooled: Pool, looks: Mapping[str, Look]) -> None:
    """Add ranks, profiles, pairs and running times; raises `PoolingError` where nobody was tuned."""
    ranked, rows = ranking(pooled), ranking_table(pooled)
    found.tables |= {
        "ranking": rows,
        "pairs": paired_table(pooled),
        "improvement": _improvement_table(pooled),
        "running_time": running_time_table(pooled),
    }
    found.ranked = table_rows(rows)
    found.reading += _reading(ranked)
    if len(pooled.labels) > 1:
        found.pictures.append(
            picture_of(figures, "across", "ranks", titled(ranks_figure(ranked, looks), SUBJECT, "ranks"))
        )
    curves = profiles(pooled)
    if curves:
        found.tables["profiles"] = pd.concat([_profile_table(curve) for curve in curves], ignore_index=True)
        found.pictures.append(
            picture_of(figures, "across", "profiles", titled(profiles_figure(curves, looks), SUBJECT, "profiles"))
        )


def _add_transfer(found: Across, figures: Path, record: Record) -> None:
    """Add transfer matrices and robust settings of every optimizer that has a common grid."""
    groups: dict[str, list[Cell]] = {}
    for cell in record:
        if not cell.landscape.empty:
            groups.setdefault(cell_label(cell), []).append(cell)
    measures = {problem: measure_of(record.of_problem(problem)) for problem in record.problems}
    grids: dict[str, CommonGrid] = {}
    for label, cells in groups.items():
        try:
            grids[label] = common_grid(cells, measures)
        except PoolingError as error:
            found.refused.append(f"No transfer of {label}: {error}.")
    if not grids:
        return
    matrices = [transfer(grid) for grid in grids.values()]
    settings = [robust_setting(grid) for grid in grids.values()]
    _add_suite_setting(found, groups, grids)
    found.tables["transfer"] = pd.concat([_transfer_table(matrix) for matrix in matrices], ignore_index=True)
    found.settings = [setting.to_dict() for setting in settings]
    found.robust = [_robust_row(groups[setting.label][0], setting) for setting in settings]
    found.pictures.append(
        picture_of(figures, "across", "transfer", titled(transfer_figure(matrices), SUBJECT, "transfer"))
    )


def _add_suite_setting(found: Across, groups: Mapping[str, list[Cell]], grids: Mapping[str, CommonGrid]) -> None:
    """Add the one setting, of any optimizer, that costs least where it costs most; or why there is none."""
    if len(grids) < 2:
        return
    try:
        for problem in next(iter(grids.values())).progress:
            mapped = [cell for label in grids for cell in groups[label] if cell.problem == problem]
            check_budgets(mapped, ("steps", "landscape_seeds"))
        setting = suite_setting(list(grids.values()))
    except PoolingError as error:
        found.refused.append(f"No one setting of all optimizers: {error}.")
        return
    found.suite_setting = setting.to_dict()
    found.reading.append(
        f"Of all mapped settings of {listing(list(grids))}, the one that costs least where it costs most is "
        f"{setting.label} with {hyperparameter_text(groups[setting.label][0], setting.setting)}: it gives away at most "
        f"{setting.regrets[setting.worst].value:.0%} of the progress that the best of them all makes, "
        f"on {setting.worst}."
    )


def _reading(ranked: Ranking) -> list[str]:
    """Return the sentences on the ranks."""
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


def _robust_row(cell: Cell, setting: RobustSetting) -> dict[str, Any]:
    return {
        "label": setting.label,
        "setting": hyperparameter_text(cell, setting.setting),
        "worst": setting.worst,
        "worst_regret": setting.regrets[setting.worst],
        "mean_regret": setting.mean,
    }


def _improvement_table(pooled: Pool) -> pd.DataFrame:
    """Return the probability that ``a`` ends lower than ``b``, one row an ordered pair, with its interval."""
    value, low, high = improvement_matrix(pooled)
    rows = [
        {"a": a, "b": b, "probability": value[i, j], "low": low[i, j], "high": high[i, j]}
        for i, a in enumerate(pooled.labels)
        for j, b in enumerate(pooled.labels)
        if i != j
    ]
    return pd.DataFrame(rows, columns=["a", "b", "probability", "low", "high"])


def _profile_table(profile: Profile) -> pd.DataFrame:
    """Return a profile as rows: one a contender and place."""
    parts = [
        pd.DataFrame(
            {
                "profile": profile.name, "label": label, "over": profile.over, "share": profile.value[i],
                "low": profile.low[i], "high": profile.high[i],
            }
        )
        for i, label in enumerate(profile.labels)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _transfer_table(matrix: Transfer) -> pd.DataFrame:
    """Return a transfer matrix as rows: the regret on problem ``on`` of the best setting of problem ``of``."""
    rows = [
        {
            "label": matrix.label, "of": a, "on": b,
            "regret": matrix.regret[i, j], "low": matrix.low[i, j], "high": matrix.high[i, j],
        }
        for i, a in enumerate(matrix.problems)
        for j, b in enumerate(matrix.problems)
    ]  # fmt: skip
    return pd.DataFrame(rows)
