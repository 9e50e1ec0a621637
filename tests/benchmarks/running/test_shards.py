"""A suite in shards: divided by cost alone, each its own cells and no others, each failure in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from few_cells import few_cells

from analysis.record.failures import failures_of
from analysis.record.shard import Shard, shard_of_record
from benchmarks.errors import SuiteError, UsageError
from benchmarks.running import prepare as preparing
from benchmarks.running.parts import Prepared, prepared
from benchmarks.running.prepare import Compute, look_up
from benchmarks.running.run_suite import run
from benchmarks.running.shards import divided, parse_shard
from benchmarks.suite.suite import Suite

TEXT = few_cells("parts", ["sphere", "ellipse", "quadratic(dim=20)"])
SUITE = Suite.parse(TEXT, "test")


def parts(suite: Suite, count: int) -> list[Prepared]:
    return [prepared(suite, None, Compute(), shard=Shard(number, count)) for number in range(1, count + 1)]


def test_every_cell_belongs_to_exactly_one_shard() -> None:
    found = [cell.plan.name for part in parts(SUITE, 4) for cell in part.cells]
    assert sorted(found) == sorted(plan.name for plan in SUITE.cells())


def test_shards_cost_about_the_same_and_every_shard_says_the_same_of_all() -> None:
    costs = {f"cell {place}": 1.0 + place % 7 + (40.0 if place == 3 else 0.0) for place in range(60)}
    sums = [sum(costs[name] for name in part) for part in divided(costs, 4)]
    assert max(sums) - min(sums) <= 1.0
    assert len({tuple(part.shares) for part in parts(SUITE, 4)}) == 1


def test_the_division_does_not_depend_on_the_order_in_which_costs_are_told() -> None:
    costs = {f"cell {place}": float(place % 3) for place in range(20)}
    backwards = dict(reversed(costs.items()))
    assert [sorted(part) for part in divided(costs, 3)] == [sorted(part) for part in divided(backwards, 3)]


def test_cells_of_equal_cost_are_dealt_evenly_also_where_that_is_nothing() -> None:
    assert [len(part) for part in divided(dict.fromkeys("abcdefgh", 0.0), 4)] == [2, 2, 2, 2]


@pytest.mark.parametrize("given", ["0/4", "5/4", "x/4", "3", "", "-1/4", "1/0", "1.5/4", (0, 4), (5, 4)])
def test_what_is_no_shard_is_refused_in_a_sentence(given: str | tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="a shard is a number and how many there are, as 3/16"):
        parse_shard(given)


def test_a_shard_is_written_or_given_as_two_numbers() -> None:
    assert parse_shard("3/16") == parse_shard((3, 16)) == parse_shard(Shard(3, 16)) == Shard(3, 16)
    assert str(Shard(3, 16)) == "shard 3 of 16"


def test_a_shard_tries_its_own_optimizers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(preparing, "try_optimizer", lambda problem, spec, *_, **__: tried.append(spec.name))
    mine = prepared(SUITE, None, Compute(), shard=Shard(1, 6))
    assert tried == [cell.plan.optimizer for cell in mine.cells]
    assert len(tried) == 1


def test_what_has_landed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(preparing, "try_optimizer", lambda problem, *_, **__: tried.append(problem.name))
    prepared(SUITE, None, Compute(), landed=lambda name: not name.startswith("sphere"))
    assert set(tried) == {"sphere"}


def test_a_problem_is_made_once_for_all_of_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = preparing.make_problem
    monkeypatch.setattr(preparing, "make_problem", lambda name, data: [made.append(name), make(name, data)][1])
    prepared(SUITE, None, Compute())
    assert made == SUITE.problems


def test_the_cost_of_a_cell_follows_from_its_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SUITE.cells()[-1]
    monkeypatch.setattr(preparing, "try_cell", None)
    assert look_up(plan).cost == look_up(plan, compute=Compute("eager", threads=2)).cost > 0


def test_a_name_that_nobody_knows_stops_every_shard() -> None:
    wrong = SUITE.model_copy(update={"optimizers": ["sgd", "momentun", "adma"]})
    for part in range(1, 5):
        with pytest.raises(SuiteError, match=r"2 mistakes .*'momentun'.*'adma'"):
            prepared(wrong, None, Compute(), shard=Shard(part, 4))


def test_of_cells_that_are_skipped_each_belongs_to_one_shard() -> None:
    wrong = SUITE.model_copy(update={"optimizers": ["sgd", "momentun"], "on_error": "skip"})
    found = parts(wrong, 3)
    failed = [done.name for part in found for done in part.failed]
    assert sorted(failed) == sorted(plan.name for plan in wrong.cells() if plan.optimizer == "momentun")
    assert sum(len(part.cells) for part in found) == 3


def test_a_shard_lands_its_cells_in_a_folder_that_says_so(tmp_path: Path) -> None:
    result = run(SUITE, tmp_path / "2", shard=(2, 6))
    assert [done.title for done in result.landed] == [f"cell {path.name}" for path in (tmp_path / "2/cells").iterdir()]
    assert shard_of_record(tmp_path / "2") == Shard(2, 6)
    assert failures_of(tmp_path / "2") == {}
    assert not run(SUITE, tmp_path / "2", shard="2/6").ran


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ((1, 6), (2, 6), "holds shard 1 of 6, and not shard 2 of 6"),
        ((1, 6), (1, 5), "holds shard 1 of 6, and not shard 1 of 5"),
        ((1, 6), None, "holds shard 1 of 6, and not the whole suite"),
        (None, (1, 6), "holds the record of a whole suite, and not shard 1 of 6"),
    ],
)
def test_a_folder_of_another_part_is_refused_by_name(
    first: tuple[int, int] | None,
    then: tuple[int, int] | None,
    said: str,
    tmp_path: Path,
) -> None:
    run(SUITE, tmp_path / "there", shard=first)
    with pytest.raises(UsageError, match=said):
        run(SUITE, tmp_path / "there", shard=then)
