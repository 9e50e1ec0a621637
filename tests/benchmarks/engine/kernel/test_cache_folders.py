"""Folders that compiled kernels are kept in: the user's own, or where they are of no use, one of the process's own."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.engine.kernel import cache as module
from benchmarks.engine.kernel.cache import Entry, KernelCache, Usage, default_folder
from benchmarks.engine.kernel.compiler import CompileError

KEY, OTHER = (hashlib.sha256(name).hexdigest() for name in (b"one", b"another"))
FILES = ("constants.bin", "facts.json", "kernel.so")

pytestmark = pytest.mark.usefixtures("nothing_kept_yet")


def library(content: bytes = b"code") -> Callable[[Path], None]:
    """What builds a library of that ``content``."""

    def build(path: Path) -> None:
        path.write_bytes(content)

    return build


def put(cache: KernelCache, key: str = KEY, content: bytes = b"code") -> Entry:
    return cache.put(key, library(content), '{"lanes": 8}', b"numbers")


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def put_elsewhere(cache: KernelCache, why: str) -> Entry:
    """Put an entry, which has to go to the private folder, with one warning that says ``why``."""
    with pytest.warns(RuntimeWarning, match=f"^compiled kernels are not kept: .* cannot be used .*{why}"):
        entry = put(cache)
    other = put(cache, OTHER)  # a second warning would be an error
    assert (cache.get(KEY), cache.get(OTHER)) == (entry, other)
    assert entry.library.parent.parent == other.library.parent.parent
    assert entry.library.parent.parent.name.startswith("stepscape-kernels-")
    assert entry.library.parent.parent.stat().st_mode & 0o777 == 0o700
    return entry


def test_a_folder_that_others_may_write_is_not_used(folder: Path) -> None:
    put(KernelCache(folder))
    folder.chmod(0o770)
    assert KernelCache(folder).get(KEY) is None
    put_elsewhere(KernelCache(folder), "others may write there")
    assert left(folder) == [KEY]  # nothing of it is touched


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(KernelCache(folder))
    own, strangers = os.geteuid(), folder.stat()
    monkeypatch.setattr(Path, "stat", with_owner(folder, own + 1))
    assert KernelCache(folder).get(KEY) is None
    put_elsewhere(KernelCache(folder), "another user's")
    assert strangers.st_uid == own


def with_owner(path: Path, owner: int) -> Callable[..., os.stat_result]:
    """`Path.stat` as it is where ``path`` is somebody else's."""
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        status = real(self, follow_symlinks=follow_symlinks)
        return os.stat_result((*status[:4], owner, *status[5:])) if self == path else status

    return stat


def test_a_folder_that_is_a_file_is_not_used(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("mine")
    put_elsewhere(KernelCache(folder), "File exists")
    assert folder.read_text() == "mine"


def test_a_place_where_no_folder_can_be_made_is_not_used() -> None:
    put_elsewhere(KernelCache(Path("/proc/nowhere/kernels")), "No such file or directory")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_cannot_be_written_is_read_and_not_filled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    third = hashlib.sha256(b"third").hexdigest()
    kept = put(KernelCache(folder), third)
    real = module.tempfile.mkdtemp

    def mkdtemp(*, prefix: str, dir: Path | None = None) -> str:
        if dir == folder:
            raise OSError(number, os.strerror(number), str(dir))
        return real(prefix=prefix, dir=dir)

    def utime(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.tempfile, "mkdtemp", mkdtemp)
    monkeypatch.setattr(os, "utime", utime)
    put_elsewhere(KernelCache(folder), os.strerror(number))
    assert KernelCache(folder).get(third) == kept


@pytest.mark.parametrize("name", FILES)
def test_a_disk_that_fills_up_midway_costs_the_entry_a_second_build(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = module.Path.open

    def open_(self: Path, mode: str = "r", *arguments: object, **named: object) -> object:
        if self.name == name and self.parent.parent == folder and "w" in mode:
            real(self, "wb").close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, mode, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_)
    put_elsewhere(KernelCache(folder), "No space left on device")
    assert left(folder) == []


def test_without_room_anywhere_the_error_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(CompileError, match=r"a kernel can be written nowhere .*make room, or set TMPDIR"):
        put(KernelCache(Path("/proc/nowhere/kernels")))


LEAVING = """
import os, sys, warnings
from pathlib import Path
from benchmarks.engine.kernel.cache import KernelCache
warnings.simplefilter("ignore")
cache = KernelCache(Path("/proc/nowhere/kernels"))
entry = cache.put(sys.argv[1], lambda path: path.write_bytes(b"code") and None, "{}", b"")
child = os.fork()
if child == 0:
    sys.exit(0)  # what is done at exit is inherited
os.waitpid(child, 0)
assert entry.library.is_file()
print(entry.library)
"""


def test_the_private_folder_goes_with_the_process_that_made_it_and_no_other(tmp_path: Path) -> None:
    surroundings = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    ran = subprocess.run(
        [sys.executable, "-c", LEAVING, KEY], capture_output=True, text=True, env=surroundings, check=True
    )
    assert ran.stdout.startswith(str(tmp_path / "temporary"))
    assert left(tmp_path / "temporary") == []


def test_kernels_are_kept_where_downloads_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("STEPSCAPE_CACHE", raising=False)
    assert default_folder() == Path("/users/me/.cache/stepscape/kernels")
    monkeypatch.setenv("XDG_CACHE_HOME", "/users/cache")
    assert default_folder() == Path("/users/cache/stepscape/kernels")
    monkeypatch.setenv("STEPSCAPE_CACHE", "somewhere")
    assert default_folder() == Path("somewhere/kernels")
    assert KernelCache().folder == Path.cwd() / "somewhere" / "kernels"


def test_a_user_without_a_home_has_kernels_for_the_time_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "STEPSCAPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert default_folder() is None
    cache = KernelCache()
    assert (cache.get(KEY), cache.usage(), cache.clear()) == (None, Usage(0, 0), Usage(0, 0))
    put_elsewhere(cache, "this user has no home")
