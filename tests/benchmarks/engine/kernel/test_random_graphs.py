"""Operations put together at random, compiled both ways, beside torch lane by lane.

All numbers are whole and small, so that every sum is exact and results are equal whatever the order.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

LANES = 21
LENGTH = 14  # operations of a graph


def _small(value: Tensor) -> Tensor:
    """Numbers that the next operations leave exact, without zeros below zero."""
    return value.clamp(-8, 8) + 0.0


def _view(draw: random.Random, a: Tensor) -> Tensor:
    axis = draw.randrange(a.dim())
    count = a.shape[axis]
    return draw.choice(
        [
            lambda: a.flip(axis),
            lambda: a.movedim(axis, draw.randrange(a.dim())),
            lambda: a.narrow(axis, draw.randrange(count), 1).expand(*a.shape),
            lambda: a.index_select(axis, torch.tensor([draw.randrange(count) for _ in range(draw.randint(1, 4))])),
            lambda: a[(slice(None),) * axis + (slice(draw.randrange(count), None, draw.randint(1, 2)),)],
            lambda: a.reshape(-1)[: max(1, a.numel() // 2 * 2)].reshape(-1 if a.numel() < 2 else (2, -1)),
            a.flatten,
            lambda: a.unsqueeze(axis) if a.dim() < 4 else a,
            lambda: a.select(axis, draw.randrange(count)) if a.dim() > 1 else a,
            lambda: a.roll(draw.randrange(4), axis),
            lambda: a.unfold(axis, draw.randint(1, count), draw.randint(1, 2)) if a.dim() < 4 else a,
        ]
    )()


def _joined(draw: random.Random, a: Tensor, b: Tensor) -> Tensor:
    axis = draw.randrange(a.dim())
    pads = [draw.randrange(3) for _ in range(2 * draw.randint(1, a.dim()))]
    return draw.choice(
        [
            lambda: torch.cat([a, a.flip(axis) * 2, a.narrow(axis, 0, 1)], axis),
            lambda: torch.stack([a, -a], axis) if a.dim() < 4 else a,
            lambda: torch.nn.functional.pad(a, pads, value=3),
            lambda: torch.cat([a.flatten(), b.flatten()]),
            lambda: torch.select_scatter(a, a.select(axis, 0) + 1, axis, -1),
            lambda: torch.cat(a.split([1, a.shape[axis] - 1], axis)[::-1], axis),
        ]
    )()


def _computed(draw: random.Random, a: Tensor, b: Tensor) -> Tensor:
    try:
        torch.broadcast_shapes(a.shape, b.shape)
    except RuntimeError:
        b = b.sum() if draw.random() < 0.5 else a.flip(0)
    return draw.choice(
        [
            lambda: a + b,
            lambda: a - b * 2,
            lambda: a * b,
            lambda: torch.maximum(a, b),
            lambda: torch.where(a > b, a, b * 0.5 + 0.5).floor(),
            lambda: (a - b).abs() - a.sign(),
            lambda: (a.relu() + (b >= 0)) * ((a != b) | (a < 2)),
            lambda: a.double().to(a.dtype) - (a.long() + 1),
            lambda: a.masked_fill(a == b, 5.0),
        ]
    )()


def _gathered(draw: random.Random, a: Tensor, b: Tensor) -> Tensor:
    axis = draw.randrange(a.dim())
    some = draw.sample(range(a.dim()), draw.randint(1, a.dim()))
    matrix = a.flatten(0, -2) if a.dim() > 1 else a[None]
    other = b.flatten(0, -2) if b.dim() > 1 else b[None]
    inner = min(matrix.shape[1], other.shape[1])
    return draw.choice(
        [
            lambda: a.sum(some, keepdim=draw.random() < 0.5),
            lambda: a.amax(some),
            lambda: a.amin(axis, keepdim=True) + a,
            lambda: a.cumsum(axis),
            lambda: a.argmax(axis, keepdim=True) + a,
            lambda: (a > 1).any(axis),
            lambda: matrix[:, :inner] @ other[:, :inner].t(),
            lambda: a * a.sum(axis, keepdim=True),
            lambda: a.clamp(-1, 2).prod(axis),
        ]
    )()


def _graph(seed: int, given: Sequence[Tensor]) -> Tensor:
    """A result of operations that only the seed and shapes decide."""
    draw, known = random.Random(seed), list(given)
    for _ in range(LENGTH):
        a, b = draw.choice(known[-4:]), draw.choice(known)
        a, b = (value if value.dim() else value.expand(3) for value in (a, b))
        what = draw.choice([_view, _view, _joined, _computed, _computed, _gathered])
        result = what(draw, a) if what is _view else what(draw, a, b)
        if result.numel() > 150:
            result = result.flatten()[:60].reshape(3, 4, 5)
        known.append(_small(result.to(a.dtype)))
    return torch.cat([value.flatten() for value in known[-3:]])


def _inputs(dtype: torch.dtype) -> Mapping[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (LANES, 3, 1, 4), "y": (LANES, 7), "batch:0": (2, 3, 4), "batch:1": (5,)}
    return {name: torch.randint(-3, 4, shape, generator=generator).to(dtype) for name, shape in shapes.items()}


def _differing(compiled, seeds: Sequence[int], dtype: torch.dtype, loops: bool) -> list[int]:
    """The seeds whose graphs give other numbers than torch's, in any lane."""
    inputs = _inputs(dtype)
    run = compiled(lambda *given: [_graph(seed, given) for seed in seeds], inputs, loops=loops, quickly=True)
    shared = [value for name, value in inputs.items() if name.startswith("batch:")]
    lanes = list(zip(inputs["x"], inputs["y"], strict=True))
    expected = [torch.stack([_graph(seed, [*lane, *shared]) for lane in lanes]).double() for seed in seeds]
    return [seed for seed, found, should in zip(seeds, run(inputs), expected, strict=True) if not found.equal(should)]


@pytest.mark.parametrize("loops", [False, True], ids=["written out", "loops"])
def test_a_few_random_graphs_are_torchs_to_the_bit(compiled, loops):
    assert _differing(compiled, range(5), torch.float32, loops) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 300, 20))
def test_hundreds_of_random_graphs_are_torchs_to_the_bit(compiled, first):
    dtype = torch.float64 if first % 40 else torch.float32
    assert _differing(compiled, range(first, first + 20), dtype, loops=first % 80 < 40) == []


CALLED = """
import ctypes, sys
import numpy as np
arrays = [np.load(name).copy() for name in sys.argv[3:]]
pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
ctypes.CDLL(sys.argv[1]).run((ctypes.c_int64 * 8)(*map(int, sys.argv[2].split(","))), pointers)
"""


@pytest.mark.slow
@pytest.mark.parametrize("loops", [False, True], ids=["written out", "loops"])
def test_random_graphs_touch_no_memory_but_their_own(compiled, tmp_path, loops):
    """With the address and undefined behaviour sanitizers, in a process of their own."""
    preloaded = [
        subprocess.run(
            [str(compiled.compiler.path), f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(name).is_absolute() for name in preloaded):
        pytest.skip("this compiler has no sanitizers")
    flags = (*compiled.compiler.flags, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    inputs = _inputs(torch.float64)
    careful = replace(compiled, compiler=replace(compiled.compiler, flags=flags))
    made = careful(lambda *given: [_graph(seed, given) for seed in range(40, 52)], inputs, loops=loops, quickly=True)
    results = {f"out:{name}": torch.zeros(LANES, *view.shape) for name, view in made.program.outputs.items()}
    arrays = {**inputs, **made.source.constants, **{name: value.double() for name, value in results.items()}}
    files = []
    for place, name in enumerate(made.source.pointers):
        files.append(str(tmp_path / f"{place}.npy"))
        np.save(files[-1], arrays[name].numpy())
    numbers = f"{LANES},1,0,0,0,{-(-LANES // made.source.width)},1,0"
    done = subprocess.run(
        [sys.executable, "-c", CALLED, str(made.library), numbers, *files],
        env={**os.environ, "LD_PRELOAD": " ".join(preloaded), "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
