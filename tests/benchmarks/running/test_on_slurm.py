"""A suite on SLURM: one array of shards, none of which takes another with it; joined to the record of one run."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from few_cells import few_cells

from analysis.record.cells import Record
from analysis.record.shard import Shard
from benchmarks.cli.main import main
from benchmarks.errors import UsageError
from benchmarks.running import on_slurm
from benchmarks.running.on_slurm import ShardEnd, ShardRun, Submitted, slurm_options, submit
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

TEXT = few_cells("parts", ["sphere", "ellipse"])
SUITE = Suite.parse(TEXT, "test")


@pytest.fixture
def one(tmp_path: Path) -> ShardRun:
    return ShardRun(SUITE, tmp_path / "out", Shard(1, 3), jobs=1)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `sbatch` is given, where it is a stand-in that keeps its scripts in this folder."""
    queue = tmp_path / "queue"
    queue.mkdir()
    for name, text in {"sbatch": f'cp "$1" {queue}/script.sh; echo Submitted batch job 77', "srun": ""}.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return queue


def beside(one: ShardRun) -> Any:
    return lambda shard: one.folder.with_name(f"out-{shard.number}-of-{shard.count}")


def test_shards_are_one_array_with_the_options_given(one: ShardRun, queue: Path) -> None:
    options = slurm_options(["partition=cpu", "time=240", "mem=16G", "--cpus-per-task=8"])
    submitted = submit(one, options, beside(one))
    script = (queue / "script.sh").read_text()
    for line in ("--array=0-2", "--partition=cpu", "--time=240", "--mem=16G", "--cpus-per-task=8"):
        assert f"#SBATCH {line}" in script
    assert [run.folder.name for run, _ in submitted.jobs] == ["out-1-of-3", "out-2-of-3", "out-3-of-3"]
    assert submitted.array == "77"


def test_a_job_has_an_hour_where_nobody_says_and_not_the_five_minutes_of_submitit(one: ShardRun, queue: Path) -> None:
    submit(one, {}, beside(one))
    assert "#SBATCH --time=60\n" in (queue / "script.sh").read_text()


def test_shards_that_are_finished_are_not_submitted_again(one: ShardRun, queue: Path) -> None:
    run(SUITE, beside(one)(Shard(2, 3)), shard=(2, 3))
    submitted = submit(one, {}, beside(one))
    assert [str(each.shard) for each, _ in submitted.jobs] == ["shard 1 of 3", "shard 3 of 3"]
    run(SUITE, one.folder)
    assert not submit(one, {}, beside(one)).jobs


def test_a_mistake_in_the_suite_is_said_before_anything_is_submitted(one: ShardRun, queue: Path) -> None:
    wrong = replace(one, suite=SUITE.model_copy(update={"optimizers": ["sgdd"]}))
    with pytest.raises(LookupError, match="unknown optimizer 'sgdd'"):
        submit(wrong, {}, beside(one))
    assert not list(queue.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["partition"], "--slurm is written KEY=VALUE, as --slurm partition=cpu, got 'partition'"),
        (["=cpu"], "--slurm is written KEY=VALUE"),
        (["time=soon"], "--slurm time is a number of minutes, as time=240, got 'soon'"),
        (["cluster=cloud"], "--slurm cluster is slurm or local, got 'cloud'"),
        (["partitoin=cpu"], "--slurm cannot be so: .*partitoin"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_a_sentence(
    given: list[str], said: str, one: ShardRun, queue: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        submit(one, slurm_options(given), beside(one))


def test_without_slurm_it_is_said_what_to_do(one: ShardRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"there is no SLURM here .no srun.: .* --slurm cluster=local"):
        submit(one, {}, beside(one))
    monkeypatch.setattr(on_slurm, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'stepscape\[slurm\]'"):
        submit(one, {}, beside(one))


def test_no_exception_leaves_the_job_of_a_shard(one: ShardRun, tmp_path: Path) -> None:
    run(SUITE, tmp_path / "taken", shard=(2, 3))
    end = replace(one, folder=tmp_path / "taken")()
    assert end.error is not None
    assert "holds shard 2 of 3, and not shard 1 of 3" in end.error
    assert one() == ShardEnd(Shard(1, 3))
    late = replace(one, folder=tmp_path / "late", minutes=-1.0, shard=Shard(1, 1))()
    assert late.error is not None
    assert "is unfinished: time is up" in late.error


@dataclass
class FakeJob:
    """A job that is over at the second look; ``lost`` says how, where nothing came of it."""

    end: ShardEnd
    lost: str | None = None
    job_id: str = "77_0"
    looks: int = 0
    paths: Any = field(default_factory=lambda: type("Paths", (), {"stderr": "77_0.err"}))

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1

    def exception(self) -> Exception | None:
        return None if self.lost is None else RuntimeError(self.lost)

    def result(self) -> ShardEnd:
        return self.end


def test_a_job_that_is_killed_costs_no_other(one: ShardRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_slurm, "POLL", 0.0)
    runs = [replace(one, shard=Shard(number, 3)) for number in (1, 2, 3)]
    jobs: list[Any] = [FakeJob(ShardEnd(each.shard)) for each in runs]
    jobs[0].lost = "Job 77_0 failed\n  slurmstepd: error: Detected 1 oom_kill event\n\n"
    told: list[ShardEnd] = []
    ends = Submitted(list(zip(runs, jobs, strict=True)), Path("logs")).wait(told.append)
    assert ends == told
    assert [end.error is None for end in ends] == [False, True, True]
    assert ends[0].error == "job 77_0 was lost (slurmstepd: error: Detected 1 oom_kill event), see 77_0.err"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shards", "4"], "--shards is for --backend slurm"),
        (["--slurm", "time=3"], "--slurm is for --backend slurm"),
        (["--no-wait"], "--no-wait is for --backend slurm"),
        (["--backend", "slurm"], "--backend slurm needs --shards"),
        (["--backend", "slurm", "--shards", "2", "--shard", "1/2"], "--shard does not go with --backend slurm"),
        (["--backend", "slurm", "--shards", "2", "--address", "x:1"], "--address does not go with --backend slurm"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "quick", *arguments])
    assert said in capsys.readouterr().err


def test_without_waiting_the_command_says_what_joins_the_shards(
    queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.toml").write_text(TEXT)
    with pytest.raises(SystemExit, match="0"):
        main(["run", "parts.toml", "--out", "out", "--backend", "slurm", "--shards", "3", "--no-wait"])
    assert f"`stepscape merge {tmp_path}/out {tmp_path}/out-*-of-3` joins" in capsys.readouterr().out
    assert (queue / "script.sh").is_file()


@pytest.mark.slow  # starts processes
def test_shards_on_the_local_executor_of_submitit_make_the_record_of_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.toml").write_text(TEXT)
    arguments = ["--out", "out", "-j1", "--no-tracking", "--backend", "slurm", "--slurm", "cluster=local"]
    with pytest.raises(SystemExit, match="0"):
        main(["run", "parts.toml", "--shards", "2", *arguments])
    run(SUITE, tmp_path / "whole")
    one, other = Record.load("out"), Record.load("whole")
    for a, b in zip(one, other, strict=True):
        assert a.runs.equals(b.runs)
        assert a.curves.equals(b.curves)
        assert a.trials.equals(b.trials)
    assert (tmp_path / "out/report/index.html").is_file()
    assert "4 cells finished already" in capsys.readouterr().out


@pytest.mark.slow  # starts processes
def test_a_shard_killed_in_the_middle_is_gone_on_with_by_the_same_command(one: ShardRun) -> None:
    slow = replace(one, suite=SUITE.model_copy(update={"steps": 1_000}), shard=Shard(1, 2))
    first = submit(slow, {"cluster": "local"}, beside(one))
    shard, killed = first.jobs[0]

    def kill() -> None:
        while not (shard.folder / "suite.toml").exists():
            time.sleep(0.02)
        controller = int(killed.job_id)
        worker = int(Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0])
        for process in (controller, worker):
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    ends = first.wait(lambda _: None)
    thread.join()
    assert {end.shard: end.error is None for end in ends} == {Shard(1, 2): False, Shard(2, 2): True}
    second = submit(slow, {"cluster": "local"}, beside(one))
    assert [each.shard for each, _ in second.jobs] == [Shard(1, 2)]
    assert second.wait(lambda _: None) == [ShardEnd(Shard(1, 2))]
