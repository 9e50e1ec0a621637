"""Mirrors a record into MLflow, cell by cell, after each cell has landed on disk; training never waits for it.

One experiment a suite, one run a cell (`benchmarks.mlflow_mirror.runs` says what it holds), child runs for its best
trials and for the settings on the test seeds, one run for the report. A file of SQLite is written by ourselves
(`benchmarks.mlflow_mirror.database`); MLflow, whose import takes two seconds, is talked to where there is another
store, with few calls a run, short timeouts and few retries: an outage costs seconds, raises `TrackingError` and loses
nothing, for the record is on disk and running the suite again mirrors what is missing.
"""

from __future__ import annotations

import getpass
import json
import shutil
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from analysis.measures.results import CellResult
from analysis.record.cells import Cell, Record
from analysis.record.exhibits import load_exhibits
from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror.by_client import ByClient
from benchmarks.mlflow_mirror.database import Database
from benchmarks.mlflow_mirror.overview import PICTURE, draw_overview
from benchmarks.mlflow_mirror.runs import (
    Children,
    MirroredRun,
    cell_run,
    setting_runs,
    short_hash,
    trial_runs,
    trials_table,
)
from benchmarks.mlflow_mirror.standing import linked_note, standing_tags
from benchmarks.mlflow_mirror.store import ARTIFACTS, default_uri, file_of, make_store, moved, told
from benchmarks.mlflow_mirror.views import view_tags
from benchmarks.mlflow_mirror.writer import PARENT, Artifact, Experiment, NewRun, Writer
from benchmarks.record.folder import RecordFolder
from benchmarks.redaction import redacted

__all__ = ["SHARED", "Tracker", "mirror"]

ADVICE: Final = "; the record is safe, and running the suite again mirrors what is missing"
SHARED: Final = ("suite.toml", "environment.json")  # the record's files that belong to no cell
DIGEST: Final = "stepscape.digest"  # the tag that names the content of what was mirrored
NOTE: Final = "mlflow.note.content"  # MLflow's tag that holds a description
SUITE: Final = "stepscape.suite"  # the tag of a cell's run that names the record's suite and its definition
STATE: Final = "stepscape.report"  # the tag that names the content of the report that was put there
TRIALS: Final = "trials.json"
SHOWN: Final = {"mlflow.loggedArtifacts": json.dumps([{"path": TRIALS, "type": "table"}])}
"""The tag by which MLflow shows a file as a table."""
REPORT_NOTE: Final = (
    "The whole suite in one page: open `report/index.html` below Artifacts; its figures and tables stand beside it."
)
EXPERIMENT_NOTE: Final = """{description}

Three views are saved (the button Views). *Cells*: an optimizer on a problem a line; as charts, `gap` by step and its
logarithm. `tags.role = 'cell' and tags.problem = '…'` shows one problem. Where cells are compared, one without a memory
stands just above the others on that axis. *Trials*: the best trials of every cell, by objective; with `--children all`
they are all trials. *Report*: the whole report, below Artifacts. `tags.role = 'test'`, sorted by any metric, are the
settings on the test seeds."""


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
        with told(self._uri, ADVICE):
            found = self._find(short_hash(cell.path / "cell.json"))
            for run_id, finished in found.items():
                if finished:
                    return run_id
            for run_id in found:
                self._delete(run_id)
        # MLflow's `log_table` would write it to a folder outside the record, which a kill leaves there
        waiting = RecordFolder(self._folder).unfinished / cell.name
        waiting.mkdir(parents=True, exist_ok=True)
        shown, ended = waiting / TRIALS, time.time()
        trials_table(cell).to_json(shown, orient="split", index=False)
        record = [Artifact(file, "record") for file in (cell.path, *(self._folder / name for name in SHARED))]
        tags = {SUITE: self._suite_digest, **SHOWN}
        began, result = ended - _seconds(cell), CellResult.alone(cell)
        if not self._drawn_by_ui:
            draw_overview(cell, waiting / PICTURE)
            record.append(Artifact(waiting / PICTURE))
        parent = self._new_run(cell_run(cell, result), tags, began, ended, [Artifact(shown), *record])
        # MLflow lists the latest start first, so the best trial must have started last
        children = [
            self._new_run(child, {}, ended - rank / 1000, ended)
            for rank, child in enumerate([*setting_runs(cell, result), *trial_runs(cell, self._children)])
        ]
        with told(self._uri, ADVICE):
            run_id = self._writer.write(self._experiment, parent, children)
        shutil.rmtree(waiting)
        return run_id

    def log_cell_folder(self, folder: Path) -> None:
        """Mirror the cell in ``folder``."""
        self.log_cell(Cell.load(folder))

    def log_report(self, folder: Path) -> str:
        """Put ``folder/report`` and the exhibits into the record's report run, made on first use; return its id.

        A report that is there already costs one query.
        """
        key = short_hash(*(self._folder / name for name in SHARED))
        tags = {"role": "report", "suite": self._suite, DIGEST: key, NOTE: REPORT_NOTE}
        state = short_hash(*sorted((folder / "report").glob("*.html")))
        with told(self._uri, ADVICE):
            found = self._find(key)
            run_id = next((run for run, finished in found.items() if finished), next(iter(found), None))
            if run_id is None:
                now = time.time()
                report = MirroredRun(f"report of {self._suite}", tags, {}, ())
                run_id = self._writer.write(self._experiment, self._new_run(report, {}, now, now))
            elif self._writer.tags(run_id).get(STATE) == state:
                return run_id
            self._place_cells(run_id, folder / "report")
            artifacts = [Artifact(folder / "report", "report")]
            artifacts += [Artifact(each.path, f"exhibits/{name}") for name, each in load_exhibits(folder).items()]
            self._writer.add(self._experiment, run_id, artifacts, {STATE: state})
        return run_id

    def _place_cells(self, report_run: str, report: Path) -> None:
        """Tell the runs of the record's cells how they did among the others, and where the report speaks of them."""
        cells = {short_hash(cell.path / "cell.json"): cell for cell in Record.load(self._folder)}
        standing = standing_tags(report)
        for run_id, tags in self._writer.tags_of(self._experiment, SUITE, self._suite_digest).items():
            if cell := cells.get(tags.get(DIGEST, "")):
                note = linked_note(tags.get(NOTE, ""), cell, self._experiment.id, report_run)
                told = {NOTE: redacted(note), **standing.get((cell.problem, cell.label), {})}
                if not told.items() <= tags.items():
                    self._writer.tag(run_id, told)

    @cached_property
    def _writer(self) -> Writer:
        """Whoever writes the store: ourselves, where that is a file whose tables are known, or MLflow's client."""
        own = self._uri == default_uri(self._folder)
        file = RecordFolder(self._folder).mlflow_store if own else file_of(self._uri)
        if file is not None:
            if not file.exists():
                make_store(file)
            if database := Database.known(file):
                found = database.experiment(self._suite)
                if found is None or urlsplit(found.artifacts).scheme == "file":
                    return database
        return ByClient(self._uri)

    @property
    def _drawn_by_ui(self) -> bool:
        """Whether `benchmarks.mlflow_mirror.ui` draws the pictures of cells, once somebody looks."""
        return self._uri == default_uri(self._folder) and isinstance(self._writer, Database)

    @cached_property
    def _experiment(self) -> Experiment:
        """The suite's experiment, made where it is missing and restored where it was deleted."""
        found = self._writer.experiment(self._suite)
        local = urlsplit(self._uri).scheme not in ("http", "https")
        artifacts = (self._folder.resolve() / ARTIFACTS).as_uri() if local else None
        if found is None:
            note = redacted(EXPERIMENT_NOTE.format(description=_suite_description(self._folder)))
            tags = {NOTE: note, **view_tags(int(time.time() * 1000))}
            return self._writer.new_experiment(self._suite, artifacts, tags)
        if self._uri == default_uri(self._folder) and found.artifacts != artifacts:
            raise TrackingError(moved(self._folder))
        if found.deleted:
            self._writer.restore(found)
        return found

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

    def _find(self, key: str) -> Mapping[str, bool]:
        """The runs with this digest, by id, and whether each is whole."""
        return self._writer.find(self._experiment, DIGEST, key)

    def _delete(self, run_id: str) -> None:
        for child in self._writer.find(self._experiment, PARENT, run_id):
            self._writer.delete(child)
        self._writer.delete(run_id)

    def _new_run(
        self,
        mirrored: MirroredRun,
        tags: Mapping[str, str],
        began: float,
        ended: float,
        artifacts: Sequence[Artifact] = (),
    ) -> NewRun:
        """``mirrored`` with further ``tags`` and those that say who ran what, free of passwords."""
        tags = {name: redacted(value) for name, value in {**mirrored.tags, **tags, **self._source}.items()}
        params = {name: redacted(value) for name, value in mirrored.params.items()}
        return NewRun(
            replace(mirrored, name=redacted(mirrored.name), tags=tags, params=params), began, ended, artifacts
        )


def mirror(record: Record, uri: str, children: Children, on_cell: Callable[[int, int], None]) -> None:
    """Write what the store at ``uri`` lacks of ``record``.

    ``on_cell`` is told how many cells are there, and of how many.
    """
    tracker = Tracker(uri, record.name, record.path, children=children)
    for done, cell in enumerate(record, start=1):
        tracker.log_cell(cell)
        on_cell(done, len(record.cells))
    if RecordFolder(record.path).report.is_dir():
        tracker.log_report(record.path)


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
