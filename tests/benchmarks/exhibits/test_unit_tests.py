"""The question of unit tests: runs against closed forms, its tables and sentences, and the command that asks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from analysis.answers.unit_tests import unit_tests_part, unit_tests_reading
from analysis.measures.unit_verdicts import VERDICTS
from analysis.record.exhibits import Exhibit
from benchmarks.cli.main import cli
from benchmarks.cli.unit_test import verdict_lines
from benchmarks.errors import SuiteError, UsageError
from benchmarks.exhibits import make_question
from benchmarks.exhibits.unit_tests import UnitTests, solved_at_start
from benchmarks.naming.registry import make_optimizer
from benchmarks.record.folder import RecordFolder
from benchmarks.running.exhibit import run_exhibit
from benchmarks.testing import check_problem
from problems.unit_list import Unit
from problems.unit_tests import Units

STEPS = 12
SMALL: dict[str, Any] = {
    "optimizers": ["momentum"],
    "groups": ["minimax", "delay"],
    "steps": STEPS,
    "repetitions": 2,
    "rates": 3,
    "reference_rates": 4,
}
LRS = torch.tensor([0.01, 0.1], dtype=torch.float64)


@pytest.fixture(scope="module")
def exhibit(tmp_path_factory: pytest.TempPathFactory) -> Exhibit[Any]:
    folder = RecordFolder(tmp_path_factory.mktemp("units"))
    folder.exhibit("unit-tests").parent.mkdir(parents=True)
    return Exhibit.load(run_exhibit(UnitTests(**SMALL), 0, folder, None))


def ends(*units: Unit, optimizer: str = "sgd") -> np.ndarray[Any, Any]:
    """Where the runs on variants of one function end, [V, L, R]."""
    return UnitTests(**SMALL)._run(make_optimizer(optimizer), Units(units), LRS)


def test_runs_end_where_the_closed_form_of_the_game_says() -> None:
    found = ends(Unit("2*quad_bowl", stress="minimax-weak"))
    shrinks = (1 - 2 * LRS) ** 2 + LRS**2
    np.testing.assert_allclose(found[0, :, 0], 399.5 + 0.5 * shrinks**STEPS, rtol=1e-13)
    assert (found[0, :, 0] == found[0, :, 1]).all()


@pytest.mark.parametrize("delay", [1, 3, 10])
def test_a_delayed_gradient_costs_as_many_steps_as_it_is_late(delay: int) -> None:
    found = ends(Unit("line", stress=f"delay-{delay}"))
    np.testing.assert_allclose(found[0, :, 0], 200 - LRS * (STEPS - delay), rtol=1e-13)


def test_variants_stand_beside_each_other_and_each_is_judged_as_it_is_alone() -> None:
    variants = [
        Unit("abs", noise, change=change) for noise in ("noiseless", "maskout_high") for change in ("none", "offset")
    ]
    together = ends(*variants)
    for place, variant in enumerate(variants):
        np.testing.assert_array_equal(together[place], ends(variant)[0])


@pytest.mark.slow  # the first step of one of torch's imports its compiler
def test_somebody_else_s_optimizer_takes_the_same_steps_and_is_spared_delays_by_name() -> None:
    game = Unit("2*quad_bowl", "gauss_add_normal", stress="minimax-weak")
    np.testing.assert_allclose(ends(game, optimizer="torch:SGD"), ends(game), rtol=1e-13)
    asked = UnitTests(**{**SMALL, "optimizers": ["torch:SGD"]})
    specs = asked._specs()
    assert {problem.units[0].stress for problem in asked._together(specs)} == {"minimax-weak", "minimax-strong"}
    assert "torch:SGD is somebody else's optimizer" in asked._not_run(specs)
    with pytest.raises(UsageError, match="no unit test is in delay: delay, for gradients are delayed around rules"):
        UnitTests(**{**SMALL, "optimizers": ["torch:SGD"], "groups": ["delay"]}).problems(None)


def test_sgd_is_always_there_and_is_its_own_measure(exhibit: Exhibit[Any]) -> None:
    assert exhibit.facts.optimizers == ("momentum", "sgd")
    verdicts = exhibit.table("verdicts").query("optimizer == 'sgd' and choice == 'each'")
    np.testing.assert_allclose(verdicts["gain"].dropna(), 1.0)
    assert exhibit.facts.tests == len(verdicts) == 8 + 36
    assert set(exhibit.table("verdicts")["verdict"]) <= {*VERDICTS}
    assert exhibit.info.seconds > 0


def test_a_test_is_named_as_the_problem_that_it_is(exhibit: Exhibit[Any]) -> None:
    tests = exhibit.table("tests")
    game = tests[tests["stress"].str.startswith("minimax")]["test"].iloc[-1]
    done = CliRunner().invoke(cli, ["show", game])
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    assert "Schaul" in done.output


def test_a_bend_that_rises_is_solved_at_its_start_and_one_that_falls_is_not_though_no_slope_leads_there() -> None:
    assert solved_at_start(Units((Unit("bend", scale="saddle"), Unit("bend")))).tolist() == [True, False]
    assert solved_at_start(Units((Unit("line", scale="saddle"),))).tolist() == [False]
    assert (ends(Unit("bend")) == 200).all()


def test_the_answer_says_who_passes_most_of_how_many_tests_and_which_tell_nothing(exhibit: Exhibit[Any]) -> None:
    part, facts = unit_tests_part(exhibit), exhibit.facts
    one, each, flagged = part.answer
    assert f"of the {facts.one.telling:,} tests that tell these optimizers apart" in one
    assert f"of the {facts.each.telling:,} tests" in each
    assert (
        f"Of 44 tests 0 are solved at their start and {facts.each.flagged['no way down']} have no way down" in flagged
    )
    assert all(set(plate.panels) == set(plate.says) == set(plate.finds) for plate in part.plates)
    assert {*part.data} == {"tests", "verdicts", "groups", "counts", "rates"}
    nobody = replace(facts.one, telling=0, passed={})
    reading = unit_tests_reading(replace(facts, one=nobody, not_run="delay, for a reason"))
    assert reading[0] == "With one learning rate for all tests no test tells these optimizers apart."
    assert reading[-1] == "Not run: delay, for a reason."


def test_one_optimizer_alone_is_told_apart_from_nobody_and_has_its_page(tmp_path: Path) -> None:
    alone = UnitTests(**{**SMALL, "optimizers": ["sgd"], "groups": ["minimax"]})
    folder = RecordFolder(tmp_path)
    folder.exhibit("unit-tests").parent.mkdir(parents=True)
    part = unit_tests_part(Exhibit.load(run_exhibit(alone, 0, folder, None)))
    assert part.answer[0] == "With one learning rate for all tests no test tells these optimizers apart."
    assert "Those tell nothing" in part.answer[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": ["minmax"]}, "there is no group 'minmax', did you mean 'minimax'"),
        ({"lrs": [0.1]}, "lrs"),
        ({"every": 0}, "every"),
    ],
)
def test_a_wrong_option_says_what_there_is(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SuiteError, match=words):
        make_question("unit-tests", options)


def test_fewer_tests_and_rates_are_said_to_take_less_time() -> None:
    whole, part = UnitTests(), UnitTests(groups=["2-D separable"], every=10, rates=3)
    assert part.estimate(None) < 0.2 * whole.estimate(None)
    assert whole.estimate(None) == pytest.approx(UnitTests.seconds, rel=0.5)


@pytest.mark.parametrize(("choice", "head"), [("one", "in all tests"), ("each", "its best lr")])
def test_the_lines_of_the_command_have_all_verdicts_or_say_why_a_group_tells_nothing(
    exhibit: Exhibit[Any], choice: str, head: str
) -> None:
    lines = verdict_lines(exhibit, "momentum")
    begin = next(at for at, line in enumerate(lines) if head in line) + 2
    counts = exhibit.table("counts").query("choice == @choice and optimizer == 'momentum'")
    groups = exhibit.table("groups").query("choice == @choice")
    assert list(groups["group"]) == ["delay", "minimax"]
    for row, line in zip(groups.itertuples(), lines[begin : begin + 2], strict=True):
        assert line.startswith(str(row.group))
        if row.telling:
            verdicts = counts[counts["group"] == row.group]["tests"]
            assert line.split()[1:] == [str(count or "·") for count in verdicts]
        else:
            assert f"none of {row.tests} tells: everybody passes {row.everybody}" in line


@pytest.mark.parametrize(
    "problem",
    [
        "unit(function='abs+quad_bowl', noise='gauss_mul_low+maskout_low', rotated=True)",
        "unit(function='quad_convex-cliff-gauss_nonconvex', noise='cauchy_add_normal', change='offset')",
        "unit(function='10*gauss_bowl', noise='noiseless', stress='layers-10')",
    ],
)
def test_a_test_of_any_kind_passes_what_every_problem_must(problem: str) -> None:
    report = check_problem(problem)
    assert report.ok, report


@pytest.mark.slow
def test_the_command_prints_verdicts_by_group_and_what_others_pass(tmp_path: Path) -> None:
    asked = ["unit-test", "lion", "--group", "minimax", "--every", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    assert "on one core" in done.output
    assert "lion, its best lr: tests that tell, by verdict" in done.output
    assert "minimax" in done.output
    assert (tmp_path / "report" / "figures" / "questions" / "unit-tests-one.png").is_file()
