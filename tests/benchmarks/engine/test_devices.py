"""Devices by their names, precisions, and what is said where either cannot be had."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.engine import training as door
from benchmarks.engine.devices import device_of, named, out_of_memory
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError

GPU = torch.cuda.is_available()


def test_a_device_has_the_name_users_give_it() -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto").type == ("cuda" if GPU else "cpu")
    assert named(torch.device("cpu")) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "CPU", "", "meta"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"a device is cpu, cuda, cuda:N or auto, not"):
        device_of(name)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"so nothing runs on cuda; leave --device out"):
        Training("ellipse", "sgd", [1], 1, device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match=r"there is no cuda:2: torch has 2 GPUs, counted from cuda:0"):
        device_of("cuda:2")


def test_a_gpu_trains_many_chunks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    own = Training("ellipse", "sgd", [1], 1)
    assert own.lanes_together == own.problem.chunk
    there = replace(own, device="cuda")
    assert there.lanes_together == 256 * own.problem.chunk
    assert replace(there, chunk=7).lanes_together == 7
    assert replace(there, problem="mnist-lenet").lanes_together == 1  # of modules that are trained one by one


def losses(training: Training) -> Tensor:
    return train(training, {"lr": 0.01}).loss


@pytest.mark.parametrize("optimizer", ["rmsprop", "torch:RMSprop"])
def test_a_loss_in_half_precision_is_another_and_its_parameters_are_whole(optimizer: str) -> None:
    whole = Training("digits-softmax", optimizer, [1], 5, engine="eager", dtype=torch.float32, keep_path=True)
    half = replace(whole, autocast=True)
    torch.testing.assert_close(losses(half), losses(whole), rtol=0.02, atol=0)  # bfloat16 has 8 bits
    assert not torch.equal(losses(half), losses(whole))
    path = train(half, {"lr": 0.01}).path
    assert path is not None
    assert path.dtype == torch.float32
    assert not torch.equal(path, path.bfloat16().float())


def test_no_kernel_is_made_of_half_precision() -> None:
    training = Training("digits-softmax", "rmsprop", [1], 2, engine="kernel", autocast=True)
    with pytest.warns(RuntimeWarning, match="not in bfloat16"):
        assert train(training, {}).engine == "eager"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"), "20.00 GiB more were"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 800 bytes"), "800 bytes more"),
        (torch.OutOfMemoryError("out"), "too much was asked for"),
    ],
)
def test_memory_that_does_not_suffice_is_a_sentence_with_the_chunk_to_try(error: RuntimeError, said: str) -> None:
    found = out_of_memory(error, 4096)
    assert found is not None
    assert said in found
    assert found.endswith("with 4,096 lanes trained together; set chunk=1024 where it is made")
    assert out_of_memory(RuntimeError("shapes do not match"), 4096) is None


def test_a_run_that_takes_too_much_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def drive(*_: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 3.00 GiB")

    monkeypatch.setattr(door, "drive", drive)
    with pytest.raises(UsageError, match=r"sgd on ellipse: memory does not suffice: 3.00 GiB more .* 8 lanes"):
        train(Training("ellipse", "sgd", [1, 2], 1), {"lr": torch.tensor([0.1, 0.2, 0.3, 0.4])})
