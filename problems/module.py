"""Anybody's ``nn.Module`` as a problem: its parameters become one flat vector, and lanes are trained together by vmap.

    ModuleProblem(
        lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)),
        nn.functional.cross_entropy,
        data=(images, labels),
    )

Batching helps where a module is many small operations, whose overhead lanes share, and hurts where each is large.
``chunk`` says how many lanes are trained at once, 1 meaning one at a time without vmap. `ModuleProblem.explain`
measures what is best and says why; nothing is measured while training, for a record must not depend on the machine.
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

from problems.batching import Tensors, at_once, checked, explain, one_by_one
from problems.data import minibatches
from problems.problem import Batch, Facts, Layout, Problem, digest, generator

__all__ = ["ModuleProblem", "Tensors"]

Measure = Callable[[Tensor, Tensor], Tensor]
"""From a module's output and the target to a number: a mean over the examples."""

BLOCK = 128  # examples evaluated at once


@dataclass(frozen=True, eq=False)
class _Parts(Problem):
    """What a `ModuleProblem` consists of."""

    factory: Callable[[], nn.Module]
    module: nn.Module
    """One module, whose own parameters are never trained: it is called with those of a lane."""
    module_loss: Measure
    data: Tensors | Callable[[], Tensors]
    heldout: Tensors | Callable[[], Tensors] | None
    metrics: Mapping[str, Measure]
    batch: int
    measured: int | None
    stated: Facts

    @property
    def facts(self) -> Facts:
        return self.stated


@dataclass(frozen=True, eq=False, init=False)
class ModuleProblem(_Parts):
    """A module and a loss over minibatches of ``batch`` examples, reshuffled every epoch.

    ``module`` makes a fresh module; a seed's start is what it initialises itself to under that seed. ``data`` (or a
    function that returns it, called on first use) are tensors ``[N, ...]``: what the module takes, and last the target.
    ``loss(output, target)`` and each of ``metrics`` are means over examples. ``heldout`` is data of the same kind;
    ``measured`` bounds the examples of either that evaluation looks at.

    Raises ``ValueError`` for modules that lanes cannot share: with running statistics (BatchNorm) or dropout in
    training mode, with sparse gradients, with parameters that are frozen, complex or not there yet; and for data that
    are not tensors of one length. Buffers are constants. An operation that vmap does not know needs ``chunk`` = 1.
    """

    def __init__(
        self,
        module: Callable[[], nn.Module],
        loss: Measure,
        data: Tensors | Callable[[], Tensors],
        *,
        heldout: Tensors | Callable[[], Tensors] | None = None,
        metrics: Mapping[str, Measure] | None = None,
        batch: int = 32,
        steps: int = 300,
        minimum: float | None = None,
        target: float | None = None,
        tags: Sequence[str] = (),
        chunk: int = 16,
        measured: int | None = None,
    ) -> None:
        if batch < 1 or chunk < 1:
            raise ValueError(f"batch and chunk must be at least 1, got {batch} and {chunk}")
        if isinstance(module, nn.Module):
            raise ValueError(
                "give a function that makes the module, as lambda: nn.Linear(2, 1): every seed has its own"
            )
        given = data if callable(data) else checked(data)
        one = _fresh(module, 0)
        _refuse_what_lanes_cannot_share(one)
        facts = Facts(
            dim=sum(parameter.numel() for parameter in one.parameters()),
            minimum=minimum,
            target=target,
            steps=steps,
            tags=frozenset({"stochastic", "module", *tags}),
            deterministic=False,
            chunk=chunk,
        )
        super().__init__(module, one, loss, given, heldout, dict(metrics or {}), batch, measured, facts)

    @property
    def layout(self) -> Layout:
        """The module's parameters by their names."""
        return tuple((name, tuple(shape)) for name, shape in self._shapes.items())

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.stack(
            [nn.utils.parameters_to_vector(_fresh(self.factory, seed).parameters()).detach().double() for seed in seeds]
        )

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        yield from minibatches(self._train, seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        if not isinstance(batch, tuple):
            raise TypeError(f"the batch of a module problem is a tuple of tensors, got {type(batch).__name__}")
        return self._measure([self.module_loss], x, batch, self.chunk)[0]

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        values = self._over(["loss", *self.metrics], x, self._train)
        if self._held is not None:
            held = self._over(["loss", *self.metrics], x, self._held)
            values |= {f"heldout_{name}": value for name, value in held.items()}
        return values

    def definition(self) -> Mapping[str, Any]:
        loss = getattr(self.module_loss, "__name__", repr(self.module_loss))
        return {"module": repr(self.module), "loss": loss, "batch": self.batch, "data": digest(*self._train)}

    def explain(self, chunks: Sequence[int] = (1, 4, 16, 64)) -> str:
        """What a step of one lane costs at each chunk size on this machine, which is best, and why."""
        return explain(self._cost, chunks, self.chunk)

    @cached_property
    def _shapes(self) -> dict[str, torch.Size]:
        return {name: parameter.shape for name, parameter in self.module.named_parameters()}

    @cached_property
    def _train(self) -> Tensors:
        return checked(self.data()) if callable(self.data) else self.data

    @cached_property
    def _held(self) -> Tensors | None:
        held = self.heldout() if callable(self.heldout) else self.heldout
        return None if held is None else checked(held, "heldout")

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
            output = functional_call(self.module, self._named(lane), tuple(inputs))
            values = tuple(measure(output, target) for measure in measures)
            for measure, value in zip(measures, values, strict=True):
                if not isinstance(value, Tensor) or value.dim():
                    name = getattr(measure, "__name__", type(measure).__name__)
                    came = f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
                    raise ValueError(
                        "loss and metrics are one number each, a mean over the examples, not one for each: "
                        f"{name} gave {came} instead of a tensor of no axis"
                    )
            return tuple(value.to(lane.dtype) for value in values)

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


def _fresh(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module as it initialises itself under ``seed``; global random state is put back as it was."""
    with torch.random.fork_rng(devices=[]):  # a module draws from the global generator, and from no other
        torch.default_generator.manual_seed(int(generator(seed, "module").integers(2**62)))
        module = factory()
    if not isinstance(module, nn.Module):
        raise ValueError(f"the function that makes the module gave a {type(module).__name__}")
    return module


def _refuse_what_lanes_cannot_share(module: nn.Module) -> None:
    for name, part in module.named_modules():
        if getattr(part, "sparse", False):
            raise ValueError(f"{type(part).__name__} {name!r} makes sparse gradients; make them dense (sparse=False)")
        if not part.training:
            continue
        label = f"{type(part).__name__} {name!r}" if name else type(part).__name__
        if isinstance(part, nn.modules.batchnorm._NormBase) and part.track_running_stats:
            raise ValueError(
                f"{label} keeps running statistics, which lanes cannot share; "
                "use track_running_stats=False, GroupNorm or LayerNorm"
            )
        dropout = part.p if isinstance(part, nn.modules.dropout._DropoutNd) else getattr(part, "dropout", 0.0)
        if isinstance(dropout, float) and dropout > 0:
            raise ValueError(f"{label} drops units at random, which no seed of a lane could repeat; set it to 0")
    if next(module.parameters(), None) is None:
        raise ValueError(f"{type(module).__name__} has no parameters to train")
    for name, parameter in module.named_parameters():
        if isinstance(parameter, nn.UninitializedParameter):
            raise ValueError(f"parameter {name!r} gets its size from the first data; give the size, no Lazy module")
        if parameter.is_complex():
            raise ValueError(f"parameter {name!r} is complex; real numbers are trained")
        if not parameter.requires_grad:
            raise ValueError(f"parameter {name!r} is frozen, but every parameter is trained; make it a buffer")


def _like(part: Tensor, x: Tensor) -> Tensor:
    """A floating tensor in the precision of ``x``, any tensor on its device."""
    return part.to(x.device, x.dtype if part.is_floating_point() else part.dtype)
