"""Lines of profiles are named at their ends, and no name lies on another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analysis.figures.paper import fitted
from analysis.figures.profiles import APART, profiles_figure, spread
from analysis.figures.style import among, looks_of
from analysis.measures.profiles import Profile


def profile(ends: list[float], name: str = "performance") -> Profile:
    over = np.geomspace(1, 100, 81)
    value = np.array(ends)[:, None] * np.ones(81)
    return Profile(name, tuple(f"o{i}" for i in range(len(ends))), over, value, value, value, 25)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([1.0, 1.0, 1.0], [0.8, 0.9, 1.0]),
        ([0.0, 0.02, 0.04, 0.9], [0.0, 0.1, 0.2, 0.9]),
    ],
)
def test_names_that_would_touch_move_apart_and_stay_beside_their_lines(
    wanted: list[float], places: list[float]
) -> None:
    np.testing.assert_allclose(sorted(spread(np.array(wanted), 0.1)), places, atol=1e-12)


def test_a_hundred_names_keep_their_order_in_the_room_there_is() -> None:
    wanted = np.random.default_rng(0).random(100)
    places = spread(wanted, 0.1)
    assert (np.argsort(places) == np.argsort(wanted)).all()
    assert places.min() >= -1e-12
    assert places.max() <= 1 + 1e-12


def test_every_line_has_its_name_and_a_leader_at_its_end_and_there_is_no_legend() -> None:
    ends = [0.9, 0.89, 0.88, 0.3]
    labels = [f"o{i}" for i in range(4)]
    figure = profiles_figure([profile(ends)], looks_of(labels))
    assert not figure.legends
    (axes,) = figure.axes
    names = {text.get_text(): text.xy[1] for text in axes.texts if text.get_gid() == "name"}  # type: ignore[attr-defined]
    assert set(names) == set(labels)
    heights = sorted(names.values())
    assert all(b - a >= APART - 1e-12 for a, b in pairwise(heights))
    leaders = [line.get_ydata() for line in axes.lines if line.get_gid() == "leader"]
    np.testing.assert_allclose([line[0] for line in leaders], np.array(ends) / 1.02)


def test_of_a_crowd_the_names_are_those_in_colour_and_the_rest_is_counted() -> None:
    labels = [f"o{i}" for i in range(20)]
    figure = profiles_figure([profile([0.5] * 20)], among(looks_of(labels), labels[:3]))
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said == [*labels[:3], "grey: 17 others"]


def test_a_figure_that_is_fitted_to_a_page_keeps_the_frame_of_its_axes() -> None:
    figure = profiles_figure(
        [profile([0.9, 0.3], name) for name in ("performance", "data", "solved")], looks_of(["o0", "o1"])
    )
    before = [axes.get_xlim() for axes in figure.axes]
    assert [axes.get_xlim() for axes in fitted(figure, "profiles", "page").axes] == before
