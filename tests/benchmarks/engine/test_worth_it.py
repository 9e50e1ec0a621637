"""When a kernel is worth its while, by estimates alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.engine.inputs import Training
from benchmarks.engine.kernel_lanes import WORTH_IT, worth_it


@pytest.mark.parametrize("configurations", [1, 8, 500])
def test_short_work_is_left_to_torch(configurations: int) -> None:
    assert not worth_it(Training("ellipse", "rmsprop", [1], steps=10), configurations)


def test_few_configurations_of_a_large_network_are_left_to_torch_for_a_tile_is_filled_with_copies() -> None:
    alone = Training("tiny-transformer", "rmsprop", range(8), steps=10_000)
    assert [worth_it(alone, count) for count in (1, 4, 8)] == [False, True, True]


def test_a_few_runs_of_a_small_network_are_compiled() -> None:
    assert worth_it(Training("digits-mlp", "rmsprop", range(8), steps=10_000), 1)


def test_all_trainings_of_a_cell_are_advanced_by_what_is_planned_for_it() -> None:
    alone = Training("tiny-transformer", "rmsprop", range(8), steps=10_000)
    assert worth_it(replace(alone, planned=WORTH_IT), 1)
