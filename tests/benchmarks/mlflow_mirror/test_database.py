"""A store that we write ourselves is, row by row and file by file, the one that MLflow's client would have made."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis.record.cells import Record
from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror import database
from benchmarks.mlflow_mirror.database import Database
from benchmarks.mlflow_mirror.overview import draw_overviews
from benchmarks.mlflow_mirror.runs import MirroredRun
from benchmarks.mlflow_mirror.store import connect, default_uri, make_store, reported
from benchmarks.mlflow_mirror.tracker import Tracker
from benchmarks.mlflow_mirror.writer import NewRun

INPUTS = "SELECT input_uuid, destination_id FROM inputs"
IDS = re.compile(r"\b[0-9a-f]{32}\b")


def rows(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a store, the ids of runs, datasets and inputs replaced by their names."""
    with closing(sqlite3.connect(file)) as store:
        names = dict(store.execute("SELECT run_uuid, name FROM runs").fetchall())
        names |= dict(store.execute("SELECT dataset_uuid, name FROM datasets").fetchall())
        names |= {made: f"input of {names[run]}" for made, run in store.execute(INPUTS).fetchall()}
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {table: store.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}

    def named(value: Any) -> Any:
        return IDS.sub(lambda match: names[match[0]], value) if isinstance(value, str) else value

    return {table: sorted((tuple(map(named, row)) for row in each), key=repr) for table, each in found.items()}


def files(folder: Path, store: Path) -> dict[str, bytes]:
    """Every artifact, by its path with the name of its run."""
    with closing(sqlite3.connect(store)) as open_store:
        names = dict(open_store.execute("SELECT run_uuid, name FROM runs").fetchall())
    found = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {"/".join((names[path.parts[0]], *path.parts[1:])): content for path, content in found.items()}


def mirrored(record: Record) -> tuple[dict[str, list[tuple[Any, ...]]], dict[str, bytes]]:
    """The rows and files of the mirror of ``record``, which is taken away again."""
    tracker = Tracker(default_uri(record.path), "toy", record.path, children="all")
    for cell in record:
        tracker.log_cell(cell)
    tracker.log_report(record.path)
    store, artifacts = record.path / "mlflow.db", record.path / "mlartifacts"
    draw_overviews(artifacts)
    found = rows(store), files(artifacts, store)
    shutil.rmtree(artifacts)
    return found


@pytest.mark.slow
def test_rows_and_files_are_those_that_mlflows_client_makes(record, empty_store, monkeypatch) -> None:
    (record.path / "report" / "figures").mkdir(parents=True)
    (record.path / "report" / "index.html").write_text("a page")
    (record.path / "report" / "figures" / "a.svg").write_text("a figure")
    monkeypatch.setattr(time, "time", lambda: 1.8e9)
    ours = mirrored(record)
    shutil.copy(empty_store, record.path / "mlflow.db")
    monkeypatch.setattr(Database, "known", lambda _: None)
    by_client = mirrored(record)
    assert ours == by_client
    assert len(ours[0]["runs"]) > 20
    assert len(ours[0]["metrics"]) > 200
    assert [row[2:4] for row in ours[0]["datasets"]] == [("toy", "f00dcafef00dcafe")]
    assert len(ours[0]["inputs"]) == len(ours[0]["input_tags"]) == 2


@pytest.mark.slow
def test_a_run_is_read_by_mlflow_as_it_was_written(logged) -> None:
    with reported(default_uri(logged.path)):
        client = connect(default_uri(logged.path))
        where = [client.get_experiment_by_name("toy").experiment_id]
        best = client.search_runs(where, "tags.role = 'trial'", order_by=["metrics.objective"])[0]
        history = client.get_metric_history(best.info.run_id, "train/loss")
    assert best.data.metrics["train/loss"] == history[-1].value
    assert [metric.step for metric in history] == [0, 10, 20, 30, 40]


def test_nothing_of_ours_imports_mlflow_to_write_a_file(record) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from benchmarks.mlflow_mirror.tracker import Tracker; from benchmarks.mlflow_mirror.store import default_uri\n"
        "folder = Path(sys.argv[1])\n"
        "Tracker(default_uri(folder), 'toy', folder).log_cell_folder(folder / 'cells' / 'toy--sgd')\n"
        "print(*sorted({'mlflow', 'sqlalchemy', 'alembic', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script, record.path], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_a_store_of_another_version_is_left_to_mlflows_client(record) -> None:
    file = record.path / "mlflow.db"
    assert Database.known(file) is not None
    with closing(sqlite3.connect(file)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'of another day'")
    assert Database.known(file) is None


def test_what_a_kill_stops_leaves_no_run(record, monkeypatch) -> None:
    inserted = []

    def killed(store: Any, experiment: Any, key: str, run: NewRun, tags: Any) -> None:
        insert(store, experiment, key, run, tags)
        inserted.append(key)
        if len(inserted) == 3:
            raise KeyboardInterrupt

    insert = database._insert
    tracker = Tracker(default_uri(record.path), "toy", record.path, children=3)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_insert", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.log_cell(record.cells[0])
    assert rows(record.path / "mlflow.db")["runs"] == []
    tracker.log_cell(record.cells[0])
    assert len(rows(record.path / "mlflow.db")["runs"]) == 6


def test_artifacts_are_links_to_the_record_and_replacing_them_leaves_the_record_alone(record) -> None:
    tracker = Tracker(default_uri(record.path), "toy", record.path, children="none")
    run = tracker.log_cell(record.cells[0])
    kept = record.path / "mlartifacts" / run / "artifacts" / "record" / "trials.parquet"
    assert kept.samefile(record.cells[0].path / "trials.parquet")
    page = record.path / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("first")
    again = record.path / "mlartifacts" / tracker.log_report(record.path) / "artifacts" / "report" / "index.html"
    page.rename(page.with_name("old.html"))
    page.write_text("second")
    tracker.log_report(record.path)
    assert (again.read_text(), page.with_name("old.html").read_text()) == ("second", "first")


def test_artifacts_are_copies_where_the_disk_has_no_links(record, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    run = Tracker(default_uri(record.path), "toy", record.path, children="none").log_cell(record.cells[0])
    kept = record.path / "mlartifacts" / run / "artifacts" / "record" / "trials.parquet"
    original = record.cells[0].path / "trials.parquet"
    assert kept.read_bytes() == original.read_bytes()
    assert not kept.samefile(original)


def test_a_metric_that_mlflow_could_not_show_is_refused(record) -> None:
    store = Database(record.path / "mlflow.db")
    experiment = store.new_experiment("odd", (record.path / "mlartifacts").as_uri(), {})
    with pytest.raises(TrackingError, match="no metric called 'what\\?'"):
        store.write(experiment, NewRun(MirroredRun("a run", {}, {}, (("what?", 1.0, 0),)), 1.0, 2.0))


def test_the_newest_point_of_a_metric_is_its_value(record) -> None:
    store = Database(record.path / "mlflow.db")
    experiment = store.new_experiment("odd", (record.path / "mlartifacts").as_uri(), {})
    points = (("a", 1.0, 5), ("a", 7.0, 20), ("a", 3.0, 10), ("b", -1.0, 0))
    store.write(experiment, NewRun(MirroredRun("a run", {}, {"long": "x" * 9000}, points), 1.0, 2.0))
    found = rows(record.path / "mlflow.db")
    assert {(row[0], row[1], row[3]) for row in found["latest_metrics"]} == {("a", 7.0, 20), ("b", -1.0, 0)}
    assert len(found["params"][0][1]) == 6000


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def schema(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as store:
        return store.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


@pytest.fixture
def made(empty_store, monkeypatch) -> list[Path]:
    """The stores for which MLflow was asked, which takes it two seconds; a copy of another one takes none."""
    asked: list[Path] = []

    def make(path: Path, working: Path) -> None:
        asked.append(path)
        shutil.copy(empty_store, working)

    monkeypatch.setattr("benchmarks.mlflow_mirror.store._migrate", make)
    return asked


def test_an_empty_store_is_made_once_and_then_copied_even_where_the_copy_was_damaged(
    cache, made, empty_store, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, third = (tmp_path / name for name in ("first.db", "second.db", "third.db"))
    make_store(first)
    make_store(second)
    assert made == [first]
    assert schema(second) == schema(first) == schema(empty_store)
    assert [row[:4] for row in rows(second)["experiments"]] == [
        (0, "Default", str(tmp_path / "mlruns" / "0"), "active")
    ]
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:50_000])
    make_store(third)
    assert made == [first, third]
    assert schema(third) == schema(kept) == schema(first)
    assert {item.name for item in tmp_path.iterdir()} == {"cache", "first.db", "second.db", "third.db"}


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(made, tmp_path, monkeypatch) -> None:
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path / "a file"))
    make_store(tmp_path / "mlflow.db")
    make_store(tmp_path / "again.db")
    assert len(made) == 2
    assert Database.known(tmp_path / "again.db") is not None
