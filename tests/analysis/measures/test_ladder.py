"""What an ingredient is worth: verdicts on made-up runs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.ladder import Tuned, Verdict, climb
from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Side, study_difference

GAP = Measure.of(0.0, 1.0, 0.0)
STEPS = np.arange(0.0, 101.0, 10.0)


def falling(ends: np.ndarray) -> Tuned:
    """Runs ``[K, S]`` that fall from 1 on straight lines in decades to ``ends``, in 100 steps."""
    return Tuned(STEPS, 10 ** (np.log10(ends)[..., None] * STEPS / 100))


def luck(rng: np.random.Generator, level: float, studies: int = 5, seeds: int = 8) -> np.ndarray:
    return 10 ** (level + 0.05 * rng.standard_normal((studies, 1)) + 0.02 * rng.standard_normal((studies, seeds)))


def test_a_rung_that_is_its_predecessor_adds_nothing_in_no_step() -> None:
    same = falling(luck(np.random.default_rng(0), -2))
    (found,) = climb([(same, same)], GAP)
    assert (found.verdict, found.at_most, found.difference.change.value) == (Verdict.NOTHING, 0.0, 0.0)


def test_what_is_lower_helps_by_the_steps_that_it_was_earlier_there() -> None:
    rng = np.random.default_rng(1)
    before, after = falling(luck(rng, -2)), falling(luck(rng, -4))
    helped, hurt = climb([(before, after), (after, before)], GAP)
    assert (helped.verdict, hurt.verdict) == (Verdict.HELPS, Verdict.HURTS)
    assert helped.steps == pytest.approx(50, abs=3)  # at step 50 it is where the other one ends
    assert hurt.steps == pytest.approx(-helped.steps)
    assert helped.steps_low < helped.steps < helped.steps_high < 100


def test_a_copy_with_luck_of_its_own_adds_at_most_what_the_luck_is_worth() -> None:
    rng = np.random.default_rng(2)
    (found,) = climb([(falling(luck(rng, -2)), falling(luck(rng, -2)))], GAP, enough=0.1)
    assert found.verdict is Verdict.NOTHING
    assert 0 < found.at_most <= 10
    (strict,) = climb([(falling(luck(rng, -2)), falling(luck(rng, -2)))], GAP, enough=0.001)
    assert strict.verdict is Verdict.UNDECIDED


def test_copies_are_told_apart_no_more_often_than_the_level_says() -> None:
    rng = np.random.default_rng(3)
    verdicts = [climb([(falling(luck(rng, -2)), falling(luck(rng, -2)))], GAP)[0].verdict for _ in range(60)]
    told = sum(verdict in (Verdict.HELPS, Verdict.HURTS) for verdict in verdicts)
    assert told <= 9  # 3 of 60 on the average; more than 9 has a chance of 1 in 1,000


def test_studies_that_share_their_luck_are_compared_study_by_study() -> None:
    rng = np.random.default_rng(4)
    shared = luck(rng, -2, studies=6)
    a, b = Side.of(shared, GAP), Side.of(shared * 10 ** (-0.01 + 0.001 * rng.standard_normal((6, 1))), GAP)
    apart, paired = study_difference(a, b, GAP), study_difference(a, b, GAP, paired=True)
    assert paired.change.value == apart.change.value
    assert paired.p_value < 0.001
    assert apart.p_value > 0.5


def test_rules_that_are_both_down_to_rounding_are_not_told_apart() -> None:
    rng = np.random.default_rng(5)
    (found,) = climb([(falling(luck(rng, -18)), falling(luck(rng, -20)))], GAP)
    assert found.verdict is Verdict.SOLVED


def test_a_rung_that_diverges_hurts_by_no_more_than_all_steps() -> None:
    rng = np.random.default_rng(6)
    before = falling(luck(rng, -2))
    (found,) = climb([(before, Tuned(STEPS, np.full_like(before.runs, np.inf)))], GAP)
    assert found.verdict is Verdict.HURTS
    assert found.steps == -100
