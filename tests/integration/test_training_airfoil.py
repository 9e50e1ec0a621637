"""The engine, RMSProp and the airfoil regression together: the book's end, on average over seeds."""

import pytest

from benchmarks.lanes import train
from optimizers.rmsprop import RMSProp
from problems.regression import Airfoil


def test_rmsprop_ends_where_the_book_says_on_average_over_seeds():
    seeds = range(300)
    final = train(Airfoil(), RMSProp(), {"lr": 0.01, "gamma": 0.9}, seeds, 300).final_loss[0]
    standard_error = 0.0018 / len(seeds) ** 0.5

    assert final.mean().item() == pytest.approx(0.2442, abs=4 * standard_error)
    assert final.std().item() == pytest.approx(0.0018, rel=0.25)
