"""Views, reductions, products of matrices and picks, compiled both ways, beside torch lane by lane.

Sums of whole numbers are exact in any order, so that they are compared to the bit; what sums do to others is bounded.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional

Operation = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A function of ``x [3, 1, 7]``, ``y [5, 3, 4]`` and ``v [17]``."""

LANES = 19  # a whole tile and the rest of another, whatever the width
ROWS = torch.tensor([[2, 0, 1], [1, 1, 2]])
"""Places that are the same for all lanes."""


def _subsets(axes: int) -> Iterator[tuple[int, ...]]:
    return itertools.chain.from_iterable(itertools.combinations(range(axes), n) for n in range(1, axes + 1))


VIEWED: Mapping[str, Operation] = {
    "transposed": lambda x, y, v: y.mT,
    "t": lambda x, y, v: x[:, 0].t() * 2,
    "permuted": lambda x, y, v: y.permute(2, 0, 1),
    "moved": lambda x, y, v: y.movedim(0, -1) + y.movedim(0, 2),
    "flipped": lambda x, y, v: y.flip(0, 2),
    "flipped and stepped": lambda x, y, v: y.flip(1)[:, ::2, 1:],
    "sliced from behind": lambda x, y, v: v[-3:] + v[:3],
    "sliced beyond": lambda x, y, v: v[10:99:3],
    "selected": lambda x, y, v: y[-1, :, 2],
    "narrowed": lambda x, y, v: y.narrow(0, 1, 3),
    "expanded": lambda x, y, v: x.expand(2, 3, 5, 7),
    "broadcast": lambda x, y, v: x + y[:, :, :1, None] * v[:7],
    "broadcast of a scalar": lambda x, y, v: v[3] * y - v[4],
    "reshaped": lambda x, y, v: y.reshape(6, 10),
    "reshaped where it must be copied": lambda x, y, v: y.mT.reshape(12, 5),
    "flipped, then reshaped": lambda x, y, v: y.flip(2).reshape(15, 4) + y.flip(2).reshape(5, 12)[0, :4],
    "flattened": lambda x, y, v: y[:, 1:].flatten(),
    "unflattened": lambda x, y, v: v[:12].unflatten(0, (3, -1)).t(),
    "squeezed": lambda x, y, v: x.squeeze() - x.squeeze(1),
    "unsqueezed": lambda x, y, v: v.unsqueeze(0).unsqueeze(-1),
    "split": lambda x, y, v: torch.cat(v.split([3, 0, 10, 4])[::-1]),
    "split evenly": lambda x, y, v: torch.cat(v.split(5)[::-1]),
    "chunked": lambda x, y, v: torch.stack(y.chunk(3, dim=2)[:2]),
    "unbound": lambda x, y, v: y.unbind(1)[2] - y.unbind(1)[0],
    "unfolded": lambda x, y, v: v.unfold(0, 5, 4) * v.unfold(0, 3, 4)[:, :1],
    "unfolded inside": lambda x, y, v: y.unfold(0, 2, 2),
    "cat": lambda x, y, v: torch.cat([y, y[1:2] * 2, y.flip(0)]),
    "cat of nothing": lambda x, y, v: torch.cat([y[:0], y, y[:, :, :0].flatten()[:0].reshape(0, 3, 4)]),
    "stacked": lambda x, y, v: torch.stack([x[:, 0], x[:, 0] * 2], dim=1),
    "rolled": lambda x, y, v: v.roll(4) + y.roll((1, 2), (0, 2))[0, 0, 0],
    "repeated": lambda x, y, v: x.repeat(2, 3, 1),
    "padded": lambda x, y, v: functional.pad(y, (1, 2, 0, 1), value=0.5),
    "padded with nothing": lambda x, y, v: functional.pad(v, (0, 0)),
    "lower triangle": lambda x, y, v: y.tril() + y.triu(1) * 3,
    "slice scattered": lambda x, y, v: torch.slice_scatter(v, y[0, 0], 0, 2, 14, 3),
    "select scattered": lambda x, y, v: torch.select_scatter(y, x[:, 0, :4], 0, -2),
    "set in place": lambda x, y, v: _with_a_row_set(y),
    "like it": lambda x, y, v: torch.zeros_like(v) + torch.ones_like(v) + torch.full_like(v, 2.5) * v.new_ones(()),
    "anew": lambda x, y, v: v.new_zeros(3) + v.new_full((3,), -1.5) + v[:3],
    "of no numbers": lambda x, y, v: y[:, :0],
    "of no numbers, reshaped": lambda x, y, v: y[:0].reshape(4, 0, 3),
    "a constant": lambda x, y, v: v[:3] * torch.tensor([1.0, -0.0, 0.5], dtype=v.dtype),
    "a constant of two zeros": lambda x, y, v: v[:2] * 0 - torch.tensor([0.0, -0.0], dtype=v.dtype),
    "the same numbers twice": lambda x, y, v: v.clone() + v.detach().contiguous(),
}
"""What only moves numbers, or computes with them one by one."""


def _with_a_row_set(y: Tensor) -> Tensor:
    y = y.clone()
    y[1] = 3.0
    y[:, 2] += 1
    return y


SUMMED: Mapping[str, Operation] = {
    **{f"sum over {a}": lambda x, y, v, a=a: y.sum(a) for a in _subsets(3)},
    **{f"sum kept over {a}": lambda x, y, v, a=a: x.sum(a, keepdim=True) for a in _subsets(3)},
    "sum of all": lambda x, y, v: y.sum(),
    "sum of a view": lambda x, y, v: y.mT[1:, ::2].sum((0, 2)) + y.flip(0).mT[0, ::2, :1].sum(-1),
    "sum of nothing": lambda x, y, v: y[:, :0].sum(1) + y[:0].sum(0)[0, 0],
    "sum of a sum": lambda x, y, v: (y.sum(0) * y.sum((0, 1))).sum(1),
    "sum of a scalar": lambda x, y, v: v[0].sum(0),
    "sum of truths": lambda x, y, v: (y > 0).sum((0, 2)),
    "sum in float64": lambda x, y, v: v.sum(dtype=torch.float64),
    "sum of expanded": lambda x, y, v: x.expand(2, 3, 5, 7).sum((0, 2)),
    "mean": lambda x, y, v: y[:4].mean((0, 2)) + x.mean(1)[0, 0],
    "mean of one": lambda x, y, v: x.mean(1),
    "mean of nothing": lambda x, y, v: v[:0].mean(),
    "prod": lambda x, y, v: y.clamp(-2, 2).prod(0),
    "prod of all": lambda x, y, v: y[0].clamp(-2, 2).prod(),
    **{f"amax over {a}": lambda x, y, v, a=a: y.amax(a) for a in _subsets(3)},
    "amin": lambda x, y, v: y.amin((0, 2)) + x.amin(1)[:, 0],
    "max of all": lambda x, y, v: v.max() - y.min(),
    "max along": lambda x, y, v: y.max(1).values + y.min(1)[1],
    "whole numbers": lambda x, y, v: y.long().amax(1) - y.long().amin((0, 1)) + y.long().sum(),
    "truths": lambda x, y, v: (y > 0).amax(1) & (y > -9).amin(1),
    "any": lambda x, y, v: (y > 6).any(1),
    "all": lambda x, y, v: (y > -6).all(2) | (v == 0).any(),
    "argmax": lambda x, y, v: y.argmax(1) + x.argmax(1)[0, 0],
    "argmax of all": lambda x, y, v: y.argmax() - y.mT.argmin(),
    "argmin kept": lambda x, y, v: y.argmin(0, keepdim=True),
    "argmax twice": lambda x, y, v: y.argmax(0).sum() * 100 + v.argmax() * 10 + y[:, 0].argmax(1),
    "argmax of truths": lambda x, y, v: (v > 1).long().argmax(),
    "cumsum": lambda x, y, v: y.cumsum(1) - y.flip(0).cumsum(0),
    "cumsum of truths": lambda x, y, v: (v > 0).cumsum(0),
    "cumsum of nothing": lambda x, y, v: v[:0].cumsum(0),
    "cumprod": lambda x, y, v: y.clamp(-2, 2).cumprod(2),
    "diff": lambda x, y, v: v.diff() * y.diff(dim=0)[0, 0, 0],
    "norms": lambda x, y, v: y.norm(p=1, dim=(0, 2)) + torch.linalg.vector_norm(y, math.inf, 1).sum(),
    "inner product": lambda x, y, v: v @ v.flip(0),
    "matrix by vector": lambda x, y, v: y @ v[:4],
    "vector by matrix": lambda x, y, v: v[:3] @ y,
    "matrix by matrix": lambda x, y, v: x[:, 0].t() @ y[1],
    "matrices by matrices": lambda x, y, v: y @ y.mT,
    "matrices by one": lambda x, y, v: y @ v[:12].view(4, 3),
    "matrices by a flipped one": lambda x, y, v: y.flip(1)[:, 1:] @ v[:12].view(3, 4).t().flip(0),
    "affine": lambda x, y, v: functional.linear(y[0], v[:8].view(2, 4), v[8:10]),
    "addmm": lambda x, y, v: torch.addmm(v[:4], x[:2, 0, :3], y[1]),
    "outer": lambda x, y, v: torch.outer(v[:3], y[0, 0]),
    "einsum": lambda x, y, v: torch.einsum("aij,bij->ab", y, y[:2]),
    "by an empty one": lambda x, y, v: y[0, :, :0] @ y[0, :0],
    "trace": lambda x, y, v: y.diagonal(dim1=1, dim2=2).sum(-1),
    "by constants": lambda x, y, v: y @ torch.arange(8, dtype=y.dtype).view(4, 2) @ torch.ones(2, 2, dtype=y.dtype),
    "gathered": lambda x, y, v: y[:2, :, :3].gather(1, ROWS[:, None].expand(2, 2, 3)),
    "gathered by one place": lambda x, y, v: y.gather(0, torch.full((1, 3, 4), 3)),
    "scatter added": lambda x, y, v: y[0].scatter_add(0, ROWS, y[1].detach()),
    "scattered": lambda x, y, v: y[0].scatter(0, ROWS[:1], y[1].detach()) + y[0].scatter(1, ROWS[:, :1], 7.0),
    "rows by number": lambda x, y, v: y.index_select(2, torch.tensor([3, 3, 0])),
    "rows by an array of numbers": lambda x, y, v: y[:, ROWS] + y[:, ROWS - 3],
    "numbers by two arrays": lambda x, y, v: y[ROWS, ROWS.flip(0)] + y[:, ROWS, ROWS].sum(0)[0, 0],
    "rows added by number": lambda x, y, v: y.index_add(0, torch.tensor([4, 0, 4]), y[:3]),
    "rows set by number": lambda x, y, v: y.index_put((torch.tensor([4, -5]),), v[:4]),
    "an embedding": lambda x, y, v: functional.embedding(ROWS, y[0]),
    "of an array of the batch": lambda x, y, v: v[:3],
}
"""What is exact on whole numbers, in whatever order it is summed."""

SMOOTH: Mapping[str, Operation] = {
    **{f"softmax along {a}": lambda x, y, v, a=a: y.softmax(a) for a in range(3)},
    **{f"log_softmax along {a}": lambda x, y, v, a=a: y.log_softmax(a) for a in range(3)},
    "softmax of one": lambda x, y, v: x.softmax(1) + v[0].softmax(0),
    "logsumexp": lambda x, y, v: y.logsumexp((0, 2)),
    "cross entropy": lambda x, y, v: functional.cross_entropy(y[:, :, 0], torch.tensor([0, 2, 1, 1, 0])),
    "mean of squares": lambda x, y, v: functional.mse_loss(y, y.flip(0)),
    "variance": lambda x, y, v: y.var((0, 2)) + v.std() + torch.var_mean(y, 1, correction=0)[0].sum(),
    "normed": lambda x, y, v: functional.layer_norm(y, (4,), v[:4], v[4:8]) + functional.group_norm(y[None], 5)[0],
    "norm": lambda x, y, v: y.norm(dim=1) + v.norm(p=3) + torch.linalg.norm(v),
    "gelu": lambda x, y, v: functional.gelu(v) + functional.gelu(v, approximate="tanh"),
    "elu": lambda x, y, v: functional.elu(v) + functional.selu(v),
    "binary cross entropy": lambda x, y, v: functional.binary_cross_entropy_with_logits(v, (v > 0).to(v.dtype)),
}
"""What is right to rounding."""


def _lanes(dtype: torch.dtype, whole: bool) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(11)
    shapes = {"x": (LANES, 3, 1, 7), "y": (LANES, 5, 3, 4), "v": (LANES, 17)}
    numbers = {name: torch.randn(shape, generator=random, dtype=torch.float64) for name, shape in shapes.items()}
    return {name: ((3 * value).round() if whole else value).to(dtype) for name, value in numbers.items()}


def _by_torch(operation: Operation, inputs: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([operation(*one) for one in zip(*inputs.values(), strict=True)]).double()


def _gradients(operations: Iterable[Operation]) -> Callable[[Tensor, Tensor, Tensor], list[Tensor]]:
    """Of every operation, the gradients of the sum of its squares."""

    def gradients(*given: Tensor) -> list[Tensor]:
        with torch.enable_grad():
            at = [value.detach().requires_grad_() for value in given]
            found = [torch.autograd.grad(each(*at).square().sum(), at, allow_unused=True) for each in operations]
        return [torch.zeros_like(x) if g is None else g for every in found for g, x in zip(every, given, strict=True)]

    return gradients


NOT_COMPILED = {"set in place", "max along", "cumprod"}
"""What has gradients that are left to torch: what reads a row that was set, and places that are a lane's own."""


def _differentiable(inputs: Mapping[str, Tensor]) -> dict[str, Operation]:
    """The operations that have gradients, and that these are compiled of."""
    one = [value[0] for value in inputs.values()]
    able = {}
    for name, operation in {**VIEWED, **SUMMED, **SMOOTH}.items():
        given = [value.clone().requires_grad_() for value in one]
        if name not in NOT_COMPILED and operation(*given).requires_grad:
            able[name] = operation
    return able


def _wrong(operations: Iterable[str], results: Iterable[Tensor], expected: Iterable[Tensor]) -> list[str]:
    """The operations whose results differ, to the bit but for those of a NaN."""
    return [
        name
        for name, found, should in zip(operations, results, expected, strict=True)
        if found.shape != should.shape
        or not ((found.view(torch.int64) == should.view(torch.int64)) | (found.isnan() & should.isnan())).all()
    ]


def _far(
    operations: Iterable[str], results: Iterable[Tensor], expected: Iterable[Tensor], dtype: torch.dtype
) -> dict[str, float]:
    """The operations further off than `ROUNDINGS` of the lane's largest number (most are sums of up to 60 products),
    and how far."""
    far = {}
    for name, found, should in zip(operations, results, expected, strict=True):
        one, other = found.reshape(LANES, -1), should.reshape(LANES, -1)
        size = torch.finfo(dtype).eps * (other.abs().amax(1, keepdim=True) + 1e-30) if should.numel() else 1
        off = ((one - other).abs() / size).flatten().tolist()
        if found.shape != should.shape or not all(each <= ROUNDINGS for each in off):
            far[name] = max(off)
    return far


ROUNDINGS = 64
FORMS = pytest.mark.parametrize("loops", [False, True], ids=["written out", "loops"])


@pytest.mark.slow
@FORMS
def test_views_and_sums_of_whole_numbers_are_torchs_to_the_bit(compiled, loops):
    operations = {**VIEWED, **SUMMED}
    whole = _lanes(torch.float32, whole=True)
    run = compiled(lambda *one: [each(*one) for each in operations.values()], whole, loops=loops, quickly=True)
    expected = [_by_torch(each, whole) for each in operations.values()]
    assert _wrong(operations, [value + 0.0 for value in run(whole)], [value + 0.0 for value in expected]) == []


EXTREMES = [name for name in SUMMED if name.startswith(("argm", "amax", "amin", "max", "any", "all"))]


def test_the_largest_the_smallest_and_their_places_are_torchs_whatever_the_numbers(compiled):
    """Ties, NaN and infinities; a zero's sign is not compared, as torch's own hangs on where in a vector it stands."""
    operations = {name: SUMMED[name] for name in EXTREMES}
    assert {"argmax", "argmin kept", "amax over (0, 2)", "max along", "any", "all"} <= operations.keys()
    inputs = _lanes(torch.float64, whole=True)
    random = torch.Generator().manual_seed(3)
    odd = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 2.0, -2.0, 1e308], dtype=torch.float64)
    for value in inputs.values():
        where = torch.randint(0, 60, value.shape, generator=random)
        value.copy_(torch.where(where < len(odd), odd[where.clamp(max=len(odd) - 1)], value))
    run = compiled(lambda *one: [each(*one) for each in operations.values()], inputs, loops=True, quickly=True)
    expected = [_by_torch(each, inputs) for each in operations.values()]
    assert sum(int(value.isnan().sum()) for value in expected) > LANES
    assert _wrong(operations, [value + 0.0 for value in run(inputs)], [value + 0.0 for value in expected]) == []


@pytest.mark.parametrize(
    ("loops", "dtype", "part"),
    [
        pytest.param(True, torch.float64, 12, id="some"),
        pytest.param(True, torch.float32, 2, id="loops-float32", marks=pytest.mark.slow),
        pytest.param(False, torch.float64, 2, id="written out-float64", marks=pytest.mark.slow),
    ],
)
def test_smooth_functions_and_all_gradients_are_right_to_rounding(compiled, loops, dtype, part):
    """Of ``part`` operations one."""
    given = _lanes(dtype, whole=False)
    differentiable = _differentiable(given)
    assert len(differentiable) > 90
    differentiable = dict(list(differentiable.items())[::part])
    gradients = _gradients(differentiable.values())

    def every(*one: Tensor) -> list[Tensor]:
        return [*(each(*one) for each in SMOOTH.values()), *gradients(*one)]

    run = compiled(every, given, loops=loops, differentiates=True, quickly=True)
    exact = [value.double() for value in given.values()]
    expected = [torch.stack(parts) for parts in zip(*(every(*one) for one in zip(*exact, strict=True)), strict=True)]
    names = [*SMOOTH, *(f"gradient of {name} by {by}" for name in differentiable for by in "xyv")]
    assert _far(names, run(given), expected, dtype) == {}


def test_a_lane_of_nans_infinities_and_zeros_leaves_its_neighbours_as_they_are(compiled):
    operations = dict(list({**SUMMED, **SMOOTH}.items())[::3])
    plain = _lanes(torch.float64, whole=False)
    run = compiled(lambda *one: [each(*one) for each in operations.values()], plain, loops=True, quickly=True)
    before = run(plain)
    others = torch.arange(LANES) % 3 != 1
    odd = torch.tensor([math.nan, math.inf, -0.0, 1e308], dtype=torch.float64)
    mixed = {name: value.clone() for name, value in plain.items()}
    for value in mixed.values():
        value[~others] = odd.repeat(value[0].numel())[: value[0].numel()].view(value[0].shape)
    after = run(mixed)
    assert _wrong(operations, [value[others] for value in after], [value[others] for value in before]) == []
    for few in (1, 5, LANES - 1):  # nor does it matter how many there are, and where a tile ends
        part = run({name: value[-few:] for name, value in plain.items()})
        assert _wrong(operations, part, [value[-few:] for value in before]) == []
