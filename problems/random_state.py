"""The global random states, lent to one run at a time: what people's modules and augmentations draw from.

Dropout, a module's own initialisation and most augmentations draw from global generators, of torch, of NumPy or of
Python. A run takes them up as it left them and puts back what it found, so that it draws the same numbers whatever runs
beside it, and nobody else notices.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from problems.problem import generator

__all__ = ["RandomState"]

World = tuple[Any, ...]
"""The state of every generator that is lent."""


class RandomState:
    """The random states of one run, a function of ``seed`` and ``purpose`` at first; in force inside a ``with``.

    It may be entered again inside itself. ``device`` adds the generator of an accelerator, ``generators`` are others
    that runs share, as a loader's own.
    """

    def __init__(
        self,
        seed: int,
        purpose: str,
        device: torch.device | str = "cpu",
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self._seed = int(generator(seed, purpose).integers(2**62))
        self._device = torch.device(device)
        self._generators = list(generators)
        self._depth = 0
        self._own: World | None = None
        self._others: World = ()

    def __enter__(self) -> Self:
        if self._depth == 0:
            self._others = self._read()
            if self._own is None:
                self._begin()
            else:
                self._write(self._own)
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._own = self._read()
            self._write(self._others)

    def _begin(self) -> None:
        torch.default_generator.manual_seed(self._seed)
        np.random.seed(self._seed % 2**32)  # noqa: NPY002 - the generator that other people's code draws from
        random.seed(self._seed)
        for each in self._generators:
            each.manual_seed(self._seed)
        if self._accelerator is not None:
            state = torch.Generator(self._device).manual_seed(self._seed).get_state()
            self._accelerator.set_rng_state(state, self._device)

    def _read(self) -> World:
        own = [each.get_state() for each in self._generators]
        there = None if self._accelerator is None else self._accelerator.get_rng_state(self._device)
        return torch.get_rng_state(), np.random.get_state(), random.getstate(), own, there  # noqa: NPY002 - as above

    def _write(self, world: World) -> None:
        of_torch, of_numpy, of_python, own, there = world
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002 - as above
        random.setstate(of_python)
        for each, state in zip(self._generators, own, strict=True):
            each.set_state(state)
        if self._accelerator is not None:
            self._accelerator.set_rng_state(there, self._device)

    @property
    def _accelerator(self) -> Any:
        """torch's module of the device, None for the CPU."""
        return None if self._device.type in ("cpu", "meta") else torch.get_device_module(self._device)
