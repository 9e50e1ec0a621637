"""The command that shows and clears the compiled kernels on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.engine.kernel.cache import KernelCache


@pytest.fixture
def two_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelCache:
    """The user's cache, with 3 MiB in two kernels."""
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path))
    cache = KernelCache()
    for name in (b"one", b"two"):
        key = hashlib.sha256(name).hexdigest()
        cache.put(key, lambda path: path.touch(), "{}", bytes(3 * 2**19))
    return cache


def test_it_shows_where_kernels_are_and_how_much_room_they_take(
    call: Callable[..., int], two_kernels: KernelCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("cache") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"folder:   {tmp_path}/kernels",
        "kernels:  2",
        "size:     3.0 MiB of at most 512 MiB",
    ]
    assert two_kernels.usage().entries == 2


def test_it_removes_them_all_and_says_what_is_gone(
    call: Callable[..., int], two_kernels: KernelCache, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("cache", "--clear") == 0
    assert capsys.readouterr().out == "2 kernels removed, 3.0 MiB\n"
    assert two_kernels.usage().entries == 0


def test_a_user_without_a_home_is_told_what_to_do(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.engine.kernel.cache.default_folder", lambda: None)
    assert call("cache") == 2
    assert "name a folder in STEPSCAPE_CACHE" in capsys.readouterr().err
