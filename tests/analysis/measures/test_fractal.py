"""Box dimensions of sets whose dimension is known, and where a zoom goes next."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.measures.fractal import (
    Level,
    Window,
    Zoom,
    boundary_cells,
    box_counts,
    box_dimension,
    nearest_cell,
    richest_cell,
    student_interval,
    zoom_frame,
)
from analysis.statistics.arrays import Mask


def carpet(order: int) -> Mask:
    """Sierpinski's carpet of ``3 ** order`` cells a side."""
    found = np.ones((1, 1), dtype=np.bool_)
    for _ in range(order):
        row = np.hstack([found] * 3)
        found = np.vstack([row, np.hstack([found, np.zeros_like(found), found]), row])
    return found


def triangle(side: int) -> Mask:
    """Sierpinski's triangle: where Pascal's is odd."""
    rows, columns = np.ogrid[:side, :side]
    return np.asarray((rows & columns) == 0)


def level_of(converged: Mask) -> Level:
    """A level of the whole plane with runs that are all equally slow."""
    values = np.linspace(1.0, 2.0, len(converged))
    return Level(Window(), values, values, converged, np.zeros(converged.shape))


def test_a_straight_line_has_dimension_one_and_a_full_plane_two() -> None:
    side = np.arange(257)
    upright = boundary_cells(np.broadcast_to(side < 100, (257, 257)))
    assert box_counts(upright)[1].tolist() == [256, 128, 64, 32, 16, 8, 4]
    assert box_dimension(upright) == pytest.approx(1.0, abs=1e-12)
    oblique = boundary_cells(side[:, None] < 0.37 * side + 80.5)
    assert box_dimension(oblique) == pytest.approx(1.0, abs=0.02)
    assert box_dimension(np.ones((256, 256), dtype=np.bool_)) == pytest.approx(2.0, abs=1e-12)


def test_the_dimensions_of_sierpinskis_triangle_and_carpet_are_found() -> None:
    assert box_dimension(triangle(256)) == pytest.approx(math.log2(3), abs=1e-12)  # boxes of two divide it evenly
    assert box_dimension(carpet(6)) == pytest.approx(math.log(8) / math.log(3), rel=0.03)


def test_no_boundary_and_a_side_too_small_for_two_sizes_have_no_dimension() -> None:
    nothing = boundary_cells(np.ones((65, 65), dtype=np.bool_))
    assert not nothing.any()
    assert math.isnan(box_dimension(nothing))
    assert math.isnan(box_dimension(np.ones((4, 4), dtype=np.bool_)))


def test_the_next_window_is_a_tenth_around_the_cell_and_never_beyond_the_one_before() -> None:
    middle = Window().around((49, 49), 100)
    assert middle.x == pytest.approx((0.445, 0.545))
    corner = Window((0.5, 1.0), (0.0, 0.5)).around((0, 99), 100)
    assert corner.x == pytest.approx((0.95, 1.0))
    assert corner.y == (0.0, 0.05)


def test_the_richest_cell_lies_on_the_boundary_where_most_of_it_is() -> None:
    cells = np.zeros((100, 100), dtype=np.bool_)
    cells[:, 5] = True
    assert richest_cell(cells)[1] == 5
    cells[70:76, 60:66] = True
    row, column = richest_cell(cells)
    assert cells[row, column]
    assert 70 <= row < 76
    assert 60 <= column < 66


def test_of_equally_rich_cells_the_middle_one_is_chosen_and_near_a_place_the_nearest() -> None:
    cells = np.zeros((101, 101), dtype=np.bool_)
    cells[:, 50] = True
    assert richest_cell(cells) == (50, 50)
    assert nearest_cell(cells, (20.2, 3.0)) == (20, 50)


def test_students_interval_is_that_of_the_tables() -> None:
    found = student_interval(np.array([1.0, 2.0, 3.0]))
    assert found.n == 3
    assert found.high - found.value == pytest.approx(2.919986 / math.sqrt(3), rel=1e-6)  # t at 95% of 2 degrees
    assert found.value - found.low == pytest.approx(found.high - found.value)
    alone = student_interval(np.array([1.5]))
    assert (alone.low, alone.value, alone.high, alone.n) == (1.5, 1.5, 1.5, 1)


def test_levels_without_a_boundary_do_not_count_for_the_dimension() -> None:
    line, nothing = np.tile(np.arange(33) < 9, (33, 1)), np.ones((33, 33), dtype=np.bool_)
    zoom = Zoom("lr", "gamma", (level_of(line), level_of(nothing)))
    assert zoom.dimension.n == 1
    assert zoom.sentence == "box dimension 1.000, of one level"
    frame = zoom_frame(zoom)
    assert frame["boundary"].tolist() == [32, 0]
    assert frame["dimension"].isna().tolist() == [False, True]
    assert Zoom("lr", "gamma", (level_of(nothing),)).sentence == "box dimension: there is no boundary"


def test_shades_are_ranks_among_the_converged_and_among_the_others() -> None:
    level = Level(
        Window(),
        np.arange(3.0),
        np.arange(2.0),
        np.array([[True, True, False], [True, False, False]]),
        np.array([[1e-9, 5.0, 30.0], [1.0, 10.0, 20.0]]),
    )
    assert level.shade.tolist() == [[0.0, 1.0, 1.0], [0.5, 0.0, 0.5]]
