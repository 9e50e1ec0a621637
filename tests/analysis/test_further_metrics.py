"""What a problem reports besides its loss, as held-out accuracy, stands where its results do, and selects nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pandas as pd
import pytest

from analysis import Cell, Record, recommendations, results_text
from analysis.measures.results import CellResult
from analysis.pages.csv_tables import metrics_table
from analysis.words import metric_text


@pytest.fixture
def cell(record: Record) -> Cell:
    return record.of_problem("classes")[0]


def end_of(cell: Cell) -> pd.Series:
    """The accuracies of the tuned runs after the last step."""
    curves = cell.curves[cell.curves["setting"] == "tuned"]
    return curves[curves["step"] == curves["step"].max()]["accuracy"]


def test_the_end_of_a_metric_is_within_its_runs(cell: Cell) -> None:
    found = CellResult.alone(cell).metric_at_end("accuracy", "tuned")
    assert end_of(cell).min() <= found <= end_of(cell).max()
    assert math.isnan(CellResult.alone(cell).metric_at_end("nothing", "tuned"))


def test_a_metric_with_a_diverged_run_has_no_end(edited_cell: Callable[..., Cell]) -> None:
    last = edited_cell(2, "sgd", curves=lambda frame: frame.assign(accuracy=frame["accuracy"].mask(frame["step"] > 8)))
    assert math.isnan(CellResult.alone(last).metric_at_end("accuracy", "tuned"))


def test_the_table_of_metrics_has_a_row_a_setting_and_step(record: Record) -> None:
    cells = [CellResult.alone(cell) for cell in record.of_problem("classes")]
    table = metrics_table(cells)
    assert set(table["metric"]) == {"accuracy"}
    assert set(table["setting"]) == {"tuned", "default"}
    assert not table.duplicated(["label", "setting", "step"]).any()
    assert metrics_table([CellResult.alone(record.of_problem("ellipse")[0])]).empty


def test_the_terminal_says_the_metrics_of_the_problems_that_have_some(record: Record) -> None:
    lines = results_text(record).splitlines()
    (line,) = [line for line in lines if "accuracy, tuned: " in line]
    assert "sgd " in line
    assert max(map(len, results_text(record, 60).splitlines())) <= 60


def test_the_advice_tells_the_metrics_of_its_setting(record: Record) -> None:
    for advice in recommendations(record):
        assert bool(advice.metrics) == (advice.problem == "classes" and advice.source == "tuned")
        assert dict(advice.to_dict()["metrics"]) == dict(advice.metrics)


def judged(edited_cell: Callable[..., Cell], objective: str) -> Cell:
    """The cell of the toy with a metric, which is one on held-out data here, tuned by ``objective``."""
    folder = edited_cell(2, "sgd").path
    content = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    content["problem"]["metrics"] = ["heldout_loss"]
    content["protocol"]["objective"] = objective
    (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
    curves = pd.read_parquet(folder / "curves.parquet").rename(columns={"accuracy": "heldout_loss"})
    curves.to_parquet(folder / "curves.parquet")
    return Cell.load(folder)


def test_a_report_says_by_which_held_out_loss_settings_were_chosen_and_shows_it(
    edited_cell: Callable[..., Cell],
) -> None:
    said = {
        objective: " ".join(results_text([judged(edited_cell, objective)], 200).split())
        for objective in ("final", "heldout_loss", "heldout_best")
    }
    assert all("held-out loss, tuned: sgd" in text for text in said.values())
    assert [text.count("Tuned by the held-out loss") for text in said.values()] == [0, 1, 1]
    assert "Tuned by the held-out loss at its lowest evaluation, as early stopping takes it" in said["heldout_best"]
    assert [text.count("held-out loss at its lowest, tuned: sgd") for text in said.values()] == [0, 0, 1]


def test_what_is_recommended_is_what_the_held_out_data_chose_whatever_the_landscape_says(
    edited_cell: Callable[..., Cell],
) -> None:
    cell = judged(edited_cell, "heldout_loss")
    assert cell.info.winner is not None
    assert cell.info.protocol.grid is not None
    (advice,) = recommendations([cell])
    assert (advice.source, dict(advice.setting)) == ("tuned", dict(cell.info.winner.hyperparameters))
    assert advice.ranges == {}
    assert "It was chosen by the held-out loss at the end, which ends at" in advice.sentence


def test_the_lowest_held_out_loss_is_that_of_every_run_at_its_own_step(edited_cell: Callable[..., Cell]) -> None:
    cell = judged(edited_cell, "heldout_best")
    curves = cell.curves[cell.curves["setting"] == "tuned"]
    lowest = curves.groupby(["study", "seed"])["heldout_loss"].min()
    found = CellResult.alone(cell).lowest_of_runs("heldout_loss", "tuned")
    assert found == lowest.groupby("study").median().median()
    assert math.isnan(CellResult.alone(cell).lowest_of_runs("nothing", "tuned"))


@pytest.mark.parametrize(
    ("name", "words"), [("heldout_accuracy", "held-out accuracy"), ("heldout_loss", "held-out loss"), ("f1", "f1")]
)
def test_a_metric_is_called_in_words(name: str, words: str) -> None:
    assert metric_text(name) == words
