"""The residual network and what it is trained on: blocks, moved images, and CIFAR-10's archive."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import torch
from torch import nn

from problems.data import Split
from problems.download import DownloadError
from problems.images import CIFAR_10_PARTS, cifar_10, read_cifar_10
from problems.resnet import Augmented, ResNet, cifar_10_resnet, mnist_resnet

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGES = torch.randint(1, 256, (4, 1, 6, 5), generator=torch.Generator().manual_seed(0)).byte()


def test_a_block_whose_second_norm_is_zero_leaves_what_comes_in() -> None:
    network = ResNet(3, 8, 2, 10).eval()
    block = network.blocks[1]
    nn.init.zeros_(block.body[-1].weight)
    images = torch.linspace(-1, 1, 2 * 8 * 36).sin().view(2, 8, 6, 6)
    assert torch.equal(block(images), images.relu())


def test_stages_halve_the_height_and_double_the_width() -> None:
    network = ResNet(3, 8, 2, 10)
    sizes, images = [], network.stem(torch.zeros(2, 3, 32, 32))
    for block in network.blocks:
        images = block(images)
        sizes.append(tuple(images.shape[1:]))
    assert sizes == [(8, 16, 16)] * 2 + [(16, 8, 8)] * 2 + [(32, 4, 4)] * 2


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (4, 3)])
def test_parameters_are_as_many_as_counted_by_hand(width: int, depth: int) -> None:
    def block(inputs: int, outputs: int, past: bool) -> int:
        return 9 * outputs * (inputs + outputs) + 4 * outputs + (inputs * outputs + 2 * outputs if past else 0)

    stages = [(width, width, False), (width, 2 * width, True), (2 * width, 4 * width, True)]
    blocks = sum(block(*stage) + (depth - 1) * block(stage[1], stage[1], False) for stage in stages)
    assert mnist_resnet(width, depth).dim == 9 * width + 2 * width + blocks + 40 * width + 10


def test_every_drawn_image_is_the_image_moved_onto_black() -> None:
    padded = nn.functional.pad(IMAGES[1].float() / 255, (1, 1, 1, 1))
    places = {(i, j): padded[:, i : i + 6, j : j + 5] for i in range(3) for j in range(3)}
    seen = set()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(100):
            image, label = Augmented(IMAGES, torch.arange(4), 1, False)[1]
            assert label.item() == 1
            seen |= {place for place, moved in places.items() if torch.equal(moved, image)}
    assert seen == set(places)


def test_mirrored_images_are_turned_half_of_the_times() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = [Augmented(IMAGES, torch.arange(4), 0, True)[2][0] for _ in range(200)]
    image = IMAGES[2].float() / 255
    turned = sum(torch.equal(each, image.flip(-1)) for each in images)
    assert turned + sum(torch.equal(each, image) for each in images) == 200
    assert 70 < turned < 130  # four deviations of 200 tosses


def test_a_run_draws_other_images_for_another_seed_and_the_same_for_the_same() -> None:
    losses = []
    for seed in (0, 0, 1):
        run = mnist_resnet(width=1, batch=4).run(seed)
        with run.at_work():
            run.draw()
            losses.append(run.loss().item())
    assert losses[0] == losses[1] != losses[2]


def test_labels_with_noise_are_drawn_anew_and_those_held_out_are_not() -> None:
    clean, noisy = (mnist_resnet(noise=noise).data for noise in (0.0, 0.5))
    changed = (clean().labels != noisy().labels).double().mean().item()
    assert changed == pytest.approx(0.5 * 0.9, abs=0.03)  # four deviations of 4000 draws
    assert len(mnist_resnet(share=0.25).data()) == 1000


def test_they_are_trained_natively_because_of_batch_norm() -> None:
    assert "keeps running statistics" in mnist_resnet().native
    assert "network" in cifar_10_resnet().tags


def archive(path: Path, table: bytes) -> tuple[str, str]:
    """CIFAR-10's archive with a few images a part; its name and md5 sum."""
    with tarfile.open(path, "w:gz") as packed:
        for part in (*CIFAR_10_PARTS, "test_batch"):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{part}.bin")
            info.size = len(table)
            packed.addfile(info, io.BytesIO(table))
    return path.name, hashlib.md5(path.read_bytes()).hexdigest()


def test_cifar_10_is_read_from_its_archive_where_that_is_there_already(tmp_path: Path) -> None:
    image = bytes(range(256)) * 12
    file = archive(tmp_path / "cifar.tar.gz", bytes([7]) + image + bytes([3]) + image[::-1])
    split = cifar_10(tmp_path, "http://127.0.0.1:9", file)

    assert (split.inputs.shape, split.held_inputs.shape) == ((10, 3, 32, 32), (2, 3, 32, 32))
    assert split.labels.tolist() == [7, 3] * 5
    assert bytes(split.inputs[0].flatten().tolist()) == image
    assert bytes(split.inputs[1].flatten().tolist()) == image[::-1]


@pytest.mark.parametrize("table", [b"", bytes(3072), bytes([10]) + bytes(3072)])
def test_what_is_no_table_of_images_is_said_with_its_file(tmp_path: Path, table: bytes) -> None:
    archive(tmp_path / "cifar.tar.gz", table)
    with pytest.raises(DownloadError, match=r"cifar\.tar\.gz is no archive of CIFAR-10 .*; delete it and try again"):
        read_cifar_10(tmp_path / "cifar.tar.gz", CIFAR_10_PARTS)


def test_a_file_that_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "cifar.tar.gz").write_bytes(b"nothing")
    with pytest.raises(DownloadError, match="is no archive of CIFAR-10"):
        read_cifar_10(tmp_path / "cifar.tar.gz", CIFAR_10_PARTS)


def test_cifar_10_is_trained_on_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    split = Split(images, torch.arange(8), images, torch.arange(8))
    monkeypatch.setattr("problems.resnet.downloaded_cifar_10", lambda: split)
    data = cifar_10_resnet(batch=2).data()
    assert (data.images.dtype, data.mirrored, data.shift) == (torch.uint8, True, 4)
    assert data[3][0].shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: mnist_resnet(width=0), "width, depth >= 1, .* got 0, 1, 2 and 0.0"),
        (lambda: cifar_10_resnet(shift=-1), "cifar-10-resnet needs .* got 8, 1, -1 and 0.0"),
        (lambda: mnist_resnet(noise=1.5), "and 1.5"),
        (lambda: mnist_resnet(batch=1), "between 2 and all 4000 rows, got batch=1"),
        (lambda: mnist_resnet(share=2.0), "at most 1; got 2.0"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.slow
def test_adam_gets_below_the_target() -> None:
    problem = mnist_resnet()
    run = problem.run(0)
    adam = torch.optim.Adam(run.parameters.values(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, problem.steps)
    for _ in range(problem.steps):
        with run.at_work():
            run.draw()
            adam.zero_grad()
            run.loss().backward()
            adam.step()
            schedule.step()
    metrics = run.evaluate()
    assert max(metrics["loss"], metrics["heldout_loss"]) < problem.target
