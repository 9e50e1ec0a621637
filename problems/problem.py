"""What a problem is: a loss over one flat parameter vector, its data, and facts that tests read back. Read this first.

Shapes in one vocabulary: ``[C]`` configurations, ``[S]`` seeds, ``[P]`` parameters, ``[B]`` rows of a batch. Parameters
are ``x [..., S, P]`` or, without data, ``[..., P]``; a loss is ``[..., S]``, one number a lane. Lanes are independent,
so the gradient of the sum is every lane's own gradient.

All randomness comes from `generator`, a function of the seed and of what the numbers are for, so that a seed means the
same data, order, noise and start whichever seeds are beside it.
"""

from __future__ import annotations

import hashlib
import inspect
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch", "DataError", "Facts", "Layout", "Problem", "ProblemSpec", "digest", "fitting_chunk", "generator"]

CHUNK_BYTES = 2**19
LARGEST_CHUNK = 16384

Batch = Tensor | tuple[Tensor, ...] | None

Layout = tuple[tuple[str, tuple[int, ...]], ...]
"""The tensors that lie one after another in a vector ``[P]``: the name and the shape of each, outputs first."""


class DataError(Exception):
    """The data of a problem cannot be had or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Facts:
    """What is known of a problem without running it; read back by tests, read off the problem itself by everyone."""

    dim: int
    """Number of parameters P."""
    minimum: float | None = None
    """The floor: the lowest reachable full-data loss, None where it is not known."""
    minimisers: Sequence[Sequence[float]] = ()
    """Points ``[P]`` where the minimum is taken; may be incomplete or empty."""
    sharpness: float | None = None
    """The largest eigenvalue of the Hessian of the full-data loss where that is a quadratic, else None: with it the
    learning rates at which full-gradient steps stop converging are known."""
    target: float | None = None
    """A loss that counts as solved, for steps-to-target."""
    steps: int = 100
    """The default budget of updates."""
    tags: frozenset[str] = frozenset()
    """Words to sort and choose by; ``network`` says that its data is downloaded on first use, ``data`` that it comes
    with a package of the extra ``[data]``."""
    deterministic: bool = True
    """True where seeds change nothing, neither the start nor the gradients: one seed then says all."""
    dtype: torch.dtype = torch.float32
    """The precision it is trained in."""
    chunk: int | None = None
    """How many lanes are trained as one tensor: the problem's property, not the machine's, so that records agree. By
    default so many that a tensor of their parameters takes half a megabyte; fewer where a loss makes larger ones."""
    frame: tuple[tuple[float, float], tuple[float, float]] | None = None
    """What a picture of a 2-D problem shows: ((low, high) of x1, (low, high) of x2)."""
    remark: str = ""
    """What a reader of its results should know of this instance, in a sentence; it goes where its description goes."""
    native: str | None = None
    """Why its runs cannot be lanes and are trained one at a time, in words; None where they can. Only problems of
    `problems.module` have such runs."""


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """A loss to be minimised, with its start, its data order and its facts: a frozen value, as a rule is.

    A new problem is a frozen dataclass whose fields are its parameters. It states its `facts` and defines `start` and
    `loss`, with data also `batches` and `evaluate`:

        @dataclass(frozen=True)
        class Bowl(Problem):
            steepness: float = 1.0

            facts = Facts(dim=2, minimum=0.0, minimisers=((0.0, 0.0),), steps=50)

            def start(self, seeds):
                return torch.ones(len(seeds), 2, dtype=torch.float64)

            def loss(self, x, batch):
                return self.steepness * x.square().sum(-1)

    Where facts depend on parameters, ``facts`` is a ``cached_property``. A fact that takes time or data to compute is
    left out there and is a ``cached_property`` of its own name, as ``minimum`` often is: constructors are cheap, and
    data is loaded on first use. A parameter that is itself a fact, as ``dim`` often is, is a field with a default.
    Where the vector holds matrices, ``layout`` names them with their shapes.
    """

    name: str = field(default="", init=False, compare=False)
    """The registered name with the parameters that differ from the defaults, as ``quadratic(dim=10)``."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep this class's ``repr`` before `dataclass` writes one that prints every tensor."""
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            cls.__repr__ = Problem.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        given = {each.name: getattr(self, each.name, None) for each in fields(self) if each.init}
        plain = [f"{name}={value!r}" for name, value in given.items() if isinstance(value, bool | int | float | str)]
        called = self.name or f"{type(self).__name__}({', '.join(plain)})"
        try:
            known = f": {self.dim} parameters, {self.steps} steps, {', '.join(sorted(self.tags))}"
        except Exception:  # facts that cannot be computed are no reason not to be printed
            known = ""
        return f"<problem {called}{known}>"

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """What is known of this problem at once; what takes longer is read off the problem only."""

    @property
    def dim(self) -> int:
        """Number of parameters P."""
        return self.facts.dim

    @property
    def minimum(self) -> float | None:
        """The floor, None where it is not known."""
        return self.facts.minimum

    @property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """Points ``[P]`` where the minimum is taken; may be incomplete or empty."""
        return self.facts.minimisers

    @property
    def sharpness(self) -> float | None:
        """The largest curvature of a quadratic, else None."""
        return self.facts.sharpness

    @property
    def target(self) -> float | None:
        """A loss that counts as solved, None where none is stated."""
        return self.facts.target

    @property
    def steps(self) -> int:
        """The default budget of updates."""
        return self.facts.steps

    @property
    def remark(self) -> str:
        """What a reader of its results should know, mostly nothing."""
        return self.facts.remark

    @property
    def tags(self) -> frozenset[str]:
        """Words to sort and choose by."""
        return self.facts.tags

    @property
    def deterministic(self) -> bool:
        """True where seeds change nothing."""
        return self.facts.deterministic

    @property
    def dtype(self) -> torch.dtype:
        """The precision it is trained in."""
        return self.facts.dtype

    @property
    def chunk(self) -> int:
        """How many lanes are trained as one tensor."""
        chunk = self.facts.chunk
        return fitting_chunk(self.dim, self.dtype) if chunk is None else chunk

    @property
    def frame(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """What a picture of a 2-D problem shows."""
        return self.facts.frame

    @property
    def native(self) -> str | None:
        """Why its runs are trained one at a time, None where they are lanes."""
        return self.facts.native

    @property
    def layout(self) -> Layout:
        """The tensors in the vector ``[P]``, for optimizers that see matrices; one vector by default."""
        return (("x", (self.dim,)),)

    def named(self, name: str) -> Self:
        """This problem under ``name``: a copy, for a problem never changes."""
        other = copy(self)
        object.__setattr__(other, "name", name)  # before anybody else sees the copy
        return other

    @abstractmethod
    def start(self, seeds: Sequence[int]) -> Tensor:
        """The start points ``[S, P]`` in float64."""

    @abstractmethod
    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        """The training loss ``[..., S]`` of ``x [..., S, P]`` on ``batch``; differentiable in ``x``."""

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:  # noqa: ARG002 - for problems without data
        """The data of each of ``steps`` updates: tensors ``[S, ...]``, or None where the loss needs none."""
        for _ in range(steps):
            yield None

    def project_(self, x: Tensor) -> None:  # noqa: B027 - most problems allow every point
        """Move ``x [..., P]`` in place to the nearest feasible point, after every update. Default: all are feasible."""

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        """What is reported of ``x [..., P]``: the full-data ``"loss"`` and any further metrics, each ``[...]``."""
        return {"loss": self.loss(x, None)}

    def definition(self) -> Mapping[str, Any]:
        """Everything besides the code that makes this instance what it is; goes into the fingerprint.

        Its parameters by name. A problem with data, or with parameters that need not matter, gives its own.
        """
        return {parameter.name: getattr(self, parameter.name) for parameter in fields(self) if parameter.init}

    def fingerprint(self) -> str:
        """16 hex digits that name this instance: a hash of class, definition, starts and first losses.

        Losses enter with six significant digits, so that another machine's rounding gives the same fingerprint.
        """
        seeds = (0, 1)
        x = self.start(seeds).to(self.dtype)
        losses = self.first_losses(seeds, 3)
        definition = sorted((key, repr(value)) for key, value in self.definition().items())
        text = "\n".join(
            [type(self).__qualname__, str(self.dim), repr(definition), digest(x), *(f"{loss:.5e}" for loss in losses)]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def first_losses(self, seeds: Sequence[int], steps: int) -> list[float]:
        """The full-data loss at the start of each of ``seeds``, then their losses there on ``steps`` batches."""
        x = self.start(seeds).to(self.dtype)
        losses: list[float] = self.evaluate(x)["loss"].tolist()
        for batch in self.batches(seeds, steps):
            losses += self.loss(x, batch).tolist()
        return losses


@dataclass(frozen=True)
class ProblemSpec:
    """One entry of the registry: ``build`` makes an instance from keyword parameters, by default the named problem.

    A ``build`` that takes ``data`` is given the user's data folder (or None).
    """

    name: str
    build: Callable[..., Problem]
    description: str
    source: str
    floor: float | None = None
    """The default instance's minimum to six digits, where it takes time to compute: for lists, never for a gap."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The names and defaults of the parameters a user may set."""
        signature = inspect.signature(self.build)
        return {name: p.default for name, p in signature.parameters.items() if name not in ("self", "data")}

    @property
    def takes_data(self) -> bool:
        """True where ``build`` wants the user's data folder."""
        return "data" in inspect.signature(self.build).parameters


def fitting_chunk(dim: int, dtype: torch.dtype) -> int:
    """The lanes of ``dim`` parameters that are trained as one tensor: a power of two, at most `LARGEST_CHUNK`.

    Measured with RMSProp: calls of torch are dear where the tensors are small, and memory is where they leave the
    cache. Best were 16,384 lanes of 2 doubles and of 6 singles, 4,096 to 8,192 of 10 doubles, 1,024 to 2,048 of 100
    singles.
    """
    lanes = max(1, CHUNK_BYTES // (max(1, dim) * dtype.itemsize))
    return min(LARGEST_CHUNK, 1 << lanes.bit_length() - 1)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A random generator that is a function of ``seed`` and ``purpose``: equal for equal, independent for others."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def digest(*tensors: Tensor) -> str:
    """A hash of the tensors' shapes and of their values to about five decimals, the same on every machine."""
    hasher = hashlib.sha256()
    for tensor in tensors:
        hasher.update(repr(tuple(tensor.shape)).encode())
        hasher.update(np.ascontiguousarray(np.round(tensor.detach().double().numpy(), 5) + 0.0).tobytes())
    return hasher.hexdigest()
