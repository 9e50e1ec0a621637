"""Two real photographs: their patches through a bottleneck, and a network that knows a colour for every place.

The photographs come with scikit-learn: china.jpg by danielbuechele and flower.jpg by vultilion, from Flickr under
Creative Commons Attribution 2.0. Neighbouring pixels are nearly equal, so that whatever is linear in patches is
ill-conditioned by nature: their variance along one direction is eleven thousand times that along another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np
import torch
from torch import Tensor

from problems.data import Array, Split, packaged, share_of, shared_rows, split_rows
from problems.network import MLP
from problems.network_regression import NetworkRegression, network_regression_facts
from problems.problem import Facts, ProblemSpec, generator

__all__ = [
    "PATCHES",
    "SPECS",
    "CoordinateNetwork",
    "LinearAutoencoder",
    "PatchAutoencoder",
    "coordinate_network",
    "linear_autoencoder",
    "patch_autoencoder",
    "patches",
    "photograph",
    "principal_directions",
]

PHOTOGRAPHS = ("china", "flower")
SIDE = 8  # pixels of a patch
SHRUNK = 4  # pixels of the file to one of the coordinate network
PATCHES = 6784  # to train on: four fifths of 53 x 80 from either photograph
PLACES = 13568  # to train on: four fifths of 106 x 160
MEASURED = 1024  # rows of either part that evaluation looks at: all would cost more than the training


@cache
def photograph(name: str) -> Array:
    """The photograph ``[427, 640, 3]``, red, green and blue in [0, 1], read without importing scikit-learn.

    Raises `DataError` where scikit-learn is not installed or ships no such photograph.
    """
    from PIL import Image

    with Image.open(packaged("sklearn", f"datasets/images/{name}.jpg")) as image:
        return np.asarray(image, dtype=np.float64) / 255


@cache
def patches() -> Split:
    """All patches of 8x8 grey pixels ``[N, 64]`` of both, shuffled; mean 0 and deviation 1 over all pixels.

    The labels are the patches themselves.
    """
    grey = np.stack([photograph(name) for name in PHOTOGRAPHS]) @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    rows, columns = grey.shape[1] // SIDE, grey.shape[2] // SIDE
    cut = grey[:, : rows * SIDE, : columns * SIDE].reshape(-1, rows, SIDE, columns, SIDE)
    table = cut.swapaxes(2, 3).reshape(-1, SIDE * SIDE)
    scaled = torch.from_numpy((table - table.mean()) / table.std()).float()
    return split_rows("photograph patches", scaled, scaled, PATCHES)


@cache
def _shrunk(name: str) -> Array:
    """A photograph ``[106, 160, 3]``, every pixel the mean of 4x4, standardised a channel."""
    image = photograph(name)
    height, width = image.shape[0] // SHRUNK, image.shape[1] // SHRUNK
    small = image[: height * SHRUNK, : width * SHRUNK].reshape(height, SHRUNK, width, SHRUNK, 3).mean((1, 3))
    scaled: Array = (small - small.mean((0, 1))) / small.std((0, 1))
    return scaled


@cache
def _coordinates(name: str, frequencies: int, bandwidth: float) -> Split:
    """sin and cos of 2π b·(place in [-1, 1]²) for so many random b ~ N(0, (bandwidth/2)²) ``[N, 2 frequencies]``, and
    the colours there, standardised a channel; a fifth of the places is held out."""
    image = _shrunk(name)
    height, width, _ = image.shape
    grid = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    places = np.stack(grid, -1).reshape(-1, 2)
    drawn = generator(0, "fourier features").normal(0, bandwidth / 2, (2, frequencies))
    waves = 2 * np.pi * places @ drawn
    features = torch.from_numpy(np.concatenate([np.sin(waves), np.cos(waves)], 1)).float()
    return split_rows(f"photograph {name}", features, torch.from_numpy(image.reshape(-1, 3)).float(), PLACES)


def principal_directions(table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean ``[I]``, and variances ``[I]`` (largest first) with their directions ``[I, I]`` (columns) of ``[N, I]``."""
    table = table.double()
    mean = table.mean(0)
    values, vectors = torch.linalg.eigh((table - mean).T @ (table - mean) / len(table))
    return mean, values.flip(0), vectors.flip(1)


class Bottleneck(MLP):
    """A network of ReLU units whose middle layer, the code, is linear."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths, torch.relu)

    def __call__(self, x: Tensor, inputs: Tensor) -> Tensor:
        hidden = inputs.mT
        for layer, (weight, bias) in enumerate(self.layers(x)):
            curved = layer not in (0, len(self.shapes) // 2)
            hidden = weight @ (self.activation(hidden) if curved else hidden) + bias
        return hidden


@dataclass(frozen=True, eq=False)
class PatchAutoencoder(NetworkRegression):
    """Patches of the photographs through a nonlinear bottleneck, out of patches with noise of deviation ``noise``."""

    code: int = 1

    @cached_property
    def target(self) -> float:
        """What the best linear code of as many numbers leaves: that of the principal directions of the clean patches,
        over the patches that evaluation looks at."""
        split = self.data()
        mean, _, vectors = principal_directions(split.labels)
        kept = vectors[:, : self.code]
        away = split.labels[: self.measured].double() - mean
        return float((away - away @ kept @ kept.T).square().sum(-1).mean() / 2)


@dataclass(frozen=True, eq=False)
class LinearAutoencoder(NetworkRegression):
    """Patches of the photographs through a linear bottleneck: not convex, and yet every minimum is global.

    The floor is what the principal directions beyond the code leave (Baldi and Hornik 1989). The loss over all patches
    is evaluated in double precision as the function of their second moments that it is.
    """

    code: int = 1

    @cached_property
    def minimum(self) -> float:
        """Half the variance beyond the leading principal directions."""
        return float(self._principal[1][self.code :].sum() / 2)

    @cached_property
    def target(self) -> float:
        """The floor and a tenth of it."""
        return 1.1 * self.minimum

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """One of many: the leading principal directions into the code and out of it."""
        mean, _, vectors = self._principal
        kept = vectors[:, : self.code]
        return [tuple(torch.cat([kept.T.flatten(), -(kept.T @ mean), kept.flatten(), mean]).tolist())]

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        x, eye = x.double(), torch.eye(SIDE * SIDE, dtype=torch.float64, device=x.device)
        offset = self.network(x, torch.zeros_like(eye[:1]))  # [..., I, 1]: what the network makes of nothing
        error = torch.cat([self.network(x, eye) - offset - eye, offset], -1)  # of (patch, 1)
        return {
            name: ((error @ moments.to(x.device)) * error).sum((-2, -1)) / 2
            for name, moments in zip(("loss", "heldout_loss"), self._moments, strict=True)
        }

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """The second moments ``[I + 1, I + 1]`` of (patch, 1), of those trained on and of those held out."""
        split = self.data()
        first, second = (
            torch.nn.functional.pad(part.double(), (0, 1), value=1.0) for part in (split.inputs, split.held_inputs)
        )
        return first.T @ first / len(first), second.T @ second / len(second)

    @cached_property
    def _principal(self) -> tuple[Tensor, Tensor, Tensor]:
        return principal_directions(self.data().inputs)


@dataclass(frozen=True, eq=False)
class CoordinateNetwork(NetworkRegression):
    """A photograph as a network from a place to its colour."""

    photo: str = "flower"

    @cached_property
    def target(self) -> float:
        """What a thumbnail leaves, of square blocks of one colour each, that has no more numbers than the network."""
        return thumbnail_loss(_shrunk(self.photo), self.dim)


def thumbnail_loss(image: Array, numbers: int) -> float:
    """Half the squared error a place of ``image [H, W, 3]`` where square blocks have one colour, their mean.

    The blocks are the smallest of which there are at most so many ``numbers``.
    """
    height, width, channels = image.shape
    sizes = range(1, max(height, width) + 1)
    fits = (size for size in sizes if -(-height // size) * -(-width // size) * channels <= numbers)
    size = next(fits, sizes[-1])
    blocks = [image[i : i + size, j : j + size] for i in range(0, height, size) for j in range(0, width, size)]
    error: float = sum(np.square(block - block.mean((0, 1))).sum() for block in blocks) / (2 * height * width)
    return error


def linear_autoencoder(code: int = 8, batch: int = 32, share: float = 1.0) -> LinearAutoencoder:
    """A linear code of ``code`` numbers for 8x8 grey patches, from ``share`` of the training patches.

    Raises ``ValueError`` for a value out of range.
    """
    _at_least_one("photo-linear-autoencoder", code=code)
    network = MLP((SIDE * SIDE, code, SIDE * SIDE), _identity)
    facts = Facts(
        dim=network.dim,
        steps=1000,
        tags=frozenset({"nonconvex", "stochastic", "reconstruction", "photograph", "ill-conditioned"}),
        deterministic=False,
        chunk=64,
    )
    parameters = {"code": code, "share": share}
    return LinearAutoencoder(
        network, partial(_part, share, 0.0), shared_rows(PATCHES, share), parameters, facts, batch, code=code
    )


def patch_autoencoder(
    code: int = 4, hidden: int = 64, depth: int = 1, batch: int = 32, noise: float = 0.0, share: float = 1.0
) -> PatchAutoencoder:
    """A ReLU network 64-hidden-code-hidden-64 on 8x8 grey patches, ``depth`` hidden layers on either side of the code.

    ``noise`` is the deviation of what is added to a patch before it enters, in deviations of a pixel; ``share`` the
    part of the training patches. Raises ``ValueError`` for a value out of range.
    """
    _at_least_one("photo-autoencoder", code=code, hidden=hidden, depth=depth)
    _not_negative("photo-autoencoder", noise)
    side = (hidden,) * depth
    network = Bottleneck((SIDE * SIDE, *side, code, *side, SIDE * SIDE))
    parameters = {"code": code, "hidden": hidden, "depth": depth, "noise": noise, "share": share}
    facts = network_regression_facts(
        network, steps=1500, target=None, tags=("reconstruction", "photograph", "ill-conditioned"), chunk=64
    )
    rows = shared_rows(PATCHES, share)
    return PatchAutoencoder(network, partial(_part, share, noise), rows, parameters, facts, batch, MEASURED, code=code)


def coordinate_network(
    photo: str = "flower",
    hidden: int = 64,
    depth: int = 2,
    frequencies: int = 32,
    bandwidth: float = 4.0,
    batch: int = 64,
    noise: float = 0.0,
    share: float = 1.0,
) -> CoordinateNetwork:
    """A ReLU network from a place to its colour, on random Fourier features of the place (Tancik et al. 2020).

    ``photo`` is "flower" or "china", a quarter as high and as wide as the file; ``bandwidth`` the deviation of the
    frequencies in waves a side; ``noise`` the deviation of what is added to the colours trained on, ``share`` the part
    of the places. Raises ``ValueError`` for a value out of range.
    """
    if photo not in PHOTOGRAPHS or bandwidth <= 0:
        raise ValueError(
            f"photo-coordinates needs photo in {PHOTOGRAPHS} and bandwidth > 0, got {photo!r} and {bandwidth}"
        )
    _at_least_one("photo-coordinates", hidden=hidden, depth=depth, frequencies=frequencies)
    _not_negative("photo-coordinates", noise)
    network = MLP((2 * frequencies, *(hidden,) * depth, 3), torch.relu)
    parameters = {
        "photo": photo,
        "hidden": hidden,
        "depth": depth,
        "frequencies": frequencies,
        "bandwidth": bandwidth,
        "noise": noise,
        "share": share,
    }
    facts = network_regression_facts(network, steps=1500, target=None, tags=("regression", "photograph"), chunk=64)
    data = partial(_coloured, photo, frequencies, bandwidth, noise, share)
    return CoordinateNetwork(network, data, shared_rows(PLACES, share), parameters, facts, batch, MEASURED, photo)


@cache
def _part(share: float, noise: float) -> Split:
    """A share of the patches, as inputs with noise and as labels without."""
    split = share_of(patches(), share)
    if not noise:
        return split
    inputs, held = (
        part + noise * torch.from_numpy(generator(0, f"{what} noise").standard_normal(part.shape)).float()
        for what, part in (("patch", split.inputs), ("held patch", split.held_inputs))
    )
    return replace(split, inputs=inputs, held_inputs=held)


@cache
def _coloured(photo: str, frequencies: int, bandwidth: float, noise: float, share: float) -> Split:
    """A share of the places, with noise on the colours trained on."""
    split = share_of(_coordinates(photo, frequencies, bandwidth), share)
    added = noise * generator(0, "colour noise").standard_normal(split.labels.shape)
    return replace(split, labels=split.labels + torch.from_numpy(added).float())


def _identity(v: Tensor) -> Tensor:
    return v


def _at_least_one(name: str, **sizes: int) -> None:
    if min(sizes.values()) < 1:
        raise ValueError(f"{name} needs {', '.join(sizes)} >= 1, got {', '.join(map(str, sizes.values()))}")


def _not_negative(name: str, noise: float) -> None:
    if noise < 0:
        raise ValueError(f"{name} needs noise >= 0, got {noise}")


SOURCE = "scikit-learn's photographs, CC BY 2.0"

SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "photo-linear-autoencoder",
        linear_autoencoder,
        "8x8 patches of photographs through a linear code of 8: the floor is PCA's",
        f"Baldi and Hornik 1989; {SOURCE}",
        floor=1.07208,
    ),
    ProblemSpec(
        "photo-autoencoder",
        patch_autoencoder,
        "64-64-4-64-64 network on 8x8 patches of photographs; to beat: PCA",
        f"Hinton and Salakhutdinov 2006; {SOURCE}",
    ),
    ProblemSpec(
        "photo-coordinates",
        coordinate_network,
        "a photograph as a network from place to colour; to beat: a thumbnail",
        f"Tancik et al. 2020; {SOURCE}",
    ),
)
"""The problems of this file."""
