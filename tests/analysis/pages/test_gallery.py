"""The gallery: what it draws is drawn from a record, and what it promises of frames is so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.measures.convergence import measure_of
from analysis.measures.fractal import Level, Window, Zoom, zoom_frame
from analysis.measures.results import CellResult
from analysis.pages.catalogue import FIGURES
from analysis.pages.report import write_report
from analysis.record.cells import Record

PAGE = (Path(__file__).parents[3] / "docs" / "figures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
DRAWN = re.findall(
    r"^### ([^\n]*)\n\n(?:[^`\n#][^\n]*\n+|`[^`][^\n]*\n+)*```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
)
DRAWN = [(name, block) for name, block in DRAWN if "plt.show()" in block]


def zoom_by_hand() -> Zoom:
    """Two windows beside a straight boundary."""
    levels, window = [], Window()
    for _ in range(2):
        lr, gamma = 0.5 + np.linspace(*window.x, 17), np.linspace(*window.y, 17)
        levels.append(Level(window, lr, gamma, np.tile(lr < 1, (17, 1)), np.zeros((17, 17))))
        window = window.around((8, 8), 16)
    return Zoom("lr", "gamma", tuple(levels))


@pytest.mark.slow
def test_the_python_of_the_gallery_runs_as_it_stands_and_draws_what_it_says(
    builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    small = replace(builder, grid=(5, 4), seeds=3, trials=6)
    write_report(small.record(tmp_path / "results" / "quick", optimizers=("sgd", "rmsprop")))
    (tmp_path / "zoom").mkdir()
    zoom_frame(zoom_by_hand()).to_csv(tmp_path / "zoom" / "zoom.csv", index=False)
    names: dict[str, Any] = {}
    seen = []
    for block in BLOCKS:
        exec(compile(block, "figures.md", "exec"), names)
        if plt.get_fignums():
            axes = plt.gcf().axes[0]
            plt.gcf().canvas.draw()
            seen.append(bool(axes.lines or axes.collections))
            plt.close("all")
    assert seen == [True] * len(DRAWN) == [True] * 15
    assert (tmp_path / "convergence.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "landscape.png").is_file()


def test_the_convergence_of_the_gallery_is_the_reports(record: Record) -> None:
    cells = record.of_problem("noisy")
    tuned = record.curves.query("problem == 'noisy' and setting == 'tuned' and label == 'sgd'")
    typical = tuned.groupby("step")["gap"].median()
    line = CellResult(cells[0], measure_of(cells)).convergence["tuned"]
    assert typical.to_list() == pytest.approx(line.band.median.tolist())


def test_the_gallery_names_every_figure_and_every_frame() -> None:
    assert all(f"`{name}`" in PAGE for name in FIGURES)
    assert all(f"`record.{name}`" in PAGE for name in ("curves", "runs", "landscape", "trials"))
    assert all(len(block.splitlines()) <= 7 for _, block in DRAWN)


def test_every_figure_of_the_report_is_redrawn_or_said_to_be_matplotlibs() -> None:
    redrawn = {re.split("[:, ]", name)[0].lower() for name, _ in DRAWN}
    alone = set(re.findall(r"\(`([a-z]+)`\)", PAGE.rstrip().splitlines()[-1]))
    assert {name.removesuffix("-matrix") for name in FIGURES} <= redrawn | alone
    assert {"paired", "zoom"} <= redrawn
    assert not redrawn & alone
