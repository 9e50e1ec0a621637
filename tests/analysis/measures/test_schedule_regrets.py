"""Regrets against the schedule found: level where nothing differs, told apart where something does."""

import numpy as np
import pandas as pd
import pytest

from analysis.measures.schedule_regrets import regrets, regrets_frame


def runs(**ways):
    """A run a study and seed; a way is a factor, and a column of noise that all share."""
    noise = np.exp(np.random.default_rng(1).normal(0, 0.3, (3, 20)))
    rows = [
        {"way": way, "study": k + 1, "seed": s, "loss": factor * noise[0, s] * (1 + 0.001 * k)}
        for way, factor in ways.items()
        for k in range(3)
        for s in range(20)
    ]
    return pd.DataFrame(rows)


def test_a_schedule_that_ends_twice_as_high_on_every_seed_has_a_regret_of_two():
    found = regrets(runs(found=1.0, twice=2.0, same=1.0), "found", 0.0, 100.0)
    twice, same = found
    assert (twice.way, same.way) == ("twice", "same")
    assert twice.change.value == pytest.approx(2.0)
    assert twice.change.low == pytest.approx(2.0, rel=0.01)  # the seeds' noise is the same on both sides
    assert (twice.verdict, same.verdict) == ("worse", "equal")
    assert list(regrets_frame("p", "o", found)["verdict"]) == ["worse", "equal"]


def test_runs_that_diverge_are_counted_and_make_a_way_worse():
    table = runs(found=1.0, wild=1.0)
    table.loc[(table["way"] == "wild") & (table["seed"] > 3), "loss"] = np.nan
    (wild,) = regrets(table, "found", 0.0, 100.0)
    assert (wild.lost, wild.runs) == (48, 60)
    assert wild.verdict == "worse"
    assert np.isfinite(wild.change.value)


def test_losses_that_have_no_floor_and_are_negative_differ_by_a_difference():
    table = runs(found=1.0, other=1.0)
    table["loss"] -= 10 - 0.5 * (table["way"] == "other")
    (other,) = regrets(table, "found", None, 5.0)
    assert not other.log
    assert other.change.value == pytest.approx(0.5)


def test_one_seed_of_a_deterministic_problem_is_no_reason_to_fail():
    table = runs(found=1.0, other=3.0)
    (other,) = regrets(table[table["seed"] == 0], "found", 0.0, 100.0)
    assert other.change.value == pytest.approx(3.0)
