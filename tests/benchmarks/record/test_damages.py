"""Whatever befell a record, every command says so in a sentence that names the file, or does its work: no traceback.

The table of damages has every table, column and key; of each kind a few are tried always, every sixth among the slow
tests.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.record.cells import Cell, Record
from analysis.record.columns import TABLES
from analysis.record.errors import RecordError
from analysis.record.tables import DIGESTS
from benchmarks.cli.main import main
from benchmarks.mlflow_mirror.runs import cell_run, setting_runs, trial_runs, trials_table
from benchmarks.record.damage import damaged
from benchmarks.record.folder import RecordFolder
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

SUITE = """
name = "damaged"
problems = ["ellipse"]
optimizers = ["sgd", "rmsprop"]
steps = 12
[tuning]
studies = 2
trials = 6
block = 3
sampler = "random"
[landscape]
grid = "5x4"
"""
CELL = "cells/ellipse--rmsprop"
OTHER = "cells/ellipse--sgd"
USED = {name: table for name, table in TABLES.items() if name != "replays"}

Harm = Callable[[Path], None]


@dataclass(frozen=True)
class Damage:
    """One thing that befell a record: its ``name``, what it does to the results folder, and the file it did it to."""

    name: str
    harm: Harm
    file: str


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def harm(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return harm


FILE_HARMS: dict[str, Callable[[Path], None]] = {
    "is missing": Path.unlink,
    "is empty": _bytes(lambda _: b""),
    "is cut off": _bytes(lambda content: content[: len(content) // 2]),
    "is junk": _bytes(lambda _: b"PAR1 junk \xff\xfe PAR1"),
}


def _with(frame: pd.DataFrame, column: str, value: Any, rows: Any = 0) -> pd.DataFrame:
    """``frame`` with another ``value`` in some rows of a ``column``."""
    values = frame[column].astype(object)
    values.iloc[rows] = value
    return frame.assign(**{column: pd.Series(values.tolist(), index=frame.index)})


def _as_text(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.assign(**{column: [f"x{value}" for value in frame[column]]})


def _below_zero(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.assign(**{column: -1000.0 - np.arange(len(frame))})


FRAME_HARMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "has a row twice": lambda frame: pd.concat([frame, frame.iloc[[-1]]]),
    "has all rows twice": lambda frame: pd.concat([frame, frame]),
    "lacks its first row": lambda frame: frame.iloc[1:],
    "lacks its last row": lambda frame: frame.iloc[:-1],
    "lacks every other row": lambda frame: frame.iloc[::2],
    "has no row": lambda frame: frame.iloc[:0],
    "has one row": lambda frame: frame.iloc[:1],
    "has no column": lambda frame: frame[[]],
}
COLUMN_HARMS: dict[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
    "is gone": lambda frame, column: frame.drop(columns=column),
    "is text": _as_text,
    "is missing all over": lambda frame, column: frame.assign(**{column: np.nan}),
    "misses a value": lambda frame, column: _with(frame, column, None),
    "is negative": _below_zero,
    "is one value": lambda frame, column: frame.assign(**{column: frame[column].iloc[0]}),
    "is huge": lambda frame, column: frame.assign(**{column: 1e300}),
    "is infinite": lambda frame, column: frame.assign(**{column: np.inf}),
    "is true": lambda frame, column: frame.assign(**{column: True}),
}
JSON_VALUES: dict[str, Any] = {"a list": [], "a text": "x", "null": None, "below zero": -7, "an object": {"x": 1}}


def _frame(table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Harm:
    def harm(folder: Path) -> None:
        file = folder / CELL / f"{table}.parquet"
        change(pd.read_parquet(file)).to_parquet(file)

    return harm


def _json(file: str, change: Callable[[dict[str, Any]], Any]) -> Harm:
    def harm(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps(change(content)), encoding="utf-8")

    return harm


def _without(key: str, content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


def _of_files() -> Iterator[Damage]:
    files = [f"{CELL}/{table}.parquet" for table in USED]
    for file in [*files, f"{CELL}/cell.json", "suite.toml", "environment.json"]:
        for word, change in FILE_HARMS.items():
            yield Damage(f"{file} {word}", lambda folder, file=file, change=change: change(folder / file), file)
    for file in (f"{CELL}/cell.json", "environment.json", f"{CELL}/{DIGESTS}"):
        for text in ("[]", '"x"', "null", "7", "[" * 100_000, "{", '{"a": NaN}'):
            name = f"{file} holds {text[:9]}"
            yield Damage(name, lambda folder, file=file, text=text: _overwrite(folder / file, text), file)


def _overwrite(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def _of_tables() -> Iterator[Damage]:
    columns = {table: [*known.columns] for table, known in USED.items()}
    for table in ("trials", "landscape"):
        columns[table] += ["lr", "gamma"]
    for table, names in columns.items():
        file = f"{CELL}/{table}.parquet"
        for word, change in FRAME_HARMS.items():
            yield Damage(f"{table} {word}", _frame(table, change), file)
        for column in names:
            for word, harm in COLUMN_HARMS.items():
                change = lambda frame, column=column, harm=harm: harm(frame, column)  # noqa: E731 - a row of the table
                yield Damage(f"{column} of {table} {word}", _frame(table, change), file)
        for another in USED:
            if another != table:
                name = f"{table} is a copy of {another}"
                source = f"{CELL}/{another}.parquet"
                yield Damage(name, lambda folder, a=source, b=file: _copy(folder, a, b), file)
        yield Damage(
            f"{table} is that of the other cell",
            lambda folder, a=f"{OTHER}/{table}.parquet", b=file: _copy(folder, a, b),
            file,
        )


def _copy(folder: Path, source: str, target: str) -> None:
    shutil.copyfile(folder / source, folder / target)


KEYS = {
    "": "schema cell suite position problem optimizer schedule protocol studies defaults seconds lane_steps",
    "problem": "name dim minimum target steps tags deterministic fingerprint start_loss metrics minimisers",
    "optimizer": "name axes searched fixed hyperparameters",
    "protocol": "studies trials block objective aggregate tuning_seeds test_seeds landscape_seeds grid steps",
}


def _of_cell_json() -> Iterator[Damage]:
    file = f"{CELL}/cell.json"
    for part, keys in KEYS.items():
        for key in keys.split():

            def changed(content: dict[str, Any], value: Any, part: str = part, key: str = key) -> dict[str, Any]:
                return {**content, key: value} if not part else {**content, part: {**content[part], key: value}}

            def lacking(content: dict[str, Any], part: str = part, key: str = key) -> dict[str, Any]:
                return _without(key, content) if not part else {**content, part: _without(key, content[part])}

            yield Damage(f"cell.json lacks {part} {key}", _json(file, lacking), file)
            for word, value in JSON_VALUES.items():
                harm = _json(file, lambda content, value=value, changed=changed: changed(content, value))
                yield Damage(f"{part} {key} of cell.json is {word}", harm, file)


def _of_folders() -> Iterator[Damage]:
    def rename(folder: Path) -> None:
        (folder / CELL).rename(folder / "cells" / "ellipse--adam")

    def double(folder: Path) -> None:
        shutil.copytree(folder / CELL, folder / "cells" / "copy of ellipse")

    def replace(folder: Path) -> None:
        shutil.rmtree(folder / CELL)
        shutil.copytree(folder / OTHER, folder / CELL)

    def hollow(folder: Path) -> None:
        for file in (folder / CELL).iterdir():
            file.unlink()

    yield Damage("the cell is renamed", rename, "cells/ellipse--adam")
    yield Damage("the cell is there twice", double, "cells/copy of ellipse")
    yield Damage("the cell is the other one", replace, CELL)
    yield Damage("the cell is empty", hollow, CELL)
    yield Damage(
        "a file lies among the cells", lambda folder: _overwrite(folder / "cells" / "notes", "x"), "cells/notes"
    )


DAMAGES = {damage.name: damage for of in (_of_files, _of_tables, _of_cell_json, _of_folders) for damage in of()}
FEW = [name for place, name in enumerate(DAMAGES) if place % 120 == 50]
TRIED = [name for place, name in enumerate(DAMAGES) if place % 6 == 4 and name not in FEW]  # all take minutes
DRAWN = [name for place, name in enumerate(DAMAGES) if place % 40 == 7]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record before it was damaged."""
    return run(Suite.parse(SUITE, "the test"), tmp_path_factory.mktemp("whole") / "damaged").folder


@pytest.fixture
def damage_record(whole: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a damaged copy of the record, with the digests of its tables or without."""

    def damage_record(name: str, *, noted: bool) -> Path:
        folder: Path = shutil.copytree(whole, tmp_path / "damaged")
        DAMAGES[name].harm(folder)
        if not noted:
            for file in folder.glob(f"cells/*/{DIGESTS}"):
                file.unlink()
        return folder

    return damage_record


@pytest.fixture
def outcome(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A function that gives the exit code of a command and what it said on stderr; what it raises is a traceback."""

    def outcome(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return int(left.value.code or 0), capsys.readouterr().err

    return outcome


def _mirrored(folder: Path) -> None:
    """What a mirror reads of the cells, without a store to write it to."""
    for path in sorted((folder / "cells").iterdir()):
        cell = Cell.load(path)
        cell_run(cell), setting_runs(cell), trial_runs(cell, 12), trials_table(cell)


def _ends_in_sentences(outcome: Callable[..., tuple[int, str]], *commands: tuple[str | Path, ...]) -> None:
    """Run the commands, whose mistakes are one line each."""
    for words in commands:
        code, said = outcome(*words)
        assert code in (0, 1, 2)
        assert code != 2 or (said.startswith("stepscape: ") and said.count("\n") == 1), said


def _try(name: str, noted: bool, whole: Path, damage: Callable[..., Path], outcome: Any) -> None:
    folder = damage(name, noted=noted)
    _ends_in_sentences(
        outcome,
        ("compare", whole, folder),
        ("export", "optuna", folder, f"journal:///{folder}/studies.log"),
        ("replay", folder, "--sampler", "random", "--budget", "4", "--repeats", "2"),
    )
    with suppress(RecordError, NotADirectoryError):
        _mirrored(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("noted", [True, False], ids=["with digests", "without"])
def test_a_damaged_record_ends_every_command_in_a_sentence(
    name: str, noted: bool, whole: Path, damage_record: Callable[..., Path], outcome: Any
) -> None:
    _try(name, noted, whole, damage_record, outcome)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_every_sixth_damage_ends_every_command_in_a_sentence(
    name: str, whole: Path, damage_record: Callable[..., Path], outcome: Any
) -> None:
    _try(name, TRIED.index(name) % 4 == 0, whole, damage_record, outcome)  # with digests they end alike


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_the_report_of_a_damaged_record_is_written_or_refused_in_a_sentence(
    name: str, damage_record: Callable[..., Path], outcome: Any
) -> None:
    _ends_in_sentences(outcome, ("report", damage_record(name, noted=False), "--jobs", "1"))


def test_there_are_hundreds_of_damages_of_every_kind() -> None:
    assert len(DAMAGES) >= 600
    assert len(TRIED) >= 100
    assert {damage.file.partition("/")[0] for damage in DAMAGES.values()} >= {"cells", "suite.toml", "environment.json"}


@pytest.mark.parametrize("table", [*USED])
def test_a_table_that_is_another_than_landed_is_named_with_what_to_do(
    table: str, damage_record: Callable[..., Path]
) -> None:
    folder = damage_record(f"{table} lacks its last row", noted=True)
    with pytest.raises(RecordError) as caught:
        _ = getattr(Cell.load(folder / CELL), table)
    assert str(caught.value) == (
        f"{folder / CELL / table}.parquet cannot be read: {table}.parquet is not the table that was written; "
        f"delete the folder {folder / CELL} and run the suite again"
    )
    assert [(place, fault) for place, fault in damaged(RecordFolder(folder))] == [
        (folder / CELL, f"{table}.parquet is not the table that was written")
    ]


FAULTS: Mapping[str, str] = {
    "runs has a row twice": "runs has the row of setting default, seed 1001 twice",
    "seed of curves is text": "column seed of curves should hold numbers, got 'x1'",
    "status of runs is negative": "column status of runs should hold finished | diverged | pruned, got -1000.0",
    "study of trials misses a value": "column study of trials lacks 1 of 14 values",
    "step of paths is negative": "column step of paths should hold no number below 0, got -10",
    "gamma of landscape misses a value": "column gamma of landscape lacks 1 of 20 values",
    "start_loss of runs is infinite": "column start_loss of runs should hold finite numbers, got inf",
    "block of trials is gone": "trials lacks the column(s) block; it has ",
}


@pytest.mark.parametrize("name", [*FAULTS])
def test_a_table_without_a_digest_is_checked_row_by_row(name: str, damage_record: Callable[..., Path]) -> None:
    cell = Cell.load(damage_record(name, noted=False) / CELL)
    with pytest.raises(RecordError) as caught:
        _ = getattr(cell, next(table for table in USED if table in name))
    assert FAULTS[name] in str(caught.value)


@pytest.mark.parametrize("name", ["the cell is renamed", "the cell is there twice", "the cell is the other one"])
def test_a_cell_copied_under_another_name_is_named(name: str, damage_record: Callable[..., Path]) -> None:
    folder = damage_record(name, noted=True)
    with pytest.raises(RecordError, match=f"{DAMAGES[name].file} holds the cell .* delete this folder and run"):
        Record.load(folder)


def test_what_another_version_wrote_is_not_taken_for_damage(damage_record: Callable[..., Path]) -> None:
    assert not list(damaged(RecordFolder(damage_record(" schema of cell.json is below zero", noted=True))))


def test_an_undamaged_record_is_read_with_digests_and_without(whole: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(whole, tmp_path / "copy")
    (copy / CELL / DIGESTS).unlink()
    for folder in (whole, copy):
        assert not list(damaged(RecordFolder(folder)))
        for table in USED:
            assert len(getattr(Cell.load(folder / CELL), table))
