"""Data sets: bundled with scikit-learn, rebuilt from their moments, or read from the user's data folder by checksum."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from problems.problem import DataError, generator

__all__ = [
    "AIRFOIL_FILE",
    "AIRFOIL_MOMENTS",
    "AIRFOIL_ROWS",
    "DIGITS",
    "TWO_SPIRALS",
    "Array",
    "DataSet",
    "Split",
    "airfoil",
    "breast_cancer_table",
    "bundled",
    "check_batch",
    "diabetes_table",
    "has_airfoil_file",
    "minibatches",
    "packaged",
    "scaled_columns",
    "share_of",
    "shared_rows",
    "shuffled_rows",
    "split_rows",
]

Array = npt.NDArray[np.float64]

AIRFOIL_FILE = "airfoil_self_noise.dat"
AIRFOIL_SHA1 = "76e5be1548fd8222e5074cf0faae75edff8cf93f"
AIRFOIL_ROWS = 1500

# Second moments (1/n) Mᵀ M of the first 1500 of the 1503 rows of the NASA airfoil self-noise data (Brooks, Pope and
# Marcolini 1989), each column standardised over all rows: frequency, angle, chord, velocity, displacement thickness,
# the constant 1, sound pressure. A linear regression's loss depends on the data through these numbers only. Upper
# triangle.
AIRFOIL_MOMENTS = (
    (1.0008347328676066, -0.2754038270881797, -0.0031429320112701855, 0.13494730858646423, -0.23502465508140077,
     -0.0014047929101988453, -0.38750303434727973),
    (0.9975571588309752, -0.504763804118758, 0.06103329159294616, 0.7454429010748527, -0.002980886166569917,
     -0.14813862576989353),
    (1.001720637500408, 0.0032535175600157842, -0.21891252967795308, 0.0007474790961828149, -0.23871038738761577),
    (1.0009535442989947, 0.0006080528808113404, 0.0014466898084867983, 0.12133399415330444),
    (0.9818670289201151, -0.006345545064040417, -0.2956664519995958),
    (1.0, 0.005556150408372162),
    (0.9865179427485897,),
)  # fmt: skip

GATHERED_STEPS = 64
GATHERED_NUMBERS = 2**18  # of one block: in the cache still when the batches are read


def check_batch(batch: int, rows: int, least: int = 1) -> None:
    """Raise ``ValueError`` for a batch that is not between ``least`` rows (batch norm needs two) and all of them."""
    if not least <= batch <= rows:
        raise ValueError(f"a minibatch takes between {least} and all {rows} rows, got batch={batch}")


def shuffled_rows(seeds: Sequence[int], rows: int, batch: int, steps: int) -> Iterator[Tensor]:
    """Indices ``[S, B]`` of each step: every seed reshuffles all ``rows`` each epoch and drops a short last batch.

    Raises ``ValueError`` where a batch is not between one row and all of them.
    """
    check_batch(batch, rows)
    generators = [generator(seed, "order of rows") for seed in seeds]
    per_epoch = rows // batch
    for first in range(0, steps, per_epoch):
        order = torch.from_numpy(np.stack([g.permutation(rows) for g in generators]))
        for index in range(min(per_epoch, steps - first)):
            yield order[:, index * batch : (index + 1) * batch]


def minibatches(parts: Sequence[Tensor], seeds: Sequence[int], batch: int, steps: int) -> Iterator[tuple[Tensor, ...]]:
    """The rows of ``parts [N, ...]`` in the minibatch of each step, each ``[S, B, ...]``: those of `shuffled_rows`.

    Small ones are gathered by one index for many steps, for a call costs more than what it copies.
    """
    indices = shuffled_rows(seeds, len(parts[0]), batch, steps)
    numbers = len(seeds) * batch * sum(part[:1].numel() for part in parts)
    steps_at_once = max(1, min(GATHERED_STEPS, GATHERED_NUMBERS // max(1, numbers)))
    while block := list(islice(indices, steps_at_once)):
        index = torch.stack(block)
        yield from zip(*(part[index].unbind() for part in parts), strict=True)


def airfoil(data: Path | None) -> tuple[Array, Array, str]:
    """Features ``[1500, 5]``, targets ``[1500]``, and "file" where folder ``data`` holds the file, else "surrogate".

    Raises `DataError` where the file is there but is not, byte for byte, the one the book uses.
    """
    if data is None or not has_airfoil_file(data):
        return (*_airfoil_surrogate(), "surrogate")
    raw = (data / AIRFOIL_FILE).read_bytes()
    if hashlib.sha1(raw, usedforsecurity=False).hexdigest() != AIRFOIL_SHA1:
        raise DataError(
            f"{data / AIRFOIL_FILE} is not the file the book uses (sha1 {AIRFOIL_SHA1}, line ends kept as they are). "
            "Replace it, or leave it out to use the built-in surrogate"
        )
    table = np.loadtxt(io.BytesIO(raw))
    table = scaled_columns(table)[:AIRFOIL_ROWS]
    return table[:, :-1], table[:, -1], "file"


def has_airfoil_file(data: Path | None) -> bool:
    """Whether the folder ``data`` holds the file of real measurements."""
    return data is not None and (data / AIRFOIL_FILE).is_file()


@cache
def _airfoil_surrogate() -> tuple[Array, Array]:
    """Gaussian rows with exactly the airfoil's second moments: the same loss, gradients and floor, to rounding."""
    moments = np.zeros((7, 7))
    moments[np.triu_indices(7)] = np.concatenate(AIRFOIL_MOMENTS)
    moments = np.triu(moments) + np.triu(moments, 1).T
    keep = [0, 1, 2, 3, 4, 6]
    mean = moments[5, keep]
    covariance = moments[np.ix_(keep, keep)] - np.outer(mean, mean)
    rows = generator(0, "airfoil surrogate").standard_normal((AIRFOIL_ROWS, 6))
    rows -= rows.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(rows.T @ rows / AIRFOIL_ROWS), rows.T)
    table = (np.linalg.cholesky(covariance) @ white).T + mean
    return table[:, :5], table[:, 5]


def diabetes_table() -> tuple[Array, Array]:
    """Features ``[442, 10]`` and targets ``[442]``, both standardised over all rows."""
    features, target = bundled("diabetes_data_raw.csv.gz", None), bundled("diabetes_target.csv.gz", None)
    return scaled_columns(features), scaled_columns(target)


def breast_cancer_table(standardised: bool) -> tuple[Array, Array]:
    """Features ``[569, 30]``, as measured or standardised over all rows, and targets ``[569]``: 1 is benign."""
    table = bundled("breast_cancer.csv", ",", header=1)
    return scaled_columns(table[:, :-1]) if standardised else table[:, :-1], table[:, -1]


def bundled(name: str, delimiter: str | None, header: int = 0) -> Array:
    """The table in a file that scikit-learn ships, without importing it, which takes as long as torch does.

    Raises `DataError` where scikit-learn is not installed or ships no such file.
    """
    return np.loadtxt(packaged("sklearn", f"datasets/data/{name}"), delimiter=delimiter, skiprows=header)


INSTALLED_AS = {"sklearn": "scikit-learn"}  # the packages that pip knows by another name


def packaged(package: str, place: str) -> Path:
    """The file at ``place`` in a package, which is looked up without importing it.

    Raises `DataError` where the package is not installed or ships no such file.
    """
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    if folders and (file := Path(folders[0]) / place).is_file():
        return file
    name, reason = INSTALLED_AS.get(package, package), "has no such file" if folders else "is not installed"
    raise DataError(f"{Path(place).name} comes with the package {name}, which {reason}; pip install {name}")


def scaled_columns(table: Array) -> Array:
    """Every column of ``table [N, I]`` with mean 0 and deviation 1."""
    scaled: Array = (table - table.mean(0)) / table.std(0)
    return scaled


@dataclass(frozen=True)
class Split:
    """Inputs ``[N, I]`` and labels ``[N]`` to train on, and others held out."""

    inputs: Tensor
    labels: Tensor
    held_inputs: Tensor
    held_labels: Tensor


@dataclass(frozen=True)
class DataSet:
    """A classification set, its sizes known before it is loaded: ``rows`` to train on, ``features``, ``classes``."""

    rows: int
    features: int
    classes: int
    load: Callable[[], Split]
    measured: int | None = None
    """How many rows of either part evaluation looks at, where all are too many; None means all."""

    def trained(self) -> tuple[Tensor, Tensor]:
        """Inputs and labels to train on, loaded on first use."""
        split = self.load()
        return split.inputs, split.labels

    def held(self) -> tuple[Tensor, Tensor]:
        """Inputs and labels held out, loaded on first use."""
        split = self.load()
        return split.held_inputs, split.held_labels


@cache
def _digits() -> Split:
    table = bundled("digits.csv.gz", ",")
    inputs, labels = torch.from_numpy(table[:, :-1] / 16).float(), torch.from_numpy(table[:, -1].astype(np.int64))
    return split_rows("digits", inputs, labels, DIGITS.rows)


def split_rows(name: str, inputs: Tensor, labels: Tensor, rows: int) -> Split:
    """The set shuffled once for all, its first ``rows`` to train on and the others held out."""
    order = torch.from_numpy(generator(0, f"{name} split").permutation(len(labels)))
    inputs, labels = inputs[order], labels[order]
    return Split(inputs[:rows], labels[:rows], inputs[rows:], labels[rows:])


def shared_rows(rows: int, share: float) -> int:
    """How many rows a ``share`` of ``rows`` is, at least one; raises ``ValueError`` unless 0 < share <= 1."""
    if not 0 < share <= 1:
        raise ValueError(f"share is the part of the {rows} rows to train on, above 0 and at most 1; got {share}")
    return max(1, round(share * rows))


def share_of(split: Split, share: float) -> Split:
    """The same split with the first ``share`` of its rows to train on; what is held out stays."""
    rows = shared_rows(len(split.labels), share)
    return replace(split, inputs=split.inputs[:rows], labels=split.labels[:rows])


DIGITS = DataSet(1437, 64, 10, _digits)
"""Scikit-learn's 8x8 digits, grey in [0, 1]: 1437 images to train on, 360 held out (UCI optical digits, test part)."""


@cache
def _two_spirals() -> Split:
    return Split(*_spirals(np.arange(97)), *_spirals(np.arange(96) + 0.5))


def _spirals(place: npt.NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Points on the one spiral at ``place`` 0 (outside) to 104 (the centre), then their mirror images on the other."""
    angle, radius = place * np.pi / 16, 6.5 * (1 - place / 104)
    one = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    labels = torch.arange(2).repeat_interleave(len(place))
    return torch.from_numpy(np.concatenate([one, -one])).float(), labels


TWO_SPIRALS = DataSet(194, 2, 2, _two_spirals)
"""The classical two spirals of three turns each, of radius 6.5."""
