"""How many studies and seeds a claim takes, held against simulated tests."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Side, resolved, study_difference
from analysis.measures.power import (
    Spread,
    detectable,
    plan_frame,
    power_of,
    seeds_for,
    spread_of,
    steps_worth,
    studies_for,
)
from analysis.pages.plan_text import plan_text, sufficed_text
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record

GAP = Measure.of(0.0, 1e6, 0.0)
ALONE = Spread(among=1.0, over_seeds=0.0, studies=5, seeds=1)


@pytest.mark.parametrize(("studies", "effect"), [(3, 3.07), (5, 2.0), (8, 1.0)])
def test_the_formula_gives_the_power_of_simulated_tests(studies: int, effect: float) -> None:
    rng, deals = np.random.default_rng(studies), 1000
    claimed = 0
    for _ in range(deals):
        a, b = 10 ** (0.1 * rng.standard_normal((2, studies, 1)) - np.array([0.1 * effect, 0.0])[:, None, None])
        claimed += study_difference(Side.of(a, GAP), Side.of(b, GAP), GAP).p_value <= 0.05
    spread = Spread(0.1, 0.0, studies, 1)
    error = 3 * math.sqrt(0.25 / deals)
    # Welch's degrees of freedom, of variances that are estimated, are fewer than the formula's: some percent of power
    assert claimed / deals == pytest.approx(power_of(0.1 * effect, spread), abs=error + 0.04)


def test_without_an_effect_the_power_is_the_level() -> None:
    assert power_of(0.0, ALONE) == pytest.approx(0.05)
    assert power_of(0.0, replace(ALONE, over_seeds=0.3, seeds=10)) == pytest.approx(0.05)


def test_the_smallest_effect_is_that_of_the_rule_of_thumb_where_studies_alone_vary() -> None:
    for studies in (3, 5, 8):
        assert detectable(replace(ALONE, studies=studies)) == pytest.approx(resolved(studies, 1), rel=1e-4)


@pytest.mark.parametrize(("studies", "tests", "alpha"), [(2, 1, 0.05), (3, 4, 0.05), (12, 30, 0.05), (199, 9, 0.005)])
def test_what_is_resolved_is_found_with_its_chance_by_the_noncentral_t_distribution(
    studies: int, tests: int, alpha: float
) -> None:
    away = resolved(studies, tests, alpha, power=0.8) / math.sqrt(2 / studies)
    freedom = 2 * (studies - 1)
    critical = stats.t.ppf(1 - alpha / (2 * tests), freedom)
    # the library seeks the effect to five digits, of which two are shown
    assert stats.nct.sf(critical, freedom, away) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("away", [0.0, 0.3, 2.0, 9.0, 60.0, 1e8])
def test_the_power_is_what_both_tails_of_the_noncentral_t_distribution_hold(away: float) -> None:
    spread = Spread(among=1.0, over_seeds=0.0, studies=8, seeds=1)
    critical = stats.t.ppf(0.975, 14)
    tails = [stats.nct.sf(critical, 14, away), stats.nct.cdf(-critical, 14, away)]
    expected = np.nan_to_num(tails[0], nan=1.0) + np.nan_to_num(tails[1])
    assert power_of(away * math.sqrt(2 / 8), spread) == pytest.approx(expected, abs=1e-12)


def test_the_studies_for_an_effect_are_the_fewest_that_find_it() -> None:
    needed = studies_for(1.0, ALONE)
    assert needed is not None
    assert power_of(1.0, replace(ALONE, studies=needed)) >= 0.8 > power_of(1.0, replace(ALONE, studies=needed - 1))
    assert studies_for(1e-4, ALONE) is None
    assert studies_for(1.0, replace(ALONE, among=0.0)) == 3


def test_seeds_help_against_seeds_and_not_against_the_luck_of_studies() -> None:
    assert seeds_for(1.0, replace(ALONE, studies=3, seeds=10)) is None
    noisy = Spread(among=0.01, over_seeds=1.0, studies=3, seeds=10)
    needed = seeds_for(1.0, noisy)
    assert needed is not None
    assert needed > 10
    assert power_of(1.0, replace(noisy, seeds=needed, over_seeds=10 / needed)) >= 0.8


def test_two_studies_claim_nothing_and_certain_results_everything() -> None:
    assert power_of(9.0, replace(ALONE, studies=2)) == 0.0
    assert detectable(replace(ALONE, studies=2)) == math.inf
    assert detectable(replace(ALONE, among=0.0)) == 0.0


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, builder: object) -> ProblemResults:
    made = replace(builder, studies=3, grid=(3, 2), seeds=4)  # type: ignore[type-var]
    folder = made.record(tmp_path_factory.mktemp("plan") / "record")  # type: ignore[attr-defined]
    return ProblemResults.of(Record.load(folder).of_problem("noisy"))


def test_a_plan_of_a_record_says_whether_it_sufficed(several: ProblemResults) -> None:
    (row,) = plan_frame([several.cells], 0.5).to_dict("records")
    spread = spread_of(several.cells)
    assert spread is not None
    alpha = 0.05 / 3
    assert (row["problem"], row["studies"], row["seeds"], row["unit"]) == ("noisy", 3, 4, "decades")
    assert row["effect"] == pytest.approx(math.log10(2))
    assert row["power"] == power_of(row["effect"], spread, alpha)
    assert row["sufficed"] == (row["detectable"] <= row["effect"])
    assert power_of(row["detectable"], spread, alpha) == pytest.approx(0.8, abs=1e-4)
    assert 0 < row["worth_steps"] < 40


def test_a_difference_is_worth_the_steps_since_the_curve_was_that_much_higher(several: ProblemResults) -> None:
    best = several.by_result[0]
    curve = best.convergence["tuned"]
    height = float(np.log10(curve.band.median[-4] / curve.band.median[-1]))
    if (np.diff(curve.band.median[-4:]) < 0).all():
        assert steps_worth(several.cells, height) == pytest.approx(curve.steps[-1] - curve.steps[-4])
    assert steps_worth(several.cells, 0.0) == pytest.approx(0.0, abs=float(curve.steps[-1]))
    assert steps_worth(several.cells, 99.0) == math.inf


def test_a_plan_is_told_as_a_table_with_a_verdict(several: ProblemResults) -> None:
    frame = plan_frame([several.cells], 0.5)
    lead, head, row, last = plan_text(frame, 0.5, 0.8).splitlines()
    assert lead == "To tell apart a result that is 50% lower, 80% of the times:"
    assert head.split()[:3] == ["problem", "studies", "seeds"]
    assert row.split()[:3] == ["noisy", "3", "4"]
    assert f"sufficed on {int(frame['sufficed'].sum())} of 1 problems" in last
    enough = "suffice" if frame["sufficed"][0] else "do not suffice"
    assert sufficed_text(several).startswith(f"The 3 studies and 4 seeds {enough} to find, 4 times in 5, that")
