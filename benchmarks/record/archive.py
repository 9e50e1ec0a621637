"""A record as one small file: packed for others to read, unpacked into the cache where it is asked for by name.

Two runs of `pack` over one record give the same bytes, so that the digest of the file names the record.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.record.tables import DIGESTS, digests_of
from benchmarks.errors import UsageError, nearest
from benchmarks.record.folder import RecordFolder, landing
from problems.download import cache_folder

__all__ = ["ATLAS", "ENDING", "SHIPPED", "atlas", "opened", "pack"]

ENDING: Final = ".tar.xz"
ATLAS: Final = "atlas:"
"""What precedes the name of a record that comes with the suite."""

SHOWN: Final[Mapping[str, Callable[[pa.Table], pa.ChunkedArray]]] = {
    "curves.parquet": lambda table: pc.not_equal(table["setting"], "trial"),
    "runs.parquet": lambda table: pc.or_(
        pc.not_equal(table["setting"], "trial"), pc.equal(table["best_loss"], pc.min(table["best_loss"]))
    ),
    "paths.parquet": lambda table: pc.equal(table["seed"], pc.min(table["seed"])),
}
"""Which rows of the largest tables a report shows: of tuning, that a stated minimum was beaten."""

SHIPPED: Final = Path(__file__).with_name("atlas")


def atlas() -> dict[str, Path]:
    """The archives that come with the suite, by name."""
    return {path.name.removesuffix(ENDING): path for path in sorted(SHIPPED.glob(f"*{ENDING}"))}


def pack(folder: Path, file: Path, *, light: bool = False) -> int:
    """Write what makes the record in ``folder``, without report, stores and checkpoints, to ``file``; its bytes.

    A ``light`` one lacks the runs of tuning trials, but the lowest, and the paths of all test seeds but the first, most
    of a record: how each trial ended is kept, and all that a report shows.

    Raises `UsageError` where ``folder`` holds no record or ``file`` is not called ``….tar.xz``.
    """
    record = RecordFolder(folder)
    if not record.suite_file.is_file():
        raise UsageError(f"{folder} is not a results folder: it has no suite.toml")
    if not file.name.endswith(ENDING):
        raise UsageError(f"an archive is called NAME{ENDING}, not {file.name}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with landing(file) as working, tarfile.open(working, "w:xz", preset=9) as archive:
        for path in sorted(_members(record), key=lambda path: (path.suffix, path.name, path)):  # likes beside likes
            name = str(path.relative_to(folder))
            if light and path.name in (*SHOWN, DIGESTS):
                content = _light_digests(path.parent) if path.name == DIGESTS else _light(path)
                member = _bare(tarfile.TarInfo(name))
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                archive.add(path, name, recursive=False, filter=_bare)
    return file.stat().st_size


def opened(name: str | Path) -> Path:
    """The folder of a record that is called by its folder, by the file of its archive, or as ``atlas:NAME``.

    Archives are unpacked into the cache, once. Raises `UsageError` for an unknown name or a file that is no archive.
    """
    text = str(name)
    if text.startswith(ATLAS):
        known, wanted = atlas(), text.removeprefix(ATLAS)
        if wanted not in known:
            listed = ", ".join(known) or "none"
            raise UsageError(f"no record {wanted!r} comes with the suite: {listed}{nearest(wanted, known)}")
        return _unpacked(known[wanted])
    path = Path(name)
    return _unpacked(path) if text.endswith(ENDING) and path.is_file() else path


def _members(record: RecordFolder) -> Iterator[Path]:
    told = (record.suite_file, record.environment_file, record.failures_file, record.shard_file)
    yield from (path for path in told if path.is_file())
    for place in ("plugins", "cells", "exhibits"):
        for path in (record.path / place).rglob("*"):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(record.path).parts):
                yield path


def _light(file: Path) -> bytes:
    """What a report shows of a table of `SHOWN`, as a parquet file."""
    table, light = pq.read_table(file), io.BytesIO()
    pq.write_table(table.filter(SHOWN[file.name](table)), light, compression="none")  # xz does it, over all
    return light.getvalue()


def _light_digests(cell: Path) -> bytes:
    """The digests of a cell's tables, with those of its `_light` ones."""
    light = {name: hashlib.sha256(_light(cell / name)).hexdigest() for name in SHOWN if (cell / name).is_file()}
    noted = digests_of(cell)
    return json.dumps({name: light.get(name, digest) for name, digest in noted.items()}).encode()


def _bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The member without what differs from one machine to another."""
    member.mtime, member.mode = 0, 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _unpacked(archive: Path) -> Path:
    """The folder of the cache that holds what is in ``archive``."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = cache_folder() / "records" / f"{archive.name.removesuffix(ENDING)}-{digest[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with landing(folder) as working, tarfile.open(archive) as packed:
                packed.extractall(working, filter="data")
                if not (working / "suite.toml").is_file():
                    raise UsageError(f"{archive} holds no record: it has no suite.toml")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise UsageError(f"{archive} cannot be unpacked: {error}") from error
    return folder
