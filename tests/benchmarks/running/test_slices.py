"""Slices: a cell cut into jobs of its own is the cell in one piece, to the byte, whatever becomes of a slice."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine.kernel.compiler import find_compiler
from benchmarks.record import meter as meters
from benchmarks.record.folder import RecordFolder
from benchmarks.record.meter import read_meters
from benchmarks.running import estimate, memory, slices
from benchmarks.running.backends import local
from benchmarks.running.backends.luggage import Luggage
from benchmarks.running.backends.parcel import Requirements, carry_out_parcel, land, parcel_of
from benchmarks.running.jobs import CellJob, Job, JobResult
from benchmarks.running.observer import RunObserver
from benchmarks.running.prepare import Compute, ReadyCell, prepare
from benchmarks.running.run_suite import run
from benchmarks.running.slice_jobs import SliceJob, waves_of
from benchmarks.running.slices import Slice, slices_of
from benchmarks.suite.suite import Suite
from benchmarks.tuning import landscape

GIB = 2**30
TINY = {
    "name": "cut", "problems": ["ellipse"], "optimizers": ["rmsprop"], "steps": 12,
    "tuning": {"studies": 2, "trials": 4, "block": 2, "seeds": 2}, "test": {"seeds": 2},
    "landscape": {"grid": "5x3", "seeds": 2},
}  # fmt: skip


def suite(**changes: object) -> Suite:
    return Suite.checked({**TINY, **changes}, "this test")


def ready(**changes: object) -> list[ReadyCell]:
    return [prepare(plan) for plan in suite(**changes).cells()]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be cut is cut, into groups of one chunk, and all jobs are done by this process."""
    monkeypatch.setattr(slices, "LEAST", 0.0)
    monkeypatch.setattr(slices, "WHOLE", 1e9)
    monkeypatch.setattr(landscape, "GROUP", 1.0)
    monkeypatch.setattr(landscape, "MODULE", 0)
    monkeypatch.setattr(local, "map_unordered", lambda work, jobs, _: map(work, jobs))


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that are run, in their order."""
    jobs, carry_out = list[Job](), local.carry_out

    def noted(job: Job) -> JobResult:
        jobs.append(job)
        return carry_out(job)

    monkeypatch.setattr(local, "carry_out", noted)
    return jobs


def contents(folder: Path) -> dict[str, object]:
    """Every file of the finished cells: tables as they are, what was measured in seconds left out of the rest."""

    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: timeless(part) for key, part in value.items() if key not in ("seconds", "cost")}
        return [timeless(part) for part in value] if isinstance(value, list) else value

    found: dict[str, object] = {}
    for file in sorted(folder.glob("cells/*/*")):
        name = str(file.relative_to(folder))
        if file.name != "digests.json":
            found[name] = timeless(json.loads(file.read_text())) if file.suffix == ".json" else file.read_bytes()
    assert found
    return found


def chunked(monkeypatch: pytest.MonkeyPatch, problem: str, lanes: int) -> None:
    """From now on the problem trains so many lanes at once."""
    kind = type(prepare(suite(problems=[problem]).cells()[0]).problem)
    monkeypatch.setattr(kind, "chunk", property(lambda _: lanes))


KINDS = [
    pytest.param({}, "eager", id="eager"),
    pytest.param({"problems": ["digits-mlp"]}, "eager", id="network", marks=pytest.mark.slow),
    pytest.param(
        {"problems": ["ellipse"]},
        "kernel",
        id="kernel",
        marks=[pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler"), pytest.mark.slow],
    ),
    pytest.param({"problems": ["digits-convnet"], "steps": 2}, "native", id="native", marks=pytest.mark.slow),
    pytest.param({"optimizers": ["torch:Adam"]}, "auto", id="foreign", marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("changes", "engine"), KINDS)
def test_a_cell_is_the_same_to_the_byte_in_however_many_slices(
    changes: dict[str, object], engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    for problem in ("ellipse", "digits-mlp"):
        chunked(monkeypatch, problem, 4)
    run(suite(**changes), tmp_path / "whole", engine=engine)
    assert not any(isinstance(job, SliceJob) for job in done)
    cut = []
    for share in (1, 100):
        monkeypatch.setattr(slices, "SHARE", share)
        done.clear()
        assert run(suite(**changes), tmp_path / str(share), jobs=2, engine=engine).landed
        cut.append(sum(isinstance(job, SliceJob) for job in done))
        assert contents(tmp_path / str(share)) == contents(tmp_path / "whole")
        assert not (tmp_path / str(share) / "unfinished").exists()
    assert 2 <= cut[0] < cut[1]


@pytest.mark.usefixtures("small")
def test_a_cell_whose_studies_may_widen_its_ranges_maps_what_they_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    narrow = {"rmsprop": {"search": {"lr": [1e-4, 1e-3]}}}
    asked = suite(optimizer=narrow, tuning={**TINY["tuning"], "widen": 1})  # type: ignore[dict-item]
    run(asked, tmp_path / "whole")
    done.clear()
    run(asked, tmp_path / "cut", jobs=2)
    kinds = [(len(job.part.studies) > 0, len(job.part.groups) > 0) for job in done if isinstance(job, SliceJob)]
    assert kinds[0] == (True, False)
    assert kinds[-1] == (False, True)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_a_lost_slice_is_made_by_its_cell_and_a_killed_run_goes_on_with_what_its_slices_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    run(suite(), tmp_path / "whole")
    trained, train = list[int](), landscape.train

    def counted(*given: Any, **more: Any) -> Any:
        trained.append(len(given[1]))
        return train(*given, **more)

    def killed(job: Job) -> JobResult:
        if not isinstance(job, SliceJob):
            raise KeyboardInterrupt
        return carry_out(job)

    monkeypatch.setattr(landscape, "train", counted)
    carry_out = local.carry_out
    with monkeypatch.context() as patch:
        patch.setattr(local, "carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            run(suite(), tmp_path / "cut", jobs=2)
    assert sum(trained) == 15
    (kept,) = (tmp_path / "cut" / "unfinished").iterdir()
    next(kept.glob("landscape-*.pt")).unlink()
    trained.clear()
    done.clear()
    run(suite(), tmp_path / "cut")  # in one piece: what slices kept is not theirs
    assert len(trained) == 1
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


class Heard(RunObserver):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float]] = []
        self.shares: list[float] = []
        self.cost = 0.0

    def started(self, cost: float, kept: int) -> None:
        self.cost = cost

    def ended(self, result: JobResult, cost: float) -> None:
        self.said.append((result.name, cost))

    def inside(self, cost: float) -> None:
        self.shares.append(cost)


@pytest.mark.usefixtures("small")
def test_several_jobs_of_a_cell_are_shown_as_the_one_cell_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    monkeypatch.setattr("benchmarks.running.watch.EVERY", 0.005)
    chunked(monkeypatch, "ellipse", 4)
    heard = Heard()
    result = run(suite(), tmp_path, jobs=2, observer=heard)
    assert [each.name for each in result.ran] == ["ellipse--rmsprop"]
    assert heard.said == [("ellipse--rmsprop", heard.cost)]
    assert sum(job.cost for job in done) == pytest.approx(heard.cost)
    assert max(heard.shares) > 0.3 * heard.cost  # slices that are made count before their cell has ended
    assert max(heard.shares) <= 1.001 * heard.cost


@pytest.mark.usefixtures("small")
def test_a_slice_tells_how_far_it_is_under_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "EVERY", 0.0)
    chunked(monkeypatch, "ellipse", 4)
    seen, close = dict[str, float](), meters.Meter.close

    def noted(meter: meters.Meter) -> None:
        seen.update(read_meters(meter.path.parent))
        close(meter)

    monkeypatch.setattr(meters.Meter, "close", noted)
    run(suite(), tmp_path, jobs=2)
    assert {name: share for name, share in seen.items() if "~" in name and share < 0.7} == {}
    assert len(seen) > 3


@pytest.mark.usefixtures("small")
def test_a_failed_slice_fails_its_cell_once_and_the_others_land(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    train = landscape.train

    def fails(training: Any, *given: Any, **more: Any) -> Any:
        if training.name == "sgd":
            raise RuntimeError("out of luck")
        return train(training, *given, **more)

    monkeypatch.setattr(landscape, "train", fails)
    result = run(suite(optimizers=["sgd", "rmsprop"]), tmp_path, jobs=2)
    assert [(each.name, each.title) for each in result.failed] == [("ellipse--sgd", "cell ellipse--sgd")]
    assert "out of luck" in str(result.failed[0].error)
    assert [each.name for each in result.landed] == ["ellipse--rmsprop"]
    assert "ellipse--sgd" not in [job.name for job in done]
    assert list(json.loads((tmp_path / "failures.json").read_text())) == ["ellipse--sgd"]


@pytest.mark.usefixtures("small")
def test_where_time_runs_out_the_cell_is_unfinished_once_and_what_was_made_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    now, carry_out = [0.0], local.carry_out

    def later(job: Job) -> JobResult:
        now[0] += 1.0
        return carry_out(job)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now[0])
        patch.setattr(local, "carry_out", later)
        late = run(suite(), tmp_path / "cut", jobs=2, deadline=3.5)
    assert [(each.name, each.unfinished) for each in late.ran] == [("ellipse--rmsprop", True)]
    assert len(list((tmp_path / "cut" / "unfinished").rglob("*.pt"))) > 3
    assert run(suite(), tmp_path / "cut", jobs=2).landed
    run(suite(), tmp_path / "whole")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small")
def test_a_cell_whose_slices_are_all_made_lands_after_the_deadline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[Job]
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    now, carry_out = [0.0], local.carry_out

    def late(job: Job) -> JobResult:
        now[0] = 0.0 if isinstance(job, SliceJob) else 9.0
        return carry_out(job)

    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(local, "carry_out", late)
    assert run(suite(), tmp_path, jobs=2, deadline=5.0).landed
    assert not isinstance(done[-1], SliceJob)


LARGE = {"tuning": {"enabled": False}, "landscape": {"grid": "1000x1000", "seeds": 1}, "steps": 1000}


def test_one_large_landscape_keeps_all_workers_busy_and_its_slices_are_alike() -> None:
    (cell,) = ready(problems=["digits-mlp"], **LARGE)
    for jobs in (2, 7, 64):
        (cut,) = slices_of([cell], jobs).values()
        assert slices.SHARE * jobs - 1 <= len(cut) <= slices.SHARE * jobs
        assert [number for part in cut for number in part.groups] == list(range(cut[-1].groups.stop))
        assert max(part.share for part in cut) < 1.1 / (jobs * slices.SHARE)
        assert 0.99 < sum(part.share for part in cut) <= 1


def test_nothing_is_cut_for_one_worker_nor_what_is_small_nor_on_a_gpu() -> None:
    (cell,) = ready(problems=["digits-mlp"], **LARGE)
    assert slices_of([cell], 1) == {}
    assert slices_of([replace(cell, compute=Compute(device="cuda"))], 2) == {}
    assert slices_of(ready(), 2) == {}
    assert slices_of([cell], 2, others=1e9) == {}  # beside so much other work it is none too large


def test_of_many_cells_only_those_are_cut_that_others_would_wait_for() -> None:
    cells = ready(problems=["digits-mlp"], optimizers=["rmsprop", "sgd", "momentum", "adam"], **LARGE)
    huge = replace(cells[0], steps=20_000)
    assert slices_of(cells, 2) != {}
    assert list(slices_of([huge, *cells[1:]], 2)) == [huge.plan.name]


def test_studies_of_modules_as_they_are_are_jobs_of_their_own_unless_a_storage_is_shared() -> None:
    (cell,) = ready(
        problems=["digits-convnet"], steps=2000, tuning={"studies": 3, "trials": 64}, landscape={"enabled": False}
    )
    (cut,) = slices_of([cell], 4).values()
    assert [part.studies for part in cut] == [(0,), (1,), (2,)]
    assert slices_of([cell], 4, storage="sqlite:///studies.db") == {}


def test_what_depends_on_studies_waits_for_them_and_cells_for_their_slices() -> None:
    plans = suite(optimizers=["rmsprop", "sgd"]).cells()
    cell = CellJob(plans[0], RecordFolder(Path("out")), cost=10.0)
    other = replace(cell, plan=plans[1], cost=4.0)
    parts = [Slice(0.2, 1.0, studies=(0,)), Slice(0.5, 1.0, groups=range(4), waits=True)]
    waves = waves_of([other, cell], {cell.name: parts})
    assert [[job.name for job in wave] for wave in waves] == [
        [other.name, f"{cell.name}~1"],
        [f"{cell.name}~2"],
        [cell.name],
    ]
    assert [job.cost for wave in waves for job in wave] == pytest.approx([4.0, 2.0, 5.0, 3.0])


def test_slices_count_in_the_bound_of_memory() -> None:
    cells = ready(problems=["digits-mlp"], **LARGE)
    assert memory.fitting_jobs(cells, 8, 64 * GIB) == 8
    assert 2 <= memory.fitting_jobs(cells, 8, 5 * GIB) < 8


def test_the_estimate_shares_a_cut_cell_among_the_workers() -> None:
    cells = ready(problems=["digits-mlp"], **LARGE)
    parts = estimate.in_slices(cells, [100.0], 2)
    assert sum(parts) == pytest.approx(100.0)
    assert estimate.total_seconds(parts, 2) < 60 * estimate._slower(2) + estimate.START
    assert estimate.in_slices(cells, [100.0], 1) == [100.0]


@pytest.mark.usefixtures("small", "one_thread")
def test_slices_of_workers_that_share_no_file_travel_as_files_each_with_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked(monkeypatch, "ellipse", 4)
    record = RecordFolder(tmp_path / "cut")
    record.open(suite())
    (cell,) = ready()
    job = CellJob.of(cell, record, None, None, None)
    needs = Requirements.of(Luggage.of(suite(), None))
    (first, last) = waves_of([job], slices_of([cell], 2))
    trained, train = list[int](), landscape.train
    monkeypatch.setattr(landscape, "train", lambda *given, **more: trained.append(1) or train(*given, **more))
    for each in first:
        parcel = parcel_of(each, needs)
        assert parcel.kept == {}  # not what its neighbours made
        assert land(pickle.loads(pickle.dumps(carry_out_parcel(parcel, lambda *_: None))), each).landed
        (kept,) = record.unfinished.iterdir()
        assert parcel_of(each, needs).kept  # but its own, where it is sent again
    assert len(trained) == 4
    (landing,) = last
    monkeypatch.setattr("benchmarks.running.backends.parcel.MOST", 0)  # as if slices had made very much
    parcel = parcel_of(landing, needs)
    assert set(parcel.kept) == {f"{kept.name}/{file.relative_to(kept)}" for file in kept.rglob("*.pt")}
    assert land(carry_out_parcel(parcel, lambda *_: None), landing).landed
    assert len(trained) == 4
    assert not kept.exists()
    run(suite(), tmp_path / "whole")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
