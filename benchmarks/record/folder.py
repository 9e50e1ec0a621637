"""The results folder: its places, how anything lands there by one rename, and what is finished in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from analysis.record.errors import RecordError
from analysis.record.shard import SHARD, Shard, shard_of_record
from benchmarks.errors import SuiteError, UsageError
from benchmarks.record.environment import environment
from benchmarks.redaction import redacted
from benchmarks.suite.suite import CellPlan, Suite

__all__ = ["RecordFolder", "landing", "remove"]

FILES: Final = ("suite.toml", "environment.json", "failures.json", "mlflow.db", SHARD)
FOLDERS: Final = ("plugins", "cells", "exhibits", "unfinished", "report", "mlartifacts")
HIDDEN: Final = ".{name}.{mark}"  # what lands as ``name`` is written under this name first, marked by the process


@contextmanager
def landing(path: Path) -> Iterator[Path]:
    """Give the hidden name beside ``path`` at which to write a file or a folder, which then takes the name ``path``.

    The rename is one step, and made when the disk has all that was written, so that ``path`` is whole or not there,
    after a power cut too. A file that is there already is replaced;
    a folder stays, for what exists is finished. After an exception nothing is left; what a killed process leaves is
    among `RecordFolder.half_written`.
    """
    working = path.with_name(HIDDEN.format(name=path.name, mark=os.getpid()))
    try:
        yield working
        if not path.is_dir():
            for item in (*working.rglob("*"), working):
                _flush(item)
            working.replace(path)
            _flush(path.parent)
    finally:
        remove(working)


def _flush(path: Path) -> None:
    """Wait until the disk has the file ``path``, or the names in that folder where the system can tell."""
    folder = path.is_dir()
    with suppress(OSError) if folder else nullcontext():  # Windows and some network drives open no folders
        place = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, where there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class RecordFolder:
    """The results folder at ``path``, and the places in it."""

    path: Path

    @property
    def suite_file(self) -> Path:
        """The definition of the suite, which makes a folder a record."""
        return self.path / "suite.toml"

    @property
    def environment_file(self) -> Path:
        """Versions and machine, as JSON."""
        return self.path / "environment.json"

    @property
    def failures_file(self) -> Path:
        """What the last run could not make, as JSON: the error of every cell and exhibit that failed, by name."""
        return self.path / "failures.json"

    @property
    def shard_file(self) -> Path:
        """Which part of the suite is here, as JSON, where it is a shard's folder."""
        return self.path / SHARD

    @property
    def report(self) -> Path:
        """The folder of the report's pages, figures and tables."""
        return self.path / "report"

    @property
    def mlflow_store(self) -> Path:
        """MLflow's database, where the record is mirrored into one of its own."""
        return self.path / "mlflow.db"

    @property
    def unfinished(self) -> Path:
        """The folder for what cells keep, each in a folder of its own, until they land and are mirrored."""
        return self.path / "unfinished"

    @property
    def plugins(self) -> Path:
        """The folder with copies of the suite's plug-in files."""
        return self.path / "plugins"

    def cell(self, name: str) -> Path:
        """The folder of a cell, which exists where the cell is finished."""
        return self.path / "cells" / name

    def exhibit(self, name: str) -> Path:
        """The folder of an exhibit, which exists where the exhibit is finished."""
        return self.path / "exhibits" / name

    def has_cell(self, name: str) -> bool:
        """Whether the cell is finished."""
        return (self.cell(name) / "cell.json").is_file()

    def has_exhibit(self, name: str) -> bool:
        """Whether the exhibit is finished."""
        return (self.exhibit(name) / "exhibit.json").is_file()

    def finished(self, plans: Iterable[CellPlan]) -> set[str]:
        """The names of those cells of ``plans`` that are finished."""
        return {plan.name for plan in plans if self.has_cell(plan.name)}

    def landed(self) -> list[Path]:
        """The files whose times say when each cell and exhibit landed."""
        return [*self.path.glob("cells/*/cell.json"), *self.path.glob("exhibits/*/exhibit.json")]

    def half_written(self) -> Iterator[Path]:
        """What killed processes left behind: the hidden names of `landing` wherever something lands, and the folder in
        which `analysis.pages.report` makes a report.
        """
        anything = HIDDEN.format(name="*", mark="*")
        yield from self.path.glob(".report-*")
        for name in FILES:
            yield from self.path.glob(HIDDEN.format(name=name, mark="*"))
        # plug-ins, cells and exhibits, replays, checkpoints
        for place in ("plugins", "cells", "exhibits", "cells/*", "unfinished", "unfinished/*", "unfinished/*/*"):
            yield from self.path.glob(f"{place}/{anything}")

    def open(
        self,
        suite: Suite,
        shard: Shard | None = None,
        made_by: Mapping[str, Any] | None = None,
        plugins: Mapping[str, bytes] | None = None,
    ) -> None:
        """Make the folder the record of ``suite``, or of a ``shard`` of it, or take up the one that is there.

        ``made_by`` are versions and machines of what was made elsewhere, ``plugins`` the content of its plug-ins by
        name; by default both are those at hand. Raises `UsageError`
        where the folder cannot be written, is not a record of ours, or is that of another suite definition or of
        another part; nothing is changed then.
        """
        kept = self.check(suite, shard)
        with self._writing():
            for part in ("cells", *(["exhibits"] if suite.exhibits else [])):
                (self.path / part).mkdir(parents=True, exist_ok=True)
            if plugins is None:
                plugins = _contents(suite)
            self._keep_plugins(plugins, again=False)
            if made_by is not None or not self.suite_file.is_file():
                said = environment() if made_by is None else made_by
                _write_text(self.environment_file, json.dumps(said, indent=2) + "\n")
            if not self.suite_file.is_file():
                if shard is not None:
                    _write_text(self.shard_file, json.dumps(shard.to_json()) + "\n")
                _write_text(self.suite_file, suite.to_toml())
            elif kept is not None and kept.focus != suite.focus:
                _write_text(self.suite_file, suite.to_toml())  # the report is of another focus
            elif not os.access(self.path / "cells", os.W_OK):
                raise PermissionError(13, "Permission denied", str(self.path))

    def check(self, suite: Suite, shard: Shard | None = None) -> Suite | None:
        """The suite that is there, None where nothing is; raises `UsageError` where that is no record of ``suite``, or
        of another part of it.
        """
        kept = self._kept(suite)
        self._check_part(shard)
        return kept

    def keep_plugins(self, suite: Suite) -> None:
        """Bring the copies of the suite's plug-in files up to date, once what stands is known to be of the same code.

        Raises `UsageError` where the folder cannot be written.
        """
        with self._writing():
            self._keep_plugins(_contents(suite), again=True)

    def keep_failures(self, failures: Mapping[str, str]) -> None:
        """Write down what failed in a run, by name; nothing is left of earlier runs, and no file where all is well."""
        text = json.dumps(failures, indent=2, ensure_ascii=False) + "\n"
        with self._writing():
            if not failures:
                remove(self.failures_file)
            elif not self.failures_file.is_file() or self.failures_file.read_text(encoding="utf-8") != text:
                _write_text(self.failures_file, text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{self.path} cannot be written: {reason}; choose another with --out") from error

    def _keep_plugins(self, plugins: Mapping[str, bytes], *, again: bool) -> None:
        """Copy the plug-ins, their content by name; copies that differ only where they are made ``again``."""
        for name, content in plugins.items():
            copy = self.plugins / name
            if not copy.is_file() or (again and copy.read_bytes() != content):
                self.plugins.mkdir(parents=True, exist_ok=True)
                with landing(copy) as working:
                    working.write_bytes(content)

    def _check_part(self, shard: Shard | None) -> None:
        """Raise `UsageError` where the record that is there is of another part of its suite than ``shard``."""
        try:
            held = shard_of_record(self.path)
        except RecordError as error:
            raise UsageError(str(error)) from error
        if self.suite_file.is_file() and held != shard:
            here = "the record of a whole suite" if held is None else str(held)
            there = "the whole suite" if shard is None else str(shard)
            to_do = "join shards with `stepscape merge OUT DIR…`, or choose another folder with --out"
            raise UsageError(f"{self.path} holds {here}, and not {there}: {to_do}")

    def _kept(self, suite: Suite) -> Suite | None:
        """The suite that is there, None where nothing is; raises `UsageError` where that is no record of ``suite``."""
        folder, stored, kept = self.path, self.suite_file, None
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; choose a folder with --out")
        if stored.is_file():
            try:
                kept = Suite.parse(stored.read_text(encoding="utf-8"), str(stored))
                same = any(each and kept.makes_the_record_of(each) for each in (suite, _as_stored(suite)))
            except SuiteError:
                same = False
            if not same:
                raise UsageError(
                    f"{folder} holds the record of another definition of a suite (see {stored}); "
                    "choose another folder with --out, or remove this one"
                )
        elif folder.is_dir():
            found = {item.name for item in folder.iterdir() if not item.name.startswith(".")}
            if not found <= {*FILES, *FOLDERS}:
                raise UsageError(f"{folder} holds other files and no record; choose an empty or new folder with --out")
        return kept


def _contents(suite: Suite) -> Mapping[str, bytes]:
    """What the suite's plug-in files hold, by the names of their copies: those of one name are numbered."""
    names: list[str] = []
    found: dict[str, bytes] = {}
    for plugin in map(Path, suite.plugins):
        names.append(plugin.stem)
        count = names.count(plugin.stem)
        found[f"{plugin.stem}{f'-{count}' if count > 1 else ''}.py"] = plugin.read_bytes()
    return found


def _as_stored(suite: Suite) -> Suite | None:
    """``suite`` as its file says it, where that hides a password; None where it cannot be read then."""
    try:
        return Suite.parse(redacted(suite.to_toml()), "the suite")
    except SuiteError:
        return None


def _write_text(path: Path, text: str) -> None:
    with landing(path) as working:
        working.write_text(redacted(text), encoding="utf-8")
