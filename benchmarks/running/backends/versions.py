"""Versions that decide numbers: a worker whose versions differ from the driver's makes another record."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.record.environment import version_of

__all__ = ["Versions", "versions"]

ROOT: Final = Path(__file__).resolve().parents[3]
OURS: Final = ("analysis", "benchmarks", "optimizers", "problems")


@dataclass(frozen=True)
class Versions:
    """Python's version without its last part, those of packages without their build, and a digest of our own code."""

    python: str
    stepscape: str
    code: str
    torch: str
    numpy: str
    optuna: str

    def apart(self, other: Versions) -> str:
        """What differs of ``other``, as ``torch 2.12.0 and not 2.13.0``; empty where nothing does."""
        pairs = ((each.name, getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        words = {"code": "stepscape's code"}
        return ", ".join(f"{words.get(name, name)} {its} and not {own}" for name, own, its in pairs if own != its)


@cache
def versions() -> Versions:
    """Those of this process, as it was when it was first asked: what is loaded does not change with its files."""
    python = ".".join(platform.python_version_tuple()[:2])
    names = ("torch", "numpy", "optuna")
    packages = {name: (version_of(name) or "missing").partition("+")[0] for name in names}
    return Versions(python, version_of("stepscape") or "not installed", _code(), **packages)


def _code() -> str:
    """Eight hex digits that name all our source files, wherever they lie."""
    hasher = hashlib.sha256()
    for folder in OURS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            hasher.update(f"{file.relative_to(ROOT).as_posix()}\n".encode())
            hasher.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return hasher.hexdigest()[:8]
