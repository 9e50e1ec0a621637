"""Rebuilds a record's folder from the artifacts that `benchmarks.mlflow_mirror.tracker` left in MLflow.

What a store holds may have been written by anybody: only the record's own file names are fetched, a cell's name must be
a plain folder name, and nothing is loaded but JSON, TOML and parquet.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analysis.record.cells import Record
from analysis.record.columns import COLUMNS
from analysis.record.errors import RecordError
from analysis.record.exhibits import SCHEMAS
from analysis.record.tables import DIGESTS
from benchmarks.errors import TrackingError, UsageError, nearest
from benchmarks.mlflow_mirror.runs import short_hash
from benchmarks.mlflow_mirror.store import check_uri, connect, reported
from benchmarks.mlflow_mirror.tracker import SHARED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["fetch"]

FILES: Final = {"cell.json", DIGESTS, *(f"{table}.parquet" for table in COLUMNS)}
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def fetch(experiment: str, uri: str, out: Path) -> Path:
    """Write the record of ``experiment`` in the store at ``uri`` to the new folder ``out`` and return it.

    Where several records of the suite share the experiment, the one logged last is taken; where it holds a cell twice,
    the later one. Raises `UsageError` where ``out`` is there already, `TrackingError` where the store cannot be reached
    or holds no such record; nothing is left behind then.
    """
    if out.exists():
        raise UsageError(f"{out} exists; choose a new folder for what is fetched")
    check_uri(uri, existing=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as working:
        folder = Path(working) / "record"
        with reported(uri):
            client = connect(uri)
            runs = _cell_runs(client, experiment)
            for run in runs:
                _download(client, run, folder / "cells" / _cell_name(run), FILES)
            _download(client, runs[0], folder, SHARED)
            _download_exhibits(client, runs[0].info.experiment_id, folder)
        try:
            Record.load(folder)
        except RecordError as error:
            raise TrackingError(f"experiment {experiment!r} holds a damaged record: {error}") from error
        shutil.move(folder, out)
    return out


def _cell_runs(client: MlflowClient, experiment: str) -> list[Run]:
    """The finished cells of the experiment's latest record, the latest of each name."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        known = [one.name for one in client.search_experiments()]
        raise TrackingError(f"MLflow has no experiment {experiment!r}{nearest(experiment, known)}")
    where = "tags.role = 'cell' AND attributes.status = 'FINISHED'"
    latest: dict[str, Any] = {}
    token, suite = None, None
    while token != "":
        page = client.search_runs([found.experiment_id], where, order_by=["attributes.end_time DESC"], page_token=token)
        for run in page:
            suite = suite or run.data.tags["stepscape.suite"]
            if run.data.tags["stepscape.suite"] == suite:
                latest.setdefault(_cell_name(run), run)
        token = page.token or ""
    if not latest:
        raise TrackingError(f"experiment {experiment!r} holds no finished cell of ours")
    return list(latest.values())


def _cell_name(run: Run) -> str:
    name = str(run.data.tags.get("stepscape.cell", ""))
    if not PLAIN_NAME.fullmatch(name):
        raise TrackingError(f"MLflow run {run.info.run_id} names its cell {name!r}, which is no name of a cell")
    return name


def _download_exhibits(client: MlflowClient, experiment: str, folder: Path) -> None:
    """Copy the exhibits of the record in ``folder``, which MLflow keeps with its report, where there are any."""
    key = short_hash(*(folder / name for name in SHARED if (folder / name).is_file()))
    for run in client.search_runs([experiment], f"tags.role = 'report' AND tags.`stepscape.digest` = '{key}'"):
        for name, schema in SCHEMAS.items():
            files = {"exhibit.json", DIGESTS, *(f"{table}.parquet" for table in schema.tables)}
            _download(client, run, folder / "exhibits" / name, files, f"exhibits/{name}")


def _download(client: MlflowClient, run: Run, folder: Path, names: Iterable[str], where: str = "record") -> None:
    """Copy those of the run's artifacts in ``where`` that are called like one of ``names`` into ``folder``."""
    there = {item.path for item in client.list_artifacts(run.info.run_id, where) if not item.is_dir}
    files = [name for name in names if f"{where}/{name}" in there]
    if not files:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as working:
        for name in files:
            file = client.download_artifacts(run.info.run_id, f"{where}/{name}", working)
            shutil.copyfile(file, folder / name)
