"""The command that zooms into the boundary of divergence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

DECAYED = ["zoom", "square", "sgd(weight_decay=0.01)", "--y", "weight_decay", "--search", "weight_decay=0:1"]


def test_a_zoom_writes_its_picture_and_its_table_and_ends_with_the_dimension(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*DECAYED, "--size", "16", "--depth", "3", "--at", "1,0", "--out", tmp_path / "out") == 0
    told = capsys.readouterr()
    assert "4 windows of 289 runs, about" in told.err
    assert told.out.splitlines()[-1].startswith("box dimension 1.0")
    assert told.out.splitlines()[-1].endswith("the mean of 4 levels with Student's 90% interval of their spread")
    table = pd.read_csv(tmp_path / "out" / "zoom.csv")
    assert list(table["level"]) == [0, 1, 2, 3]
    width = table["weight_decay_high"] - table["weight_decay_low"]
    assert width.to_numpy() == pytest.approx([1, 0.1, 0.01, 0.001])
    assert (tmp_path / "out" / "zoom.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["zoom", "square", "sgd"], "a zoom needs two hyperparameters of sgd"),
        ([*DECAYED, "--at", "1"], "--at is written X,Y"),
        ([*DECAYED, "--at", "nan,0", "--size", "16"], "lr nan is beyond its range"),
        ([*DECAYED, "--size", "4"], "16<=x<=8192"),
        (["zoom", "squrae", "momentum"], "did you mean 'square'?"),
    ],
)
def test_what_cannot_be_zoomed_is_one_line(
    words: list[str], said: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words) == 2
    err = capsys.readouterr().err.splitlines()
    assert said in err[-1]
