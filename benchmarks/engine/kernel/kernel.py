"""Compiled kernels as they are called: lanes in, lanes advanced or metrics out. Needs no tracer.

A call leaves the interpreter's lock, and tiles of lanes do not know of each other, so that several threads may share
one call; results are the same however many they are.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.engine.kernel.cache import Entry
from benchmarks.engine.kernel.program import KINDS
from optimizers.rule import State

__all__ = ["NUMBERS", "EvaluationKernel", "Facts", "StepKernel"]

NUMBERS: Final = ("configurations", "seeds", "steps", "done", "first", "last", "per", "mark")
"""The integers that a library is called with, in order.

Lanes are ``configurations`` × ``seeds``, cut into tiles of configurations of one seed; the tiles from ``first`` to
before ``last`` are advanced by ``steps`` after ``done`` steps. Where no data belongs to a seed, the seeds count as
configurations, ``per`` of which share their hyperparameters (else 1). ``mark`` is 0 where no lane may be stopped.
"""
ALIGNMENT: Final = 64  # bytes: where the array of a constant begins in its file


@dataclass(frozen=True)
class Facts:
    """What has to be known of a library: ``width`` lanes a tile, and its ``pointers`` by name, in order.

    ``data`` is what a seed's batch has in a step, part by part: its shape and C's type of its numbers. ``constants``
    are the pointers that lead to arrays of the problem: by name numpy's type, the place of the first byte, and how many
    numbers.
    """

    width: int
    pointers: tuple[str, ...]
    data: Sequence[tuple[tuple[int, ...], str]]
    constants: Mapping[str, tuple[str, int, int]]

    def to_json(self) -> str:
        """These facts as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """The facts that `to_json` wrote; raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        told = json.loads(text)
        constants = {str(name): (str(kind), int(at), int(n)) for name, (kind, at, n) in told["constants"].items()}
        data = [(tuple(map(int, shape)), str(kind)) for shape, kind in told["data"]]
        return cls(int(told["width"]), tuple(map(str, told["pointers"])), data, constants)

    @classmethod
    def packed(
        cls,
        width: int,
        pointers: Sequence[str],
        data: Sequence[tuple[tuple[int, ...], str]],
        constants: Mapping[str, Tensor],
    ) -> tuple[Facts, bytes]:
        """The facts, and the constants as the bytes of a file."""
        file, places = bytearray(), dict[str, tuple[str, int, int]]()
        for name, tensor in constants.items():
            array = tensor.numpy()
            file += b"\0" * (-len(file) % ALIGNMENT)
            places[name] = (array.dtype.str, len(file), array.size)
            file += array.tobytes()
        return cls(width, tuple(pointers), data, places), bytes(file)


class _Library:
    """A loaded library with the arrays it reads."""

    def __init__(self, entry: Entry) -> None:
        self.facts = Facts.from_json(entry.facts)
        self._run: Callable[..., int] = ctypes.CDLL(str(entry.library)).run
        data = np.fromfile(entry.constants, dtype=np.uint8) if self.facts.constants else None
        self._constants = {
            name: torch.from_numpy(np.frombuffer(data, kind, count, at).copy())
            for name, (kind, at, count) in self.facts.constants.items()
            if data is not None
        }

    def call(self, numbers: Mapping[str, int], tensors: Mapping[str, Tensor], tiles: int, threads: int) -> None:
        """Run all ``tiles``, shared between ``threads``."""
        arrays = {**tensors, **self._constants}
        pointers = (ctypes.c_void_p * len(self.facts.pointers))(*(arrays[n].data_ptr() for n in self.facts.pointers))
        shares = min(threads, tiles)
        bounds = [tiles * share // shares for share in range(shares + 1)]

        def run(first: int, last: int) -> None:
            given = {**numbers, "first": first, "last": last}
            if self._run((ctypes.c_int64 * len(NUMBERS))(*(given.get(name, 0) for name in NUMBERS)), pointers):
                raise MemoryError("a kernel has no room for a tile of lanes")

        if shares == 1:
            run(0, tiles)
            return
        with ThreadPoolExecutor(shares) as pool:
            list(pool.map(run, bounds[:-1], bounds[1:]))


class StepKernel(_Library):
    """A compiled step of one rule on one problem."""

    def takes(self, batches: Sequence[Tensor]) -> bool:
        """Whether data ``[steps, S, ...]`` has the shapes and the types that were compiled for."""
        if any(part.dtype not in KINDS for part in batches):
            return False
        return [(tuple(part.shape[2:]), KINDS[part.dtype].value) for part in batches] == [*self.facts.data]

    def advance(
        self,
        x: Tensor,
        state: State,
        alive: Tensor,
        valid_steps: Tensor,
        limit: Tensor | None,
        values: Mapping[str, Tensor],
        batches: Sequence[Tensor],
        steps: int,
        done: int,
        threads: int = 1,
    ) -> None:
        """Advance lanes ``x [C, S, P]`` in place by ``steps`` updates after ``done`` others.

        ``state`` holds ``[C, S, N]`` by name, ``alive`` and ``valid_steps`` are ``[C, S]``, ``limit [S]`` the loss
        above which a lane is no longer valid, in the precision of ``x``; ``values [C]`` in float64, or ``[steps, C]``
        of those with a schedule; ``batches`` the parts of the data, each ``[steps, S, ...]``. All are contiguous.
        """
        configurations, seeds = alive.shape
        per = 1 if batches else seeds
        if not batches:
            configurations, seeds = configurations * seeds, 1
        most = limit if limit is not None else torch.zeros(alive.shape[1], dtype=x.dtype)
        tensors = {"alive": alive, "valid": valid_steps, "limit": most, "x": x}
        tensors |= {f"state:{name}": value for name, value in state.items()}
        tensors |= {f"hp:{name}": value for name, value in values.items()}
        tensors |= {f"batch:{place}": part for place, part in enumerate(batches)}
        numbers = {"configurations": configurations, "seeds": seeds, "steps": steps, "done": done, "per": per}
        tiles = -(-configurations // self.facts.width) * seeds
        self.call({**numbers, "mark": int(limit is not None)}, tensors, tiles, threads)


class EvaluationKernel(_Library):
    """A compiled evaluation of one problem."""

    def __call__(self, x: Tensor, threads: int = 1) -> dict[str, Tensor]:
        """The metrics of ``x [..., P]``, each ``[...]`` in double precision."""
        lanes = x.contiguous().view(-1, x.shape[-1])
        names = [name.removeprefix("out:") for name in self.facts.pointers if name.startswith("out:")]
        results = {name: torch.empty(len(lanes), dtype=torch.float64) for name in names}
        tensors: dict[str, Any] = {"x": lanes, **{f"out:{name}": value for name, value in results.items()}}
        self.call({"configurations": len(lanes), "seeds": 1}, tensors, -(-len(lanes) // self.facts.width), threads)
        return {name: value.view(x.shape[:-1]) for name, value in results.items()}
