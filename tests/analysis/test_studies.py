"""Several tuning studies: what one gets who tunes once, how far studies lie apart, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.pairs import paired_table
from analysis.measures.pooling import PoolingError, pool
from analysis.measures.profiles import hits
from analysis.measures.ranking import ranking, scores
from analysis.measures.recommendation import recommend
from analysis.measures.results import CellResult
from analysis.pages.results_text import results_text
from analysis.pages.sentences import problem_reading
from analysis.problem_results import ProblemResults, results_of, results_table
from analysis.record.cells import Cell, Record


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Record:
    """The toy record with three studies a cell."""
    return Record.load(replace(builder, studies=3).record(tmp_path_factory.mktemp("three") / "toy"))


def tuned_runs(cell: Cell) -> pd.DataFrame:
    """The final losses on the test seeds, a row a study."""
    runs = cell.runs[cell.runs["setting"] == "tuned"]
    return runs.pivot_table(index="study", columns="seed", values="final_loss")


def test_the_result_is_the_median_over_studies_of_their_medians(three: Record) -> None:
    cell = three.of_problem("noisy")[1]
    result = CellResult.alone(cell)
    assert result.tuned is not None
    medians = np.median(tuned_runs(cell), axis=1) - 0.25
    assert result.tuned.value == pytest.approx(np.median(medians))
    assert (result.tuned.studies, result.tuned.n, result.tuned.runs) == (3, 5, 15)
    assert result.tuned.estimate.low <= min(medians) <= max(medians) <= result.tuned.estimate.high
    assert (result.default.studies if result.default else 0) == 1


def test_the_interval_of_a_deterministic_problem_is_that_of_its_studies(three: Record) -> None:
    cell = three.of_problem("ellipse")[0]
    found, ends = CellResult.alone(cell), tuned_runs(cell).to_numpy()
    assert found.tuned is not None
    assert (found.tuned.estimate.low, found.tuned.estimate.high) == (
        pytest.approx(ends.min()),
        pytest.approx(ends.max()),
    )
    assert "exact" not in found.text("tuned")
    assert "[" in found.text("tuned")
    assert found.text("default").endswith("exact")


def test_the_setting_shown_is_that_of_the_study_in_the_middle(three: Record) -> None:
    for cell in three:
        result = CellResult.alone(cell)
        medians = np.median(tuned_runs(cell), axis=1)
        middle = int(np.argsort(medians, kind="stable")[1])
        assert result.typical_study == middle
        assert result.typical_winner == cell.info.studies[middle].winner


def test_the_best_study_is_chosen_by_its_tuning_seeds_and_reported_on_the_test_seeds(three: Record) -> None:
    for cell in three:
        objectives = [study.winner.objective for study in cell.info.studies if study.winner]
        assert cell.info.best_study == cell.info.studies[int(np.argmin(objectives))]
        result = CellResult.alone(cell)
        assert result.best_tuned is not None
        own = np.median(tuned_runs(cell).loc[int(np.argmin(objectives))])
        assert result.best_tuned.value == pytest.approx(own - (cell.floor or 0.0))
    row = results_table(three).iloc[4]
    assert row["best_study"] == CellResult.alone(three.cells[4]).best_tuned.value  # type: ignore[union-attr]
    assert row["studies"] == 3


def test_a_recommended_winner_has_the_value_of_its_own_study(three: Record) -> None:
    found = [(cell, CellResult.alone(cell)) for cell in three]
    recommended = [(recommend(cell, result.measure), result) for cell, result in found]
    tuned = [(one, result) for one, result in recommended if one is not None and one.source == "tuned"]
    assert tuned
    for one, result in tuned:
        assert result.best_tuned is not None
        assert one.value == result.best_tuned.value
        assert one.setting == result.info.winner.hyperparameters  # type: ignore[union-attr]


def test_a_recommended_winners_metrics_are_those_of_its_own_study(three: Record) -> None:
    found = [(cell, recommend(cell, CellResult.alone(cell).measure)) for cell in three.of_problem("classes")]
    tuned = [(cell, advice) for cell, advice in found if advice is not None and advice.source == "tuned"]
    assert tuned
    for cell, advice in tuned:
        ends = cell.curves[(cell.curves["setting"] == "tuned") & (cell.curves["step"] == cell.curves["step"].max())]
        own = ends[ends["study"] == cell.info.best_study.study]["accuracy"]  # type: ignore[union-attr]
        assert advice.metrics == {"accuracy": pytest.approx(own.median())}


def test_a_study_that_found_nothing_is_one_that_diverged_and_not_left_out(
    three: Record, tmp_path: Path, builder: Any
) -> None:
    folder = replace(builder, studies=3).record(tmp_path / "toy", optimizers=("sgd",)) / "cells" / "noisy--sgd"
    content = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    content["studies"][1]["winner"] = None
    (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
    for table in ("runs", "curves"):
        rows = pd.read_parquet(folder / f"{table}.parquet")
        rows[~((rows["setting"] == "tuned") & (rows["study"] == 1))].to_parquet(folder / f"{table}.parquet")
    result = CellResult.alone(Cell.load(folder))
    whole = CellResult.alone(three.of_problem("noisy")[0])
    assert result.tuned is not None
    assert whole.tuned is not None
    assert np.isinf(result.tuned.values[1]).all()
    np.testing.assert_array_equal(result.tuned.values[[0, 2]], whole.tuned.values[[0, 2]])
    assert (result.tuned.diverged, result.convergence["tuned"].diverged) == (5, 5)
    assert result.text("tuned").endswith("(5 of 15 diverged)")
    assert np.isnan(result.curves["tuned"][1][1]).all()


def test_pools_hold_studies_and_seeds(three: Record) -> None:
    pooled = pool(three.cells)
    assert pooled.finals("noisy").shape == (3, 3, 5)
    assert pooled.finals("noisy", "default").shape == (3, 1, 5)
    assert [made.shape for made in scores(pooled)] == [(3, 3, 1), (3, 3, 5), (3, 3, 5)]
    assert hits(pooled, "noisy").first.shape[:2] == (3, 15)
    ranks = ranking(pooled).ranks
    assert all(rank.low <= rank.value <= rank.high for rank in ranks)
    table = paired_table(pooled)
    assert table["p"].notna().all()  # also on the deterministic problem: the studies differ
    assert set(table["studies"]) == {3}


def test_unequal_numbers_of_studies_are_unequal_budgets(three: Record, record: Record) -> None:
    mixed = [three.of_problem("noisy")[0], *record.of_problem("noisy")[1:]]
    with pytest.raises(PoolingError, match="studies is 1, but noisy--sgd has 3"):
        pool(mixed)


def test_the_curve_is_the_typical_run_within_the_middle_of_all_runs(three: Record) -> None:
    cell = three.of_problem("noisy")[2]
    line = CellResult.alone(cell).convergence["tuned"]
    curves = cell.curves[cell.curves["setting"] == "tuned"].assign(gap=lambda frame: frame["loss"] - 0.25)
    typical = curves.groupby(["study", "step"])["gap"].median().groupby("step").median()
    np.testing.assert_allclose(line.band.median, typical)
    assert (line.band.n, line.studies, line.seeds) == (15, 3, 5)
    assert (line.band.low <= line.band.median).all()
    assert (line.band.median <= line.band.high).all()


def test_the_text_says_what_its_intervals_are_over(three: Record, record: Record) -> None:
    text = " ".join(results_text(three).split())
    assert "tuned: median [75% interval] over 3 independent studies and 5 fresh test seeds" in text
    assert "default: median [94% interval] over 5 fresh test seeds" in text
    alone = " ".join(results_text(record).split())
    assert "tuned: of the setting found by one study; another one finds another." in alone


def test_the_reading_says_over_how_many_studies_and_of_one_that_it_is_of_the_setting_found(
    three: Record, record: Record
) -> None:
    assert "in the middle of 3 studies, over 5 test seeds" in problem_reading(results_of(three)["noisy"])[0]
    assert "in the middle of 3 studies at" in problem_reading(results_of(three)["ellipse"])[0]
    assert "of the setting found by one study" in problem_reading(results_of(record)["noisy"])[0]


def test_copies_of_one_optimizer_that_were_tuned_apart_are_not_told_apart(
    tmp_path: Path, builder: Any, edited_cell: Callable[..., Cell]
) -> None:
    del edited_cell
    folder = replace(builder, studies=6, seeds=10).record(tmp_path / "toy", optimizers=("rmsprop",))
    cells = []
    for path in sorted((folder / "cells").iterdir()):
        for name, kept in (("copy", 0), ("original", 3)):
            cells.append(half(path, tmp_path / f"{path.name}-{name}", name, kept))
    for found in results_of(sorted(cells, key=lambda cell: cell.problem)).values():
        assert set(found.best) | set(found.tied) == set(found.cells)
    assert set(paired_table(pool(cells))["verdict"]) <= {"undecided", "equal"}


def half(cell: Path, folder: Path, name: str, kept: int) -> Cell:
    """Three of a cell's six studies, from number ``kept`` on, as those of an optimizer ``name``."""
    folder.mkdir()
    content = json.loads((cell / "cell.json").read_text(encoding="utf-8"))
    content["studies"] = [{**each, "study": i} for i, each in enumerate(content["studies"][kept : kept + 3])]
    content["protocol"]["studies"], content["optimizer"]["name"], content["cell"] = 3, name, f"{cell.name}-{name}"
    (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
    for file in cell.glob("*.parquet"):
        rows = pd.read_parquet(file)
        if "study" in rows:
            rows = rows[rows["study"].isna() | rows["study"].between(kept, kept + 2)]
            rows = rows.assign(study=rows["study"] - kept)
        rows.to_parquet(folder / file.name)
    return Cell.load(folder)


def test_an_optimizer_that_every_study_tunes_far_better_is_told_apart(three: Record, tmp_path: Path) -> None:
    cells = []
    for cell in three.of_problem("noisy"):
        folder = tmp_path / cell.name
        folder.mkdir()
        for file in cell.path.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        if cell.optimizer == "sgd":
            runs = cell.runs
            worse = 0.25 + 1e3 * (runs["final_loss"] - 0.25)
            runs = runs.assign(final_loss=runs["final_loss"].mask(runs["setting"] == "tuned", worse.clip(upper=4.0)))
            runs.to_parquet(folder / "runs.parquet")
        cells.append(Cell.load(folder))
    found = ProblemResults.of(cells)
    sgd = next(cell for cell in found.cells if cell.label == "sgd")
    assert sgd not in found.best
    assert sgd not in found.tied


def test_defaults_that_end_lower_than_what_tuning_found_are_marked(edited_cell: Callable[..., Cell]) -> None:
    def lower(runs: pd.DataFrame) -> pd.DataFrame:
        return runs.assign(final_loss=runs["final_loss"].mask(runs["setting"] == "default", 0.2500001))

    better, usual = edited_cell(1, "sgd", runs=lower), edited_cell(1, "sgd")
    assert CellResult.alone(better).default_is_lower
    assert not CellResult.alone(usual).default_is_lower
    assert "< = the defaults end lower than what tuning found" in results_text([better])
    assert "< =" not in results_text([usual])
