"""The picture of a cell that its MLflow run shows, drawn where it will be looked at."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from benchmarks.record.folder import landing

__all__ = ["PICTURE", "draw_overview", "draw_overviews"]

PICTURE: Final = "overview.png"
"""The file of a cell's run that holds its picture."""

DPI: Final = 100  # it is looked at in a browser, where a cell has one

ONE_AT_A_TIME: Final = threading.Lock()  # matplotlib's settings are those of the whole process


def draw_overview(cell: Cell, path: Path) -> None:
    """Draw the picture of ``cell`` that its run shows."""
    from analysis.figures.problem import cell_figure
    from analysis.figures.style import png

    with ONE_AT_A_TIME:
        drawn = png(cell_figure(cell), DPI)
    with landing(path) as working:
        working.write_bytes(drawn)


def draw_overviews(artifacts: Path) -> None:
    """Draw the picture of every run below ``artifacts`` that keeps a cell and has none, the youngest first.

    A record's own store is mirrored without them: each takes a third of a second, and few are looked at. A cell that
    is damaged has none.
    """
    records = {file.parent: file.stat().st_mtime for file in artifacts.glob("*/artifacts/record/cell.json")}
    for record in sorted(records, key=records.__getitem__, reverse=True):
        picture = record.with_name(PICTURE)
        if not picture.exists():
            with suppress(RecordError, OSError):
                draw_overview(Cell.load(record), picture)
