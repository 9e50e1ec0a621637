"""A job that goes to a worker without a file of the driver's, and comes back: no cluster is needed to try that."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.record.cells import Cell
from benchmarks.errors import UsageError
from benchmarks.naming import sent_files
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.record.folder import RecordFolder
from benchmarks.running.backends import luggage
from benchmarks.running.backends.luggage import Luggage, load_code, unpacked_data
from benchmarks.running.backends.parcel import Requirements, carry_out_parcel, land, parcel_of, why_unfit
from benchmarks.running.backends.versions import versions
from benchmarks.running.exhibit import run_exhibit
from benchmarks.running.jobs import CellJob, exhibit_jobs
from benchmarks.running.prepare import prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = """
name = "sent"
problems = ["ellipse"]
optimizers = ["sgd"]
steps = 8
evaluations = 2
[tuning]
studies = 1
trials = 4
block = 2
seeds = 1
pruner = "none"
[test]
seeds = 2
[landscape]
grid = "3x2"
"""
SUITE = Suite.parse(TEXT, "test")
ASKING = """
name = "asking"
problems = ["ellipse"]
optimizers = ["sgd"]
exhibits = ["gamma-one", "memory"]
[exhibit.memory]
steps = 10
"""
RULE = """
from dataclasses import dataclass

from optimizers.sgd import SGD


@dataclass(frozen=True)
class Mine(SGD):
    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t)
"""


@pytest.fixture
def a_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """From its call on, this process is a worker that has been sent nothing yet."""

    def begin() -> None:
        monkeypatch.setattr(sent_files, "_SENT", {})
        monkeypatch.delitem(sys.modules, "mine_to_send", raising=False)
        monkeypatch.setattr(luggage, "_own_folder", lambda: tmp_path / "of the worker")
        (tmp_path / "of the worker").mkdir(exist_ok=True)

    return begin


def job_of(suite: Suite, folder: Path) -> CellJob:
    record = RecordFolder(folder)
    record.open(suite)
    return CellJob.of(prepare(suite.cells()[0]), record, None, None, None)


def needs_of(suite: Suite, data: Path | None = None) -> Requirements:
    return Requirements.of(Luggage.of(suite, data))


def same_cells(one: Path, other: Path) -> bool:
    a, b = Cell.load(one), Cell.load(other)
    for table in ("trials", "runs", "curves", "landscape"):
        pd.testing.assert_frame_equal(getattr(a, table), getattr(b, table))
    left, right = (json.loads((place / "cell.json").read_text()) for place in (one, other))
    apart = {name for name in left if left[name] != right[name]}
    return apart <= {"seconds", "cost"}


def test_a_job_that_was_sent_lands_as_one_that_ran_here(tmp_path: Path) -> None:
    run(SUITE, tmp_path / "here")
    job = job_of(SUITE, tmp_path / "away")
    returned = carry_out_parcel(parcel_of(job, needs_of(SUITE)), lambda name, share: None)
    assert not job.finished
    assert land(returned, job).landed
    assert same_cells(tmp_path / "here" / "cells" / "ellipse--sgd", job.place)


def test_every_exhibit_of_a_suite_is_a_job_that_can_be_sent(tmp_path: Path) -> None:
    suite = Suite.parse(ASKING, "test")
    away, here = RecordFolder(tmp_path / "away"), RecordFolder(tmp_path / "here")
    for record in (away, here):
        record.open(suite)
    other, job = exhibit_jobs(suite, away, None, None)
    assert (other.name, job.name) == ("exhibit gamma-one", "exhibit memory")
    returned = carry_out_parcel(parcel_of(job, needs_of(suite)), lambda name, share: None)
    assert not job.finished
    assert land(returned, job).landed
    tables = sorted(run_exhibit(job.question, job.position, here, None).glob("*.parquet"))
    assert tables
    for table in tables:
        assert (job.place / table.name).read_bytes() == table.read_bytes()


def test_a_result_that_comes_twice_lands_once(tmp_path: Path) -> None:
    job = job_of(SUITE, tmp_path / "away")
    returned = carry_out_parcel(parcel_of(job, needs_of(SUITE)), lambda name, share: None)
    land(returned, job)
    before = {file: file.stat().st_mtime_ns for file in job.place.iterdir()}
    assert land(returned, job).landed
    assert before == {file: file.stat().st_mtime_ns for file in job.place.iterdir()}
    assert [place.name for place in job.place.parent.iterdir()] == ["ellipse--sgd"]


def test_what_an_unfinished_cell_keeps_comes_back_and_goes_along_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.checkpoints.WORTH_KEEPING", 0.0)
    needs, job = needs_of(SUITE), job_of(SUITE, tmp_path / "away")
    with monkeypatch.context() as patch:  # time is up as soon as one trace was made
        patch.setattr(Checkpoints, "_late", property(lambda self: bool(self.made)))
        for traces in (1, 2):
            assert land(carry_out_parcel(parcel_of(job, needs), lambda name, share: None), job).unfinished
            (kept,) = job.keeps()
            assert len(list(kept.rglob("*.pt"))) == traces
    parcel = parcel_of(job, needs)
    assert len(parcel.kept) == 2
    assert land(carry_out_parcel(parcel, lambda name, share: None), job).landed
    assert job.keeps() == []
    run(SUITE, tmp_path / "here")
    assert same_cells(tmp_path / "here" / "cells" / "ellipse--sgd", job.place)


def test_a_workers_other_versions_are_refused_by_name(tmp_path: Path) -> None:
    needs = replace(needs_of(SUITE), versions=replace(versions(), torch="1.0", code="00000000"))
    job = job_of(SUITE, tmp_path / "away")
    returned = carry_out_parcel(parcel_of(job, needs), lambda name, share: None)
    assert returned.done is None
    assert (
        f"has stepscape's code {versions().code} and not 00000000, torch {versions().torch} and not 1.0"
        in returned.unfit
    )


def test_a_file_that_a_suite_names_is_sent_and_goes_by_the_drivers_name(
    tmp_path: Path, a_worker: Callable[[], None]
) -> None:
    file = tmp_path / "mine_to_send.py"
    file.write_text(RULE)
    suite = Suite.parse(TEXT.replace('"sgd"', f'"{file}:Mine"'), "test")
    run(suite, tmp_path / "here")
    job, needs = job_of(suite, tmp_path / "away"), needs_of(suite)
    file.unlink()
    a_worker()
    returned = carry_out_parcel(parcel_of(job, needs), lambda name, share: None)
    assert returned.done is not None
    assert returned.done.error is None
    land(returned, job)
    assert same_cells(tmp_path / "here" / "cells" / job.name, job.place)


def test_an_error_in_a_file_that_was_sent_names_the_drivers_file(tmp_path: Path, a_worker: Callable[[], None]) -> None:
    file = tmp_path / "not_mine.py"
    file.write_text("import nothing_of_this_name\n")
    needs = Requirements(versions(), Luggage({str(file): file.read_bytes()}, (f"{file}:Mine",)), {})
    a_worker()
    assert f"{file}" in why_unfit(needs)
    assert "of the worker" not in why_unfit(needs)


def test_a_worker_that_has_loaded_another_file_of_that_name_is_not_used(
    tmp_path: Path, a_worker: Callable[[], None]
) -> None:
    a_worker()
    load_code(Luggage({"theirs.py": b"a = 1"}))
    load_code(Luggage({"theirs.py": b"a = 1"}))
    with pytest.raises(UsageError, match=r"loaded another theirs\.py before"):
        load_code(Luggage({"theirs.py": b"a = 2"}))


def test_a_module_that_is_other_code_on_the_worker_is_refused() -> None:
    needs = Requirements(versions(), Luggage(objects=("torch.optim:SGD",)), {"torch.optim": "00000000"})
    assert "has other code of torch.optim" in why_unfit(needs)


def test_the_data_folder_goes_along_unless_it_is_too_large(
    tmp_path: Path, a_worker: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "a.dat").write_bytes(b"abc")
    packed = Luggage.of(SUITE, tmp_path / "data")
    a_worker()
    folder = unpacked_data(packed)
    assert folder is not None
    assert folder == unpacked_data(packed)
    assert (folder / "deep" / "a.dat").read_bytes() == b"abc"
    monkeypatch.setattr(luggage, "MOST", 2)
    with pytest.raises(UsageError, match="give --data a folder of the files alone"):
        Luggage.of(SUITE, tmp_path / "data")
