"""The picture of a cell that its MLflow run shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis.record.cells import Cell

if TYPE_CHECKING:
    pass

__all__ = ["draw_overview", "overview_path"]


def overview_path(folder: Path, cell: str) -> Path:
    """Return where the picture of a cell waits until it is mirrored."""
    return folder / "unfinished" / cell / "overview.png"


def draw_overview(cell: Cell, path: Path) -> None:
    """Draw the picture of ``cell`` that its run shows; half of a mirror's time, so workers do it beforehand."""
    from analysis.figures.problem import cell_figure
    from analysis.figures.style import png

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(cell_figure(cell)))
