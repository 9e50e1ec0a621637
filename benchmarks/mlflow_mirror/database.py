"""A store in an SQLite file of the user's, written by ourselves: a cell with all its runs in one transaction.

MLflow's client makes 20 transactions and 40 ms of work of every run, and importing it takes two seconds; the rows that
it leaves are plain. They are written only where the tables are those of a version whose rows the tests compare, and
artifacts are links to files of the record where the disk has links. What a killed process wrote is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror.runs import Dataset, Point
from benchmarks.mlflow_mirror.writer import INPUT_TAGS, PARENT, SOURCE_TYPE, Artifact, Experiment, NewRun, Writer

__all__ = ["Database"]

REVISIONS: Final = frozenset({"dc11669786a5"})
"""The revisions of MLflow's tables (those of MLflow 3.17) whose rows are known here."""

PATIENCE: Final = 20.0  # seconds to wait for another process that writes, as MLflow does
METRIC_NAME: Final = re.compile(r"[\w.\- :/]{1,250}")  # what MLflow takes; its rules for paths are ours too
LONGEST_PARAM: Final = 6000  # signs; MLflow cuts off what is longer

RUN: Final = """
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                  source_version, lifecycle_stage, artifact_uri, experiment_id)
VALUES (?, ?, 'UNKNOWN', '', '', ?, 'FINISHED', ?, ?, '', 'active', ?, ?)
"""
FIND: Final = """
SELECT runs.run_uuid, runs.status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
WHERE runs.experiment_id = ? AND runs.lifecycle_stage = 'active' AND tags.key = ? AND tags.value = ?
ORDER BY runs.start_time DESC, runs.run_uuid
"""
DATASET: Final = (
    "dataset_uuid",
    "experiment_id",
    "name",
    "digest",
    "dataset_source_type",
    "dataset_source",
    "dataset_profile",
)
INPUT: Final = ("input_uuid", "source_type", "source_id", "destination_type", "destination_id")


class Database(Writer):
    """The store in ``file``, whose tables are of one of `REVISIONS`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def known(cls, file: Path) -> Database | None:
        """The store in ``file``, which exists; None where MLflow's own client must write it."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=PATIENCE)) as connection:
            found = {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}
            return cls(file) if found and found <= REVISIONS else None
        return None

    def experiment(self, name: str) -> Experiment | None:
        with self._open() as database:
            query = "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE name = ?"
            found = database.execute(query, (name,)).fetchone()
        return None if found is None else Experiment(str(found[0]), str(found[1]), found[2] == "deleted")

    def new_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> Experiment:
        assert artifacts is not None
        now = _now()
        with self._open() as database:
            made = database.execute(
                "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time) "
                "VALUES (?, ?, 'active', ?, ?)",
                (name, artifacts, now, now),
            )
            key = made.lastrowid
            rows = [(tag, value, key) for tag, value in tags.items()]
            database.executemany("INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)", rows)
        return Experiment(str(key), artifacts)

    def restore(self, experiment: Experiment) -> None:
        with self._open() as database:
            now, key = _now(), int(experiment.id)
            database.execute(
                "UPDATE experiments SET lifecycle_stage = 'active', last_update_time = ? WHERE experiment_id = ?",
                (now, key),
            )
            database.execute(
                "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL WHERE experiment_id = ?", (key,)
            )

    def find(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, bool]:
        with self._open() as database:
            found = database.execute(FIND, (int(experiment.id), tag, value)).fetchall()
        return {run: status == "FINISHED" for run, status in found}

    def tags(self, run: str) -> Mapping[str, str]:
        with self._open() as database:
            return dict(database.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)).fetchall())

    def tags_of(self, experiment: Experiment, tag: str, value: str) -> Mapping[str, Mapping[str, str]]:
        return {run: self.tags(run) for run in self.find(experiment, tag, value)}

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        with self._open() as database:
            self._tag(database, run, tags)

    def write(self, experiment: Experiment, run: NewRun, children: Sequence[NewRun] = ()) -> str:
        first, *others = [uuid.uuid4().hex for _ in (run, *children)]
        for name in {key for each in (run, *children) for key, *_ in each.content.points}:
            if not METRIC_NAME.fullmatch(name):
                raise TrackingError(
                    f"MLflow takes no metric called {name!r}: letters, digits and _-. :/ make its names"
                )
        for name, each in zip((first, *others), (run, *children), strict=True):
            _place(_folder(experiment, name), each.artifacts)
        with self._open() as database:
            _insert(database, experiment, first, run, {})
            for name, child in zip(others, children, strict=True):
                _insert(database, experiment, name, child, {PARENT: first})
        return first

    def add(self, experiment: Experiment, run: str, artifacts: Sequence[Artifact], tags: Mapping[str, str]) -> None:
        _place(_folder(experiment, run), artifacts)
        with self._open() as database:
            self._tag(database, run, tags)
            database.execute("UPDATE runs SET status = 'FINISHED', end_time = ? WHERE run_uuid = ?", (_now(), run))

    def delete(self, run: str) -> None:
        with self._open() as database:
            database.execute(
                "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ? WHERE run_uuid = ?", (_now(), run)
            )

    @staticmethod
    def _tag(database: sqlite3.Connection, run: str, tags: Mapping[str, str]) -> None:
        rows = [(name, value, run) for name, value in tags.items()]
        _fill(database, "tags", ("key", "value", "run_uuid"), rows, "INSERT OR REPLACE")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction, which is undone where an error ends it."""
        with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as connection, connection:
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut loses what the record still has
            yield connection


def _insert(
    database: sqlite3.Connection, experiment: Experiment, key: str, run: NewRun, tags: Mapping[str, str]
) -> None:
    """Write the rows of one run."""
    content, began = run.content, int(run.began * 1000)
    tags = {**content.tags, **tags, "mlflow.runName": content.name}
    user = tags.get("mlflow.user", "unknown")
    where = f"{_root(experiment)}/{key}/artifacts"
    row = (key, content.name, user, began, int(run.ended * 1000), where, int(experiment.id))
    database.execute(RUN, row)
    _fill(database, "tags", ("key", "value", "run_uuid"), [(name, value, key) for name, value in tags.items()])
    params = [(name, value[:LONGEST_PARAM], key) for name, value in content.params.items()]
    _fill(database, "params", ("key", "value", "run_uuid"), params)
    columns = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
    points = [(name, value, began, step, False, key) for name, value, step in dict.fromkeys(content.points)]
    _fill(database, "metrics", columns, points)
    latest: dict[str, Point] = {}
    for point in content.points:
        latest[point[0]] = max(latest.get(point[0], point), point, key=lambda each: (each[2], each[1]))
    _fill(database, "latest_metrics", columns, [(*point[:2], began, point[2], False, key) for point in latest.values()])
    if content.dataset is not None:
        _use(database, experiment, key, content.dataset)


def _use(database: sqlite3.Connection, experiment: Experiment, run: str, dataset: Dataset) -> None:
    """Write that ``run`` was made on ``dataset``, which an experiment has once."""
    row = (uuid.uuid4().hex, int(experiment.id), dataset.name, dataset.digest)
    _fill(database, "datasets", DATASET, [(*row, SOURCE_TYPE, dataset.source, dataset.profile)], "INSERT OR IGNORE")
    where = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?"
    (found,) = database.execute(where, row[1:]).fetchone()
    made = uuid.uuid4().hex
    _fill(database, "inputs", INPUT, [(made, "DATASET", found, "RUN", run)])
    tags = [(made, name, value) for name, value in INPUT_TAGS.items()]
    _fill(database, "input_tags", ("input_uuid", "name", "value"), tags)


def _fill(
    database: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    how: str = "INSERT",
) -> None:
    places = ", ".join("?" * len(columns))
    database.executemany(f"{how} INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)


def _root(experiment: Experiment) -> str:
    return experiment.artifacts.rstrip("/")


def _folder(experiment: Experiment, run: str) -> Path:
    """Where a run keeps its artifacts."""
    return Path(url2pathname(urlsplit(_root(experiment)).path)) / run / "artifacts"


def _place(folder: Path, artifacts: Iterable[Artifact]) -> None:
    """Link the ``artifacts`` into ``folder``, or copy them where the disk has no links."""
    for artifact in artifacts:
        for file, name in artifact.files:
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)  # it may be a link to a file of the record, which is not to be written
            try:
                os.link(file, copy)
            except OSError:
                shutil.copyfile(file, copy)


def _now() -> int:
    """The time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)
