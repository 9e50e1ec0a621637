"""The picture of a cell that its MLflow run shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from analysis.record.cells import Cell
from benchmarks.record.folder import RecordFolder, landing

__all__ = ["draw_overview", "overview_path"]

DPI: Final = 100  # it is looked at in a browser, where a cell has one


def overview_path(folder: RecordFolder, cell: str) -> Path:
    """Where the picture of a cell waits until it is mirrored."""
    return folder.unfinished / cell / "overview.png"


def draw_overview(cell: Cell, path: Path) -> None:
    """Draw the picture of ``cell`` that its run shows."""
    from analysis.figures.problem import cell_figure
    from analysis.figures.style import png

    path.parent.mkdir(parents=True, exist_ok=True)
    with landing(path) as working:
        working.write_bytes(png(cell_figure(cell), DPI))
