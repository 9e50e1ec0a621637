"""What is kept of a landscape's runs on their way is what they were, to within its accuracy; and may be absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.results import CellResult
from analysis.record.anytime import ACCURACY, LOST, packed, unpacked
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError


def test_a_value_survives_to_within_the_accuracy() -> None:
    values = np.concatenate([-np.logspace(31, -44, 999), [0.0], np.logspace(-44, 31, 999)])
    codes = packed(values)
    assert codes.dtype == np.int16
    np.testing.assert_allclose(unpacked(codes), values, rtol=ACCURACY * (1 + 1e-9))
    assert ACCURACY < 0.0028
    assert (np.diff(codes.astype(int)) >= 0).all()


def test_what_is_lost_is_missing_and_what_is_out_of_range_is_held() -> None:
    codes = packed([np.nan, np.inf, 1e-60, -1e-60, 1e300])
    assert codes.tolist() == [LOST, LOST, 0, 0, 2**15 - 1]
    assert np.isnan(unpacked(codes)[:2]).all()
    assert unpacked(codes)[2:].tolist() == [0.0, 0.0, pytest.approx(2.0**106, rel=0.02)]


def test_a_record_of_an_earlier_version_has_no_horizons_and_is_read(record: Record, edited_cell: Any) -> None:
    assert [one.step for one in CellResult.alone(record.cells[0]).horizons] == [1, 3, 10, 22, 40]
    old = edited_cell(0, "rmsprop")
    (old.path / "anytime.parquet").unlink()
    found = CellResult.alone(Cell.load(old.path))
    assert found.cell.anytime is None
    assert found.horizons == ()
    assert found.landscape is not None


def test_horizons_that_do_not_fit_the_landscape_are_refused(edited_cell: Any) -> None:
    cell: Cell = edited_cell(0, "rmsprop", anytime=lambda frame: frame.iloc[:-1])
    with pytest.raises(RecordError, match=r"anytime\.parquet does not fit the landscape beside it; delete"):
        CellResult.alone(cell).horizons  # noqa: B018 - reading it is what is tried


def test_what_was_kept_on_the_way_agrees_with_the_rows_of_the_landscape(record: Record) -> None:
    for cell in record:
        kept, landscape = cell.anytime, cell.landscape
        assert kept is not None
        for step, values in kept.items():
            assert np.array_equal(np.isnan(values), (landscape["stopped_at"] < step).to_numpy())
            above = values[~np.isnan(values)] + (cell.floor or 0.0)
            lowest = landscape["best_loss"].to_numpy()[~np.isnan(values)]
            assert (above >= lowest - ACCURACY * np.abs(above) - 2.0**-150).all()


def test_the_file_is_of_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "anytime.parquet"
    pd.DataFrame(packed(np.ones((3, 2))), columns=["1", "5"]).to_parquet(file)
    assert pd.read_parquet(file).dtypes.tolist() == [np.int16, np.int16]
