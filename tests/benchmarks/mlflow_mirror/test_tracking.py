from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.problem_results import results_table
from analysis.record.cell_info import Seconds
from benchmarks.errors import TrackingError
from benchmarks.mlflow_mirror import overview
from benchmarks.mlflow_mirror.database import Database
from benchmarks.mlflow_mirror.overview import draw_overviews
from benchmarks.mlflow_mirror.runs import trials_table
from benchmarks.mlflow_mirror.store import connect, default_uri, reported
from benchmarks.mlflow_mirror.tracker import Tracker
from benchmarks.mlflow_mirror.views import FIRST

DRAWN = overview.draw_overview  # as it is before the tests put an empty picture in its place


@pytest.fixture
def tracker(record) -> Tracker:
    return Tracker(default_uri(record.path), "toy", record.path, children=3)


def open_store(record):
    with reported(default_uri(record.path)):
        return connect(default_uri(record.path))


@pytest.fixture
def store(record):
    return open_store(record)


@pytest.fixture
def by_client(monkeypatch) -> None:
    """Stores are written by MLflow's client, as servers are, and not by ourselves."""
    monkeypatch.setattr(Database, "known", lambda _: None)


@pytest.fixture
def new_cache(tmp_path, monkeypatch) -> None:
    """No empty store is kept from an earlier run."""
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def logged_store(logged):
    return open_store(logged)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory, monkeypatch) -> Path:
    """A working directory of its own, to see what is left in it."""
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def runs(store, where: str = ""):
    return store.search_runs([store.get_experiment_by_name("toy").experiment_id], where)


def run_of(store, cell):
    return runs(store, f"tags.role = 'cell' AND tags.`stepscape.cell` = '{cell.name}'")[0]


def test_a_cell_becomes_a_finished_run_with_tags_params_and_metrics(logged, logged_store):
    run = run_of(logged_store, logged.cells[1])
    assert (run.info.run_name, run.info.status) == ("rmsprop on toy", "FINISHED")
    expected = {"role": "cell", "suite": "toy", "problem": "toy", "optimizer": "rmsprop", "schedule": "constant"}
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags["mlflow.source.name"] == "stepscape"
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert run.data.params["sampler"] == "random"
    assert float(run.data.params["settings.tuned.lr"]) == pytest.approx(
        logged.cells[1].info.winner.hyperparameters["lr"]
    )
    assert run.data.metrics["best_objective"] == logged.cells[1].trials["objective"].min()


@pytest.mark.slow
def test_nothing_is_kept_outside_the_record_where_a_kill_would_leave_it(record, tracker, new_cache, monkeypatch):
    made, make = [], tempfile.mkdtemp
    monkeypatch.setattr(
        tempfile, "mkdtemp", lambda suffix=None, prefix=None, dir=None: made.append(dir) or make(suffix, prefix, dir)
    )
    (record.path / "mlflow.db").unlink()
    tracker.log_cell(record.cells[0])
    assert made == [record.path]  # where the store was made


def test_the_experiment_shows_its_cells_and_results_at_first(logged_store):
    tags = logged_store.get_experiment_by_name("toy").tags
    view = json.loads(json.loads(tags[f"mlflow.sharedViewState.{FIRST}"])["state"])
    assert view["searchFilter"] == "tags.role = 'cell'"
    assert "metrics.`result/gap_tuned`" in view["selectedColumns"]
    assert tags["mlflow.note.content"].startswith("Two optimizers on a toy problem.")


def test_the_experiment_has_three_named_views_the_cells_on_top(logged_store):
    tags = logged_store.get_experiment_by_name("toy").tags
    views = [json.loads(value) for name, value in tags.items() if name.startswith("mlflow.sharedViewState.")]
    views.sort(key=lambda view: -view["createdAt"])
    assert [view["name"] for view in views] == ["Cells", "Trials", "Report"]
    assert [json.loads(view["state"])["searchFilter"] for view in views] == [
        f"tags.role = '{role}'" for role in ("cell", "trial", "report")
    ]
    for view in views:
        state = json.loads(view["state"])
        assert list(state["columnWidths"]) == state["columnOrder"] == state["selectedColumns"]


def test_mlflow_finds_cells_by_their_problem_as_a_dataset(logged, logged_store):
    (used,) = run_of(logged_store, logged.cells[0]).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("toy", "f00dcafef00dcafe")
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}
    found = runs(logged_store, "dataset.digest = 'f00dcafef00dcafe'")
    assert {run.data.tags["role"] for run in found} == {"cell"}


@pytest.mark.parametrize("writer", ["ours", "by_client"])
def test_a_report_tells_cells_their_rank_and_its_place_once(record, tracker, store, writer, request):
    if writer == "by_client":
        request.getfixturevalue("by_client")
    for cell in record:
        tracker.log_cell(cell)
    before = run_of(store, record.cells[1])
    tables = record.path / "report" / "tables"
    tables.mkdir(parents=True)
    judged = {"tuned": [0.2, 0.1], "best": [False, True], "tied": [True, False]}
    results_table(record).assign(**judged).to_csv(tables / "results.csv", index=False)
    for text in ("first", "second"):
        (record.path / "report" / "index.html").write_text(text, encoding="utf-8")
        report = tracker.log_report(record.path)
    found = [run_of(store, cell) for cell in record]
    assert [run.data.tags["rank"] for run in found] == ["2 of 2", "1 of 2"]
    assert [run.data.tags["verdict"] for run in found] == ["not told apart from the best", "best"]
    note = found[1].data.tags["mlflow.note.content"]
    page = f"#/experiments/{found[1].info.experiment_id}/runs/{report}/artifacts/report/index.html"
    page += "?workflowType=machine_learning"
    assert note == before.data.tags["mlflow.note.content"] + f"\n\nIn the report: [the section on toy]({page})."
    assert found[1].info.end_time == before.info.end_time


def test_the_best_objective_goes_on_to_the_last_trial(logged, logged_store):
    history = logged_store.get_metric_history(run_of(logged_store, logged.cells[0]).info.run_id, "best_objective")
    assert history[-1].step == len(logged.cells[0].trials) - 1


def test_a_run_lasted_as_long_as_its_cell(logged, logged_store):
    info = run_of(logged_store, logged.cells[0]).info
    assert info.end_time - info.start_time == pytest.approx(800, abs=1)  # tuning 0.5 s, test 0.1 s, landscape 0.2 s


def test_artifacts_are_the_table_the_record_itself_and_once_looked_at_the_overview(logged, logged_store):
    draw_overviews(logged.path / "mlartifacts")
    run_id = run_of(logged_store, logged.cells[0]).info.run_id
    assert [item.path for item in logged_store.list_artifacts(run_id)] == ["overview.png", "record", "trials.json"]
    names = {Path(item.path).name for item in logged_store.list_artifacts(run_id, "record")}
    assert {file.name for file in logged.cells[0].path.iterdir()} | {"suite.toml", "environment.json"} <= names
    table = json.loads(Path(logged_store.download_artifacts(run_id, "trials.json")).read_text(encoding="utf-8"))
    assert len(table["data"]) == len(trials_table(logged.cells[0]))


def test_children_are_the_settings_and_then_the_trials_with_the_best_first(logged, logged_store):
    cell = logged.cells[0]
    children = runs(logged_store, f"tags.`mlflow.parentRunId` = '{run_of(logged_store, cell).info.run_id}'")
    names = [run.info.run_name.partition(":")[0] for run in children]
    best = cell.trials.sort_values("objective")["trial"].head(3)
    assert names == ["tuned on test seeds", "default on test seeds", *(f"trial {number}" for number in best)]
    assert {run.info.status for run in children} == {"FINISHED"}


def test_a_childs_curve_has_the_steps_of_the_evaluations(logged, logged_store):
    child = runs(logged_store, "tags.role = 'trial'")[0]
    history = logged_store.get_metric_history(child.info.run_id, "train/loss")
    assert [metric.step for metric in history] == [0, 10, 20, 30, 40]


def test_a_cell_is_logged_once(logged, logged_store):
    before = runs(logged_store)
    again = Tracker(default_uri(logged.path), "toy", logged.path).log_cell(logged.cells[0])
    assert again == run_of(logged_store, logged.cells[0]).info.run_id
    assert len(runs(logged_store)) == len(before)


def test_the_record_lies_in_its_own_folder_and_nothing_in_the_working_directory(record, tracker, elsewhere):
    tracker.log_cell(record.cells[0])
    assert list(elsewhere.iterdir()) == []
    assert (record.path / "mlartifacts").is_dir()


def test_a_cell_that_was_run_again_is_logged_again(record, tracker, store, builder):
    first = tracker.log_cell(record.cells[0])
    later = Seconds(tuning=9.0, sampling=0.1, test=0.1, landscape=0.2)
    again = builder.cell(record.path / "cells" / "again", "sgd", 0, seconds=later)
    assert tracker.log_cell(again) != first


def test_a_half_written_run_is_replaced(record, tracker, store, by_client, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "set_terminated", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.log_cell(record.cells[0])
    assert [run.info.status for run in runs(store)] == ["RUNNING", "RUNNING"]
    tracker.log_cell(record.cells[0])
    assert {run.info.status for run in runs(store)} == {"FINISHED"}
    assert len(runs(store, "tags.role = 'cell'")) == 1
    assert len(runs(store)) == 6


def test_the_report_keeps_its_run_when_it_is_logged_again(record, tracker, store):
    (record.path / "report").mkdir()
    page = record.path / "report" / "index.html"
    page.write_text("first", encoding="utf-8")
    run_id = tracker.log_report(record.path)
    page.write_text("second", encoding="utf-8")
    assert tracker.log_report(record.path) == run_id
    assert Path(store.download_artifacts(run_id, "report/index.html")).read_text(encoding="utf-8") == "second"


def test_a_report_whose_upload_was_killed_is_uploaded_next_time_and_a_whole_one_is_not(
    record, tracker, store, by_client, monkeypatch
):
    (record.path / "report").mkdir()
    page = record.path / "report" / "index.html"
    page.write_text("first", encoding="utf-8")
    tracker.log_report(record.path)
    page.write_text("second", encoding="utf-8")
    uploads = []

    def killed(_, run_id, local, *rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "log_artifacts", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.log_report(record.path)
    run_id = tracker.log_report(record.path)
    assert Path(store.download_artifacts(run_id, "report/index.html")).read_text(encoding="utf-8") == "second"
    monkeypatch.setattr(type(store), "log_artifacts", lambda *given: uploads.append(given))
    assert tracker.log_report(record.path) == run_id
    assert not uploads


@pytest.mark.slow
def test_a_store_whose_making_was_killed_is_made_anew(record, tracker, new_cache, monkeypatch):
    from alembic.operations.batch import ApplyBatchImpl

    def killed(*_):
        raise KeyboardInterrupt

    (record.path / "mlflow.db").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(ApplyBatchImpl, "_create", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.log_cell(record.cells[0])
    assert not (record.path / "mlflow.db").exists()
    tracker.log_cell(record.cells[0])
    assert (record.path / "mlflow.db").is_file()


def test_an_experiment_that_was_deleted_is_restored(record, tracker, store):
    store.delete_experiment(store.create_experiment("toy", artifact_location=(record.path / "mlartifacts").as_uri()))
    tracker.log_cell(record.cells[1])
    assert store.get_experiment_by_name("toy").lifecycle_stage == "active"


def test_a_folder_that_was_moved_says_how_to_rebuild_its_store(record, store, tmp_path):
    store.create_experiment("toy", artifact_location=(record.path / "mlartifacts").as_uri())
    moved = record.path.rename(tmp_path / "elsewhere")
    with pytest.raises(TrackingError, match=r"was moved .* remove mlflow\.db"):
        Tracker(default_uri(moved), "toy", moved).log_cell_folder(moved / "cells" / "toy--sgd")


def test_a_folder_with_spaces_and_signs_works(tmp_path, builder, empty_store):
    folder = tmp_path / "a b&c=é"
    record = builder.record(folder, ("sgd",))
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    Tracker(default_uri(folder), "toy", folder, children="none").log_cell(record.cells[0])
    assert (folder / "mlartifacts").is_dir()


def test_a_dead_server_is_reported_at_once(record, closed_port, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker(f"http://127.0.0.1:{closed_port}", "toy", record.path)
    with pytest.raises(TrackingError, match=f"MLflow at http://127.0.0.1:{closed_port} failed: Connection refused; "):
        tracker.log_cell(record.cells[0])


def test_a_server_that_answers_nothing_is_given_up_after_the_timeout(record, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracker = Tracker(f"http://127.0.0.1:{silent.getsockname()[1]}", "toy", record.path)
        with pytest.raises(TrackingError, match=r"[Tt]imed out|[Tt]imeout"):
            tracker.log_cell(record.cells[0])


def test_a_dead_database_is_reported_without_its_password(record, closed_port):
    tracker = Tracker(f"postgresql+psycopg://me:secret@127.0.0.1:{closed_port}/db", "toy", record.path)
    with pytest.raises(TrackingError, match=r"me:\*\*\*@") as raised:
        tracker.log_cell(record.cells[0])
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("uri", ["file:///nowhere", "nonsense://x", "sqlite:////nowhere/there/mlflow.db"])
def test_a_store_that_cannot_be_used_is_one_line(record, uri):
    with pytest.raises(TrackingError) as raised:
        Tracker(uri, "toy", record.path).log_cell(record.cells[0])
    assert "\n" not in str(raised.value)


def test_a_new_store_and_a_real_overview_say_nothing_on_the_terminal(tmp_path, builder, capfd, monkeypatch):
    monkeypatch.setattr(overview, "draw_overview", DRAWN)
    record = builder.record(tmp_path / "fresh", ("sgd",))
    run = Tracker(default_uri(record.path), "toy", record.path, children="none").log_cell(record.cells[0])
    picture = record.path / "mlartifacts" / run / "artifacts" / "overview.png"
    assert not picture.exists()
    draw_overviews(record.path / "mlartifacts")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capfd.readouterr() == ("", "")


def test_a_picture_that_cannot_be_drawn_costs_no_other_its_picture(tmp_path, builder):
    record = builder.record(tmp_path / "damaged")
    tracker = Tracker(default_uri(record.path), "toy", record.path, children="none")
    runs = [record.path / "mlartifacts" / tracker.log_cell(cell) / "artifacts" for cell in record.cells]
    torn = runs[-1] / "record" / "cell.json"
    torn.unlink()
    torn.write_text("{")
    draw_overviews(record.path / "mlartifacts")
    assert [(run / "overview.png").exists() for run in runs] == [True, False]


def test_log_levels_are_restored():
    levels = [logging.getLogger(name).level for name in ("mlflow", "urllib3")]
    with pytest.raises(TrackingError, match="boom"), reported("sqlite:///x"):
        raise RuntimeError("boom")
    assert [logging.getLogger(name).level for name in ("mlflow", "urllib3")] == levels


def test_what_the_user_set_for_mlflow_goes_first(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    with reported("sqlite:///x"):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_no_tag_or_parameter_holds_a_password(record, tracker, store):
    cell = record.cells[0]
    schedule = "postgresql://me:secret@host"
    tracker.log_cell(replace(cell, info=replace(cell.info, schedule=schedule)))
    run = run_of(store, cell)
    assert run.data.tags["schedule"] == "postgresql://me:***@host"
    assert not [value for value in (*run.data.tags.values(), *run.data.params.values()) if "secret" in value]
