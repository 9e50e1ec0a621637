"""A small residual network with batch norm on images that are shifted, and mirrored, anew each time they are drawn.

Its running statistics move and its data are augmented, so that its runs are modules as they are
(`problems.module_run`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import Dataset

from problems.data import Split, check_batch, share_of, shared_rows
from problems.images import MNIST_5K, downloaded_cifar_10
from problems.lenet import accuracy
from problems.module import ModuleProblem, Tensors
from problems.problem import ProblemSpec, generator

__all__ = ["SPECS", "Augmented", "ResNet", "cifar_10_resnet", "mnist_resnet"]

CIFAR_10_ROWS = 50000
MEASURED = 500  # images of either part that evaluation looks at: all would cost more than the training


class ResNet(nn.Module):
    """Three stages of ``depth`` residual blocks, each stage twice as wide and half as high (He et al. 2016, 4.2).

    The first convolution halves the height too, which makes a step four times as cheap.
    """

    def __init__(self, channels: int, width: int, depth: int, classes: int) -> None:
        super().__init__()
        first = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU())
        sizes = [(width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)]
        self.blocks = nn.Sequential(
            *(_Block(*(size if leads else (size[1], size[1], 1))) for size in sizes for leads in _leading(depth))
        )
        self.readout = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, K]`` of ``images [B, C, H, W]``."""
        logits: Tensor = self.readout(self.blocks(self.stem(images)).mean((-2, -1)))
        return logits


def _leading(depth: int) -> list[bool]:
    """Of each block of a stage, whether it is the first."""
    return [True] + [False] * (depth - 1)


class _Block(nn.Module):
    """Two convolutions with batch norm, and a way past them: as it is, or a 1x1 convolution where sizes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = (inputs, stride) == (outputs, 1)
        self.past = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.body(images) + self.past(images))


@dataclass(frozen=True)
class Augmented(Dataset[Tensors]):
    """Images ``[N, C, H, W]`` of bytes, in [0, 1] and moved by up to ``shift`` pixels, drawn from torch's random state.

    What comes in at the edge is black. ``mirrored`` ones are turned left to right half of the times.
    """

    images: Tensor
    labels: Tensor
    shift: int
    mirrored: bool

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Tensors:
        image = pad(self.images[row].float() / 255, (self.shift,) * 4)
        down, right = torch.randint(2 * self.shift + 1, (2,)).tolist()
        height, width = self.images.shape[-2:]
        image = image[:, down : down + height, right : right + width]
        if self.mirrored and torch.rand(()) < 0.5:
            image = image.flip(-1)
        return image, self.labels[row]


def mnist_resnet(
    width: int = 8, depth: int = 1, shift: int = 2, batch: int = 32, noise: float = 0.0, share: float = 1.0
) -> ModuleProblem:
    """A residual network of 3 ``depth`` blocks on 5,000 MNIST images: 4,000 to train on, moved by ``shift`` pixels.

    ``noise`` is the share of the labels trained on that are drawn anew, ``share`` the part of the images. Raises
    ``ValueError`` for a value out of range.
    """
    return _resnet("mnist-resnet", _mnist, MNIST_5K.rows, width, depth, shift, batch, noise, share)


def cifar_10_resnet(
    width: int = 8, depth: int = 1, shift: int = 4, batch: int = 32, noise: float = 0.0, share: float = 1.0
) -> ModuleProblem:
    """The same network on CIFAR-10, moved and mirrored; the set is downloaded on first use."""
    return _resnet("cifar-10-resnet", downloaded_cifar_10, CIFAR_10_ROWS, width, depth, shift, batch, noise, share)


def _resnet(
    name: str,
    load: Callable[[], Split],
    rows: int,
    width: int,
    depth: int,
    shift: int,
    batch: int,
    noise: float,
    share: float,
) -> ModuleProblem:
    if min(width, depth) < 1 or shift < 0 or not 0 <= noise <= 1:
        raise ValueError(
            f"{name} needs width, depth >= 1, shift >= 0 and noise in [0, 1], got {width}, {depth}, {shift} and {noise}"
        )
    check_batch(batch, shared_rows(rows, share), 2)
    coloured = name.startswith("cifar")
    return ModuleProblem(
        partial(ResNet, 3 if coloured else 1, width, depth, 10),
        cross_entropy,
        partial(_trained, load, shift, coloured, noise, share),
        heldout=partial(_held, load),
        metrics={"accuracy": accuracy},
        batch=batch,
        steps=1500 if coloured else 250,
        target=None if coloured else 0.3,
        tags=("nonconvex", "neural", "convolution", "classification", *(("network",) if coloured else ())),
        measured=MEASURED,
    )


def _trained(load: Callable[[], Split], shift: int, mirrored: bool, noise: float, share: float) -> Augmented:
    split = share_of(load(), share)
    rng = generator(0, "label noise")
    drawn = torch.from_numpy(rng.random(len(split.labels)) < noise)
    labels = torch.where(drawn, torch.from_numpy(rng.integers(10, size=len(drawn))), split.labels)
    return Augmented(split.inputs, labels, shift, mirrored)


def _held(load: Callable[[], Split]) -> Tensors:
    split = load()
    return split.held_inputs[:MEASURED].float() / 255, split.held_labels[:MEASURED]


@cache
def _mnist() -> Split:
    """The images ``[N, 1, 28, 28]`` as bytes."""
    split = MNIST_5K.load()
    inputs, held = ((part * 255).round().byte().view(-1, 1, 28, 28) for part in (split.inputs, split.held_inputs))
    return Split(inputs, split.labels, held, split.held_labels)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "mnist-resnet",
        mnist_resnet,
        "a residual network with batch norm on 5000 MNIST images, moved at random, trained natively",
        "He et al. 2016; LeCun et al. 1998",
    ),
    ProblemSpec(
        "cifar-10-resnet",
        cifar_10_resnet,
        "a residual network with batch norm on CIFAR-10, moved and mirrored, downloaded, trained natively",
        "He et al. 2016; Krizhevsky 2009",
    ),
)
"""The problems of this file."""
