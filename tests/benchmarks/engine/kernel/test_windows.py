"""Convolutions and pooling, compiled both ways, beside torch lane by lane, with all of their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.engine.kernel.refusal import NotCompiledError

Operation = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

LANES = 9
WINDOWED: Mapping[str, Operation] = {
    "convolution": lambda x, w, h, b, d: functional.conv2d(x, w, b),
    "padded on a step": lambda x, w, h, b, d: functional.conv2d(x, w, b, stride=2, padding=1),
    "in groups, apart": lambda x, w, h, b, d: functional.conv2d(x, h, b, (1, 2), (2, 1), (2, 1), groups=2),
    "a step that leaves some over": lambda x, w, h, b, d: functional.conv2d(x, w, stride=(3, 4)),
    "of shared numbers": lambda x, w, h, b, d: functional.conv2d(d, w, b, padding=1),
    "with shared weights": lambda x, w, h, b, d: functional.conv2d(x, d[:, :, :2, :2]),
    "along one axis": lambda x, w, h, b, d: functional.conv1d(x[:, :, 0], w[:, :, 0], b, padding=1),
    "channel by channel": lambda x, w, h, b, d: functional.conv2d(x, w[:4, :1], groups=4),
    "turned round": lambda x, w, h, b, d: functional.conv2d(x.flip(2).mT, w),
    "mean of pools": lambda x, w, h, b, d: functional.avg_pool2d(x, 2),
    "pools that overlap": lambda x, w, h, b, d: functional.avg_pool2d(x, 3, stride=(2, 1)),
    "pools of one image": lambda x, w, h, b, d: functional.avg_pool2d(x[0], (2, 3)),
    "pools of a convolution": lambda x, w, h, b, d: functional.avg_pool2d(functional.conv2d(x, w, b).tanh(), (2, 3)),
}


def _inputs() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(6)
    shapes = {"x": (2, 4, 7, 6), "w": (6, 4, 3, 2), "h": (6, 2, 3, 2), "b": (6,)}
    given = {name: torch.randn(LANES, *shape, generator=random) for name, shape in shapes.items()}
    return {**given, "batch:0": torch.randn(2, 4, 7, 6, generator=random)}


def _with_gradients(operations: Iterable[Operation]) -> Callable[..., list[Tensor]]:
    """Every result, and the gradients of the sum of its squares that there are."""

    def every(*given: Tensor) -> list[Tensor]:
        at = [value.detach().requires_grad_() for value in given[:-1]]
        results = list[Tensor]()
        for operation in operations:
            with torch.enable_grad():
                result = operation(*at, given[-1])
                found = torch.autograd.grad(result.square().sum(), at, allow_unused=True)
            results += [result.detach(), *(gradient for gradient in found if gradient is not None)]
        return results

    return every


@pytest.mark.slow
def test_windows_of_every_kind_and_their_gradients_are_right_to_rounding(compiled):
    inputs, every = _inputs(), _with_gradients(WINDOWED.values())
    results = compiled(every, inputs, loops=True, differentiates=True, quickly=True)(inputs)
    for lane in (0, 7, LANES - 1):  # the first and the last of a tile, and the rest of another
        own = [value[lane].double() if name != "batch:0" else value.double() for name, value in inputs.items()]
        for found, should in zip(results, every(*own), strict=True):
            off = (found[lane] - should).abs().max() / should.abs().max()
            assert off < 100 * torch.finfo(torch.float32).eps  # sums of up to 84 products in single precision


@pytest.mark.slow
def test_convolutions_of_few_numbers_are_right_written_out_too(compiled):
    def few(x: Tensor, w: Tensor) -> list[Tensor]:
        return [functional.conv2d(x[:1, :2, :4, :4], w[:2, :2], padding=1), functional.avg_pool2d(x[0, :1], 2)]

    inputs = {name: value for name, value in _inputs().items() if name in "xw"}
    results = compiled(few, inputs, loops=False, quickly=True)(inputs)
    for lane in range(LANES):
        for found, should in zip(results, few(inputs["x"][lane], inputs["w"][lane]), strict=True):
            torch.testing.assert_close(found[lane], should.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        (lambda x: functional.conv_transpose2d(x, x), "convolution"),
        (lambda x: functional.avg_pool2d(x, 2, padding=1), "padding"),
        (lambda x: functional.avg_pool2d(x, 2, ceil_mode=True), "rounding up"),
        (lambda x: functional.max_pool2d(x, 2), "max_pool2d"),
    ],
)
def test_what_windows_do_not_do_is_named(compiled, operation, named):
    with pytest.raises(NotCompiledError, match=named):
        compiled(lambda x: [operation(x)], {"x": torch.ones(2, 2, 2, 5, 5)}, loops=True)
