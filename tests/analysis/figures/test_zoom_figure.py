"""The wall picture of a zoom: a tile a level, and colours that anybody tells apart."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Rectangle

from analysis.figures.style import luminance, png
from analysis.figures.zoom import CONVERGED, DIVERGED, colors_of, zoom_figure
from analysis.measures.fractal import Level, Window, Zoom


def zoom_of(count: int) -> Zoom:
    """Windows of ``count`` levels around an upright boundary at lr 1 that stays in their middle."""
    levels, window = list[Level](), Window()
    for _ in range(count):
        lr, gamma = 0.5 + np.linspace(*window.x, 17), np.linspace(*window.y, 17)
        slowness = np.abs(np.broadcast_to(lr, (17, 17)) - 1)
        levels.append(Level(window, lr, gamma, np.tile(lr < 1, (17, 1)), slowness))
        window = window.around((8, 8), 16)
    return Zoom("lr", "gamma", tuple(levels))


def test_every_level_is_a_tile_with_its_window_and_the_outline_of_the_next() -> None:
    figure = zoom_figure(zoom_of(4), "rmsprop on bowl")
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 5  # and the legend
    outlines = [[patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in drawn]
    assert [len(found) for found in outlines] == [2, 2, 2, 0, 0]
    assert all(box.get_x() >= 0 and box.get_x() + box.get_width() <= 1 for found in outlines for box in found)
    assert drawn[0].get_xlabel().startswith("×10⁰, dimension 1.00\nlr 0.5 … 1.5")
    assert "± 5.0e-04" in drawn[3].get_xlabel()
    assert "box dimension 1.00" in "".join(text.get_text() for text in drawn[4].texts)
    assert png(figure, 40).startswith(b"\x89PNG")


def test_a_zoom_of_one_level_without_a_boundary_is_drawn() -> None:
    (level,) = zoom_of(1).levels
    calm = Level(level.window, level.x, level.y, np.ones((17, 17), dtype=np.bool_), level.slowness)
    figure = zoom_figure(Zoom("lr", "gamma", (calm,)), "rmsprop on bowl")
    assert figure.axes[0].get_xlabel().startswith("×10⁰, no boundary")
    assert png(figure, 40).startswith(b"\x89PNG")


def test_converged_and_diverged_runs_differ_for_the_colour_blind_and_in_grey_along_the_boundary() -> None:
    converged, diverged = (colors_of(which)(np.linspace(0, 1, 128)) for which in (CONVERGED, DIVERGED))
    assert (converged[:, 2] > converged[:, 0]).all()  # bluer than red, which red and green blindness leaves
    assert (diverged[:, 0] > diverged[:, 2]).all()
    light, dark = luminance(converged[-1, :3]), luminance(diverged[-1, :3])
    assert (light + 0.05) / (dark + 0.05) > 4.5
