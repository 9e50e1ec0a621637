"""Where tensors live and what users call it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch

from benchmarks.errors import UsageError

__all__ = ["DeviceName", "check_device", "device_here", "device_of", "named", "on_device", "out_of_memory"]

DeviceName = str
"""How users name a device: cpu, cuda, cuda:1, or auto, a GPU where torch has one."""

WRITTEN: Final = re.compile(r"cpu|cuda(:\d+)?")
HERE: Final[ContextVar[DeviceName]] = ContextVar("HERE", default="cpu")
"""Where a training is that names no device."""

ASKED: Final = re.compile(r"[Tt]ried to allocate ([\d.]+ [KMGT]?i?B|\d+ bytes)")


def device_of(name: DeviceName) -> torch.device:
    """The device that users call ``name``; raises `UsageError` for a name that is none, or a GPU that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not WRITTEN.fullmatch(name):
        raise UsageError(f"a device is cpu, cuda, cuda:N or auto, not {name!r}")
    device = torch.device(name)
    if device.type == "cuda":
        check_device(device)
    return device


@contextmanager
def on_device(name: DeviceName) -> Iterator[torch.device]:
    """Every `Training` made inside that names no device is on the one that users call ``name``; raises as `device_of`.

    For questions, which make trainings of their own: a device is no part of what they ask.
    """
    device = device_of(name)
    before = HERE.set(str(device))
    try:
        yield device
    finally:
        HERE.reset(before)


def device_here() -> torch.device:
    """The device of a training that names none."""
    return torch.device(HERE.get())


def check_device(device: torch.device) -> None:
    """Raise `UsageError` where ``device`` is a GPU that torch does not have."""
    if device.type != "cuda":
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        built = "is built without CUDA" if torch.version.cuda is None else "finds no GPU of NVIDIA's"
        raise UsageError(f"torch {torch.__version__} {built}, so nothing runs on {device}; leave --device out, or auto")
    if (device.index or 0) >= count:
        raise UsageError(f"there is no {device}: torch has {count} GPU{'s' * (count > 1)}, counted from cuda:0")


def named(device: torch.device | str) -> str:
    """What a record calls ``device``: cpu, or the GPU with its name."""
    device = torch.device(device)
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def out_of_memory(error: BaseException, lanes: int, *, modules: bool = False) -> str | None:
    """What to say of an ``error`` of torch that is one of memory, of so many ``lanes`` together; None of any other.

    They may be ``modules`` as they are, each with an optimizer of its own.
    """
    asked = ASKED.search(str(error))
    if not isinstance(error, torch.OutOfMemoryError) and (asked is None or "lloc" not in str(error)):
        return None
    what = f"{asked[1]} more were asked for" if asked else "too much was asked for"
    if modules:
        way = "ask for fewer seeds or a smaller tuning.block"
        return f"memory does not suffice: {what} with {lanes:,} modules beside each other; {way}"
    fewer = max(1, lanes // 4)
    return f"memory does not suffice: {what} with {lanes:,} lanes trained together; set chunk={fewer} where it is made"
