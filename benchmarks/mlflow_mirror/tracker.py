"""Mirrors a record into MLflow, cell by cell, after each cell has landed on disk; training never waits for it.

One experiment a suite, one run a cell (`benchmarks.mlflow_mirror.runs` says what it holds), child runs for its best
trials and for the settings on the test seeds, one run for the report. MLflow is imported on first use, which takes two
seconds, and talked to with few calls a run, short timeouts and few retries: an outage costs seconds, raises
`TrackingError` and loses nothing, for the record is on disk and running the suite again mirrors what is missing.
"""

from __future__ import annotations

import getpass
import json
import shutil
import time
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from analysis.record.cells import Cell
from analysis.record.exhibits import load_exhibits
from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror.overview import draw_overview, overview_path
from benchmarks.mlflow_mirror.runs import (
    Children,
    MirroredRun,
    cell_run,
    setting_runs,
    short_hash,
    trial_runs,
    trials_table,
)
from benchmarks.mlflow_mirror.store import ARTIFACTS, connect, default_uri, moved, reported
from benchmarks.record.folder import RecordFolder
from benchmarks.redaction import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["SHARED", "VIEW", "Tracker"]

ADVICE: Final = "; the record is safe, and running the suite again mirrors what is missing"
SHARED: Final = ("suite.toml", "environment.json")  # the record's files that belong to no cell
STATE: Final = "stepscape.report"  # the tag that names the content of the report that was put there
VIEW: Final = "cells"
TRIALS: Final = "trials.json"
SHOWN: Final = {"mlflow.loggedArtifacts": json.dumps([{"path": TRIALS, "type": "table"}])}
"""The tag by which MLflow shows a file as a table."""
CELLS_VIEW: Final = {
    "searchFilter": "tags.role = 'cell'",
    "orderByKey": "tags.`problem`",
    "orderByAsc": True,
    "selectedColumns": [
        *(f"metrics.`{setting}/{key}`" for setting in ("tuned", "default") for key in ("final_gap", "diverged")),
        "metrics.`tuned/final_loss`",
        *(f"params.`best.{name}`" for name in ("lr", "gamma", "momentum")),
        *(f"tags.`{name}`" for name in ("problem", "optimizer", "at_edge")),
    ],
}
"""What MLflow's table of runs shows at first, in the form of the views that people share; else it shows no result."""

REPORT_NOTE: Final = (
    "The whole suite in one page: download `report/index.html`; its figures and tables stand beside it."
)
EXPERIMENT_NOTE: Final = """{description}

Runs with `tags.role = 'cell'` are an optimizer on a problem: sort them by `tuned/final_gap`. Their child runs are the
best trials (`tags.role = 'trial'`) and the tuned and default settings on the test seeds (`tags.role = 'test'`)."""


class Tracker:
    """Writes the finished cells and the report of the record at ``folder`` to the MLflow store at ``uri``.

    ``uri`` is `default_uri`, another database or a tracking server; ``children`` says how many trials of a cell get a
    run of their own. Nothing is opened before the first call. Every method raises `TrackingError` where the store
    cannot be reached or written; then stop calling, for each further call would wait for the same timeouts.
    """

    def __init__(self, uri: str, suite: str, folder: Path, *, children: Children = 12) -> None:
        self._uri = uri
        self._suite = suite
        self._folder = folder
        self._children = children

    def log_cell(self, cell: Cell) -> str:
        """Mirror ``cell`` and return its run's id; a cell that is there already costs one query.

        A run that a killed process left unfinished is deleted and written anew. Raises `RecordError` for damaged files.
        """
        with reported(self._uri, ADVICE):
            done, broken = self._find(short_hash(cell.path / "cell.json"))
            if done:
                return done
            for run_id in broken:
                self._delete(run_id)
        parent, children = cell_run(cell), [*setting_runs(cell), *trial_runs(cell, self._children)]
        picture = overview_path(RecordFolder(self._folder), cell.name)
        if not picture.is_file():
            draw_overview(cell, picture)
        # MLflow's `log_table` would write it to a folder outside the record, which a kill leaves there
        shown, ended = picture.with_name(TRIALS), time.time()
        trials_table(cell).to_json(shown, orient="split", index=False)
        with reported(self._uri, ADVICE):
            tags = {"stepscape.suite": self._suite_digest, **SHOWN}
            run_id = self._start(parent, tags, ended - _seconds(cell))
            for file in (shown, picture):
                self._client.log_artifact(run_id, str(file))
            self._client.log_artifacts(run_id, str(cell.path), "record")
            for name in SHARED:
                self._client.log_artifact(run_id, str(self._folder / name), "record")
            for rank, child in enumerate(children):
                # MLflow lists the latest start first, so the best trial must have started last
                began = ended - rank / 1000
                self._end(self._start(child, {"mlflow.parentRunId": run_id}, began), ended)
            self._end(run_id, ended)
        shutil.rmtree(picture.parent)
        return run_id

    def log_cell_folder(self, folder: Path) -> None:
        """Mirror the cell in ``folder``."""
        self.log_cell(Cell.load(folder))

    def log_report(self, folder: Path) -> str:
        """Put ``folder/report`` and the exhibits into the record's report run, made on first use; return its id.

        A report that is there already costs one query.
        """
        key = short_hash(*(self._folder / name for name in SHARED))
        tags = {"role": "report", "suite": self._suite, "stepscape.digest": key, "mlflow.note.content": REPORT_NOTE}
        report = MirroredRun(f"report of {self._suite}", tags, {}, ())
        state = short_hash(*sorted((folder / "report").glob("*.html")))
        with reported(self._uri, ADVICE):
            done, broken = self._find(key)
            if done and self._client.get_run(done).data.tags.get(STATE) == state:
                return done
            run_id = done or (broken[0] if broken else self._start(report, {}, time.time()))
            self._client.log_artifacts(run_id, str(folder / "report"), "report")
            for name, exhibit in load_exhibits(folder).items():
                self._client.log_artifacts(run_id, str(exhibit.path), f"exhibits/{name}")
            self._client.set_tag(run_id, STATE, state)
            self._end(run_id, time.time())
        return run_id

    @cached_property
    def _client(self) -> MlflowClient:
        return connect(self._uri)

    @cached_property
    def _experiment(self) -> str:
        """The id of the suite's experiment, made where it is missing and restored where it was deleted."""
        found = self._client.get_experiment_by_name(self._suite)
        local = urlsplit(self._uri).scheme not in ("http", "https")
        artifacts = (self._folder.resolve() / ARTIFACTS).as_uri() if local else None
        if found is None:
            note = redacted(EXPERIMENT_NOTE.format(description=_suite_description(self._folder)))
            tags = {"mlflow.note.content": note, f"mlflow.sharedViewState.{VIEW}": json.dumps(CELLS_VIEW)}
            return str(self._client.create_experiment(self._suite, artifact_location=artifacts, tags=tags))
        if self._uri == default_uri(self._folder) and found.artifact_location != artifacts:
            raise TrackingError(moved(self._folder))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    @cached_property
    def _suite_digest(self) -> str:
        """What keeps apart the records that different definitions of a suite left in one experiment."""
        return short_hash(self._folder / "suite.toml")

    @cached_property
    def _source(self) -> dict[str, str]:
        """Who ran what, in MLflow's own tags."""
        environment = json.loads((self._folder / "environment.json").read_text(encoding="utf-8"))
        commit = environment.get("git_commit")
        tags = {"mlflow.user": _user(), "mlflow.source.name": "stepscape"}
        return tags if commit is None else {**tags, "mlflow.source.git.commit": commit}

    def _find(self, key: str) -> tuple[str | None, list[str]]:
        """The id of a finished run with this digest, if there is one, and the ids of half-written ones."""
        runs = self._client.search_runs([self._experiment], f"tags.`stepscape.digest` = '{key}'")
        done = [run.info.run_id for run in runs if run.info.status == "FINISHED"]
        return (done[0] if done else None), [run.info.run_id for run in runs if run.info.status != "FINISHED"]

    def _delete(self, run_id: str) -> None:
        where = f"tags.`mlflow.parentRunId` = '{run_id}'"
        for run in self._client.search_runs([self._experiment], where, max_results=50_000):  # the most MLflow allows
            self._client.delete_run(run.info.run_id)
        self._client.delete_run(run_id)

    def _start(self, mirrored: MirroredRun, tags: Mapping[str, str], began: float) -> str:
        """Write ``mirrored`` as a run that began at the time ``began`` and return its id; the caller ends it."""
        from mlflow.entities import Metric, Param

        all_tags = {name: redacted(value) for name, value in {**mirrored.tags, **tags, **self._source}.items()}
        run = self._client.create_run(self._experiment, int(began * 1000), all_tags, redacted(mirrored.name))
        metrics = [Metric(key, value, int(began * 1000), step) for key, value, step in mirrored.points]
        params = [Param(key, redacted(value)) for key, value in mirrored.params.items()]
        self._client.log_batch(run.info.run_id, metrics=metrics, params=params)
        return str(run.info.run_id)

    def _end(self, run_id: str, ended: float) -> None:
        self._client.set_terminated(run_id, end_time=int(ended * 1000))


def _seconds(cell: Cell) -> float:
    """How long the cell took; the time of sampling is part of tuning."""
    seconds = cell.info.seconds
    return float(seconds.tuning + seconds.test + seconds.landscape)


def _suite_description(folder: Path) -> str:
    suite = tomllib.loads((folder / "suite.toml").read_text(encoding="utf-8"))
    return str(suite.get("description", ""))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
