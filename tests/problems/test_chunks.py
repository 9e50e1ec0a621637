"""How many lanes are trained as one tensor: what fits the cache, by the parameters of a lane and their precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from problems import BUILTIN, Batch, Facts, Problem
from problems.problem import fitting_chunk


@pytest.mark.parametrize(
    ("name", "lanes"), [("ellipse", 16384), ("airfoil", 16384), ("rosenbrock-chained", 4096), ("quadratic", 1024)]
)
def test_a_chunk_fits_the_cache(name: str, lanes: int) -> None:
    (spec,) = (spec for spec in BUILTIN if spec.name == name)
    assert (spec.build(dim=10) if name == "rosenbrock-chained" else spec.build()).chunk == lanes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_chunk_is_a_power_of_two_and_takes_half_a_megabyte_at_most(dtype: torch.dtype) -> None:
    for dim in (1, 2, 3, 7, 100, 65535, 65536):
        lanes = fitting_chunk(dim, dtype)
        assert lanes.bit_count() == 1
        assert lanes * dim * dtype.itemsize <= 2**19
    assert fitting_chunk(10**9, dtype) == 1  # one lane there is always


@dataclass(frozen=True, eq=False)
class Bowl(Problem):
    """A problem that says how many lanes it takes at once, or does not."""

    lanes: int | None = None

    @property
    def facts(self) -> Facts:
        return Facts(dim=50, chunk=self.lanes)

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), 50, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return x.square().sum(-1)


def test_a_problem_may_state_its_chunk() -> None:
    assert [Bowl().chunk, Bowl(64).chunk, Bowl(0).chunk] == [2048, 64, 0]  # 0 is found where problems are tried
