"""γ that changes against γ that stays: chosen by tuning seeds alone, paired by test seeds, decided by a test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from analysis.measures.changing_gamma import contests, contests_frame

RISING, FALLING, FLAT = ("gamma=rising", "plain"), ("gamma=falling", "plain"), ("constant", "corrected")
TUNED = {RISING: 0.9, FALLING: 0.5, ("constant", "plain"): 0.8, FLAT: 0.7, ("lr=linear", "plain"): 0.1}


def runs(problem: str = "p", seeds: int = 10, **ends: np.ndarray) -> pd.DataFrame:
    """The runs of every way of `TUNED`; ``ends`` are test losses of the schedules falling and of FLAT, else all 1."""
    rows = []
    for (schedule, rule), tuned in TUNED.items():
        labels = {"problem": problem, "schedule": schedule, "rule": rule, "gamma": 0.9}
        rows += [
            {**labels, "part": "tuning", "lr": lr, "seed": seed, "loss": tuned + lr + 0.1 * seed}
            for lr, seed in product((0.01, 0.1), (1, 2))
        ]
        kind = {FALLING: "changing", FLAT: "constant"}.get((schedule, rule), "")
        losses = ends.get(kind, np.ones(seeds))
        rows += [
            {**labels, "part": "test", "lr": 0.01, "seed": 1001 + k, "loss": loss} for k, loss in enumerate(losses)
        ]
    return pd.DataFrame(rows)


def draws(seed: int, seeds: int = 10) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(size=seeds))


def test_sides_are_chosen_by_the_tuning_seeds_and_paired_by_the_test_seeds():
    constant, changing = draws(0, 11), draws(0, 11) * np.linspace(0.5, 0.9, 11)
    found = contests(runs(constant=constant + 3, changing=changing + 3), {"p": 3.0})[0]
    assert (found.changing, found.constant) == (FALLING, FLAT)
    assert found.ratio.value == pytest.approx(0.7, rel=1e-9)
    assert found.ratio.n == 11
    assert found.p_value == wilcoxon(np.log10(changing / constant)).pvalue
    assert found.verdict == "better"


def test_rows_may_lie_in_any_order():
    table = runs(constant=draws(0), changing=draws(1))
    shuffled = table.sample(frac=1, random_state=0)
    assert contests(shuffled, {"p": 0.0}) == contests(table, {"p": 0.0})


def test_a_way_that_diverged_on_a_tuning_seed_is_not_chosen():
    table = runs()
    lost = (table["schedule"] == "gamma=falling") & (table["part"] == "tuning") & (table["seed"] == 2)
    assert contests(table.assign(loss=table["loss"].mask(lost)), {"p": 0.0})[0].changing == RISING


@pytest.mark.parametrize(("seeds", "verdict"), [(5, "undecided"), (6, "better")])
def test_five_seeds_decide_nothing_however_clear_they_are(seeds, verdict):
    constant = draws(0, seeds)
    table = runs(seeds=seeds, constant=constant, changing=constant * np.linspace(0.5, 0.6, seeds))
    assert contests(table, {"p": 0.0})[0].verdict == verdict


def test_p_values_are_corrected_for_the_number_of_problems():
    constant = draws(0, 6)
    tables = [runs(name, 6, constant=constant, changing=constant * np.linspace(0.5, 0.6, 6)) for name in "pqr"]
    found = contests(pd.concat(tables), dict.fromkeys("pqr", 0.0))
    assert [each.adjusted for each in found] == pytest.approx([3 * 2 / 2**6] * 3)
    assert {each.verdict for each in found} == {"undecided"}
    assert contests_frame(found)["problem"].tolist() == ["p", "q", "r"]


def test_diverged_test_seeds_count_as_the_worst_and_never_as_nan():
    changing = draws(0)
    changing[:8] = np.nan
    found = contests(runs(constant=draws(0), changing=changing), {"p": 0.0})[0]
    assert (found.ratio.value, found.verdict) == (np.inf, "worse")


def test_what_does_not_depend_on_the_seed_is_exact_and_needs_no_test():
    found = contests(runs(constant=np.full(10, 2.0), changing=np.full(10, 3.0)), {"p": 0.0})[0]
    assert np.isnan(found.p_value)
    assert (found.ratio.value, found.verdict) == (pytest.approx(1.5), "worse")


def test_problems_without_a_comparison_are_left_out():
    lost = runs(constant=np.full(10, np.nan), changing=np.full(10, np.nan))
    below = runs(constant=-draws(0), changing=-draws(1))
    one = runs()
    for table in (lost, below, one[one["schedule"] != "constant"], one[one["part"] == "tuning"], one[:0]):
        assert contests(table, {"p": 0.0}) == []
