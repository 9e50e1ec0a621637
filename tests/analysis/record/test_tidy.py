"""The frames of a whole record: tidy, documented, small; and how records show themselves in a notebook."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.record.cells import Cell, Record
from analysis.record.columns import TABLES
from analysis.record.tidy import KEYS, tidy


@pytest.mark.parametrize("table", ["trials", "runs", "curves", "landscape"])
def test_a_frame_holds_every_row_of_every_cell_and_says_which_cell_it_is_of(table: str, record: Record) -> None:
    frame = getattr(record, table)
    assert len(frame) == sum(len(getattr(cell, table)) for cell in record)
    assert [*frame.columns][:4] == [*KEYS]
    assert set(TABLES[table].columns) <= set(frame.columns)
    cell = record.cells[4]
    own = frame[(frame["problem"] == cell.problem) & (frame["label"] == cell.label)].reset_index(drop=True)
    for name, values in getattr(cell, table).items():
        np.testing.assert_array_equal(own[name].to_numpy(), values.to_numpy(), err_msg=str(name))


def test_words_are_categories_in_the_suites_order(record: Record) -> None:
    frame = record.runs
    assert [*frame["problem"].cat.categories] == ["ellipse", "noisy", "classes"]
    assert [*frame["label"].cat.categories] == ["sgd", "momentum", "rmsprop"]
    assert [*frame["setting"].cat.categories] == ["trial", "tuned", "default"]


def test_the_gap_is_the_loss_above_the_stated_minimum_and_missing_where_there_is_none(record: Record) -> None:
    curves = record.curves
    noisy = curves[curves["problem"] == "noisy"]
    np.testing.assert_array_equal(noisy["gap"], noisy["loss"] - 0.25)
    assert curves.loc[curves["problem"] == "classes", "gap"].isna().all()
    assert "gap" not in record.trials


def test_a_hyperparameter_is_missing_where_a_cell_has_none(record: Record) -> None:
    landscape = record.landscape
    assert landscape.loc[landscape["optimizer"] != "rmsprop", "gamma"].isna().all()
    assert landscape.loc[landscape["optimizer"] == "rmsprop", "gamma"].notna().all()


def test_a_record_without_landscapes_has_an_empty_frame_with_its_columns(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", landscape=lambda frame: frame[:0])
    frame = tidy([(cell.path, cell.info)], "landscape")
    assert frame.empty
    assert {*KEYS, *TABLES["landscape"].columns, "gap"} == set(frame.columns)


def test_frames_are_not_sent_to_other_processes(record_folder: Path) -> None:
    record = Record.load(record_folder)
    before = len(pickle.dumps(record))
    assert len(record.curves)
    assert len(pickle.dumps(record)) == before


@pytest.mark.slow
def test_a_million_rows_take_a_second_or_two_and_no_more_memory_than_their_numbers(
    record: Record, tmp_path: Path
) -> None:
    cell = record.cells[2]
    many = pd.concat([cell.landscape] * (500_000 // len(cell.landscape) + 1), ignore_index=True)[:500_000]
    many.to_parquet(tmp_path / "landscape.parquet")
    began = time.process_time()
    frame = tidy([(tmp_path, cell.info)] * 2, "landscape")
    assert len(frame) == 10**6
    assert time.process_time() - began < 5
    assert frame.memory_usage(deep=True).sum() < 100e6


def test_a_record_shows_a_row_a_cell_in_a_notebook(record: Record) -> None:
    shown = record._repr_html_()
    assert "toy &lt;suite&gt;" in shown
    assert "<b>tests" not in shown
    assert shown.count("<tr") == 1 + len(record.cells)


def test_a_cell_shows_what_its_studies_found_in_a_notebook(record: Record) -> None:
    cell = record.cells[2]
    shown = cell._repr_html_()
    assert "ellipse: rmsprop" in shown
    assert "study 1" in shown
    assert "default" in shown
    assert "gamma" in shown
