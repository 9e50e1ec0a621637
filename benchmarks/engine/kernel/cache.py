"""Compiled kernels on disk, so that a second run neither traces nor compiles.

A kernel is an entry, a folder named by its key that holds the library, the facts its maker wants back, and the arrays
it works with. Entries land by one rename and are whole or not there. A library is code that will run: before its path
is given to anybody, its folder and every file must be the user's own, writable by nobody else, and of the digests that
the entry says; anything else is thrown away, and the kernel is made again.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.engine.kernel.compiler import CompileError

__all__ = ["LIMIT", "Entry", "KernelCache", "Usage", "default_folder"]

LIMIT: Final = 512 * 2**20
"""Bytes that all entries may take together."""

LIBRARY, FACTS, CONSTANTS = "kernel.so", "facts.json", "constants.bin"
KEY: Final = re.compile(r"[0-9a-f]{64}")
HIDDEN: Final = ".entry-"  # how the names of entries begin that are being made or removed
ABANDONED: Final = 3600  # seconds after which what has such a name is a killed process's
TRIES: Final = 5
OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


T = TypeVar("T")


class _DamagedError(Exception):
    """An entry that is there and not to be used."""


class _UnsafeError(OSError):
    """A folder that others may have written."""


@dataclass(frozen=True)
class Entry:
    """A kernel on disk, checked: its ``library``, what its maker wrote down of it, and its ``constants``."""

    library: Path
    facts: str
    constants: Path


@dataclass(frozen=True)
class Usage:
    """How many entries a cache holds, and their ``size`` in bytes."""

    entries: int
    size: int


def default_folder() -> Path | None:
    """``kernels`` in the folder where downloads are kept too; None where the user has no home."""
    from problems.download import cache_folder

    try:
        return cache_folder() / "kernels"
    except RuntimeError:  # no HOME, and nobody of the user's number
        return None


class KernelCache:
    """The kernels kept in ``folder``, of at most ``limit_bytes`` together, for the processes of one user.

    Where the folder cannot be used, kernels go to a private one, which is removed when the process ends.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT) -> None:
        found = folder or default_folder()
        self.folder = None if found is None else found.absolute()
        self.limit_bytes = limit_bytes

    def get(self, key: str) -> Entry | None:
        """The entry of ``key``, a SHA-256 in hexadecimal; None where there is none, or none that may be used."""
        _check_key(key)
        if self.folder is not None:
            with suppress(OSError):
                _check_own(self.folder.stat())
                if (entry := _checked(self.folder / key)) is not None:
                    return entry
        private = _PRIVATE.get(os.getpid())
        return None if private is None else _checked(private / key)

    def put(self, key: str, build: Callable[[Path], None], facts: str, constants: bytes) -> Entry:
        """The entry of ``key``, made of ``facts``, ``constants`` and the library that ``build`` writes.

        ``build`` is given the path, and may be called a second time where the disk is full. Of two processes that make
        one entry at once, both get that of the first. Then the entries that were not used for longest are removed,
        until those left are within the limit; one that this process was given stays. What ``build`` raises goes
        through, but ``OSError`` from the cache's own folder: one ``RuntimeWarning`` a process says that it is not used.
        Raises `CompileError` where nothing can be written anywhere.
        """
        _check_key(key)
        try:
            folder = self._made_folder()
            entry = _made(folder / key, build, facts, constants)
        except OSError as error:
            try:
                return _made(_private_folder(self.folder, error) / key, build, facts, constants)
            except OSError as again:
                raise CompileError(
                    f"a kernel can be written nowhere ({again}); make room, or set TMPDIR to a folder that has some"
                ) from again
        _trim(folder, self.limit_bytes)
        return entry

    def usage(self) -> Usage:
        """What the folder holds now."""
        sizes = [_size(entry) for entry in _entries(self.folder)]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> Usage:
        """Remove every entry, and say what is gone."""
        removed = [size for entry in _entries(self.folder) for size in [_size(entry)] if _remove(entry)]
        for rest in _hidden(self.folder):
            _delete(rest)
        return Usage(len(removed), sum(removed))

    def _made_folder(self) -> Path:
        """The folder, made where it is not there. Raises ``OSError`` where it cannot be used."""
        if self.folder is None:
            raise FileNotFoundError(errno.ENOENT, "this user has no home")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_own(self.folder.stat())
        return self.folder


def _check_key(key: str) -> None:
    if KEY.fullmatch(key) is None:
        raise ValueError(f"a key is a SHA-256 in hexadecimal, got {key!r}")


_PRIVATE: Final[dict[int, Path]] = {}
"""The private folder of each process that has one: after a fork there are two."""

_USED: Final[set[Path]] = set()
"""The entries that this process was given, and may have loaded."""


def _private_folder(instead_of: Path | None, why: OSError) -> Path:
    """This process's own folder for kernels; where it is made, the user is told ``why``."""
    process = os.getpid()
    if process not in _PRIVATE:
        folder = _PRIVATE[process] = Path(tempfile.mkdtemp(prefix="stepscape-kernels-"))
        atexit.register(_leave, process, folder)
        warnings.warn(
            f"compiled kernels are not kept: {instead_of or 'their folder'} cannot be used ({why.strerror or why}); "
            "name another folder in STEPSCAPE_CACHE",
            RuntimeWarning,
            stacklevel=3,
        )
    return _PRIVATE[process]


def _leave(process: int, folder: Path) -> None:
    if process == os.getpid():  # and no child of it, which inherits what is done at exit
        shutil.rmtree(folder, ignore_errors=True)


def _check_own(status: os.stat_result) -> None:
    """Raise where somebody else owns what has this ``status``, or may write it."""
    if status.st_uid != os.geteuid():
        raise _UnsafeError(errno.EPERM, "it is another user's")
    if status.st_mode & OTHERS:
        raise _UnsafeError(errno.EPERM, "others may write there")


def _checked(place: Path) -> Entry | None:
    """The entry at ``place``; None where there is none, or it was not as it should be and is gone now."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return None
    try:
        entry = _read(place, status)
    except (_DamagedError, _UnsafeError, FileNotFoundError):
        with suppress(OSError):
            if place.lstat().st_ino == status.st_ino:  # and not the one that another process has made since
                _remove(place)
        return None
    _USED.add(place)
    with suppress(OSError):
        os.utime(place)  # the order of the last use
    return entry


def _read(place: Path, status: os.stat_result) -> Entry:
    """The entry at ``place``, whose ``status`` is known.

    Raises ``FileNotFoundError``, `_DamagedError` or `_UnsafeError` where it is not whole or not safe, and another
    ``OSError`` where it cannot be read now.
    """
    if not stat.S_ISDIR(status.st_mode):  # a link is not followed
        raise _DamagedError
    _check_own(status)
    try:
        told = json.loads(_content(place / FACTS, lambda file: file.read()))
        facts, digests = str(told["facts"]), dict(told["sha256"])
        found = {FACTS: hashlib.sha256(facts.encode()).hexdigest()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _DamagedError from error
    if digests != {**found, **{name: _content(place / name, _digest_of) for name in (LIBRARY, CONSTANTS)}}:
        raise _DamagedError
    return Entry(place / LIBRARY, facts, place / CONSTANTS)


def _content(path: Path, reader: Callable[[BufferedReader], T]) -> T:
    """What ``reader`` makes of a file, once it is known to be one and the user's own. A link is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _DamagedError from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _DamagedError
        _check_own(status)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return reader(file)
    finally:
        os.close(descriptor)


def _digest_of(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _made(place: Path, build: Callable[[Path], None], facts: str, constants: bytes) -> Entry:
    """The new entry at ``place``, or the good one that another process has landed there meanwhile."""
    working = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=place.parent))
    try:
        (working / CONSTANTS).write_bytes(constants)
        build(working / LIBRARY)
        if not (working / LIBRARY).is_file():
            raise RuntimeError(f"{build} wrote no library")
        with (working / LIBRARY).open("rb") as library:
            digests = {LIBRARY: _digest_of(library), CONSTANTS: hashlib.sha256(constants).hexdigest()}
        digests[FACTS] = hashlib.sha256(facts.encode()).hexdigest()
        (working / FACTS).write_text(json.dumps({"facts": facts, "sha256": digests}), encoding="utf-8")
        for name in (LIBRARY, FACTS, CONSTANTS):
            (working / name).chmod(0o600)  # whatever the umask is
        return _landed(working, place, facts)
    finally:
        _delete(working)


def _landed(working: Path, place: Path, facts: str) -> Entry:
    """The entry that is at ``place`` after ``working`` was to take its name: this one, or a good one already there."""
    for _ in range(TRIES):
        try:
            working.rename(place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if (entry := _checked(place)) is not None:
                return entry
        else:
            _USED.add(place)
            return Entry(place / LIBRARY, facts, place / CONSTANTS)
    raise FileExistsError(errno.EEXIST, "what is there can be neither used nor removed", str(place))


def _trim(folder: Path, limit_bytes: int) -> None:
    """Remove the entries that were not used for longest until the others are within the limit, and what was abandoned.

    What another process has loaded goes on working: a file that is gone stays where it is mapped.
    """
    for rest in _hidden(folder):
        with suppress(OSError):
            if time.time() - rest.lstat().st_mtime > ABANDONED:
                _delete(rest)
    kept = sorted((_last_use(entry), _size(entry), entry) for entry in _entries(folder))
    too_much = sum(size for _, size, _ in kept) - limit_bytes
    for _, size, entry in kept:
        if too_much > 0 and entry not in _USED and _remove(entry):
            too_much -= size


def _entries(folder: Path | None) -> list[Path]:
    """What has an entry's name."""
    return [place for place in _inside(folder) if KEY.fullmatch(place.name)]


def _hidden(folder: Path | None) -> list[Path]:
    """What is being made or removed, or was when its process was killed."""
    return [place for place in _inside(folder) if place.name.startswith(HIDDEN)]


def _inside(folder: Path | None) -> list[Path]:
    try:
        return [] if folder is None else list(folder.iterdir())
    except OSError:
        return []


def _last_use(entry: Path) -> float:
    try:
        return entry.lstat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def _size(entry: Path) -> int:
    """The bytes of all files of an entry."""
    size = 0
    with suppress(OSError):
        for file in () if entry.is_symlink() else entry.iterdir():
            size += file.lstat().st_size
    return size


def _remove(entry: Path) -> bool:
    """Remove an entry, in one step for everybody else; whether this process did."""
    hidden = entry.with_name(f"{HIDDEN}{os.getpid()}-{time.monotonic_ns()}")
    try:
        entry.rename(hidden)
    except OSError:
        return False
    _delete(hidden)
    return True


def _delete(place: Path) -> None:
    """Remove a folder with all that is in it, a file, or a link and not what it leads to, where there is one."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink(missing_ok=True)
