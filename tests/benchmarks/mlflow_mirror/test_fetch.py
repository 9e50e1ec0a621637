from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.record.cells import Record
from benchmarks.errors import TrackingError, UsageError
from benchmarks.mlflow_mirror.fetch import fetch
from benchmarks.mlflow_mirror.store import connect, default_uri, reported
from benchmarks.mlflow_mirror.tracker import Tracker


@pytest.fixture
def uri(logged) -> str:
    return default_uri(logged.path)


@pytest.fixture
def client(uri):
    with reported(uri):
        return connect(uri)


@pytest.fixture
def run_id(client, logged) -> str:
    """The id of one cell's run in the store."""
    experiment = client.get_experiment_by_name("toy").experiment_id
    return client.search_runs([experiment], "tags.role = 'cell' AND tags.`stepscape.cell` = 'toy--sgd'")[0].info.run_id


@pytest.mark.parametrize("name", ["a?b", "%41 é#"])
def test_a_folder_whose_name_means_something_in_an_address_has_its_store_inside_and_is_read_back(
    name, tmp_path, builder, empty_store
):
    record = builder.record(tmp_path / "here" / name, ("sgd",))
    if name == "a?b":  # the other store is made anew
        shutil.copy(empty_store, record.path / "mlflow.db")
    where = default_uri(record.path)
    Tracker(where, "toy", record.path, children="none").log_cell(record.cells[0])
    assert [item.name for item in (tmp_path / "here").iterdir()] == [name]
    assert {"mlflow.db", "mlartifacts"} <= {item.name for item in record.path.iterdir()}
    assert [cell.name for cell in Record.load(fetch("toy", where, tmp_path / "out"))] == ["toy--sgd"]


def test_the_address_of_a_store_in_a_plain_folder_is_its_path(tmp_path):
    assert default_uri(tmp_path / "a b&c=é") == f"sqlite:///{tmp_path}/a b&c=é/mlflow.db"


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_is_fetched_equals_the_record_to_the_byte(logged, uri, tmp_path):
    out = fetch("toy", uri, tmp_path / "out" / "toy")
    ours = {name: data for name, data in files(logged.path).items() if not name.startswith("ml")}
    assert files(out) == ours
    assert [cell.name for cell in Record.load(out)] == [cell.name for cell in logged]


def test_of_a_cell_that_was_run_again_the_later_run_is_fetched(record, tmp_path, builder):
    again = builder.record(tmp_path / "again", ("sgd",), lane_steps=77)
    uri = default_uri(record.path)
    for cell in (record.cells[0], again.cells[0]):
        Tracker(uri, "toy", again.path, children="none").log_cell(cell)
    assert [cell.info.lane_steps for cell in Record.load(fetch("toy", uri, tmp_path / "out"))] == [77]


def test_another_definition_of_the_suite_is_not_mixed_in(record, tmp_path, builder):
    other = builder.record(tmp_path / "other", ("rmsprop",), lane_steps=77)
    (other.path / "suite.toml").write_text('name = "toy"\ndescription = "Another."\n', encoding="utf-8")
    uri = default_uri(record.path)
    Tracker(uri, "toy", record.path, children="none").log_cell(record.cells[0])
    Tracker(uri, "toy", other.path, children="none").log_cell(other.cells[0])
    fetched = Record.load(fetch("toy", uri, tmp_path / "out"))
    assert fetched.suite["description"] == "Another."
    assert [cell.name for cell in fetched] == ["toy--rmsprop"]


def test_an_unknown_experiment_offers_the_nearest(uri, tmp_path):
    with pytest.raises(TrackingError, match="no experiment 'toi', did you mean 'toy'"):
        fetch("toi", uri, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_experiment_of_somebody_elses_is_refused(uri, tmp_path):
    with pytest.raises(TrackingError, match="holds no finished cell of ours"):
        fetch("Default", uri, tmp_path / "out")


def test_a_store_that_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(UsageError, match=r"there is no MLflow store at .*none\.db"):
        fetch("any", f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "results" / "any")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(uri, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists; choose a new folder"):
        fetch("toy", uri, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "..", ".hidden", "a/b", ""])
def test_a_cells_name_that_is_a_path_is_refused(uri, client, run_id, tmp_path, name):
    client.set_tag(run_id, "stepscape.cell", name)
    with pytest.raises(TrackingError, match="no name of a cell"):
        fetch("toy", uri, tmp_path / "out")
    client.set_tag(run_id, "stepscape.cell", "toy--sgd")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_files_of_other_names_are_left_where_they_are(uri, client, run_id, tmp_path):
    client.log_text(run_id, "x", "record/trials.pkl")
    out = fetch("toy", uri, tmp_path / "out")
    assert not list(out.rglob("*.pkl"))


def test_a_damaged_cell_is_refused_and_leaves_nothing(uri, client, run_id, logged, tmp_path):
    client.log_text(run_id, "{", "record/cell.json")
    with pytest.raises(TrackingError, match="damaged record"):
        fetch("toy", uri, tmp_path / "out")
    client.log_artifact(run_id, str(logged.path / "cells" / "toy--sgd" / "cell.json"), "record")
    assert not (tmp_path / "out").exists()
