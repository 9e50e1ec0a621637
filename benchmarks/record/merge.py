"""Records of one suite joined into one: the shards of several machines, of equal progress or not.

Everything is checked before anything is written, the records that are joined are only read, and what lands does so as
in a run, by one rename. What is joined is the record that one run would have made, times apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from analysis.record.cells import Cell
from analysis.record.errors import OtherSchemaError, RecordError
from analysis.record.exhibits import Exhibit
from analysis.record.failures import failures_of
from analysis.record.shard import Shard, shard_of_record
from analysis.record.tables import DIGESTS, read_json
from benchmarks.errors import SuiteError, UsageError
from benchmarks.record.damage import damaged
from benchmarks.record.folder import RecordFolder, landing, remove
from benchmarks.record.lock import alone
from benchmarks.suite.suite import CellPlan, Suite

__all__ = ["Merged", "merge"]

MATTERS: Final = ("stepscape", "torch", "numpy", "scipy", "scikit-learn", "optuna", "cmaes")
"""Packages whose version decides what is sampled, computed or read: results of two versions are not one record's.

Others (pandas, MLflow, Python itself) write and show what these make; processors and devices round otherwise, which
every cell says for itself.
"""

COMMIT: Final = "git_commit"
"""The key of ``environment.json`` that names the commit; None where stepscape was no checkout."""

MEASURED: Final = frozenset({"seconds", "cost"})
"""Keys of ``cell.json`` and ``exhibit.json`` whose values are times, which differ where everything else is equal."""

LATER: Final = frozenset({"replays.parquet", DIGESTS})
"""Files that equal cells need not share: what was replayed afterwards, and the digests of tables."""


@dataclass(frozen=True)
class Merged:
    """What came of joining: the ``folder``, how many cells and exhibits landed ``now``, and the names of those
    ``missing`` still of ``total``; ``failed`` of them with what was said, and ``notes`` for the user.
    """

    folder: Path
    now: int
    total: int
    missing: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def to_run(self) -> list[str]:
        """The names of those missing that did not fail: nobody has run them to their end."""
        return [name for name in self.missing if name not in self.failed]


@dataclass(frozen=True)
class _Source:
    """A record to join: its suite, what made it, and its finished cells and exhibits by their places in its folder."""

    record: RecordFolder
    suite: Suite
    environment: Mapping[str, Any]
    shard: Shard | None
    finished: Mapping[str, Cell | Exhibit[Any]]
    notes: Sequence[str]

    @property
    def path(self) -> Path:
        return self.record.path


def merge(out: str | Path, folders: Iterable[str | Path]) -> Merged:
    """Join the records ``folders`` of one suite into ``out``, a new folder or one that they, or some, were joined into.

    Cells that several have must be equal, times apart. What failed in one and is finished in another is no failure;
    checkpoints are kept of what is finished nowhere. Raises `UsageError`, before anything is written, for a folder that
    is no record, for another definition of the suite, other versions of the code or of what it computes with, other
    instances of a problem, other code of an optimizer or of a plug-in, and for cells of one name that differ.
    """
    record = RecordFolder(Path(out))
    given = [RecordFolder(Path(folder)) for folder in folders]
    if any(each.path.resolve() == record.path.resolve() for each in given):
        raise UsageError(f"{out} is among the records to join: name a new folder for what is joined")
    if not given:
        raise UsageError("there is nothing to join: name the results folders after the one they are joined into")
    sources = [_read(each) for each in given]
    if record.suite_file.is_file():
        if (held := _shard(record)) is not None:
            raise UsageError(f"{out} holds {held}: name a new folder for what is joined")
        sources.insert(0, _read(record))
    first = sources[0]
    for source in sources[1:]:
        _check_same_making(first, source)
    _check_same_code(sources)
    record.open(first.suite, made_by=_environment(sources), plugins=_plugins(sources))
    with alone(record):
        now = _land(record, sources)
        _keep_checkpoints(record, sources)
        failed = {
            name: said
            for source in sources
            for name, said in failures_of(source.path).items()
            if not (record.has_cell(name) or record.has_exhibit(name.removeprefix("exhibit ")))
        }
        record.keep_failures(failed)
    names = [plan.name for plan in first.suite.cells()]
    missing = [name for name in names if not record.has_cell(name)]
    missing += [f"exhibit {name}" for name in first.suite.exhibits if not record.has_exhibit(name)]
    notes = [note for source in sources for note in source.notes] + [*_unknown(sources), *_absent(sources)]
    return Merged(record.path, now, len(names) + len(first.suite.exhibits), missing, failed, notes)


def _shard(record: RecordFolder) -> Shard | None:
    try:
        return shard_of_record(record.path)
    except RecordError as error:
        raise UsageError(str(error)) from error


def _read(record: RecordFolder) -> _Source:
    """What a record holds; raises `UsageError` where it is none, or of another version. Damaged parts are left out."""
    if not record.suite_file.is_file():
        raise UsageError(f"{record.path} is not a results folder: it has no suite.toml")
    try:
        suite = Suite.parse(record.suite_file.read_text(encoding="utf-8"), str(record.suite_file))
        made_by = read_json(record.environment_file)
        broken = dict(damaged(record))
        finished: dict[str, Cell | Exhibit[Any]] = {}
        known = {plan.name for plan in suite.cells()}
        for file in sorted(record.landed()):
            folder = file.parent
            place = f"{folder.parent.name}/{folder.name}"
            if folder.name.startswith(".") or folder in broken:
                continue
            if folder.name not in (known if folder.parent.name == "cells" else suite.exhibits):
                raise UsageError(f"{folder} is no part of the suite {suite.name}; delete it, or move it elsewhere")
            finished[place] = Cell.load(folder) if folder.parent.name == "cells" else Exhibit.load(folder)
    except (SuiteError, RecordError, OSError) as error:
        if isinstance(error, OtherSchemaError):
            raise
        raise UsageError(f"{record.path} cannot be joined: {error}") from error
    if not isinstance(made_by, dict):
        raise UsageError(f"{record.path} cannot be joined: environment.json should hold an object")
    notes = [f"{folder} is damaged ({fault}) and is left out" for folder, fault in broken.items()]
    return _Source(record, suite, made_by, _shard(record), finished, notes)


def _check_same_making(first: _Source, other: _Source) -> None:
    """Raise `UsageError` where two records are of other definitions of a suite, or were made by other code."""
    if not first.suite.makes_the_record_of(other.suite):
        keys = [key for key in Suite.model_fields if getattr(first.suite, key) != getattr(other.suite, key)]
        raise UsageError(
            f"{first.path} and {other.path} hold other definitions of a suite ({', '.join(keys)}; see their "
            "suite.toml): only records of one definition can be joined"
        )
    one, two = _versions(first.environment), _versions(other.environment)
    parts = [f"{name} {one[name]} and {two[name]}" for name in one if name in two and one[name] != two[name]]
    if parts:
        raise UsageError(
            f"{first.path} and {other.path} were made by other versions: {', '.join(parts)}; results of different "
            "versions are never mixed: run one of them again with the versions of the other"
        )


def _versions(environment: Mapping[str, Any]) -> Mapping[str, str]:
    """What decides results, by name, as far as it is known; of a torch built for some device its version alone."""
    packages = environment.get("packages")
    found = dict(packages) if isinstance(packages, dict) else {}
    found |= {"commit": environment.get(COMMIT)}
    return {name: str(found[name]).partition("+")[0] for name in ("commit", *MATTERS) if found.get(name) is not None}


def _unknown(sources: Sequence[_Source]) -> Iterator[str]:
    """Which records do not know their commit where others do: a copy that is no checkout. Fingerprints tell those."""
    if any(source.environment.get(COMMIT) is not None for source in sources):
        for source in sources:
            if source.environment.get(COMMIT) is None:
                yield f"{source.path} does not say of which commit it is; its optimizers and problems are of equal code"


def _check_same_code(sources: Sequence[_Source]) -> None:
    """Raise `UsageError` where two records have other instances of a problem, other code of an optimizer, or results of
    one name that differ.
    """
    plans = {plan.name: plan for plan in sources[0].suite.cells()}
    prints: dict[str, tuple[str, Path]] = {}
    seen: dict[str, Cell | Exhibit[Any]] = {}
    for source in sources:
        for place, part in source.finished.items():
            for what, fingerprint in _prints(part, plans):
                known, where = prints.setdefault(what, (fingerprint, source.path))
                if known != fingerprint:
                    raise UsageError(
                        f"{where} and {source.path} hold other code or data of {what} (fingerprints {known} and "
                        f"{fingerprint}): different versions are never mixed"
                    )
            other = seen.setdefault(place, part)
            if other is not part and (file := _difference(other.path, part.path)):
                raise UsageError(
                    f"{other.path} and {part.path} differ in {file}, times apart, though they are of equal code; one "
                    "was made by other hardware or changed afterwards: delete one of them"
                )


def _prints(part: Cell | Exhibit[Any], plans: Mapping[str, CellPlan]) -> Iterator[tuple[str, str]]:
    """What a cell or an exhibit was made from, in words that are equal where the same is meant, and its fingerprint."""
    if isinstance(part, Exhibit):
        yield f"exhibit {part.info.exhibit!r}", part.info.fingerprint
        return
    plan = plans[part.name]
    yield f"problem {plan.problem!r}", part.info.problem.fingerprint
    more = [f"schedule {plan.schedule!r}"] if plan.schedule != "constant" else []
    more += [f"the groups {[each.model_dump(exclude_none=True) for each in plan.groups]}"] if plan.groups else []
    yield f"optimizer {plan.optimizer!r}{' with ' if more else ''}{' and '.join(more)}", part.info.optimizer.fingerprint


def _difference(one: Path, other: Path) -> str | None:
    """The file in which two folders of a cell or an exhibit differ, times apart; None where they are equal."""
    names = {file.name for folder in (one, other) for file in folder.iterdir()} - LATER
    return next((name for name in sorted(names) if not _same(one / name, other / name)), None)


def _same(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    if one.suffix == ".json":
        return bool(_without_times(read_json(one)) == _without_times(read_json(other)))
    return one.read_bytes() == other.read_bytes()


def _without_times(content: Any) -> Any:
    """JSON content without what was measured in seconds."""
    if isinstance(content, dict):
        return {key: _without_times(part) for key, part in content.items() if key not in MEASURED}
    return [_without_times(part) for part in content] if isinstance(content, list) else content


def _environment(sources: Sequence[_Source]) -> Mapping[str, Any]:
    """What made the joined record: the first's versions and machine, and under ``others`` those that differ."""
    first, *rest = [{key: part for key, part in each.environment.items() if key != "others"} for each in sources]
    others = [other for each in sources for other in each.environment.get("others", [])]
    different: list[Any] = []
    seen = [_undated(first)]
    for each in (*others, *rest):
        if _undated(each) not in seen:
            seen.append(_undated(each))
            different.append(each)
    return {**first, "others": different} if different else first


def _undated(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Versions and machine without the day: shards of one machine may be run on several."""
    return {key: part for key, part in environment.items() if key != "date"}


def _plugins(sources: Sequence[_Source]) -> Mapping[str, bytes]:
    """The content of the records' copies of plug-ins, by name; raises `UsageError` where two differ."""
    found: dict[str, tuple[bytes, Path]] = {}
    for source in sources:
        for file in sorted(source.record.plugins.glob("[!.]*.py")):
            content, where = found.setdefault(file.name, (file.read_bytes(), file))
            if content != file.read_bytes():
                raise UsageError(f"the plug-ins {where} and {file} differ: different versions are never mixed")
    return {name: content for name, (content, _) in found.items()}


def _land(record: RecordFolder, sources: Sequence[_Source]) -> int:
    """Copy what is finished and not in ``record`` yet; how much that was."""
    now = 0
    for source in sources:
        for place, part in source.finished.items():
            final = record.path / place
            if not final.exists():
                _copy(part.path, final)
                now += 1
    return now


def _copy(source: Path, final: Path) -> None:
    """Land a copy of the folder ``source`` as ``final``, with times of its own: it landed now, after any report."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with landing(final) as working:
        shutil.copytree(source, working, copy_function=shutil.copyfile)


def _keep_checkpoints(record: RecordFolder, sources: Sequence[_Source]) -> None:
    """Copy what unfinished cells keep, of each from the record that has the most; forget that of finished ones.

    The folder of a cell's checkpoints names its fingerprints, and a trace its configurations: it is what would be made
    again.
    """
    over = {
        f"{part.name}-{part.info.problem.fingerprint}-{part.info.optimizer.fingerprint}"
        for source in sources
        for part in source.finished.values()
        if isinstance(part, Cell)
    }
    kept: dict[str, Path] = {}
    size: Callable[[Path], int] = lambda folder: sum(1 for _ in folder.rglob("*.pt"))  # noqa: E731
    for source in sources:
        for folder in source.record.unfinished.glob("[!.]*"):
            if folder.is_dir() and size(folder) > (size(kept[folder.name]) if folder.name in kept else 0):
                kept[folder.name] = folder
    for name, folder in kept.items():
        if name in over:
            remove(record.unfinished / name)
        elif not (record.unfinished / name).exists():
            _copy(folder, record.unfinished / name)
    with suppress(OSError):  # not empty where a cell will go on
        record.unfinished.rmdir()


def _absent(sources: Sequence[_Source]) -> Iterator[str]:
    """Which shards are not among the ``sources``, in words, where all are shards of one division."""
    shards = [source.shard for source in sources if source.shard is not None]
    if len(shards) != len(sources) or len({shard.count for shard in shards}) != 1:
        return
    absent = sorted(set(range(1, shards[0].count + 1)) - {shard.number for shard in shards})
    if absent:
        yield f"of {shards[0].count} shards these are not among the folders: {', '.join(map(str, absent))}"
