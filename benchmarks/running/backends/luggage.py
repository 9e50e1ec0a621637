"""What of the user's own goes with the jobs to workers that see no file of the driver's: code and data."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.errors import UsageError
from benchmarks.naming.call_syntax import import_object
from benchmarks.naming.sent_files import file_called, keep_sent
from benchmarks.running.imports import imports_of
from benchmarks.running.memory import size_text
from benchmarks.running.prepare import load_plugins
from benchmarks.suite.suite import Suite

__all__ = ["Luggage", "code_digests", "files_of", "load_code", "said_by_driver", "unpacked_data", "write_files"]

MOST: Final = 64 * 2**20
"""Bytes of the user's data that are sent with a job: beyond, they should be where the workers are."""


@dataclass(frozen=True)
class Luggage:
    """The Python files that a suite names, by what it calls them; the objects of modules that it names; the plug-in
    files among the first; and the files of the data folder, by their place in it (None where there is no such folder).
    """

    code: Mapping[str, bytes] = field(default_factory=dict)
    objects: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    data: Mapping[str, bytes] | None = None

    @classmethod
    def of(cls, suite: Suite, data: Path | None) -> Luggage:
        """What ``suite`` names, and all of the user's ``data`` folder. Raises `UsageError` where that is too much."""
        objects = tuple(name for name in imports_of(suite) if name not in suite.plugins)
        modules = (name.rpartition(":")[0] for name in objects)
        files = dict.fromkeys([*suite.plugins, *(module for module in modules if module.endswith(".py"))])
        code = {name: Path(name).read_bytes() for name in files if Path(name).is_file()}
        return cls(code, objects, tuple(suite.plugins), None if data is None else _small(data))


def _small(folder: Path) -> dict[str, bytes]:
    """The files of a data folder; raises `UsageError` where they are too much to be sent with every job."""
    size = 0
    for file in folder.rglob("*"):
        size += file.stat().st_size if file.is_file() else 0
        if size > MOST:
            raise UsageError(
                f"{folder} holds more than {size_text(MOST)}, and workers elsewhere are sent the data folder with "
                "every job: give --data a folder of the files alone that the suite needs, or say --backend local"
            )
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file in ``folder``, by its place in it."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def code_digests(objects: Iterable[str]) -> dict[str, str]:
    """Eight hex digits for each module that ``objects`` are imported from, by the module's name; files are sent."""
    modules = {name.rpartition(":")[0] for name in objects}
    files = {module: getattr(import_module(module), "__file__", None) for module in modules if module[-3:] != ".py"}
    return {module: _digest({"": Path(file).read_bytes()})[:8] for module, file in files.items() if file is not None}


def load_code(luggage: Luggage) -> None:
    """Write the Python files and load what the suite names, once in this process.

    Raises `StepscapeError` where something fails, as for a module that is not installed here, and where a file of the
    same name was loaded before that is another now: what is loaded cannot be loaded anew.
    """
    for name, content in luggage.code.items():
        sent = file_called(name)
        if not sent.is_relative_to(_own_folder()):
            sent = _own_folder() / _digest({name: content}) / Path(name).name
            sent.parent.mkdir()
            sent.write_bytes(content)
            keep_sent(name, sent)
        elif sent.read_bytes() != content:
            raise UsageError(f"it loaded another {name} before; start the workers again")
    load_plugins(luggage.plugins)
    for name in luggage.objects:
        import_object(name)


def unpacked_data(luggage: Luggage) -> Path | None:
    """The folder with the data files, written once in this process; None where there are none."""
    if luggage.data is None:
        return None
    folder = _own_folder() / f"data-{_digest(luggage.data)}"
    if not folder.is_dir():
        folder.mkdir()
        write_files(folder, luggage.data)
    return folder


def said_by_driver(text: str, luggage: Luggage) -> str:
    """``text`` with the driver's names of the Python files in place of where they lie here."""
    for name in luggage.code:
        text = text.replace(str(file_called(name)), name)
    return text


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files``, each at its place below ``folder``."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@cache
def _own_folder() -> Path:
    """A folder of this process, which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="stepscape-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _digest(files: Mapping[str, bytes]) -> str:
    """16 hex digits that name the files and what is in them."""
    hasher = hashlib.sha256()
    for name, content in sorted(files.items()):
        hasher.update(f"{name}\n{len(content)}\n".encode())
        hasher.update(content)
    return hasher.hexdigest()[:16]
