"""The part of a report across problems: what it holds, what it refuses, and that it never stops a report."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures.across import budget_figure, replay_figure
from analysis.figures.ranks import ranks_figure
from analysis.figures.style import Look, looks_of
from analysis.figures.transfer import matrices_shown, transfer_figure, transfer_matrix_figure
from analysis.measures.budget import BudgetCurve, ReplayCurve, budget_results
from analysis.measures.measure import Measure
from analysis.measures.ranking import Ranking
from analysis.measures.transfer import Transfer
from analysis.pages.across_section import Across, across_of
from analysis.pages.problem_section import budget_figures
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Record
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text


def looks(record: Record) -> dict[str, Look]:
    return looks_of([cell.label for cell in record])


@pytest.fixture(scope="module")
def across(record: Record) -> Across:
    found = across_of(results_of(record), looks(record))
    assert found is not None
    return found


@pytest.fixture
def copied(record_folder: Path, tmp_path: Path) -> Path:
    """A record of the two smaller problems without one-knob curves to draw, to be changed."""
    folder = tmp_path / "record"
    shutil.copytree(record_folder, folder, ignore=lambda _, names: [n for n in names if n.startswith("classes--")])
    return folder


def rewrite(folder: Path, cell: str, **changes: Any) -> None:
    """Change entries of a cell's ``cell.json``."""
    file = folder / "cells" / cell / "cell.json"
    info = json.loads(file.read_text(encoding="utf-8"))
    for key, value in changes.items():
        info[key] = {**info[key], **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(info), encoding="utf-8")


def part(folder: Path) -> Across:
    record = Record.load(folder)
    found = across_of(results_of(record), looks(record))
    assert found is not None
    return found


def test_ranks_profiles_and_transfer_of_a_record_are_drawn_and_tabulated(across: Across) -> None:
    names = ("ranks", "profiles", "transfer", "transfer-matrix")
    assert [picture.stem for picture in across.pictures] == [f"across-{name}" for name in names]
    tables = {"ranking", "pairs", "improvement", "running_time", "profiles", "transfer", "tuning_gain"}
    assert set(across.tables) == tables
    assert not any(table.empty for table in across.tables.values())
    assert across.refused == []


def test_the_words_name_the_best_rank_and_the_setting_that_costs_least(across: Across) -> None:
    assert across.reading[0].startswith(f"Over 3 problems {across.ranked[0].label} has the best mean rank")
    found = across.suite_setting
    assert found is not None
    cost = found.regrets[found.worst].value
    lead = "No single setting works" if cost > 0.5 else "One setting serves all"
    assert across.reading[1].startswith(f"{lead}: the best loses {cost:.0%} on {found.worst} ({found.label} with lr ")
    assert [row.setting.label for row in across.robust] == ["sgd", "momentum", "rmsprop"]


def test_a_record_of_one_problem_has_no_such_part(record: Record) -> None:
    assert across_of(results_of(record.of_problem("ellipse")), looks(record)) is None


@pytest.mark.usefixtures("empty_pictures")
def test_what_must_not_be_pooled_is_refused_in_a_sentence_and_the_rest_is_kept(copied: Path) -> None:
    rewrite(copied, "noisy--sgd", protocol={"trials": 99})
    found = part(copied)
    assert len(found.refused) == 1
    assert found.refused[0].startswith("No ranks and profiles: the budgets on noisy are unequal: trials is 12")
    assert [picture.stem for picture in found.pictures] == ["across-transfer", "across-transfer-matrix"]


@pytest.mark.usefixtures("empty_pictures")
def test_optimizers_mapped_on_unequal_steps_have_no_setting_in_common(copied: Path) -> None:
    rewrite(copied, "noisy--sgd", protocol={"landscape_seeds": [1]})
    found = part(copied)
    assert found.suite_setting is None
    assert found.refused == [
        "No one setting of all optimizers: the budgets on noisy are unequal: landscape seeds is "
        "[10, 11, 12], but noisy--sgd has [1]."
    ]
    assert len(found.robust) == 3


@pytest.mark.usefixtures("empty_pictures")
def test_a_record_without_landscapes_has_no_transfer(copied: Path) -> None:
    for file in (copied / "cells").glob("*/landscape.parquet"):
        pd.read_parquet(file)[:0].to_parquet(file)
    found = part(copied)
    assert found.robust == []
    assert "transfer" not in found.tables
    assert len(found.pictures) == 2


@pytest.mark.usefixtures("empty_pictures")
def test_a_record_that_was_only_mapped_has_only_transfer(copied: Path) -> None:
    for file in (copied / "cells").glob("*/runs.parquet"):
        runs = pd.read_parquet(file)
        runs[runs["setting"] != "tuned"].to_parquet(file)
    found = part(copied)
    assert "no contender on ellipse was run under the tuned setting" in found.refused[0]
    assert len(found.robust) == 3


@pytest.mark.usefixtures("empty_pictures")
def test_an_optimizer_that_was_mapped_once_is_said_to_have_no_transfer(copied: Path) -> None:
    file = copied / "cells" / "noisy--rmsprop" / "landscape.parquet"
    pd.read_parquet(file)[:0].to_parquet(file)
    found = part(copied)
    assert found.refused == [
        "No transfer of rmsprop: transfer needs one optimizer on two mapped problems or more, "
        "got ['rmsprop']: ['ellipse']."
    ]
    assert [row.setting.label for row in found.robust] == ["sgd", "momentum"]


def test_contenders_that_all_diverged_leave_ranks_but_no_profile(copied: Path) -> None:
    for file in (copied / "cells").glob("*/runs.parquet"):
        runs = pd.read_parquet(file)
        tuned = runs["setting"] == "tuned"
        runs = runs.assign(status=runs["status"].mask(tuned, "diverged"), final_loss=runs["final_loss"].mask(tuned))
        runs.to_parquet(file)
        curves = pd.read_parquet(file.with_name("curves.parquet"))
        late = (curves["setting"] == "tuned") & (curves["step"] > 0)
        curves.assign(loss=curves["loss"].mask(late)).to_parquet(file.with_name("curves.parquet"))
    found = part(copied)
    assert [picture.stem for picture in found.pictures] == ["across-ranks", "across-transfer", "across-transfer-matrix"]
    assert {row.rank.value for row in found.ranked} == {2}


def test_replayed_searches_are_drawn_beside_random_search(copied: Path) -> None:
    cells = Record.load(copied).of_problem("noisy")
    rows = [("tpe", repeat, k, 1.0 / k) for repeat in (0, 1) for k in range(1, 9)]
    pd.DataFrame(rows, columns=["sampler", "repeat", "k", "best"]).to_parquet(cells[2].path / "replays.parquet")
    results = results_of(Record.load(copied))["noisy"]
    figures = dict(budget_figures(results, budget_results(results.cells, (1, 8)), looks(Record.load(copied))))
    assert list(figures) == ["budget", "replay"]
    assert [axes.get_title("left") for axes in figures["replay"].axes] == ["rmsprop"]


def test_a_bar_joins_the_optimizers_that_are_not_told_apart() -> None:
    labels = ("a", "b", "c")
    ranks = tuple(Estimate(value, value - 0.1, value + 0.1, 9) for value in (1.0, 1.9, 3.0))
    figure = ranks_figure(Ranking(labels, ranks, 0.01, 1.1, (("a", "b"),), 9), looks_of(labels))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts if text.get_gid() == "name"] == ["a  1", "b  1.9", "3  c"]
    bars = [line for line in axes.lines if line.get_gid() == "bar"]
    assert [list(bar.get_xdata()) for bar in bars] == [[1.0, 1.9]]
    (ruler,) = [line for line in axes.lines if line.get_gid() == "critical"]
    assert list(ruler.get_xdata()) == pytest.approx([1, 2.1])


def test_every_rank_has_a_line_to_its_name_and_none_crosses_another() -> None:
    values = (1.2, 1.2, 2.5, 3.1, 4.4, 5.0)
    labels = tuple("abcdef")
    ranks = tuple(Estimate(value, value, value, 9) for value in values)
    figure = ranks_figure(Ranking(labels, ranks, 0.3, 4.0, (labels,), 6), looks_of(labels))
    leaders = [line.get_xydata() for line in figure.axes[0].lines if line.get_gid() == "leader"]
    assert sorted(float(points[0, 0]) for points in leaders) == sorted(values)
    left = [points for points in leaders if points[-1, 0] < 1]
    assert len(left) == 3
    for outer, inner in pairwise(left):  # better ranks are named higher
        assert outer[0, 0] <= inner[0, 0]
        assert outer[-1, 1] < inner[-1, 1]


def test_large_transfer_matrices_go_without_numbers() -> None:
    def drawn(count: int) -> int:
        names = tuple(f"p{i}" for i in range(count))
        zeros = np.zeros((count, count))
        return len(transfer_matrix_figure([Transfer("a", names, zeros, zeros, zeros)]).axes[0].texts)

    assert (drawn(9), drawn(10)) == (81, 0)


def test_what_is_given_away_elsewhere_is_a_dot_a_pair_and_the_least_in_the_median_stands_first() -> None:
    names = ("p", "q", "r")
    much, little = np.full((3, 3), 0.9), np.full((3, 3), 0.2)
    little[0, 1] = 0.7
    np.fill_diagonal(much, 0)
    np.fill_diagonal(little, 0)
    found = [Transfer(label, names, each, each, each) for label, each in (("much", much), ("little", little))]
    figure = transfer_figure(found, looks_of(["much", "little"]))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["little", "much"]
    dots = [np.asarray(each.get_offsets())[:, 0] for each in axes.collections]
    assert [sorted(some) for some in dots if some.size] == [[0.2] * 5 + [0.7], [0.9] * 6]
    assert "one pair of problems, of 6" in {text.get_text() for text in figure.legends[0].get_texts()}


def test_of_many_matrices_those_are_drawn_that_give_away_least() -> None:
    found = [Transfer(f"o{i}", ("p", "q"), *[np.full((2, 2), 1 - i / 10)] * 3) for i in range(9)]
    assert [one.label for one in matrices_shown(found)] == [f"o{i}" for i in range(3, 9)]
    assert matrices_shown(found[:6]) == found[:6]


@pytest.mark.parametrize("count", [3, 5])
def test_every_problem_of_a_transfer_matrix_is_named_inside_a_page_wide_figure(count: int) -> None:
    names = tuple(f"a-problem-with-a-name-{i}" for i in range(14))
    zeros = np.zeros((14, 14))
    figure = transfer_matrix_figure([Transfer(f"optimizer{i}", names, zeros, zeros, zeros) for i in range(count)])
    assert figure.get_figwidth() <= 11
    figure.draw_without_rendering()
    shown = [text for axes in figure.axes[:count] for text in axes.get_xticklabels() if text.get_text()]
    assert len(shown) == count * 14  # every panel names its columns
    assert all(text.get_window_extent().y0 >= 0 for text in shown)


def test_a_budget_figure_of_a_linear_measure_has_a_linear_axis(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("classes"))
    measure = results.measure
    figure = budget_figure(budget_results(results.cells, (1, 4)), measure, looks(record))
    assert figure.axes[0].get_yscale() == ("log" if measure.log else "linear")
    assert figure.axes[1].get_ylim() == (0, 1)


@pytest.mark.parametrize(
    ("low", "value", "high", "text"),
    [(0.1, 0.2, 0.3, "0.2 [0.1, 0.3]"), (0.2, 0.2, 0.2, "0.2"), (np.nan, np.nan, np.nan, "–")],
)
def test_an_estimate_is_written_with_its_interval_where_it_has_one(
    low: float, value: float, high: float, text: str
) -> None:
    assert estimate_text(Estimate(value, low, high, 5)) == text
    assert estimate_text(None) == "–"


def test_samplers_differ_in_more_than_colour() -> None:
    expected, low, high = np.array([2.0, 1.0]), np.array([1.0, 0.5]), np.array([3.0, 2.0])
    exact = BudgetCurve(np.array([1, 2]), expected, low, high, expected, low, high, 1, 9)
    replays = [ReplayCurve(name, exact.budgets, expected, low, high, 5) for name in ("tpe", "cmaes", "qmc")]
    figure = replay_figure({"a": (exact, replays)}, Measure(0.0, 5.0, 1e-9, log=True))
    lines = figure.legends[0].get_lines()
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in lines[1:]}) == 3
