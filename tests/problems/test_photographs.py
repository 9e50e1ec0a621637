"""Photographs: the pixels are scikit-learn's, floors and lines are found by other code, and networks learn them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA

from problems.photographs import (
    PATCHES,
    CoordinateNetwork,
    PatchAutoencoder,
    coordinate_network,
    linear_autoencoder,
    patch_autoencoder,
    patches,
    photograph,
    thumbnail_loss,
)


def test_the_photographs_are_scikit_learns() -> None:
    for image, path in zip(load_sample_images().images, load_sample_images().filenames, strict=True):
        np.testing.assert_array_equal(photograph("china" if "china" in path else "flower"), image / 255)


def test_patches_tile_both_photographs_and_none_is_in_either_part_twice() -> None:
    split = patches()
    grey = np.stack([photograph(name) for name in ("china", "flower")]) @ [0.299, 0.587, 0.114]
    grey = grey[:, :424]
    grey = (grey - grey.mean()) / grey.std()
    expected = [
        grey[n, i : i + 8, j : j + 8].flatten() for n in (0, 1) for i in range(0, 424, 8) for j in range(0, 640, 8)
    ]
    whole = torch.cat([split.inputs, split.held_inputs]).numpy()

    assert (len(split.inputs), len(split.held_inputs)) == (PATCHES, 1696)
    in_order = [table[np.lexsort(table.T)] for table in (whole, np.stack(expected).astype(np.float32))]
    np.testing.assert_allclose(*in_order, atol=1e-6)  # single precision of numbers around 1
    assert torch.equal(split.inputs, split.labels)


@pytest.mark.parametrize("code", [1, 8])
def test_the_floor_of_the_linear_code_is_that_of_another_pca(code: int) -> None:
    problem, table = linear_autoencoder(code), patches().inputs.double().numpy()
    pca = PCA(code, svd_solver="full").fit(table)
    left = np.square(pca.inverse_transform(pca.transform(table)) - table).sum(1).mean() / 2

    assert problem.minimum == pytest.approx(left, rel=1e-9)
    x = torch.tensor(problem.minimisers[0], dtype=torch.float64)
    assert problem.evaluate(x)["loss"].item() == pytest.approx(left, rel=1e-9)


def test_the_linear_code_is_evaluated_as_the_mean_over_all_patches_of_either_part() -> None:
    problem, split = linear_autoencoder(), patches()
    x = problem.start([3, 4])
    for name, table in (("loss", split.inputs), ("heldout_loss", split.held_inputs)):
        one_by_one = problem.loss(x, (table.double().unsqueeze(0), table.double().unsqueeze(0)))
        assert torch.allclose(problem.evaluate(x)[name], one_by_one, rtol=1e-10, atol=0)  # sums in another order


def test_the_line_to_beat_is_what_another_pca_leaves_of_the_patches_looked_at() -> None:
    problem, table = patch_autoencoder(noise=0.5), patches().inputs.double().numpy()
    pca = PCA(4, svd_solver="full").fit(table)
    seen = table[: problem.measured]

    assert problem.target == pytest.approx(
        np.square(pca.inverse_transform(pca.transform(seen)) - seen).sum(1).mean() / 2
    )


def test_a_thumbnail_keeps_the_mean_of_every_block_and_no_more_numbers_than_it_may() -> None:
    image = np.random.default_rng(0).standard_normal((6, 9, 3))
    halves = image.reshape(2, 3, 3, 3, 3)
    expected = np.square(halves - halves.mean((1, 3), keepdims=True)).sum() / (2 * 54)

    assert thumbnail_loss(image, 18) == pytest.approx(expected)  # 2 x 3 blocks of 3 x 3 pixels
    assert thumbnail_loss(image, 45 - 1) == pytest.approx(expected)  # 3 x 5 blocks of 2 x 2 would be 45 numbers
    assert thumbnail_loss(image, 6 * 9 * 3) == 0
    assert thumbnail_loss(image, 1) == pytest.approx(np.square(image - image.mean((0, 1))).sum() / 108)


def test_noise_enters_what_is_fitted_from_and_leaves_what_is_fitted() -> None:
    clean, noisy = patch_autoencoder().data(), patch_autoencoder(noise=0.5).data()
    assert torch.equal(noisy.labels, clean.labels)
    assert (noisy.inputs - clean.inputs).std().item() == pytest.approx(0.5, rel=0.01)
    assert (noisy.held_inputs - clean.held_inputs).std().item() == pytest.approx(0.5, rel=0.01)

    clean, noisy = coordinate_network().data(), coordinate_network(noise=0.5).data()
    assert torch.equal(noisy.held_labels, clean.held_labels)
    assert (noisy.labels - clean.labels).std().item() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("build", [linear_autoencoder, patch_autoencoder, coordinate_network])
def test_a_share_of_the_data_is_its_beginning_and_holds_out_the_same(build) -> None:
    whole, quarter = build().data(), build(share=0.25).data()
    assert len(quarter.labels) == len(whole.labels) // 4 == build(share=0.25).rows
    assert torch.equal(quarter.inputs, whole.inputs[: len(quarter.inputs)])
    assert torch.equal(quarter.held_labels, whole.held_labels)


def test_making_them_reads_no_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("problems.photographs.photograph", None)
    assert isinstance(patch_autoencoder(code=2, hidden=3, depth=2), PatchAutoencoder)
    assert isinstance(coordinate_network("china"), CoordinateNetwork)
    assert (patch_autoencoder().dim, linear_autoencoder().dim, coordinate_network().dim) == (8900, 1096, 8515)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: linear_autoencoder(code=0), "photo-linear-autoencoder needs code >= 1, got 0"),
        (lambda: patch_autoencoder(depth=0), "code, hidden, depth >= 1, got 4, 64, 0"),
        (lambda: patch_autoencoder(noise=-1.0), "noise >= 0, got -1.0"),
        (lambda: patch_autoencoder(share=0.0), "above 0 and at most 1; got 0.0"),
        (lambda: patch_autoencoder(batch=6785), "all 6784 rows, got batch=6785"),
        (lambda: coordinate_network("dog"), "photo in .* got 'dog'"),
        (lambda: coordinate_network(share=1.5), "got 1.5"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "lr"), [(linear_autoencoder, 2e-2), (patch_autoencoder, 3e-3), (coordinate_network, 3e-3)]
)
def test_adam_gets_below_the_line(build, lr: float, trained) -> None:
    problem = build()
    assert trained(problem, lr)["loss"] < problem.target
