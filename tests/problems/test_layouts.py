"""The tensors that lie in a problem's vector: named, shaped as torch shapes them, and all of it."""

import math

import pytest
import torch
from torch import nn

from problems import BUILTIN
from problems.autoencoder import DigitsAutoencoder
from problems.classification import digits_cnn, digits_mlp
from problems.factorization import DeepLinear, MatrixFactorization
from problems.module import ModuleProblem
from problems.network import MLP

SPECS = {spec.name: spec for spec in BUILTIN}
OF_MATRICES = {
    "digits-softmax", "digits-mlp", "digits-cnn", "mnist-mlp", "fashion-mnist-mlp", "two-spirals", "digits-autoencoder",
    "matrix-factorization", "deep-linear", "char-gru", "tiny-transformer", "mnist-lenet", "fashion-mnist-lenet",
    "digits-convnet", "mnist-resnet", "cifar-10-resnet", "text-gru", "text-transformer", "diamonds-mlp",
    "photo-linear-autoencoder", "photo-autoencoder", "photo-coordinates", "flights-embeddings",
}  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_a_layout_names_all_of_the_vector_once_and_finds_matrices_where_there_are_some(name: str) -> None:
    problem = SPECS[name].build()
    names, shapes = zip(*problem.layout, strict=True)
    assert sum(map(math.prod, shapes)) == problem.dim
    assert len(set(names)) == len(names)
    assert any(len(shape) > 1 for shape in shapes) == (name in OF_MATRICES)


def test_a_network_lays_its_layers_out_as_torchs_modules_do() -> None:
    torchs = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    assert [shape for _, shape in digits_mlp().layout] == [tuple(p.shape) for p in torchs.parameters()]
    conv = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))
    assert [shape for _, shape in digits_cnn(filters=8).layout] == [tuple(p.shape) for p in conv.parameters()]
    assert MLP((3, 2)).layout == (("layer 1 weight", (2, 3)), ("layer 1 bias", (2,)))
    assert len(DigitsAutoencoder().layout) == 8


def test_a_module_is_laid_out_by_the_names_of_its_parameters() -> None:
    rows = torch.zeros(4, 3), torch.zeros(4, 1)
    problem = ModuleProblem(lambda: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), nn.functional.mse_loss, rows)
    assert problem.layout == (("0.weight", (2, 3)), ("0.bias", (2,)), ("1.weight", (1, 2)), ("1.bias", (1,)))


def test_factors_are_laid_out_as_they_are_multiplied() -> None:
    assert MatrixFactorization(rows=6, columns=5, rank=2).layout == (("U", (6, 2)), ("V", (5, 2)))
    problem = DeepLinear(depth=3)
    assert problem.layout == (("w3", (1, 10)), ("W2", (10, 10)), ("W1", (10, 10)))
    x = problem.start([0])[0]
    parts = [part.view(shape) for part, (_, shape) in zip(x.split([10, 100, 100]), problem.layout, strict=True)]
    torch.testing.assert_close(problem.product(x), torch.linalg.multi_dot(parts).flatten())
