"""Where a hyperparameter is best as something grows, and which law that follows, on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.batch_laws import LAWS, choose_law
from analysis.measures.scaling import Places, exponent, judge, lowest, places
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate

X = 2.0 ** np.arange(5)
AT = np.linspace(0, 4, 17)
LAWS_OF_MEMORY = {"samples": -1.0, "stays": 0.0, "horizon": 1.0}


def table(slope: float, *, start: float = 2.0, noise: float = 0.0, width: float = 1.0, seeds: int = 8) -> Array:
    """Losses ``[K, S, G, 1]`` whose logarithm is a parabola over the memory, lowest at start + slope log10 x."""
    middle = start + slope * np.log10(X)
    clean = ((AT - middle[:, None]) / width) ** 2
    rng = np.random.default_rng(3)
    shaken = clean[:, None] + noise * rng.standard_normal((X.size, seeds, AT.size))
    return np.asarray(10.0 ** shaken[..., None])


def test_the_vertex_of_a_parabola_is_read_between_the_grid_points():
    place, edge = lowest(AT, 10 ** (AT - 1.6) ** 2)
    assert float(place) == pytest.approx(1.6)
    assert not edge


def test_beside_a_diverged_point_the_grid_point_is_kept():
    curve = np.where(AT > 2.1, 1e300, 10 ** (AT - 3.0) ** 2)
    assert float(lowest(AT, curve)[0]) == 2.0


@pytest.mark.parametrize("slope", [-1.0, -0.4, 0.0, 1.0])
def test_a_known_exponent_is_found_and_its_law_named(slope: float):
    start = 2.6 if slope < 0 else 1.4
    found = exponent(places(AT, table(slope, start=start, noise=0.05), 0.0), np.log10(X))
    assert found is not None
    estimate, misfit = found
    assert estimate.low <= slope <= estimate.high
    assert estimate.high - estimate.low < 0.5
    assert misfit < 0.1
    law = {-1.0: "samples", 0.0: "stays", 1.0: "horizon"}.get(slope, "neither")
    assert judge(estimate, LAWS_OF_MEMORY).word == law


def test_a_wide_flat_range_cannot_tell_the_laws_apart():
    found = places(AT, table(0.0, noise=0.02, width=12.0, seeds=4), 0.0)
    assert (found.flat_high - found.flat_low).max() > 1
    told = exponent(found, np.log10(X))
    assert told is None or judge(told[0], {"samples": -1.0, "stays": 0.0}).word == "cannot be told"


def test_a_best_place_at_the_end_of_the_grid_is_censored():
    found = places(AT, table(-1.0, start=-1.0), 0.0)
    assert (found.edge == 1).all()
    assert exponent(found, np.log10(X)) is None
    assert judge(None, LAWS_OF_MEMORY, censored=5).word == "cannot be told"


def test_a_tuned_out_learning_rate_leaves_the_lowest_of_its_losses_wherever_its_grid_lies():
    losses, rates = table(1.0, start=1.4), np.linspace(-3, 0, 7)
    for best in (-1.5, -1.35, -1.2):  # the grid has a rate every half decade
        valley = losses * 10 ** (0.8 * (rates - best) ** 2)
        valley[..., -1] = np.inf
        assert places(AT, valley, 0.0, rates).best == pytest.approx(places(AT, losses, 0.0).best)
        assert places(AT, valley, 0.0, rates).value == pytest.approx(places(AT, losses, 0.0).value)


def test_where_everything_diverged_there_is_no_place():
    found = places(AT, np.full((2, 3, AT.size, 1), np.inf), 0.0)
    assert np.isnan(found.best).all()
    assert not found.told.any()


def known_places(at: Array, spread: float = 0.03) -> Places:
    """Places whose resamples lie around ``at`` with a known deviation."""
    drawn = at + spread * np.random.default_rng(5).standard_normal((200, at.size))
    none = np.zeros(at.size)
    return Places(at, at - spread, at + spread, drawn, none, at, at, np.ones(at.size), 8)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_rates_that_follow_a_law_are_told_by_its_name(law):
    batches = 2.0 ** np.arange(3, 13)
    rates = 0.01 * law.shape(batches, np.array(200.0))
    found = choose_law(known_places(np.log10(rates)), batches)
    assert found is not None
    assert found.word == law.name
    assert np.allclose(found.curve, rates, rtol=0.15)
    if law.scale:
        assert 100 < found.noise_scale < 400


def test_below_the_noise_scale_a_curved_law_is_not_claimed():
    batches = 2.0 ** np.arange(3, 8)
    rates = 0.01 / (1 + 1e5 / batches)
    found = choose_law(known_places(np.log10(rates)), batches)
    assert found is not None
    assert found.best == "linear"


def test_rates_that_follow_no_law_are_said_to_follow_none():
    batches = 2.0 ** np.arange(3, 13)
    found = choose_law(known_places(np.where(np.arange(10) % 2, -1.0, -3.0), 0.001), batches)
    assert found is not None
    assert found.word == "neither"


def test_laws_inside_an_interval_are_all_named():
    verdict = judge(Estimate(0.5, -0.2, 1.1, 4), LAWS_OF_MEMORY)
    assert verdict.inside == ("stays", "horizon")
    assert verdict.word == "cannot be told"
