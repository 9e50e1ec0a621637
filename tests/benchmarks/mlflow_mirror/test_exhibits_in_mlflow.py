from __future__ import annotations

import pytest

from analysis.record.exhibits import load_exhibits
from benchmarks.exhibits import make_question
from benchmarks.mlflow_mirror.fetch import fetch
from benchmarks.mlflow_mirror.store import default_uri
from benchmarks.mlflow_mirror.tracker import Tracker
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import ExhibitJob


@pytest.fixture
def asked(record):
    """A record of two made-up cells and one real exhibit, with a report."""
    (record.path / "exhibits").mkdir()
    ExhibitJob(make_question("memory", {"steps": 5}), 0, RecordFolder(record.path)).run()
    (record.path / "report").mkdir()
    (record.path / "report" / "index.html").write_text("<p>a page</p>", encoding="utf-8")
    return record


def test_exhibits_go_to_mlflow_with_the_report_and_come_back_with_the_cells(asked, tmp_path):
    uri = default_uri(asked.path)
    tracker = Tracker(uri, "toy", asked.path, children="none")
    tracker.log_cell(asked.cells[0])
    tracker.log_report(asked.path)
    memory = load_exhibits(fetch("toy", uri, tmp_path / "out"))["memory"]
    assert memory.info == load_exhibits(asked.path)["memory"].info
    assert len(memory.table("weights")) == 4 * 5


def test_a_record_without_exhibits_comes_back_without_their_folder(record, tmp_path):
    uri = default_uri(record.path)
    Tracker(uri, "toy", record.path, children="none").log_cell(record.cells[0])
    assert not (fetch("toy", uri, tmp_path / "out") / "exhibits").exists()
