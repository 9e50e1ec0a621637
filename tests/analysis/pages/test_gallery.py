"""The gallery: what it draws is drawn from a record, and what it promises of frames is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from analysis.pages.catalogue import FIGURES
from analysis.record.cells import Record

PAGE = (Path(__file__).parents[3] / "docs" / "figures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
DRAWN = re.findall(r"^### (.*)\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_python_of_the_gallery_runs_as_it_stands_and_draws_what_it_says(
    record_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quick").symlink_to(record_folder)
    names: dict[str, Any] = {}
    seen = []
    for block in BLOCKS:
        exec(compile(block, "figures.md", "exec"), names)
        if plt.get_fignums():
            axes = plt.gcf().axes[0]
            plt.gcf().canvas.draw()
            seen.append(bool(axes.lines or axes.collections))
            plt.close("all")
    assert seen == [True] * len(DRAWN) == [True] * 6
    assert (tmp_path / "convergence.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "landscape.png").is_file()


@pytest.mark.slow
def test_the_convergence_of_the_gallery_is_the_reports(record: Record) -> None:
    from analysis.measures.convergence import convergence_of, measure_of

    cells = record.of_problem("noisy")
    tuned = record.curves.query("problem == 'noisy' and setting == 'tuned' and label == 'sgd'")
    typical = tuned.groupby("step")["gap"].median()
    line = convergence_of(cells[0], measure_of(cells))["tuned"]
    assert typical.to_list() == pytest.approx(line.band.median.tolist())


def test_the_gallery_names_every_figure_and_every_frame() -> None:
    assert all(f"`{name}`" in PAGE for name in FIGURES)
    assert all(f"`record.{name}`" in PAGE for name in ("curves", "runs", "landscape", "trials"))
    assert all(len(block.splitlines()) <= 7 for _, block in DRAWN)
