"""Compiled kernels on disk: whole or not there, the user's own, within their limit, never in the way of training."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine.kernel import cache as module
from benchmarks.engine.kernel.cache import Entry, KernelCache, Usage
from benchmarks.engine.kernel.compiler import CompileError, find_compiler, why_no_compiler

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


def aged(folder: Path, key: str, seconds: float) -> None:
    """Make the last use of an entry that long ago."""
    os.utime(folder / key, (time.time() - seconds,) * 2)


def test_what_was_put_is_found_again_by_another_process(folder: Path) -> None:
    assert KernelCache(folder).get(KEY) is None
    landed = put(KernelCache(folder))
    found = KernelCache(folder).get(KEY)
    assert found == landed
    assert found is not None
    assert (found.library.read_bytes(), found.facts, found.constants.read_bytes()) == (
        b"code", '{"lanes": 8}', b"numbers",
    )  # fmt: skip
    assert left(folder) == [KEY]
    assert left(folder / KEY) == [*FILES]
    assert KernelCache(folder).get(OTHER) is None


def test_a_kernel_that_was_compiled_is_loaded_from_where_it_is_kept(folder: Path) -> None:
    compiler = find_compiler()
    if compiler is None:
        pytest.skip(why_no_compiler() or "")
    source = "int twice(int x) { return 2 * x; }"
    KernelCache(folder).put(KEY, lambda path: compiler.build(source, path), "{}", b"")
    found = KernelCache(folder).get(KEY)
    assert found is not None
    assert ctypes.CDLL(str(found.library)).twice(21) == 42


def test_nobody_else_may_write_what_is_kept_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        put(KernelCache(folder))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, folder / KEY, *(folder / KEY).iterdir())}
    assert modes == {"kernels": 0o700, KEY: 0o700, **dict.fromkeys(FILES, 0o600)}
    assert KernelCache(folder).get(KEY) is not None


def test_a_key_is_never_a_path(folder: Path) -> None:
    for key in ("../" + KEY, "", KEY.upper(), KEY + "\n"):
        with pytest.raises(ValueError, match="SHA-256"):
            KernelCache(folder).get(key)
        with pytest.raises(ValueError, match="SHA-256"):
            put(KernelCache(folder), key)


def test_a_look_makes_no_folder(folder: Path) -> None:
    assert KernelCache(folder).get(KEY) is None
    assert KernelCache(folder).usage() == Usage(0, 0)
    assert KernelCache(folder).clear() == Usage(0, 0)
    assert not folder.parent.exists()


@pytest.mark.parametrize("facts", ['{"name": "Größe", "γ": [0.9, NaN]}', "", 'a\\"b\n'])
def test_facts_come_back_as_they_went(folder: Path, facts: str) -> None:
    KernelCache(folder).put(KEY, library(), facts, b"")
    found = KernelCache(folder).get(KEY)
    assert found is not None
    assert found.facts == facts


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_facts(text: str) -> Callable[[Path], None]:
    def write(place: Path) -> None:
        (place / "facts.json").write_text(text, encoding="utf-8")

    return write


def as_link(name: str) -> Callable[[Path], None]:
    """Move a file elsewhere and leave a link to it."""

    def link(place: Path) -> None:
        moved = place.parent.parent / "moved"
        (place / name).rename(moved)
        (place / name).symlink_to(moved)

    return link


def entry_as_link(place: Path) -> None:
    moved = place.parent.parent / "moved"
    place.rename(moved)
    place.symlink_to(moved, target_is_directory=True)


def entry_as_file(place: Path) -> None:
    shutil.rmtree(place)
    place.write_bytes(b"")


def as_pipe(place: Path) -> None:
    (place / "kernel.so").unlink()
    os.mkfifo(place / "kernel.so")


def as_folder(place: Path) -> None:
    (place / "kernel.so").unlink()
    (place / "kernel.so").mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "another library": lambda place: flip(place / "kernel.so"),
    "other constants": lambda place: flip(place / "constants.bin"),
    "a library cut short": lambda place: (place / "kernel.so").write_bytes(b"co"),
    "no library": lambda place: (place / "kernel.so").unlink(),
    "no facts": lambda place: (place / "facts.json").unlink(),
    "no constants": lambda place: (place / "constants.bin").unlink(),
    "facts cut short": lambda place: os.truncate(place / "facts.json", 20),
    "empty facts": replace_facts(""),
    "facts of another kind": replace_facts("[1, 2]"),
    "facts without digests": replace_facts('{"facts": "{}"}'),
    "digests of another kind": replace_facts('{"facts": "{}", "sha256": 1}'),
    "facts that no text can be": replace_facts('{"facts": "\\ud800", "sha256": {}}'),
    "facts that are too deep": replace_facts("[" * 100_000),
    "facts that were changed": lambda place: replace_facts(
        (place / "facts.json").read_text(encoding="utf-8").replace("8}", "9}")
    )(place),
    "a library that is a link": as_link("kernel.so"),
    "facts that are a link": as_link("facts.json"),
    "an entry that is a link": entry_as_link,
    "an entry that is a file": entry_as_file,
    "a library that is a pipe": as_pipe,
    "a library that is a folder": as_folder,
    "a library that others may write": lambda place: (place / "kernel.so").chmod(0o620),
    "facts that others may write": lambda place: (place / "facts.json").chmod(0o602),
    "an entry that others may write": lambda place: place.chmod(0o770),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_thrown_away_and_made_again(folder: Path, damage: Callable[[Path], None]) -> None:
    put(KernelCache(folder))
    damage(folder / KEY)
    assert KernelCache(folder).get(KEY) is None
    assert left(folder) == []
    assert put(KernelCache(folder)) == KernelCache(folder).get(KEY)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_when_an_entry_lands_gives_way(folder: Path, damage: Callable[[Path], None]) -> None:
    put(KernelCache(folder))
    damage(folder / KEY)
    put(KernelCache(folder), content=b"new code")
    found = KernelCache(folder).get(KEY)
    assert found is not None
    assert found.library.read_bytes() == b"new code"
    assert left(folder) == [KEY]


def test_what_a_link_leads_to_is_left_alone(folder: Path) -> None:
    put(KernelCache(folder))
    entry_as_link(folder / KEY)
    assert KernelCache(folder).get(KEY) is None
    assert left(folder.parent / "moved") == [*FILES]


def test_an_entry_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(KernelCache(folder))
    own = os.geteuid()
    asked = iter([own, own + 1])  # of the folder, of the entry
    monkeypatch.setattr(os, "geteuid", lambda: next(asked, own + 1))
    assert KernelCache(folder).get(KEY) is None


def test_of_two_processes_that_make_one_entry_both_get_that_of_the_first(folder: Path) -> None:
    def build(path: Path) -> None:
        put(KernelCache(folder), content=b"first")
        path.write_bytes(b"second")

    got = KernelCache(folder).put(KEY, build, "{}", b"")
    assert got.library.read_bytes() == b"first"
    assert got.facts == '{"lanes": 8}'
    assert left(folder) == [KEY]


TWO = """
import hashlib, sys, time
from pathlib import Path
from benchmarks.engine.kernel.cache import KernelCache
cache, mark = KernelCache(Path(sys.argv[1]), limit_bytes=2500), sys.argv[2]
for i in range(40):
    key = hashlib.sha256(bytes([i % 8])).hexdigest()
    entry = cache.get(key)
    if entry is None:
        content = f"{mark} {i} ".encode() * 50
        entry = cache.put(key, lambda path: path.write_bytes(content) and None, content.decode(), content)
    try:
        assert entry.library.read_bytes() == entry.constants.read_bytes() == entry.facts.encode()
    except FileNotFoundError:  # the other one needed the room; who reads an entry makes it anew then
        continue
"""


def test_two_processes_at_once_end_with_good_entries_and_leave_nothing_else(folder: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", TWO, str(folder), mark], stderr=subprocess.PIPE, text=True)
        for mark in "ab"
    ]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert (said, [process.returncode for process in processes]) == (["", ""], [0, 0])
    keys = {hashlib.sha256(bytes([i])).hexdigest() for i in range(8)}
    assert left(folder) == sorted(keys)
    assert all(KernelCache(folder).get(key) for key in keys)


def test_a_build_that_fails_leaves_nothing(folder: Path) -> None:
    def build(path: Path) -> None:
        path.write_bytes(b"half")
        raise CompileError("no such function")

    with pytest.raises(CompileError, match="no such function"):
        KernelCache(folder).put(KEY, build, "{}", b"")
    assert left(folder) == []
    with pytest.raises(RuntimeError, match="wrote no library"):
        KernelCache(folder).put(KEY, lambda path: None, "{}", b"")
    assert left(folder) == []


def test_the_entries_not_used_for_longest_make_room(folder: Path) -> None:
    keys = [hashlib.sha256(bytes([i])).hexdigest() for i in range(5)]
    for age, key in enumerate(keys):
        KernelCache(folder).put(key, library(bytes(1000)), "{}", b"")
        aged(folder, key, 1000 - age)
    module._USED.clear()
    assert KernelCache(folder).get(keys[0])  # used now
    module._USED.clear()
    size = KernelCache(folder).usage().size // 5
    KernelCache(folder, limit_bytes=3 * size).put(KEY, library(bytes(1000)), "{}", b"")
    assert set(left(folder)) == {keys[0], keys[4], KEY}


def test_what_this_process_uses_stays_however_small_the_limit(folder: Path) -> None:
    put(KernelCache(folder))
    module._USED.clear()
    assert KernelCache(folder).get(KEY)
    aged(folder, KEY, 10**6)
    put(KernelCache(folder, limit_bytes=1), OTHER)
    assert set(left(folder)) == {KEY, OTHER}


def test_what_is_not_ours_is_neither_counted_nor_removed(folder: Path) -> None:
    put(KernelCache(folder))
    (folder / "thesis.txt").write_text("mine")
    (folder / "photographs").mkdir()
    put(KernelCache(folder, limit_bytes=1), OTHER)
    assert KernelCache(folder).clear().entries == 2
    assert left(folder) == ["photographs", "thesis.txt"]


def test_what_a_killed_process_left_is_removed_when_it_is_old(folder: Path) -> None:
    put(KernelCache(folder))
    for name, age in ((".entry-old", 7200), (".entry-new", 60)):
        (folder / name).mkdir()
        (folder / name / "kernel.so").write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    put(KernelCache(folder), OTHER)
    assert set(left(folder)) == {KEY, OTHER, ".entry-new"}
    KernelCache(folder).clear()
    assert left(folder) == []


def test_a_library_that_is_loaded_goes_on_working_when_its_entry_is_removed(folder: Path) -> None:
    compiler = find_compiler()
    if compiler is None:
        pytest.skip(why_no_compiler() or "")
    source = "int thrice(int x) { return 3 * x; }"
    entry = KernelCache(folder).put(KEY, lambda path: compiler.build(source, path), "{}", b"")
    loaded = ctypes.CDLL(str(entry.library))
    KernelCache(folder).clear()
    assert not entry.library.exists()
    assert loaded.thrice(5) == 15


def test_entries_of_another_compiler_have_another_key() -> None:
    compiler = find_compiler()
    if compiler is None:
        pytest.skip(why_no_compiler() or "")
    slower = replace(compiler, vector_bytes=16, flags=compiler.flags[:-1])
    keys = {hashlib.sha256(each.identity.encode()).hexdigest() for each in (compiler, slower)}
    assert len(keys) == 2


def test_what_is_written_down_can_be_checked_by_hand(folder: Path) -> None:
    entry = put(KernelCache(folder))
    told = json.loads((folder / KEY / "facts.json").read_text(encoding="utf-8"))
    assert told["sha256"]["kernel.so"] == hashlib.sha256(entry.library.read_bytes()).hexdigest()
    assert told["facts"] == '{"lanes": 8}'
