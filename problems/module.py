"""Anybody's ``nn.Module`` as a problem: its parameters become one flat vector, and lanes are trained together by vmap.

    ModuleProblem(
        lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)),
        nn.functional.cross_entropy,
        data=(images, labels),
    )

Batching helps where a module is many small operations, whose overhead lanes share, and hurts where each is large.
``chunk`` says how many lanes are trained at once, 1 meaning one at a time without vmap. `ModuleProblem.explain`
measures what is best and says why; nothing is measured while training, for a record must not depend on the machine.

What lanes cannot share, as running statistics, dropout, frozen parameters or data with augmentation, makes the problem
one that is trained *natively*: each run as a module of its own, a `ModuleRun`. `Problem.native` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import Dataset

from problems.any_module import Measure, fresh, in_layers, measured_by, name_of, refuse_untrainable, why_no_lanes
from problems.batching import Tensors, at_once, explain, one_by_one
from problems.data import minibatches
from problems.examples import BLOCK, Examples, OfTensors, Source, examples_of, seeded
from problems.module_run import ModuleRun, Task
from problems.problem import Batch, Facts, Layout, Problem

__all__ = ["ModuleProblem", "Tensors"]


@dataclass(frozen=True, eq=False)
class _Parts(Problem):
    """What a `ModuleProblem` consists of."""

    factory: Callable[[], nn.Module]
    module: nn.Module
    """One module, whose own parameters are never trained: it is called with those of a lane."""
    module_loss: Measure
    data: Examples | Callable[[], Source]
    heldout: Examples | Callable[[], Source] | None
    metrics: Mapping[str, Measure]
    batch: int
    measured: int | None
    clip: float | None
    lanes: bool | None
    stated: Facts

    @property
    def facts(self) -> Facts:
        return self.stated


@dataclass(frozen=True, eq=False, init=False)
class ModuleProblem(_Parts):
    """A module and a loss over minibatches of ``batch`` examples, reshuffled every epoch.

    ``module`` makes a fresh module; a seed's start is what it initialises itself to under that seed. ``data`` (or a
    function that returns it, called on first use) are tensors ``[N, ...]``: what the module takes, and last the target;
    or a ``Dataset`` of such rows, or a ``DataLoader``, which makes its own batches.
    ``loss(output, target)`` and each of ``metrics`` are means over examples. ``heldout`` is data of the same kind;
    ``measured`` bounds the examples of either that evaluation looks at. ``clip`` bounds the norm of the gradient.

    Parameters that need no gradient stay as they are made. ``lanes`` False trains natively whatever could be shared,
    True asserts that all can be, and that a function's data are tensors; None finds out, which calls that function.

    Raises ``ValueError`` for modules with parameters that are complex or not there yet, and without any to train; for
    ``lanes`` True where they cannot be; and for data that are no table. In lanes buffers are constants, and an
    operation that vmap does not know needs ``chunk`` = 1.
    """

    def __init__(
        self,
        module: Callable[[], nn.Module],
        loss: Measure,
        data: Source | Callable[[], Source],
        *,
        heldout: Source | Callable[[], Source] | None = None,
        metrics: Mapping[str, Measure] | None = None,
        batch: int = 32,
        steps: int = 300,
        minimum: float | None = None,
        target: float | None = None,
        tags: Sequence[str] = (),
        chunk: int = 16,
        measured: int | None = None,
        clip: float | None = None,
        lanes: bool | None = None,
    ) -> None:
        if batch < 1 or chunk < 1:
            raise ValueError(f"batch and chunk must be at least 1, got {batch} and {chunk}")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip is the largest norm of a gradient, above 0, got {clip}")
        if isinstance(module, nn.Module):
            raise ValueError(
                "give a function that makes the module, as lambda: nn.Linear(2, 1): every seed has its own"
            )
        one = fresh(module, 0)
        refuse_untrainable(one)
        reason = "its gradient is clipped" if clip is not None else why_no_lanes(one)
        if lanes and reason is not None:
            raise ValueError(f"{reason}, which lanes cannot share; leave lanes out to train it natively")
        facts = Facts(
            dim=sum(parameter.numel() for parameter in one.parameters() if parameter.requires_grad),
            minimum=minimum,
            target=target,
            steps=steps,
            tags=frozenset({"stochastic", "module", *tags}),
            deterministic=False,
            chunk=chunk,
            native=reason or ("its author asks for it" if lanes is False else None),
        )
        given = _now_or_later(data, "data", batch)
        held = None if heldout is None else _now_or_later(heldout, "heldout", batch)
        measures = dict(metrics or {})
        super().__init__(module, one, loss, given, held, measures, batch, measured, clip, lanes, facts)

    @cached_property
    def native(self) -> str | None:
        """Why its runs are modules of their own, None where they are lanes. May load the data, which may be why."""
        if self.stated.native is not None or self.lanes:
            return self.stated.native
        return self._examples.native or (None if self._held_examples is None else self._held_examples.native)

    def run(self, seed: int, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> ModuleRun:
        """A run of the module as it is, from its start under ``seed``."""
        measures = {"loss": self.module_loss, **self.metrics}
        task = Task(measures, self._examples, self._held_examples, self.batch, self.measured, self.clip)
        return ModuleRun(fresh(self.factory, seed), task, seed, device, dtype or self.dtype)

    @property
    def layout(self) -> Layout:
        """The module's parameters by their names."""
        return tuple((name, tuple(shape)) for name, shape in self._shapes.items())

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.stack([_trained(fresh(self.factory, seed)) for seed in seeds])

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        yield from minibatches(self._train, seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        if not isinstance(batch, tuple):
            raise TypeError(f"the batch of a module problem is a tuple of tensors, got {type(batch).__name__}")
        self._refuse_lanes()
        return self._measure([self.module_loss], x, batch, self.chunk)[0]

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        """What is reported of ``x [..., P]``; where that cannot be lanes, with buffers as they are made for seed 0."""
        if self.native is not None:
            return self._one_at_a_time(x)
        values = self._over(["loss", *self.metrics], x, self._train)
        if self._held_examples is not None:
            held = self._over(["loss", *self.metrics], x, self._held)
            values |= {f"heldout_{name}": value for name, value in held.items()}
        return values

    def definition(self) -> Mapping[str, Any]:
        with seeded(self._examples, 0, "definition"):
            data = self._examples.described()
        clipped = {} if self.clip is None else {"clip": self.clip}
        module = repr(self.module)
        return {"module": module, "loss": name_of(self.module_loss), "batch": self.batch, "data": data, **clipped}

    def first_losses(self, seeds: Sequence[int], steps: int) -> list[float]:
        if self.native is None:
            return super().first_losses(seeds, steps)
        runs = [self.run(seed, dtype=torch.float64) for seed in seeds]  # rounding must not be what it names
        losses = [float(run.evaluate()["loss"]) for run in runs]
        for _ in range(steps):
            for run in runs:
                with run.at_work():
                    run.draw()
                    losses.append(float(run.loss().detach()))
        return losses

    def explain(self, chunks: Sequence[int] = (1, 4, 16, 64)) -> str:
        """What a step of one lane costs at each chunk size on this machine, which is best, and why."""
        return explain(self._cost, chunks, self.chunk)

    @cached_property
    def _shapes(self) -> dict[str, torch.Size]:
        return {name: parameter.shape for name, parameter in self.module.named_parameters()}

    @cached_property
    def _examples(self) -> Examples:
        return self._loaded(self.data, "data")

    @cached_property
    def _held_examples(self) -> Examples | None:
        return None if self.heldout is None else self._loaded(self.heldout, "heldout")

    def _loaded(self, given: Examples | Callable[[], Source], name: str) -> Examples:
        return given if isinstance(given, Examples) else examples_of(given(), name, self.batch)

    @property
    def _train(self) -> Tensors:
        return _tensors(self._examples)

    @property
    def _held(self) -> Tensors:
        assert self._held_examples is not None
        return _tensors(self._held_examples)

    def _refuse_lanes(self) -> None:
        if self.stated.native is not None:
            raise ValueError(f"{self.stated.native}, which lanes cannot share; its runs are run(seed)")

    def _one_at_a_time(self, x: Tensor) -> dict[str, Tensor]:
        run = self.run(0, x.device, x.dtype)
        each = []
        for lane in x.reshape(-1, self.dim):
            run.put_(lane)
            each.append(run.evaluate())
        return {name: torch.stack([one[name] for one in each]).reshape(x.shape[:-1]) for name in each[0]}

    def _over(self, names: Sequence[str], x: Tensor, data: Tensors) -> dict[str, Tensor]:
        """Each named measure's mean over the examples ``[...]``, block by block."""
        measures = [self.module_loss if name == "loss" else self.metrics[name] for name in names]
        data = tuple(part[: self.measured] for part in data)
        lanes, totals = x.reshape(-1, 1, self.dim), [torch.zeros((), dtype=x.dtype, device=x.device) for _ in names]
        for first in range(0, len(data[0]), BLOCK):
            rows = tuple(_like(part[first : first + BLOCK], x).unsqueeze(0) for part in data)
            share = rows[0].shape[1] / len(data[0])
            values = self._measure(measures, lanes, rows, self.chunk)
            totals = [total + share * value for total, value in zip(totals, values, strict=True)]
        return {name: total.reshape(x.shape[:-1]) for name, total in zip(names, totals, strict=True)}

    def _measure(self, measures: Sequence[Measure], x: Tensor, batch: Tensors, chunk: int) -> list[Tensor]:
        """Each measure ``[..., S]`` of ``x [..., S, P]`` on the batch ``[S, B, ...]``, ``chunk`` lanes at a time."""

        def of_lane(lane: Tensor, *rows: Tensor) -> Tensors:
            *inputs, target = rows
            with in_layers(self.module):
                output = functional_call(self.module, self._named(lane), tuple(inputs))
            return tuple(value.to(lane.dtype) for value in measured_by(measures, output, target))

        seeds = x.shape[-2]
        parts = [
            at_once(of_lane, lanes, batch) if chunk > 1 else one_by_one(of_lane, lanes, batch)
            for lanes in torch.split(x.reshape(-1, seeds, self.dim), max(1, chunk // seeds))
        ]
        return [torch.cat(values).reshape(x.shape[:-1]) for values in zip(*parts, strict=True)]

    def _named(self, lane: Tensor) -> dict[str, Tensor]:
        """The module's parameters as views of ``lane [P]``, and its constants in the same precision."""
        parts = torch.split(lane, [shape.numel() for shape in self._shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        return {name: _like(buffer, lane) for name, buffer in self.module.named_buffers()} | named

    def _cost(self, chunk: int, repeats: int = 5) -> float:
        """Seconds of loss and gradient a lane with so many lanes at once, the fastest of some."""
        x = self.start([0]).to(self.dtype).expand(max(chunk, 4), 1, -1).clone().requires_grad_()
        batch = tuple(_like(part[: self.batch].unsqueeze(0), x) for part in self._train)
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            (loss,) = self._measure([self.module_loss], x, batch, chunk)
            torch.autograd.grad(loss.sum(), x)
            seconds.append(time.perf_counter() - began)
        return min(seconds) / len(x)


def _now_or_later(given: Source | Callable[[], Source], name: str, batch: int) -> Examples | Callable[[], Source]:
    """The examples that are ``given``, or the function that gives them."""
    return given if callable(given) and not isinstance(given, Dataset) else examples_of(given, name, batch)


def _trained(module: nn.Module) -> Tensor:
    """The parameters of ``module`` that are trained, as one vector ``[P]`` in double precision."""
    return torch.cat([p.detach().double().reshape(-1) for p in module.parameters() if p.requires_grad])


def _tensors(examples: Examples) -> Tensors:
    """The tensors that ``examples`` are; raises ``ValueError`` where lanes cannot be made of them."""
    if not isinstance(examples, OfTensors):
        raise ValueError(f"{examples.native}, of which no lanes can be made; its runs are run(seed)")
    return examples.tensors


def _like(part: Tensor, x: Tensor) -> Tensor:
    """A floating tensor in the precision of ``x``, any tensor on its device."""
    return part.to(x.device, x.dtype if part.is_floating_point() else part.dtype)
