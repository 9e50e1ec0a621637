"""Products of matrices of every shape around the blocks of registers, and of every kind of place, beside torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import pytest
import torch
from torch import Tensor

LANES = 9
ROWS, COLUMNS, INNER = (1, 3, 4, 5, 8, 9), (1, 2, 3, 4, 7), (1, 2, 5)  # all remainders of the blocks
PAIRS = ("xy", "xb", "by", "bc")
"""Of lanes by lanes, lanes by shared, shared by lanes, shared by shared."""


def _inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    """Whole numbers, whose products are exact: ``x`` and ``y`` of lanes, ``b`` and ``c`` shared."""
    random = torch.Generator().manual_seed(2)
    shapes = {"x": (LANES, 9, 9), "y": (LANES, 9, 9), "batch:0": (9, 9), "batch:1": (9, 9)}
    return {name: torch.randint(-9, 9, shape, generator=random).to(dtype) for name, shape in shapes.items()}


def _function(pair: str, shapes: list[tuple[int, int, int]]):
    """Products of parts of two matrices: in order, transposed, from within, or every second row, in turn."""

    def products(*given: Tensor) -> list[Tensor]:
        left, right = (dict(zip("xybc", given, strict=True))[name] for name in pair)
        results = []
        for turn, (m, n, k) in enumerate(shapes):
            one, other = left[:m, :k], right[:k, :n]
            if turn % 3 == 1:
                one, other = left[:k, :m].t(), right[:n, -k:].t()
            if turn % 3 == 2:
                one, other = left[-m:, 9 - k :].flip(0), right.flip(1)[9 - k :, :n]
            results.append(one @ other)
        return results

    return products


def _by_torch(function, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    shared = [value for name, value in inputs.items() if name.startswith("batch:")]
    rows = [function(inputs["x"][lane], inputs["y"][lane], *shared) for lane in range(LANES)]
    return [torch.stack(parts).double() for parts in zip(*rows, strict=True)]


def _each(pairs: Iterable[str], shapes: list[tuple[int, int, int]]):
    """The products of all pairs, with their names."""
    functions = [_function(pair, shapes) for pair in pairs]
    names = [(pair, shape) for pair in pairs for shape in shapes]
    return lambda *given: [result for function in functions for result in function(*given)], names


@pytest.mark.parametrize(
    ("dtype", "part"),
    [
        pytest.param(torch.float32, 37, id="some"),
        pytest.param(torch.float32, 1, id="float32", marks=pytest.mark.slow),
        pytest.param(torch.float64, 3, id="float64", marks=pytest.mark.slow),
    ],
)
def test_products_of_every_shape_are_exact(compiled, dtype, part):
    """Rows, columns, and what is summed over: one of ``part`` of them."""
    inputs = _inputs(dtype)
    function, names = _each(PAIRS, list(itertools.product(ROWS, COLUMNS, INNER))[::part])
    run = compiled(function, inputs, loops=True, quickly=True)
    wrong = [
        name
        for name, found, should in zip(names, run(inputs), _by_torch(function, inputs), strict=True)
        if not found.equal(should)
    ]
    assert wrong == []


@pytest.mark.parametrize("loops", [False, True], ids=["written out", "loops"])
def test_products_in_less_than_the_precision_of_the_parameters_are_exact(compiled, loops):
    """They need twice as many lanes a tile."""
    inputs = _inputs(torch.float64)
    function, _ = _each(PAIRS, [(1, 1, 1), (2, 3, 4), (5, 1, 3)])

    def mixed(*given: Tensor) -> list[Tensor]:
        return [*function(*(value.float() for value in given)), *function(*given)]

    run = compiled(mixed, inputs, loops=loops, quickly=True)
    for found, should in zip(run(inputs), _by_torch(mixed, inputs), strict=True):
        assert found.equal(should)


def test_a_product_is_summed_in_order_with_one_rounding_a_term(compiled):
    """So that it is the same wherever a block begins; within n·eps of the sum of the sizes of its terms."""
    random = torch.Generator().manual_seed(4)
    inputs = {name: torch.randn(LANES, 9, 200, generator=random) for name in "xy"}
    run = compiled(lambda x, y: [x @ y.mT, x[3:4] @ y.mT[:, 5:6]], inputs, loops=True)
    whole, part = run(inputs)
    assert whole[:, 3:4, 5:6].equal(part)
    x, y = (value.double() for value in inputs.values())
    bound = 200 * torch.finfo(torch.float32).eps * (x.abs() @ y.abs().mT)
    assert ((whole - x @ y.mT).abs() <= bound).all()
