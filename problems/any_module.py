"""What anybody's ``nn.Module`` is made by, what it must be and must give, and where in it something went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from traceback import walk_tb
from typing import Any, Final

from torch import Tensor, nn

from problems.batching import Tensors
from problems.random_state import RandomState

__all__ = ["Measure", "fresh", "in_layers", "measured_by", "name_of", "refuse_untrainable", "why_no_lanes"]

Measure = Callable[[Tensor, Tensor], Tensor]
"""From a module's output and the target to a number: a mean over the examples."""

RANDOM: Final = (nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)
"""Layers that draw random numbers while they are trained, besides those that drop units."""


def fresh(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module as it initialises itself under ``seed``; global random state is put back as it was."""
    with RandomState(seed, "module"):  # a module draws from the global generators, and from no other
        module = factory()
    if not isinstance(module, nn.Module):
        raise ValueError(f"the function that makes the module gave a {type(module).__name__}")
    return module


def refuse_untrainable(module: nn.Module) -> None:
    """Raise ``ValueError`` for parameters that are complex or not there yet, and where none is trained."""
    for name, parameter in module.named_parameters():
        if isinstance(parameter, nn.UninitializedParameter):
            raise ValueError(f"parameter {name!r} gets its size from the first data; give the size, no Lazy module")
        if parameter.is_complex():
            raise ValueError(f"parameter {name!r} is complex; real numbers are trained")
    if next(module.parameters(), None) is None:
        raise ValueError(f"{type(module).__name__} has no parameters to train")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        name = next(name for name, _ in module.named_parameters())
        raise ValueError(f"parameter {name!r} is frozen, and so is every other: there are none to train")


def why_no_lanes(module: nn.Module) -> str | None:
    """What lanes cannot share of ``module``, in words that end a sentence; None where they share all of it."""
    for name, part in module.named_modules():
        if getattr(part, "sparse", False):
            return f"{type(part).__name__} {name!r} makes sparse gradients"
        if not part.training:
            continue
        label = f"{type(part).__name__} {name!r}" if name else type(part).__name__
        if isinstance(part, nn.modules.batchnorm._NormBase) and part.track_running_stats:
            return f"{label} keeps running statistics"
        dropout = part.p if isinstance(part, nn.modules.dropout._DropoutNd) else getattr(part, "dropout", 0.0)
        if isinstance(dropout, float) and dropout > 0:
            return f"{label} drops units at random"
        if isinstance(part, RANDOM):
            return f"{label} draws random numbers"
    frozen = next((name for name, parameter in module.named_parameters() if not parameter.requires_grad), None)
    return None if frozen is None else f"parameter {frozen!r} is frozen"


def measured_by(measures: Sequence[Measure], output: Any, target: Tensor) -> Tensors:
    """Each of ``measures``; raises ``ValueError`` where one is not a number."""
    values = tuple(measure(output, target) for measure in measures)
    for measure, value in zip(measures, values, strict=True):
        if not isinstance(value, Tensor) or value.dim():
            came = f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(
                "loss and metrics are one number each, a mean over the examples, not one for each: "
                f"{name_of(measure)} gave {came} instead of a tensor of no axis"
            )
    return values


def name_of(measure: Any) -> str:
    """What a measure is called, the same in every process: ``cross_entropy(label_smoothing=0.1)``."""
    if isinstance(measure, partial):
        given = [*map(repr, measure.args), *(f"{key}={value!r}" for key, value in sorted(measure.keywords.items()))]
        return f"{name_of(measure.func)}({', '.join(given)})"
    if isinstance(measure, nn.Module):
        return repr(measure)
    return str(getattr(measure, "__name__", type(measure).__name__))


@contextmanager
def in_layers(module: nn.Module) -> Iterator[None]:
    """Name the layer of ``module`` in which a tensor of the wrong shape or kind was met."""
    try:
        yield
    except RuntimeError as error:
        where = None if re.search("vmap|atching rule", str(error)) else _layer(error, module)
        if where is None:
            raise
        raise RuntimeError(f"{where}: {error}") from error


def _layer(error: BaseException, module: nn.Module) -> str | None:
    """The innermost layer that ``error`` came through, and what it was given; None where that is the whole module, of
    the user's own class, of which the line says more.
    """
    names, found = {id(part): name for name, part in module.named_modules()}, None
    for frame, _ in walk_tb(error.__traceback__):
        part = frame.f_locals.get("self")
        if frame.f_code.co_name == "_call_impl" and id(part) in names:
            found = part, frame.f_locals.get("args", ())
    if found is None:
        return None
    part, given = found
    theirs = not type(part).__module__.startswith("torch.")
    if theirs and not names[id(part)]:
        return None
    shapes = " and ".join(str(list(each.shape)) for each in given if isinstance(each, Tensor))
    name = names[id(part)]
    what = type(part).__name__ if theirs else str(part)  # a user's own may hold many layers
    return f"layer {name!r}, {what}, was given {shapes}" if name else f"{what} was given {shapes}"
