"""Operations on single numbers, compiled both ways, beside torch: to the bit, or to a few units in the last place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.engine.kernel.operations import OPERATIONS, TORCH
from benchmarks.engine.kernel.torch_elementwise import ELEMENTWISE

Operation = Callable[[Tensor, Tensor], Tensor]

SPECIAL = (
    *(math.nan, math.inf, -math.inf, 0.0, -0.0),
    *(1.4e-45, -1.4e-45, 5e-324, -5e-324, 1e-310, 1.18e-38, -2.3e-308, 3.4e38, -3.4e38, 1.7e308, -1.7e308),
    *(1.0, -1.0, 0.5, 2.0, -2.5, 3.5, 1.0000001, 0.1, -0.7, 1e-20, 12345.678, 3e9),
)
"""Numbers that are none, infinite, of no size, too small for all their digits, nearly too large, halfway, and usual."""

EXACT: Mapping[str, Operation] = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "-x": lambda x, _: -x,
    "with numbers": lambda x, _: 1 - (x * 0.1 + 0.2) / 3,
    "number / x": lambda x, _: 0.3 / x,
    "reciprocal": lambda x, _: x.reciprocal(),
    "small powers": lambda x, y: x**2 + x**3 * y**-1 - x**1 / y**-2 + x**0,
    "abs": lambda x, _: x.abs(),
    "sign": lambda x, _: x.sign(),
    "sgn": lambda x, _: x.sgn(),
    "floor": lambda x, _: x.floor(),
    "ceil": lambda x, _: x.ceil(),
    "trunc": lambda x, _: x.trunc(),
    "round": lambda x, _: x.round(),
    "fmod": lambda x, y: torch.fmod(_moderate(x), _moderate(y)),  # of others torch's is no remainder at all
    "remainder": lambda x, y: torch.remainder(_moderate(x), _moderate(y)),
    "remainder of a number": lambda x, _: torch.remainder(_moderate(x), -0.7),
    "relu": lambda x, _: x.relu(),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "clamp": lambda x, _: x.clamp(-0.5, 2),
    "clamp to 0": lambda x, _: x.clamp(0, 1),
    "clamp to -0": lambda x, _: x.clamp(-1, -0.0),
    "clamp the wrong way round": lambda x, _: x.clamp(1, -1),
    "clamp between tensors": lambda x, y: x.clamp(y.where(y != 0, 1), y + 1.5),  # of ±0.0 either, place by place
    "clamp_min": lambda x, _: x.clamp_min(-0.0),
    "clamp_max": lambda x, _: x.clamp_max(0.0),
    "x > y": lambda x, y: x > y,
    "x >= y": lambda x, y: x >= y,
    "x < y": lambda x, y: x < y,
    "x <= y": lambda x, y: x <= y,
    "x == y": lambda x, y: x == y,
    "x != y": lambda x, y: x != y,
    "x > number": lambda x, _: x > 0.1,
    "x == number": lambda x, _: x == 0.1,
    "isnan": lambda x, _: x.isnan(),
    "isinf": lambda x, _: x.isinf(),
    "isfinite": lambda x, _: x.isfinite(),
    "and": lambda x, y: (x > 0) & (y > 0),
    "or": lambda x, y: (x > 0) | (y > 0),
    "xor": lambda x, y: (x > 0) ^ (y > 0),
    "not": lambda x, _: ~(x > 0),
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "logical_not": lambda x, _: x.logical_not(),
    "truth + truth": lambda x, y: (x > 0) + (y > 0),
    "truth * truth": lambda x, y: (x > 0) * (y > 0),
    "maximum of truths": lambda x, y: torch.maximum(x > 0, y > 0),
    "truth * number": lambda x, y: (x > 0) * y,
    "where": lambda x, y: torch.where(x > y, x, y),
    "where with a number": lambda x, y: torch.where(x.isnan(), 0.0, y),
    "masked_fill": lambda x, y: x.masked_fill(y < 0, 7.0),
    "threshold": lambda x, _: functional.threshold(x, 0.3, 2.0),
    "leaky relu": lambda x, _: functional.leaky_relu(x, 0.1),
    "hardtanh": lambda x, _: functional.hardtanh(x),
    "in the other precision": lambda x, y: (x.to(_other(x)) * y.to(_other(x))).to(x.dtype),
    "mixed precision": lambda x, y: x * y.to(_other(y)),
    "whole numbers": lambda x, _: x.clamp(-1000, 1000).nan_to_num().long() * 3 - 1,
    "whole and real numbers": lambda x, y: x.clamp(-9, 9).nan_to_num().long() / 4 + 1 + y,
    "truth as a number": lambda x, _: (x > 0).to(x.dtype) - (x < 0).long(),
}
"""What is equal to torch's to the bit, but for the bits of a NaN."""

FUNCTIONS: Mapping[str, Operation] = {
    **{
        name: lambda x, _, name=name: getattr(torch, name)(x)
        for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos")
    },
    **{
        name: lambda x, _, name=name: getattr(torch, name)(x)
        for name in ("atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sigmoid", "rsqrt")
    },
    "atan2": torch.atan2,
    "hypot": torch.hypot,
    "pow": torch.pow,
    "pow of a number": lambda x, _: 2.5**x,
    "pow by a number": lambda x, _: x**2.5,
    "pow by a whole number": lambda x, _: x**4,
    "softplus": lambda x, _: functional.softplus(x),
    "silu": lambda x, _: functional.silu(x),
    "softsign": lambda x, _: functional.softsign(x),
}
"""What may differ from torch's by `ULPS`."""

FUSED: Mapping[str, tuple[Operation, Operation]] = {
    "addcmul": (lambda x, y: torch.addcmul(x, x, y, value=0.3), lambda x, y: x + x * y),
    "addcdiv": (lambda x, y: torch.addcdiv(x, x, y, value=-0.3), lambda x, y: x + x / y),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.3), lambda x, y: x + y),
    "lerp from the other end": (lambda x, y: torch.lerp(x, y, 0.7), lambda x, y: x + y),
    "add with a factor": (lambda x, y: torch.add(x, y, alpha=0.3), lambda x, y: x + y),
    "sub with a factor": (lambda x, y: torch.sub(x, y, alpha=2), lambda x, y: x + 2 * y),
    "logaddexp": (torch.logaddexp, lambda x, y: x + y + 1),
    "huber": (lambda x, y: functional.huber_loss(x, y, reduction="none"), lambda x, y: (x + y) * (x + y + 1)),
}
"""What torch rounds once or twice, as it happens to lie in memory, and of what size its terms are."""

ULPS = 4  # glibc's vector functions and torch's are right to 2 where it was measured; the bound of the former is 4


def _moderate(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0) * x.abs().clamp(0.1, 100)


def _other(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float32 else torch.float32


def _pairs(dtype: torch.dtype) -> dict[str, Tensor]:
    """Every special number with every other, two pairs a lane."""
    special = torch.tensor(SPECIAL, dtype=torch.float64).to(dtype)
    x, y = (part.flatten() for part in torch.meshgrid(special, special, indexing="ij"))
    return {"x": torch.stack([x, x.roll(1)], 1), "y": torch.stack([y, y.roll(1)], 1)}


def _usual(dtype: torch.dtype) -> dict[str, Tensor]:
    """Numbers of all sizes between 10⁻⁶ and 10⁶."""
    random = torch.Generator().manual_seed(5)
    x, y = (torch.randn(2001, 2, generator=random, dtype=torch.float64) for _ in range(2))
    size = 10 ** (12 * torch.rand(2001, 2, generator=random, dtype=torch.float64) - 6)
    return {"x": (x * size).to(dtype), "y": (2 * y).to(dtype)}


def _by_torch(operation: Operation, inputs: Mapping[str, Tensor]) -> Tensor:
    """What torch makes of them on its vectors: of ±0.0 its remainders may choose the other, in maximum and minimum."""
    x, y = (torch.cat([value, value.new_ones(64, 2)]) for value in inputs.values())
    return operation(x, y)[:-64].double()


def _unlike(found: Tensor, expected: Tensor) -> Tensor:
    same = found.view(torch.int64) == expected.view(torch.int64)
    return ~(same | (found.isnan() & expected.isnan()))


def _ulps(found: Tensor, expected: Tensor, dtype: torch.dtype) -> Tensor:
    """How many numbers of ``dtype`` lie between two, as a double."""
    bits = {torch.float32: torch.int32, torch.float64: torch.int64}[dtype]
    low = -(2 ** (31 if dtype == torch.float32 else 63))
    one, other = (value.to(dtype).view(bits).to(torch.int64) for value in (found, expected))
    one, other = (torch.where(value < 0, low - value, value) for value in (one, other))
    apart = (one - other).abs().double()
    alike = (found == expected) | (found.isnan() & expected.isnan())
    return torch.where(alike, 0.0, torch.where(found.isfinite() & expected.isfinite(), apart, math.inf))


ROOT: Mapping[str, Operation] = {"sqrt": lambda x, _: x.sqrt()}


def _made_by(request: pytest.FixtureRequest, form: str) -> dict[str, Any]:
    """Another compiler than the usual one, where a form names one, and what runs what it makes."""
    if form.endswith("by clang"):
        return {"by": request.getfixturevalue("looked_for")("clang")}
    if form.endswith("for ARM"):
        arm = request.getfixturevalue("arm")
        return {"by": arm.compiler, "run": arm.run}
    return {}


@pytest.fixture(scope="module")
def results_of(compiled, request):
    """Operations in one library: their results by name, of the form and the inputs.

    What is exact may be compiled quickly; functions are on vectors only where the compiler takes its time.
    """
    libraries = {}

    def results(operations: Mapping[str, Operation], form: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        key = (*operations, form, inputs["x"].dtype)
        if key not in libraries:
            libraries[key] = compiled(
                lambda x, y: [each(x, y) for each in operations.values()],
                inputs,
                loops=form.startswith("loops"),
                quickly="quickly" in form and "exp" not in operations,
                **_made_by(request, form),
            )
        return dict(zip(operations, libraries[key](inputs), strict=True))

    return results


FORMS = pytest.mark.parametrize(
    ("form", "dtype"),
    [
        pytest.param("written out, quickly", torch.float64, id="written out quickly-float64"),
        pytest.param("loops, quickly", torch.float32, id="loops quickly-float32"),
        pytest.param("loops, quickly, by clang", torch.float32, id="clang-float32", marks=pytest.mark.slow),
        pytest.param("written out, quickly, for ARM", torch.float64, id="ARM-float64", marks=pytest.mark.slow),
        pytest.param("loops, quickly, for ARM", torch.float32, id="ARM-float32", marks=pytest.mark.slow),
        pytest.param("loops", torch.float32, id="loops-float32", marks=pytest.mark.slow),
        pytest.param("loops", torch.float64, id="loops-float64", marks=pytest.mark.slow),
        pytest.param("written out", torch.float32, id="written out-float32", marks=pytest.mark.slow),
        pytest.param("written out", torch.float64, id="written out-float64", marks=pytest.mark.slow),
    ],
)
NUMBERS = pytest.mark.parametrize("numbers", [_pairs, _usual], ids=["special", "usual"])


@FORMS
@NUMBERS
def test_arithmetic_is_torchs_to_the_bit(results_of, numbers, form, dtype):
    inputs = numbers(dtype)
    results = results_of(EXACT, form, inputs)
    for name, operation in EXACT.items():
        unlike = _unlike(results[name], _by_torch(operation, inputs))
        example = [(float(inputs["x"][i, j]), float(inputs["y"][i, j])) for i, j in unlike.nonzero()[:5].tolist()]
        assert not unlike.any(), f"{name} of {example}"


@FORMS
@NUMBERS
def test_a_root_is_ieees(results_of, numbers, form, dtype):
    """Numpy's, because torch's own is off by one unit in some of its numbers."""
    inputs = numbers(dtype)
    with np.errstate(invalid="ignore"):
        expected = torch.from_numpy(np.sqrt(inputs["x"].numpy())).double()
    assert not _unlike(results_of(ROOT, form, inputs)["sqrt"], expected).any()


@FORMS
@NUMBERS
def test_functions_of_the_library_are_right_to_a_few_units_in_the_last_place(results_of, numbers, form, dtype):
    inputs = numbers(dtype)
    results = results_of(FUNCTIONS, form, inputs)
    for name, operation in FUNCTIONS.items():
        expected = _by_torch(operation, inputs)
        if name in ("sinh", "cosh"):  # torch's own are infinite a little early
            expected = torch.where(expected.isinf() & (inputs["x"].abs() < 711), results[name], expected)
        apart = _ulps(results[name], expected, dtype)
        i, j = divmod(int(apart.argmax()), 2)
        assert apart.max() <= ULPS, f"{name} of {float(inputs['x'][i, j])}, {float(inputs['y'][i, j])}: {apart.max()}"


@FORMS
def test_fused_operations_are_right_to_the_rounding_of_their_terms(results_of, form, dtype):
    inputs = _usual(dtype)
    results = results_of({name: operation for name, (operation, _) in FUSED.items()}, form, inputs)
    exact = [value.double() for value in inputs.values()]
    for name, (operation, size) in FUSED.items():
        off = (results[name] - operation(*exact)).abs() / size(*(value.abs() for value in exact))
        assert off.max() <= 4 * torch.finfo(dtype).eps, name


def test_a_difference_in_the_last_place_is_seen():
    one = torch.tensor([1.0, -1.0, 0.0, 5e-324, math.inf], dtype=torch.float64)
    other = torch.tensor([1 + 2**-52, -1 + 2**-53, -0.0, -5e-324, 1.0], dtype=torch.float64)
    assert _ulps(one, other, torch.float64).tolist() == [1, 1, 0, 2, math.inf]
    assert _unlike(one, other).all()


def test_every_operation_on_single_numbers_is_tried():
    source = " ".join([*EXACT, *FUNCTIONS])
    words = {"add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "neg": "-x", "gt": "x > y", "ge": "x >= y"}
    words |= {"lt": "x < y", "le": "x <= y", "eq": "x == y", "ne": "x != y"}
    tried_elsewhere = {"sqrt", "copy", "square", "cube", "rsub", "_to_copy", "threshold_backward"}
    names = {*OPERATIONS, *TORCH, *ELEMENTWISE} - tried_elsewhere
    names = {name.removeprefix("bitwise_") for name in names}
    assert {name for name in names if words.get(name, name) not in source} == set()
