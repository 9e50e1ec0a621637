"""A record and its own MLflow store in little room: what both hold is kept once on the disk."""

from __future__ import annotations

import filecmp
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from benchmarks.mlflow_mirror.store import ARTIFACTS
from benchmarks.record.folder import RecordFolder, landing

__all__ = ["share_files"]


def share_files(folder: Path) -> None:
    """Make every artifact that equals a file of the record at ``folder`` a link to it, and equal surfaces one file.

    All of these are written once and replaced by a rename, never changed in place, so that what one of two names does
    not see is that the other has gone. Where the disk has no links, nothing changes. The database gives back what it
    does not need, where nobody else has it open.
    """
    record = RecordFolder(folder)
    if record.mlflow_store.is_file():
        with suppress(sqlite3.Error), closing(sqlite3.connect(record.mlflow_store, timeout=1)) as database:
            database.execute("VACUUM")
    surfaces = sorted(folder.glob("cells/*/surface.parquet"))  # every optimizer's cell holds that of its problem
    sizes: dict[int, Path] = {}
    for surface in surfaces:
        _share(sizes.setdefault(surface.stat().st_size, surface), surface)
    for artifacts in folder.glob(f"{ARTIFACTS}/*/artifacts"):
        for original, copy in _pairs(record, artifacts):
            _share(original, copy)


def _pairs(record: RecordFolder, artifacts: Path) -> Iterator[tuple[Path, Path]]:
    """Each artifact of one run with the file of the record that it may be a copy of."""
    for copy in artifacts.glob("report/**/*"):
        yield record.report / copy.relative_to(artifacts / "report"), copy
    with suppress(OSError, ValueError, KeyError):  # a run without a cell, or with what is none
        cell = record.cell(json.loads((artifacts / "record" / "cell.json").read_text(encoding="utf-8"))["cell"])
        for copy in (artifacts / "record").iterdir():
            yield (cell if (cell / copy.name).is_file() else record.path) / copy.name, copy


def _share(original: Path, copy: Path) -> None:
    """Replace ``copy`` by a link to ``original`` where both are files of the same content."""
    with suppress(OSError):
        alike = original.is_file() and copy.is_file() and not original.samefile(copy)
        if alike and filecmp.cmp(original, copy, shallow=False):
            with landing(copy) as working:
                os.link(original, working)
